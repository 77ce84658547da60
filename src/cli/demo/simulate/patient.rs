//! Draws one patient of a disease.

use super::catalogue::{Catalogue, Finding};
use super::draw::Draw;
use super::profile::{OnsetClass, Profile};
use super::variant::{self, Invented};
use crate::terms::Sex;

// Shares of patients or findings. Chosen to resemble published case collections, which state sex in nine of ten
// cases, an age in eight of ten, and nearly as many absent findings as present ones.
const DIAGNOSED: f64 = 0.88;
const SEX_RECORDED: f64 = 0.97;
const AGE_RECORDED: f64 = 0.85;
const ONSET_RECORDED: f64 = 0.7;
/// Of recorded onsets, those given as a class instead of an age.
const ONSET_AS_CLASS: f64 = 0.3;
/// Of patients with a diagnosis of known gene, those with a variant.
const SEQUENCED: f64 = 0.7;
/// Of findings the patient could have had but has not, those looked for and said to be absent.
const ABSENCE_RECORDED: f64 = 0.3;
/// The same for findings that speak against the disease.
const CONTRARY_RECORDED: f64 = 0.5;
/// Of present findings, those written down as a more general one.
pub(super) const GENERALISED: f64 = 0.06;
/// Of present findings, those with an age at which they began.
const FINDING_ONSET: f64 = 0.12;
/// Chance of one more unrelated finding, tried twice.
const UNRELATED: f64 = 0.25;

/// Days of 365.25 a year.
const YEAR: u32 = 365;
/// Longest time under observation.
const FOLLOWED: u32 = 35 * YEAR;
/// Nobody is seen later than this, unless the disease begins later.
const OLDEST: u32 = 90 * YEAR;
/// Ages at which diseases begin that say nothing about it, with shares.
const ANY_AGE: [((u32, u32), f64); 3] =
    [((0, 5 * YEAR), 0.5), ((5 * YEAR, 16 * YEAR), 0.25), ((16 * YEAR, 60 * YEAR), 0.25)];

/// A finding of a patient.
#[derive(Debug)]
pub struct Observed<'a> {
    pub(super) finding: &'a Finding,
    /// Looked for and not there.
    pub excluded: bool,
    /// Days of age when it began.
    pub(super) onset: Option<u32>,
}

/// When a disease began, as recorded.
#[derive(Debug)]
pub(super) enum RecordedOnset<'a> {
    Days(u32),
    Class(&'a OnsetClass),
}

/// A synthetic patient.
#[derive(Debug)]
pub struct Patient<'a> {
    /// `synthetic-00001`.
    pub id: String,
    /// As recorded.
    pub sex: Option<Sex>,
    /// Days of age at the last encounter, as recorded.
    pub age: Option<u32>,
    pub(super) profile: &'a Profile,
    /// Whether the disease is recorded.
    pub diagnosed: bool,
    pub(super) onset: Option<RecordedOnset<'a>>,
    pub findings: Vec<Observed<'a>>,
    pub(super) variants: Vec<Invented>,
}

impl<'a> Patient<'a> {
    /// The disease as `ORPHA:558` or `OMIM:154700` with its name, when it is recorded.
    pub fn disease(&self) -> Option<(&'a str, &'a str)> {
        self.diagnosed.then_some((self.profile.id.as_str(), self.profile.name.as_str()))
    }

    /// HPO ids of the findings that are present, seven digits.
    pub fn present(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.findings.iter().filter(|seen| !seen.excluded).map(|seen| seen.finding.hpo.as_str())
    }

    /// Completed years at the last encounter.
    pub fn years(&self) -> Option<u32> {
        self.age.map(|days| months(days) / 12)
    }

    /// Gene symbol and effect of each variant.
    pub fn variants(&self) -> impl Iterator<Item = (&'a str, crate::domain::subjects::Mutation)> + '_ {
        let gene = self.profile.gene.as_deref().unwrap_or_default();
        self.variants.iter().map(move |variant| (gene, variant.mutation))
    }
}

/// Completed months of an age in days; a month has 30.4375.
pub(super) fn months(days: u32) -> u32 {
    u32::try_from(u64::from(days) * 10_000 / 304_375).unwrap_or(u32::MAX)
}

/// The order of drawing is part of the seed's meaning: what is added is drawn last.
pub(super) fn draw_one<'a>(
    draw: &mut Draw,
    number: u32,
    profile: &'a Profile,
    catalogue: &'a Catalogue,
    common: &[usize],
) -> Patient<'a> {
    let male = draw.chance(profile.inheritance.male_share());
    let sex = profile.sex.unwrap_or(if male { Sex::Male } else { Sex::Female });
    let class = draw.weighted(&profile.onsets, |class| class.weight);
    let any_age = draw.weighted(&ANY_AGE, |(_, share)| *share).map_or((0, 0), |(days, _)| *days);
    let (from, to) = class.map_or(any_age, |class| class.days);
    let onset = draw.between(from, to);
    // The lesser of two: most patients are reported soon.
    let followed = draw.between(0, FOLLOWED).min(draw.between(0, FOLLOWED));
    let seen = (onset + followed).min(OLDEST).max(onset);

    let findings = findings(draw, profile, sex, catalogue, common);
    let diagnosed = draw.chance(DIAGNOSED);
    let age = draw.chance(AGE_RECORDED).then_some(seen);
    let as_class = draw.chance(ONSET_AS_CLASS);
    // An age nobody published is not stated.
    let recorded = class.filter(|_| draw.chance(ONSET_RECORDED) && diagnosed).map(|class| {
        if as_class || class.antenatal { RecordedOnset::Class(class) } else { RecordedOnset::Days(onset) }
    });
    let findings = findings
        .into_iter()
        .filter_map(|(finding, excluded)| {
            let began = draw.chance(FINDING_ONSET) && !excluded && class.is_some();
            let days = draw.between(onset, seen);
            let onset = age.filter(|_| began).map(|_| days);
            Some(Observed { finding: catalogue.get(finding)?, excluded, onset })
        })
        .collect();
    let sequenced = draw.chance(SEQUENCED) && diagnosed && profile.gene.is_some();
    let variants =
        if sequenced { variant::draw_genotype(draw, profile.inheritance, sex) } else { Vec::new() };
    let sex = draw.chance(SEX_RECORDED).then_some(sex);
    let id = format!("synthetic-{number:05}");
    Patient { id, sex, age, profile, diagnosed, onset: recorded, findings, variants }
}

/// Findings by number with whether they are excluded, each once, those present never contradicted.
fn findings(
    draw: &mut Draw,
    profile: &Profile,
    sex: Sex,
    catalogue: &Catalogue,
    common: &[usize],
) -> Vec<(usize, bool)> {
    let possible = |of: Option<Sex>| of.is_none_or(|of| of == sex);
    let mut present: Vec<usize> = Vec::new();
    let mut written: Vec<usize> = Vec::new();
    let mut absent: Vec<usize> = Vec::new();
    for feature in profile.features.iter().filter(|feature| possible(feature.sex)) {
        let has = draw.chance(feature.fraction) && !feature.excluded;
        let looked = if feature.excluded { CONTRARY_RECORDED } else { ABSENCE_RECORDED };
        let noted = draw.chance(looked);
        if has {
            present.push(feature.finding);
            let general = catalogue.general(feature.finding);
            let instead = draw.pick(&general).filter(|_| draw.chance(GENERALISED));
            written.push(instead.copied().unwrap_or(feature.finding));
        } else if noted {
            absent.push(feature.finding);
        }
    }
    if present.is_empty() {
        // Whoever has nothing at all would not be a patient.
        let candidates = profile.features.iter().filter(|feature| !feature.excluded && possible(feature.sex));
        let likeliest = candidates.max_by(|a, b| a.fraction.total_cmp(&b.fraction));
        present.extend(likeliest.map(|feature| feature.finding));
        written.clone_from(&present);
    }
    for _ in 0..2 {
        let Some(extra) = draw.pick(common).filter(|_| draw.chance(UNRELATED)) else { continue };
        let related = profile.features.iter().any(|feature| {
            catalogue.implies(feature.finding, *extra) || catalogue.implies(*extra, feature.finding)
        });
        if !related && catalogue.get(*extra).is_some_and(|finding| possible(finding.sex)) {
            present.push(*extra);
            written.push(*extra);
        }
    }
    absent.retain(|finding| !present.iter().any(|has| catalogue.implies(*has, *finding)));
    let mut all: Vec<(usize, bool)> = Vec::new();
    for finding in written {
        if !all.iter().any(|(other, _)| *other == finding) {
            all.push((finding, false));
        }
    }
    all.extend(absent.into_iter().map(|finding| (finding, true)));
    all
}
