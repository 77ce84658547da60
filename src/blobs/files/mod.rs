//! Blobs as files under the data directory. Several processes may share one folder.
//!
//! Lives here: the adapter over `folder.rs` (names, paths, checked moves) and `scratch.rs` (a process's own folder).
//! Does not: which blobs are still needed (`service`). Layout: `ab/cd/<name>`, `scratch/<process>/`, `damaged/`.
//!
//! The holds of the port are locks on the blob's own file (flock(2)): shared for who stores it, taken on the draft
//! before it gets its name; exclusive for who deletes it. A lock is worth something only while its file has the name,
//! so that is looked up after every lock. Names change only under the lock on `lock`, which is held for no longer.

mod folder;
mod scratch;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::{BlobError, Blobs, Condemned, Stored};
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
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| ended())?;
        at_once(&self.folder, move |folder| {
            let outcome = work(folder);
            drop(turn);
            outcome
        })
        .await
    }
}

/// Does the work without waiting for a turn: those who have one may be waiting for a deletion to be decided.
async fn at_once<T, F>(folder: &Arc<Folder>, work: F) -> Result<T, BlobError>
where
    T: Send + 'static,
    F: FnOnce(&Folder) -> Result<T, BlobError> + Send + 'static,
{
    let folder = Arc::clone(folder);
    tokio::task::spawn_blocking(move || work(&folder)).await.map_err(|_| ended())?
}

fn ended() -> BlobError {
    BlobError::Io(std::io::Error::other("the process is ending"))
}

/// A blob whose file is locked by us alone.
#[derive(Debug)]
struct Doomed {
    folder: Arc<Folder>,
    name: Name,
    file: File,
}

#[async_trait]
impl Condemned for Doomed {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    async fn delete(self: Box<Self>) -> Result<bool, BlobError> {
        let Self { folder, name, file } = *self;
        at_once(&folder, move |folder| folder.delete(&name, &file)).await
    }
}

#[async_trait]
impl Blobs for FileBlobs {
    async fn put(&self, bytes: Vec<u8>) -> Result<Stored, BlobError> {
        let (name, held) = self.blocking(move |folder| folder.put(&bytes)).await?;
        Ok(Stored::new(name, held))
    }

    async fn put_file(&self, file: PathBuf) -> Result<Stored, BlobError> {
        let (name, held) = self.blocking(move |folder| folder.put_file(&file)).await?;
        Ok(Stored::new(name, held))
    }

    async fn open(&self, name: &str) -> Result<Option<PathBuf>, BlobError> {
        let name = Name::parse(name)?;
        self.blocking(move |folder| folder.open(&name)).await
    }

    async fn size(&self, name: &str) -> Result<Option<u64>, BlobError> {
        let name = Name::parse(name)?;
        self.blocking(move |folder| folder.size(&name)).await
    }

    async fn condemn(&self, name: &str) -> Result<Option<Box<dyn Condemned>>, BlobError> {
        let name = Name::parse(name)?;
        let wanted = name.clone();
        let held = at_once(&self.folder, move |folder| folder.condemn(&wanted)).await?;
        let folder = Arc::clone(&self.folder);
        Ok(held.map(|file| Box::new(Doomed { folder, name, file }) as Box<dyn Condemned>))
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
