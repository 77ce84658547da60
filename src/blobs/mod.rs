//! Immutable, content-addressed files: upload chunks, raw files, staged rows, index parts, reject reports.
//!
//! Lives here: the trait. Adapters: `files.rs` (under the data directory); chunks in the store later. All pass `tests/blobs`.

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

/// The blob port. A blob's name is the SHA-256 of its content in lower-case hex.
#[async_trait]
pub trait Blobs: Send + Sync + Debug {
    /// Stores bytes durably (temporary name, sync, rename); answers the name.
    async fn put(&self, bytes: Vec<u8>) -> Result<String, BlobError>;

    /// Stores a file's content durably; the file is taken (moved where possible). Answers the name.
    async fn put_file(&self, file: PathBuf) -> Result<String, BlobError>;

    /// A local, complete, checked file with the content; `None` = no such blob. Never write to it.
    async fn open(&self, name: &str) -> Result<Option<PathBuf>, BlobError>;

    /// Size in bytes; `None` = no such blob.
    async fn size(&self, name: &str) -> Result<Option<u64>, BlobError>;

    /// Removes a blob; `false` = there was none.
    async fn delete(&self, name: &str) -> Result<bool, BlobError>;

    /// All names, for collecting what no manifest or file names any more.
    async fn list(&self) -> Result<Vec<String>, BlobError>;

    /// A local folder on the same file system for files that are being written; emptied at start.
    fn scratch(&self) -> &Path;

    /// Bytes used and free where blobs are kept.
    async fn space(&self) -> Result<(u64, u64), BlobError>;
}
