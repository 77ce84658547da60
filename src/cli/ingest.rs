//! `ingest FILE… --source NAME`: files into a source, with a progress bar and what was left out and why.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::Common;
use super::manage::source_named;
use super::output::Output;
use crate::appliance::applet::Service;
use crate::appliance::services::Beside;
use crate::appliance::wiring::Wired;
use crate::domain::ids::{DataFileId, JobId, PipelineId, SourceId};
use crate::domain::sources::{DataFile, FileState};
use crate::service::JobState;
use crate::service::auth::DataAdmin;
use crate::service::commit::Mode;
use crate::service::ingest::Request;

/// What to read, into which source, how.
#[derive(Debug, Args)]
pub struct Ingest {
    /// csv, tsv, xls, xlsx, json, phenopackets, vcf; also inside .gz, .zip, .tar.gz, .tar.xz
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Source by name; created if there is none of this name
    #[arg(long)]
    source: String,
    /// File pipeline by name or id; absent = the subject id of the format itself (phenopackets, vcf, subject documents)
    #[arg(long)]
    pipeline: Option<String>,
    /// Remap pipeline by name or id, for tables
    #[arg(long)]
    remap: Option<String>,
    /// Replace what the source holds instead of merging by subject id
    #[arg(long)]
    replace: bool,
}

/// How a run of files ended.
#[derive(Debug)]
pub struct Outcome {
    pub files: Vec<DataFile>,
    pub seconds: f64,
}

impl Ingest {
    /// Runs the command.
    pub async fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let (_, wired) = common.open().await?;
        let admin = wired.services.auth.operator::<DataAdmin>();
        let existing = wired.services.sources.list(&admin).await?;
        let source = match existing.into_iter().find(|s| s.source_name == self.source) {
            Some(source) => source.source_id,
            None => {
                output.say(&format!("making source {}", self.source));
                wired.services.sources.create(&admin, json!({"sourceName": self.source})).await?
            }
        };
        let pipeline = match &self.pipeline {
            Some(name) => pipeline_named(&wired, name).await?,
            None => default_pipeline(&wired).await?,
        };
        let remap = match &self.remap {
            Some(name) => Some(pipeline_named(&wired, name).await?),
            None => None,
        };
        let mode = if self.replace { Mode::Replace } else { Mode::Merge };
        let outcome = run_files(&wired, output, &source, &self.files, pipeline, remap, mode).await?;
        let total = source_named(&wired, source.as_str()).await?.record_index.record_count;
        report(output, &outcome, total)
    }
}

/// Uploads local files, ingests them and works until they are done.
pub async fn run_files(
    wired: &Wired,
    output: &Output,
    source: &SourceId,
    paths: &[PathBuf],
    pipeline: PipelineId,
    then_remap: Option<PipelineId>,
    mode: Mode,
) -> anyhow::Result<Outcome> {
    let admin = wired.services.auth.operator::<DataAdmin>();
    let started = Instant::now();
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().and_then(|n| n.to_str()).context("a file name that is not UTF-8")?;
        files.push(wired.services.uploads.put_local(&admin, source, name, path.clone()).await?);
    }
    let request = Request { pipeline, files: files.clone(), mode, then_remap };
    let job = wired.services.ingest.request(&admin, source, request).await?;
    follow(wired, output, &job, &files).await?;
    let mut ended = Vec::new();
    for id in &files {
        ended.push(wired.services.datafiles.one(&admin, id).await?);
    }
    Ok(Outcome { files: ended, seconds: started.elapsed().as_secs_f64() })
}

/// Works on the queue in this process until a job has ended, showing how far its files are.
async fn follow(wired: &Wired, output: &Output, job: &JobId, files: &[DataFileId]) -> anyhow::Result<()> {
    let admin = wired.services.auth.operator::<DataAdmin>();
    let working = Beside::start(Service::DatabaseManager, wired);
    let bar = if output.is_json() { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let style = "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  ETA {eta}  {msg}";
    bar.set_style(ProgressStyle::with_template(style)?);
    let ended = loop {
        let found = wired.services.broker().job(job).await?.context("the job is gone")?;
        if matches!(found.state, JobState::Done | JobState::Failed) {
            break found;
        }
        let (mut done, mut total) = (0, 0);
        for id in files.iter().take(100) {
            let file = wired.services.datafiles.one(&admin, id).await?;
            done += if file.state == FileState::Done { file.size } else { file.progress.done };
            total += file.size.max(file.progress.total);
        }
        bar.set_length(total);
        bar.set_position(done);
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    bar.finish_and_clear();
    working.stop().await?;
    match ended.state {
        JobState::Failed => bail!(ended.error.unwrap_or_else(|| "the job failed".into())),
        _ => Ok(()),
    }
}

/// Runs waiting jobs of the database manager in this process until none is left.
pub async fn drain_jobs(wired: &Wired) -> anyhow::Result<()> {
    let working = Beside::start(Service::DatabaseManager, wired);
    let broker = wired.services.broker();
    while !(broker.jobs(JobState::Waiting, 1).await?.is_empty()
        && broker.jobs(JobState::Running, 1).await?.is_empty())
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    working.stop().await
}

fn report(output: &Output, outcome: &Outcome, total: u64) -> anyhow::Result<()> {
    let failed: Vec<_> = outcome.files.iter().filter(|f| f.state == FileState::Failed).collect();
    let bytes: u64 = outcome.files.iter().map(|f| f.size).sum();
    let value = json!({
        "seconds": outcome.seconds, "bytes": bytes, "subjectsInSource": total,
        "files": outcome.files.iter().map(|f| json!({
            "dataFileId": f.data_file_id, "filename": f.filename, "state": f.state, "stagedCount": f.staged_count,
            "rejected": f.rejected, "warnings": f.warnings, "error": f.error,
        })).collect::<Vec<_>>(),
    });
    output.result(&value, || {
        let mut text = format!(
            "{} file(s), {:.1} MB in {:.1} s; the source now holds {total} subjects\n",
            outcome.files.len(),
            bytes as f64 / 1e6,
            outcome.seconds
        );
        for file in outcome.files.iter().take(50) {
            let state = json!(file.state);
            let state = state.as_str().unwrap_or_default();
            if file.rejected > 0
                || file.error.is_some()
                || !file.warnings.is_empty()
                || file.state != FileState::Done
            {
                text.push_str(&format!("\n{}: {state}\n", file.filename));
            }
            if file.state == FileState::Staged {
                text.push_str(&format!("  {} rows wait for a remap pipeline (--remap)\n", file.staged_count));
            }
            if file.rejected > 0 {
                text.push_str(&format!("  {} rows or values were left out\n", file.rejected));
            }
            for line in file.warnings.iter().chain(&file.error) {
                text.push_str(&format!("  {line}\n"));
            }
        }
        text
    })?;
    if failed.is_empty() { Ok(()) } else { bail!("{} file(s) could not be read", failed.len()) }
}

async fn pipeline_named(wired: &Wired, name: &str) -> anyhow::Result<PipelineId> {
    let admin = wired.services.auth.operator::<DataAdmin>();
    let all = wired.services.pipelines.list(&admin).await?;
    let found = all.into_iter().find(|p| p.pipeline_name == name || p.pipeline_id.as_str() == name);
    Ok(found
        .with_context(|| format!("there is no pipeline {name}; see `cv3-backend pipeline list`"))?
        .pipeline_id)
}

/// A pipeline for formats that say themselves who the subject is; made once.
pub async fn default_pipeline(wired: &Wired) -> anyhow::Result<PipelineId> {
    const NAME: &str = "Subjects as the file names them";
    let admin = wired.services.auth.operator::<DataAdmin>();
    let all = wired.services.pipelines.list(&admin).await?;
    if let Some(found) = all.into_iter().find(|p| p.pipeline_name == NAME) {
        return Ok(found.pipeline_id);
    }
    let body: Value = json!({
        "pipelineName": NAME, "pipelineType": "filePipeline", "grouping": "individual", "internalDelimiter": "",
        "subjectIdLocation": "attributeInFile", "attribute": "",
    });
    Ok(wired.services.pipelines.create(&admin, &body).await?)
}
