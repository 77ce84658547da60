//! Reads tables of text: csv, tsv and their relatives (specification §7.2, §7.3; RFC 4180), with a header row.
//!
//! Lives here: encodings and guards (`decode.rs`), the separator (`separator.rs`), rows. Does not: what a column is
//! for and how cells are typed (`file_pipeline`).
//!
//! UTF-8 with or without a mark, UTF-16 with one. A record that is not valid UTF-8 is read as Windows-1252: by record
//! and not by file, because a stream cannot be judged before its end and one damaged byte must not garble the rest.

mod decode;
mod separator;

use std::borrow::Cow;
use std::io::Read;

use csv::{ByteRecord, Reader};
use encoding_rs::WINDOWS_1252;

use self::decode::{END_OF_TABLE, Guard};
use super::file_pipeline::{Cell, Stager};
use super::{Entry, IngestError, Sink, Warning};

/// Rows between two looks at cancellation.
const ROWS_PER_LOOK: u64 = 1_000;
/// Bytes the csv reader takes from the file at once.
const BUFFER: usize = 128 << 10;

/// Reads a table and stages its rows. Rows that do not fit the header are rejected one by one; a file without a header,
/// or with a record beyond the limits, fails as a whole.
pub fn read(entry: &Entry<'_>, bytes: &mut dyn Read, sink: &mut dyn Sink) -> Result<(), IngestError> {
    let text = decode::text(bytes).map_err(|error| entry.unreadable(error))?;
    let (sample, rest) = decode::sample(text).map_err(|error| entry.unreadable(error))?;
    let separator = separator::detect(&sample, entry.input.pipeline);
    let first_end = sample.bytes.iter().position(|byte| *byte == b'\n');
    let crlf = first_end.and_then(|at| sample.bytes.get(at.checked_sub(1)?)) == Some(&b'\r');
    let limit = entry.input.limits.max_record_bytes.min(decode::MAX_RECORD_BYTES);
    let guard = Guard::new(sample.into_reader(rest), limit.saturating_add(BUFFER));
    let reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(BUFFER)
        .from_reader(guard);
    Table { entry, reader, crlf, records: 0, legacy_records: 0, first_legacy: 0 }.read(limit, sink)
}

struct Table<'a, R: Read> {
    entry: &'a Entry<'a>,
    reader: Reader<Guard<R>>,
    /// Lines end in a carriage return and a line feed.
    crlf: bool,
    records: u64,
    /// Records that were not UTF-8, and the first one's line.
    legacy_records: u64,
    first_legacy: u64,
}

impl<R: Read> Table<'_, R> {
    fn read(mut self, limit: usize, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut record = ByteRecord::new();
        let Some(line) = self.next(&mut record, limit)? else {
            return Err(IngestError::Empty { file: self.entry.name.to_owned() });
        };
        if unclosed(&record).is_some() {
            return Err(self.malformed(line, "a quote of its header is never closed".to_owned()));
        }
        if record.as_slice().contains(&0) {
            let reason = "its header has a zero byte: not a text, or UTF-16 without a mark".to_owned();
            return Err(self.malformed(line, reason));
        }
        let header: Vec<String> =
            self.decode(&record, line).iter().map(|cell| cell.trim().to_owned()).collect();
        let mut stager = Stager::with_header(self.entry, &header)?;
        while let Some(line) = self.next(&mut record, limit)? {
            if self.records.is_multiple_of(ROWS_PER_LOOK) && (self.entry.input.cancelled)() {
                return Err(IngestError::Stopped);
            }
            if let Some(problem) = self.problem(&record, &stager) {
                stager.reject(
                    line,
                    problem.column.as_deref(),
                    problem.reason,
                    problem.value.as_deref(),
                    sink,
                );
                continue;
            }
            let cells = self.decode(&record, line);
            stager.table_row(line, cells.iter().map(|cell| Cell::Text(cell)), sink)?;
        }
        if self.legacy_records > 0 {
            let text = "records that are not UTF-8 were read as Windows-1252; save the file as UTF-8 if letters look wrong";
            let examples = vec![format!("line {}", self.first_legacy)];
            sink.warn(Warning { text: text.to_owned(), count: self.legacy_records, examples });
        }
        stager.finish(sink);
        Ok(())
    }

    /// The next record's line, or `None` at the end.
    fn next(&mut self, record: &mut ByteRecord, limit: usize) -> Result<Option<u64>, IngestError> {
        self.reader.get_mut().begin_record();
        let more = self.reader.read_byte_record(record);
        self.records += 1;
        // The reader has taken the line feed that ends the record, but not one that follows a carriage return; it does
        // not count carriage returns alone.
        let taken = newlines(record.as_slice()) + u64::from(!self.crlf);
        let line = self.reader.position().line().saturating_sub(taken).max(self.records);
        if self.reader.get_ref().overran() {
            let limit = u64::try_from(limit).unwrap_or(u64::MAX);
            let what = "bytes in one record (is a quote opened and never closed?)";
            return Err(IngestError::TooLarge {
                file: format!("{} at line {line}", self.entry.name),
                what,
                limit,
            });
        }
        match more {
            Ok(true) if record.len() == 1 && record.get(0) == Some(END_OF_TABLE) => Ok(None),
            Ok(true) => Ok(Some(line)),
            Ok(false) => Ok(None),
            Err(error) => Err(match error.into_kind() {
                csv::ErrorKind::Io(source) => self.entry.unreadable(source),
                other => self.malformed(line, format!("{other:?}")),
            }),
        }
    }

    fn problem(&self, record: &ByteRecord, stager: &Stager<'_>) -> Option<Problem> {
        if let Some(quoted) = unclosed(record) {
            let reason = match newlines(quoted.trim_ascii_end()) {
                0 => "a quote is opened and never closed".to_owned(),
                lost => format!(
                    "a quote is opened and never closed; the {lost} lines after this one were not read"
                ),
            };
            return Some(Problem { column: None, reason, value: Some(excerpt(quoted)) });
        }
        if record.len() != stager.width() {
            let mut reason = format!("{} cells where the header has {}", record.len(), stager.width());
            let breaks = newlines(record.as_slice());
            if breaks > 0 {
                reason.push_str(&format!("; the record spans {} lines, check its quotes", breaks + 1));
            }
            return Some(Problem { column: None, reason, value: record.get(0).map(excerpt) });
        }
        let longest = self.entry.input.limits.max_cell_bytes;
        let bad = record.iter().enumerate().find_map(|(index, cell)| match cell {
            cell if cell.len() > longest => {
                Some((index, format!("the cell is longer than {longest} bytes"), cell))
            }
            cell if cell.contains(&0) => Some((index, "the cell has a zero byte".to_owned(), cell)),
            _ => None,
        });
        let (index, reason, cell) = bad?;
        let column = stager.column_name(index).map(str::to_owned);
        Some(Problem { column, reason, value: Some(excerpt(cell)) })
    }

    fn decode<'r>(&mut self, record: &'r ByteRecord, line: u64) -> Vec<Cow<'r, str>> {
        let utf8: Result<Vec<Cow<'r, str>>, _> =
            record.iter().map(|cell| std::str::from_utf8(cell).map(Cow::Borrowed)).collect();
        utf8.unwrap_or_else(|_| {
            self.legacy_records += 1;
            if self.first_legacy == 0 {
                self.first_legacy = line;
            }
            record.iter().map(|cell| WINDOWS_1252.decode_without_bom_handling(cell).0).collect()
        })
    }

    fn malformed(&self, line: u64, reason: String) -> IngestError {
        IngestError::Malformed { file: self.entry.name.to_owned(), format: "csv", line, reason }
    }
}

struct Problem {
    column: Option<String>,
    reason: String,
    value: Option<String>,
}

/// The text after a quote that is still open at the end of the file.
fn unclosed(record: &ByteRecord) -> Option<&[u8]> {
    record.iter().next_back().and_then(|cell| cell.strip_suffix(END_OF_TABLE))
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

fn excerpt(cell: &[u8]) -> String {
    let start = cell.get(..160).unwrap_or(cell);
    String::from_utf8_lossy(start).chars().take(40).collect()
}

#[cfg(test)]
mod tests;
