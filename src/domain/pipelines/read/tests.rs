use serde_json::json;

use super::*;

fn file_body(fields: &Value) -> Value {
    let mut body = json!({"pipelineName": "p", "pipelineType": "filePipeline", "grouping": "individual", "internalDelimiter": ";"});
    let target = body.as_object_mut().unwrap();
    target.extend(fields.as_object().unwrap().clone());
    body
}

fn rule(fields: &Value) -> Result<SubjectIdRule, PipelineError> {
    match Pipeline::read(&file_body(fields))?.steps {
        Steps::FilePipeline(file) => Ok(file.subject_id),
        Steps::RemapPipeline(_) => unreachable!("a file pipeline was sent"),
    }
}

#[rstest::rstest]
#[case(json!({"subjectIdLocation": "attributeInFile", "attribute": "pid"}), "attributeInFile")]
#[case(json!({"subjectIdLocation": "attributeInFile", "attribute": "pid", "sourceType": "csv"}), "attributeInFile")]
#[case(json!({"subjectIdLocation": "attributeInFile", "attribute": ""}), "attributeInFile")]
#[case(json!({"subjectIdLocation": "attributeInFile"}), "attributeInName")]
#[case(json!({"subjectIdLocation": "attributeInFile", "attribute": null}), "attributeInName")]
#[case(json!({"subjectIdLocation": "attributeInName"}), "attributeInName")]
#[case(json!({"subjectIdLocation": "attributeInFile", "prefix": "S-", "batchSize": 2}), "assignPerBatch")]
#[case(json!({"subjectIdLocation": "assignPerBatch", "prefix": "S-", "batchSize": 2}), "assignPerBatch")]
#[case(json!({"subjectIdLocation": "assignByExtension", "columns": ["a"], "expansionPolicy": "individual", "newAttribute": "n"}), "assignByExpansion")]
#[case(json!({"subjectIdLocation": "assignByExpansion", "columns": ["a"], "expansionPolicy": "customized", "newAttribute": "n"}), "assignByExpansion")]
fn the_doubled_constant_is_told_apart_by_its_fields(#[case] fields: Value, #[case] canonical: &str) {
    let rule = serde_json::to_value(rule(&fields).unwrap()).unwrap();
    assert_eq!(rule["subjectIdLocation"], canonical);
}

#[rstest::rstest]
#[case(json!({"subjectIdLocation": "attributeInFile", "attribute": "a", "prefix": "b", "batchSize": 1}), "exclude each other")]
#[case(json!({"subjectIdLocation": "attributeInFile", "prefix": "b"}), "$.batchSize must be")]
#[case(json!({"subjectIdLocation": "assignPerBatch", "prefix": "b", "batchSize": 0}), "$.batchSize must be")]
#[case(json!({"subjectIdLocation": "assignByExpansion", "columns": [], "newAttribute": "n"}), "$.expansionPolicy is missing")]
#[case(json!({"subjectIdLocation": "assignByExpansion", "columns": ["a", "a"], "expansionPolicy": "individual", "newAttribute": "n"}), "different columns")]
#[case(json!({}), "$.subjectIdLocation is missing")]
#[case(json!({"subjectIdLocation": 7}), "$.subjectIdLocation must be")]
#[case(json!({"subjectIdLocation": "elsewhere"}), "$.subjectIdLocation must be")]
#[case(json!({"subjectIdLocation": "attributeInName", "grouping": "customized"}), "$.groupColumns is needed")]
#[case(json!({"subjectIdLocation": "attributeInName", "grouping": "both"}), "$.grouping must be individual or customized")]
#[case(json!({"subjectIdLocation": "attributeInName", "columnDelimiter": "::"}), "$.columnDelimiter must be")]
#[case(json!({"subjectIdLocation": "attributeInName", "missingValues": "NA"}), "$.missingValues must be a list of texts")]
#[case(json!({"subjectIdLocation": "attributeInName", "pipelineName": " "}), "$.pipelineName must not be empty")]
#[case(json!({"subjectIdLocation": "attributeInName", "pipelineType": "other"}), "$.pipelineType must be")]
fn a_problem_names_its_path(#[case] fields: Value, #[case] expected: &str) {
    let error = rule(&fields).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

fn remap_body(directive: &Value) -> Value {
    json!({"pipelineName": "p", "pipelineType": "remapPipeline", "directives": [directive]})
}

#[test]
fn a_remap_pipeline_needs_neither_source_type_nor_type() {
    let directive = json!({"directiveType": "termSet", "origin": "site", "destination": "eav",
        "patternSets": [{"patternSetType": "basic", "pattern": "^ward-(.)$", "replacement": r"Ward \1"}]});
    for body in
        [remap_body(&directive), json!({"pipelineName": "p", "sourceType": "csv", "directives": [directive]})]
    {
        let draft = Pipeline::read(&body).unwrap();
        assert!(matches!(draft.steps, Steps::RemapPipeline(remap) if remap.directives.len() == 1));
    }
}

#[rstest::rstest]
#[case(json!({"pattern": "(", "replacement": "x", "patternSetType": "basic"}), "$.directives[0].patternSets[0].pattern cannot be used")]
#[case(json!({"pattern": "a", "replacement": r"\1", "patternSetType": "basic"}), "the pattern has no group 1")]
#[case(json!({"pattern": "a", "patternSetType": "basic"}), "$.directives[0].patternSets[0].replacement is missing")]
#[case(json!({"pattern": "a", "qualifierReplacement": "q", "patternSetType": "qualifier"}), ".valueReplacement is missing")]
#[case(json!({"pattern": "a", "replacement": "q"}), ".patternSetType must be basic or qualifier")]
fn a_bad_pattern_set_is_refused_with_its_path(#[case] set: Value, #[case] expected: &str) {
    let error =
        Pipeline::read(&remap_body(&json!({"origin": "a", "destination": "hpo", "patternSets": [set]})));
    let error = error.unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[rstest::rstest]
#[case("variant", json!({"patternSetType": "basic", "pattern": "a", "replacement": "b"}), "must be qualifier for destination variant")]
#[case("subject", json!({"patternSetType": "basic", "pattern": "a", "replacement": "b"}), "must be qualifier for destination subject")]
#[case("subject", json!({"patternSetType": "qualifier", "pattern": "a", "qualifierReplacement": "height", "valueReplacement": "1"}), "must be gender, age")]
#[case("nowhere", json!({"patternSetType": "basic", "pattern": "a", "replacement": "b"}), "$.directives[0].destination must be hpo")]
fn a_directive_that_could_store_nothing_is_refused(
    #[case] destination: &str,
    #[case] set: Value,
    #[case] expected: &str,
) {
    let directive = json!({"origin": "a", "destination": destination, "patternSets": [set]});
    let error = Pipeline::read(&remap_body(&directive)).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn every_problem_is_listed_at_once() {
    let body =
        json!({"pipelineType": "remapPipeline", "directives": [{"patternSets": [{}]}, {"origin": "a"}]});
    let error = Pipeline::read(&body).unwrap_err();
    let paths: Vec<&str> = error.problems.iter().map(|problem| problem.path.as_str()).collect();
    for path in [
        "$.pipelineName",
        "$.directives[0].origin",
        "$.directives[0].destination",
        "$.directives[1].patternSets",
    ] {
        assert!(paths.contains(&path), "{path} is missing in {paths:?}");
    }
}

#[test]
fn more_directives_or_sets_than_allowed_are_refused() {
    let set = json!({"patternSetType": "basic", "pattern": "a", "replacement": "b"});
    let directive = json!({"origin": "a", "destination": "hpo", "patternSets": [set]});
    let body = json!({"pipelineName": "p", "directives": vec![directive; MAX_DIRECTIVES + 1]});
    assert!(Pipeline::read(&body).unwrap_err().to_string().contains("1 to 200 entries"));
    let directive =
        json!({"origin": "a", "destination": "hpo", "patternSets": vec![set; MAX_PATTERN_SETS + 1]});
    assert!(Pipeline::read(&remap_body(&directive)).is_err());
}

#[test]
fn a_stored_pipeline_reads_and_writes_the_published_fields() {
    let shown = json!({
        "pipelineId": "5065179a-d608-4aba-8728-2f131ec68127", "pipelineName": "p", "pipelineType": "filePipeline",
        "grouping": "customized", "internalDelimiter": ";", "groupColumns": "#",
        "subjectIdLocation": "assignPerBatch", "prefix": "S-", "batchSize": 2
    });
    let stored: Pipeline = serde_json::from_value(shown.clone()).unwrap();
    assert_eq!(serde_json::to_value(&stored).unwrap(), shown);
    let draft = Pipeline::read(&shown).unwrap();
    assert_eq!((draft.pipeline_id, draft.steps), (Some(stored.pipeline_id), stored.steps));
}

#[test]
fn a_remap_pipeline_round_trips() {
    let shown = json!({
        "pipelineId": "a", "pipelineName": "p", "pipelineType": "remapPipeline",
        "directives": [{"directiveType": "termSet", "origin": "o", "destination": "snomedCT", "valueType": "auto",
            "patternSets": [{"patternSetType": "qualifier", "pattern": "a", "qualifierReplacement": "b", "valueReplacement": "c"}]}]
    });
    let stored: Pipeline = serde_json::from_value(shown.clone()).unwrap();
    assert_eq!(serde_json::to_value(&stored).unwrap(), shown);
    assert_eq!(Pipeline::read(&shown).unwrap().steps, stored.steps);
}
