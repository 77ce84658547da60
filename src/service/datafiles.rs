//! Uploaded files: listed with their state, sampled, reported on, removed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Failure;
use super::auth::{As, DataAdmin, Inside};
use super::ingest::StagedReader;
use crate::domain::filter::Filter;
use crate::domain::ids::{DataFileId, SourceId};
use crate::domain::sources::{DataFile, FileState};
use crate::ports::Ports;

/// Staged rows a sample shows (specification §7.1).
const SAMPLE_ROWS: usize = 20;

/// Reads and removes data files.
#[derive(Debug, Clone)]
pub struct DataFiles {
    ports: Ports,
}

impl DataFiles {
    pub(super) fn new(ports: Ports) -> Self {
        Self { ports }
    }

    /// The files of a source, newest first; `all` includes those fully processed.
    pub async fn of_source(
        &self,
        _: &As<DataAdmin>,
        id: &SourceId,
        all: bool,
    ) -> Result<Vec<DataFile>, Failure> {
        if self.ports.store.sources().get(id.as_str()).await?.is_none() {
            return Err(Failure::not_found("source", id.as_str()));
        }
        let filter = Filter::equals("sourceId", id.as_str()).newest_first("createdAt");
        let files = self.ports.store.datafiles().find(&filter).await?;
        Ok(files.into_iter().filter(|f| all || !f.is_processed).collect())
    }

    /// One file.
    pub async fn one(&self, _: &As<DataAdmin>, id: &DataFileId) -> Result<DataFile, Failure> {
        let found = self.ports.store.datafiles().get(id.as_str()).await?;
        found.ok_or_else(|| Failure::not_found("data file", id.as_str()))
    }

    /// Removes a file with its staged rows; refused while a job works on it.
    pub async fn delete(&self, admin: &As<DataAdmin>, id: &DataFileId) -> Result<(), Failure> {
        let file = self.one(admin, id).await?;
        if matches!(file.state, FileState::Ingesting | FileState::Remapping) {
            return Err(Failure::Conflict(
                "the file is being processed; wait until it is done or failed".into(),
            ));
        }
        self.ports.store.datafiles().delete(id.as_str()).await?;
        release_blobs(&self.ports, [file.blob, file.staged, file.report].into_iter().flatten().collect())
            .await
    }

    /// The first staged rows.
    pub async fn sample(&self, admin: &As<DataAdmin>, id: &DataFileId) -> Result<Vec<Value>, Failure> {
        let file = self.one(admin, id).await?;
        let Some(staged) = file.staged else { return Ok(Vec::new()) };
        let Some(path) = self.ports.blobs.open(&staged).await? else { return Ok(Vec::new()) };
        tokio::task::spawn_blocking(move || {
            let mut staged = StagedReader::open(&path)?;
            let rows = std::iter::from_fn(|| staged.next().transpose()).take(SAMPLE_ROWS);
            rows.map(|row| {
                let row = row?;
                let columns = row.columns.into_iter().map(|(name, value)| (name.to_string(), value));
                let subject = [("subjectId".to_owned(), Value::from(row.subject_id))];
                Ok(Value::Object(subject.into_iter().chain(columns).collect()))
            })
            .collect()
        })
        .await
        .map_err(Failure::internal)?
    }

    /// The report of rejected rows as JSON lines; `None` = nothing was rejected.
    pub async fn report(&self, admin: &As<DataAdmin>, id: &DataFileId) -> Result<Option<Vec<u8>>, Failure> {
        let file = self.one(admin, id).await?;
        let Some(report) = file.report else { return Ok(None) };
        let Some(path) = self.ports.blobs.open(&report).await? else { return Ok(None) };
        tokio::fs::read(path).await.map(Some).map_err(Failure::internal)
    }
}

impl DataFiles {
    /// Removes blobs that nothing names: what a crash between storing and naming, or between the end of a name and
    /// the deletion, left behind.
    pub async fn collect(&self, _: &Inside) -> Result<u64, Failure> {
        let mut nameless = self.ports.blobs.list().await?;
        let named = named(&self.ports).await?;
        nameless.retain(|blob| !named.contains(blob));
        delete_nameless(&self.ports, nameless).await
    }
}

/// Deletes those blobs that nothing names: the same content may be another file's, upload's or source's index part.
/// What named them is gone before, so that a crash in between leaves no name without a blob.
pub(super) async fn release_blobs(ports: &Ports, blobs: Vec<String>) -> Result<(), Failure> {
    delete_nameless(ports, blobs).await.map(|_| ())
}

/// Names are looked for after the blobs are condemned: who stored one of them before has named it by then, and who
/// wants to store one of them now waits for us.
async fn delete_nameless(ports: &Ports, blobs: Vec<String>) -> Result<u64, Failure> {
    let mut removed = 0;
    for some in blobs.chunks(CONDEMNED_AT_ONCE) {
        let mut condemned = Vec::new();
        for blob in some {
            condemned.extend(ports.blobs.condemn(blob).await?);
        }
        if condemned.is_empty() {
            continue;
        }
        let named = named(ports).await?;
        condemned.retain(|blob| !named.contains(blob.name()));
        for blob in condemned {
            removed += u64::from(blob.delete().await?);
        }
    }
    Ok(removed)
}

/// Each may be an open file.
const CONDEMNED_AT_ONCE: usize = 128;

/// Every blob that an upload under way, a file or a manifest names. Uploads come first: a chunk that becomes a file
/// while we look is named by the file before the upload ends.
async fn named(ports: &Ports) -> Result<BTreeSet<String>, Failure> {
    let mut named = BTreeSet::new();
    for upload in ports.store.uploads().find(&Filter::all()).await? {
        if upload.get("done").and_then(Value::as_bool) != Some(true) {
            named.extend(chunks(&upload));
        }
    }
    for file in ports.store.datafiles().find(&Filter::all()).await? {
        named.extend([file.blob, file.staged, file.report].into_iter().flatten());
    }
    for source in ports.store.sources().find(&Filter::all()).await? {
        let manifest = ports.store.subjects().manifest(&source.source_id).await?;
        named.extend(manifest.into_iter().flat_map(|m| m.parts).map(|part| part.blob));
    }
    Ok(named)
}

/// The blobs of an upload's chunks.
pub(super) fn chunks(upload: &Value) -> Vec<String> {
    let chunks = upload.get("chunks").and_then(Value::as_object).into_iter().flatten();
    chunks.filter_map(|(_, chunk)| chunk.get(0)?.as_str().map(str::to_owned)).collect()
}
