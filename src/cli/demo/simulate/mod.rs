//! A cohort of synthetic patients, drawn from the disease annotation of the Human Phenotype Ontology.
//!
//! Lives here: which diseases a cohort has and how often ([`Simulator`]), and writing it as phenopackets. The
//! parts: `draw.rs` (portable chance), `catalogue.rs` (findings), `profile.rs` (a disease made ready), `patient.rs`
//! (one patient), `variant.rs` (invented variants), `packet.rs` (phenopacket 2.0). Does not live here: reading
//! phenopackets (`ingest`), what to ask of the cohort (`questions.rs`).
//! To add a fact about patients: draw it in `patient.rs`, after what is there, and write it in `packet.rs`.
//!
//! Nobody is described: frequencies, sex and onset are published annotation, all else is chance. What the annotation
//! does not say is assumed, each assumption a named constant beside its use. The same terms, seed and size give the
//! same bytes on every machine.

use std::io::{self, Write};

use serde_json::Value;

use crate::terms::{Disease, TermFile};
use catalogue::Catalogue;
use draw::Draw;
use profile::{Profile, Readying};

mod catalogue;
mod draw;
mod packet;
mod patient;
mod profile;
mod variant;

pub use patient::Patient;

/// Largest cohort.
pub const MAX_PATIENTS: u32 = 100_000;
/// Patients per disease on average, so that most diseases have several.
const PATIENTS_PER_DISEASE: u32 = 25;
/// Bounds of the number of diseases.
const DISEASES: (usize, usize) = (12, 400);
/// Phenotypes with a stated frequency that a disease must have to be drawn from.
const MIN_STATED: usize = 8;
/// From this many on, more of them do not make a disease more frequent.
const RICH: usize = 16;
/// The disease of rank r has weight 1 / (r + this), ranks from 0 (Zipf–Mandelbrot).
const RANK_OFFSET: u64 = 4;
/// Unrelated findings are drawn from as many of those that most diseases have.
const COMMON_FINDINGS: usize = 60;

/// Why no cohort can be simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimulateError {
    #[error("a cohort has 1 to {MAX_PATIENTS} patients, not {0}")]
    Size(u32),
    #[error(
        "the term file {0:?} has no disease with {MIN_STATED} phenotypes of known frequency: build it with phenotype.hpoa"
    )]
    NoDiseases(String),
}

/// What a written cohort holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    pub patients: u64,
    /// Findings that are present, over all patients.
    pub present: u64,
    /// Findings stated to be absent.
    pub excluded: u64,
    /// Patients with a diagnosis.
    pub diagnosed: u64,
    /// Patients with a variant.
    pub with_variant: u64,
    pub bytes: u64,
}

/// A cohort that can be drawn patient by patient, in any order.
#[derive(Debug)]
pub struct Simulator {
    seed: u64,
    patients: u32,
    catalogue: Catalogue,
    /// Most frequent first.
    profiles: Vec<Profile>,
    /// Sum of the weights up to and with each profile.
    reach: Vec<u64>,
    /// Findings that most diseases have.
    common: Vec<usize>,
    meta: Value,
}

impl Simulator {
    /// Chooses the diseases of a cohort of `patients`; diseases with richer annotation tend to be frequent.
    pub fn new(terms: &TermFile, seed: u64, patients: u32) -> Result<Self, SimulateError> {
        if !(1..=MAX_PATIENTS).contains(&patients) {
            return Err(SimulateError::Size(patients));
        }
        let mut draw = Draw::new(seed, 0);
        let mut readying = Readying::default();
        let mut candidates: Vec<(u64, Disease)> = Vec::new();
        let mut annotated = std::collections::BTreeMap::<String, u32>::new();
        for disease in terms.diseases() {
            let present = disease.phenotypes.iter().filter(|phenotype| !phenotype.excluded);
            let stated = present.clone().filter(|phenotype| phenotype.fraction.is_some()).count();
            for phenotype in present {
                *annotated.entry(phenotype.hpo.clone()).or_default() += 1;
            }
            if stated >= MIN_STATED && (disease.id.starts_with("OMIM:") || disease.id.starts_with("ORPHA:")) {
                let richness = u64::try_from(stated.min(RICH)).unwrap_or(0);
                candidates.push((richness * u64::from(draw.word()), disease));
            }
        }
        let wanted = usize::try_from(patients / PATIENTS_PER_DISEASE).unwrap_or(0);
        candidates.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
        candidates.truncate(wanted.clamp(DISEASES.0, DISEASES.1));
        if candidates.is_empty() {
            return Err(SimulateError::NoDiseases(crate::terms::Terms::release(terms)));
        }

        let mut common: Vec<(u32, String)> = annotated.into_iter().map(|(hpo, count)| (count, hpo)).collect();
        common.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let common = common.iter().take(COMMON_FINDINGS);
        let common = common.filter_map(|(_, hpo)| readying.catalogue.add(terms, hpo)).collect();
        let mut profiles: Vec<Profile> =
            candidates.into_iter().map(|(_, disease)| readying.ready(terms, disease)).collect();
        let mut catalogue = readying.catalogue;
        catalogue.relate(terms);
        for profile in &mut profiles {
            profile.settle_sex(&catalogue);
        }
        let mut total = 0;
        let weights = (RANK_OFFSET..).take(profiles.len()).map(|rank| u64::from(u32::MAX) / rank);
        let reach = weights
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        Ok(Self { seed, patients, catalogue, profiles, reach, common, meta: packet::meta(terms) })
    }

    /// The patient of a number from 1; the same whichever others are drawn.
    pub fn patient(&self, number: u32) -> Option<Patient<'_>> {
        let mut draw = Draw::new(self.seed, u64::from(number));
        let place = draw.below(self.reach.last().copied().unwrap_or(0));
        let profile = self.profiles.get(self.reach.partition_point(|reach| *reach <= place))?;
        Some(patient::draw_one(&mut draw, number, profile, &self.catalogue, &self.common))
    }

    /// All patients in the order of their numbers.
    pub fn patients(&self) -> impl Iterator<Item = Patient<'_>> {
        (1..=self.patients).filter_map(|number| self.patient(number))
    }

    /// All patients as phenopackets, version 2.0.
    #[cfg(test)]
    pub fn packets(&self) -> impl Iterator<Item = Value> + '_ {
        self.patients().map(|patient| packet::packet(&patient, &self.meta))
    }

    /// Number of diseases that patients are drawn from.
    pub fn diseases(&self) -> usize {
        self.profiles.len()
    }

    /// Writes one phenopacket a line, ended by a line feed.
    pub fn write_json_lines(&self, out: &mut impl Write) -> io::Result<Stats> {
        let mut stats = Stats::default();
        let mut line = Vec::new();
        for patient in self.patients() {
            line.clear();
            serde_json::to_writer(&mut line, &packet::packet(&patient, &self.meta))?;
            line.push(b'\n');
            out.write_all(&line)?;
            let absent = patient.findings.iter().filter(|finding| finding.excluded).count();
            stats.patients += 1;
            stats.present += count(patient.findings.len() - absent);
            stats.excluded += count(absent);
            stats.diagnosed += u64::from(patient.diagnosed);
            stats.with_variant += u64::from(!patient.variants.is_empty());
            stats.bytes += count(line.len());
        }
        Ok(stats)
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
