//! Staged rows as a file: read from uploads by one job, remapped by another.
//!
//! One JSON value a line. A text names the next column; an array is a row: the subject's id, then pairs of a column's
//! number and its value. So a column's name is written and read once however many rows have it.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::{DeserializeSeed, Error, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserializer, Serialize, Serializer};

use super::sink::Lazy;
use crate::ingest::StagedRow;
use crate::service::Failure;

/// Writes rows.
pub(super) struct StagedWriter {
    out: Lazy,
    columns: HashMap<Arc<str>, u32>,
    /// The columns of the row before with their numbers: mostly those of the next, too.
    before: Vec<(Arc<str>, u32)>,
}

impl StagedWriter {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { out: Lazy::new(path), columns: HashMap::new(), before: Vec::new() }
    }

    pub(super) fn row(&mut self, row: &StagedRow) {
        let same = |(before, (name, _)): (&(Arc<str>, u32), &(Arc<str>, _))| Arc::ptr_eq(&before.0, name);
        if self.before.len() != row.columns.len() || !self.before.iter().zip(&row.columns).all(same) {
            self.before.clear();
            for (name, _) in &row.columns {
                let next = self.columns.len() as u32;
                let number = *self.columns.entry(name.clone()).or_insert(next);
                if number == next {
                    self.out.line(name);
                }
                self.before.push((name.clone(), number));
            }
        }
        self.out.line(&Numbered { row, columns: &self.before });
    }

    /// The names of all columns so far.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(|name| &**name)
    }

    /// The finished file, if there was a row.
    pub(super) fn finish(self) -> std::io::Result<Option<PathBuf>> {
        self.out.finish()
    }
}

struct Numbered<'a> {
    row: &'a StagedRow,
    columns: &'a [(Arc<str>, u32)],
}

impl Serialize for Numbered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_seq(Some(1 + 2 * self.row.columns.len()))?;
        row.serialize_element(&self.row.subject_id)?;
        for ((_, number), (_, value)) in self.columns.iter().zip(&self.row.columns) {
            row.serialize_element(number)?;
            row.serialize_element(value)?;
        }
        row.end()
    }
}

/// Reads rows back.
pub(in crate::service) struct StagedReader {
    file: BufReader<File>,
    line: Vec<u8>,
    columns: Vec<Arc<str>>,
}

impl StagedReader {
    pub(in crate::service) fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).map_err(Failure::internal)?;
        Ok(Self { file: BufReader::with_capacity(1 << 20, file), line: Vec::new(), columns: Vec::new() })
    }

    /// The next row; `None` at the end.
    pub(in crate::service) fn next(&mut self) -> Result<Option<StagedRow>, Failure> {
        loop {
            self.line.clear();
            if self.file.read_until(b'\n', &mut self.line).map_err(Failure::internal)? == 0 {
                return Ok(None);
            }
            if self.line.starts_with(b"\"") {
                self.columns.push(serde_json::from_slice(&self.line).map_err(Failure::internal)?);
                continue;
            }
            let mut line = serde_json::Deserializer::from_slice(&self.line);
            return RowSeed(&self.columns).deserialize(&mut line).map(Some).map_err(|error| {
                tracing::error!(?error, "staged rows cannot be read back");
                Failure::Unprocessable(
                    "the staged rows are not as this release writes them; ingest the file again".into(),
                )
            });
        }
    }
}

struct RowSeed<'a>(&'a [Arc<str>]);

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = StagedRow;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<StagedRow, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = StagedRow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a subject's id and pairs of a column's number and its value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<StagedRow, A::Error> {
        let subject_id = row.next_element()?.ok_or_else(|| A::Error::custom("a row without an id"))?;
        let mut columns = Vec::with_capacity(self.0.len());
        while let Some(number) = row.next_element::<u32>()? {
            let name = self.0.get(number as usize).ok_or_else(|| A::Error::custom("an unknown column"))?;
            let value = row.next_element()?.ok_or_else(|| A::Error::custom("a column without a value"))?;
            columns.push((name.clone(), value));
        }
        Ok(StagedRow { subject_id, columns })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_staged_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("staged");
        let row = |id: &str, columns: &[(&str, Value)]| StagedRow {
            subject_id: id.into(),
            columns: columns.iter().map(|(name, value)| ((*name).into(), value.clone())).collect(),
        };
        let rows = [
            row(
                "K7",
                &[("pid", json!("K7")), ("feature", json!(["HP:0001250", "HP:0004322"])), ("yrs", json!(9))],
            ),
            row("", &[]),
            row("\"K8\"\n", &[("yrs", json!(null)), ("\"quoted\"", json!({"a": 1.5}))]),
        ];
        let mut writer = StagedWriter::new(path.clone());
        rows.iter().for_each(|row| writer.row(row));
        assert_eq!(writer.finish().unwrap(), Some(path.clone()));
        let mut reader = StagedReader::open(&path).unwrap();
        for row in rows {
            assert_eq!(reader.next().unwrap(), Some(row));
        }
        assert_eq!(reader.next().unwrap(), None);
    }

    #[rstest::rstest]
    #[case::of_another_release(r#"{"subjectId":"K7","columns":[]}"#)]
    #[case::an_unknown_column(r#"["K7",3,"x"]"#)]
    #[case::cut(r#"["K7",0"#)]
    fn rows_of_another_form_are_refused_with_what_to_do(#[case] line: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("staged");
        std::fs::write(&path, format!("\"pid\"\n{line}\n")).unwrap();
        let error = StagedReader::open(&path).unwrap().next().unwrap_err();
        assert!(error.to_string().contains("ingest the file again"), "{error}");
    }
}
