//! Rows of a table become staged rows with subject ids (specification §7.3): grouping, cell splitting, missing values.
//!
//! Lives here: the [`Stager`] every reader of columns sends its rows through. Does not: finding rows and cells (`csv`,
//! `sheet`, `json`), turning columns into subject fields (`remap`). To add a strategy of subject ids: a variant of
//! `SubjectIdRule`, its reading in `domain/pipelines/read.rs`, its arm in `subject_ids.rs`.
//!
//! Cells are trimmed; those without a value are not staged but counted. A cell of a text format is staged as a number
//! only if that number writes itself exactly as the cell does (`9`, `0.5`, not `07`, `1.50`, `1e3`), so no text is
//! lost and remapping sees what the file had.

mod cell;
mod expansion;
mod layout;
mod subject_ids;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use self::cell::Cells;
pub use self::cell::{Cell, exact_number};
use self::expansion::Expansion;
use self::layout::{Layout, Place};
use self::subject_ids::Ids;
use super::{Entry, IngestError, Reject, Row, Sink, StagedRow, Stopped, Warning};

/// The staged column that holds the groups of grouping `customized`, an array of objects.
pub const GROUPS: &str = "groups";
/// Columns whose missing cells are reported one by one.
const MAX_COLUMNS_REPORTED: usize = 1_000;
/// Bytes a subject's id may have (specification §6.4).
const MAX_SUBJECT_ID_BYTES: usize = 256;

/// Stages the rows of one file or archive entry.
pub struct Stager<'a> {
    entry: &'a Entry<'a>,
    cells: Cells,
    layout: Layout,
    /// Places by column name while a file without a header is read.
    known: HashMap<String, Place>,
    ids: Ids,
    expansion: Option<Expansion>,
    /// Cells without a value, by place in `layout.names`.
    missing: Vec<u64>,
    fresh_ids: u64,
    blank_rows: u64,
    unexpanded_rows: u64,
}

/// One row while its cells are taken in.
#[derive(Default)]
struct Draft {
    id: Option<String>,
    columns: Vec<(Arc<str>, Value)>,
    groups: Vec<Map<String, Value>>,
    /// The parts of each column that is expanded.
    expanded: Vec<Vec<String>>,
}

impl<'a> Stager<'a> {
    /// Prepares for a file whose columns come by name with each row (flattened objects).
    pub fn new(entry: &'a Entry<'a>) -> Self {
        Self::with_layout(entry, Layout::open(entry.input.pipeline))
    }

    /// Prepares for a table with the given header cells. Fails if the pipeline names columns the header lacks.
    ///
    /// A cell without text is named `column_<n>` (n from 1), a repeated name gets `_2`, `_3` and so on; within groups
    /// names may repeat from group to group.
    pub fn with_header<S: AsRef<str>>(entry: &'a Entry<'a>, header: &[S]) -> Result<Self, IngestError> {
        let limit = entry.input.limits.max_columns;
        if header.len() > limit {
            let limit = u64::try_from(limit).unwrap_or(u64::MAX);
            return Err(IngestError::TooLarge { file: entry.name.to_owned(), what: "columns", limit });
        }
        let layout = Layout::of_header(entry.input.pipeline, header)
            .map_err(|reason| IngestError::Pipeline { file: entry.name.to_owned(), reason })?;
        Ok(Self::with_layout(entry, layout))
    }

    fn with_layout(entry: &'a Entry<'a>, layout: Layout) -> Self {
        let pipeline = entry.input.pipeline;
        Self {
            entry,
            cells: Cells::new(pipeline),
            missing: vec![0; layout.names.len()],
            layout,
            known: HashMap::new(),
            ids: Ids::new(entry),
            expansion: Expansion::new(pipeline),
            fresh_ids: 0,
            blank_rows: 0,
            unexpanded_rows: 0,
        }
    }

    /// Columns of the header.
    pub fn width(&self) -> usize {
        self.layout.places.len()
    }

    /// Stages one row of a table, its cells in header order; `number` is its line, from 1.
    pub fn table_row<'c>(
        &mut self,
        number: u64,
        cells: impl Iterator<Item = Cell<'c>>,
        sink: &mut dyn Sink,
    ) -> Result<(), Stopped> {
        let mut draft = self.draft();
        for (index, cell) in cells.enumerate() {
            let Some(place) = self.layout.places.get(index).copied() else { break };
            self.take(&mut draft, place, cell);
        }
        self.emit(number, draft, sink)
    }

    /// Stages one object by its column names; `number` is its place in the file, from 1. A name that comes twice in
    /// one row is staged twice.
    pub fn row(
        &mut self,
        number: u64,
        columns: Vec<(String, Value)>,
        sink: &mut dyn Sink,
    ) -> Result<(), Stopped> {
        let mut draft = self.draft();
        for (name, value) in columns {
            let place = match self.known.get(&name) {
                Some(place) => *place,
                None if self.known.len() >= self.entry.input.limits.max_columns => {
                    self.reject(number, Some(&name), "more columns than a file may have", None, sink);
                    return Ok(());
                }
                None => {
                    let place = self.layout.add(self.entry.input.pipeline, &name);
                    self.missing.resize(self.layout.names.len(), 0);
                    self.known.insert(name, place);
                    place
                }
            };
            self.take(&mut draft, place, Cell::Value(value));
        }
        self.emit(number, draft, sink)
    }

    fn draft(&self) -> Draft {
        Draft {
            id: None,
            columns: Vec::with_capacity(self.layout.names.len().min(256)),
            groups: vec![Map::new(); self.layout.groups],
            expanded: vec![Vec::new(); self.expansion.as_ref().map_or(0, Expansion::width)],
        }
    }

    fn take(&mut self, draft: &mut Draft, place: Place, cell: Cell<'_>) {
        match place {
            Place::Separator => {}
            Place::SubjectId => draft.id = self.cells.text(&cell),
            Place::Expanded(index) => {
                if let Some(parts) = draft.expanded.get_mut(index) {
                    *parts = self.cells.parts(&cell);
                }
            }
            Place::Column(name) | Place::Field { name, .. } => {
                let (Some(value), Some(shown)) = (self.cells.value(cell), self.layout.names.get(name)) else {
                    if let Some(count) = self.missing.get_mut(name) {
                        *count += 1;
                    }
                    return;
                };
                match place {
                    Place::Field { group, .. } => {
                        if let Some(fields) = draft.groups.get_mut(group) {
                            fields.insert(shown.to_string(), value);
                        }
                    }
                    _ => draft.columns.push((Arc::clone(shown), value)),
                }
            }
        }
    }

    fn emit(&mut self, number: u64, mut draft: Draft, sink: &mut dyn Sink) -> Result<(), Stopped> {
        let groups: Vec<Value> =
            draft.groups.into_iter().filter(|group| !group.is_empty()).map(Value::Object).collect();
        if !groups.is_empty() {
            draft.columns.push((Arc::from(GROUPS), Value::Array(groups)));
        }
        let nothing_expands = draft.expanded.iter().all(Vec::is_empty);
        if draft.id.is_none() && draft.columns.is_empty() && nothing_expands {
            self.blank_rows += 1;
            return Ok(());
        }
        if let Some(expansion) = &self.expansion {
            return match expansion.expand(self.entry, number, &draft.expanded, &draft.columns, sink) {
                Ok(0) => {
                    self.unexpanded_rows += 1;
                    Ok(())
                }
                Ok(_) => Ok(()),
                Err(expansion::Refused::Stopped) => Err(Stopped),
                Err(expansion::Refused::Row { column, reason, value }) => {
                    self.reject(number, column, reason, value, sink);
                    Ok(())
                }
            };
        }
        if draft.id.as_ref().is_some_and(|id| id.len() > MAX_SUBJECT_ID_BYTES) {
            let id = draft.id.as_deref();
            self.reject(number, None, "the subject id is longer than 256 bytes", id, sink);
            return Ok(());
        }
        let subject_id = self.ids.next(self.entry, draft.id, &mut self.fresh_ids);
        sink.row(Row::Staged(StagedRow { subject_id, columns: draft.columns }))
    }

    /// Rejects a row of this file; the value is cut to 40 characters.
    pub fn reject(
        &self,
        row: u64,
        column: Option<&str>,
        reason: impl Into<String>,
        value: Option<&str>,
        sink: &mut dyn Sink,
    ) {
        let value = value.map(|text| text.chars().take(40).collect());
        let column = column.map(|name| name.chars().take(200).collect());
        sink.reject(Reject { file: self.entry.name.to_owned(), row, column, reason: reason.into(), value });
    }

    /// The name of the header's column at a place, if it has one of its own.
    pub fn column_name(&self, index: usize) -> Option<&str> {
        match self.layout.places.get(index)? {
            Place::Column(name) | Place::Field { name, .. } => {
                self.layout.names.get(*name).map(AsRef::as_ref)
            }
            _ => None,
        }
    }

    /// Reports what was left out: cells without a value per column, ids that had to be made, rows without subjects.
    pub fn finish(self, sink: &mut dyn Sink) {
        let mut by_name: Vec<(&str, u64)> = Vec::new();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (name, count) in self.layout.names.iter().zip(&self.missing).filter(|(_, count)| **count > 0) {
            let place = *seen.entry(name).or_insert(by_name.len());
            match by_name.get_mut(place) {
                Some((_, sum)) => *sum += count,
                None => by_name.push((name, *count)),
            }
        }
        for (name, count) in by_name.iter().take(MAX_COLUMNS_REPORTED) {
            let name: String = name.chars().take(200).collect();
            warn(sink, format!("cells without a value in column {name:?} were left out"), *count);
        }
        let rest = by_name.iter().skip(MAX_COLUMNS_REPORTED).map(|(_, count)| count).sum();
        warn(sink, "cells without a value in further columns were left out".to_owned(), rest);
        let fresh = "rows without a subject id became subjects of their own with a random id";
        warn(sink, fresh.to_owned(), self.fresh_ids);
        warn(sink, "rows without any value were skipped".to_owned(), self.blank_rows);
        let unexpanded = "rows whose expanded columns hold nothing became no subject";
        warn(sink, unexpanded.to_owned(), self.unexpanded_rows);
        if self.layout.lacks_separator {
            let text = "the header has no cell equal to groupColumns; no columns were grouped";
            warn(sink, text.to_owned(), 1);
        }
    }
}

fn warn(sink: &mut dyn Sink, text: String, count: u64) {
    if count > 0 {
        sink.warn(Warning { text, count, examples: Vec::new() });
    }
}

#[cfg(test)]
pub(in crate::ingest) mod fixture;
#[cfg(test)]
mod tests;
