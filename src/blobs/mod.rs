//! Immutable, content-addressed files: upload chunks, raw files, staged rows, index parts, reject reports.
//!
//! Lives here: the trait. Adapters: `files` (under the data directory); chunks in the store later. All pass `tests/blobs`.
//!
//! Content that is stored twice is one blob, so that whoever deletes it must know that nobody is just storing it again.
//! Two holds see to that, across processes: who stores a blob holds it as `Stored` until what names it is written, and
//! nobody can condemn it meanwhile; who deletes one condemns it first, looks for names then, and whoever wants to store
//! the same content waits until that is decided. Both end with their process, however it ends; a blob that is left
//! without a name by then is found by the next collection (`service/datafiles.rs`).

pub mod files;

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use thiserror::Error;

/// A failed blob operation.
#[derive(Debug, Error)]
pub enum BlobError {
    #[error("no room left for {0}")]
    Full(String),
    #[error("the content of blob {0} is damaged; it does not match its name")]
    Damaged(String),
    #[error("blob storage failure: {0}")]
    Io(#[from] std::io::Error),
    #[error("{0} is not the name of a blob")]
    Name(String),
}

/// A stored blob, held against deletion: keep this until what names the blob is written, and no longer.
pub struct Stored {
    name: String,
    _held: Box<dyn Send + Sync>,
}

impl Stored {
    /// Says that the blob is there as long as `held` is.
    pub fn new(name: String, held: impl Send + Sync + 'static) -> Self {
        Self { name, _held: Box::new(held) }
    }

    /// The blob's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stored").field(&self.name).finish()
    }
}

/// A blob that nobody can store anew before this is dropped: time to look whether anything names it.
#[async_trait]
pub trait Condemned: Send + Sync + Debug {
    fn name(&self) -> &str;

    /// Removes the blob; `false` = it was gone.
    async fn delete(self: Box<Self>) -> Result<bool, BlobError>;
}

/// The blob port. A blob's name is the SHA-256 of its content in lower-case hex.
#[async_trait]
pub trait Blobs: Send + Sync + Debug {
    /// Stores bytes durably (temporary name, sync, rename).
    async fn put(&self, bytes: Vec<u8>) -> Result<Stored, BlobError>;

    /// Stores a file's content durably; the file is taken (moved where possible).
    async fn put_file(&self, file: PathBuf) -> Result<Stored, BlobError>;

    /// A local, complete, checked file with the content; `None` = no such blob. Never write to it.
    async fn open(&self, name: &str) -> Result<Option<PathBuf>, BlobError>;

    /// Size in bytes; `None` = no such blob.
    async fn size(&self, name: &str) -> Result<Option<u64>, BlobError>;

    /// Takes a blob to be deleted; `None` = there is none, or somebody is storing it. Never waits for another holder.
    async fn condemn(&self, name: &str) -> Result<Option<Box<dyn Condemned>>, BlobError>;

    /// All names, for collecting what no manifest or file names any more.
    async fn list(&self) -> Result<Vec<String>, BlobError>;

    /// A local folder on the same file system for files that are being written; emptied at start.
    fn scratch(&self) -> &Path;

    /// Bytes used and free where blobs are kept.
    async fn space(&self) -> Result<(u64, u64), BlobError>;
}
