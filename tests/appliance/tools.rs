//! What the README tells a data manager to type: files in, a grant, a question answered, without a server running.

use serde_json::{Value, json};

use crate::support::Installation;

#[test]
fn a_table_is_read_granted_and_asked_with_the_tools_alone() {
    let installation = Installation::new();
    let write = |name: &str, text: &str| {
        let path = installation.data().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pattern =
        |pattern: &str| json!([{"patternSetType": "basic", "pattern": pattern, "replacement": r"\1"}]);
    let rows = json!({"pipelineName": "rows", "pipelineType": "filePipeline", "grouping": "individual",
        "internalDelimiter": ";", "subjectIdLocation": "attributeInFile", "attribute": "patient"});
    let meaning = json!({"pipelineName": "meaning", "pipelineType": "remapPipeline", "directives": [
        {"directiveType": "termSet", "origin": "phenotypes", "destination": "hpo", "patternSets": pattern(r"^HP:(\d{7})$")},
        {"directiveType": "termSet", "origin": "bmi", "destination": "eav", "patternSets": pattern("^(.+)$")}]});
    installation.tool(&["pipeline", "add", &write("rows.json", &rows.to_string())], "");
    installation.tool(&["pipeline", "add", &write("meaning.json", &meaning.to_string())], "");
    let table = write(
        "table.csv",
        "patient,phenotypes,bmi\nA,HP:0001250;HP:0001263,21.5\nB,HP:0001250,#REF!\nC,other,19\n",
    );
    let read = ["ingest", &table, "--source", "clinic", "--pipeline", "rows", "--remap", "meaning", "--json"];
    let read: Value = serde_json::from_str(&installation.tool(&read, "")).unwrap();
    assert_eq!(
        (&read["subjectsInSource"], &read["files"][0]["state"]),
        (&json!(3), &json!("done")),
        "{read}"
    );

    installation
        .tool(&["group", "add", "readers", "--level", "count", "--user", "ada", "--source", "clinic"], "");
    let asked = installation.tool(&["query", "--hpo", "HP:0001250", "--user", "ada", "--json"], "");
    let entry: Value = serde_json::from_str(&asked).unwrap();
    assert_eq!(entry["responses"][0]["messageData"][0]["recordCount"], 2, "{entry}");
    let found = installation.tool(&["doctor", "--json"], "");
    assert_eq!(serde_json::from_str::<Value>(&found).unwrap()["healthy"], true, "{found}");
}
