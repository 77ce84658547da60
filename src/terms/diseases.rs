//! Diseases with their annotated phenotypes, as the HPO project publishes them (`phenotype.hpoa`): enough to
//! draw a plausible patient. Rows keep what the release says; reading them merges repeated statements.

use super::Frequency;
use super::form::{FormError, Sections};

pub(super) mod names {
    pub const NUMBER: &str = "diseases.ids";
    pub const PREFIX: &str = "diseases.prefix";
    pub const NAME: &str = "diseases.names";
    pub const ROWS_OF: &str = "diseases.rows.of";
    pub const TERM: &str = "diseases.term";
    pub const FREQUENCY: &str = "diseases.frequency";
    pub const FREQUENCIES: &str = "diseases.frequencies";
    pub const FLAGS: &str = "diseases.flags";
}
use names::*;

/// Database prefixes by their byte in the file, in sorted order; numbers have no leading zeros.
pub(super) const PREFIXES: [&str; 3] = ["DECIPHER", "OMIM", "ORPHA"];
/// Bits of a row's flags: negated, sex (1 male, 2 female), aspect.
pub(super) const NEGATED: u8 = 1;
pub(super) const SEX_SHIFT: u8 = 1;
pub(super) const ASPECT_SHIFT: u8 = 3;
pub(super) const ASPECTS: [&str; 5] = ["P", "I", "C", "M", "H"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    Male,
    Female,
}

/// One phenotype of a disease.
#[derive(Debug, Clone, PartialEq)]
pub struct Phenotype {
    /// HPO id, seven digits.
    pub hpo: String,
    /// Share of patients from 0 to 1: counted cases where the release gives them, else the middle of the
    /// class; `None` when the release does not say.
    pub fraction: Option<f64>,
    pub frequency: Frequency,
    /// The disease is described as being without it.
    pub excluded: bool,
    /// Seen in patients of this sex only.
    pub sex: Option<Sex>,
}

/// A statement about when a disease begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Onset {
    /// HPO id below `0003674` (onset), seven digits.
    pub hpo: String,
    pub fraction: Option<f64>,
}

/// A disease with its annotation.
#[derive(Debug, Clone, PartialEq)]
pub struct Disease {
    /// `ORPHA:558`, `OMIM:154700` or `DECIPHER:1`.
    pub id: String,
    pub name: String,
    /// Phenotypic abnormalities (aspect P), by HPO id.
    pub phenotypes: Vec<Phenotype>,
    pub onsets: Vec<Onset>,
    /// Modes of inheritance (aspect I), HPO ids.
    pub inheritance: Vec<String>,
    /// Set when every phenotype with a stated sex is of the same one and at least half of them state it.
    pub sex: Option<Sex>,
}

/// Age range in years of an HPO onset term, from its definition; before birth counts as 0.
pub fn onset_years(hpo: &str) -> Option<(f64, f64)> {
    Some(match hpo {
        "0030674" | "0011460" | "0011461" | "0034199" | "0034198" | "0034197" | "0003577" => (0.0, 0.0),
        "0003623" => (0.0, 28.0 / 365.25),
        "0003593" => (28.0 / 365.25, 1.0),
        "0011463" => (1.0, 5.0),
        "0003621" => (5.0, 15.0),
        "0410280" => (0.0, 15.0),
        "0003581" => (16.0, 80.0),
        "0011462" => (16.0, 40.0),
        "0025708" => (16.0, 19.0),
        "0025709" => (19.0, 25.0),
        "0025710" => (25.0, 40.0),
        "0003596" => (40.0, 60.0),
        "0003584" => (60.0, 80.0),
        _ => return None,
    })
}

/// One row as the release states it.
pub(super) struct Row {
    pub term: u16,
    pub frequency: Stated,
    pub negated: bool,
    pub sex: Option<Sex>,
    pub aspect: u8,
}

/// A frequency as written: a class, counted cases, or a percentage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stated {
    Nothing,
    Class(Frequency),
    Cases(u32, u32),
    Percent(f64),
}

impl Stated {
    /// `HP:0040280` … `HP:0040285`, `3/12`, `25%` or nothing; `None` when it is none of these.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Nothing);
        }
        if let Some(id) = text.strip_prefix("HP:") {
            return Some(Self::Class(match id {
                "0040280" => Frequency::Obligate,
                "0040281" => Frequency::VeryFrequent,
                "0040282" => Frequency::Frequent,
                "0040283" => Frequency::Occasional,
                "0040284" => Frequency::VeryRare,
                "0040285" => Frequency::Excluded,
                _ => return None,
            }));
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.trim().parse().ok()?;
            return (0.0..=100.0).contains(&percent).then_some(Self::Percent(percent / 100.0));
        }
        let (seen, of) = text.split_once('/')?;
        let (seen, of) = (seen.parse().ok()?, of.parse().ok()?);
        (seen <= of).then_some(Self::Cases(seen, of))
    }

    pub fn class(self) -> Frequency {
        match self {
            Self::Class(class) => class,
            other => other.fraction().map_or(Frequency::Unknown, Frequency::of_fraction),
        }
    }

    pub fn fraction(self) -> Option<f64> {
        match self {
            Self::Nothing => None,
            Self::Class(class) => class.fraction(),
            Self::Cases(_, 0) => None,
            Self::Cases(seen, of) => Some(f64::from(seen) / f64::from(of)),
            Self::Percent(fraction) => Some(fraction),
        }
    }

    /// Two statements about the same pair: counted cases add up, otherwise the more frequent one stays.
    fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Cases(a, n), Self::Cases(b, m)) => Self::Cases(a.saturating_add(b), n.saturating_add(m)),
            (Self::Cases(..), _) => self,
            (_, Self::Cases(..)) => other,
            _ if other.fraction() > self.fraction() => other,
            _ => self,
        }
    }
}

/// Checks every column; `terms` is the number of HPO terms.
pub(super) fn check(sections: &Sections, terms: usize) -> Result<(), FormError> {
    let diseases = sections.u32s(NUMBER).len();
    let prefixes = sections.u8s(PREFIX);
    if prefixes.len() != diseases || prefixes.iter().any(|byte| usize::from(*byte) >= PREFIXES.len()) {
        return Err(FormError::damaged(format!("section {PREFIX} has wrong rows")));
    }
    let keys = prefixes.iter().zip(sections.u32s(NUMBER).iter());
    if !keys.is_sorted() {
        return Err(FormError::damaged(format!("section {NUMBER} is not in order")));
    }
    sections.strings(NAME).check(NAME, diseases)?;
    let rows = sections.u16s(TERM).len();
    if diseases > 0 {
        sections.u32s(ROWS_OF).check_offsets(ROWS_OF, diseases, rows)?;
    }
    sections.u16s(TERM).check(TERM, rows, u64::try_from(terms).unwrap_or(0))?;
    let stated = sections.strings(FREQUENCIES);
    stated.check(FREQUENCIES, stated.len())?;
    if let Some(text) = stated.iter().find(|text| Stated::parse(text).is_none()) {
        return Err(FormError::damaged(format!(
            "section {FREQUENCIES} holds {text:?}, which is no frequency"
        )));
    }
    sections.u16s(FREQUENCY).check(FREQUENCY, rows, u64::try_from(stated.len()).unwrap_or(0))?;
    let flags = sections.u8s(FLAGS);
    if flags.len() != rows || flags.iter().any(|flag| usize::from(flag >> ASPECT_SHIFT) >= ASPECTS.len()) {
        return Err(FormError::damaged(format!("section {FLAGS} has wrong rows")));
    }
    Ok(())
}

/// Position of a disease by prefix and number.
pub(super) fn position(sections: &Sections, prefix: &str, number: u32) -> Option<usize> {
    let wanted = PREFIXES.iter().position(|known| *known == prefix)?;
    let prefixes = sections.u8s(PREFIX);
    let start = prefixes.partition_point(|byte| usize::from(*byte) < wanted);
    let end = prefixes.partition_point(|byte| usize::from(*byte) <= wanted);
    let numbers = sections.u32s(NUMBER);
    let (mut low, mut high) = (start, end);
    while low < high {
        let middle = low + (high - low) / 2;
        if numbers.get(middle).is_some_and(|n| n < number) { low = middle + 1 } else { high = middle }
    }
    (low < end && numbers.get(low) == Some(number)).then_some(low)
}

pub(super) fn name(sections: &Sections, position: usize) -> &str {
    sections.strings(NAME).get(position)
}

pub(super) fn id(sections: &Sections, position: usize) -> String {
    let prefix = sections.u8s(PREFIX).get(position).and_then(|byte| PREFIXES.get(usize::from(*byte)));
    format!("{}:{}", prefix.unwrap_or(&""), sections.u32s(NUMBER).get(position).unwrap_or(0))
}

fn row(sections: &Sections, at: usize) -> Option<Row> {
    let flags = *sections.u8s(FLAGS).get(at)?;
    let frequency = usize::try_from(sections.u16s(FREQUENCY).get(at)?).ok()?;
    Some(Row {
        term: u16::try_from(sections.u16s(TERM).get(at)?).ok()?,
        frequency: Stated::parse(sections.strings(FREQUENCIES).get(frequency))?,
        negated: flags & NEGATED != 0,
        sex: match flags >> SEX_SHIFT & 3 {
            1 => Some(Sex::Male),
            2 => Some(Sex::Female),
            _ => None,
        },
        aspect: flags >> ASPECT_SHIFT,
    })
}

/// Reads one disease; `hpo_id` spells a term, `is_onset` tells onset terms among those of aspect C.
pub(super) fn read(
    sections: &Sections,
    position: usize,
    hpo_id: impl Fn(u16) -> String,
    is_onset: impl Fn(u16) -> bool,
) -> Disease {
    let mut rows: Vec<Row> =
        sections.u32s(ROWS_OF).range(position).filter_map(|at| row(sections, at)).collect();
    rows.sort_by_key(|row| (row.term, row.aspect));
    // A term may be both stated and negated by different reports: a positive one wins.
    let mut merged: Vec<Row> = Vec::new();
    for next in rows {
        match merged.last_mut() {
            Some(last) if last.term == next.term && last.aspect == next.aspect => {
                if last.negated == next.negated {
                    last.frequency = last.frequency.merge(next.frequency);
                    last.sex = if last.sex == next.sex { last.sex } else { None };
                } else if last.negated {
                    *last = next;
                }
            }
            _ => merged.push(next),
        }
    }
    let of = |aspect: &'static str| {
        merged.iter().filter(move |row| ASPECTS.get(usize::from(row.aspect)) == Some(&aspect))
    };
    let phenotypes: Vec<Phenotype> = of("P")
        .map(|row| {
            let frequency = if row.negated { Frequency::Excluded } else { row.frequency.class() };
            Phenotype {
                hpo: hpo_id(row.term),
                fraction: if row.negated { Some(0.0) } else { row.frequency.fraction() },
                frequency,
                excluded: frequency == Frequency::Excluded,
                sex: row.sex,
            }
        })
        .collect();
    let onsets = of("C")
        .filter(|row| !row.negated && is_onset(row.term))
        .map(|row| Onset { hpo: hpo_id(row.term), fraction: row.frequency.fraction() })
        .collect();
    let inheritance = of("I").filter(|row| !row.negated).map(|row| hpo_id(row.term)).collect();
    let sex = one_sex(&phenotypes);
    Disease {
        id: id(sections, position),
        name: name(sections, position).to_owned(),
        phenotypes,
        onsets,
        inheritance,
        sex,
    }
}

fn one_sex(phenotypes: &[Phenotype]) -> Option<Sex> {
    let stated: Vec<Sex> = phenotypes.iter().filter_map(|phenotype| phenotype.sex).collect();
    let first = *stated.first()?;
    (stated.iter().all(|sex| *sex == first) && stated.len() * 2 >= phenotypes.len()).then_some(first)
}
