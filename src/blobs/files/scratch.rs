//! A folder of this process's own for files that are being written, and the removal of those of dead processes.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::domain::clock::{Random, SystemRandom};

/// `scratch/<id>/`, with `scratch/<id>.alive` locked as long as its owner lives.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    alive: PathBuf,
    /// The lock ends with the process, however that ends.
    _locked: File,
}

impl Scratch {
    /// Makes the folders and this process's empty one, and removes those whose owners are gone.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let shared = dir.join("scratch");
        private(&shared)?;
        // One at a time, so that a folder whose owner is about to lock it is not taken for a dead one's.
        let door = File::create(dir.join("lock"))?;
        door.lock()?;
        for entry in fs::read_dir(&shared)?.flatten() {
            let alive = entry.path().with_extension("alive");
            let dead = match File::open(&alive) {
                Ok(file) => file.try_lock().is_ok(),
                Err(error) => error.kind() == io::ErrorKind::NotFound,
            };
            if dead {
                let _ = fs::remove_dir_all(alive.with_extension(""));
                let _ = fs::remove_file(alive);
            }
        }
        let path = shared.join(SystemRandom.uuid().simple().to_string());
        let alive = path.with_extension("alive");
        let locked = File::create(&alive)?;
        locked.lock()?;
        private(&path)?;
        Ok(Self { path, alive, _locked: locked })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next process that starts.
        let _ = fs::remove_dir_all(&self.path);
        let _ = fs::remove_file(&self.alive);
    }
}

/// Makes a folder that only its owner can enter.
pub(super) fn private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
