//! The cohort: P of the other benchmark, completed so that each of the ten questions has subjects to find.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use cv3_backend::domain::subjects::{EavValue, GeneAlleles, Mutation, Scalar, Subject, Term, Variant};
use cv3_backend::terms::{TermFile, Terms};
use serde::Serialize;

use crate::cohort::Cohort;
use crate::dice::Dice;

const DEPARTMENTS: [&str; 8] = [
    "cardiology",
    "endocrinology",
    "genetics",
    "neurology",
    "neurosurgery",
    "oncology",
    "ophthalmology",
    "paediatrics",
];
/// Most subjects have the first; three in ten have none.
pub const OUTCOMES: [&str; 4] = ["stable", "improved", "worse", "lost to follow-up"];
/// Genes for subjects without variants, the first the most frequent.
const GENES: [&str; 20] = [
    "TTN", "SCN1A", "FBN1", "KMT2D", "COL1A1", "NF1", "ANKRD11", "ARID1B", "CHD7", "MECP2", "STXBP1",
    "CDKL5", "KCNQ2", "PTPN11", "SYNGAP1", "TSC2", "DMD", "CFTR", "PAH", "GBA1",
];
const SAMPLE: usize = 2_000;

/// A document with what a database needs beside it: stored phenotypes may be excluded or have a value, and none of the
/// peers has an index over the names of fields.
#[derive(Serialize)]
struct Line<'s> {
    #[serde(flatten)]
    document: &'s Subject,
    present: Vec<&'s str>,
}

impl<'s> Line<'s> {
    fn of(document: &'s Subject) -> Self {
        Self { document, present: document.hpo.iter().flat_map(Term::present).collect() }
    }
}

/// Makes subjects and has some at hand to draw questions from.
pub struct Registry<'a> {
    cohort: Cohort,
    terms: &'a TermFile,
    diseases: RefCell<HashMap<String, Vec<String>>>,
    pub sample: Vec<Subject>,
}

impl<'a> Registry<'a> {
    pub fn new(terms: &'a TermFile) -> anyhow::Result<Self> {
        let cohort = Cohort::p(terms)?;
        let mut registry = Self { cohort, terms, diseases: RefCell::default(), sample: Vec::new() };
        let mut dice = Dice(41);
        registry.sample = (0..SAMPLE).map(|_| registry.subject(&mut dice, uuid::Uuid::nil())).collect();
        Ok(registry)
    }

    /// Writes subjects as they are stored, a line each, ascending by id.
    pub fn write(&self, size: usize, path: &Path) -> anyhow::Result<()> {
        let unfinished = path.with_extension("unfinished");
        let mut out = std::io::BufWriter::new(std::fs::File::create(&unfinished)?);
        let mut dice = Dice(43);
        for id in dice.uuids(size) {
            serde_json::to_writer(&mut out, &Line::of(&self.subject(&mut dice, id)))?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        Ok(std::fs::rename(unfinished, path)?)
    }

    fn subject(&self, dice: &mut Dice, id: uuid::Uuid) -> Subject {
        let mut subject = self.cohort.subject(dice, id);
        let mut say = |name: &str, value: String| {
            subject.eav.insert(name.into(), EavValue::One(Scalar::Text(value)));
        };
        let department = skewed(dice, &DEPARTMENTS).unwrap_or_default();
        say("clinic", format!("{department}, ward {}", dice.below(40)));
        if dice.below(10) < 7 {
            say("outcome", skewed(dice, &OUTCOMES).unwrap_or_default().to_owned());
        }
        if subject.ordo.is_empty() {
            subject.ordo.extend(self.disease(dice, &subject.hpo));
        }
        let mut alleles = [0, 0].map(|_| match dice.below(100) {
            0..8 => "e2".to_owned(),
            8..22 => "e4".to_owned(),
            _ => "e3".to_owned(),
        });
        alleles.sort_unstable();
        subject.alleles.push(GeneAlleles { gene: "APOE".into(), alleles: alleles.into() });
        if subject.variant.is_empty() {
            subject.variant.extend((0..1 + dice.below(3)).map(|_| Variant {
                gene: skewed(dice, &GENES).unwrap_or_default().into(),
                mutation: skewed(dice, &Mutation::ALL).unwrap_or(Mutation::Missense),
                af: None,
                allele_count: None,
            }));
        }
        for variant in &mut subject.variant {
            // A rounded number of at most a tenth, most of them rare.
            variant.af.get_or_insert((dice.fraction().powi(4) * 1e5).round() / 1e6);
        }
        subject
    }

    /// A disease annotated with one of the phenotypes.
    fn disease(&self, dice: &mut Dice, hpo: &[Term]) -> Option<String> {
        let present: Vec<&str> = hpo.iter().flat_map(Term::present).collect();
        let term = *dice.one_of(&present)?;
        let mut known = self.diseases.borrow_mut();
        let diseases = known.entry(term.to_owned()).or_insert_with(|| self.terms.ordo_of_hpo(term));
        dice.one_of(diseases).cloned()
    }
}

/// One of them, earlier ones more often.
fn skewed<T: Copy>(dice: &mut Dice, of: &[T]) -> Option<T> {
    of.get((dice.fraction().powi(2) * of.len() as f64) as usize).copied()
}
