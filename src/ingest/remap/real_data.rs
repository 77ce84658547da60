//! Real tables, where they are present, against counts made without any of the readers.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::domain::pipelines::{Directive, DirectiveType, MISSING_VALUES, PatternSet};
use crate::ingest::file_pipeline::fixture::{FewTerms, Kept, pipeline, read_as};
use crate::ingest::{Limits, csv, sheet};

fn shared(name: &str) -> Option<Vec<u8>> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("CV3_SHARED").map_or_else(beside, PathBuf::from);
    let bytes = std::fs::read(folder.join("data").join(name));
    if bytes.is_err() {
        eprintln!("skipped: {name} is not there");
    }
    bytes.ok()
}

fn id_in(attribute: &str) -> Value {
    json!({"subjectIdLocation": "attributeInFile", "attribute": attribute})
}

/// Every column as an attribute.
fn keep_all(columns: &[&str]) -> Remap {
    let directives = columns.iter().map(|column| Directive {
        directive_type: DirectiveType::TermSet,
        origin: (*column).to_owned(),
        destination: Destination::Eav,
        pattern_sets: vec![PatternSet::Basic { pattern: "^(.+)$".into(), replacement: r"\1".into() }],
        value_type: ValueType::Auto,
    });
    Remap::compile(&RemapPipeline { directives: directives.collect(), missing_values: None }).unwrap()
}

fn remapped(remap: &Remap, kept: &Kept) -> Vec<Subject> {
    let mut survey = remap.new_survey();
    kept.rows.iter().for_each(|row| remap.survey(row, &mut survey));
    let types = remap.types(&survey, &BTreeMap::new());
    let mut report = remap.new_report();
    let mut reject = |rejected: Rejected<'_>| panic!("{rejected:?}");
    kept.rows.iter().map(|row| remap.apply(row, &types, &FewTerms, &mut report, &mut reject)).collect()
}

fn is_missing(cell: &str) -> bool {
    MISSING_VALUES.contains(&cell.trim())
}

#[test]
fn the_80_column_table_keeps_every_value_and_no_error_cell() {
    let Some(packed) = shared("cineca-uk1.tsv.xz") else { return };
    let mut text = String::new();
    liblzma::read::XzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    let mut kept = Kept::default();
    read_as("cineca.tsv", &pipeline(&id_in("Subject id")), &Limits::default(), &mut kept, |entry, sink| {
        csv::read(entry, &mut text.as_bytes(), sink)
    })
    .unwrap();
    assert_eq!((kept.rows.len(), kept.rejects.len()), (2_504, 0));

    let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let lines: Vec<Vec<&str>> = lines.collect();
    let subjects = remapped(&keep_all(&header), &kept);
    let ids: BTreeSet<&str> = subjects.iter().map(|subject| subject.subject_id.as_str()).collect();
    assert_eq!((header.len(), ids.len()), (80, 2_504));
    for (at, column) in header.iter().enumerate() {
        let expected = lines.iter().filter(|line| !is_missing(line[at])).count();
        let stored = subjects.iter().filter(|subject| subject.eav.contains_key(&stored_name(column))).count();
        assert_eq!(stored, if *column == "Subject id" { 0 } else { expected }, "{column}");
        let missing = kept.warned(&format!("column {column:?}"));
        if *column != "Subject id" {
            assert_eq!(missing, (lines.len() - expected) as u64, "{column}");
        }
        let numeric = lines.iter().map(|line| line[at]).filter(|cell| !is_missing(cell)).all(|cell| {
            cell.parse::<f64>().is_ok_and(f64::is_finite)
                && !(cell.starts_with('0') && cell.len() > 1 && !cell.starts_with("0."))
                && !cell.contains(['e', 'E'])
        });
        let typed = subjects.iter().filter_map(|subject| subject.eav.get(&stored_name(column)));
        let all_numbers = typed.clone().all(|value| serde_json::to_value(value).unwrap().is_number());
        assert!(expected == 0 || *column == "Subject id" || numeric == all_numbers, "{column}");
    }
    assert!(!serde_json::to_string(&subjects).unwrap().contains("#REF!"));
}

#[test]
fn the_workbook_s_first_sheet_is_read_cell_by_cell() {
    let Some(bytes) = shared("cineca-uk1.xlsx") else { return };
    let mut kept = Kept::default();
    read_as("cineca.xlsx", &pipeline(&json!({})), &Limits::default(), &mut kept, |entry, sink| {
        sheet::read(entry, &mut bytes.as_slice(), sink)
    })
    .unwrap();
    let mut package = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
    let mut part = |name: &str| {
        let mut text = String::new();
        package.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    let texts: Vec<String> = part("xl/sharedStrings.xml").split("<si>").skip(1).map(plain).collect();
    let (xml, mut rows) = (part("xl/worksheets/sheet1.xml"), Vec::new());
    for row in xml.split("<row ").skip(1) {
        let cells = row.split("<c ").skip(1).map(|cell| {
            let value =
                cell.split("<v>").nth(1).and_then(|rest| rest.split("</v>").next()).unwrap_or_default();
            let shared = cell.split('>').next().unwrap().contains(r#"t="s""#);
            if shared { texts[value.parse::<usize>().unwrap()].clone() } else { value.to_owned() }
        });
        rows.push(cells.collect::<Vec<String>>());
    }
    let header = rows.remove(0);
    assert_eq!((kept.rows.len(), kept.rejects.len(), rows.len()), (2_504, 0, 2_504));
    for (staged, row) in kept.rows.iter().zip(&rows) {
        let expected = header.iter().zip(row).filter(|(_, cell)| !is_missing(cell));
        let expected: Vec<(&str, String)> =
            expected.map(|(name, cell)| (name.as_str(), cell.trim().to_owned())).collect();
        let shown = staged.columns.iter().map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (&**name, text)
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }
    assert!(kept.warned("further sheets with data") > 0);
}

/// The text of a shared string: its runs one after the other.
fn plain(item: &str) -> String {
    let runs = item.split("<t").skip(1).filter_map(|run| run.split_once('>')?.1.split("</t>").next());
    let text: String = runs.collect();
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[test]
fn nested_column_names_hold_the_delimiter_that_splits_cells() {
    let Some(bytes) = shared("eucaim-patients.csv") else { return };
    let text = String::from_utf8(bytes).unwrap();
    let mut fields = id_in("patientId");
    fields["internalDelimiter"] = json!("|");
    let mut kept = Kept::default();
    read_as("eucaim.csv", &pipeline(&fields), &Limits::default(), &mut kept, |entry, sink| {
        csv::read(entry, &mut text.as_bytes(), sink)
    })
    .unwrap();
    assert!(!text.contains('"'), "the naive count below needs a file without quotes");
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let lines: Vec<Vec<&str>> = lines.collect();
    assert_eq!((header.len(), kept.rows.len(), kept.rejects.len()), (46, lines.len(), 0));
    let staged = kept.rows.iter().flat_map(|row| &row.columns);
    let cells = || lines.iter().flat_map(|line| line.iter().skip(1)).filter(|cell| !is_missing(cell));
    assert_eq!(staged.clone().count(), cells().count());
    let split = staged.filter(|(_, value)| value.is_array()).count();
    assert!(split > 0);
    assert_eq!(
        split,
        cells().filter(|cell| cell.split('|').filter(|part| !is_missing(part)).count() > 1).count()
    );
    let subjects = remapped(&keep_all(&header), &kept);
    assert!(subjects.iter().all(|subject| subject.eav.contains_key("imageStudy|disease|diagnosis|label")));
}
