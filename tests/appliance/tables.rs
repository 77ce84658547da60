//! Tables and variants of the same people: loaded with pipelines made through the API, merged by subject, and asked.
//!
//! Lives here: the way from files to answers. What is expected comes from `tables/raw.rs` and `tables/counts.rs`,
//! which read the files on their own; `tables/made.rs` makes files of the same form for a machine without the shared
//! ones; `tables/secrecy.rs` looks for identifiers where none may be. To add a question: a line in
//! `tables/questions.rs`.

mod counts;
mod made;
mod questions;
mod raw;
mod secrecy;

use serde_json::{Value, json};

use crate::support::{Client, Installation, Node, shared, steps};
use counts::{Person, people};
use raw::{Calls, Sheet};

/// What the variants call a person by.
pub const SUBJECT_ID: &str = "Subject id";
/// What names a person in the sheet.
pub const IDENTIFIERS: [&str; 5] = ["eid", "Sample name", "Accession", SUBJECT_ID, "EGA sample id"];

/// The two files as they are uploaded.
pub struct Files {
    pub table: (&'static str, Vec<u8>),
    pub variants: (&'static str, Vec<u8>),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_made_sheet_and_its_variants_answer_as_counted() {
    let files = made::files(0x5EED_7AB1);
    // Made so that every kind of question has someone to find.
    keeps_its_promise(&files, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_sheet_and_its_variants_answer_as_counted() {
    let instead = "a made sheet with variants goes the same way";
    let table = shared::data("cineca-uk1.tsv.xz", instead);
    let variants = shared::data("cineca-annotated.vcf.gz", instead);
    let (Some(table), Some(variants)) = (table, variants) else { return };
    let files = Files {
        table: ("cineca-uk1.tsv.xz", std::fs::read(table).unwrap()),
        variants: ("cineca-annotated.vcf.gz", std::fs::read(variants).unwrap()),
    };
    keeps_its_promise(&files, false).await;
}

async fn keeps_its_promise(files: &Files, someone_for_each: bool) {
    let installation = Installation::new();
    installation.add_user("user", "grace");
    installation.add_user("user", "emmy");
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let grace = node.client("grace").await;
    let emmy = node.client("emmy").await;

    let (table, calls) = (Sheet::read(&files.table), Calls::read(&files.variants));
    let people = people(&table, &calls);
    assert_eq!(people.len(), table.rows(), "the two files are of the same people");

    let source = steps::source(&ada, "cohort").await;
    load_sheet(&ada, &source, &table, &files.table).await;
    steps::indexed(&ada, &source, table.rows()).await;
    let pipeline = steps::file_pipeline(&ada, "").await;
    let (name, bytes) = &files.variants;
    let id = steps::upload(&ada, &source, name, bytes.clone()).await;
    steps::read_in(&ada, &source, &pipeline, &[id]).await;
    let indexed = steps::indexed(&ada, &source, people.len()).await;
    assert_eq!(
        indexed["recordIndex"]["capability"]["variant"], true,
        "merged into the same source: {indexed}"
    );

    steps::grant(&ada, "count", &[&grace.user_id], &[&source]).await;
    steps::grant(&ada, "list", &[&emmy.user_id], &[&source]).await;
    let asked = questions::of_the_cohort();
    assert!(asked.len() >= 10);
    let mut found = 0;
    for question in &asked {
        let expected = question.count(&people);
        let answer = steps::ask_one(&grace, &source, &question.builder).await;
        println!("{:>5}  {}", expected, question.name);
        assert_eq!(answer["recordCount"], expected, "{}: {answer}", question.name);
        assert!(answer["resultDetails"].is_null(), "a count names nobody: {answer}");
        let listed = steps::ask_one(&emmy, &source, &question.builder).await;
        assert_eq!(steps::ids(&listed), question.ids(&people), "{}", question.name);
        found += usize::from(expected > 0 && expected < people.len());
    }
    assert!(found >= 10, "at least ten questions must tell people apart, {found} do");
    assert!(!someone_for_each || found == asked.len(), "{found} of {} questions find someone", asked.len());

    secrecy::nothing_below_list_names_anyone(&node, &source, &table, [&ada, &grace, &emmy]).await;
    node.stop().await;
}

/// Sheet to rows to subjects, with pipelines made through the API: sex and ages as demographics, every column as a
/// free attribute, the identifiers among them.
async fn load_sheet(client: &Client, source: &str, table: &Sheet, (name, bytes): &(&'static str, Vec<u8>)) {
    let rows = pipeline_by(client, SUBJECT_ID).await;
    let id = steps::upload(client, source, name, bytes.clone()).await;
    steps::ingest(client, source, &rows, std::slice::from_ref(&id)).await.ok();
    let staged = &steps::settled(client, source, std::slice::from_ref(&id)).await[0];
    assert_eq!(
        (&staged["state"], &staged["stagedCount"]),
        (&json!("staged"), &json!(table.rows())),
        "{staged}"
    );
    let sample = client.get(&format!("/datafiles/{id}/sample")).await.ok();
    assert_eq!(sample.as_array().unwrap().len(), 20);
    assert!(!sample.to_string().contains("#REF!"), "missing cells have no value: {sample}");

    let mut directives = vec![
        demographic("Sex", "gender", "(?i)^(male|female)$"),
        demographic("Age at recruitment-0.0", "age", r"^(\d+)$"),
        demographic("Age diabetes diagnosed-0.0", "ageFirstDiagnosis", r"^(\d+)$"),
    ];
    directives.extend(table.columns().iter().map(|column| as_it_is(column)));
    remap(client, source, &id, directives).await;
}

async fn pipeline_by(client: &Client, attribute: &str) -> String {
    let body = json!({
        "pipelineName": format!("rows by {attribute}"), "pipelineType": "filePipeline", "grouping": "individual",
        "internalDelimiter": "|", "subjectIdLocation": "attributeInFile", "attribute": attribute,
    });
    steps::create(client, "/pipelines/", &body).await
}

async fn remap(client: &Client, source: &str, file: &str, directives: Vec<Value>) {
    let body =
        json!({"pipelineName": "to subjects", "pipelineType": "remapPipeline", "directives": directives});
    let pipeline = steps::create(client, "/pipelines/", &body).await;
    let request = json!({"pipelineID": pipeline, "dataFileIDs": [file]});
    client.post(&format!("/source/{source}/remap"), &request).await.ok();
    let done = &steps::settled(client, source, &[file.to_owned()]).await[0];
    assert_eq!(done["state"], "done", "{done}");
}

fn demographic(column: &str, name: &str, pattern: &str) -> Value {
    json!({"directiveType": "termSet", "origin": column, "destination": "subject", "patternSets": [{
        "patternSetType": "qualifier", "pattern": pattern, "qualifierReplacement": name, "valueReplacement": r"\1",
    }]})
}

fn as_it_is(column: &str) -> Value {
    json!({"directiveType": "termSet", "origin": column, "destination": "eav", "patternSets": [{
        "patternSetType": "basic", "pattern": "^(.+)$", "replacement": r"\1",
    }]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wide_comma_table_with_cells_of_several_values_answers_as_counted() {
    let instead = "the made sheet shows ages and attributes";
    let Some(path) = shared::data("eucaim-patients.csv", instead) else { return };
    let file = ("eucaim-patients.csv", std::fs::read(path).unwrap());
    let table = Sheet::read(&file);
    assert_eq!(table.columns().len(), 46);
    let (_installation, node, ada, source) = with_a_source().await;
    let rows = pipeline_by(&ada, "patientId").await;
    let id = steps::upload(&ada, &source, file.0, file.1.clone()).await;
    steps::ingest(&ada, &source, &rows, std::slice::from_ref(&id)).await.ok();
    assert_eq!(steps::settled(&ada, &source, std::slice::from_ref(&id)).await[0]["state"], "staged");
    let mut directives = vec![
        demographic("sex|label", "gender", "(?i)^(male|female)$"),
        demographic("imageStudy|disease|ageAtDiagnosis", "ageFirstDiagnosis", r"^(\d+(?:\.\d+)?)$"),
    ];
    directives.extend(table.columns().iter().map(|column| as_it_is(column)));
    remap(&ada, &source, &id, directives).await;
    steps::indexed(&ada, &source, table.rows()).await;
    steps::grant(&ada, "count", &[&ada.user_id], &[&source]).await;
    let none = Calls::default();
    let people = people(&table, &none);
    for question in questions::of_the_images() {
        let expected = question.count(&people);
        let answer = steps::ask_one(&ada, &source, &question.builder).await;
        println!("{expected:>5}  {}", question.name);
        assert_eq!(answer["recordCount"], expected, "{}: {answer}", question.name);
        assert!(expected > 0 && expected < people.len(), "{} tells nobody apart", question.name);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workbook_answers_as_counted_from_its_first_sheet() {
    let Some(path) = shared::data("cineca-uk1.xlsx", "workbooks are shown by the reader's own tests") else {
        return;
    };
    let bytes = std::fs::read(path).unwrap();
    let table = Sheet::of_workbook(&bytes);
    let (_installation, node, ada, source) = with_a_source().await;
    let rows = pipeline_by(&ada, "individualId").await;
    let id = steps::upload(&ada, &source, "cineca-uk1.xlsx", bytes).await;
    steps::ingest(&ada, &source, &rows, std::slice::from_ref(&id)).await.ok();
    let staged = &steps::settled(&ada, &source, std::slice::from_ref(&id)).await[0];
    assert_eq!(
        (&staged["state"], &staged["stagedCount"]),
        (&json!("staged"), &json!(table.rows())),
        "{staged}"
    );
    let directives = table.columns().iter().map(|column| as_it_is(column)).collect();
    remap(&ada, &source, &id, directives).await;
    let by_person = table.of("individualId");
    steps::indexed(&ada, &source, by_person.len()).await;
    steps::grant(&ada, "list", &[&ada.user_id], &[&source]).await;
    for column in ["aligner", "variantCaller", "pipelineName"] {
        let (value, ids) = table.commonest(column, "individualId");
        let builder = json!({"eav": [{"attribute": column, "relation": "stringIs", "value": value}]});
        let answer = steps::ask_one(&ada, &source, &builder).await;
        println!("{:>5}  {column} is {value}", ids.len());
        assert_eq!(steps::ids(&answer), ids, "{column}");
    }
    // Each person's own row: the sample of one of them, found at the level that may list people.
    for (person, row) in by_person.iter().step_by(by_person.len() / 3) {
        let sample = table.cell(*row, "biosampleId").unwrap();
        let builder = json!({"eav": [{"attribute": "biosampleId", "relation": "stringIs", "value": sample}]});
        assert_eq!(steps::ids(&steps::ask_one(&ada, &source, &builder).await), std::slice::from_ref(person));
    }
    node.stop().await;
}

async fn with_a_source() -> (Installation, Node, Client, String) {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let source = steps::source(&ada, "cohort").await;
    (installation, node, ada, source)
}

/// People for whom a question holds, by their ids in byte order.
fn ids_where<'p>(people: &'p [Person<'_>], holds: impl Fn(&Person<'_>) -> bool + 'p) -> Vec<String> {
    let mut ids: Vec<String> = people.iter().filter(|person| holds(person)).map(|p| p.id.clone()).collect();
    ids.sort_unstable();
    ids
}
