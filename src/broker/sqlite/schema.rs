//! The tables of `jobs.db` and how a connection to it is set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::engine;
use crate::broker::BrokerError;

/// The number in `PRAGMA user_version`; raise it with each change and migrate forward in `prepare`.
const VERSION: i64 = 1;

/// `due` is when a waiting job may start, and when the lease of a running one ends.
const TABLES: &str = "
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL UNIQUE,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT,
    payload TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    attempts INTEGER NOT NULL,
    error TEXT,
    worker TEXT,
    due INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_waiting ON jobs (queue, seq) WHERE state = 'waiting';
CREATE INDEX jobs_leases ON jobs (queue, due) WHERE state = 'running';
CREATE INDEX jobs_keys ON jobs (queue, key) WHERE state = 'running' AND key IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (updated) WHERE state IN ('done', 'failed');
CREATE TABLE cache (key TEXT PRIMARY KEY, value BLOB NOT NULL, ends INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX cache_ends ON cache (ends);
CREATE TABLE counters (key TEXT PRIMARY KEY, value INTEGER NOT NULL, ends INTEGER) STRICT, WITHOUT ROWID;
CREATE INDEX counters_ends ON counters (ends) WHERE ends IS NOT NULL;
CREATE TABLE locks (name TEXT PRIMARY KEY, holder TEXT NOT NULL, ends INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE fence (last INTEGER NOT NULL) STRICT;
INSERT INTO fence VALUES (0);
";

/// Creates the tables of a new file and refuses one that a newer release wrote. The caller holds the start-up lock.
pub(super) fn prepare(path: &Path) -> Result<(), BrokerError> {
    let mut connection = connect(path)?;
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(engine)?;
    if mode != "wal" {
        return Err(BrokerError::Engine(
            format!(
                "{} cannot use write-ahead logging; put the data directory on a local disk",
                path.display()
            )
            .into(),
        ));
    }
    let change =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(engine)?;
    let version: i64 = change.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(engine)?;
    match version {
        0 => {
            change.execute_batch(TABLES).map_err(engine)?;
            change.pragma_update(None, "user_version", VERSION).map_err(engine)?;
        }
        VERSION => {}
        newer => {
            return Err(BrokerError::Engine(
                format!(
                    "{} has layout {newer}, this release knows {VERSION}; start the release that wrote it or a later one",
                    path.display()
                )
                .into(),
            ));
        }
    }
    change.commit().map_err(engine)?;
    // SQLite syncs the folder for its log; that the file itself is named in it has to last as well.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| BrokerError::Unavailable(format!("{} cannot be synced: {error}", folder.display())))
}

/// Opens a connection for reading and writing.
pub(super) fn connect(path: &Path) -> Result<Connection, BrokerError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(engine)?;
    connection.busy_handler(Some(patience)).map_err(engine)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Without it SQLite prepares a statement anew whenever a bound value changes that a range condition looks at.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(engine)?;
    // Commits do not sync by themselves: `writer` syncs the log before it acknowledges what must survive power loss.
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(engine)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn connect_reader(path: &Path) -> Result<Connection, BrokerError> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true).map_err(engine)?;
    Ok(connection)
}

/// Another process holds the write lock for well under a millisecond as a rule, so the first looks come quickly
/// (SQLite's own handler soon sleeps 25 ms and more); gives up after about 10 s.
fn patience(looks: i32) -> bool {
    let pause = if looks < 25 { Duration::from_micros(200) } else { Duration::from_millis(2) };
    std::thread::sleep(pause);
    looks < 5_000
}
