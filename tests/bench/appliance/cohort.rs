//! Subjects in memory, resampled: cohort P from packets, cohort W from the sheet.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::ensure;
use cv3_backend::domain::pipelines::FilePipeline;
use cv3_backend::domain::subjects::{EavValue, Gender, Scalar, Subject, Term};
use cv3_backend::ingest::demographics;
use cv3_backend::ingest::remap::{Rejected, Remap};
use cv3_backend::terms::TermFile;
use serde_json::json;

use crate::dice::Dice;
use crate::packets::Packets;
use crate::reading::{Kept, read};
use crate::table::Sheet;

/// A file of the shared data, where that is present.
pub fn shared(name: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("CV3_SHARED").map_or_else(beside, PathBuf::from);
    Some(folder.join("data").join(name)).filter(|path| path.exists())
}

/// Whether figures are of real data.
pub fn origin() -> String {
    let of = |name| if shared(name).is_some() { "real, resampled" } else { "made" };
    format!("P {} phenopackets; W {} 80-column sheet", of("phenopackets.tar.xz"), of("cineca-uk1.tsv.xz"))
}

/// A pipeline for formats that name their subjects themselves.
pub fn self_naming() -> anyhow::Result<FilePipeline> {
    Ok(serde_json::from_value(json!({"subjectIdLocation": "attributeInFile", "attribute": ""}))?)
}

/// Subjects to draw from.
pub struct Cohort {
    templates: Vec<Subject>,
    /// Fill in what some templates lack: age, sex, a number.
    complete: bool,
}

impl Cohort {
    /// Each packet as a subject; all get an age, a sex and the number `visits`, so that every query can meet all.
    pub fn p(terms: &TermFile) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("templates.jsonl");
        Packets::new(terms)?.write_each(&mut std::fs::File::create(&path)?)?;
        let mut kept = Kept::default();
        read(&path, &self_naming()?, terms, &mut kept)?;
        ensure!(!kept.subjects.is_empty(), "no packet became a subject");
        kept.subjects.iter_mut().for_each(demographics::resolve);
        Ok(Self { templates: kept.subjects, complete: true })
    }

    /// Each row of the sheet as a subject, every column an attribute.
    pub fn w(terms: &TermFile) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let table = Sheet::new()?.file(folder.path(), "w.tsv", 3, 2_500)?;
        let (pipeline, remap) = table.pipelines()?;
        let mut kept = Kept::default();
        read(&table.path, &pipeline, terms, &mut kept)?;
        Ok(Self { templates: remapped(&Remap::compile(&remap)?, &kept, terms)?, complete: false })
    }

    /// A subject with the id.
    pub fn subject(&self, dice: &mut Dice, id: uuid::Uuid) -> Subject {
        let mut subject = dice.one_of(&self.templates).cloned().unwrap_or_default();
        subject.subject_id = id.to_string();
        if self.complete {
            let sex = if dice.below(2) == 0 { Gender::Male } else { Gender::Female };
            let age = dice.below(95) as f64;
            subject.demo.gender.get_or_insert(sex);
            subject.demo.age.get_or_insert(age);
            let visits = serde_json::Number::from(dice.below(300) as u64);
            subject.eav.insert("visits".into(), EavValue::One(Scalar::Number(visits)));
        }
        subject
    }

    /// Subjects with ids in order.
    pub fn subjects(&self, dice: &mut Dice, ids: &[uuid::Uuid]) -> Vec<Subject> {
        ids.iter().map(|id| self.subject(dice, *id)).collect()
    }

    /// A term some subject has, drawn by frequency.
    pub fn term(&self, dice: &mut Dice) -> String {
        loop {
            let subject = dice.one_of(&self.templates);
            let present: Vec<&str> =
                subject.into_iter().flat_map(|s| s.hpo.iter().flat_map(Term::present)).collect();
            if let Some(term) = dice.one_of(&present) {
                return (*term).to_owned();
            }
        }
    }

    /// Present terms, excluded terms and attributes of a subject on average.
    pub fn shape(&self) -> String {
        let mean = |of: &dyn Fn(&Subject) -> usize| {
            self.templates.iter().map(of).sum::<usize>() as f64 / self.templates.len().max(1) as f64
        };
        let ids = |present: bool| {
            move |s: &Subject| s.hpo.iter().flat_map(Term::ids).filter(|(_, is)| *is == present).count()
        };
        let added = usize::from(self.complete);
        format!(
            "{} templates with on average {:.1} present and {:.1} excluded terms, {:.1} attributes",
            self.templates.len(),
            mean(&ids(true)),
            mean(&ids(false)),
            mean(&|s| s.eav.len() + added)
        )
    }
}

/// Both passes over staged rows.
pub fn remapped(remap: &Remap, kept: &Kept, terms: &TermFile) -> anyhow::Result<Vec<Subject>> {
    let mut survey = remap.new_survey();
    kept.staged.iter().for_each(|row| remap.survey(row, &mut survey));
    let types = remap.types(&survey, &BTreeMap::new());
    let mut report = remap.new_report();
    let mut rejected = 0;
    let mut reject = |_: Rejected<'_>| rejected += 1;
    let subjects = kept.staged.iter().map(|row| {
        let mut subject = remap.apply(row, &types, terms, &mut report, &mut reject);
        demographics::resolve(&mut subject);
        subject
    });
    let subjects = subjects.collect();
    ensure!(rejected == 0, "{rejected} values rejected");
    Ok(subjects)
}
