//! Which character separates columns (specification §7.3, `internalDelimiter`).

use csv::{ByteRecord, ReaderBuilder};

use super::decode::Sample;
use crate::domain::pipelines::{FilePipeline, separator_byte};

/// In order of preference when they split equally well.
const CANDIDATES: [u8; 4] = [b'\t', b',', b';', b'|'];
/// Records looked at.
const RECORDS: usize = 50;

/// The pipeline's `columnDelimiter`, else the candidate that splits the first 50 records into the most columns, the
/// same number in each. A header of one column that contains `internalDelimiter` is split by that.
///
/// Where no candidate splits all records evenly, the one whose header has columns and fits most records is taken, so
/// that single ragged rows are rejected and not the file.
pub(super) fn detect(sample: &Sample, pipeline: &FilePipeline) -> u8 {
    if let Some(given) = pipeline.column_delimiter.as_deref().and_then(separator_byte) {
        return given;
    }
    let splits = CANDIDATES.map(|candidate| (candidate, widths(sample, candidate)));
    let mut best = (CANDIDATES[0], 0);
    for (candidate, widths) in &splits {
        let width = widths.first().copied().unwrap_or(0);
        if widths.iter().all(|other| *other == width) && width > best.1 {
            best = (*candidate, width);
        }
    }
    if best.1 > 1 {
        return best.0;
    }
    let inner = separator_byte(&pipeline.internal_delimiter);
    if let Some(inner) = inner.filter(|inner| first_record(sample, best.0).contains(inner)) {
        return inner;
    }
    let mut most = (best.0, 0);
    for (candidate, widths) in &splits {
        let width = widths.first().copied().unwrap_or(0);
        let fitting = widths.iter().filter(|other| **other == width).count();
        if width > 1 && fitting * 2 > widths.len() && fitting > most.1 {
            most = (*candidate, fitting);
        }
    }
    most.0
}

fn records(sample: &Sample, separator: u8) -> Vec<ByteRecord> {
    let mut reader = ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(sample.bytes.as_slice());
    let mut records: Vec<ByteRecord> =
        reader.byte_records().map_while(Result::ok).take(RECORDS + 1).collect();
    // The last record of a part of the file may be cut.
    let cut = records.len() > RECORDS || (!sample.whole && records.len() > 1);
    if cut {
        records.pop();
    }
    records
}

fn widths(sample: &Sample, separator: u8) -> Vec<usize> {
    records(sample, separator).iter().map(ByteRecord::len).collect()
}

fn first_record(sample: &Sample, separator: u8) -> Vec<u8> {
    records(sample, separator).first().map(|record| record.as_slice().to_vec()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::file_pipeline::fixture::pipeline;
    use serde_json::json;

    fn detected(text: &str, fields: &serde_json::Value) -> char {
        let sample = Sample { bytes: text.as_bytes().to_vec(), whole: true };
        char::from(detect(&sample, &pipeline(fields)))
    }

    #[rstest::rstest]
    #[case("a,b\n1,2\n", ',')]
    #[case("a\tb\n1\t2\n", '\t')]
    #[case("a;b;c\n1,5;2;3\n", ';')]
    #[case("a|b\n1|2\n", '|')]
    #[case("a,b;c\n1,2;3\n", ',')]
    #[case("a,b|c|d\n1,2|3|4\n", '|')]
    #[case("a,b\n\"1;2;3\",\"4;5;6\"\n", ',')]
    #[case("x|id,x|label\n1,a|b\n2,c\n", ',')]
    #[case("a,b,c\n1,2,3\n1,2\n1,2,3\n1,2,3\n", ',')]
    #[case("name\nSmith, John\nDoe, Jane\nOne\n", '\t')]
    #[case("name\n", '\t')]
    fn the_candidate_that_splits_evenly_into_most_columns_wins(#[case] text: &str, #[case] expected: char) {
        assert_eq!(detected(text, &json!({})), expected);
    }

    #[rstest::rstest]
    #[case("a:b:c\n1:2:3\n", json!({"internalDelimiter": ":"}), ':')]
    #[case("a,b\n1:2,3\n", json!({"internalDelimiter": ":"}), ',')]
    #[case("a;b\n1,2,3;4\n", json!({"columnDelimiter": ","}), ',')]
    #[case("a,b\n1,2\n", json!({"columnDelimiter": "\\t"}), '\t')]
    fn the_pipeline_has_its_say(
        #[case] text: &str,
        #[case] fields: serde_json::Value,
        #[case] expected: char,
    ) {
        assert_eq!(detected(text, &fields), expected);
    }

    #[test]
    fn only_the_first_50_records_count() {
        let even = "a,b\n".repeat(50);
        assert_eq!(detected(&format!("{even}a;b;c\n"), &json!({})), ',');
    }
}
