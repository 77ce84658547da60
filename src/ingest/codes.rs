//! Ids of vocabularies as they come in files, and as subjects store them (specification §6.4): namespace prefixes
//! stripped, form checked, alternative and obsolete ids resolved by the loaded release.

use std::collections::HashMap;

use crate::terms::{Ontology, Terms};

use super::{Sink, Warning};

/// The local part if the text is plain or has one of the prefixes (letter case ignored) before `:` or `_`.
fn local<'a>(text: &'a str, prefixes: &[&str]) -> Option<&'a str> {
    let text = text.trim();
    match text.split_once([':', '_']) {
        Some((prefix, rest)) => {
            prefixes.iter().any(|known| known.eq_ignore_ascii_case(prefix)).then_some(rest)
        }
        None => Some(text),
    }
}

fn digits(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Seven digits of `HP:0001250`, `HP_0001250` or `0001250`.
pub fn hpo(text: &str) -> Option<&str> {
    local(text, &["HP", "HPO"]).filter(|id| digits(id, 7..=7))
}

/// The number of `ORPHA:558`, `Orphanet_558`, `ORDO:558` or `558`.
pub fn ordo(text: &str) -> Option<&str> {
    local(text, &["ORPHA", "ORPHANET", "ORDO"]).filter(|id| digits(id, 1..=6) && !id.starts_with('0'))
}

/// The concept id of `SNOMEDCT:248153007` or `248153007`.
pub fn snomed(text: &str) -> Option<&str> {
    local(text, &["SNOMEDCT", "SNOMED", "SCT", "SCTID"]).filter(|id| digits(id, 6..=18))
}

/// `C16576` of `NCIT:C16576`; the `C` is part of the id.
pub fn ncit(text: &str) -> Option<&str> {
    local(text, &["NCIT"]).filter(|id| id.strip_prefix('C').is_some_and(|number| digits(number, 1..=9)))
}

/// A subject's id as stored: 1 to 256 bytes, printable, not blank. Identifiers are compared exactly (a collection may
/// have both `II-5` and ` II-5`), so only readers of table cells trim them.
pub fn subject_id(id: &str) -> Result<&str, &'static str> {
    if id.trim().is_empty() {
        Err("the subject id is empty")
    } else if id.len() > 256 {
        Err("the subject id has more than 256 bytes")
    } else if id.chars().any(char::is_control) {
        Err("the subject id has control characters")
    } else {
        Ok(id)
    }
}

/// Resolves ids through the loaded release and remembers the answers of one reading.
#[derive(Debug)]
pub(super) struct Resolver<'t> {
    terms: &'t dyn Terms,
    hpo: HashMap<u32, (String, bool)>,
    ordo: HashMap<u32, (String, bool)>,
}

impl<'t> Resolver<'t> {
    pub(super) fn new(terms: &'t dyn Terms) -> Self {
        Self { terms, hpo: HashMap::new(), ordo: HashMap::new() }
    }

    /// The id to store for a local HPO id; unknown ones stay as they are and are counted.
    pub(super) fn hpo(&mut self, id: &str, sink: &mut dyn Sink) -> String {
        let unknown = "HPO ids that the loaded term release does not know are kept and match literally";
        resolve(self.terms, Ontology::Hpo, &mut self.hpo, id, unknown, sink)
    }

    /// The id to store for a local ORDO id; unknown ones stay as they are and are counted.
    pub(super) fn ordo(&mut self, id: &str, sink: &mut dyn Sink) -> String {
        let unknown = "ORDO ids that the loaded term release does not know are kept and match literally";
        resolve(self.terms, Ontology::Ordo, &mut self.ordo, id, unknown, sink)
    }

    /// ORDO ids of an OMIM number, as far as the loaded release maps it.
    pub(super) fn ordo_of_omim(&self, omim: &str) -> Vec<String> {
        self.terms.ordo_of_omim(omim)
    }
}

fn resolve(
    terms: &dyn Terms,
    ontology: Ontology,
    seen: &mut HashMap<u32, (String, bool)>,
    id: &str,
    unknown: &str,
    sink: &mut dyn Sink,
) -> String {
    // The callers hand in checked digits, at most seven.
    let number: u32 = id.parse().unwrap_or(0);
    let (resolved, known) =
        seen.entry(number).or_insert_with(|| (terms.resolve(ontology, id), terms.contains(ontology, id)));
    if !*known {
        sink.warn(Warning::one(unknown, id));
    }
    resolved.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(hpo, "HP:0001250", Some("0001250"))]
    #[case(hpo, " hp_0001250", Some("0001250"))]
    #[case(hpo, "0001250", Some("0001250"))]
    #[case(hpo, "HP:1250", None)]
    #[case(hpo, "MP:0001250", None)]
    #[case(ordo, "Orphanet_558", Some("558"))]
    #[case(ordo, "ORPHA:558", Some("558"))]
    #[case(ordo, "ORPHA:0558", None)]
    #[case(ordo, "OMIM:154700", None)]
    #[case(snomed, "SNOMEDCT:248153007", Some("248153007"))]
    #[case(snomed, "12345", None)]
    #[case(ncit, "NCIT:C16576", Some("C16576"))]
    #[case(ncit, "16576", None)]
    fn prefixes_are_stripped_and_forms_checked(
        #[case] read: fn(&str) -> Option<&str>,
        #[case] text: &str,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(read(text), expected);
    }
}
