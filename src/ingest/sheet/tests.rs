use std::io::Write;

use serde_json::{Value, json};

use super::*;
use crate::ingest::Limits;
use crate::ingest::file_pipeline::fixture::{Kept, pipeline, read_as};

const TYPES: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// A workbook of the given sheets: name, attributes of its entry, and the rows' XML.
fn workbook(sheets: &[(&str, &str, &str)]) -> Vec<u8> {
    let numbered = || (1..).zip(sheets);
    let list: String = numbered()
        .map(|(n, (name, extra, _))| format!(r#"<sheet name="{name}" sheetId="{n}" {extra} r:id="rId{n}"/>"#))
        .collect();
    let relations: String = numbered()
        .map(|(n, _)| {
            format!(
                r#"<Relationship Id="rId{n}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>"#
            )
        })
        .collect();
    let mut parts = vec![
        (
            "[Content_Types].xml".to_owned(),
            r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#.to_owned(),
        ),
        (
            "_rels/.rels".to_owned(),
            format!(
                r#"<Relationships xmlns="{TYPES}"><Relationship Id="r" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/workbook.xml".to_owned(),
            format!(r#"<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{list}</sheets></workbook>"#),
        ),
        (
            "xl/_rels/workbook.xml.rels".to_owned(),
            format!(
                r#"<Relationships xmlns="{TYPES}">{relations}<Relationship Id="s" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/styles.xml".to_owned(),
            format!(
                r#"<styleSheet xmlns="{MAIN}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>"#
            ),
        ),
    ];
    parts.extend(numbered().map(|(n, (_, _, rows))| {
        (
            format!("xl/worksheets/sheet{n}.xml"),
            format!(r#"<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>"#),
        )
    }));
    let mut package = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        package.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        package.write_all(content.as_bytes()).unwrap();
    }
    package.finish().unwrap().into_inner()
}

/// Rows of cells such as `A1=text`, `B2=9`, `C2#REF!`, `D2@44660` (a date).
fn rows(cells: &[&str]) -> String {
    let mut xml = String::new();
    let row_of = |cell: &str| {
        cell.chars()
            .skip_while(char::is_ascii_alphabetic)
            .take_while(char::is_ascii_digit)
            .collect::<String>()
    };
    for cells in cells.chunk_by(|a, b| row_of(a) == row_of(b)) {
        xml.push_str(&format!(r#"<row r="{}">"#, row_of(cells[0])));
        for cell in cells {
            let at = cell.find(['=', '#', '@']).unwrap();
            let (place, value) = (&cell[..at], &cell[at + 1..]);
            xml.push_str(&match (cell.as_bytes()[at], value.parse::<f64>()) {
                (b'#', _) => format!(r##"<c r="{place}" t="e"><v>#{value}</v></c>"##),
                (b'@', _) => format!(r#"<c r="{place}" s="1"><v>{value}</v></c>"#),
                (_, Ok(_)) => format!(r#"<c r="{place}"><v>{value}</v></c>"#),
                _ => format!(r#"<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>"#),
            });
        }
        xml.push_str("</row>");
    }
    xml
}

fn try_read(bytes: &[u8], fields: &Value, limits: &Limits) -> (Result<(), IngestError>, Kept) {
    let mut kept = Kept::default();
    let result = read_as("book.xlsx", &pipeline(fields), limits, &mut kept, |entry, sink| {
        read(entry, &mut &*bytes, sink)
    });
    (result, kept)
}

fn kept(bytes: &[u8]) -> Kept {
    let fields = json!({"subjectIdLocation": "attributeInFile", "attribute": "id"});
    let (result, kept) = try_read(bytes, &fields, &Limits::default());
    result.unwrap();
    kept
}

#[test]
fn numbers_dates_errors_and_texts_keep_their_kind() {
    let sheet = rows(&[
        "A1=id", "B1=n", "C1=day", "D1=bad", "E1=code", "A2=7", "B2=26.5", "C2@44660", "D2#REF!", "E2=x;y",
    ]);
    let kept = kept(&workbook(&[("one", "", &sheet)]));
    assert_eq!(kept.shown(), [json!({"subjectId": "7", "n": 26.5, "day": "2022-04-09", "code": "x;y"})]);
    assert_eq!(kept.warned("column \"bad\""), 1);
}

#[test]
fn the_first_visible_sheet_with_data_is_taken() {
    let table = |id: &str| rows(&["A1=id", "B1=a", &format!("A2={id}"), "B2=1"]);
    let book = workbook(&[
        ("empty", "", ""),
        ("header", "", &rows(&["A1=id", "B1=a"])),
        ("hidden", r#"state="hidden""#, &table("hidden")),
        ("data", "", &table("taken")),
        ("more", "", &table("left")),
    ]);
    let kept = kept(&book);
    assert_eq!(kept.shown(), [json!({"subjectId": "taken", "a": 1})]);
    let told = kept.warnings.iter().find(|warning| warning.text.contains("further sheets")).unwrap();
    assert_eq!((told.count, told.examples.as_slice()), (1, ["more".to_owned()].as_slice()));
}

#[test]
fn blank_rows_before_and_between_do_not_matter_and_columns_may_start_anywhere() {
    let sheet = rows(&["C4=id", "E4=a", "C6=x", "D6=loose", "E6=1", "C9=y", "E9=2"]);
    let kept = kept(&workbook(&[("one", "", &sheet)]));
    assert_eq!(
        kept.shown(),
        [json!({"subjectId": "x", "column_2": "loose", "a": 1}), json!({"subjectId": "y", "a": 2})]
    );
}

#[test]
fn a_value_outside_the_header_rejects_its_row() {
    let sheet = rows(&["B1=id", "C1=a", "B2=x", "C2=1", "AB2=note", "B3=y", "C3=2"]);
    let kept = kept(&workbook(&[("one", "", &sheet)]));
    assert_eq!(kept.rows.len(), 1);
    let reject = &kept.rejects[0];
    assert_eq!(
        (reject.row, reject.column.as_deref(), reject.value.as_deref()),
        (2, Some("AB"), Some("note"))
    );
}

#[test]
fn a_cell_at_the_far_end_of_a_sheet_costs_nothing() {
    let sheet = rows(&["A1=id", "B1=a", "A2=x", "B2=1", "A1048576=y", "XFD1048576=far"]);
    let kept = kept(&workbook(&[("one", "", &sheet)]));
    assert_eq!((kept.rows.len(), kept.rejects[0].row), (1, 1_048_576));
}

#[test]
fn a_bomb_is_refused_before_it_is_opened() {
    let blank = format!("<!--{}-->", " <".repeat(20 << 20));
    let bomb = workbook(&[("one", "", &blank)]);
    let limits = Limits { max_ratio: 100, ..Limits::default() };
    let (result, _) = try_read(&bomb, &json!({}), &limits);
    assert!(matches!(result, Err(IngestError::TooLarge { what: "times its packed size", .. })), "{result:?}");
    let long = rows(&["A1=id", &format!("A2={}", "é".repeat(4 << 20))]);
    let (result, _) = try_read(&workbook(&[("one", "", &long)]), &json!({}), &Limits::default());
    assert!(matches!(result, Err(IngestError::TooLarge { what: "bytes in one cell", .. })), "{result:?}");
}

#[test]
fn a_long_cell_rejects_its_row() {
    let limits = Limits { max_cell_bytes: 10, ..Limits::default() };
    let sheet = rows(&["A1=id", "B1=a", "A2=x", &format!("B2={}", "b".repeat(11)), "A3=y"]);
    let (result, kept) = try_read(&workbook(&[("one", "", &sheet)]), &json!({}), &limits);
    result.unwrap();
    assert_eq!((kept.rows.len(), kept.rejects[0].column.as_deref()), (1, Some("a")));
}

#[rstest::rstest]
#[case(b"".to_vec(), "is empty")]
#[case(b"id,a\n1,2\n".to_vec(), "neither an xlsx nor an xls")]
#[case(b"PK\x03\x04broken".to_vec(), "cannot unpack")]
#[case([b"\xD0\xCF\x11\xE0".as_slice(), &[0; 600]].concat(), "workbook cannot be found")]
#[case(workbook(&[("one", "", "")]), "is empty")]
#[case(workbook(&[("one", "", "<row r=\"1\"><c r=\"A1\"")]), "not valid xlsx")]
fn what_is_no_workbook_fails(#[case] bytes: Vec<u8>, #[case] reason: &str) {
    let (result, _) = try_read(&bytes, &json!({}), &Limits::default());
    let error = result.unwrap_err().to_string();
    assert!(error.contains(reason), "{error}");
}

#[test]
fn a_workbook_larger_than_may_be_held_fails() {
    let limits = Limits { max_buffered_bytes: 100, ..Limits::default() };
    let (result, _) = try_read(&workbook(&[("one", "", "")]), &json!({}), &limits);
    assert!(matches!(result, Err(IngestError::TooLarge { what: "bytes in one spreadsheet", .. })));
}

#[rstest::rstest]
#[case(0, "A")]
#[case(25, "Z")]
#[case(26, "AA")]
#[case(701, "ZZ")]
#[case(702, "AAA")]
#[case(16_383, "XFD")]
fn columns_are_named_as_in_the_sheet(#[case] column: u32, #[case] letters: &str) {
    assert_eq!(column_letters(column), letters);
}

#[test]
fn an_old_workbook_is_read_the_same() {
    let kept = kept(include_bytes!("small.xls"));
    assert_eq!(
        kept.shown(),
        [
            json!({"subjectId": "7", "n": 26.5, "day": "2022-04-09", "label": "café"}),
            json!({"subjectId": "8", "n": 3, "label": "x"})
        ]
    );
}

#[test]
fn an_old_workbook_whose_sheets_span_too_much_is_refused() {
    let (result, _) = try_read(include_bytes!("sparse.xls"), &json!({}), &Limits::default());
    assert!(
        matches!(result, Err(IngestError::TooLarge { what: "cells spanned by its sheets", .. })),
        "{result:?}"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(200))]

    #[test]
    fn damaged_workbooks_are_read_or_refused(at in 0_usize..5_000, byte: u8, old: bool) {
        let mut bytes = match old {
            true => include_bytes!("small.xls").to_vec(),
            false => workbook(&[("one", "", &rows(&["A1=id", "B1=a", "A2=x", "B2=1"]))]),
        };
        let place = at % bytes.len();
        bytes[place] = byte;
        let _ = try_read(&bytes, &json!({}), &Limits::default());
    }
}
