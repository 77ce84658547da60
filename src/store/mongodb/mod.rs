//! MongoDB as the store: the original's collections and field names, adopted as they are found.
//!
//! Lives here: the connection (`connect`), values as MongoDB holds them (`value`, `body`), the two halves of the trait
//! (`documents`, `subjects`), indexes, the format's number. Does not: what a room is (`store::rooms`), what a document
//! means (`domain`). No write here needs a transaction: each is one document, or idempotent. Fields of ours beside the
//! original's begin with `_`; collections of ours beside its own are `changes.…`, `gone.…`, `manifests` and
//! `store.numbers`. Nothing is dropped but the data of a source that is removed.
//! To change the format: raise `format::FORMAT` and migrate in `format::check`. To add an operation: a function over
//! `Base`; writes are run by `carry_out`, so that a caller who leaves does not cut them off.

mod body;
mod bulk;
mod connect;
mod documents;
mod error;
mod filter;
mod format;
mod indexes;
mod numbers;
mod subjects;
mod value;

use std::sync::Arc;

use async_trait::async_trait;
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, CollectionOptions, WriteConcern};
use mongodb::{Collection, Database};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Documents, Store, StoreError, Subjects};
pub use connect::Settings;

/// The store in a MongoDB database.
#[derive(Debug)]
pub struct MongoStore {
    base: Arc<Base>,
    documents: documents::MongoDocuments,
    subjects: subjects::MongoSubjects,
}

/// What both halves stand on.
#[derive(Debug)]
struct Base {
    database: Database,
    numbers: numbers::Numbers,
    indexes: indexes::Indexes,
    heavy: Semaphore,
}

impl Base {
    /// A collection; durable writes are acknowledged once a majority has them in its journal.
    fn collection<T: Send + Sync>(&self, name: &str, durable: bool) -> Collection<T> {
        self.database.collection_with_options(
            name,
            CollectionOptions::builder().write_concern(concern(durable)).build(),
        )
    }

    /// Waits for one of the connections that heavy work may use.
    async fn heavy(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        self.heavy.acquire().await.map_err(StoreError::engine)
    }
}

fn concern(durable: bool) -> WriteConcern {
    if durable {
        WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
    } else {
        WriteConcern::builder().w(Acknowledgment::Nodes(1)).build()
    }
}

/// Runs a write to its end even if the caller leaves.
async fn carry_out<T: Send + 'static>(
    write: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(write).await.map_err(StoreError::engine)?
}

impl MongoStore {
    /// Connects, refuses a database of a newer format, and adds the indexes that existing collections lack.
    pub async fn open(settings: &Settings) -> Result<Self, StoreError> {
        let database = connect::connect(settings).await?;
        format::check(&database).await?;
        let base = Arc::new(Base {
            numbers: numbers::Numbers::new(&database),
            indexes: indexes::Indexes::new(),
            heavy: Semaphore::new(usize::try_from(settings.max_jobs.max(1)).unwrap_or(1)),
            database,
        });
        indexes::add_missing(&base).await?;
        Ok(Self {
            documents: documents::MongoDocuments::new(base.clone()),
            subjects: subjects::MongoSubjects::new(base.clone()),
            base,
        })
    }
}

#[async_trait]
impl Store for MongoStore {
    fn documents(&self) -> &dyn Documents {
        &self.documents
    }

    fn subjects(&self) -> &dyn Subjects {
        &self.subjects
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let _answer: Document = self.base.database.run_command(doc! { "ping": 1 }).await?;
        Ok(())
    }
}
