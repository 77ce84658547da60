//! Files through the project's own readers, without an installation.

use std::path::Path;

use anyhow::{Context, ensure};
use cv3_backend::domain::clock::SystemRandom;
use cv3_backend::domain::ids::SourceId;
use cv3_backend::domain::pipelines::FilePipeline;
use cv3_backend::domain::subjects::Subject;
use cv3_backend::ingest::{self, Input, Limits, Reject, Row, Sink, StagedRow, Stopped, Summary, Warning};
use cv3_backend::terms::Terms;

/// What came out of a file.
#[derive(Default)]
pub struct Kept {
    pub subjects: Vec<Subject>,
    pub staged: Vec<StagedRow>,
    /// Count only.
    pub drop: bool,
}

impl Sink for Kept {
    fn row(&mut self, row: Row) -> Result<(), Stopped> {
        match row {
            _ if self.drop => {}
            Row::Subject(subject) => self.subjects.push(*subject),
            Row::Staged(row) => self.staged.push(row),
        }
        Ok(())
    }
    fn reject(&mut self, _: Reject) {}
    fn warn(&mut self, _: Warning) {}
    fn progress(&mut self, _: u64, _: u64) {}
    fn value_label(&mut self, _: &str, _: &str) {}
}

/// Reads a file by a file pipeline; nothing may be rejected.
pub fn read(
    path: &Path,
    pipeline: &FilePipeline,
    terms: &dyn Terms,
    kept: &mut Kept,
) -> anyhow::Result<Summary> {
    let input = Input {
        path,
        filename: path.file_name().and_then(|name| name.to_str()).context("a file name")?,
        source: &SourceId::parse("bench")?,
        pipeline,
        limits: &Limits::default(),
        next_number: &|_| 0,
        terms,
        random: &SystemRandom,
        cancelled: &|| false,
    };
    let summary = ingest::read(&input, kept)?;
    ensure!(summary.rejected == 0, "{} rejects in {}", summary.rejected, path.display());
    Ok(summary)
}
