//! The `ingest` job: raw files to staged rows, or straight to subjects where the format says what is what.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::sink::{FileSink, Message, sentence};
use super::{Ingest, Surveys, Task};
use crate::broker::Job;
use crate::domain::error::{Kind, Kinded};
use crate::domain::ids::{DataFileId, SourceId};
use crate::domain::pipelines::{FilePipeline, Steps};
use crate::domain::sources::{DataFile, FileState, Progress};
use crate::ingest::remap::Remap;
use crate::ingest::{self, IngestError, Input, Limits, Summary};
use crate::service::Failure;
use crate::service::commit::{Begun, ChangeSet, Mode};

/// How often progress is written to the data file.
pub(super) const SHOW_EVERY: std::time::Duration = std::time::Duration::from_millis(500);

/// What one file brought besides subjects.
struct Found {
    summary: Summary,
    sink: FileSink,
}

impl Ingest {
    /// Reads all files of a task into one change, or into staged rows where a remap pipeline says what is what.
    ///
    /// A file that cannot be read to its end brings nothing: what it had given so far is forgotten, it is shown as
    /// failed and the others are read again without it.
    pub(super) async fn read_files(
        &self,
        job: &Job,
        task: &Task,
        remap: Option<&Arc<Remap>>,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Surveys, Failure> {
        let pipeline =
            match self.ports.store.pipelines().get(task.pipeline_id.as_str()).await?.map(|p| p.steps) {
                Some(Steps::FilePipeline(pipeline)) => Arc::new(pipeline),
                _ => {
                    self.fail_all(task, "the pipeline was removed before the file was read").await?;
                    return Ok(Surveys::new());
                }
            };
        let mut files = Vec::new();
        for id in &task.data_file_ids {
            if let Some(file) = self.ports.store.datafiles().get(id.as_str()).await? {
                match file.state {
                    FileState::Ingesting => files.push(file),
                    // An attempt that was interrupted had found it.
                    FileState::Failed if task.mode == Mode::Replace => {
                        return self.replace_nothing(task, &file.filename).await;
                    }
                    _ => {}
                }
            }
        }
        'again: loop {
            let change = match self.committer.begin(&task.source_id, task.mode, &job.job_id).await? {
                Begun::Open(change) => change,
                Begun::Committed(_) => {
                    self.committer.settle(&task.source_id).await?;
                    self.after_commit(&files).await?;
                    return Ok(Surveys::new());
                }
            };
            let mut change = change;
            let mut subjects = 0;
            let (mut read, mut surveys) = (Vec::new(), Surveys::new());
            for (index, file) in files.iter().enumerate() {
                match self.read_one(file, &task.source_id, &pipeline, remap, &mut change, cancelled).await {
                    Ok(mut found) => {
                        subjects += found.summary.subjects;
                        let survey = found.sink.survey.take().map(|(_, survey)| survey);
                        surveys.extend(survey.map(|survey| (file.data_file_id.clone(), survey)));
                        read.push(self.keep(file, found).await?);
                    }
                    // Nothing is forgotten here: where the lease was lost, another attempt stages the same change.
                    Err(failure)
                        if cancelled.load(Ordering::Relaxed) || failure.kind() == Kind::Unavailable =>
                    {
                        change.leave().await;
                        return Err(failure);
                    }
                    Err(failure) => {
                        self.fail_file(&file.data_file_id, &failure.to_string()).await?;
                        change.abandon().await?;
                        if task.mode == Mode::Replace {
                            return self.replace_nothing(task, &file.filename).await;
                        }
                        files.remove(index);
                        continue 'again;
                    }
                }
            }
            if files.is_empty() {
                return Ok(surveys);
            }
            if cancelled.load(Ordering::Relaxed) {
                change.leave().await;
                return Err(Failure::Timeout("ingestion".into()));
            }
            if subjects > 0 {
                let report = *change.report();
                change.commit().await?;
                for id in &read {
                    self.note_merges(id, &report).await?;
                }
                self.committer.settle(&task.source_id).await?;
            } else {
                change.abandon().await?;
            }
            self.after_commit(&files).await?;
            return Ok(surveys);
        }
    }

    /// A source that is to hold these files instead of what it holds stays as it is if one of them cannot be read.
    async fn replace_nothing(&self, task: &Task, filename: &str) -> Result<Surveys, Failure> {
        let reason = format!("nothing was replaced, because {filename} could not be read");
        self.fail_all(task, &reason).await?;
        Ok(Surveys::new())
    }

    async fn fail_all(&self, task: &Task, reason: &str) -> Result<(), Failure> {
        for id in &task.data_file_ids {
            self.fail_file(id, reason).await?;
        }
        Ok(())
    }

    /// Files with staged rows wait for remapping; the others are done.
    async fn after_commit(&self, files: &[DataFile]) -> Result<(), Failure> {
        let now = self.ports.clock.now();
        let mut gone = Vec::new();
        for file in files {
            let id = &file.data_file_id;
            let has_rows =
                self.ports.store.datafiles().get(id.as_str()).await?.is_some_and(|f| f.staged.is_some());
            if !has_rows {
                gone.extend(self.finish_file(id, |_| ()).await?);
                continue;
            }
            self.ports
                .store
                .datafiles()
                .update(id.as_str(), |file| {
                    file.state = FileState::Staged;
                    file.progress = Progress { done: file.staged_count, total: file.staged_count };
                    file.updated_at = Some(now);
                    Ok::<(), Failure>(())
                })
                .await?;
        }
        crate::service::datafiles::release_blobs(&self.ports, gone).await
    }

    /// Reads one file on a blocking thread, staging its subjects as they come.
    async fn read_one(
        &self,
        file: &DataFile,
        source: &SourceId,
        pipeline: &Arc<FilePipeline>,
        remap: Option<&Arc<Remap>>,
        change: &mut ChangeSet,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Found, Failure> {
        let gone = || Failure::Unprocessable("the uploaded bytes are gone; upload the file again".into());
        let path = self.ports.blobs.open(file.blob.as_deref().ok_or_else(gone)?).await?.ok_or_else(gone)?;
        let (send, mut receive) = mpsc::channel(4);
        let reader = Reader {
            ingest: self.clone(),
            path,
            filename: file.filename.clone(),
            source: source.clone(),
            pipeline: pipeline.clone(),
            cancelled: cancelled.clone(),
            runtime: tokio::runtime::Handle::current(),
        };
        let name = self.ports.random.uuid().to_string();
        let sink = FileSink::new(self.ports.blobs.scratch(), &name, remap.cloned(), send);
        let reading = tokio::task::spawn_blocking(move || reader.read(sink));
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
        let found = reading.await.map_err(Failure::internal)?;
        staging?;
        found
    }

    pub(super) async fn show_progress(&self, id: &DataFileId, progress: Progress) -> Result<(), Failure> {
        self.ports
            .store
            .datafiles()
            .update(id.as_str(), |file| {
                file.progress = progress;
                Ok::<(), Failure>(())
            })
            .await?;
        Ok(())
    }

    /// Stores staged rows, the reject report and remarks of a file that was read to its end.
    async fn keep(&self, file: &DataFile, found: Found) -> Result<DataFileId, Failure> {
        let Found { summary, sink } = found;
        let staged_rows = sink.staged_rows;
        let columns = sink.columns();
        let (warnings, labels) = (sink.warnings, sink.labels);
        let staged = match sink.staged.finish().map_err(Failure::internal)? {
            Some(path) => Some(self.ports.blobs.put_file(path).await?),
            None => None,
        };
        let report = match sink.rejects.finish().map_err(Failure::internal)? {
            Some(path) => Some(self.ports.blobs.put_file(path).await?),
            None => None,
        };
        self.ports
            .store
            .datafiles()
            .update(file.data_file_id.as_str(), |file| {
                file.staged_count = staged_rows;
                file.rejected = summary.rejected;
                file.columns.clone_from(&columns);
                file.warnings = warnings.iter().map(sentence).collect();
                file.staged = staged.as_ref().map(|it| it.name().to_owned());
                file.report = report.as_ref().map(|it| it.name().to_owned());
                Ok::<(), Failure>(())
            })
            .await?;
        if !labels.is_empty() {
            self.ports
                .store
                .sources()
                .update(file.source_id.as_str(), |source| {
                    source.value_labels.extend(labels.clone());
                    Ok::<(), Failure>(())
                })
                .await?;
        }
        Ok(file.data_file_id.clone())
    }

    /// Adds what merging decided to a file's remarks.
    pub(super) async fn note_merges(
        &self,
        id: &DataFileId,
        report: &ingest::merge::MergeReport,
    ) -> Result<(), Failure> {
        if report.contradictions == 0 {
            return Ok(());
        }
        let line = format!("terms both present and excluded, kept as present ({})", report.contradictions);
        self.ports
            .store
            .datafiles()
            .update(id.as_str(), |file| {
                if !file.warnings.contains(&line) {
                    file.warnings.push(line.clone());
                }
                Ok::<(), Failure>(())
            })
            .await?;
        Ok(())
    }

    /// The highest number in use after a batch prefix: handed out earlier, or found among the subjects.
    async fn highest_number(&self, source: &SourceId, prefix: &str) -> Result<u64, Failure> {
        let handed = self.ports.store.sources().get(source.as_str()).await?;
        let mut highest = handed.and_then(|s| s.batch_numbers.get(prefix).copied()).unwrap_or(0);
        let Some(manifest) = self.ports.store.subjects().manifest(source).await? else { return Ok(highest) };
        let mut after = prefix.to_owned();
        loop {
            let page =
                self.ports.store.subjects().scan(source, manifest.data_version, Some(&after), 2_000).await?;
            let Some(last) = page.last() else { return Ok(highest) };
            after.clone_from(&last.subject_id);
            for subject in &page {
                let Some(number) = subject.subject_id.strip_prefix(prefix) else { return Ok(highest) };
                highest = highest.max(number.parse().unwrap_or(0));
            }
        }
    }

    async fn remember_number(&self, source: &SourceId, prefix: &str, number: u64) -> Result<(), Failure> {
        self.ports
            .store
            .sources()
            .update(source.as_str(), |source| {
                let held = source.batch_numbers.entry(prefix.to_owned()).or_default();
                *held = (*held).max(number);
                Ok::<(), Failure>(())
            })
            .await?;
        Ok(())
    }
}

/// One file on its way through a blocking thread.
struct Reader {
    ingest: Ingest,
    path: PathBuf,
    filename: String,
    source: SourceId,
    pipeline: Arc<FilePipeline>,
    cancelled: Arc<AtomicBool>,
    runtime: tokio::runtime::Handle,
}

impl Reader {
    fn read(self, mut sink: FileSink) -> Result<Found, Failure> {
        abort_if_asked(&self.filename);
        let failed = std::cell::RefCell::new(None);
        let next_number = |prefix: &str| {
            self.runtime.block_on(self.ingest.highest_number(&self.source, prefix)).unwrap_or_else(
                |failure| {
                    *failed.borrow_mut() = Some(failure);
                    0
                },
            )
        };
        let input = Input {
            path: &self.path,
            filename: &self.filename,
            source: &self.source,
            pipeline: &self.pipeline,
            limits: &Limits::default(),
            next_number: &next_number,
            terms: &*self.ingest.ports.terms,
            random: &*self.ingest.ports.random,
            cancelled: &|| self.cancelled.load(Ordering::Relaxed),
        };
        let summary = ingest::read(&input, &mut sink)
            .and_then(|summary| sink.flush().map(|()| summary).map_err(IngestError::from))
            .map_err(|e| Failure::Unprocessable(e.to_string()));
        sink.close();
        let summary = summary?;
        if let Some(failure) = failed.into_inner() {
            return Err(failure);
        }
        if let crate::domain::pipelines::SubjectIdRule::AssignPerBatch { prefix, .. } =
            &self.pipeline.subject_id
            && let Some(number) = summary.last_number
        {
            self.runtime.block_on(self.ingest.remember_number(&self.source, prefix, number))?;
        }
        Ok(Found { summary, sink })
    }
}

/// Lets the tests kill the process while it parses a file; never in a release build.
fn abort_if_asked(filename: &str) {
    if cfg!(debug_assertions) && std::env::var("CV3_FAULT_ABORT_ON_FILE").is_ok_and(|name| name == filename) {
        std::process::abort();
    }
}
