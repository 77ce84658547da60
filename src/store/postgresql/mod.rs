//! PostgreSQL as the store: a table per room and one per source, in a schema of their own.
//!
//! Lives here: settings and connections (`settings`, `tls`, `sessions`), the schema and its format's number (`schema`,
//! `format`), values as they are compared (`lookup`, `filter`), the two halves of the trait (`documents`, `subjects`).
//! Does not: what a room is (`store::rooms`), what a document means (`domain`).
//! Each call is one statement or one short transaction at READ COMMITTED; statements are not prepared, and nothing but
//! the settings of `sessions` is left in a session. What is read back is text that the server never takes apart: it
//! would change numbers and refuse U+0000.
//! To change the format: raise `format::FORMAT` and migrate in `schema::prepare`; rooms and their indexes are made from
//! `Room::ALL`. To add an operation: a function over `Base`; writes are run by `carry_out`, so that a caller who leaves
//! does not cut them off.

mod documents;
mod error;
mod filter;
mod format;
mod lookup;
mod schema;
mod sessions;
mod settings;
mod subjects;
mod tls;

use std::sync::Arc;

use async_trait::async_trait;

use super::{Documents, Store, StoreError, Subjects};
use sessions::Base;
pub use settings::{Settings, Tls};

/// The store in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    base: Arc<Base>,
    documents: documents::PostgresDocuments,
    subjects: subjects::PostgresSubjects,
}

/// Runs a write to its end even if the caller leaves.
async fn carry_out<T: Send + 'static>(
    write: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(write).await.map_err(StoreError::engine)?
}

impl PostgresStore {
    /// Connects, refuses a schema of a newer format, and makes the tables and indexes that are missing.
    pub async fn open(settings: &Settings) -> Result<Self, StoreError> {
        let base = Arc::new(Base::new(settings)?);
        schema::prepare(&base).await?;
        Ok(Self {
            documents: documents::PostgresDocuments::new(base.clone()),
            subjects: subjects::PostgresSubjects::new(base.clone()),
            base,
        })
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn documents(&self) -> &dyn Documents {
        &self.documents
    }

    fn subjects(&self) -> &dyn Subjects {
        &self.subjects
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let session = self.base.session().await?;
        let row = session.query_typed_one("SELECT pg_is_in_recovery()", &[]).await?;
        if row.try_get(0)? {
            return Err(StoreError::Unavailable(
                "PostgreSQL is a standby, which cannot be written to: check that Appliance.PostgreSQL.Host names the primary"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}
