//! Any other JSON object as a row of flat columns (specification §7.2).

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::super::file_pipeline::Stager;
use super::super::{Entry, IngestError, Sink};

/// Rows of one file on their way to the file pipeline; the stager is made when the first one comes.
pub(super) struct Rows<'e> {
    entry: &'e Entry<'e>,
    stager: Option<Stager<'e>>,
}

impl<'e> Rows<'e> {
    pub(super) fn new(entry: &'e Entry<'e>) -> Self {
        Self { entry, stager: None }
    }

    /// Hands a flattened object to the file pipeline.
    pub(super) fn stage(
        &mut self,
        row: u64,
        record: &Map<String, Value>,
        sink: &mut dyn Sink,
    ) -> Result<(), IngestError> {
        let stager = self.stager.get_or_insert_with(|| Stager::new(self.entry));
        Ok(stager.row(row, flatten(record), sink)?)
    }

    /// Ends the file.
    pub(super) fn finish(self, sink: &mut dyn Sink) {
        if let Some(stager) = self.stager {
            stager.finish(sink);
        }
    }
}

/// Columns of an object in its order: nested objects as `a.b`, lists of scalars as they are, lists of objects as one
/// list for each column of theirs; null has no column.
pub(super) fn flatten(record: &Map<String, Value>) -> Vec<(String, Value)> {
    let mut columns: Vec<(String, Value)> = Vec::new();
    let mut places = HashMap::<String, usize>::new();
    let mut path = String::new();
    walk(record, &mut path, false, &mut |name, value, listed| match places
        .get(name)
        .and_then(|place| columns.get_mut(*place))
    {
        None => {
            places.insert(name.to_owned(), columns.len());
            columns.push((name.to_owned(), if listed { Value::Array(vec![value]) } else { value }));
        }
        Some((_, Value::Array(held))) => held.push(value),
        Some((_, held)) => *held = Value::Array(vec![std::mem::take(held), value]),
    });
    columns
}

/// Visits every scalar with its path; recursion is bounded by the depth the records were cut with.
fn walk(
    object: &Map<String, Value>,
    path: &mut String,
    listed: bool,
    found: &mut dyn FnMut(&str, Value, bool),
) {
    for (name, value) in object {
        let length = path.len();
        if length > 0 {
            path.push('.');
        }
        path.push_str(name);
        visit(value, path, listed, found);
        path.truncate(length);
    }
}

fn visit(value: &Value, path: &mut String, listed: bool, found: &mut dyn FnMut(&str, Value, bool)) {
    match value {
        Value::Null => {}
        Value::Object(inner) => walk(inner, path, listed, found),
        Value::Array(items) => {
            for item in items {
                visit(item, path, true, found);
            }
        }
        scalar => found(path, scalar.clone(), listed),
    }
}
