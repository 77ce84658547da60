//! Subject ids for records that are subjects as they come (specification §7.3 strategies, §7.2 *Phenopacket id*).

use serde_json::Value;

use crate::domain::pipelines::SubjectIdRule;

use super::format::stem;
use super::{Entry, Sink, Warning};

/// The file pipeline's rule, as far as it can be asked of a record that is not a table row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule<'a> {
    /// The record's own id.
    Own,
    /// The value at a path into the record.
    Path(Vec<&'a str>),
    /// The whole file is one subject.
    FileName,
    /// `<prefix><n>` for every so many records.
    Batch { prefix: &'a str, size: u64 },
}

impl<'a> Rule<'a> {
    /// Reads the rule; one row of a table that becomes several subjects has no meaning here.
    pub(super) fn of(entry: &Entry<'a>, sink: &mut dyn Sink) -> Self {
        match &entry.input.pipeline.subject_id {
            SubjectIdRule::AttributeInFile { attribute } => match attribute.trim() {
                "" => Self::Own,
                path => Self::Path(path.split('.').collect()),
            },
            SubjectIdRule::AttributeInName => Self::FileName,
            SubjectIdRule::AssignPerBatch { prefix, batch_size } => {
                Self::Batch { prefix, size: (*batch_size).max(1) }
            }
            SubjectIdRule::AssignByExpansion { .. } => {
                sink.warn(Warning {
                    text: "the pipeline expands table rows, which these records are not; their own ids were used".into(),
                    count: 1,
                    examples: Vec::new(),
                });
                Self::Own
            }
        }
    }
}

/// Numbers batches over all records of one reading.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    records: u64,
}

impl Numbers {
    /// The id of the next record; numbers go on after the highest one the source has with the prefix.
    pub(super) fn next(&mut self, entry: &Entry<'_>, prefix: &str, size: u64) -> String {
        let last = entry.last_number.get().unwrap_or_else(|| (entry.input.next_number)(prefix));
        let number = if self.records.is_multiple_of(size) { last.saturating_add(1) } else { last };
        self.records += 1;
        entry.last_number.set(Some(number));
        format!("{prefix}{number}")
    }
}

/// The id the file's name gives.
pub(super) fn file_id(entry: &Entry<'_>) -> String {
    stem(entry.name).trim().to_owned()
}

/// The scalar at a path into a record as text; array elements by their number.
pub(super) fn at_path(record: &Value, path: &[&str]) -> Option<String> {
    let found = path.iter().try_fold(record, |value, step| match value {
        Value::Object(fields) => fields.get(*step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    });
    match found? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
