//! One change of a source from staged subjects to the visible version: nothing is seen before the one conditional
//! write of the manifest, everything after it (design: *Generations*).

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::Failure;
use super::indices::{Indices, PART_SUBJECTS, Written};
use crate::domain::ids::{JobId, SourceId};
use crate::domain::sources::Manifest;
use crate::domain::subjects::Subject;
use crate::engine::{PartBuilder, PartError};
use crate::ingest::demographics;
use crate::ingest::merge::{MergeReport, absorb};
use crate::ports::Ports;
use crate::store::Change;

/// Batches that may be under way at a time: one is written while the next is indexed.
const MOST_UNDER_WAY: usize = 2;

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
    /// Collects the index of what is staged meanwhile.
    builder: Arc<Mutex<PartBuilder>>,
    /// Index parts that are full, in the order their subjects came.
    parts: Vec<Written>,
    /// Batches on their way into the index and the store; no two of them have a subject in common.
    under_way: VecDeque<JoinHandle<Result<(), Failure>>>,
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
        // What another program left is the version that this change is made to.
        self.indices.adopt(source).await?;
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
            builder: Arc::new(Mutex::new(self.indices.builder())),
            parts: Vec::new(),
            under_way: VecDeque::new(),
        })))
    }

    /// What follows a commit; idempotent, so an interrupted job can do it again.
    pub(super) async fn settle(&self, source: &SourceId) -> Result<(), Failure> {
        self.indices.publish(source).await?;
        if let Some(manifest) = self.ports.store.subjects().manifest(source).await? {
            self.ports.store.subjects().fold(source, manifest.data_version).await?;
        }
        self.indices.compact(source).await
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
        let mut held = Vec::new();
        if !seen.is_empty() {
            self.arrived().await?;
            held = self.ports.store.subjects().staged(&self.source, self.number(), &seen).await?;
            let found: HashSet<&str> = held.iter().map(|s| s.subject_id.as_str()).collect();
            fresh.extend(seen.iter().filter(|id| !found.contains(id.as_str())).cloned());
        }
        if self.mode == Mode::Merge && self.manifest.data_version > 0 && !fresh.is_empty() {
            let store = self.ports.store.subjects();
            held.extend(store.get_many(&self.source, self.manifest.data_version, &fresh).await?);
        }
        for mut older in held {
            if let Some(newer) = batch.remove(&older.subject_id) {
                absorb(&mut older, newer, &mut self.report);
                batch.insert(older.subject_id.clone(), older);
            }
        }
        self.send(batch.into_values().collect()).await
    }

    /// Hands merged subjects over to the index and the store and goes on while they are written.
    async fn send(&mut self, mut subjects: Vec<Subject>) -> Result<(), Failure> {
        while self.under_way.len() >= MOST_UNDER_WAY
            && let Some(oldest) = self.under_way.pop_front()
        {
            oldest.await.map_err(Failure::internal)??;
        }
        let (builder, ports) = (self.builder.clone(), self.ports.clone());
        let (source, number) = (self.source.clone(), self.number());
        self.under_way.push_back(tokio::spawn(async move {
            let indexed = tokio::task::spawn_blocking(move || {
                subjects.iter_mut().for_each(demographics::resolve);
                let mut builder = builder.lock().unwrap_or_else(PoisonError::into_inner);
                subjects.iter().try_for_each(|subject| builder.add(subject))?;
                Ok::<_, PartError>(subjects.into_iter().map(Change::Upsert).collect())
            });
            let changes = indexed.await.map_err(Failure::internal)?.map_err(Failure::internal)?;
            Ok(ports.store.subjects().stage(&source, number, changes).await?)
        }));
        let full = self.builder.lock().unwrap_or_else(PoisonError::into_inner).added() >= PART_SUBJECTS;
        if full { self.close_part().await } else { Ok(()) }
    }

    /// Waits until everything sent is staged.
    async fn arrived(&mut self) -> Result<(), Failure> {
        let mut outcome = Ok(());
        while let Some(next) = self.under_way.pop_front() {
            let staged = next.await.map_err(Failure::internal).and_then(|staged| staged);
            outcome = outcome.and(staged);
        }
        outcome
    }

    /// Writes what the index has collected as a part.
    async fn close_part(&mut self) -> Result<(), Failure> {
        self.arrived().await?;
        let builder = std::mem::replace(
            &mut *self.builder.lock().unwrap_or_else(PoisonError::into_inner),
            self.indices.builder(),
        );
        self.parts.push(self.indices.write_part(|out| builder.finish(out)).await?);
        Ok(())
    }

    /// What merging had to decide so far.
    pub(super) fn report(&self) -> &MergeReport {
        &self.report
    }

    /// Makes the new version, with its index, the visible one.
    pub(super) async fn commit(mut self: Box<Self>) -> Result<Manifest, Failure> {
        self.close_part().await?;
        let n = self.number();
        let mut next = self.manifest.clone();
        next.data_version = n;
        if self.mode == Mode::Replace {
            next.parts.clear();
            next.replaced_at = n;
        }
        let mut held = Vec::new();
        for written in std::mem::take(&mut self.parts) {
            let (part, stored) = self.indices.store_part(written, (n, n)).await?;
            next.parts.push(part);
            held.push(stored);
        }
        let surveyed = self.indices.survey(&self.source, &next.parts).await?;
        surveyed.describe(&mut next);
        next.note_job(self.job.as_str());
        self.ports.store.subjects().commit(self.manifest.data_version, &next).await?;
        drop(held);
        self.indices.keep(&next, surveyed);
        self.indices.collect(&self.manifest.parts, &next).await?;
        Ok(next)
    }

    /// Forgets what was staged.
    pub(super) async fn abandon(mut self: Box<Self>) -> Result<(), Failure> {
        // Whatever became of it: it is forgotten.
        let _failed = self.arrived().await;
        self.ports.store.subjects().discard(&self.source, self.number()).await?;
        Ok(())
    }

    /// Leaves what was staged to another attempt, which has begun or will; nothing more is written after this.
    pub(super) async fn leave(mut self: Box<Self>) {
        let _failed = self.arrived().await;
    }
}
