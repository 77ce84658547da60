//! Blobs as files under the data directory. Several processes may share one folder.
//!
//! Lives here: the adapter over `folder.rs` (names, paths, checked moves) and `scratch.rs` (a process's own folder).
//! Does not: which blobs are still needed (`service`). Layout: `ab/cd/<name>`, `scratch/<process>/`, `damaged/`.

mod folder;
mod scratch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::{BlobError, Blobs};
use folder::{Folder, Name};
use scratch::Scratch;

/// Operations on files at once at most; each may read a whole file.
const AT_ONCE: usize = 4;

/// The blobs of one data directory.
#[derive(Debug)]
pub struct FileBlobs {
    folder: Arc<Folder>,
    scratch: Scratch,
    turns: Arc<Semaphore>,
}

impl FileBlobs {
    /// Opens or creates the folder (0700) and removes the scratch folders of processes that are gone. Blocks.
    pub fn open(dir: &Path) -> Result<Self, BlobError> {
        let scratch = Scratch::open(dir)?;
        let folder = Arc::new(Folder::new(dir, scratch.path()));
        Ok(Self { folder, scratch, turns: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Does the work on the blocking pool.
    async fn blocking<T, F>(&self, work: F) -> Result<T, BlobError>
    where
        T: Send + 'static,
        F: FnOnce(&Folder) -> Result<T, BlobError> + Send + 'static,
    {
        let ended = || BlobError::Io(std::io::Error::other("the process is ending"));
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| ended())?;
        let folder = Arc::clone(&self.folder);
        tokio::task::spawn_blocking(move || {
            let outcome = work(&folder);
            drop(turn);
            outcome
        })
        .await
        .map_err(|_| ended())?
    }
}

#[async_trait]
impl Blobs for FileBlobs {
    async fn put(&self, bytes: Vec<u8>) -> Result<String, BlobError> {
        self.blocking(move |folder| folder.put(&bytes)).await
    }

    async fn put_file(&self, file: PathBuf) -> Result<String, BlobError> {
        self.blocking(move |folder| folder.put_file(&file)).await
    }

    async fn open(&self, name: &str) -> Result<Option<PathBuf>, BlobError> {
        let name = Name::parse(name)?;
        self.blocking(move |folder| folder.open(&name)).await
    }

    async fn size(&self, name: &str) -> Result<Option<u64>, BlobError> {
        let name = Name::parse(name)?;
        self.blocking(move |folder| folder.size(&name)).await
    }

    async fn delete(&self, name: &str) -> Result<bool, BlobError> {
        let name = Name::parse(name)?;
        self.blocking(move |folder| folder.delete(&name)).await
    }

    async fn list(&self) -> Result<Vec<String>, BlobError> {
        self.blocking(|folder| Ok(folder.all()?.into_iter().map(|(name, _)| name).collect())).await
    }

    fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Free space is not known to the standard library: 0 stands for unknown.
    async fn space(&self) -> Result<(u64, u64), BlobError> {
        self.blocking(|folder| {
            let used = folder.all()?.into_iter().map(|(_, size)| size).sum();
            let disk = rustix::fs::statvfs(&folder.scratch).map_err(std::io::Error::from)?;
            Ok((used, disk.f_bavail.saturating_mul(disk.f_frsize)))
        })
        .await
    }
}
