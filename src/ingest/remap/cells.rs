//! Finds the values of each directive's origin in a row: a column, or a field of a group by its path.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::{Number, Value};

use crate::ingest::StagedRow;
use crate::ingest::file_pipeline::GROUPS;

/// Points in one origin at which a path is tried; column names themselves may have points.
const MAX_POINTS: usize = 8;
/// Arrays and groups within each other that are looked into.
const MAX_DEPTH: u8 = 8;

/// Where the directives of a pipeline look.
#[derive(Debug)]
pub(super) struct Origins {
    /// Column name to place in [`Slots`].
    columns: HashMap<Box<str>, usize>,
    /// By directive: the place of the column named like the origin, and the paths to try when there is none.
    origins: Vec<(usize, Vec<(usize, String)>)>,
}

/// The columns of one row that a directive may read, by place.
pub(super) struct Slots<'r>(Vec<Option<&'r Value>>);

impl Origins {
    pub(super) fn new<'o>(origins: impl Iterator<Item = &'o str>) -> Self {
        let mut columns: HashMap<Box<str>, usize> = HashMap::new();
        let mut place = |name: &str| {
            let next = columns.len();
            *columns.entry(name.into()).or_insert(next)
        };
        let origins = origins.map(|origin| {
            let points = origin.match_indices('.').take(MAX_POINTS);
            let mut paths: Vec<(usize, String)> = points
                .filter_map(|(at, _)| Some((place(origin.get(..at)?), origin.get(at + 1..)?.to_owned())))
                .collect();
            // The specification writes `group.field`; groups are staged under `groups`.
            if let Some(field) = origin.strip_prefix("group.") {
                paths.push((place(GROUPS), field.to_owned()));
            }
            (place(origin), paths)
        });
        let origins = origins.collect();
        Self { columns, origins }
    }

    /// Finds the row's columns that any directive may read.
    pub(super) fn locate<'r>(&self, row: &'r StagedRow) -> Slots<'r> {
        let mut slots = vec![None; self.columns.len()];
        for (name, value) in &row.columns {
            let slot = self.columns.get(&**name).and_then(|place| slots.get_mut(*place));
            if let Some(slot) = slot {
                *slot = Some(value);
            }
        }
        Slots(slots)
    }

    /// Hands every value of a directive's origin over, trimmed, as text.
    pub(super) fn each(&self, directive: usize, slots: &Slots<'_>, take: &mut dyn FnMut(&str)) {
        let Some((exact, paths)) = self.origins.get(directive) else { return };
        if let Some(value) = slots.at(*exact) {
            return texts(value, take, MAX_DEPTH);
        }
        for (place, field) in paths {
            if let Some(value) = slots.at(*place) {
                follow(value, field, take, MAX_DEPTH);
            }
        }
    }
}

impl<'r> Slots<'r> {
    fn at(&self, place: usize) -> Option<&'r Value> {
        self.0.get(place).copied().flatten()
    }
}

fn follow(value: &Value, path: &str, take: &mut dyn FnMut(&str), depth: u8) {
    match value {
        _ if depth == 0 => {}
        Value::Array(items) => items.iter().for_each(|item| follow(item, path, take, depth - 1)),
        Value::Object(fields) => match fields.get(path) {
            Some(value) => texts(value, take, depth - 1),
            None => {
                for (at, _) in path.match_indices('.').take(MAX_POINTS) {
                    if let (Some(first), Some(rest)) = (path.get(..at), path.get(at + 1..))
                        && let Some(value) = fields.get(first)
                    {
                        return follow(value, rest, take, depth - 1);
                    }
                }
            }
        },
        _ => {}
    }
}

fn texts(value: &Value, take: &mut dyn FnMut(&str), depth: u8) {
    match value {
        Value::String(text) => take(text.trim()),
        Value::Number(number) => number_text(number, take),
        Value::Bool(true) => take("true"),
        Value::Bool(false) => take("false"),
        Value::Array(items) if depth > 0 => items.iter().for_each(|item| texts(item, take, depth - 1)),
        Value::Array(_) | Value::Object(_) | Value::Null => {}
    }
}

fn number_text(number: &Number, take: &mut dyn FnMut(&str)) {
    let mut text = String::with_capacity(24);
    // Writing to a String cannot fail.
    let _ = write!(text, "{number}");
    take(&text);
}
