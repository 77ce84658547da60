//! People as both files together describe them, and what is true of a person.

use std::sync::OnceLock;

use super::SUBJECT_ID;
use super::raw::{Calls, Sheet};

/// A person of a table with what the variants say of the same id.
pub struct Person<'a> {
    pub id: String,
    sheet: &'a Sheet,
    row: usize,
    calls: &'a Calls,
}

/// Every row of a table; its first identifying column present names the person.
pub fn people<'a>(sheet: &'a Sheet, calls: &'a Calls) -> Vec<Person<'a>> {
    let column =
        [SUBJECT_ID, "patientId"].into_iter().find(|c| sheet.columns().iter().any(|n| n == c)).unwrap();
    let ids = sheet.of(column);
    let strangers: Vec<&String> = calls.carried.keys().filter(|id| !ids.contains_key(*id)).collect();
    assert!(strangers.is_empty(), "samples that are in no row: {strangers:?}");
    ids.into_iter().map(|(id, row)| Person { id, sheet, row, calls }).collect()
}

impl Person<'_> {
    pub fn text(&self, column: &str) -> Option<&str> {
        self.sheet.cell(self.row, column)
    }

    pub fn is(&self, column: &str, value: &str) -> bool {
        self.text(column) == Some(value)
    }

    /// One of the values of a cell with several, separated by bars.
    pub fn has(&self, column: &str, value: &str) -> bool {
        self.text(column).is_some_and(|cell| cell.split('|').any(|one| one == value))
    }

    /// A number that holds; a person without one never does.
    pub fn number(&self, column: &str, holds: impl Fn(f64) -> bool) -> bool {
        self.text(column).is_some_and(|cell| holds(cell.parse().unwrap()))
    }

    /// Carries one variant that is at once in the gene, of one of the kinds (any if none) and no more common.
    pub fn carries(&self, genes: &[&str], kinds: &[&str], most: f64) -> bool {
        let calls = self.calls.carried.get(&self.id).map_or(&[][..], Vec::as_slice);
        calls.iter().any(|(number, _)| {
            let variant = &self.calls.variants[*number];
            let fits = |(gene, kind): &(String, &str)| {
                genes.contains(&gene.as_str()) && (kinds.is_empty() || kinds.contains(kind))
            };
            variant.af <= most && variant.effects.iter().any(fits)
        })
    }

    /// Carries a kind of mutation in a gene whose share of all chromosomes of these people is no larger. The share
    /// counts each carrier once, with one or two copies; it is the same for everyone and reckoned once.
    pub fn carries_locally_rare(&self, gene: &str, kind: &str, most: f64, share: &OnceLock<f64>) -> bool {
        let share = share.get_or_init(|| {
            let all: u32 = self.calls.carried.values().map(|carried| self.copies(carried, gene, kind)).sum();
            f64::from(all) / (2.0 * self.sheet.rows() as f64)
        });
        let own = self.calls.carried.get(&self.id);
        *share <= most && own.is_some_and(|carried| self.copies(carried, gene, kind) > 0)
    }

    fn copies(&self, carried: &[(usize, u32)], gene: &str, kind: &str) -> u32 {
        let of_kind = |number: usize| {
            let effects = &self.calls.variants[number].effects;
            effects.iter().any(|(other_gene, other_kind)| other_gene == gene && *other_kind == kind)
        };
        carried.iter().filter(|(number, _)| of_kind(*number)).map(|(_, copies)| *copies).max().unwrap_or(0)
    }
}
