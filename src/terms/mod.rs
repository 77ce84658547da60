//! Biomedical terms in process: HPO and ORDO graphs, similarity, expansion, annotation, auto-completion.
//!
//! Lives here: the [`Terms`] port, its in-process form [`TermFile`] over one generated file (`form.rs`), and
//! the builder of that file from the official releases (`build/`). Does not live here: HTTP (`http/terms`),
//! the remote term service, and how a record query uses a group (`engine`).
//! To add an ontology: a variant of [`Ontology`], its section names in `vocabulary.rs`, a reader in `build/`.
//! To add a mapping: sections in `mapping.rs` with their check, a reader in `build/`.
//! The algorithm is described in `similarity.rs`, the data and its licence in `data/README.md`.

pub mod build;
mod complete;
mod diseases;
mod file;
mod form;
mod graph;
mod information;
mod mapping;
mod provenance;
mod similarity;
mod vocabulary;

pub use complete::{Completion, MAX_QUERY};
pub use diseases::{Disease, Onset, Phenotype, Sex, onset_years};
pub use file::TermFile;
pub use form::FormError;
pub use mapping::Mapped;
pub use provenance::Source;
pub use vocabulary::TermDetails;

/// An ontology with a graph. Ids are written as in stored subjects: HPO seven digits (`0001250`), ORDO the
/// number alone (`558`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ontology {
    Hpo,
    Ordo,
}

impl Ontology {
    /// The id as stored, from any usual spelling: `HP:0001250`, `HP_0001250`, `0001250`; `ORPHA:558`,
    /// `Orphanet_558`, `Orphanet:558`, `ORDO:558`, `558`. `None` when it is not an id of this ontology.
    pub fn local_id(self, text: &str) -> Option<String> {
        let prefixes: &[&str] = match self {
            Self::Hpo => &["HP", "HPO"],
            Self::Ordo => &["ORPHA", "ORPHANET", "ORDO"],
        };
        let text = text.trim();
        let digits = match text.split_once([':', '_']) {
            Some((prefix, rest)) if prefixes.iter().any(|known| known.eq_ignore_ascii_case(prefix)) => rest,
            Some(_) => return None,
            None => text,
        };
        self.number(digits).map(|_| digits.to_owned())
    }

    /// The number of an id as stored; `None` when it is not spelled so.
    pub(crate) fn number(self, id: &str) -> Option<u32> {
        let well_spelled = match self {
            Self::Hpo => id.len() == 7,
            Self::Ordo => (1..=9).contains(&id.len()) && !id.starts_with('0'),
        };
        (well_spelled && id.bytes().all(|byte| byte.is_ascii_digit())).then(|| id.parse().ok()).flatten()
    }

    /// The id as stored of a number.
    pub(crate) fn id(self, number: u32) -> String {
        let width = match self {
            Self::Hpo => 7,
            Self::Ordo => 1,
        };
        // Written by hand: expansions format some hundred ids per call, `format!` would be most of their time.
        let mut digits = [b'0'; 10];
        let mut left = number;
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            if left == 0 && used >= width {
                break;
            }
            *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
            left /= 10;
            used += 1;
        }
        let text = digits.get(digits.len() - used..).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default().to_owned()
    }
}

/// How often a phenotype is seen in a disease: the HPO frequency classes that HOOM and Orphanet use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Frequency {
    /// 100 %.
    Obligate,
    /// 80–99 %.
    VeryFrequent,
    /// 30–79 %.
    Frequent,
    /// 5–29 %.
    Occasional,
    /// 1–4 %.
    VeryRare,
    /// 0 %: the phenotype speaks against the disease.
    Excluded,
    /// Not stated.
    Unknown,
}

impl Frequency {
    pub(crate) const ALL: [Self; 7] = [
        Self::Unknown,
        Self::Obligate,
        Self::VeryFrequent,
        Self::Frequent,
        Self::Occasional,
        Self::VeryRare,
        Self::Excluded,
    ];

    /// The code of the term service: O, VF, F, OC, VR, E, UN.
    pub fn code(self) -> &'static str {
        match self {
            Self::Obligate => "O",
            Self::VeryFrequent => "VF",
            Self::Frequent => "F",
            Self::Occasional => "OC",
            Self::VeryRare => "VR",
            Self::Excluded => "E",
            Self::Unknown => "UN",
        }
    }

    /// The middle of the class as a fraction; `None` when the frequency is unknown.
    pub fn fraction(self) -> Option<f64> {
        match self {
            Self::Obligate => Some(1.0),
            Self::VeryFrequent => Some(0.895),
            Self::Frequent => Some(0.545),
            Self::Occasional => Some(0.17),
            Self::VeryRare => Some(0.025),
            Self::Excluded => Some(0.0),
            Self::Unknown => None,
        }
    }

    /// The class a fraction from 0 to 1 falls into.
    pub fn of_fraction(fraction: f64) -> Self {
        match fraction {
            f if f >= 1.0 => Self::Obligate,
            f if f >= 0.8 => Self::VeryFrequent,
            f if f >= 0.3 => Self::Frequent,
            f if f >= 0.05 => Self::Occasional,
            f if f > 0.0 => Self::VeryRare,
            f if f.is_nan() => Self::Unknown,
            _ => Self::Excluded,
        }
    }

    pub(crate) fn byte(self) -> u8 {
        Self::ALL.iter().zip(0..).find_map(|(known, byte)| (*known == self).then_some(byte)).unwrap_or(0)
    }

    pub(crate) fn of_byte(byte: u8) -> Self {
        Self::ALL.get(usize::from(byte)).copied().unwrap_or(Self::Unknown)
    }
}

/// What record queries and ingestion ask of biomedical terms. Ids are as stored (see [`Ontology`]); an id
/// that the release does not know is never an error, it just matches itself.
pub trait Terms: Send + Sync + std::fmt::Debug {
    /// The name of what is loaded, for example `HPO 2025-01-16`; part of the identity of an index part.
    fn release(&self) -> String;

    /// Whether the id is known: live, alternative or obsolete.
    fn contains(&self, ontology: Ontology, id: &str) -> bool;

    /// The primary id of an alternative one, the replacement of an obsolete one, else the id itself.
    fn resolve(&self, ontology: Ontology, id: &str) -> String;

    /// The label of a term; obsolete terms have theirs, alternative ids that of their primary term.
    fn label(&self, ontology: Ontology, id: &str) -> Option<String>;

    /// The group of a term, {t and its replacement} ∪ {u : Rel(t, u) ≥ threshold} (spec §8.3): the id itself
    /// first, then the rest in no particular order. A threshold of 1 (or not a number) is exact; pairs below
    /// 0.2 do not exist, so smaller thresholds mean 0.2; an unknown id stands for itself.
    fn expand(&self, ontology: Ontology, id: &str, threshold: f64) -> Vec<String> {
        let mut members = Vec::new();
        self.expand_each(ontology, id, threshold, &mut |member| members.push(member.to_owned()));
        members
    }

    /// The same, handing each member over without keeping it: most members of a large group are in no
    /// subject, so looking each up beats collecting them.
    fn expand_each(&self, ontology: Ontology, id: &str, threshold: f64, each: &mut dyn FnMut(&str));

    /// The term with everything below it, breadth first; an unknown id stands for itself.
    fn descendants(&self, ontology: Ontology, id: &str) -> Vec<String>;

    /// ORDO ids annotated with the HPO term itself, those that exclude it left out.
    fn ordo_of_hpo(&self, hpo: &str) -> Vec<String>;

    /// HPO ids annotated to the ORDO entity itself, excluded ones left out.
    fn hpo_of_ordo(&self, ordo: &str) -> Vec<String>;

    /// ORDO ids cross-referenced with an OMIM number; empty when no such data is loaded.
    fn ordo_of_omim(&self, omim: &str) -> Vec<String>;

    /// Gene symbols of a Reactome pathway (`R-HSA-73843`); `None` without Reactome data or for an unknown
    /// pathway.
    fn genes_of_pathway(&self, reactome: &str) -> Option<Vec<String>>;

    /// What is not loaded and what that means, in words for users.
    fn notices(&self) -> Vec<String>;
}

#[cfg(test)]
mod tests;
