//! What tests of table readers need: an input over a pipeline, and a sink that keeps everything.

use std::cell::Cell;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::domain::clock::Random;
use crate::domain::ids::SourceId;
use crate::domain::pipelines::{FilePipeline, Pipeline, Steps};
use crate::ingest::{Entry, IngestError, Input, Limits, Reject, Row, Sink, StagedRow, Stopped, Warning};
use crate::terms::{Ontology, Terms};

/// Knows no term but `0000001`, an alternative id of `0000002`, and ORDO `558`.
#[derive(Debug)]
pub(in crate::ingest) struct FewTerms;

impl Terms for FewTerms {
    fn release(&self) -> String {
        "test".to_owned()
    }
    fn contains(&self, _: Ontology, id: &str) -> bool {
        matches!(id, "0000001" | "0000002" | "558")
    }
    fn resolve(&self, _: Ontology, id: &str) -> String {
        if id == "0000001" { "0000002".to_owned() } else { id.to_owned() }
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
    fn ordo_of_omim(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn genes_of_pathway(&self, _: &str) -> Option<Vec<String>> {
        None
    }
    fn notices(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Counts up, so that made-up ids differ.
#[derive(Debug, Default)]
struct Counting(std::sync::atomic::AtomicU8);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    }
}

/// Keeps what a reader sends.
#[derive(Debug, Default)]
pub(in crate::ingest) struct Kept {
    pub(in crate::ingest) rows: Vec<StagedRow>,
    pub(in crate::ingest) rejects: Vec<Reject>,
    pub(in crate::ingest) warnings: Vec<Warning>,
    /// Rows after which the sink wants no more; 0 = never.
    pub(in crate::ingest) stop_after: usize,
}

impl Sink for Kept {
    fn row(&mut self, row: Row) -> Result<(), Stopped> {
        if let Row::Staged(row) = row {
            self.rows.push(row);
        }
        if self.rows.len() == self.stop_after { Err(Stopped) } else { Ok(()) }
    }
    fn reject(&mut self, reject: Reject) {
        self.rejects.push(reject);
    }
    fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }
    fn progress(&mut self, _: u64, _: u64) {}
    fn value_label(&mut self, _: &str, _: &str) {}
}

impl Kept {
    /// The rows as `GET /datafiles/{id}/sample` shows them.
    pub(in crate::ingest) fn shown(&self) -> Vec<Value> {
        let shown = self.rows.iter().map(|row| {
            let mut object = Map::new();
            object.insert("subjectId".to_owned(), json!(row.subject_id));
            object.extend(row.columns.iter().map(|(name, value)| (name.to_string(), value.clone())));
            Value::Object(object)
        });
        shown.collect()
    }

    pub(in crate::ingest) fn warned(&self, text: &str) -> u64 {
        self.warnings.iter().filter(|warning| warning.text.contains(text)).map(|warning| warning.count).sum()
    }
}

/// A file pipeline from the fields of a request; what is not given is filled in.
pub(in crate::ingest) fn pipeline(fields: &Value) -> FilePipeline {
    let mut body =
        json!({"pipelineName": "p", "pipelineType": "filePipeline", "subjectIdLocation": "attributeInName"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    match Pipeline::read(&body).unwrap().steps {
        Steps::FilePipeline(pipeline) => pipeline,
        Steps::RemapPipeline(_) => unreachable!("a file pipeline was given"),
    }
}

/// Reads with `read` as the file `name`, 10 being the highest number of every batch prefix.
pub(in crate::ingest) fn read_as(
    name: &str,
    pipeline: &FilePipeline,
    limits: &Limits,
    kept: &mut Kept,
    read: impl FnOnce(&Entry<'_>, &mut dyn Sink) -> Result<(), IngestError>,
) -> Result<(), IngestError> {
    let source = SourceId::parse("source").unwrap();
    let last_number = Cell::new(None);
    let input = Input {
        path: Path::new("unused"),
        filename: name,
        source: &source,
        pipeline,
        limits,
        next_number: &|_| 10,
        terms: &FewTerms,
        random: &Counting::default(),
        cancelled: &|| false,
    };
    read(&Entry { input: &input, name, last_number: &last_number }, kept)
}
