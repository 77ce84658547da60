//! From uploaded files to visible subjects: requests that enqueue, jobs that read, remap and commit (specification §7).

mod read;
mod remap;
mod sink;
mod staged;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::auth::{As, DataAdmin, Inside};
use super::commit::{Committer, Mode};
use super::{Failure, Live};
use crate::broker::{Job, JobState, NewJob, Queue};
use crate::domain::filter::Filter;
use crate::domain::ids::{DataFileId, JobId, PipelineId, SourceId};
use crate::domain::pipelines::Steps;
use crate::domain::sources::{DataFile, FileState, SourceType};
use crate::ingest::remap::TypeSurvey;
use crate::ports::Ports;

pub(super) use staged::StagedReader;

/// What kinds of values the attributes have in files that were read with the remap pipeline at hand.
type Surveys = HashMap<DataFileId, TypeSurvey>;

/// Files one request may name.
const MOST_FILES: usize = 100_000;

/// Reads files into sources.
#[derive(Debug, Clone)]
pub struct Ingest {
    ports: Ports,
    options: Live,
    committer: Committer,
}

/// What an ingest or remap job is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    source_id: SourceId,
    pipeline_id: PipelineId,
    data_file_ids: Vec<DataFileId>,
    #[serde(default)]
    mode: Mode,
    /// Also remap what gets staged, with this pipeline (our addition).
    #[serde(default)]
    remap_pipeline_id: Option<PipelineId>,
}

/// A request to process files of a source.
#[derive(Debug, Clone)]
pub struct Request {
    pub pipeline: PipelineId,
    pub files: Vec<DataFileId>,
    pub mode: Mode,
    /// Remap right after staging (our addition).
    pub then_remap: Option<PipelineId>,
}

impl Ingest {
    pub(super) fn new(ports: Ports, options: Live, committer: Committer) -> Self {
        Self { ports, options, committer }
    }

    /// Checks a request to read raw files, shows the files as `ingesting` and enqueues the job.
    pub async fn request(
        &self,
        _: &As<DataAdmin>,
        source: &SourceId,
        request: Request,
    ) -> Result<JobId, Failure> {
        self.check_pipeline(&request.pipeline, "filePipeline").await?;
        if let Some(remap) = &request.then_remap {
            self.check_pipeline(remap, "remapPipeline").await?;
        }
        let ready = [FileState::Uploaded, FileState::Staged, FileState::Failed];
        self.enqueue("ingest", source, request, &ready, FileState::Ingesting).await
    }

    /// Checks a request to turn staged rows into subjects and enqueues the job.
    pub async fn request_remap(
        &self,
        _: &As<DataAdmin>,
        source: &SourceId,
        request: Request,
    ) -> Result<JobId, Failure> {
        self.check_pipeline(&request.pipeline, "remapPipeline").await?;
        self.enqueue("remap", source, request, &[FileState::Staged], FileState::Remapping).await
    }

    async fn check_pipeline(&self, id: &PipelineId, wanted: &str) -> Result<(), Failure> {
        let found = self.ports.store.pipelines().get(id.as_str()).await?;
        let kind = match found.ok_or_else(|| Failure::not_found("pipeline", id.as_str()))?.steps {
            Steps::FilePipeline(_) => "filePipeline",
            Steps::RemapPipeline(_) => "remapPipeline",
        };
        if kind == wanted {
            Ok(())
        } else {
            Err(Failure::Invalid(format!("pipelineID: {id} is a {kind}, a {wanted} is needed here")))
        }
    }

    async fn enqueue(
        &self,
        kind: &str,
        source: &SourceId,
        mut request: Request,
        from: &[FileState],
        to: FileState,
    ) -> Result<JobId, Failure> {
        let Some(stored) = self.ports.store.sources().get(source.as_str()).await? else {
            return Err(Failure::not_found("source", source.as_str()));
        };
        if stored.source_type != SourceType::Internal {
            return Err(Failure::Unprocessable("only internal sources hold subjects here".into()));
        }
        if request.files.is_empty() || request.files.len() > MOST_FILES {
            return Err(Failure::Invalid(format!("dataFileIDs: name 1 to {MOST_FILES} files")));
        }
        let mut named = HashSet::new();
        request.files.retain(|id| named.insert(id.clone()));
        for id in &request.files {
            let file = self.ports.store.datafiles().get(id.as_str()).await?;
            let file = file
                .filter(|file| file.source_id == *source)
                .ok_or_else(|| Failure::not_found("data file of this source", id.as_str()))?;
            fits(&file, from)?;
        }
        let now = self.ports.clock.now();
        let mut taken = Vec::new();
        for id in &request.files {
            let mut was = to;
            let marked = self
                .ports
                .store
                .datafiles()
                .update(id.as_str(), |file| {
                    fits(file, from)?;
                    was = file.state;
                    file.state = to;
                    file.error = None;
                    file.rejected = 0;
                    file.warnings.clear();
                    file.progress = Default::default();
                    file.updated_at = Some(now);
                    Ok::<(), Failure>(())
                })
                .await;
            if let Err(failure) = marked {
                // Another request took the file meanwhile: all or none.
                self.give_back(taken, to).await?;
                return Err(failure);
            }
            taken.push((id.clone(), was));
        }
        let task = Task {
            source_id: source.clone(),
            pipeline_id: request.pipeline,
            data_file_ids: request.files,
            mode: request.mode,
            remap_pipeline_id: request.then_remap,
        };
        let job = NewJob {
            queue: Queue::DatabaseManager,
            kind: kind.into(),
            key: Some(source.to_string()),
            payload: json!(task),
        };
        match self.ports.broker.enqueue(job).await {
            Ok(id) => Ok(id),
            Err(error) => {
                self.give_back(taken, to).await?;
                Err(error.into())
            }
        }
    }

    /// Undoes a request that took only some of its files.
    async fn give_back(&self, taken: Vec<(DataFileId, FileState)>, from: FileState) -> Result<(), Failure> {
        for (id, was) in taken {
            self.ports
                .store
                .datafiles()
                .update(id.as_str(), |file| {
                    if file.state == from {
                        file.state = was;
                    }
                    Ok::<(), Failure>(())
                })
                .await?;
        }
        Ok(())
    }

    /// Shows files as failed that wait for a job that does not exist: the process ended before it was stored.
    pub async fn release_orphans(&self, _: &Inside) -> Result<usize, Failure> {
        const MOST_JOBS: usize = 10_000;
        let before = self.ports.clock.now() - chrono::TimeDelta::minutes(10);
        let mut waiting = Vec::new();
        for state in ["ingesting", "remapping"] {
            let busy = Filter::equals("state", state);
            waiting.extend(self.ports.store.datafiles().find(&busy).await?);
        }
        waiting.retain(|file| file.updated_at.is_some_and(|at| at < before));
        if waiting.is_empty() {
            return Ok(0);
        }
        let mut wanted = HashSet::new();
        // Twice running: a job may change from the one state to the other between two looks.
        for state in [JobState::Running, JobState::Waiting, JobState::Running] {
            let jobs = self.ports.broker.jobs(state, MOST_JOBS).await?;
            if jobs.len() >= MOST_JOBS {
                return Ok(0);
            }
            let tasks = jobs.into_iter().filter_map(|job| serde_json::from_value::<Task>(job.payload).ok());
            wanted.extend(tasks.flat_map(|task| task.data_file_ids));
        }
        waiting.retain(|file| !wanted.contains(&file.data_file_id));
        for file in &waiting {
            self.fail_file(&file.data_file_id, "the request was cut off; ask for the file again").await?;
        }
        Ok(waiting.len())
    }

    /// Runs an `ingest` job; `cancelled` stops it at the next row.
    pub async fn run(&self, _: &Inside, job: &Job, cancelled: Arc<AtomicBool>) -> Result<(), Failure> {
        let task: Task = serde_json::from_value(job.payload.clone()).map_err(Failure::internal)?;
        let remap = match &task.remap_pipeline_id {
            Some(pipeline) => Some(self.compiled(pipeline).await?),
            None => None,
        };
        let surveys = self.read_files(job, &task, remap.as_ref(), &cancelled).await?;
        let Some(pipeline) = task.remap_pipeline_id.clone() else { return Ok(()) };
        let staged = self.to_remap(&task).await?;
        if staged.is_empty() {
            return Ok(());
        }
        // What this job read straight into subjects is not replaced by what it remaps.
        let manifest = self.ports.store.subjects().manifest(&task.source_id).await?;
        let read = manifest.is_some_and(|m| m.made_by(job.job_id.as_str()));
        let mode = if read { Mode::Merge } else { task.mode };
        let task = Task { pipeline_id: pipeline, data_file_ids: staged, mode, ..task };
        let remap = Job {
            job_id: JobId::parse(format!("{}.remap", job.job_id)).map_err(Failure::internal)?,
            ..job.clone()
        };
        self.remap_files(&remap, &task, surveys, &cancelled).await
    }

    /// The files of a task that have staged rows, an interrupted attempt's included; shown as `remapping` from now on.
    async fn to_remap(&self, task: &Task) -> Result<Vec<DataFileId>, Failure> {
        let mut staged = Vec::new();
        for id in &task.data_file_ids {
            let file = self
                .ports
                .store
                .datafiles()
                .update(id.as_str(), |file| {
                    if file.state == FileState::Staged {
                        file.state = FileState::Remapping;
                    }
                    Ok::<(), Failure>(())
                })
                .await?;
            if file.is_some_and(|file| file.state == FileState::Remapping) {
                staged.push(id.clone());
            }
        }
        Ok(staged)
    }

    /// Runs a `remap` job.
    pub async fn run_remap(&self, _: &Inside, job: &Job, cancelled: Arc<AtomicBool>) -> Result<(), Failure> {
        let task: Task = serde_json::from_value(job.payload.clone()).map_err(Failure::internal)?;
        self.remap_files(job, &task, Surveys::new(), &cancelled).await
    }

    /// Runs an `index` job: maps diseases anew with the loaded terms, then rebuilds the index.
    pub async fn run_index(&self, inside: &Inside, job: &Job, source: &SourceId) -> Result<(), Failure> {
        if let super::commit::Begun::Open(mut change) =
            self.committer.begin(source, Mode::Merge, &job.job_id).await?
            && let Some(manifest) = self.ports.store.subjects().manifest(source).await?
        {
            let (mut after, mut changed) = (None::<String>, 0);
            loop {
                let subjects = self.ports.store.subjects();
                let page = subjects.scan(source, manifest.data_version, after.as_deref(), 2_000).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.subject_id.clone());
                let mapped: Vec<_> = page
                    .into_iter()
                    .filter_map(|mut s| self.committer.indices().map_diseases(&mut s).then_some(s))
                    .collect();
                changed += mapped.len();
                if !mapped.is_empty() {
                    change.add(mapped).await?;
                }
            }
            if changed > 0 {
                change.commit().await?;
                self.committer.settle(source).await?;
            }
        }
        self.committer.indices().rebuild(inside, source).await
    }

    /// Runs a nightly `refresh` job: what is published is made anew from the index, and the index itself only where it
    /// cannot be opened or was built with other terms than those loaded.
    pub async fn run_refresh(&self, inside: &Inside, job: &Job, source: &SourceId) -> Result<(), Failure> {
        match self.committer.indices().is_of_other_terms(source).await {
            Ok(false) => self.committer.indices().publish(source).await,
            Ok(true) | Err(_) => self.run_index(inside, job, source).await,
        }
    }

    /// Shows the files of jobs that ended without a verdict as failed; called when the broker gives a job up.
    pub async fn give_up(&self, _: &Inside, job: &Job, reason: &str) -> Result<(), Failure> {
        let Ok(task) = serde_json::from_value::<Task>(job.payload.clone()) else { return Ok(()) };
        let ended = job.updated_at.timestamp_millis();
        for id in &task.data_file_ids {
            let file = self.ports.store.datafiles().get(id.as_str()).await?;
            // A file that was asked for again after the job had ended is another job's.
            let asked_again = |f: &DataFile| f.updated_at.is_some_and(|at| at.timestamp_millis() > ended);
            if file.is_some_and(|f| job.state != JobState::Failed || !asked_again(&f)) {
                self.fail_file(id, reason).await?;
            }
        }
        Ok(())
    }

    async fn fail_file(&self, id: &DataFileId, reason: &str) -> Result<(), Failure> {
        let now = self.ports.clock.now();
        self.ports
            .store
            .datafiles()
            .update(id.as_str(), |file| {
                if matches!(file.state, FileState::Ingesting | FileState::Remapping) {
                    file.state = FileState::Failed;
                    file.error = Some(reason.to_owned());
                    file.updated_at = Some(now);
                }
                Ok::<(), Failure>(())
            })
            .await?;
        Ok(())
    }

    /// Marks a file as wholly processed; answers its raw bytes and staged rows, for the caller to release.
    async fn finish_file(
        &self,
        id: &DataFileId,
        change: impl Fn(&mut DataFile),
    ) -> Result<Vec<String>, Failure> {
        let found = self.ports.store.datafiles().get(id.as_str()).await?;
        let Some(before) = found else { return Ok(Vec::new()) };
        let now = self.ports.clock.now();
        self.ports
            .store
            .datafiles()
            .update(id.as_str(), |file| {
                change(file);
                file.state = FileState::Done;
                file.is_processed = true;
                file.blob = None;
                file.staged = None;
                file.updated_at = Some(now);
                Ok::<(), Failure>(())
            })
            .await?;
        Ok([before.blob, before.staged].into_iter().flatten().collect())
    }

    /// Deletes raw bytes and staged rows of files that failed longer ago than they are kept; answers how many files.
    pub async fn expire_raw(&self, _: &Inside) -> Result<usize, Failure> {
        let before = self.ports.clock.now() - self.options.now().raw_retention;
        let failed = Filter::equals("state", "failed");
        let (mut expired, mut blobs) = (0, Vec::new());
        for file in self.ports.store.datafiles().find(&failed).await? {
            let old = file.updated_at.unwrap_or(file.created_at) < before;
            if !old || (file.blob.is_none() && file.staged.is_none()) {
                continue;
            }
            self.ports
                .store
                .datafiles()
                .update(file.data_file_id.as_str(), |held| {
                    // Asked for again meanwhile, or not: only what is still failed loses its bytes.
                    if held.state == FileState::Failed {
                        held.blob = None;
                        held.staged = None;
                    }
                    Ok::<(), Failure>(())
                })
                .await?;
            blobs.extend([file.blob, file.staged].into_iter().flatten());
            expired += 1;
        }
        super::datafiles::release_blobs(&self.ports, blobs).await?;
        Ok(expired)
    }
}

fn fits(file: &DataFile, states: &[FileState]) -> Result<(), Failure> {
    if !states.contains(&file.state) {
        let wanted: Vec<String> = states
            .iter()
            .map(|s| {
                serde_json::to_value(s).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
            })
            .collect();
        let now = serde_json::to_value(file.state)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default();
        return Err(Failure::Conflict(format!(
            "data file {} is {now}; it must be {}",
            file.data_file_id,
            wanted.join(" or ")
        )));
    }
    if file.state == FileState::Failed && file.blob.is_none() {
        return Err(Failure::Conflict(format!(
            "the raw bytes of data file {} are gone; upload it again",
            file.data_file_id
        )));
    }
    Ok(())
}
