//! Terms of a filter to the keys they stand for: similarity, replacement, descendants, mapped terms.

use std::collections::{BTreeMap, BTreeSet};

use super::keys::Key;
use crate::domain::queries::TermFilter;
use crate::terms::{Ontology, Terms};

/// Expands terms and collects what users must know about it.
pub(super) struct Expansion<'a> {
    terms: &'a dyn Terms,
    used: bool,
    unknown: BTreeSet<String>,
    pathways: BTreeMap<String, Option<Vec<String>>>,
}

fn key(ontology: Ontology, id: String) -> Key {
    match ontology {
        Ontology::Hpo => Key::Hpo(id),
        Ontology::Ordo => Key::Ordo(id),
    }
}

impl<'a> Expansion<'a> {
    pub(super) fn new(terms: &'a dyn Terms) -> Self {
        Self { terms, used: false, unknown: BTreeSet::new(), pathways: BTreeMap::new() }
    }

    /// The group of one term (specification §8.3): a subject with any of the keys matches the term. In no order, and
    /// some may be given twice.
    pub(super) fn group(&mut self, ontology: Ontology, term: &str, filter: &TermFilter) -> Vec<Key> {
        let wide = filter.similarity < 1.0 || filter.cross || filter.include_descendants;
        self.used |= wide;
        if wide && !self.terms.contains(ontology, term) {
            self.unknown.insert(term.to_owned());
        }
        let mut keys = vec![key(ontology, term.to_owned())];
        let mut add = |id: &str| keys.push(key(ontology, id.to_owned()));
        self.terms.expand_each(ontology, term, filter.similarity, &mut add);
        if filter.include_descendants {
            let resolved = self.terms.resolve(ontology, term);
            self.terms.descendants(ontology, &resolved).iter().for_each(|id| add(id));
        }
        if filter.cross {
            let mapped = |held: &Key| match held {
                Key::Hpo(id) => self.terms.ordo_of_hpo(id).into_iter().map(Key::Ordo).collect(),
                Key::Ordo(id) => self.terms.hpo_of_ordo(id).into_iter().map(Key::Hpo).collect(),
                _ => Vec::new(),
            };
            let mapped: Vec<Key> = keys.iter().flat_map(mapped).collect();
            keys.extend(mapped);
        }
        keys
    }

    /// Gene symbols of a Reactome pathway; `None` when it is not known.
    pub(super) fn genes_of(&mut self, pathway: &str) -> Option<Vec<String>> {
        let terms = self.terms;
        self.pathways.entry(pathway.to_owned()).or_insert_with(|| terms.genes_of_pathway(pathway)).clone()
    }

    /// Notices in words, once all terms are expanded.
    pub(super) fn notices(&self) -> Vec<String> {
        if !self.used {
            return Vec::new();
        }
        let general = self.terms.notices();
        let unknown = self.unknown.iter().take(10).map(|term| {
            format!("the term {term} is unknown to the term data loaded here; only exact matches count")
        });
        unknown.chain(general).collect()
    }
}
