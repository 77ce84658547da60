//! Durable data behind one door: documents by room, subjects by source.
//!
//! Lives here: the trait every storage engine implements, the rooms and their typed view.
//! Does not: SQL, BSON (the adapters' folders), decisions about the data (`service`).
//! To add a room: a variant of `Room` with its collection name and indexed fields, and an accessor in `rooms.rs`;
//! adapters need no change. To add an engine: a folder that passes `tests/store`.
//! No multi-document transactions: a standalone MongoDB has none.

pub mod error;
pub mod kept;
pub mod mongodb;
pub mod postgresql;
pub mod rooms;
pub mod sqlite;

use std::fmt::Debug;

use async_trait::async_trait;
use serde_json::Value;

use crate::domain::filter::Filter;
use crate::domain::ids::SourceId;
use crate::domain::sources::Manifest;
use crate::domain::subjects::Subject;
pub use error::StoreError;
pub use kept::Kept;
pub use rooms::{Collection, Room};

/// A storage engine.
#[async_trait]
pub trait Store: Send + Sync + Debug {
    /// Resources: one JSON document each.
    fn documents(&self) -> &dyn Documents;

    /// The subjects of internal sources.
    fn subjects(&self) -> &dyn Subjects;

    /// Whether the engine answers, in words if not; for readiness and `doctor`.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// A document with what is needed to replace it conditionally.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub id: String,
    /// Grows with every write of the document.
    pub revision: u64,
    pub body: Value,
}

/// Documents by room and id. "Absent" is `Ok(None)`, never an error.
#[async_trait]
pub trait Documents: Send + Sync + Debug {
    async fn get(&self, room: Room, id: &str) -> Result<Option<Stored>, StoreError>;

    /// Documents that meet the filter, in its order.
    async fn find(&self, room: Room, filter: &Filter) -> Result<Vec<Stored>, StoreError>;

    /// The revision of a document alone. No revision of a room is ever used twice for one id.
    async fn revision(&self, room: Room, id: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.get(room, id).await?.map(|stored| stored.revision))
    }

    /// Ids and revisions of the documents that meet the filter, in its order.
    async fn revisions(&self, room: Room, filter: &Filter) -> Result<Vec<(String, u64)>, StoreError> {
        let found = self.find(room, filter).await?;
        Ok(found.into_iter().map(|stored| (stored.id, stored.revision)).collect())
    }

    /// How many documents meet the filter's conditions (paging is ignored).
    async fn count(&self, room: Room, filter: &Filter) -> Result<u64, StoreError>;

    /// Adds a document; `Conflict` if the id (or a unique field of the room) is taken.
    async fn insert(&self, room: Room, id: &str, body: &Value) -> Result<(), StoreError>;

    /// Replaces a document if its revision is still the expected one, else `Conflict`; answers the new revision.
    async fn replace(&self, room: Room, id: &str, expected: u64, body: &Value) -> Result<u64, StoreError>;

    /// Writes a document whatever was there.
    async fn put(&self, room: Room, id: &str, body: &Value) -> Result<(), StoreError>;

    /// Removes a document; `false` if there was none.
    async fn delete(&self, room: Room, id: &str) -> Result<bool, StoreError>;

    /// Removes every document that meets the filter's conditions (order and paging are ignored); answers how many.
    async fn delete_where(&self, room: Room, filter: &Filter) -> Result<u64, StoreError>;
}

/// One subject of a change set.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all changes of a batch are upserts; boxing would cost each one"
)]
pub enum Change {
    /// The subject as it is from now on (already merged).
    Upsert(Subject),
    /// The subject is gone.
    Delete(String),
}

/// Subjects in generations (design: *Generations*): a base plus ordered, immutable changes; visible is what the
/// manifest says. A reader of version `v` sees, for each subject id, the newest of the changes `..=v`, else the base;
/// changes before `Manifest::replaced_at` and a base older than it count as absent.
#[async_trait]
pub trait Subjects: Send + Sync + Debug {
    /// The sources that subjects are staged for or committed to, in no particular order.
    async fn sources(&self) -> Result<Vec<SourceId>, StoreError>;

    /// Whether all there is of a source was left by the original, which nothing here has staged for or committed to.
    async fn adopted(&self, source: &SourceId) -> Result<bool, StoreError> {
        let _ = source;
        Ok(false)
    }

    /// The manifest of a source; a source nothing was committed to has none.
    async fn manifest(&self, source: &SourceId) -> Result<Option<Manifest>, StoreError>;

    /// Adds a batch to the not yet visible change `n` (at most some thousands at a time). The same subject staged twice: last wins.
    async fn stage(&self, source: &SourceId, n: u64, batch: Vec<Change>) -> Result<(), StoreError>;

    /// Those of the given subjects that are staged in the not yet committed change `n`.
    async fn staged(&self, source: &SourceId, n: u64, ids: &[String]) -> Result<Vec<Subject>, StoreError>;

    /// A page of change `n` itself, in byte order of `subjectId`, deletions included; for building its index part.
    async fn scan_change(
        &self,
        source: &SourceId,
        n: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Change>, StoreError>;

    /// Forgets what was staged as change `n`; refused (`Conflict`) once it is committed.
    async fn discard(&self, source: &SourceId, n: u64) -> Result<(), StoreError>;

    /// Makes a new manifest the visible one if the visible `data_version` is still `expected` (0: none), else `Conflict`.
    /// `folded` is kept from the stored manifest if that is further.
    async fn commit(&self, expected: u64, manifest: &Manifest) -> Result<(), StoreError>;

    /// Folds the committed changes up to `n` into the base, in bounded transactions, resumably and idempotently.
    async fn fold(&self, source: &SourceId, n: u64) -> Result<(), StoreError>;

    /// A page of the subjects of a version in byte order of `subjectId`, after the given id.
    async fn scan(
        &self,
        source: &SourceId,
        version: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Subject>, StoreError>;

    /// Those of the given subjects that exist in the version, in no particular order.
    async fn get_many(
        &self,
        source: &SourceId,
        version: u64,
        ids: &[String],
    ) -> Result<Vec<Subject>, StoreError>;

    /// Removes everything of a source, manifest included.
    async fn drop_source(&self, source: &SourceId) -> Result<(), StoreError>;
}
