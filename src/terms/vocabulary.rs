//! One loaded ontology: ids, labels, retired ids and texts read in place, graph and similarity in memory.

use super::Ontology;
use super::form::{FormError, Sections};
use super::graph::Graph;
use super::similarity::Similarity;

/// Section names of one ontology. Texts of several values are joined by line feeds.
pub(super) struct Names {
    pub ids: &'static str,
    pub labels: &'static str,
    pub parents_of: &'static str,
    pub parents: &'static str,
    pub retired: &'static str,
    /// Index of the replacing live term plus one, 0 when there is none.
    pub retired_to: &'static str,
    /// Label of an obsolete term; empty for an alternative id.
    pub retired_labels: &'static str,
    pub synonyms: &'static str,
    pub definitions: &'static str,
    pub comments: &'static str,
    pub genes_of: &'static str,
    pub genes: &'static str,
}

pub(super) const HPO: Names = Names {
    ids: "hpo.ids",
    labels: "hpo.labels",
    parents_of: "hpo.parents.of",
    parents: "hpo.parents",
    retired: "hpo.retired",
    retired_to: "hpo.retired.to",
    retired_labels: "hpo.retired.labels",
    synonyms: "hpo.synonyms",
    definitions: "hpo.definitions",
    comments: "hpo.comments",
    genes_of: "hpo.genes.of",
    genes: "hpo.genes",
};

pub(super) const ORDO: Names = Names {
    ids: "ordo.ids",
    labels: "ordo.labels",
    parents_of: "ordo.parents.of",
    parents: "ordo.parents",
    retired: "ordo.retired",
    retired_to: "ordo.retired.to",
    retired_labels: "ordo.retired.labels",
    synonyms: "ordo.synonyms",
    definitions: "ordo.definitions",
    comments: "ordo.comments",
    genes_of: "ordo.genes.of",
    genes: "ordo.genes",
};

/// Everything the term service shows of one term.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TermDetails {
    pub id: String,
    pub label: String,
    pub definition: Option<String>,
    pub synonyms: Vec<String>,
    pub comment: Option<String>,
    pub parents: Vec<String>,
    pub children: Vec<String>,
    /// For a retired id, the live term that stands for it.
    pub replaced_by: Option<String>,
}

/// What an id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Live(u16),
    /// Index among the retired ids and the term that replaces it.
    Retired(usize, Option<u16>),
}

pub(super) struct Vocabulary {
    pub ontology: Ontology,
    pub names: &'static Names,
    pub graph: Graph,
    pub similarity: Similarity,
    spelled: Spelled,
}

/// Every id as text, one after another: expansions hand out some hundred ids a call.
struct Spelled {
    text: String,
    ends: Vec<u32>,
}

impl Spelled {
    fn new(ontology: Ontology, numbers: impl Iterator<Item = u32>) -> Self {
        let mut spelled = Self { text: String::new(), ends: vec![0] };
        for number in numbers {
            spelled.text.push_str(&ontology.id(number));
            spelled.ends.push(u32::try_from(spelled.text.len()).unwrap_or(u32::MAX));
        }
        spelled
    }

    fn get(&self, term: u16) -> Option<&str> {
        let end = |at: usize| self.ends.get(at).and_then(|end| usize::try_from(*end).ok());
        self.text.get(end(usize::from(term))?..end(usize::from(term) + 1)?)
    }
}

impl Vocabulary {
    /// Reads an ontology's structure, checking all of it; texts are left to `check_texts`.
    pub fn load(ontology: Ontology, sections: &Sections) -> Result<Self, FormError> {
        let names = match ontology {
            Ontology::Hpo => &HPO,
            Ontology::Ordo => &ORDO,
        };
        let terms = sections.u32s(names.ids).len();
        sections.u32s(names.ids).check_rising(names.ids)?;
        let retired = sections.u32s(names.retired).len();
        sections.u32s(names.retired).check_rising(names.retired)?;
        sections.u32s(names.retired_to).check(names.retired_to, retired, len(terms).saturating_add(1))?;
        let parents = sections.u16s(names.parents);
        parents.check(names.parents, parents.len(), len(terms))?;
        let parents_of = sections.u32s(names.parents_of);
        parents_of.check_offsets(names.parents_of, terms, parents.len())?;
        let mut edges = Vec::with_capacity(parents.len());
        for child in 0..terms {
            for row in parents_of.range(child) {
                if let (Ok(child), Some(Ok(parent))) =
                    (u16::try_from(child), parents.get(row).map(u16::try_from))
                {
                    edges.push((child, parent));
                }
            }
        }
        let graph = Graph::new(terms, &edges)
            .map_err(|error| FormError::damaged(format!("section {}: {error}", names.parents)))?;
        let similarity = match ontology {
            Ontology::Hpo => {
                let genes_of = sections.u32s(names.genes_of);
                genes_of.check_offsets(
                    names.genes_of,
                    terms,
                    genes_of.iter().last().and_then(size).unwrap_or(0),
                )?;
                let direct: Vec<u32> =
                    genes_of.iter().zip(genes_of.iter().skip(1)).map(|(start, end)| end - start).collect();
                Similarity::annotated(&graph, &direct)
            }
            Ontology::Ordo => Similarity::intrinsic(&graph),
        };
        let spelled = Spelled::new(ontology, sections.u32s(names.ids).iter());
        Ok(Self { ontology, names, graph, similarity, spelled })
    }

    /// Checks what `load` leaves out: every text and the gene rows, inflating them.
    pub fn check_texts(&self, sections: &Sections, genes: usize) -> Result<(), FormError> {
        let names = self.names;
        let terms = self.graph.terms();
        for name in [names.labels, names.synonyms, names.definitions, names.comments] {
            sections.strings(name).check(name, terms)?;
        }
        sections
            .strings(names.retired_labels)
            .check(names.retired_labels, sections.u32s(names.retired).len())?;
        let rows = sections.u32s(names.genes);
        rows.check(names.genes, rows.len(), len(genes))?;
        sections.u32s(names.genes_of).check_offsets(names.genes_of, terms, rows.len())
    }

    pub fn find(&self, sections: &Sections, id: &str) -> Option<Found> {
        let number = self.ontology.number(id)?;
        if let Some(index) = sections.u32s(self.names.ids).find(number) {
            return u16::try_from(index).ok().map(Found::Live);
        }
        let index = sections.u32s(self.names.retired).find(number)?;
        let to = sections.u32s(self.names.retired_to).get(index)?.checked_sub(1);
        Some(Found::Retired(index, to.and_then(|term| u16::try_from(term).ok())))
    }

    /// The live term an id stands for, if any.
    pub fn live(&self, sections: &Sections, id: &str) -> Option<u16> {
        match self.find(sections, id)? {
            Found::Live(term) => Some(term),
            Found::Retired(_, to) => to,
        }
    }

    /// The id of a term as stored; empty for a virtual root.
    pub fn id(&self, term: u16) -> &str {
        self.spelled.get(term).unwrap_or_default()
    }

    pub fn ids(&self, terms: impl IntoIterator<Item = u16>) -> Vec<String> {
        terms.into_iter().filter_map(|term| self.spelled.get(term)).map(str::to_owned).collect()
    }

    pub fn label<'a>(&self, sections: &'a Sections, term: u16) -> &'a str {
        sections.strings(self.names.labels).get(usize::from(term))
    }

    pub fn retired_label<'a>(&self, sections: &'a Sections, index: usize) -> &'a str {
        sections.strings(self.names.retired_labels).get(index)
    }

    pub fn details(&self, sections: &Sections, id: &str) -> Option<TermDetails> {
        let term = match self.find(sections, id)? {
            Found::Live(term) => term,
            Found::Retired(index, to) => {
                return Some(TermDetails {
                    id: id.to_owned(),
                    label: self.retired_label(sections, index).to_owned(),
                    replaced_by: to.map(|term| self.id(term).to_owned()),
                    ..TermDetails::default()
                });
            }
        };
        let text = |name| {
            let text = sections.strings(name).get(usize::from(term));
            (!text.is_empty()).then(|| text.to_owned())
        };
        Some(TermDetails {
            id: id.to_owned(),
            label: self.label(sections, term).to_owned(),
            definition: text(self.names.definitions),
            synonyms: text(self.names.synonyms)
                .map(|t| t.lines().map(str::to_owned).collect())
                .unwrap_or_default(),
            comment: text(self.names.comments),
            parents: self.terms_only(self.graph.parents(term)),
            children: self.terms_only(self.graph.children(term)),
            replaced_by: None,
        })
    }

    fn terms_only(&self, nodes: &[u16]) -> Vec<String> {
        self.ids(nodes.iter().copied().filter(|node| self.graph.is_term(*node)))
    }
}

fn len(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn size(number: u32) -> Option<usize> {
    usize::try_from(number).ok()
}
