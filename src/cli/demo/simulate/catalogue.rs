//! The findings a cohort can have: labels, what lies above them, and whether only one sex can have them.

use std::collections::BTreeMap;

use crate::terms::{Ontology, Sex, TermFile, Terms};

/// Findings of male anatomy: genitalia, reproductive physiology, fertility, neoplasms.
const MALE: [&str; 4] = ["0010461", "0012874", "0012041", "0033019"];
/// The same for female anatomy.
const FEMALE: [&str; 4] = ["0010460", "0030012", "0000868", "0033020"];
/// Nobody writes down a finding with less information (natural logarithm): `Abnormality of the face` has 2.9.
const SPECIFIC: f64 = 3.0;

/// One HPO term.
#[derive(Debug, Default)]
pub(super) struct Finding {
    /// Seven digits.
    pub hpo: String,
    pub label: String,
    /// Whether it says enough to be written down.
    specific: bool,
    /// Direct parents.
    parents: Vec<usize>,
    /// Everything above it, rising.
    ancestors: Vec<usize>,
    /// Only this sex can have it.
    pub sex: Option<Sex>,
}

/// Findings by number.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    findings: Vec<Finding>,
    numbers: BTreeMap<String, usize>,
}

impl Catalogue {
    /// The number of a term; `None` when the release does not know it.
    pub fn add(&mut self, terms: &TermFile, hpo: &str) -> Option<usize> {
        if let Some(number) = self.numbers.get(hpo) {
            return Some(*number);
        }
        let label = terms.label(Ontology::Hpo, hpo)?;
        let specific = terms.information(Ontology::Hpo, hpo).is_some_and(|amount| amount >= SPECIFIC);
        let number = self.findings.len();
        self.numbers.insert(hpo.to_owned(), number);
        self.findings.push(Finding { hpo: hpo.to_owned(), label, specific, ..Finding::default() });
        Some(number)
    }

    /// Adds everything above the findings and learns who is above whom; once, after the last `add`.
    pub fn relate(&mut self, terms: &TermFile) {
        let mut at = 0;
        while let Some(hpo) = self.findings.get(at).map(|finding| finding.hpo.clone()) {
            let above = terms.details(Ontology::Hpo, &hpo).map(|details| details.parents).unwrap_or_default();
            let parents = above.iter().filter_map(|parent| self.add(terms, parent)).collect();
            if let Some(finding) = self.findings.get_mut(at) {
                finding.parents = parents;
            }
            at += 1;
        }
        let numbers = |roots: [&str; 4]| roots.map(|root| self.numbers.get(root).copied());
        let (male, female) = (numbers(MALE), numbers(FEMALE));
        for number in 0..self.findings.len() {
            let ancestors = self.above(number);
            let within = |roots: &[Option<usize>]| {
                roots.iter().flatten().any(|root| *root == number || ancestors.binary_search(root).is_ok())
            };
            let sex = match (within(&male), within(&female)) {
                (true, false) => Some(Sex::Male),
                (false, true) => Some(Sex::Female),
                _ => None,
            };
            if let Some(finding) = self.findings.get_mut(number) {
                finding.ancestors = ancestors;
                finding.sex = sex;
            }
        }
    }

    fn above(&self, number: usize) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        let mut waiting = vec![number];
        while let Some(next) = waiting.pop() {
            for parent in
                self.findings.get(next).map(|finding| finding.parents.as_slice()).unwrap_or_default()
            {
                if let Err(place) = found.binary_search(parent) {
                    found.insert(place, *parent);
                    waiting.push(*parent);
                }
            }
        }
        found
    }

    pub fn get(&self, number: usize) -> Option<&Finding> {
        self.findings.get(number)
    }

    /// Parents that say enough to be written down instead.
    pub fn general(&self, number: usize) -> Vec<usize> {
        let parents = self.get(number).map(|finding| finding.parents.as_slice()).unwrap_or_default();
        let specific = |parent: &usize| self.get(*parent).is_some_and(|finding| finding.specific);
        parents.iter().copied().filter(specific).collect()
    }

    /// Whether having `number` means having `other`.
    pub fn implies(&self, number: usize, other: usize) -> bool {
        number == other
            || self.get(number).is_some_and(|finding| finding.ancestors.binary_search(&other).is_ok())
    }
}
