//! Subjects in generations over collections that no transaction joins.
//!
//! A source is one document of `manifests` (`source`): version, how far it is folded, its life. A subject of change n
//! lies in `changes.<source>.<n>.<slot>`, under its id; a folded one in `sources.<source>`, in the original's shape
//! plus `_c`, the change it comes from, and `_l`, the life of the source it belongs to. A document without them is the
//! original's: change 0 of whichever life. A source without a manifest is what the original left, version 0.
//!
//! What holds, whoever is slow or dies where:
//! 1. *Visible is what the manifest says.* A commit is one conditional write on it; so are the numbers of a fold.
//! 2. *Slots and lives are numbers given out once* (`numbers`). What a straggler writes into a change that was
//!    discarded, or into a source that was removed, lies under a slot or life nobody asks for any more.
//! 3. *A fold copies before it takes away.* It raises `level` first, from which on readers of every version look at
//!    least so far; it copies change n into the base; raises `folded` to n; and only then drops the change. So while
//!    `level` and `folded` stand still, all of the changes after `folded` are whole, and newest-first over them and the
//!    base is the version: it does not matter how much of them the base has already. A reader reads the manifest before
//!    and after, and once more if they moved (`read`): each answer is one version, missing and repeating nothing.
//! 4. *The base never goes back.* A copy is an upsert where `_c` is not greater, or of another life. A deletion is
//!    noted in `gone.<source>.<life>` before the subject is removed, so that a straggler's copy of an older change is
//!    not seen: a subject of the base older than its note does not exist.
//! 5. *What the domain does not know of a subject survives*: a copy sets the fields it has and removes those it knows.

mod fold;
mod layout;
mod read;
mod source;
mod stage;

use std::sync::Arc;

use async_trait::async_trait;

use super::{Base, carry_out};
use crate::domain::ids::SourceId;
use crate::domain::sources::Manifest;
use crate::domain::subjects::Subject;
use crate::store::{Change, StoreError, Subjects};

/// The subjects' half of the store.
#[derive(Debug)]
pub(super) struct MongoSubjects {
    base: Arc<Base>,
}

impl MongoSubjects {
    pub fn new(base: Arc<Base>) -> Self {
        Self { base }
    }
}

#[async_trait]
impl Subjects for MongoSubjects {
    async fn sources(&self) -> Result<Vec<SourceId>, StoreError> {
        source::all(&self.base).await
    }

    async fn adopted(&self, source: &SourceId) -> Result<bool, StoreError> {
        Ok(matches!(source::find(&self.base, source).await?, source::Found::Adopted))
    }

    async fn manifest(&self, source: &SourceId) -> Result<Option<Manifest>, StoreError> {
        source::find(&self.base, source)
            .await?
            .live()
            .map(|live| live.manifest())
            .transpose()
            .map(Option::flatten)
    }

    async fn stage(&self, source: &SourceId, n: u64, batch: Vec<Change>) -> Result<(), StoreError> {
        let (base, source) = (self.base.clone(), source.clone());
        carry_out(async move {
            let _turn = base.heavy().await?;
            stage::stage(&base, &source, n, batch).await
        })
        .await
    }

    async fn staged(&self, source: &SourceId, n: u64, ids: &[String]) -> Result<Vec<Subject>, StoreError> {
        read::staged(&self.base, source, n, ids).await
    }

    async fn scan_change(
        &self,
        source: &SourceId,
        n: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Change>, StoreError> {
        let _turn = self.base.heavy().await?;
        read::scan_change(&self.base, source, n, after, limit).await
    }

    async fn discard(&self, source: &SourceId, n: u64) -> Result<(), StoreError> {
        let (base, source) = (self.base.clone(), source.clone());
        carry_out(async move { stage::discard(&base, &source, n).await }).await
    }

    async fn commit(&self, expected: u64, manifest: &Manifest) -> Result<(), StoreError> {
        let (base, manifest) = (self.base.clone(), manifest.clone());
        carry_out(async move { source::commit(&base, expected, &manifest).await }).await
    }

    async fn fold(&self, source: &SourceId, n: u64) -> Result<(), StoreError> {
        let (base, source) = (self.base.clone(), source.clone());
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
        let _turn = self.base.heavy().await?;
        read::scan(&self.base, source, version, after, limit).await
    }

    async fn get_many(
        &self,
        source: &SourceId,
        version: u64,
        ids: &[String],
    ) -> Result<Vec<Subject>, StoreError> {
        read::get_many(&self.base, source, version, ids).await
    }

    async fn drop_source(&self, source: &SourceId) -> Result<(), StoreError> {
        let (base, source) = (self.base.clone(), source.clone());
        carry_out(async move { source::remove(&base, &source).await }).await
    }
}
