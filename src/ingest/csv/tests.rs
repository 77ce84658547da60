use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::ingest::Limits;
use crate::ingest::file_pipeline::fixture::{Kept, pipeline, read_as};

fn try_read(bytes: &[u8], fields: &Value, limits: &Limits) -> (Result<(), IngestError>, Kept) {
    let mut kept = Kept::default();
    let pipeline = pipeline(fields);
    let result =
        read_as("table.csv", &pipeline, limits, &mut kept, |entry, sink| read(entry, &mut &*bytes, sink));
    (result, kept)
}

fn kept(bytes: &[u8]) -> Kept {
    let (result, kept) = try_read(bytes, &id_in("id"), &Limits::default());
    result.unwrap();
    kept
}

fn id_in(attribute: &str) -> Value {
    json!({"subjectIdLocation": "attributeInFile", "attribute": attribute})
}

fn rejects(kept: &Kept) -> Vec<(u64, &str)> {
    kept.rejects.iter().map(|reject| (reject.row, reject.reason.as_str())).collect()
}

#[rstest::rstest]
#[case(b"id,name\n1,caf\xC3\xA9\n".to_vec())]
#[case(b"\xEF\xBB\xBFid,name\n1,caf\xC3\xA9\n".to_vec())]
#[case(b"id,name\r\n1,caf\xE9\r\n".to_vec())]
#[case(b"id,name\r1,caf\xE9".to_vec())]
#[case([vec![0xFF, 0xFE], "id,name\n1,café\n".encode_utf16().flat_map(u16::to_le_bytes).collect()].concat())]
#[case([vec![0xFE, 0xFF], "id\tname\n1\tcafé".encode_utf16().flat_map(u16::to_be_bytes).collect()].concat())]
fn encodings_marks_and_line_ends_do_not_matter(#[case] bytes: Vec<u8>) {
    assert_eq!(kept(&bytes).shown(), [json!({"subjectId": "1", "name": "café"})]);
}

#[test]
fn a_damaged_byte_garbles_one_record_only() {
    let kept = kept(b"id,name\n1,caf\xC3\xA9\n2,caf\xE9 \x80\n3,caf\xC3\xA9\n");
    let names: Vec<_> = kept.shown().iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["café", "café €", "café"]);
    assert_eq!(kept.warned("Windows-1252"), 1);
    assert!(kept.warnings.iter().any(|warning| warning.examples == ["line 3"]));
}

#[test]
fn quoted_cells_hold_separators_quotes_and_line_breaks() {
    let kept = kept(b"id,a,b\n1,\"x, \"\"y\"\"\",\"two\nlines\"\n2,p,q\n");
    assert_eq!(kept.shown()[0], json!({"subjectId": "1", "a": "x, \"y\"", "b": "two\nlines"}));
    assert_eq!(kept.shown()[1]["a"], "p");
}

#[test]
fn ragged_rows_are_rejected_with_their_line() {
    let kept = kept(b"id,a,b\n1,x,y\n2,x\n\n3,x,y,z\n4,x,y\n");
    assert_eq!(kept.rows.len(), 2);
    let expected = [(3, "2 cells where the header has 3"), (5, "4 cells where the header has 3")];
    assert_eq!(rejects(&kept), expected);
    assert_eq!(kept.rejects[0].value.as_deref(), Some("2"));
}

#[rstest::rstest]
#[case(b"id,a,b\n1,x,y\n2,\"x,y\n3,x,y\n4,x,y\n".as_slice(), 3, "the 2 lines after this one were not read")]
#[case(b"id,a\n1,\"x\n2,y\n3,z".as_slice(), 2, "the 2 lines after this one were not read")]
#[case(b"id,a\n1,\"x".as_slice(), 2, "a quote is opened and never closed")]
fn a_quote_that_is_never_closed_is_told(#[case] bytes: &[u8], #[case] line: u64, #[case] reason: &str) {
    let kept = kept(bytes);
    assert_eq!(kept.rejects.len(), 1);
    assert_eq!(kept.rejects[0].row, line);
    assert!(kept.rejects[0].reason.contains(reason), "{}", kept.rejects[0].reason);
    assert!(!kept.rejects[0].value.as_deref().unwrap().contains('\0'));
}

#[test]
fn a_quote_closed_on_a_later_line_names_the_span() {
    let kept = kept(b"id,a\n1,\"x\n2,y\",z\n3,w\n");
    assert_eq!(
        rejects(&kept),
        [(2, "3 cells where the header has 2; the record spans 2 lines, check its quotes")]
    );
    assert_eq!(kept.rows.len(), 1);
}

#[test]
fn a_zero_byte_rejects_its_row() {
    let kept = kept(b"id,a\n1,x\0y\n2,z\n");
    assert_eq!(rejects(&kept), [(2, "the cell has a zero byte")]);
    assert_eq!(kept.rejects[0].column.as_deref(), Some("a"));
    assert_eq!(kept.rows.len(), 1);
}

#[test]
fn a_cell_beyond_the_limit_rejects_its_row() {
    let limits = Limits { max_cell_bytes: 5, ..Limits::default() };
    let (result, kept) = try_read(b"id,a\n1,123456\n2,12345\n", &id_in("id"), &limits);
    result.unwrap();
    assert_eq!(rejects(&kept), [(2, "the cell is longer than 5 bytes")]);
    assert_eq!(kept.rows.len(), 1);
}

#[test]
fn a_record_without_end_fails_before_it_fills_the_memory() {
    let limits = Limits { max_record_bytes: 1_000, ..Limits::default() };
    let mut bytes = b"id,a\n1,\"".to_vec();
    bytes.resize(3_000_000, b'x');
    let (result, kept) = try_read(&bytes, &id_in("id"), &limits);
    assert!(matches!(result, Err(IngestError::TooLarge { limit: 1_000, .. })), "{result:?}");
    assert!(kept.rows.is_empty());
}

#[rstest::rstest]
#[case(b"".as_slice(), "is empty")]
#[case(b"\n\n".as_slice(), "is empty")]
#[case(b"id,a\0b\n1,2\n".as_slice(), "zero byte")]
#[case(b"\"id,a\n1,2\n".as_slice(), "never closed")]
#[case(b"a,b\n1,2\n".as_slice(), "no ungrouped column \"id\"")]
fn a_file_without_a_usable_header_fails(#[case] bytes: &[u8], #[case] reason: &str) {
    let (result, _) = try_read(bytes, &id_in("id"), &Limits::default());
    let error = result.unwrap_err().to_string();
    assert!(error.contains(reason), "{error}");
}

#[test]
fn more_columns_than_allowed_fail() {
    let limits = Limits { max_columns: 2, ..Limits::default() };
    let (result, _) = try_read(b"id,a,b\n1,2,3\n", &id_in("id"), &limits);
    assert!(matches!(result, Err(IngestError::TooLarge { what: "columns", .. })));
}

#[test]
fn a_header_alone_is_a_table_without_rows() {
    assert!(kept(b"id,a\n").rows.is_empty());
}

#[test]
fn a_sink_that_wants_no_more_ends_the_reading() {
    let mut kept = Kept { stop_after: 2, ..Kept::default() };
    let bytes = b"id,a\n1,2\n2,3\n3,4\n";
    let result = read_as("t.csv", &pipeline(&id_in("id")), &Limits::default(), &mut kept, |entry, sink| {
        read(entry, &mut &bytes[..], sink)
    });
    assert!(matches!(result, Err(IngestError::Stopped)));
    assert_eq!(kept.rows.len(), 2);
}

#[test]
fn line_numbers_hold_with_every_line_end() {
    for end in ["\n", "\r\n", "\r"] {
        let kept = kept(["id,a", "1,x", "2", "3,y", "4", "5,y"].join(end).as_bytes());
        let lines: Vec<u64> = kept.rejects.iter().map(|reject| reject.row).collect();
        assert_eq!(lines, [3, 5], "{end:?}");
    }
}

#[test]
fn line_numbers_hold_after_cells_of_several_lines_and_blank_lines() {
    for end in ["\n", "\r\n"] {
        let kept = kept(["id,a", "1,\"x", "y\"", "2", "", "3", "4,y", ""].join(end).as_bytes());
        let lines: Vec<u64> = kept.rejects.iter().map(|reject| reject.row).collect();
        assert_eq!(lines, [4, 6], "{end:?}");
    }
}

proptest! {
    #[test]
    fn what_a_writer_writes_is_read(
        rows in prop::collection::vec(prop::collection::vec("[a-z,;|\"\r\n\té€]{0,6}[a-zé]", 3), 1..20),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["id", "a", "b"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let (result, kept) =
            try_read(&bytes, &json!({"columnDelimiter": ",", "missingValues": []}), &Limits::default());
        result.unwrap();
        prop_assert_eq!(kept.rows.len(), rows.len());
        for (staged, row) in kept.rows.iter().zip(&rows) {
            let cells: Vec<&str> = staged.columns.iter().map(|(_, value)| value.as_str().unwrap()).collect();
            let trimmed: Vec<&str> = row.iter().map(|cell| cell.trim()).collect();
            prop_assert_eq!(cells, trimmed);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = try_read(&bytes, &json!({}), &Limits::default());
    }

    #[test]
    fn any_table_like_bytes_are_read_or_refused(text in "[a,;\"\r\n\0]{0,60}") {
        let (result, kept) = try_read(text.as_bytes(), &json!({}), &Limits::default());
        prop_assert!(result.is_ok() || kept.rows.is_empty());
    }
}
