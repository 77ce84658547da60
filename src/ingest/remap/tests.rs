//! The worked table of specification §7.4, then the rules around it.

use serde_json::{Value, json};
use std::sync::Arc;

use super::*;
use crate::domain::pipelines::{Pipeline, Steps};
use crate::ingest::file_pipeline::fixture::FewTerms;

fn remap_of(directives: Value, missing: Option<Value>) -> Remap {
    let mut body = json!({"pipelineName": "p", "pipelineType": "remapPipeline", "directives": directives});
    if let Some(missing) = missing {
        body["missingValues"] = missing;
    }
    match Pipeline::read(&body).unwrap().steps {
        Steps::RemapPipeline(pipeline) => Remap::compile(&pipeline).unwrap(),
        Steps::FilePipeline(_) => unreachable!("a remap pipeline was sent"),
    }
}

fn row(columns: Value) -> StagedRow {
    let columns =
        columns.as_object().unwrap().iter().map(|(name, value)| (Arc::from(name.as_str()), value.clone()));
    StagedRow { subject_id: "K7".to_owned(), columns: columns.collect() }
}

struct Done {
    subjects: Vec<Value>,
    rejects: Vec<(String, String)>,
    report: RemapReport,
    types: Types,
}

fn run_over(remap: &Remap, rows: &[Value], known: &BTreeMap<String, ValueType>) -> Done {
    let rows: Vec<StagedRow> = rows.iter().cloned().map(row).collect();
    let mut survey = remap.new_survey();
    rows.iter().for_each(|row| remap.survey(row, &mut survey));
    let types = remap.types(&survey, known);
    let (mut report, mut rejects) = (remap.new_report(), Vec::new());
    let mut subjects = Vec::new();
    for row in &rows {
        let mut reject = |rejected: Rejected<'_>| rejects.push((rejected.reason.to_owned(), rejected.value));
        let subject = remap.apply(row, &types, &FewTerms, &mut report, &mut reject);
        let mut shown = serde_json::to_value(&subject).unwrap();
        shown.as_object_mut().unwrap().remove("subjectId");
        subjects.push(shown);
    }
    Done { subjects, rejects, report, types }
}

fn run(directives: Value, rows: &[Value]) -> Done {
    run_over(&remap_of(directives, None), rows, &BTreeMap::new())
}

fn basic(origin: &str, destination: &str, pattern: &str, replacement: &str) -> Value {
    json!({"directiveType": "termSet", "origin": origin, "destination": destination,
        "patternSets": [{"patternSetType": "basic", "pattern": pattern, "replacement": replacement}]})
}

fn qualifier(origin: &str, destination: &str, pattern: &str, qualifier: &str, value: &str) -> Value {
    json!({"directiveType": "termSet", "origin": origin, "destination": destination, "patternSets": [
        {"patternSetType": "qualifier", "pattern": pattern, "qualifierReplacement": qualifier, "valueReplacement": value}]})
}

fn one(directive: Value, cell: Value) -> Value {
    let done = run(json!([directive]), &[json!({"site": cell})]);
    assert_eq!(done.rejects, []);
    done.subjects[0].clone()
}

#[rstest::rstest]
#[case("HP:0001250", basic("site", "hpo", r"^HP:(\d{7})$", r"\1"), json!({"HPO": ["0001250"]}))]
#[case("Short stature", basic("site", "hpo", "(?i)short stature", "0004322"), json!({"HPO": ["0004322"]}))]
#[case("seizures@12y", qualifier("site", "hpo", r"^seizures@(\d+)y$", "0001250", r"\1"), json!({"HPO": [{"0001250": 12}]}))]
#[case("M", basic("site", "snomedCT", "^M(ale)?$", "248153007"), json!({"SNOMED": ["248153007"]}))]
#[case("47", qualifier("site", "snomedCT", r"^(\d{1,3})$", "424144002", r"\1"), json!({"SNOMED": [{"424144002": 47}]}))]
#[case("APOE e3/e4", qualifier("site", "gene", r"^(\w+) (e\d/e\d)$", r"\1", r"\2"), json!({"ALLELES": [{"gene": "APOE", "alleles": ["e3", "e4"]}]}))]
#[case("ward-B", basic("site", "eav", "^ward-(.)$", r"Ward \1"), json!({"EAV": {"site": "Ward B"}}))]
fn the_worked_table_holds(#[case] cell: &str, #[case] directive: Value, #[case] stored: Value) {
    assert_eq!(one(directive, json!(cell)), stored);
}

#[rstest::rstest]
#[case("mild short stature", basic("site", "hpo", "short stature", "0004322"), json!({"HPO": ["0004322"]}))]
#[case("x", basic("site", "hpo", "x", "HP:0004322"), json!({"HPO": ["0004322"]}))]
#[case("x", basic("site", "hpo", "x", "http://purl.obolibrary.org/obo/HP_0004322"), json!({"HPO": ["0004322"]}))]
#[case("HP:0000001", basic("site", "hpo", r"\d+", r"\g<0>"), json!({"HPO": ["0000002"]}))]
#[case("x", qualifier("site", "hpo", "x", "0001250", "false"), json!({"HPO": [{"0001250": false}]}))]
#[case("x", qualifier("site", "hpo", "x", "0001250", "007"), json!({"HPO": [{"0001250": "007"}]}))]
#[case("x", basic("site", "ordo", "x", "ORPHA:558"), json!({"ORDO": ["558"]}))]
#[case("x", qualifier("site", "ordo", "x", "Orphanet_558", "yes"), json!({"ORDO": ["558"]}))]
#[case("x", qualifier("site", "ordo", "x", "558", "false"), json!({}))]
#[case("x", qualifier("site", "ordo", "x", "558", "0"), json!({}))]
#[case("x", basic("site", "snomedCT", "x", "SNOMEDCT_US:248153007"), json!({"SNOMED": ["248153007"]}))]
#[case("x", basic("site", "ncit", "x", "NCIT:C2654"), json!({"NCIT": ["C2654"]}))]
#[case("TTN", basic("site", "gene", ".+", r"HGNC:\g<0>"), json!({"ALLELES": [{"gene": "TTN", "alleles": []}]}))]
#[case("a,b;c", qualifier("site", "gene", ".+", "HLA-A", r"\g<0>"), json!({"ALLELES": [{"gene": "HLA-A", "alleles": ["a", "b", "c"]}]}))]
#[case("e3/e3", qualifier("site", "gene", ".+", "APOE", r"\g<0>"), json!({"ALLELES": [{"gene": "APOE", "alleles": ["e3", "e3"]}]}))]
#[case("BRCA1:missense", qualifier("site", "variant", "(.+):(.+)", r"\1", r"\2@0.25"), json!({"VARIANT": [{"gene": "BRCA1", "mutation": "missense", "af": 0.25}]}))]
#[case("TTN", qualifier("site", "variant", ".+", r"\g<0>", "lossofstart"), json!({"VARIANT": [{"gene": "TTN", "mutation": "lossOfStart"}]}))]
#[case("bmi=21.5", qualifier("site", "eav", r"(\w+)=(.+)", r"\1", r"\2"), json!({"EAV": {"bmi": 21.5}}))]
#[case("a.b=true", qualifier("site", "eav", "(.+)=(.+)", r"$\1", r"\2"), json!({"EAV": {"%24a%2Eb": true}}))]
#[case("price", basic("site", "eav", ".+", "$1 ${name}"), json!({"EAV": {"site": "$1 ${name}"}}))]
fn destinations_store_what_they_should(#[case] cell: &str, #[case] directive: Value, #[case] stored: Value) {
    assert_eq!(one(directive, json!(cell)), stored);
}

#[rstest::rstest]
#[case(basic("site", "hpo", ".+", "HP:123"), "is not an HPO id of seven digits")]
#[case(basic("site", "ordo", ".+", "1234567"), "is not an Orphanet number of one to six digits")]
#[case(basic("site", "snomedCT", ".+", "12345"), "is not a SNOMED CT id of at least six digits")]
#[case(basic("site", "ncit", ".+", "2654"), "is not an NCIT id: C and digits")]
#[case(basic("site", "gene", ".+", "HGNC:1100"), "is not a gene symbol")]
#[case(basic("site", "gene", ".+", "two words"), "is not a gene symbol")]
#[case(qualifier("site", "variant", ".+", "TTN", "deletion"), "is not a mutation type")]
#[case(
    qualifier("site", "variant", ".+", "TTN", "missense@5"),
    "has an allele frequency that is not between 0 and 1"
)]
#[case(
    basic("site", "eav", r"^(x|xx)+\1y$|(?=x)(?:x*)*\1y$|z", "1"),
    "the pattern needs too many steps on this value; make it simpler"
)]
fn what_cannot_be_stored_is_rejected_and_counted(#[case] directive: Value, #[case] reason: &str) {
    let cell = "x".repeat(60);
    let done = run(json!([directive]), &[json!({"site": cell})]);
    assert_eq!(done.rejects, [(reason.to_owned(), "x".repeat(40))]);
    assert_eq!(done.subjects, [json!({})]);
    assert_eq!(done.report.directives[0].counts, Counts { rejected: 1, ..Counts::default() });
}

#[test]
fn the_first_matching_set_wins_and_all_directives_run() {
    let both = json!({"origin": "site", "destination": "hpo", "patternSets": [
        {"patternSetType": "basic", "pattern": "seiz", "replacement": "0001250"},
        {"patternSetType": "basic", "pattern": ".*", "replacement": "0000118"}]});
    let done = run(
        json!([both, basic("site", "eav", ".+", r"\g<0>")]),
        &[json!({"site": "seizure"}), json!({"site": "tall"})],
    );
    assert_eq!(done.subjects[0], json!({"HPO": ["0001250"], "EAV": {"site": "seizure"}}));
    assert_eq!(done.subjects[1], json!({"HPO": ["0000118"], "EAV": {"site": "tall"}}));
}

#[test]
fn no_match_and_empty_results_are_counted_and_store_nothing() {
    let done = run(
        json!([basic("site", "hpo", "^(a?)b", r"\1")]),
        &[json!({"site": "b"}), json!({"site": "c"}), json!({"other": "b"})],
    );
    assert!(done.subjects.iter().all(|subject| *subject == json!({})));
    assert_eq!(done.report.directives[0].counts, Counts { unmatched: 1, empty: 1, ..Counts::default() });
    assert_eq!(done.report.rows, 3);
}

#[test]
fn lists_and_groups_are_taken_element_by_element_without_duplicates() {
    let rows = [json!({
        "feature": ["HP:0001250", "HP:0004322", "HP:0001250"],
        "groups": [{"term": "HP:0002315", "onset": 31}, {"term": "HP:0001250"}],
        "a.b": "HP:0000118"
    })];
    let hpo = |origin: &str| basic(origin, "hpo", r"HP:(\d{7})", r"\1");
    let done = run(
        json!([hpo("feature"), hpo("groups.term"), hpo("a.b"), basic("groups.onset", "eav", ".+", r"\g<0>")]),
        &rows,
    );
    assert_eq!(
        done.subjects[0],
        json!({"HPO": ["0001250", "0004322", "0002315", "0000118"], "EAV": {"groups%2Eonset": 31}})
    );
    assert_eq!(run(json!([hpo("group.term")]), &rows).subjects[0], json!({"HPO": ["0002315", "0001250"]}));
}

#[test]
fn missing_values_are_skipped_and_counted_once_per_column() {
    let directives = json!([basic("site", "eav", ".+", r"\g<0>"), basic("site", "hpo", ".+", "0001250")]);
    let rows = [
        json!({"site": "#REF!"}),
        json!({"site": " NA "}),
        json!({"site": ["x", ""]}),
        json!({"site": "-9"}),
    ];
    let done = run(directives.clone(), &rows);
    assert_eq!(done.report.missing(), BTreeMap::from([("site", 3)]));
    assert_eq!(done.subjects[2], json!({"EAV": {"site": "x"}, "HPO": ["0001250"]}));
    let remap = remap_of(directives, Some(json!(["-9"])));
    let done = run_over(&remap, &rows, &BTreeMap::new());
    assert_eq!(done.subjects[0]["EAV"], json!({"site": "#REF!"}));
    assert_eq!(done.subjects[3], json!({}));
}

fn eav(value_type: &str) -> Value {
    let mut directive = basic("v", "eav", ".+", r"\g<0>");
    directive["valueType"] = json!(value_type);
    directive
}

#[rstest::rstest]
#[case("auto", json!(["1", "2.50", 3]), json!([1, 2.5, 3]))]
#[case("auto", json!(["1", "007"]), json!(["1", "007"]))]
#[case("auto", json!(["true", "False"]), json!([true, false]))]
#[case("auto", json!(["true", "1"]), json!(["true", "1"]))]
#[case("text", json!(["1", 4.0]), json!(["1", "4.0"]))]
#[case("number", json!(["007", "1e3", "x"]), json!([7.0, 1000.0, null]))]
#[case("boolean", json!(["yes", "0", "true", "x"]), json!([true, false, true, null]))]
fn an_attribute_has_one_type(#[case] value_type: &str, #[case] cells: Value, #[case] stored: Value) {
    let rows: Vec<Value> = cells.as_array().unwrap().iter().map(|cell| json!({"v": cell})).collect();
    let done = run(json!([eav(value_type)]), &rows);
    let values: Vec<&Value> = done.subjects.iter().map(|subject| &subject["EAV"]["v"]).collect();
    assert_eq!(json!(values), stored);
}

#[test]
fn a_second_value_turns_an_attribute_into_a_list() {
    let done = run(json!([eav("auto")]), &[json!({"v": ["b", "a", "b"]}), json!({"v": ["b"]})]);
    assert_eq!(done.subjects, [json!({"EAV": {"v": ["b", "a"]}}), json!({"EAV": {"v": "b"}})]);
}

#[test]
fn a_type_is_kept_over_files_until_one_breaks_it() {
    let remap = remap_of(json!([eav("auto")]), None);
    let first = run_over(&remap, &[json!({"v": 1})], &BTreeMap::new());
    assert_eq!(first.types.known(), &BTreeMap::from([("v".to_owned(), ValueType::Number)]));
    let second = run_over(&remap, &[json!({"v": "x"}), json!({"v": "2"})], first.types.known());
    assert_eq!(second.types.mixed(), ["v"]);
    assert_eq!(second.subjects, [json!({"EAV": {"v": "x"}}), json!({"EAV": {"v": 2}})]);
    let third = run_over(&remap, &[json!({"v": "3"})], second.types.known());
    assert!(third.types.mixed().is_empty());
    assert_eq!(third.subjects, [json!({"EAV": {"v": 3}})]);
}

#[rstest::rstest]
#[case("gender", "man", json!({"gender": "male"}))]
#[case("sex", "F", json!({"gender": "female"}))]
#[case("age", "47", json!({"age": 47.0}))]
#[case("age", "P9Y11M", json!({"age": 9.0}))]
#[case("age", "2020-06-14", json!({"age": 39.0}))]
#[case("ageFirstDiagnosis", "2020-06-15", json!({"ageFirstDiagnosis": 40.0}))]
#[case("age_at_onset", "12", json!({"ageFirstSymptoms": 12.0}))]
#[case("affected", "yes", json!({"affected": true}))]
#[case("familyType", "Trio", json!({"familyType": "trio"}))]
fn demographics_are_given_explicitly(#[case] name: &str, #[case] cell: &str, #[case] expected: Value) {
    let directive = qualifier("v", "subject", ".+", name, r"\g<0>");
    let done = run(json!([directive]), &[json!({"v": cell, "Date of birth": "1980-06-15"})]);
    assert_eq!(done.rejects, []);
    assert_eq!(done.subjects[0]["_given"]["explicit"], expected);
}

#[rstest::rstest]
#[case("gender", "1", "is not male or female")]
#[case("age", "2020-06-15", "is a date, and the row has no date of birth to count from")]
#[case("age", "old", "is not an age in years, an ISO 8601 duration or a date")]
#[case("affected", "2", "is not true or false")]
#[case("dateOfBirth", "June", "is not a date of the form YYYY-MM-DD")]
fn demographics_that_make_no_sense_are_rejected(
    #[case] name: &str,
    #[case] cell: &str,
    #[case] reason: &str,
) {
    let done = run(json!([qualifier("v", "subject", ".+", name, r"\g<0>")]), &[json!({"v": cell})]);
    assert_eq!(done.rejects, [(reason.to_owned(), cell.to_owned())]);
    assert!(done.subjects[0].get("_given").is_none());
}

#[test]
fn a_declared_code_is_a_gender_and_a_directive_may_name_the_birth() {
    let directives = json!([
        {"origin": "sex", "destination": "subject", "patternSets": [
            {"patternSetType": "basic", "pattern": "^1$", "replacement": "male"},
            {"patternSetType": "basic", "pattern": "^2$", "replacement": "female"}]},
        qualifier("seen", "subject", ".+", "age", r"\g<0>"),
        qualifier("born", "subject", r"(\d{4})", "dateOfBirth", r"\1-01-01")
    ]);
    let done = run(directives, &[json!({"sex": 2, "seen": "2000-01-01", "born": "x 1990"})]);
    assert_eq!(done.subjects[0]["_given"]["explicit"], json!({"gender": "female", "age": 10.0}));
}

#[test]
fn unknown_terms_are_kept_and_counted() {
    let done = run(
        json!([basic("site", "hpo", ".+", r"\g<0>")]),
        &[json!({"site": ["HP:0000001", "HP:9999999", "9999999"]})],
    );
    assert_eq!(done.subjects[0], json!({"HPO": ["0000002", "9999999"]}));
    assert_eq!((done.report.unknown, done.report.unknown_ids.get("HP:9999999")), (2, Some(&2)));
}

#[test]
fn a_gene_named_alone_gives_way_to_its_alleles() {
    let directives = json!([
        basic("g", "gene", ".+", "APOE"),
        qualifier("v", "gene", ".+", "APOE", r"\g<0>"),
        basic("g", "gene", ".+", "APOE")
    ]);
    let done = run(directives, &[json!({"g": "x", "v": "e3/e4"})]);
    assert_eq!(done.subjects[0], json!({"ALLELES": [{"gene": "APOE", "alleles": ["e3", "e4"]}]}));
}

#[test]
fn a_pipeline_stored_with_a_bad_pattern_names_the_place() {
    let stored: RemapPipeline =
        serde_json::from_value(json!({"directives": [basic("a", "hpo", "(", "x")]})).unwrap();
    let error = Remap::compile(&stored).unwrap_err();
    assert_eq!(error.problems[0].path, "$.directives[0].patternSets[0].pattern");
}
