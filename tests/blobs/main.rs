//! What every blob storage promises, and what only files do.
//!
//! To add an adapter: implement `Rig` for it and name it in one more `every_promise!`.

#![cfg(test)]

mod suite;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use cv3_backend::blobs::files::FileBlobs;
use cv3_backend::blobs::{BlobError, Blobs};

/// One installation of a blob storage.
pub trait Rig {
    /// Opens it once more, as another process would.
    fn open(&self) -> Arc<dyn Blobs>;
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("blobs").join(&name[..2]).join(&name[2..4]).join(name)
    }

    /// Overwrites a stored file as a failing disk might.
    fn damage(&self, name: &str, content: &[u8]) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    fn damaged(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(self.0.path().join("blobs/damaged"));
        folder.map(|entries| entries.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
    }
}

impl Rig for Files {
    fn open(&self) -> Arc<dyn Blobs> {
        Arc::new(FileBlobs::open(&self.0.path().join("blobs")).unwrap())
    }
}

mod files {
    use super::*;

    suite::every_promise!(Files::new());

    #[rstest::rstest]
    #[case::changed(b"other")]
    #[case::cut_off(b"cont")]
    #[case::emptied(b"")]
    #[tokio::test]
    async fn a_damaged_file_is_told_and_set_aside(#[case] content: &[u8]) {
        let rig = Files::new();
        let name = rig.open().put(b"content".to_vec()).await.unwrap().name().to_owned();
        rig.damage(&name, content);
        let blobs = rig.open();
        let error = blobs.open(&name).await.unwrap_err();
        assert!(matches!(&error, BlobError::Damaged(which) if *which == name), "{error}");
        assert_eq!(blobs.open(&name).await.unwrap(), None);
        let kept = rig.damaged();
        assert_eq!(kept.len(), 1);
        assert_eq!(fs::read(&kept[0]).unwrap(), content);
    }

    #[tokio::test]
    async fn a_file_damaged_after_it_was_checked_is_found_by_its_looks() {
        let rig = Files::new();
        let blobs = rig.open();
        let name = blobs.put(b"content".to_vec()).await.unwrap().name().to_owned();
        assert!(blobs.open(&name).await.unwrap().is_some());
        rig.damage(&name, b"content and more");
        assert!(matches!(blobs.open(&name).await, Err(BlobError::Damaged(_))));
    }

    #[tokio::test]
    async fn storing_again_what_was_damaged_heals_it() {
        let rig = Files::new();
        let name = rig.open().put(b"content".to_vec()).await.unwrap().name().to_owned();
        rig.damage(&name, b"garbage");
        let blobs = rig.open();
        assert_eq!(blobs.put(b"content".to_vec()).await.unwrap().name(), name);
        let path = blobs.open(&name).await.unwrap().unwrap();
        assert_eq!(fs::read(path).unwrap(), b"content");
        assert_eq!(rig.damaged().len(), 1);
    }

    #[tokio::test]
    async fn a_stored_file_cannot_be_written_by_mistake() {
        let rig = Files::new();
        let blobs = rig.open();
        let name = blobs.put(b"content".to_vec()).await.unwrap().name().to_owned();
        let mode = fs::metadata(rig.path(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o400);
        let folder = fs::metadata(rig.0.path().join("blobs")).unwrap().permissions().mode();
        assert_eq!(folder & 0o777, 0o700);
    }

    #[tokio::test]
    async fn neither_a_link_nor_a_folder_is_taken_as_a_file() {
        let rig = Files::new();
        let blobs = rig.open();
        let (target, link) = (rig.0.path().join("target"), blobs.scratch().join("link"));
        fs::write(&target, b"secret").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(blobs.put_file(link).await.is_err());
        assert!(blobs.put_file(blobs.scratch().to_owned()).await.is_err());
        assert_eq!(fs::read(target).unwrap(), b"secret");
    }

    #[tokio::test]
    async fn scratch_of_a_living_process_stays_and_of_a_dead_one_goes() {
        let rig = Files::new();
        let living = rig.open();
        let file = living.scratch().join("half");
        fs::write(&file, b"half").unwrap();
        // A process that was killed leaves its folder, and a lock file that nobody holds.
        let shared = rig.0.path().join("blobs/scratch");
        fs::create_dir(shared.join("dead")).unwrap();
        fs::write(shared.join("dead/half"), b"half").unwrap();
        fs::write(shared.join("dead.alive"), b"").unwrap();
        fs::create_dir(shared.join("orphan")).unwrap();
        let new = rig.open();
        assert!(file.exists());
        assert!(!shared.join("dead").exists() && !shared.join("dead.alive").exists());
        assert!(!shared.join("orphan").exists());
        assert_eq!(fs::read_dir(new.scratch()).unwrap().count(), 0);
        drop(living);
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn a_file_of_another_file_system_is_copied() {
        let Ok(other) = tempfile::tempdir_in("/dev/shm") else {
            println!("skipped: there is no second file system at /dev/shm");
            return;
        };
        let rig = Files::new();
        let blobs = rig.open();
        let file = other.path().join("upload");
        fs::write(&file, b"from afar").unwrap();
        let name = blobs.put_file(file.clone()).await.unwrap().name().to_owned();
        assert!(!file.exists());
        assert_eq!(fs::read(blobs.open(&name).await.unwrap().unwrap()).unwrap(), b"from afar");
        assert_eq!(fs::read_dir(blobs.scratch()).unwrap().count(), 0);
    }
}
