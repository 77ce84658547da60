//! A disease made ready for drawing patients: numbers instead of texts, sex, onset in days, causal gene.

use std::collections::BTreeMap;

use super::catalogue::Catalogue;
use crate::terms::{Disease, Onset, Ontology, Sex, TermFile, Terms, onset_years};

/// Share of patients with a phenotype, or of onsets in a class, whose frequency the annotation does not state.
pub(super) const UNSTATED: f64 = 0.5;
/// Onset terms that lie before birth (HPO, *Antenatal onset* and below).
const ANTENATAL: [&str; 6] = ["0030674", "0011460", "0011461", "0034197", "0034198", "0034199"];

/// How a disease is handed down, as far as sex and zygosity depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inheritance {
    Dominant,
    Recessive,
    XRecessive,
    XDominant,
    /// X-linked, no more is said.
    X,
    Other,
}

impl Inheritance {
    /// The first of the annotated modes that says something, else what the disease's name says: Orphanet's diseases
    /// have no mode in the annotation.
    fn read(modes: &[String], name: &str) -> Self {
        let known = modes.iter().find_map(|mode| match mode.as_str() {
            "0000006" => Some(Self::Dominant),
            "0000007" => Some(Self::Recessive),
            "0001419" => Some(Self::XRecessive),
            "0001423" => Some(Self::XDominant),
            "0001417" => Some(Self::X),
            _ => None,
        });
        known.unwrap_or(if name.contains("X-linked") { Self::X } else { Self::Other })
    }

    pub fn is_x_linked(self) -> bool {
        matches!(self, Self::XRecessive | Self::XDominant | Self::X)
    }

    /// Share of men among patients. The X-linked shares are assumed: carriers are rarely ill in recessive diseases,
    /// hemizygous boys often die before birth in dominant ones.
    pub fn male_share(self) -> f64 {
        match self {
            Self::XRecessive => 0.95,
            Self::X => 0.8,
            Self::XDominant => 0.35,
            Self::Dominant | Self::Recessive | Self::Other => 0.5,
        }
    }
}

/// A phenotype of a disease.
#[derive(Debug)]
pub(super) struct Feature {
    pub finding: usize,
    /// Share of patients who have it, among those whose sex can.
    pub fraction: f64,
    /// The disease is described as being without it.
    pub excluded: bool,
    pub sex: Option<Sex>,
}

/// When a disease begins.
#[derive(Debug)]
pub(super) struct OnsetClass {
    pub hpo: String,
    pub label: String,
    pub antenatal: bool,
    /// Days of age, both included.
    pub days: (u32, u32),
    pub weight: f64,
}

/// A disease made ready.
#[derive(Debug)]
pub(super) struct Profile {
    /// `ORPHA:558` or `OMIM:154700`.
    pub id: String,
    pub name: String,
    pub features: Vec<Feature>,
    /// Empty when the annotation says nothing.
    pub onsets: Vec<OnsetClass>,
    pub inheritance: Inheritance,
    /// Only this sex has the disease.
    pub sex: Option<Sex>,
    /// Symbol.
    pub gene: Option<String>,
}

impl Profile {
    /// Gives findings of one sex's anatomy that sex, and the disease that of its findings when at least half of them
    /// have the same one and none the other.
    pub fn settle_sex(&mut self, catalogue: &Catalogue) {
        for feature in &mut self.features {
            feature.sex = feature.sex.or_else(|| catalogue.get(feature.finding)?.sex);
        }
        let present = || self.features.iter().filter(|feature| !feature.excluded);
        let stated: Vec<Sex> = present().filter_map(|feature| feature.sex).collect();
        let same = stated.first().filter(|first| stated.iter().all(|sex| sex == *first));
        self.sex = self.sex.or(same.copied().filter(|_| stated.len() * 2 >= present().count()));
    }
}

/// What is learnt while diseases are made ready.
#[derive(Debug, Default)]
pub(super) struct Readying {
    pub catalogue: Catalogue,
    symbols: BTreeMap<String, usize>,
    /// Numbers of the genes annotated with each finding, rising.
    genes: BTreeMap<usize, Vec<usize>>,
}

impl Readying {
    pub fn ready(&mut self, terms: &TermFile, disease: Disease) -> Profile {
        let mut features = Vec::new();
        for phenotype in &disease.phenotypes {
            let Some(finding) = self.catalogue.add(terms, &phenotype.hpo) else { continue };
            let fraction = phenotype.fraction.unwrap_or(UNSTATED);
            features.push(Feature { finding, fraction, excluded: phenotype.excluded, sex: phenotype.sex });
        }
        let gene = self.causal(terms, &features);
        let limited = disease.inheritance.iter().find_map(|mode| match mode.as_str() {
            // Y-linked and male-limited; female-limited.
            "0001450" | "0001475" => Some(Sex::Male),
            "0034344" => Some(Sex::Female),
            _ => None,
        });
        Profile {
            features,
            onsets: disease.onsets.iter().filter_map(|onset| class(terms, onset)).collect(),
            inheritance: Inheritance::read(&disease.inheritance, &disease.name),
            sex: disease.sex.or(limited),
            gene,
            id: disease.id,
            name: disease.name,
        }
    }

    /// The gene of a disease. Annotation links genes to phenotypes, by way of the diseases they cause: the one gene
    /// that has every phenotype of the disease is taken for its cause, and none when several do or none does.
    fn causal(&mut self, terms: &TermFile, features: &[Feature]) -> Option<String> {
        let mut shared: Option<Vec<usize>> = None;
        for feature in features.iter().filter(|feature| !feature.excluded) {
            let genes = self.genes_of(terms, feature.finding);
            shared = Some(match shared {
                None => genes.to_vec(),
                Some(mut left) => {
                    left.retain(|gene| genes.binary_search(gene).is_ok());
                    left
                }
            });
        }
        let [only] = shared?.try_into().ok()?;
        self.symbols.iter().find(|(_, number)| **number == only).map(|(symbol, _)| symbol.clone())
    }

    fn genes_of(&mut self, terms: &TermFile, finding: usize) -> &[usize] {
        let Self { catalogue, symbols, genes } = self;
        genes.entry(finding).or_insert_with(|| {
            let hpo = catalogue.get(finding).map(|finding| finding.hpo.as_str()).unwrap_or_default();
            let mut numbers = Vec::new();
            for symbol in terms.genes_of(Ontology::Hpo, hpo) {
                let next = symbols.len();
                numbers.push(*symbols.entry(symbol).or_insert(next));
            }
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        })
    }
}

fn class(terms: &TermFile, onset: &Onset) -> Option<OnsetClass> {
    let (from, to) = onset_years(&onset.hpo)?;
    Some(OnsetClass {
        hpo: onset.hpo.clone(),
        label: terms.label(Ontology::Hpo, &onset.hpo)?,
        antenatal: ANTENATAL.contains(&onset.hpo.as_str()),
        days: (days(from), days(to)),
        weight: onset.fraction.unwrap_or(UNSTATED),
    })
}

/// Whole days of an age in years, rounded down.
fn days(years: f64) -> u32 {
    // Ages of onset end at 80: a duration in seconds is far within range.
    let seconds = (years.max(0.0) * 365.25 * 86_400.0).min(1e10);
    u32::try_from(std::time::Duration::from_secs_f64(seconds).as_secs() / 86_400).unwrap_or(0)
}
