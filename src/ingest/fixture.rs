//! What tests of readers need: an input over bytes, terms of a table, and a sink that keeps everything.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};

use crate::domain::clock::Random;
use crate::domain::ids::SourceId;
use crate::domain::pipelines::{FilePipeline, Grouping, SubjectIdRule};
use crate::domain::subjects::Subject;
use crate::terms::{Ontology, Terms};

use super::{IngestError, Input, Limits, Reject, Row, Sink, StagedRow, Stopped, Summary, Warning};

/// Knows every HPO id but `0000000`, one alternative id, and two ORDO ids, one of them with an OMIM number.
#[derive(Debug)]
pub(super) struct TableTerms;

impl Terms for TableTerms {
    fn release(&self) -> String {
        "test".into()
    }
    fn contains(&self, ontology: Ontology, id: &str) -> bool {
        match ontology {
            Ontology::Hpo => id != "0000000",
            Ontology::Ordo => matches!(id, "558" | "98896"),
        }
    }
    fn resolve(&self, _: Ontology, id: &str) -> String {
        if id == "0001251" { "0001250".into() } else { id.into() }
    }
    fn label(&self, _: Ontology, _: &str) -> Option<String> {
        None
    }
    fn expand_each(&self, _: Ontology, id: &str, _: f64, each: &mut dyn FnMut(&str)) {
        each(id);
    }
    fn descendants(&self, _: Ontology, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn ordo_of_hpo(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn hpo_of_ordo(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn ordo_of_omim(&self, omim: &str) -> Vec<String> {
        if omim == "154700" { vec!["558".into()] } else { Vec::new() }
    }
    fn genes_of_pathway(&self, _: &str) -> Option<Vec<String>> {
        None
    }
    fn notices(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Always the same bytes.
#[derive(Debug)]
pub(super) struct Sevens;

impl Random for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// All that came.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub subjects: Vec<Subject>,
    pub staged: Vec<StagedRow>,
    pub rejects: Vec<Reject>,
    pub warnings: Vec<Warning>,
    pub labels: BTreeMap<String, String>,
    pub progress: (u64, u64),
    /// Rows after which no more are wanted.
    pub stop_after: Option<usize>,
}

impl Sink for Kept {
    fn row(&mut self, row: Row) -> Result<(), Stopped> {
        if self.stop_after == Some(self.subjects.len() + self.staged.len()) {
            return Err(Stopped);
        }
        match row {
            Row::Subject(subject) => self.subjects.push(*subject),
            Row::Staged(row) => self.staged.push(row),
        }
        Ok(())
    }
    fn reject(&mut self, reject: Reject) {
        self.rejects.push(reject);
    }
    fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }
    fn progress(&mut self, done: u64, total: u64) {
        self.progress = (done, total);
    }
    fn value_label(&mut self, value: &str, label: &str) {
        self.labels.insert(value.into(), label.into());
    }
}

impl Kept {
    /// The subjects as they are stored.
    pub(super) fn stored(&self) -> Value {
        json!(self.subjects)
    }

    /// How often something was remarked whose text has these words.
    pub(super) fn warned(&self, words: &str) -> u64 {
        self.warnings.iter().filter(|warning| warning.text.contains(words)).map(|warning| warning.count).sum()
    }
}

/// A file pipeline with the rule and nothing else.
pub(super) fn pipeline(subject_id: SubjectIdRule) -> FilePipeline {
    FilePipeline {
        grouping: Grouping::Individual,
        internal_delimiter: String::new(),
        column_delimiter: None,
        group_columns: None,
        missing_values: None,
        subject_id,
    }
}

/// The default rule, or a column or path.
pub(super) fn by(attribute: &str) -> SubjectIdRule {
    SubjectIdRule::AttributeInFile { attribute: attribute.into() }
}

/// Reads bytes as an upload of the name by the rule within the limits.
pub(super) fn read_with(
    filename: &str,
    bytes: &[u8],
    rule: SubjectIdRule,
    limits: &Limits,
) -> (Result<Summary, IngestError>, Kept) {
    let mut kept = Kept::default();
    let outcome = read_into(filename, bytes, rule, limits, &|| false, &mut kept);
    (outcome, kept)
}

/// Reads bytes into a sink.
pub(super) fn read_into(
    filename: &str,
    bytes: &[u8],
    rule: SubjectIdRule,
    limits: &Limits,
    cancelled: &dyn Fn() -> bool,
    sink: &mut dyn Sink,
) -> Result<Summary, IngestError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let asked = Cell::new(0);
    let input = Input {
        path: file.path(),
        filename,
        source: &SourceId::parse("s").unwrap(),
        pipeline: &pipeline(rule),
        limits,
        next_number: &|_| {
            asked.set(asked.get() + 1);
            assert_eq!(asked.get(), 1, "the source is asked once");
            40
        },
        terms: &TableTerms,
        random: &Sevens,
        cancelled,
    };
    super::read(&input, sink)
}

/// Reads bytes by the default rule within the default limits; must succeed.
pub(super) fn read_all(filename: &str, bytes: &[u8]) -> Kept {
    let (outcome, kept) = read_with(filename, bytes, by(""), &Limits::default());
    outcome.unwrap();
    kept
}

/// Reads bytes that cannot be read; gives the error's message.
pub(super) fn refusal(filename: &str, bytes: &[u8]) -> String {
    read_with(filename, bytes, by(""), &Limits::default()).0.unwrap_err().to_string()
}

/// A file of the shared test data, if it is there.
pub(super) fn shared(name: &str) -> Option<std::path::PathBuf> {
    let root = std::env::var_os("CV3_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        std::path::PathBuf::from,
    );
    let path = root.join("data").join(name);
    if path.exists() {
        Some(path)
    } else {
        eprintln!("skipped: {name} is not in the shared test data");
        None
    }
}
