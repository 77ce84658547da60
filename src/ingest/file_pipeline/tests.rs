//! The worked examples of specification §7.3 and the rules around them, over csv text.

use serde_json::{Value, json};

use super::fixture::{Kept, pipeline, read_as};
use crate::ingest::{IngestError, Limits, csv};

fn staged(text: &str, fields: &Value) -> Kept {
    let mut kept = Kept::default();
    try_stage("rows.csv", text, fields, &mut kept).unwrap();
    kept
}

fn try_stage(name: &str, text: &str, fields: &Value, kept: &mut Kept) -> Result<(), IngestError> {
    read_as(name, &pipeline(fields), &Limits::default(), kept, |entry, sink| {
        csv::read(entry, &mut text.as_bytes(), sink)
    })
}

fn id_in(attribute: &str) -> Value {
    json!({"subjectIdLocation": "attributeInFile", "attribute": attribute})
}

#[test]
fn cells_split_at_the_internal_delimiter() {
    let mut fields = id_in("pid");
    fields["internalDelimiter"] = json!(";");
    assert_eq!(
        staged("pid,feature,yrs\nK7,HP:0001250;HP:0004322,9\n", &fields).shown(),
        [json!({"subjectId": "K7", "feature": ["HP:0001250", "HP:0004322"], "yrs": 9})]
    );
}

#[test]
fn customized_grouping_keeps_related_columns_together() {
    let mut fields = id_in("pid");
    fields["grouping"] = json!("customized");
    fields["groupColumns"] = json!("#");
    assert_eq!(
        staged("pid,#,term,onset,#,drug,dose\nK8,,HP:0002315,31,,C2654,20\n", &fields).shown(),
        [
            json!({"subjectId": "K8", "groups": [{"term": "HP:0002315", "onset": 31}, {"drug": "C2654", "dose": 20}]})
        ]
    );
}

fn expansion(columns: &[&str], policy: &str, new: &str) -> Value {
    json!({"subjectIdLocation": "assignByExpansion", "columns": columns, "expansionPolicy": policy,
        "newAttribute": new, "internalDelimiter": ";"})
}

#[test]
fn counts_expand_into_subjects() {
    let kept = staged("diag,men,women\n790,2,1\n", &expansion(&["men", "women"], "individual", "sex"));
    let rows: Vec<Value> = kept.rows.iter().map(|row| json!(row.columns)).collect();
    let of = |sex: &str| json!([["diag", 790], ["sex", sex]]);
    assert_eq!(rows, [of("men"), of("men"), of("women")]);
    let ids: std::collections::BTreeSet<&str> = kept.rows.iter().map(|row| row.subject_id.as_str()).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn a_batch_of_rows_is_one_subject_and_numbering_goes_on() {
    let fields = json!({"subjectIdLocation": "assignPerBatch", "prefix": "S-", "batchSize": 2});
    let kept = staged("a,b\n1,1\n2,2\n3,3\n4,4\n5,5\n", &fields);
    let ids: Vec<&str> = kept.rows.iter().map(|row| row.subject_id.as_str()).collect();
    assert_eq!(ids, ["S-11", "S-11", "S-12", "S-12", "S-13"]);
}

#[test]
fn the_entries_of_an_archive_share_the_numbering() {
    let fields = json!({"subjectIdLocation": "assignPerBatch", "prefix": "S-", "batchSize": 2});
    let mut kept = Kept::default();
    read_as("a.zip", &pipeline(&fields), &Limits::default(), &mut kept, |entry, sink| {
        csv::read(entry, &mut &b"a\n1\n2\n3\n"[..], sink)?;
        csv::read(entry, &mut &b"a\n4\n"[..], sink)
    })
    .unwrap();
    let ids: Vec<&str> = kept.rows.iter().map(|row| row.subject_id.as_str()).collect();
    assert_eq!(ids, ["S-11", "S-11", "S-12", "S-13"]);
}

#[test]
fn the_file_name_is_the_subject_of_every_row() {
    let mut kept = Kept::default();
    try_stage("K7.csv", "a\n1\n2\n", &json!({"subjectIdLocation": "attributeInFile"}), &mut kept).unwrap();
    assert!(kept.rows.len() == 2 && kept.rows.iter().all(|row| row.subject_id == "K7"));
}

#[test]
fn ids_are_trimmed_and_rows_without_one_are_subjects_of_their_own() {
    let kept = staged("pid,a\n K7 ,1\n,2\n#REF!,3\n007,4\n", &id_in("pid"));
    let ids: Vec<&str> = kept.rows.iter().map(|row| row.subject_id.as_str()).collect();
    assert_eq!((ids[0], ids[3]), ("K7", "007"));
    assert!(uuid::Uuid::parse_str(ids[1]).is_ok() && ids[1] != ids[2]);
    assert_eq!(kept.warned("random id"), 2);
}

#[test]
fn an_id_of_more_than_256_bytes_is_rejected() {
    let kept = staged(&format!("pid,a\n{},1\n{},1\n", "x".repeat(256), "y".repeat(257)), &id_in("pid"));
    assert_eq!((kept.rows.len(), kept.rejects.len()), (1, 1));
    assert_eq!(kept.rejects[0].value.as_deref(), Some("y".repeat(40).as_str()));
}

#[rstest::rstest]
#[case("2", &["n", "n"])]
#[case("2.0", &["n", "n"])]
#[case("0", &[])]
#[case("", &[])]
#[case("NA", &[])]
#[case("False", &[])]
#[case("TRUE", &["n"])]
#[case("x", &["x"])]
#[case("x;y", &["x", "y"])]
#[case("x; ;y", &["x", "y"])]
fn a_cell_expands_by_what_it_says(#[case] cell: &str, #[case] expected: &[&str]) {
    let kept = staged(&format!("n,a\n{cell},1\n"), &expansion(&["n"], "individual", "kind"));
    let kinds: Vec<&str> = kept.rows.iter().filter_map(|row| row.columns[1].1.as_str()).collect();
    assert_eq!(kinds, expected);
    assert_eq!(kept.warned("became no subject"), u64::from(expected.is_empty()));
}

#[test]
fn columns_expanded_in_parallel_stay_aligned() {
    let kept = staged("t,u,d\na;b;c,1;;3,k\n", &expansion(&["t", "u"], "customized", "i"));
    let rows: Vec<Value> = kept.rows.iter().map(|row| json!(row.columns)).collect();
    assert_eq!(
        rows,
        [
            json!([["d", "k"], ["t", "a"], ["u", 1], ["i", 1]]),
            json!([["d", "k"], ["t", "b"], ["i", 2]]),
            json!([["d", "k"], ["t", "c"], ["u", 3], ["i", 3]]),
        ]
    );
}

#[test]
fn expanded_ids_are_stable_and_differ_by_file_row_and_place() {
    let read = |name: &str| {
        let mut kept = Kept::default();
        let fields = expansion(&["m", "w"], "individual", "sex");
        try_stage(name, "m,w\n2,1\n1,1\n", &fields, &mut kept).unwrap();
        kept.rows.into_iter().map(|row| row.subject_id).collect::<Vec<_>>()
    };
    assert_eq!(read("one.csv"), read("one.csv"));
    let all: std::collections::BTreeSet<String> =
        [read("one.csv"), read("two.csv")].concat().into_iter().collect();
    assert_eq!(all.len(), 10);
}

#[rstest::rstest]
#[case("100000", 100_000, 0)]
#[case("100001", 0, 1)]
#[case("99999999999999999999999", 0, 1)]
#[case("-3", 0, 1)]
fn expansion_is_bounded(#[case] count: &str, #[case] rows: usize, #[case] rejects: usize) {
    let kept = staged(&format!("n\n{count}\n"), &expansion(&["n"], "individual", "kind"));
    assert_eq!((kept.rows.len(), kept.rejects.len()), (rows, rejects));
}

#[rstest::rstest]
#[case("a,a,,a,", &["a", "a_2", "column_3", "a_3", "column_5"])]
#[case("a,a_2,a", &["a", "a_2", "a_3"])]
#[case(" b ,column_1,", &["b", "column_1", "column_3"])]
fn repeated_and_empty_header_names_are_told_apart(#[case] header: &str, #[case] expected: &[&str]) {
    let cells = vec!["x"; expected.len()].join(",");
    let kept = staged(&format!("{header}\n{cells}\n"), &json!({}));
    let names: Vec<&str> = kept.rows[0].columns.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, expected);
}

#[test]
fn names_may_repeat_from_group_to_group() {
    let fields = json!({"grouping": "customized", "groupColumns": "|"});
    let kept = staged("groups,|,term,age,|,term,age\nx,,a,1,,b,\ny,,,,,,\n", &fields);
    let shown = kept.shown();
    assert_eq!(shown[0]["groups_2"], "x");
    assert_eq!(shown[0]["groups"], json!([{"term": "a", "age": 1}, {"term": "b"}]));
    assert!(shown[1].get("groups").is_none());
}

#[test]
fn cells_without_a_value_are_counted_per_column() {
    let kept = staged("a,b\n#REF!,1\n, 2\nNA,3\n,\n", &json!({}));
    assert_eq!(kept.rows.len(), 3);
    assert_eq!(kept.warned("column \"a\""), 4);
    assert_eq!(kept.warned("column \"b\""), 1);
    assert_eq!(kept.warned("rows without any value"), 1);
    assert!(!kept.shown().iter().any(|row| row.to_string().contains("#REF!")));
}

#[test]
fn the_pipeline_may_list_its_own_missing_values() {
    let kept = staged("country,b\nNA,-9\n,1\n", &json!({"missingValues": ["-9"]}));
    assert_eq!(kept.rows[0].columns.len(), 1);
    assert_eq!(kept.shown()[0]["country"], "NA");
    assert_eq!(kept.rows[1].columns.len(), 1);
}

#[test]
fn text_that_a_number_would_change_stays_text() {
    let kept = staged("a,b,c,d\n07,1.50,1e3,12\n", &json!({}));
    let shown = &kept.shown()[0];
    assert_eq!(
        (&shown["a"], &shown["b"], &shown["c"], &shown["d"]),
        (&json!("07"), &json!("1.50"), &json!("1e3"), &json!(12))
    );
}

#[rstest::rstest]
#[case(id_in("nope"), "no ungrouped column \"nope\" for the subject id; its columns are \"a\", \"b\"")]
#[case(expansion(&["a", "nope"], "individual", "x"), "no ungrouped column \"nope\" to expand")]
#[case(expansion(&["a"], "individual", "b"), "newAttribute \"b\" is already one of its columns")]
fn a_pipeline_that_does_not_fit_says_why(#[case] fields: Value, #[case] reason: &str) {
    let error = try_stage("t.csv", "a,b\n1,2\n", &fields, &mut Kept::default()).unwrap_err();
    assert!(matches!(error, IngestError::Pipeline { .. }) && error.to_string().contains(reason), "{error}");
}

#[test]
fn a_header_without_separators_is_warned_about() {
    let kept = staged("a,b\n1,2\n", &json!({"grouping": "customized", "groupColumns": "#"}));
    assert_eq!(kept.warned("no columns were grouped"), 1);
    assert_eq!(kept.rows[0].columns.len(), 2);
}

#[test]
fn flattened_objects_are_staged_by_name() {
    let mut kept = Kept::default();
    let mut fields = id_in("id");
    fields["internalDelimiter"] = json!(";");
    let mut rows = vec![
        vec![("id".to_owned(), json!("K7")), ("a.b".to_owned(), json!("x;y")), ("n".to_owned(), json!("9"))],
        vec![
            ("n".to_owned(), json!(null)),
            ("id".to_owned(), json!(8)),
            ("l".to_owned(), json!([1, "p;q", null, "NA"])),
        ],
    ];
    read_as("o.json", &pipeline(&fields), &Limits::default(), &mut kept, |entry, sink| {
        let mut stager = super::Stager::new(entry);
        for (number, row) in (1..).zip(std::mem::take(&mut rows)) {
            stager.row(number, row, sink)?;
        }
        stager.finish(sink);
        Ok(())
    })
    .unwrap();
    assert_eq!(
        kept.shown(),
        [
            json!({"subjectId": "K7", "a.b": ["x", "y"], "n": "9"}),
            json!({"subjectId": "8", "l": [1, "p", "q"]})
        ]
    );
    assert_eq!(kept.warned("column \"n\""), 1);
}
