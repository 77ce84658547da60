//! What only the embedded engine has: its file.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use cv3_backend::store::sqlite::SqliteStore;
use cv3_backend::store::{Store, StoreError};
use rusqlite::Connection;

use crate::Engine;
use crate::suite::{add, deletions, source, upserts};

/// A folder that goes with the test.
#[derive(Debug)]
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn file(&self) -> PathBuf {
        self.0.path().join(SqliteStore::FILE)
    }
}

impl Engine for Folder {
    fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(SqliteStore::open(self.0.path())?))
    }
}

fn rows(folder: &Folder, sql: &str) -> i64 {
    Connection::open(folder.file()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn the_file_and_its_log_are_private() {
    let folder = Folder::new();
    let store = folder.open().unwrap();
    add(&*store, &source("s"), upserts(["a"], 1), false).await;
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        let mode = std::fs::metadata(folder.0.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_newer_file_is_refused_and_named() {
    let folder = Folder::new();
    drop(folder.open().unwrap());
    let file = Connection::open(folder.file()).unwrap();
    file.execute("UPDATE meta SET value = '47.11.0' WHERE key = 'program'", []).unwrap();
    file.pragma_update(None, "user_version", 4711).unwrap();
    drop(file);
    let before = std::fs::read(folder.file()).unwrap();
    let refusal = folder.open().unwrap_err().to_string();
    assert!(refusal.contains("47.11.0") && refusal.contains("4711"), "{refusal}");
    assert_eq!(std::fs::read(folder.file()).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_advice() {
    let folder = Folder::new();
    std::fs::write(folder.file(), vec![7; 8192]).unwrap();
    let refusal = folder.open().unwrap_err().to_string();
    assert!(refusal.contains("restore a backup"), "{refusal}");
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let error = SqliteStore::open(std::path::Path::new("/nowhere/at/all/store.db")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_told_in_words() {
    let folder = Folder::new();
    let store = folder.open().unwrap();
    // SQLite's own limit stands in for the disk's: the same result code on the same path.
    let pages = rows(&folder, "PRAGMA page_count");
    drop(store);
    let file = Connection::open(folder.file()).unwrap();
    file.pragma_update(None, "max_page_count", pages).unwrap();
    let error = file
        .execute(
            "INSERT INTO subjects (source, change, subject, body) VALUES (1, 1, 'a', zeroblob(100000))",
            [],
        )
        .unwrap_err();
    assert!(matches!(StoreError::from(error), StoreError::Unavailable(words) if words.contains("full")));
}

#[tokio::test]
async fn folded_and_dropped_states_leave_the_file() {
    let folder = Folder::new();
    let store = folder.open().unwrap();
    let (s, ids) = (source("s"), ["a", "b", "c", "d"]);
    add(&*store, &s, upserts(ids, 1), false).await;
    add(&*store, &s, upserts(ids, 2), false).await;
    add(&*store, &s, deletions(["a", "b"]), false).await;
    assert_eq!(rows(&folder, "SELECT count(*) FROM subjects"), 10);
    store.subjects().fold(&s, 2).await.unwrap();
    assert_eq!(rows(&folder, "SELECT count(*) FROM subjects"), 6);
    store.subjects().fold(&s, 3).await.unwrap();
    assert_eq!(rows(&folder, "SELECT count(*) FROM subjects"), 2);
    add(&*store, &s, upserts(["z"], 4), true).await;
    store.subjects().fold(&s, 4).await.unwrap();
    assert_eq!(rows(&folder, "SELECT count(*) FROM subjects"), 1);
    store.subjects().drop_source(&s).await.unwrap();
    assert_eq!(rows(&folder, "SELECT count(*) FROM subjects"), 0);
    assert_eq!(rows(&folder, "SELECT count(*) FROM subject_sources"), 0);
}

#[tokio::test]
async fn the_index_of_subjects_has_what_is_there_and_nothing_else() {
    let folder = Folder::new();
    let store = folder.open().unwrap();
    let (s, subjects) = (source("s"), store.subjects());
    let unmatched = "SELECT (SELECT count(*) FROM subjects AS state WHERE NOT EXISTS (SELECT 1 FROM subject_ids AS entry \
                     WHERE entry.source = state.source AND entry.subject = state.subject AND entry.change = state.change \
                     AND entry.row = state.id)) + abs((SELECT count(*) FROM subject_ids) - (SELECT count(*) FROM subjects))";
    add(&*store, &s, upserts(["a", "b", "c"], 1), false).await;
    subjects.stage(&s, 2, upserts(["b", "d", "e"], 2)).await.unwrap();
    subjects.stage(&s, 2, upserts(["d"], 3)).await.unwrap();
    assert_eq!(rows(&folder, "SELECT count(*) FROM subject_ids"), 3, "staging enters nothing");
    add(&*store, &s, deletions(["a", "b"]), false).await;
    assert_eq!(rows(&folder, unmatched), 0);
    assert_eq!(rows(&folder, "SELECT count(*) FROM subjects"), 7);
    subjects.fold(&s, 2).await.unwrap();
    assert_eq!(rows(&folder, unmatched), 0);
    assert_eq!(rows(&folder, "SELECT count(*) FROM subjects"), 3);
    subjects.stage(&s, 3, upserts(["f", "c"], 4)).await.unwrap();
    subjects.staged(&s, 3, &["f".to_owned()]).await.unwrap();
    subjects.discard(&s, 3).await.unwrap();
    assert_eq!(rows(&folder, unmatched), 0);
    add(&*store, &s, upserts(["g"], 5), true).await;
    subjects.fold(&s, 3).await.unwrap();
    assert_eq!(rows(&folder, unmatched), 0);
    assert_eq!(rows(&folder, "SELECT count(*) FROM subjects"), 1);
    subjects.drop_source(&s).await.unwrap();
    assert_eq!(rows(&folder, unmatched), 0);
    assert_eq!(rows(&folder, "SELECT count(*) FROM subject_changes"), 0);
}

#[tokio::test]
async fn a_removal_cut_short_is_finished_at_the_next_start() {
    let folder = Folder::new();
    let store = folder.open().unwrap();
    add(&*store, &source("s"), upserts(["a", "b"], 1), false).await;
    drop(store);
    let file = Connection::open(folder.file()).unwrap();
    file.execute("UPDATE subject_sources SET source = NULL", []).unwrap();
    drop(file);
    let store = folder.open().unwrap();
    // Bulk work goes in turn, so the sweep queued at the start is over once this is.
    add(&*store, &source("t"), upserts(["c"], 1), false).await;
    assert_eq!(rows(&folder, "SELECT count(*) FROM subjects"), 1);
    assert_eq!(rows(&folder, "SELECT count(*) FROM subject_sources"), 1);
}

#[tokio::test]
async fn two_processes_may_start_at_once_on_a_new_folder() {
    let folder = Folder::new();
    std::thread::scope(|scope| {
        let starts: Vec<_> = (0..6).map(|_| scope.spawn(|| folder.open().map(drop))).collect();
        for start in starts {
            start.join().unwrap().unwrap();
        }
    });
    assert_eq!(rows(&folder, "SELECT count(*) FROM subjects"), 0);
}
