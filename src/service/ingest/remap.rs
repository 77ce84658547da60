//! The `remap` job: staged rows to subjects, in two passes so that attributes get one type per source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::read::SHOW_EVERY;
use super::sink::{Lazy, Message};
use super::staged::StagedReader;
use super::{Ingest, Surveys, Task};
use crate::broker::Job;
use crate::domain::ids::{DataFileId, PipelineId};
use crate::domain::pipelines::{Steps, ValueType};
use crate::domain::sources::{DataFile, FileState, Progress};
use crate::ingest::remap::{Remap, RemapReport, Types};
use crate::ingest::{Limits, Reject, StagedRow};
use crate::service::Failure;
use crate::service::commit::{Begun, ChangeSet};
use crate::service::datafiles::release_blobs;
use crate::terms::Terms;

/// Subjects handed over at a time.
const BATCH: usize = 2_000;

/// Rows between two looks at whether the job must stop.
const LOOK: u64 = 1_000;

impl Ingest {
    /// Remaps all files of a task in one change.
    pub(super) async fn remap_files(
        &self,
        job: &Job,
        task: &Task,
        surveys: Surveys,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<(), Failure> {
        let remap = self.compiled(&task.pipeline_id).await?;
        let mut files = Vec::new();
        for id in &task.data_file_ids {
            if let Some(file) = self.ports.store.datafiles().get(id.as_str()).await?
                && matches!(file.state, FileState::Remapping | FileState::Staged)
            {
                files.push(file);
            }
        }
        let change = match self.committer.begin(&task.source_id, task.mode, &job.job_id).await? {
            Begun::Open(change) => change,
            Begun::Committed(_) => {
                self.committer.settle(&task.source_id).await?;
                let mut gone = Vec::new();
                for file in &files {
                    gone.extend(self.finish_file(&file.data_file_id, |_| ()).await?);
                }
                return release_blobs(&self.ports, gone).await;
            }
        };
        // All were done or failed meanwhile; an empty change would, in replace mode, empty the source.
        if files.is_empty() {
            return Ok(());
        }
        let mut change = change;
        let paths = self.staged_paths(&files).await?;
        let source = self.ports.store.sources().get(task.source_id.as_str()).await?;
        let known = source.map(|s| s.attribute_types).unwrap_or_default();
        let types = self.types(&remap, &files, &paths, surveys, known, cancelled).await?;
        let mut reports = Vec::new();
        for (file, path) in files.iter().zip(&paths) {
            match self.apply_one(file, path, &remap, &types, &mut change, cancelled).await {
                Ok(report) => reports.push((file.data_file_id.clone(), report)),
                // Where the lease was lost, another attempt stages the same change: it is not ours to forget.
                Err(failure) if cancelled.load(Ordering::Relaxed) => {
                    change.leave().await;
                    return Err(failure);
                }
                Err(failure) => {
                    change.abandon().await?;
                    return Err(failure);
                }
            }
        }
        if cancelled.load(Ordering::Relaxed) {
            change.leave().await;
            return Err(Failure::Timeout("remapping".into()));
        }
        let merges = *change.report();
        change.commit().await?;
        let learnt = types.known().clone();
        self.ports
            .store
            .sources()
            .update(task.source_id.as_str(), |source| {
                source.attribute_types.clone_from(&learnt);
                Ok::<(), Failure>(())
            })
            .await?;
        self.committer.settle(&task.source_id).await?;
        let mut gone = Vec::new();
        for (id, outcome) in reports {
            gone.extend(self.close(&id, &types, outcome).await?);
            self.note_merges(&id, &merges).await?;
        }
        release_blobs(&self.ports, gone).await
    }

    /// A remap pipeline ready to run.
    pub(super) async fn compiled(&self, pipeline: &PipelineId) -> Result<Arc<Remap>, Failure> {
        let steps = self.ports.store.pipelines().get(pipeline.as_str()).await?.map(|p| p.steps);
        let Some(Steps::RemapPipeline(pipeline)) = steps else {
            return Err(Failure::Unprocessable(
                "the pipeline was removed before the rows were remapped".into(),
            ));
        };
        Remap::compile(&pipeline).map(Arc::new).map_err(|e| Failure::Unprocessable(e.to_string()))
    }

    async fn staged_paths(&self, files: &[DataFile]) -> Result<Vec<PathBuf>, Failure> {
        let gone = || Failure::Unprocessable("the staged rows are gone; ingest the file again".into());
        let mut paths = Vec::new();
        for file in files {
            let staged = file.staged.as_deref().ok_or_else(gone)?;
            paths.push(self.ports.blobs.open(staged).await?.ok_or_else(gone)?);
        }
        Ok(paths)
    }

    /// First pass, over files that were not surveyed when they were read: what kinds of values each attribute has.
    async fn types(
        &self,
        remap: &Arc<Remap>,
        files: &[DataFile],
        paths: &[PathBuf],
        mut surveys: Surveys,
        known: BTreeMap<String, ValueType>,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Arc<Types>, Failure> {
        let mut survey = remap.new_survey();
        let mut unread = Vec::new();
        for (file, path) in files.iter().zip(paths) {
            match surveys.remove(&file.data_file_id) {
                Some(read) => survey.absorb(&read),
                None => unread.push(path.clone()),
            }
        }
        let (remap, cancelled) = (remap.clone(), cancelled.clone());
        tokio::task::spawn_blocking(move || {
            for path in &unread {
                rows(path, &cancelled, |row, _| {
                    remap.survey(&row, &mut survey);
                    Ok(())
                })?;
            }
            Ok(Arc::new(remap.types(&survey, &known)))
        })
        .await
        .map_err(Failure::internal)?
    }

    /// Second pass over one file.
    async fn apply_one(
        &self,
        file: &DataFile,
        path: &Path,
        remap: &Arc<Remap>,
        types: &Arc<Types>,
        change: &mut ChangeSet,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Outcome, Failure> {
        let (send, mut receive) = mpsc::channel(4);
        let work = Work {
            path: path.to_owned(),
            filename: file.filename.clone(),
            remap: remap.clone(),
            types: types.clone(),
            terms: self.ports.terms.clone(),
            rejects: self.ports.blobs.scratch().join(format!("rejects-{}", self.ports.random.uuid())),
            cancelled: cancelled.clone(),
            total: file.staged_count,
        };
        let working = tokio::task::spawn_blocking(move || work.run(&send));
        let mut shown = std::time::Instant::now();
        let mut staging = Ok(());
        while let Some(message) = receive.recv().await {
            match message {
                Message::Subjects(subjects) => {
                    staging = change.add(subjects).await;
                    if staging.is_err() {
                        break;
                    }
                }
                Message::Progress(done, total) if shown.elapsed() >= SHOW_EVERY => {
                    shown = std::time::Instant::now();
                    self.show_progress(&file.data_file_id, Progress { done, total }).await?;
                }
                Message::Progress(..) => {}
            }
        }
        drop(receive);
        let outcome = working.await.map_err(Failure::internal)?;
        staging?;
        outcome
    }

    /// Writes what was left out and remarked, then shows the file as done; answers the blobs it needs no longer.
    async fn close(&self, id: &DataFileId, types: &Types, outcome: Outcome) -> Result<Vec<String>, Failure> {
        let report = match outcome.rejects {
            Some(path) => Some(self.ports.blobs.put_file(path).await?),
            None => None,
        };
        let mut remarks = outcome.report.warnings();
        if !types.mixed().is_empty() {
            remarks.push(format!("attributes whose values have several types: {}", types.mixed().join(", ")));
        }
        self.finish_file(id, |file| {
            file.rejected += outcome.rejected;
            file.report = report.as_ref().map(|it| it.name().to_owned()).or(file.report.take());
            file.warnings.extend(remarks.iter().cloned());
        })
        .await
    }
}

/// What one file's second pass brought besides subjects.
struct Outcome {
    report: RemapReport,
    rejected: u64,
    rejects: Option<PathBuf>,
}

/// One file's second pass, on a blocking thread.
struct Work {
    path: PathBuf,
    filename: String,
    remap: Arc<Remap>,
    types: Arc<Types>,
    terms: Arc<dyn Terms>,
    rejects: PathBuf,
    cancelled: Arc<AtomicBool>,
    total: u64,
}

impl Work {
    fn run(self, send: &mpsc::Sender<Message>) -> Result<Outcome, Failure> {
        let mut report = self.remap.new_report();
        let mut rejects = Lazy::new(self.rejects);
        let most = Limits::default().max_rejects_reported;
        let (mut rejected, mut batch) = (0, Vec::new());
        let stopped = |_| Failure::Timeout("remapping".into());
        rows(&self.path, &self.cancelled, |row, number| {
            let subject = self.remap.apply(&row, &self.types, &*self.terms, &mut report, &mut |left| {
                rejected += 1;
                if rejected <= most {
                    rejects.line(&Reject {
                        file: self.filename.clone(),
                        row: number,
                        column: Some(left.column.to_owned()),
                        reason: left.reason.to_owned(),
                        value: Some(left.value),
                    });
                }
            });
            batch.push(subject);
            if batch.len() >= BATCH {
                send.blocking_send(Message::Subjects(std::mem::take(&mut batch))).map_err(stopped)?;
                // A full channel must not slow the work for the sake of a progress bar.
                let _dropped_when_busy = send.try_send(Message::Progress(number, self.total));
            }
            Ok(())
        })?;
        if !batch.is_empty() {
            send.blocking_send(Message::Subjects(batch)).map_err(stopped)?;
        }
        let rejects = rejects.finish().map_err(Failure::internal)?;
        Ok(Outcome { report, rejected, rejects })
    }
}

/// Goes through staged rows, numbered from 1.
fn rows(
    path: &Path,
    cancelled: &AtomicBool,
    mut see: impl FnMut(StagedRow, u64) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut staged = StagedReader::open(path)?;
    let mut number = 0;
    while let Some(row) = staged.next()? {
        number += 1;
        if number % LOOK == 0 && cancelled.load(Ordering::Relaxed) {
            return Err(Failure::Timeout("remapping".into()));
        }
        see(row, number)?;
    }
    Ok(())
}
