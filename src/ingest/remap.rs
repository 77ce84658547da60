//! Staged rows become subjects (specification §7.4): patterns turn cells into terms, genes, variants and attributes.
//!
//! Lives here: running directives over a row. Does not: what a pattern means (`domain/pipelines/pattern.rs`), merging
//! rows of one subject and resolving demographics (`merge`). To add a destination: a variant of `Destination`, its arm
//! in `store.rs`.
//!
//! Two passes: [`Remap::survey`] over every row of a file, so that the values of an attribute get one type, then
//! [`Remap::apply`]. A cell that is an array, and a group, is handled element by element.

mod cells;
mod report;
mod store;
mod subject;
mod types;

use std::collections::BTreeMap;

pub use self::report::{Counts, DirectiveReport, RemapReport};
use self::subject::Claims;
use self::types::Own;
pub use self::types::{TypeSurvey, Types};
use super::StagedRow;
pub use crate::domain::attributes::{shown_name, stored_name};
use crate::domain::pipelines::pattern::Found;
use crate::domain::pipelines::{CompiledSet, Destination, MissingValues, Output, PipelineError, Problems};
use crate::domain::pipelines::{RemapPipeline, ValueType};
use crate::domain::subjects::Subject;
use crate::terms::Terms;

/// A remap pipeline ready to run; shared between threads.
#[derive(Debug)]
pub struct Remap {
    directives: Vec<Ready>,
    cells: cells::Origins,
    missing: MissingValues,
    /// Stored names of the attributes `basic` sets fill, by place.
    attributes: Vec<String>,
}

#[derive(Debug)]
struct Ready {
    origin: String,
    destination: Destination,
    sets: Vec<CompiledSet>,
    value_type: ValueType,
    /// Place in `Remap::attributes` of the attribute named like the origin.
    attribute: usize,
    /// No earlier directive reads the same origin: missing cells are counted here.
    first: bool,
}

/// A value that matched and could not be stored; the caller adds file and row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected<'a> {
    /// The directive's origin.
    pub column: &'a str,
    pub reason: &'static str,
    /// At most 40 characters.
    pub value: String,
}

/// What a cell became.
enum Made {
    /// No pattern set matches.
    Unmatched,
    /// The replacement came out empty.
    Empty,
    Basic(String),
    Qualified(String, String),
    /// The pattern was given up.
    TooSlow,
}

impl Remap {
    /// Compiles every directive; the error lists all that cannot be used with their JSON paths.
    pub fn compile(pipeline: &RemapPipeline) -> Result<Self, PipelineError> {
        let mut problems = Problems::default();
        let mut attributes: Vec<String> = Vec::new();
        let mut directives: Vec<Ready> = Vec::new();
        for (index, directive) in pipeline.directives.iter().enumerate() {
            let Some(sets) = directive.compile(&format!("$.directives[{index}]"), &mut problems) else {
                continue;
            };
            let stored = stored_name(&directive.origin);
            let attribute = attributes.iter().position(|name| *name == stored).unwrap_or_else(|| {
                attributes.push(stored);
                attributes.len() - 1
            });
            directives.push(Ready {
                first: !directives.iter().any(|earlier| earlier.origin == directive.origin),
                origin: directive.origin.clone(),
                destination: directive.destination,
                sets,
                value_type: directive.value_type,
                attribute,
            });
        }
        let cells = cells::Origins::new(directives.iter().map(|directive| directive.origin.as_str()));
        let missing = MissingValues::new(pipeline.missing_values.as_deref());
        problems.finish(Some(Self { directives, cells, missing, attributes }))
    }

    /// An empty survey for this pipeline.
    pub fn new_survey(&self) -> TypeSurvey {
        TypeSurvey::new(self.attributes.len())
    }

    /// An empty report for this pipeline.
    pub fn new_report(&self) -> RemapReport {
        RemapReport::new(
            self.directives.iter().map(|directive| (directive.origin.as_str(), directive.destination)),
        )
    }

    /// Notes what kinds of values a row brings for attributes typed automatically.
    pub fn survey(&self, row: &StagedRow, survey: &mut TypeSurvey) {
        let slots = self.cells.locate(row);
        for (index, directive) in self.directives.iter().enumerate() {
            if directive.destination != Destination::Eav {
                continue;
            }
            if directive.value_type != ValueType::Auto {
                survey.declare(directive.attribute, directive.value_type);
                continue;
            }
            if survey.is_text(directive.attribute) {
                continue;
            }
            self.cells.each(index, &slots, &mut |text| {
                if self.missing.contains(text) {
                    return;
                }
                if let Made::Basic(value) = directive.make(text) {
                    survey.note(directive.attribute, &value);
                }
            });
        }
    }

    /// Decides the type of each attribute from what was surveyed and the types the source already has; there `auto`
    /// stands for mixed.
    pub fn types(&self, survey: &TypeSurvey, known: &BTreeMap<String, ValueType>) -> Types {
        Types::decide(&self.attributes, survey, known)
    }

    /// Makes a subject of a row: every directive runs, values that match and cannot be stored are rejected one by one.
    /// Demographics are left in `given.explicit`; merging resolves them.
    pub fn apply(
        &self,
        row: &StagedRow,
        types: &Types,
        terms: &dyn Terms,
        report: &mut RemapReport,
        on_reject: &mut dyn FnMut(Rejected<'_>),
    ) -> Subject {
        report.rows += 1;
        let mut subject = Subject::new(row.subject_id.clone());
        let mut claims = Claims::default();
        let slots = self.cells.locate(row);
        for (index, directive) in self.directives.iter().enumerate() {
            let mut counts = Counts::default();
            let mut unknown: Vec<String> = Vec::new();
            let own = Own { kind: types.kind(directive.attribute), declared: directive.value_type };
            self.cells.each(index, &slots, &mut |text| {
                if self.missing.contains(text) {
                    counts.missing += u64::from(directive.first);
                    return;
                }
                let attribute = self.attributes.get(directive.attribute).map_or("", String::as_str);
                let stored = match directive.make(text) {
                    Made::Unmatched => {
                        counts.unmatched += 1;
                        return;
                    }
                    Made::Empty => {
                        counts.empty += 1;
                        return;
                    }
                    Made::TooSlow => Err("the pattern needs too many steps on this value; make it simpler"),
                    made if directive.destination == Destination::Subject => {
                        claims.add(&directive.origin, made, index);
                        return;
                    }
                    made => store::store(
                        &mut subject,
                        directive.destination,
                        attribute,
                        own,
                        made,
                        terms,
                        &mut unknown,
                    ),
                };
                match stored {
                    Ok(()) => counts.stored += 1,
                    Err(reason) => {
                        counts.rejected += 1;
                        on_reject(Rejected { column: &directive.origin, reason, value: short(text) });
                    }
                }
            });
            report.add(index, counts);
            report.unknown(unknown);
        }
        if !claims.is_empty() {
            claims.settle(row, &mut subject, &mut |index, outcome| match outcome {
                Ok(()) => report.add(index, Counts { stored: 1, ..Counts::default() }),
                Err((reason, value)) => {
                    report.add(index, Counts { rejected: 1, ..Counts::default() });
                    let column = self.directives.get(index).map_or("", |directive| directive.origin.as_str());
                    on_reject(Rejected { column, reason, value: short(value) });
                }
            });
        }
        subject
    }
}

impl Ready {
    /// Runs the pattern sets on one value; the first that matches decides.
    fn make(&self, text: &str) -> Made {
        for set in &self.sets {
            let found = match set.literal {
                true => set.pattern.matches(text).map(|yes| yes.then_some(Found::Nothing)),
                false => set.pattern.search(text),
            };
            let found = match found {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(_) => return Made::TooSlow,
            };
            return match &set.output {
                Output::Basic(template) => match trimmed(template.expand(&found)) {
                    value if value.is_empty() => Made::Empty,
                    value => Made::Basic(value),
                },
                Output::Qualifier { qualifier, value } => {
                    let (qualifier, value) =
                        (trimmed(qualifier.expand(&found)), trimmed(value.expand(&found)));
                    if qualifier.is_empty() || value.is_empty() {
                        Made::Empty
                    } else {
                        Made::Qualified(qualifier, value)
                    }
                }
            };
        }
        Made::Unmatched
    }
}

fn trimmed(text: String) -> String {
    let inner = text.trim();
    if inner.len() == text.len() { text } else { inner.to_owned() }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod real_data;
#[cfg(test)]
mod tests;
