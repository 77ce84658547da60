//! What a remap did, in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::pipelines::Destination;

/// Different unknown ids that are named.
const MAX_UNKNOWN: usize = 1_000;

/// Counts over the rows of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemapReport {
    pub rows: u64,
    /// In the pipeline's order.
    pub directives: Vec<DirectiveReport>,
    /// Valid ids the loaded term release does not know, stored all the same: the first 1,000 different ones.
    pub unknown_ids: BTreeMap<String, u64>,
    /// All of them, named or not.
    pub unknown: u64,
}

/// Counts of values for one directive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectiveReport {
    pub origin: String,
    pub destination: Destination,
    #[serde(flatten)]
    pub counts: Counts,
}

/// What became of the values of a column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub stored: u64,
    /// Meaning "no value"; counted by the first directive that reads the column.
    pub missing: u64,
    /// No pattern set matches.
    pub unmatched: u64,
    /// The replacement came out empty.
    pub empty: u64,
    /// Matched and could not be stored.
    pub rejected: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.stored += more.stored;
        self.missing += more.missing;
        self.unmatched += more.unmatched;
        self.empty += more.empty;
        self.rejected += more.rejected;
    }
}

impl RemapReport {
    pub(super) fn new<'o>(directives: impl Iterator<Item = (&'o str, Destination)>) -> Self {
        let directives = directives.map(|(origin, destination)| DirectiveReport {
            origin: origin.to_owned(),
            destination,
            counts: Counts::default(),
        });
        Self { rows: 0, directives: directives.collect(), unknown_ids: BTreeMap::new(), unknown: 0 }
    }

    /// Cells without a value, by column.
    pub fn missing(&self) -> BTreeMap<&str, u64> {
        let counted = self.directives.iter().filter(|directive| directive.counts.missing > 0);
        counted.map(|directive| (directive.origin.as_str(), directive.counts.missing)).collect()
    }

    /// What a data manager should know, a line each: cells no pattern matched, columns without values, unknown ids.
    pub fn warnings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for directive in self.directives.iter().filter(|d| d.counts.unmatched > 0) {
            let (origin, destination) = (&directive.origin, directive.destination);
            lines.push(format!(
                "{origin} → {destination:?}: no pattern matched {} values",
                directive.counts.unmatched
            ));
        }
        let missing: Vec<String> =
            self.missing().into_iter().map(|(column, n)| format!("{column} ({n})")).collect();
        if !missing.is_empty() {
            lines.push(format!("cells without a value: {}", missing.join(", ")));
        }
        if self.unknown > 0 {
            let examples: Vec<&str> = self.unknown_ids.keys().take(10).map(String::as_str).collect();
            lines.push(format!(
                "ids the loaded term release does not know, kept as they are ({}): {}",
                self.unknown,
                examples.join(", ")
            ));
        }
        lines
    }

    pub(super) fn add(&mut self, directive: usize, counts: Counts) {
        if let Some(report) = self.directives.get_mut(directive) {
            report.counts += counts;
        }
    }

    pub(super) fn unknown(&mut self, ids: Vec<String>) {
        for id in ids {
            self.unknown += 1;
            if let Some(count) = self.unknown_ids.get_mut(&id) {
                *count += 1;
            } else if self.unknown_ids.len() < MAX_UNKNOWN {
                self.unknown_ids.insert(id, 1);
            }
        }
    }
}
