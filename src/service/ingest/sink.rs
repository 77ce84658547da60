//! What a reader on a blocking thread finds, carried to the runtime in batches; staged rows and rejects go to files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc::Sender;

use super::staged::StagedWriter;
use crate::domain::subjects::Subject;
use crate::ingest::remap::{Remap, TypeSurvey};
use crate::ingest::{Reject, Row, Sink, Stopped, Warning};

/// Subjects handed over at a time.
const BATCH: usize = 2_000;

/// Value labels kept per file.
const MOST_LABELS: usize = 50_000;

/// Column names kept per file.
const MOST_COLUMNS: usize = 10_000;

/// What crosses from the reader to the runtime.
pub(super) enum Message {
    Subjects(Vec<Subject>),
    /// Bytes read, of how many.
    Progress(u64, u64),
}

/// A file that exists only once something was written to it.
pub(super) struct Lazy {
    path: PathBuf,
    out: Option<BufWriter<File>>,
    failed: Option<std::io::Error>,
}

impl Lazy {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, out: None, failed: None }
    }

    pub(super) fn line(&mut self, value: &impl serde::Serialize) {
        let written = || -> std::io::Result<()> {
            if self.out.is_none() {
                self.out = Some(BufWriter::with_capacity(1 << 18, File::create(&self.path)?));
            }
            if let Some(out) = &mut self.out {
                serde_json::to_writer(&mut *out, value)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        };
        let mut written = written;
        if let Err(error) = written() {
            self.failed.get_or_insert(error);
        }
    }

    /// The finished file, if anything was written.
    pub(super) fn finish(mut self) -> std::io::Result<Option<PathBuf>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        match &mut self.out {
            Some(out) => out.flush()?,
            None => return Ok(None),
        }
        self.out = None;
        Ok(Some(std::mem::take(&mut self.path)))
    }
}

impl Drop for Lazy {
    /// A file that was not finished has no reader; the scratch folder is emptied only when the process starts.
    fn drop(&mut self) {
        if self.out.take().is_some() {
            let _ignored = std::fs::remove_file(&self.path);
        }
    }
}

/// Collects one file's rows.
pub(super) struct FileSink {
    /// `None` once closed: the receiver waits for the last sender to go.
    send: Option<Sender<Message>>,
    batch: Vec<Subject>,
    pub(super) staged: StagedWriter,
    pub(super) rejects: Lazy,
    pub(super) staged_rows: u64,
    pub(super) warnings: Vec<Warning>,
    pub(super) labels: BTreeMap<String, String>,
    /// What the values of staged rows are like, where it is known what they will be remapped with.
    pub(super) survey: Option<(Arc<Remap>, TypeSurvey)>,
    last_progress: u64,
}

impl FileSink {
    pub(super) fn new(scratch: &Path, name: &str, remap: Option<Arc<Remap>>, send: Sender<Message>) -> Self {
        Self {
            survey: remap.map(|remap| {
                let survey = remap.new_survey();
                (remap, survey)
            }),
            send: Some(send),
            batch: Vec::new(),
            staged: StagedWriter::new(scratch.join(format!("staged-{name}"))),
            rejects: Lazy::new(scratch.join(format!("rejects-{name}"))),
            staged_rows: 0,
            warnings: Vec::new(),
            labels: BTreeMap::new(),
            last_progress: 0,
        }
    }

    /// Names of the columns of staged rows, in byte order.
    pub(super) fn columns(&self) -> Vec<String> {
        let names: BTreeSet<&str> = self.staged.columns().collect();
        names.into_iter().take(MOST_COLUMNS).map(str::to_owned).collect()
    }

    /// Hands over what is left.
    pub(super) fn flush(&mut self) -> Result<(), Stopped> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let send = self.send.as_ref().ok_or(Stopped)?;
        send.blocking_send(Message::Subjects(batch)).map_err(|_| Stopped)
    }

    /// Tells the receiver that nothing more comes.
    pub(super) fn close(&mut self) {
        self.send = None;
    }
}

impl Sink for FileSink {
    fn row(&mut self, row: Row) -> Result<(), Stopped> {
        match row {
            Row::Staged(row) => {
                self.staged_rows += 1;
                if let Some((remap, survey)) = &mut self.survey {
                    remap.survey(&row, survey);
                }
                self.staged.row(&row);
                Ok(())
            }
            Row::Subject(subject) => {
                self.batch.push(*subject);
                if self.batch.len() >= BATCH { self.flush() } else { Ok(()) }
            }
        }
    }

    fn reject(&mut self, reject: Reject) {
        self.rejects.line(&reject);
    }

    fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }

    fn progress(&mut self, done: u64, total: u64) {
        // A full channel must not slow the reader for the sake of a progress bar.
        if done == total || done.saturating_sub(self.last_progress) >= total / 200 {
            self.last_progress = done;
            if let Some(send) = &self.send {
                let _dropped_when_busy = send.try_send(Message::Progress(done, total));
            }
        }
    }

    fn value_label(&mut self, value: &str, label: &str) {
        if self.labels.len() < MOST_LABELS && !self.labels.contains_key(value) {
            self.labels.insert(value.to_owned(), label.to_owned());
        }
    }
}

/// A warning as one line for the list of files.
pub(super) fn sentence(warning: &Warning) -> String {
    if warning.examples.is_empty() {
        format!("{} ({})", warning.text, warning.count)
    } else {
        format!("{} ({}): {}", warning.text, warning.count, warning.examples.join(", "))
    }
}
