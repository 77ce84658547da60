//! One change of a source from staged subjects to the visible version: nothing is seen before the one conditional
//! write of the manifest, everything after it (design: *Generations*).

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use serde::{Deserialize, Serialize};

use super::Failure;
use super::auth::Inside;
use super::indices::{Indices, Subjects};
use crate::domain::ids::{JobId, SourceId};
use crate::domain::sources::Manifest;
use crate::domain::subjects::Subject;
use crate::ingest::demographics;
use crate::ingest::merge::{MergeReport, absorb};
use crate::ports::Ports;
use crate::store::Change;

/// What happens to subjects the source has already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Upsert by subject id: union of lists, last value wins for single attributes.
    #[default]
    Merge,
    /// The source holds only what this change brings.
    Replace,
}

/// Opens changes.
#[derive(Debug, Clone)]
pub struct Committer {
    ports: Ports,
    indices: Indices,
}

/// A change that is being staged.
pub struct ChangeSet {
    ports: Ports,
    indices: Indices,
    source: SourceId,
    manifest: Manifest,
    mode: Mode,
    job: JobId,
    /// Hashes of the ids staged so far; a false hit only costs a look-up.
    staged: HashSet<u64>,
    hasher: RandomState,
    report: MergeReport,
    subjects: u64,
}

/// How a job finds the source.
pub enum Begun {
    Open(Box<ChangeSet>),
    /// This job committed before it was interrupted; only what follows a commit is left to do.
    Committed(Manifest),
}

impl Committer {
    pub(super) fn new(ports: Ports, indices: Indices) -> Self {
        Self { ports, indices }
    }

    /// Starts the next change of a source, forgetting what an interrupted attempt staged.
    pub(super) async fn begin(&self, source: &SourceId, mode: Mode, job: &JobId) -> Result<Begun, Failure> {
        let manifest = self.ports.store.subjects().manifest(source).await?;
        let manifest = manifest.unwrap_or_else(|| Manifest::empty(source.clone()));
        if manifest.made_by(job.as_str()) {
            return Ok(Begun::Committed(manifest));
        }
        self.ports.store.subjects().discard(source, manifest.data_version + 1).await?;
        Ok(Begun::Open(Box::new(ChangeSet {
            ports: self.ports.clone(),
            indices: self.indices.clone(),
            source: source.clone(),
            manifest,
            mode,
            job: job.clone(),
            staged: HashSet::new(),
            hasher: RandomState::new(),
            report: MergeReport::default(),
            subjects: 0,
        })))
    }

    /// What follows a commit; idempotent, so an interrupted job can do it again.
    pub(super) async fn settle(&self, source: &SourceId, inside: &Inside) -> Result<(), Failure> {
        self.indices.publish(source).await?;
        if let Some(manifest) = self.ports.store.subjects().manifest(source).await? {
            self.ports.store.subjects().fold(source, manifest.data_version).await?;
        }
        self.indices.compact(source, inside).await
    }

    /// The indices, for jobs that need no change.
    pub(super) fn indices(&self) -> &Indices {
        &self.indices
    }
}

impl ChangeSet {
    fn number(&self) -> u64 {
        self.manifest.data_version + 1
    }

    /// Stages subjects or pieces of subjects, merged with what the change and the source hold of them.
    pub(super) async fn add(&mut self, pieces: Vec<Subject>) -> Result<(), Failure> {
        let mut batch: BTreeMap<String, Subject> = BTreeMap::new();
        for piece in pieces {
            match batch.get_mut(&piece.subject_id) {
                Some(held) => absorb(held, piece, &mut self.report),
                None => {
                    batch.insert(piece.subject_id.clone(), piece);
                }
            }
        }
        let (mut seen, mut fresh) = (Vec::new(), Vec::new());
        for id in batch.keys() {
            let known = !self.staged.insert(self.hasher.hash_one(id));
            if known { seen.push(id.clone()) } else { fresh.push(id.clone()) }
        }
        let store = self.ports.store.subjects();
        let mut held = Vec::new();
        if !seen.is_empty() {
            held = store.staged(&self.source, self.number(), &seen).await?;
            let found: HashSet<&str> = held.iter().map(|s| s.subject_id.as_str()).collect();
            fresh.extend(seen.iter().filter(|id| !found.contains(id.as_str())).cloned());
        }
        if self.mode == Mode::Merge && self.manifest.data_version > 0 && !fresh.is_empty() {
            held.extend(store.get_many(&self.source, self.manifest.data_version, &fresh).await?);
        }
        for mut older in held {
            if let Some(newer) = batch.remove(&older.subject_id) {
                absorb(&mut older, newer, &mut self.report);
                batch.insert(older.subject_id.clone(), older);
            }
        }
        let changes: Vec<Change> = batch
            .into_values()
            .map(|mut subject| {
                demographics::resolve(&mut subject);
                Change::Upsert(subject)
            })
            .collect();
        self.subjects += changes.len() as u64;
        store.stage(&self.source, self.number(), changes).await?;
        Ok(())
    }

    /// What merging had to decide so far.
    pub(super) fn report(&self) -> &MergeReport {
        &self.report
    }

    /// Builds the change's index part and makes the new version the visible one.
    pub(super) async fn commit(self: Box<Self>) -> Result<Manifest, Failure> {
        let n = self.number();
        let part = self.indices.build_part(&self.source, &Subjects::Change(n), (n, n)).await?;
        let mut next = self.manifest.clone();
        next.data_version = n;
        if self.mode == Mode::Replace {
            next.parts.clear();
            next.replaced_at = n;
        }
        next.parts.push(part);
        next.record_count = self.indices.count(&next.parts).await?;
        next.note_job(self.job.as_str());
        self.ports.store.subjects().commit(self.manifest.data_version, &next).await?;
        self.indices.collect(&self.manifest.parts, &next).await?;
        Ok(next)
    }

    /// Forgets what was staged.
    pub(super) async fn abandon(self: Box<Self>) -> Result<(), Failure> {
        self.ports.store.subjects().discard(&self.source, self.number()).await?;
        Ok(())
    }
}
