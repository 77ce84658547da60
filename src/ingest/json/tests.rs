use serde_json::{Value, json};

use super::flatten::flatten;
use crate::domain::pipelines::SubjectIdRule;
use crate::ingest::Limits;
use crate::ingest::fixture::{by, read_all, read_with, refusal};

/// The one subject of a document in the stored form.
fn stored(document: Value) -> (Value, Vec<String>) {
    let kept = read_all("s.json", document.to_string().as_bytes());
    let columns = kept.rejects.iter().filter_map(|reject| reject.column.clone()).collect();
    (kept.stored()[0].clone(), columns)
}

#[rstest::rstest]
#[case(json!({"HPO": ["HP:0001250", "0004322", {"HP_0002315": 12}]}), json!({"HPO": ["0001250", "0004322", {"0002315": 12}]}), &[])]
#[case(json!({"HPO": ["0001251", "0001250", {"0001250": false}]}), json!({"HPO": ["0001250"]}), &[])]
#[case(json!({"HPO": ["HP:1", 7, {"0000001": []}], "EAV": {}}), json!({}), &["HPO", "HPO", "HPO"])]
#[case(json!({"ORDO": ["ORPHA:558", 98896, "0"]}), json!({"ORDO": ["558", "98896"]}), &["ORDO"])]
#[case(json!({"SNOMED": ["SNOMEDCT:248153007", {"424144002": 47}]}), json!({"SNOMED": ["248153007", {"424144002": 47}],
    "_demo": {"gender": "male", "age": 47.0}}), &[])]
#[case(json!({"NCIT": ["NCIT:C16576", "16576"]}), json!({"NCIT": ["C16576"], "_demo": {"gender": "female"}}), &["NCIT"])]
#[case(json!({"ALLELES": [{"gene": "APOE", "alleles": ["e3", "e4"]}, {"alleles": []}, {"gene": "CFH"}]}),
    json!({"ALLELES": [{"gene": "APOE", "alleles": ["e3", "e4"]}, {"gene": "CFH", "alleles": []}]}), &["ALLELES"])]
#[case(json!({"VARIANT": [{"gene": "TTN", "mutation": "missense", "af": 0.5}, {"gene": "TTN", "mutation": "Missense"},
    {"gene": "TTN", "mutation": "splice", "af": 2}]}), json!({"VARIANT": [{"gene": "TTN", "mutation": "missense", "af": 0.5}]}),
    &["VARIANT", "VARIANT"])]
#[case(json!({"EAV": {"a": {"b": 1, "c": [true, null, "x"]}, "d": null, "e": [{"f": 1}, {"f": 2}]}}),
    json!({"EAV": {"a.b": 1, "a.c": [true, "x"], "e.f": [1, 2]}}), &[])]
#[case(json!({"EAV": 7}), json!({}), &["EAV"])]
#[case(json!({"HPO": null, "EAV": {"sex": "F"}, "_id": {"$oid": "x"}, "_demo": {"age": 3}, "extra": 1}),
    json!({"EAV": {"sex": "F"}, "_demo": {"gender": "female"}}), &[])]
fn a_subject_is_checked_field_by_field(
    #[case] mut document: Value,
    #[case] mut expected: Value,
    #[case] rejected: &[&str],
) {
    document["subjectId"] = json!("K7");
    expected["subjectId"] = json!("K7");
    let (found, columns) = stored(document);
    assert_eq!(found, expected);
    assert_eq!(columns, rejected);
}

#[rstest::rstest]
#[case(json!(""), "empty")]
#[case(json!(null), "empty")]
#[case(json!("a\u{0}b"), "control characters")]
#[case(json!("x".repeat(257)), "256 bytes")]
fn a_subject_needs_a_usable_id(#[case] id: Value, #[case] reason: &str) {
    let text = json!({"subjectId": id, "HPO": []}).to_string();
    let message = refusal("s.json", text.as_bytes());
    assert!(message.contains(reason), "{message}");
}

#[rstest::rstest]
#[case(by(""), "K7")]
#[case(by("EAV.code"), "X9")]
#[case(by("missing"), "K7")]
#[case(SubjectIdRule::AttributeInName, "s")]
#[case(SubjectIdRule::AssignPerBatch { prefix: "B".into(), batch_size: 1 }, "K7")]
fn a_stored_subject_keeps_its_id_unless_told_otherwise(#[case] rule: SubjectIdRule, #[case] expected: &str) {
    let text = json!({"subjectId": "K7", "EAV": {"code": "X9"}}).to_string();
    let kept = read_with("s.json", text.as_bytes(), rule, &Limits::default()).1;
    assert_eq!(kept.subjects[0].subject_id, expected);
}

#[test]
fn any_other_object_becomes_a_row_of_flat_columns() {
    let text = json!([{"pid": "K7", "visit": {"site": "A", "year": 2020}, "tags": ["x", "y"], "none": null}])
        .to_string();
    let (outcome, kept) = read_with("r.json", text.as_bytes(), by("pid"), &Limits::default());
    assert_eq!(outcome.unwrap().staged, 1);
    let row = &kept.staged[0];
    assert_eq!(row.subject_id, "K7");
    let columns: Value = row.columns.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    for (name, value) in
        [("visit.site", json!("A")), ("visit.year", json!(2020)), ("tags", json!(["x", "y"]))]
    {
        assert_eq!(columns[name], value, "{columns}");
    }
}

#[rstest::rstest]
#[case(json!({"a": 1}), json!([["a", 1]]))]
#[case(json!({"a": {"b": {"c": "x"}}}), json!([["a.b.c", "x"]]))]
#[case(json!({"a": []}), json!([]))]
#[case(json!({"a": [1]}), json!([["a", [1]]]))]
#[case(json!({"a": [{"b": 1, "c": 2}, {"b": 3}]}), json!([["a.b", [1, 3]], ["a.c", [2]]]))]
#[case(json!({"a": [[1, 2], [3]]}), json!([["a", [1, 2, 3]]]))]
#[case(json!({"a": {"b": 1}, "a.b": 2}), json!([["a.b", [1, 2]]]))]
fn nested_objects_become_paths(#[case] record: Value, #[case] expected: Value) {
    assert_eq!(json!(flatten(record.as_object().unwrap())), expected);
}

const PACKET: &str = r#"{"id":"p","subject":{"id":"s"},"phenotypicFeatures":[{"type":{"id":"HP:0000001"}}]}"#;

#[rstest::rstest]
#[case::one("P", 1)]
#[case::pretty("\u{feff}\n { \"id\" : \"p\",\n \"subject\":{} }\n\n", 1)]
#[case::array("[P,P , P]", 3)]
#[case::empty_array("[P]  \n", 1)]
#[case::lines("P\nP\r\n\nP", 3)]
#[case::glued("PP", 2)]
#[case::brackets_in_texts(r#"[{"id":"]}\"{[","subject":{}}]"#, 1)]
#[case::mixed(r#"[P,{"subjectId":"a","EAV":{}},P,{"id":1}]"#, 3)]
fn records_are_found_however_they_stand(#[case] text: &str, #[case] subjects: usize) {
    let text = text.replace('P', PACKET);
    assert_eq!(read_all("a.json", text.as_bytes()).subjects.len(), subjects);
}

#[rstest::rstest]
#[case::truncated_text("[{\"id\":\"p", "ends inside the record")]
#[case::truncated_array("[P,", "ends inside the array")]
#[case::truncated_record("P\n{\"id\":", "at line 2: the file ends inside the record")]
#[case::comma("[P P]", "comma is missing")]
#[case::two_commas("[P,,P]", "value is missing")]
#[case::more("[P] P", "after the end of the array")]
#[case::not_json("{nonsense}", "key must be a string")]
#[case::scalar("42", "a JSON object for each record")]
#[case::list_in_list("[[1]]", "a JSON object for each record")]
#[case::types(r#"{"id":"p","subject":{"id":[]},"phenotypicFeatures":[],"metaData":{}}"#, "expected a text")]
#[case::huge_number(r#"{"id":"p","subject":{"id":1e999},"metaData":{}}"#, "number out of range")]
#[case::nul("{\"id\":\"p\u{0}\",\"subject\":{}}", "control character")]
#[case::blank("  \n ", "is empty")]
#[case::nul_alone("\u{0}", "expected value")]
#[case::empty_list("[]", "is empty")]
fn a_broken_file_says_where_and_why(#[case] text: &str, #[case] reason: &str) {
    let message = refusal("a.json", text.replace('P', PACKET).as_bytes());
    assert!(message.contains(reason), "{message}");
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    let message = refusal("a.json", b"{\"id\":\"\xff\xfe\",\"subject\":{}}");
    assert!(message.contains("invalid unicode"), "{message}");
    let message = refusal("a.json", b"\xff\xfe{\0}\0");
    assert!(message.contains("UTF-16"), "{message}");
}

#[test]
fn a_bad_record_is_rejected_and_the_others_are_read() {
    let text = format!("[{PACKET}, {{\"id\": tru}}, 7, {PACKET}]");
    let kept = read_all("a.json", text.as_bytes());
    assert_eq!(kept.subjects.len(), 2);
    assert_eq!(kept.rejects.iter().map(|reject| reject.row).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn depth_and_size_of_a_record_are_bounded() {
    let limits = Limits { max_json_depth: 8, max_record_bytes: 1 << 20, ..Limits::default() };
    let refused =
        |text: &str| read_with("a.json", text.as_bytes(), by(""), &limits).0.unwrap_err().to_string();
    assert!(refused(&format!("{}{}", "{\"a\":[".repeat(5), "]}".repeat(5))).contains("nested deeper than 8"));
    assert!(refused(&"[".repeat(100_000)).contains("nested deeper than 8"));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2 << 20));
    assert!(refused(&long).contains("limit of 1048576 bytes in one JSON record"));
}

#[test]
fn an_array_larger_than_a_record_may_be_is_read_record_by_record() {
    let limits = Limits { max_record_bytes: 1 << 10, ..Limits::default() };
    let text = format!("[{}]", vec![PACKET; 20_000].join(",\n"));
    let (outcome, kept) = read_with("a.json", text.as_bytes(), by(""), &limits);
    assert_eq!(outcome.unwrap().subjects, 20_000);
    assert_eq!(kept.subjects.len(), 20_000);
}
