//! The embedded engine: one SQLite file (WAL) that several processes of one host may share.
//!
//! Lives here: opening and migrating the file, its one writer thread per process, its readers, and the two halves of
//! the trait (`documents`, `subjects`). Does not: what a room is (`store::rooms`), what a document means (`domain`).
//! To change the format: append to `migrate::MIGRATIONS`; rooms and their indexes are created from `Room::ALL` at
//! every start (`schema`). To add an operation: a closure over a connection, handed to `Writer::write` (small),
//! `Writer::bulk` (sliced) or `Readers::read`; SQLite never runs on the runtime's own threads.

mod checkpoint;
mod connection;
mod documents;
mod enter;
mod error;
mod filter;
mod fold;
mod migrate;
mod mount;
mod read;
mod readers;
mod schema;
mod sort;
mod subjects;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::{Documents, Store, StoreError, Subjects};
use readers::Readers;
use writer::{Step, Writer};

/// Readers for documents and, apart from them, for subjects: long pages of subjects never keep a query waiting.
const READERS: usize = 3;

/// The embedded store.
#[derive(Debug)]
pub struct SqliteStore {
    file: PathBuf,
    documents: documents::SqliteDocuments,
    subjects: subjects::SqliteSubjects,
}

impl SqliteStore {
    /// The file's name in the data directory.
    pub const FILE: &'static str = "store.db";

    /// Opens the store file (given a folder: `store.db` in it), created with mode 0600 if it is missing and brought to
    /// the present format after a copy; refuses a file of a newer format, a foreign one, and a network file system.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = if path.is_dir() { path.join(Self::FILE) } else { path.to_path_buf() };
        mount::refuse_network(&file)?;
        let connection = connection::prepare(&file)?;
        let unswept = fold::dropped_sources(&connection)?;
        let writer = Arc::new(Writer::start(connection, &file)?);
        if unswept {
            // A process died between forgetting a source and removing its rows; nobody waits for the rest.
            writer.enqueue_bulk(false, |connection, slice| {
                Ok(if fold::sweep_dropped(connection, slice)? { Step::Done(()) } else { Step::More })
            });
        }
        Ok(Self {
            documents: documents::SqliteDocuments::new(Arc::clone(&writer), Readers::new(&file, READERS)),
            subjects: subjects::SqliteSubjects::new(&file, writer, Readers::new(&file, READERS)),
            file,
        })
    }

    /// Bytes of the write-ahead log, for the metrics.
    pub fn wal_bytes(&self) -> u64 {
        std::fs::metadata(connection::beside(&self.file, "-wal")).map_or(0, |meta| meta.len())
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn documents(&self) -> &dyn Documents {
        &self.documents
    }

    fn subjects(&self) -> &dyn Subjects {
        &self.subjects
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.documents.ping().await
    }
}
