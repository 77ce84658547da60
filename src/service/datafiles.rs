//! Uploaded files: listed with their state, sampled, reported on, removed.

use std::collections::BTreeSet;
use std::time::Duration;

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
    /// Removes blobs that nothing has named for a whole round: what a crash between storing and naming left behind.
    /// A blob is deleted only when an earlier round, too, found it without a name.
    pub async fn collect(&self, _: &Inside) -> Result<u64, Failure> {
        // Listed first: what is named while we look is found among the names.
        let listed = self.ports.blobs.list().await?;
        let named = named(&self.ports).await?;
        let nameless: Vec<String> = listed.into_iter().filter(|blob| !named.contains(blob)).collect();
        let earlier = self.ports.broker.cache_get(NAMELESS).await?.unwrap_or_default();
        let earlier: BTreeSet<String> = serde_json::from_slice(&earlier).unwrap_or_default();
        let mut removed = 0;
        for blob in nameless.iter().filter(|blob| earlier.contains(*blob)) {
            removed += u64::from(self.ports.blobs.delete(blob).await?);
        }
        let listed = serde_json::to_vec(&nameless).map_err(Failure::internal)?;
        self.ports.broker.cache_put(NAMELESS, &listed, Duration::from_secs(86_400)).await?;
        Ok(removed)
    }
}

/// Where a round notes the blobs it found without a name.
const NAMELESS: &str = "blobs:nameless";

/// Deletes those blobs that nothing names: the same content may be another file's, upload's or source's index part.
/// What named them is gone before, so that a crash in between leaves no name without a blob.
pub(super) async fn release_blobs(ports: &Ports, blobs: Vec<String>) -> Result<(), Failure> {
    if blobs.is_empty() {
        return Ok(());
    }
    let named = named(ports).await?;
    for blob in blobs.iter().filter(|blob| !named.contains(*blob)) {
        ports.blobs.delete(blob).await?;
    }
    Ok(())
}

/// Every blob that a file, an upload under way or a manifest names.
async fn named(ports: &Ports) -> Result<BTreeSet<String>, Failure> {
    let mut named = BTreeSet::new();
    for file in ports.store.datafiles().find(&Filter::all()).await? {
        named.extend([file.blob, file.staged, file.report].into_iter().flatten());
    }
    for upload in ports.store.uploads().find(&Filter::all()).await? {
        if upload.get("done").and_then(Value::as_bool) != Some(true) {
            named.extend(chunks(&upload));
        }
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
