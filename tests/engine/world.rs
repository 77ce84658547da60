//! A small world of terms: given similarities, replacements, descendants, mappings and pathways.

use std::collections::BTreeMap;

use cv3_backend::terms::{Ontology, Terms};
use serde::{Deserialize, Serialize};

/// Everything written down; the engine reads it through `Terms`, the oracle directly.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct World {
    /// Pairs with their similarity, both directions.
    pub similar: BTreeMap<(Ontology, String, String), f64>,
    pub replaced: BTreeMap<(Ontology, String), String>,
    pub below: BTreeMap<(Ontology, String), Vec<String>>,
    pub known: Vec<(Ontology, String)>,
    /// (HPO, ORDO).
    pub annotated: Vec<(String, String)>,
    pub pathways: BTreeMap<String, Vec<String>>,
}

/// The form in files: `h` for HPO, `o` for ORDO.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Written {
    similar: Vec<(char, String, String, f64)>,
    replaced: Vec<(char, String, String)>,
    below: Vec<(char, String, Vec<String>)>,
    known: Vec<(char, String)>,
    annotated: Vec<(String, String)>,
    pathways: BTreeMap<String, Vec<String>>,
}

fn letter(ontology: Ontology) -> char {
    if ontology == Ontology::Hpo { 'h' } else { 'o' }
}

fn ontology(letter: char) -> Ontology {
    if letter == 'h' { Ontology::Hpo } else { Ontology::Ordo }
}

impl From<World> for Written {
    fn from(world: World) -> Self {
        Self {
            similar: world.similar.into_iter().map(|((o, a, b), s)| (letter(o), a, b, s)).collect(),
            replaced: world.replaced.into_iter().map(|((o, a), b)| (letter(o), a, b)).collect(),
            below: world.below.into_iter().map(|((o, a), list)| (letter(o), a, list)).collect(),
            known: world.known.into_iter().map(|(o, a)| (letter(o), a)).collect(),
            annotated: world.annotated,
            pathways: world.pathways,
        }
    }
}

impl From<Written> for World {
    fn from(written: Written) -> Self {
        Self {
            similar: written.similar.into_iter().map(|(o, a, b, s)| ((ontology(o), a, b), s)).collect(),
            replaced: written.replaced.into_iter().map(|(o, a, b)| ((ontology(o), a), b)).collect(),
            below: written.below.into_iter().map(|(o, a, list)| ((ontology(o), a), list)).collect(),
            known: written.known.into_iter().map(|(o, a)| (ontology(o), a)).collect(),
            annotated: written.annotated,
            pathways: written.pathways,
        }
    }
}

impl Terms for World {
    fn release(&self) -> String {
        "world 1".into()
    }

    fn contains(&self, ontology: Ontology, id: &str) -> bool {
        self.known.contains(&(ontology, id.to_owned()))
    }

    fn resolve(&self, ontology: Ontology, id: &str) -> String {
        self.replaced.get(&(ontology, id.to_owned())).cloned().unwrap_or_else(|| id.to_owned())
    }

    fn label(&self, _: Ontology, _: &str) -> Option<String> {
        None
    }

    fn expand_each(&self, ontology: Ontology, id: &str, threshold: f64, each: &mut dyn FnMut(&str)) {
        for member in self.expand(ontology, id, threshold) {
            each(&member);
        }
    }

    fn expand(&self, ontology: Ontology, id: &str, threshold: f64) -> Vec<String> {
        let own = self.resolve(ontology, id);
        let mut ids = vec![id.to_owned(), own.clone()];
        if threshold < 1.0 {
            let row = self.similar.iter().filter(|((o, a, _), _)| *o == ontology && *a == own);
            ids.extend(row.filter(|(_, s)| **s >= threshold.max(0.2)).map(|((_, _, b), _)| b.clone()));
        }
        ids
    }

    fn descendants(&self, ontology: Ontology, id: &str) -> Vec<String> {
        let mut ids = vec![id.to_owned()];
        ids.extend(self.below.get(&(ontology, id.to_owned())).cloned().unwrap_or_default());
        ids
    }

    fn ordo_of_hpo(&self, hpo: &str) -> Vec<String> {
        self.annotated.iter().filter(|(a, _)| a == hpo).map(|(_, b)| b.clone()).collect()
    }

    fn hpo_of_ordo(&self, ordo: &str) -> Vec<String> {
        self.annotated.iter().filter(|(_, b)| b == ordo).map(|(a, _)| a.clone()).collect()
    }

    fn ordo_of_omim(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn genes_of_pathway(&self, reactome: &str) -> Option<Vec<String>> {
        self.pathways.get(reactome).cloned()
    }

    fn notices(&self) -> Vec<String> {
        Vec::new()
    }
}
