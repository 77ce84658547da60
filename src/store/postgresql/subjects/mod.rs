//! Subjects in generations, as a table of states per source: `(subject, change) -> body`, no body for a deletion.
//!
//! A source is a row of `subject_sources` (`source`) with its manifest, and its states are the table `subjects_<key>`; both
//! are made and removed in one transaction, and a key is never used again. So what a straggler still has to do for a
//! source that was removed meets neither, whoever makes a source of that name later.
//!
//! What holds, whoever is slow or dies where:
//! 1. *Visible is what the row says.* A reader of version v takes, of each subject, the newest state with
//!    `replaced_at <= change <= max(v, level)`, and never one beyond `data_version`. It reads row and states in one
//!    snapshot. So staged states are in the table and unseen, and a commit is one conditional write on the row.
//! 2. *The base is no table of its own*: states up to `level` are the base. A fold copies nothing. It raises the level,
//!    after which states that newer ones up to it hide are seen by no later snapshot, and removes these, then deletions
//!    that have nothing left to hide, then raises `folded`: a slice a transaction, in any order, any number of times.
//! 3. *Whoever changes states holds the row's lock*: staging, folding and removing of one source wait for each other,
//!    readers for nobody. A state is inserted and deleted, never updated, and neither touches committed states of
//!    others: staging only changes beyond `data_version`, which it looks at under the lock, and folding only those up
//!    to it.
//! 4. *Staged is durable* before the commit that makes it visible, which must not show a part of it after a crash.
//!
//! Removing a source is dropping its table. Replacing all of it leaves as many dead rows as it had, which autovacuum
//! frees for the next; the table grows to twice its size and not further.

mod fold;
mod read;
mod source;
mod stage;

use std::sync::Arc;

use async_trait::async_trait;

use super::carry_out;
use super::error::persist;
use super::sessions::Base;
use crate::domain::ids::SourceId;
use crate::domain::sources::Manifest;
use crate::domain::subjects::Subject;
use crate::store::{Change, StoreError, Subjects};
use source::integer;

/// The subjects' half of the store.
#[derive(Debug)]
pub(super) struct PostgresSubjects {
    base: Arc<Base>,
}

impl PostgresSubjects {
    pub fn new(base: Arc<Base>) -> Self {
        Self { base }
    }
}

#[async_trait]
impl Subjects for PostgresSubjects {
    async fn sources(&self) -> Result<Vec<SourceId>, StoreError> {
        source::all(&self.base).await
    }

    async fn manifest(&self, source: &SourceId) -> Result<Option<Manifest>, StoreError> {
        source::manifest(&self.base, source).await
    }

    async fn stage(&self, source: &SourceId, n: u64, batch: Vec<Change>) -> Result<(), StoreError> {
        let (base, source, n) = (self.base.clone(), source.clone(), integer(n)?);
        carry_out(async move {
            let _turn = base.heavy().await?;
            stage::stage(&base, &source, n, batch).await
        })
        .await
    }

    async fn staged(&self, source: &SourceId, n: u64, ids: &[String]) -> Result<Vec<Subject>, StoreError> {
        let n = integer(n)?;
        persist(|| read::staged(&self.base, source, n, ids)).await
    }

    async fn scan_change(
        &self,
        source: &SourceId,
        n: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Change>, StoreError> {
        let n = integer(n)?;
        let _turn = self.base.heavy().await?;
        persist(|| read::scan_change(&self.base, source, n, after, limit)).await
    }

    async fn discard(&self, source: &SourceId, n: u64) -> Result<(), StoreError> {
        let (base, source, n) = (self.base.clone(), source.clone(), integer(n)?);
        carry_out(async move {
            let _turn = base.heavy().await?;
            stage::discard(&base, &source, n).await
        })
        .await
    }

    async fn commit(&self, expected: u64, manifest: &Manifest) -> Result<(), StoreError> {
        let (base, manifest) = (self.base.clone(), manifest.clone());
        carry_out(async move { persist(|| source::commit(&base, expected, &manifest)).await }).await
    }

    async fn fold(&self, source: &SourceId, n: u64) -> Result<(), StoreError> {
        let (base, source, n) = (self.base.clone(), source.clone(), integer(n)?);
        carry_out(async move {
            let _turn = base.heavy().await?;
            fold::fold(&base, &source, n).await
        })
        .await
    }

    async fn scan(
        &self,
        source: &SourceId,
        version: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Subject>, StoreError> {
        let version = integer(version)?;
        let _turn = self.base.heavy().await?;
        persist(|| read::scan(&self.base, source, version, after, limit)).await
    }

    async fn get_many(
        &self,
        source: &SourceId,
        version: u64,
        ids: &[String],
    ) -> Result<Vec<Subject>, StoreError> {
        let version = integer(version)?;
        persist(|| read::get_many(&self.base, source, version, ids)).await
    }

    async fn drop_source(&self, source: &SourceId) -> Result<(), StoreError> {
        let (base, source) = (self.base.clone(), source.clone());
        carry_out(async move { persist(|| source::remove(&base, &source)).await }).await
    }
}
