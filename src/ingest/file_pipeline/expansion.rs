//! One row becomes several subjects (specification §7.3, `expansionPolicy`).
//!
//! Ids are UUIDv5 of (source, file, row, column, position), so that reading the same file again gives the same ids.

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::cell::typed;
use crate::domain::pipelines::{FilePipeline, Grouping, SubjectIdRule};
use crate::ingest::{Entry, Row, Sink, StagedRow, Stopped};

/// The name space of expanded subjects' ids; fixed for ever, or reloads would double subjects.
const NAMESPACE: Uuid = Uuid::from_u128(0x7c1c_52ab_3f0e_5d52_9d5a_61f2_2b8e_4f10);

type Columns = [(Arc<str>, Value)];

/// How rows are expanded.
#[derive(Debug)]
pub(super) struct Expansion {
    columns: Vec<Arc<str>>,
    policy: Grouping,
    new_attribute: Arc<str>,
}

/// Why a row gives no subjects.
#[derive(Debug)]
pub(super) enum Refused<'a> {
    Row { column: Option<&'a str>, reason: String, value: Option<&'a str> },
    Stopped,
}

impl From<Stopped> for Refused<'_> {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// What one column of policy `individual` says.
enum Said<'p> {
    Count(u64),
    Parts(Vec<&'p str>),
}

impl Expansion {
    pub(super) fn new(pipeline: &FilePipeline) -> Option<Self> {
        let SubjectIdRule::AssignByExpansion { columns, expansion_policy, new_attribute } =
            &pipeline.subject_id
        else {
            return None;
        };
        Some(Self {
            columns: columns.iter().map(|column| Arc::from(column.as_str())).collect(),
            policy: *expansion_policy,
            new_attribute: Arc::from(new_attribute.as_str()),
        })
    }

    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// Sends the row's subjects and tells how many; `parts` holds each listed column's parts, `others` is copied.
    pub(super) fn expand<'r>(
        &'r self,
        entry: &Entry<'_>,
        row: u64,
        parts: &'r [Vec<String>],
        others: &Columns,
        sink: &mut dyn Sink,
    ) -> Result<u64, Refused<'r>> {
        let limit = entry.input.limits.max_rows_per_expansion;
        let bounded = |count: u64| match count > limit {
            true => Err(Refused::Row {
                column: None,
                reason: format!("the row expands into more than {limit} subjects"),
                value: None,
            }),
            false => Ok(count),
        };
        match self.policy {
            Grouping::Individual => {
                let said = self.columns.iter().zip(parts).map(|(column, parts)| {
                    Ok((
                        column,
                        said(parts).map_err(|reason| Refused::Row {
                            column: Some(column),
                            reason,
                            value: parts.first().map(String::as_str),
                        })?,
                    ))
                });
                let said = said.collect::<Result<Vec<_>, Refused<'r>>>()?;
                let total = bounded(said.iter().map(|(_, said)| said.len()).fold(0, u64::saturating_add))?;
                for (column, said) in said {
                    for position in 1..=said.len() {
                        let value = match &said {
                            Said::Count(_) => Value::String(column.to_string()),
                            Said::Parts(parts) => typed(nth(parts, position).copied().unwrap_or_default()),
                        };
                        let id = stable_id(entry, row, column, position);
                        let new = [(Arc::clone(&self.new_attribute), value)];
                        send(id, others, new.into_iter(), sink)?;
                    }
                }
                Ok(total)
            }
            Grouping::Customized => {
                let longest = parts.iter().map(Vec::len).max().unwrap_or(0);
                let total = bounded(u64::try_from(longest).unwrap_or(u64::MAX))?;
                for position in 1..=total {
                    let at = self.columns.iter().zip(parts).filter_map(|(column, parts)| {
                        let part = nth(parts, position).filter(|part| !part.is_empty())?;
                        Some((Arc::clone(column), typed(part)))
                    });
                    let new = (Arc::clone(&self.new_attribute), Value::from(position));
                    send(stable_id(entry, row, "", position), others, at.chain([new]), sink)?;
                }
                Ok(total)
            }
        }
    }
}

impl Said<'_> {
    fn len(&self) -> u64 {
        match self {
            Self::Count(count) => *count,
            Self::Parts(parts) => u64::try_from(parts.len()).unwrap_or(u64::MAX),
        }
    }
}

/// Nothing, 0 and false are none, a whole number is a count, true counts as 1; everything else is its parts.
fn said(parts: &[String]) -> Result<Said<'_>, String> {
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    let [only] = parts.as_slice() else { return Ok(Said::Parts(parts)) };
    if only.eq_ignore_ascii_case("false") {
        return Ok(Said::Count(0));
    }
    if only.eq_ignore_ascii_case("true") {
        return Ok(Said::Count(1));
    }
    let whole = only.strip_suffix(".0").unwrap_or(only);
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Said::Parts(parts));
    }
    match whole.starts_with('-') && digits.bytes().any(|byte| byte != b'0') {
        true => Err("a number of subjects cannot be negative".to_owned()),
        false => Ok(Said::Count(digits.parse().unwrap_or(u64::MAX))),
    }
}

fn nth<T>(items: &[T], position: u64) -> Option<&T> {
    usize::try_from(position).ok()?.checked_sub(1).and_then(|index| items.get(index))
}

fn send(
    id: Uuid,
    others: &Columns,
    own: impl Iterator<Item = (Arc<str>, Value)>,
    sink: &mut dyn Sink,
) -> Result<(), Stopped> {
    let columns = others.iter().cloned().chain(own).collect();
    sink.row(Row::Staged(StagedRow { subject_id: id.to_string(), columns }))
}

/// Parts are set apart by their lengths, so that no two places share a name.
fn stable_id(entry: &Entry<'_>, row: u64, column: &str, position: u64) -> Uuid {
    let mut name = String::new();
    for part in [entry.input.source.as_str(), entry.input.filename, entry.name, column] {
        name.push_str(&format!("{}:{part},", part.len()));
    }
    name.push_str(&format!("{row},{position}"));
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}
