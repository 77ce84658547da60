//! The format of the file: its number (`user_version`), the way from older ones, and the refusal of others.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::connection::{beside, reader};
use crate::store::StoreError;

/// `CV3B`, in the header of every file of ours.
const APPLICATION_ID: i64 = 0x4356_3342;

/// What leads from format n to n + 1, in order; never edited once released. Rooms are not here (see `schema`).
pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE rooms (room TEXT PRIMARY KEY, floor INTEGER NOT NULL) WITHOUT ROWID;
    -- A source that was removed has no name any more and waits for its rows to be swept.
    CREATE TABLE subject_sources (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        source TEXT UNIQUE,
        manifest TEXT,
        data_version INTEGER NOT NULL DEFAULT 0,
        replaced_at INTEGER NOT NULL DEFAULT 0,
        level INTEGER NOT NULL DEFAULT 0,
        folded INTEGER NOT NULL DEFAULT 0,
        swept INTEGER NOT NULL DEFAULT 0
    );
    -- One row for each state of a subject; no body: the subject was deleted.
    CREATE TABLE subjects (
        id INTEGER PRIMARY KEY,
        source INTEGER NOT NULL,
        change INTEGER NOT NULL,
        subject TEXT NOT NULL,
        body BLOB
    );
    CREATE UNIQUE INDEX subjects_by_subject ON subjects (source, subject, change DESC);
    -- Grows at its end while a change is staged: one index in random order is enough to keep up.
    CREATE INDEX subjects_by_change ON subjects (source, change, id, subject);
    CREATE INDEX subjects_deleted ON subjects (source, change) WHERE body IS NULL;
", "
    -- The index of subjects as a table of its own: what is staged is entered in order, once, before its commit.
    CREATE TABLE subject_ids (
        source INTEGER NOT NULL,
        subject TEXT NOT NULL,
        change INTEGER NOT NULL,
        row INTEGER NOT NULL,
        PRIMARY KEY (source, subject, change DESC)
    ) WITHOUT ROWID;
    INSERT INTO subject_ids SELECT source, subject, change, id FROM subjects INDEXED BY subjects_by_subject
        ORDER BY source, subject, change DESC;
    DROP INDEX subjects_by_subject;
    -- How far the rows of a change that is not committed are entered.
    CREATE TABLE subject_changes (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        source INTEGER NOT NULL,
        change INTEGER NOT NULL,
        entered INTEGER NOT NULL DEFAULT 0,
        UNIQUE (source, change)
    );
"];

fn number(connection: &Connection, pragma: &str) -> Result<i64, StoreError> {
    Ok(connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))?)
}

/// Fails for a file that is not ours or of a newer format, before anything is written to it.
pub(super) fn refuse_unreadable(connection: &Connection, file: &Path) -> Result<(), StoreError> {
    // In one snapshot: another process may be making the file at this moment.
    let connection = &connection.unchecked_transaction()?;
    let version = number(connection, "user_version")?;
    let application = number(connection, "application_id")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    let fresh = tables == 0 && version == 0 && application == 0;
    if !fresh && application != APPLICATION_ID {
        return Err(StoreError::engine(format!(
            "{} is an SQLite file, but not of this program: move it away or name another data directory",
            file.display()
        )));
    }
    if usize::try_from(version).is_ok_and(|version| version > MIGRATIONS.len()) {
        let program: Option<String> = connection
            .query_row("SELECT value FROM meta WHERE key = 'program'", [], |row| row.get(0))
            .optional()?;
        return Err(StoreError::engine(format!(
            "{} has format {version}, this program (version {}) reads up to {}: start version {} or newer, or put \
             back the copy that was made before the format changed",
            file.display(),
            env!("CARGO_PKG_VERSION"),
            MIGRATIONS.len(),
            program.as_deref().unwrap_or("that last wrote it"),
        )));
    }
    Ok(())
}

/// Brings the file to the newest format in one transaction, after a copy `store.db.v<old>` unless the file is new.
pub(super) fn migrate(
    connection: &mut Connection,
    file: &Path,
    migrations: &[&str],
) -> Result<(), StoreError> {
    let newest = i64::try_from(migrations.len()).map_err(StoreError::engine)?;
    if number(connection, "user_version")? == newest {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again: another process may have migrated while this one waited for the lock.
    let version = number(&transaction, "user_version")?;
    if version == newest {
        return Ok(());
    }
    if version > 0 {
        copy(file, &beside(file, &format!(".v{version}")))?;
    }
    for sql in migrations.iter().skip(usize::try_from(version).map_err(StoreError::engine)?) {
        transaction.execute_batch(sql)?;
    }
    transaction.execute(
        "INSERT INTO meta VALUES ('program', ?1) ON CONFLICT DO UPDATE SET value = excluded.value",
        [env!("CARGO_PKG_VERSION")],
    )?;
    transaction.pragma_update(None, "user_version", newest)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(transaction.commit()?)
}

/// Copies the committed state; the caller's write lock keeps it still meanwhile.
fn copy(file: &Path, to: &Path) -> Result<(), StoreError> {
    let unfinished = beside(to, ".part");
    let failed = |error: std::io::Error| {
        StoreError::Unavailable(format!(
            "the copy {} that must precede a change of format cannot be made: {error}",
            to.display()
        ))
    };
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    create_private(&unfinished).map_err(failed)?;
    let mut target = Connection::open(&unfinished)?;
    let source = reader(file)?;
    rusqlite::backup::Backup::new(&source, &mut target)?.run_to_completion(
        1000,
        std::time::Duration::ZERO,
        None,
    )?;
    drop(target);
    std::fs::File::open(&unfinished).and_then(|copied| copied.sync_all()).map_err(failed)?;
    std::fs::rename(&unfinished, to).map_err(failed)
}

fn create_private(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::connection;
    use super::*;

    fn titles(connection: &Connection) -> Vec<String> {
        let mut statement = connection.prepare("SELECT value FROM meta WHERE key <> 'program'").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn an_older_file_is_copied_and_then_brought_forward() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db");
        let mut connection = connection::prepare(&file).unwrap();
        connection.execute("INSERT INTO meta VALUES ('title', 'old')", []).unwrap();
        let mut longer = MIGRATIONS.to_vec();
        longer.push("UPDATE meta SET value = 'new' WHERE key = 'title'");
        longer.push("UPDATE meta SET value = value || 'er' WHERE key = 'title'");
        migrate(&mut connection, &file, &longer).unwrap();
        assert_eq!(titles(&connection), ["newer"]);
        assert_eq!(number(&connection, "user_version").unwrap(), longer.len() as i64);
        let copy = Connection::open(beside(&file, &format!(".v{}", MIGRATIONS.len()))).unwrap();
        assert_eq!(titles(&copy), ["old"]);
        assert_eq!(number(&copy, "user_version").unwrap(), MIGRATIONS.len() as i64);
    }

    #[test]
    fn subjects_of_a_file_of_the_first_format_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db");
        let mut connection = Connection::open(&file).unwrap();
        migrate(&mut connection, &file, MIGRATIONS.split_at(1).0).unwrap();
        connection
            .execute_batch(
                "INSERT INTO subject_sources (source, data_version) VALUES ('s', 2);
                 INSERT INTO subjects (source, change, subject, body) VALUES
                     (1, 1, 'b', '{}'), (1, 1, 'a', '{}'), (1, 2, 'b', NULL), (1, 3, 'c', '{}');",
            )
            .unwrap();
        migrate(&mut connection, &file, MIGRATIONS).unwrap();
        let mut statement = connection.prepare("SELECT subject, change, row FROM subject_ids").unwrap();
        let entries: Vec<(String, i64, i64)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let expected = [("a", 1, 2), ("b", 2, 3), ("b", 1, 1), ("c", 3, 4)];
        assert_eq!(entries, expected.map(|(subject, change, row)| (subject.to_owned(), change, row)));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db");
        let mut connection = connection::prepare(&file).unwrap();
        connection.execute("INSERT INTO meta VALUES ('title', 'old')", []).unwrap();
        let mut longer = MIGRATIONS.to_vec();
        longer.push("UPDATE meta SET value = 'new' WHERE key = 'title'");
        longer.push("UPDATE absent SET value = 1");
        assert!(migrate(&mut connection, &file, &longer).is_err());
        assert_eq!(titles(&connection), ["old"]);
        assert_eq!(number(&connection, "user_version").unwrap(), MIGRATIONS.len() as i64);
    }

    #[test]
    fn a_foreign_file_is_refused_untouched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db");
        Connection::open(&file).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
        let before = std::fs::read(&file).unwrap();
        let error = connection::prepare(&file).unwrap_err();
        assert!(error.to_string().contains("not of this program"), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
}
