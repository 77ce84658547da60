//! Tables: cohort W, the real sheet of 80 columns with new ids (or a made one like it), and a CSV of 8 columns.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use cv3_backend::domain::pipelines::{FilePipeline, RemapPipeline};
use cv3_backend::terms::{Ontology, TermFile};
use serde_json::{Value, json};

use crate::cohort::shared;
use crate::dice::Dice;

/// A file with what it means.
pub struct Table {
    pub path: PathBuf,
    pub rows: usize,
    /// The two pipelines as an operator would send them, but for their names.
    pub file_pipeline: Value,
    pub remap: Value,
}

impl Table {
    pub fn pipelines(&self) -> anyhow::Result<(FilePipeline, RemapPipeline)> {
        Ok((serde_json::from_value(self.file_pipeline.clone())?, serde_json::from_value(self.remap.clone())?))
    }
}

/// The sheet of cohort W.
pub struct Sheet {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    id: usize,
}

impl Sheet {
    pub fn new() -> anyhow::Result<Self> {
        let Some(path) = shared("cineca-uk1.tsv.xz") else { return Ok(made()) };
        let mut text = String::new();
        liblzma::read::XzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
        let mut lines = text.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
        let header = lines.next().context("an empty sheet")?;
        let id = header.iter().position(|name| name == "Subject id").context("no column of subject ids")?;
        Ok(Self { rows: lines.filter(|row| row.len() == header.len()).collect(), header, id })
    }

    /// Rows drawn at random with ids of their own.
    pub fn file(&self, folder: &Path, name: &str, seed: u64, rows: usize) -> anyhow::Result<Table> {
        let mut dice = Dice(seed);
        let path = folder.join(name);
        let mut out = std::io::BufWriter::new(std::fs::File::create(&path)?);
        writeln!(out, "{}", self.header.join("\t"))?;
        for _ in 0..rows {
            let mut row = dice.one_of(&self.rows).context("no rows")?.clone();
            if let Some(id) = row.get_mut(self.id) {
                *id = dice.uuid().to_string();
            }
            writeln!(out, "{}", row.join("\t"))?;
        }
        out.flush()?;
        let id = self.header.get(self.id).context("no column of subject ids")?;
        let others = self.header.iter().filter(|name| *name != id);
        let remap = json!({"directives": others.map(|name| kept(name)).collect::<Vec<_>>()});
        Ok(Table { path, rows, file_pipeline: by_column(id, ""), remap })
    }
}

/// Eight columns and some 100 bytes a row: id, phenotypes, sex, age, a number, a site, a disease, a date.
pub fn narrow(terms: &TermFile, folder: &Path, name: &str, seed: u64, rows: usize) -> anyhow::Result<Table> {
    let mut dice = Dice(seed);
    let ids: Vec<String> = terms.ids(Ontology::Hpo).collect();
    let path = folder.join(name);
    let mut out = std::io::BufWriter::new(std::fs::File::create(&path)?);
    writeln!(out, "patient,phenotypes,sex,age,bmi,site,diagnosis,visited")?;
    for _ in 0..rows {
        let [a, b] = [0, 0].map(|_| dice.one_of(&ids).cloned().unwrap_or_default());
        writeln!(
            out,
            "{},HP:{a};HP:{b},{},{},{:.1},site {},ORPHA:{},20{:02}-{:02}-{:02}",
            dice.uuid(),
            if dice.below(2) == 0 { "female" } else { "male" },
            dice.below(95),
            17.0 + dice.fraction() * 20.0,
            dice.below(40),
            100 + dice.below(900),
            dice.below(25),
            1 + dice.below(12),
            1 + dice.below(28),
        )?;
    }
    out.flush()?;
    let demographic = |name: &str, called: &str| {
        json!({"directiveType": "termSet", "origin": name, "destination": "subject", "patternSets": [{
            "patternSetType": "qualifier", "pattern": "^(.+)$", "qualifierReplacement": called, "valueReplacement": r"\1",
        }]})
    };
    let directives = json!([
        into("phenotypes", "hpo", r"^HP:(\d{7})$"),
        demographic("sex", "gender"),
        demographic("age", "age"),
        kept("bmi"),
        kept("site"),
        into("diagnosis", "ordo", r"^ORPHA:(\d+)$"),
        kept("visited"),
    ]);
    Ok(Table {
        path,
        rows,
        file_pipeline: by_column("patient", ";"),
        remap: json!({"directives": directives}),
    })
}

fn by_column(name: &str, delimiter: &str) -> Value {
    json!({"grouping": "individual", "internalDelimiter": delimiter,
        "subjectIdLocation": "attributeInFile", "attribute": name})
}

fn into(name: &str, destination: &str, pattern: &str) -> Value {
    json!({"directiveType": "termSet", "origin": name, "destination": destination,
        "patternSets": [{"patternSetType": "basic", "pattern": pattern, "replacement": r"\1"}]})
}

fn kept(name: &str) -> Value {
    into(name, "eav", "^(.+)$")
}

/// 79 columns beside the id: half measurements, a quarter answers of five kinds, a quarter nearly always without value.
fn made() -> Sheet {
    let mut dice = Dice(5);
    let header: Vec<String> =
        (0..80).map(|at| if at == 0 { "Subject id".into() } else { format!("Field {at}-0.0") }).collect();
    let row = |_| {
        let cells = (0..80).map(|at| match at % 4 {
            0 if dice.below(50) > 0 => "#REF!".to_owned(),
            1 => format!("answer {}", dice.below(5)),
            _ => format!("{:.4}", dice.fraction() * 300.0),
        });
        cells.collect()
    };
    Sheet { header, rows: (0..2_500).map(row).collect(), id: 0 }
}
