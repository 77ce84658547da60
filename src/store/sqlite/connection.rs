//! Connections to the store file and their settings.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{migrate, schema};
use crate::store::StoreError;

/// How long a statement waits for another process's write lock.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// Past so many pages (256 MiB) the writer checkpoints itself, should the checkpoint thread not keep up.
const WAL_PAGES: u32 = 65_536;
/// Bytes to which the log is cut when it starts over.
const WAL_KEPT: u32 = 64 << 20;

/// The file whose name is the store's plus a suffix.
pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes the file usable (creation, format, rooms) and answers the connection that will write.
pub(super) fn prepare(file: &Path) -> Result<Connection, StoreError> {
    // SQLite gives the log and its index the mode of the main file, so it is enough to set that one.
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(file).map_err(|error| {
        StoreError::Unavailable(format!("{} cannot be created or written: {error}", file.display()))
    })?;
    let mut connection = plain(file)?;
    connection.set_prepared_statement_cache_capacity(128);
    migrate::refuse_unreadable(&connection, file)?;
    write_ahead(&connection)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", WAL_KEPT)?;
    // Negative: KiB. Change sets are inserted by random subject id; the upper levels of both indexes should stay.
    connection.pragma_update(None, "cache_size", -16_384)?;
    migrate::migrate(&mut connection, file, migrate::MIGRATIONS)?;
    schema::create_rooms(&mut connection)?;
    Ok(connection)
}

/// A connection for reading. Opened for writing all the same, because the log's shared index may have to be made.
pub(super) fn reader(file: &Path) -> Result<Connection, StoreError> {
    let connection = plain(file)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// A connection with what all have in common; the file must exist.
pub(super) fn plain(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY)?;
    // Without it SQLite prepares a statement anew whenever a bound value changes that a range condition looks at.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // What a file's schema says is not trusted to call anything but harmless functions (SQLite, "Defense Against The
    // Dark Arts").
    connection.pragma_update(None, "trusted_schema", false)?;
    // Zeroes deleted content where that costs no further writes.
    connection.pragma_update(None, "secure_delete", "FAST")?;
    Ok(connection)
}

/// Turns the write-ahead log on. SQLite does not always call the busy handler for this change, so it is tried again.
fn write_ahead(connection: &Connection) -> Result<(), StoreError> {
    let begun = Instant::now();
    loop {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
        match mode {
            Ok(mode) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
            Ok(mode) => {
                return Err(StoreError::engine(format!(
                    "store.db cannot use a write-ahead log here (journal mode stays {mode}): put the data directory on a local disk"
                )));
            }
            Err(error) => {
                let error = StoreError::from(error);
                if !matches!(error, StoreError::Unavailable(_)) || begun.elapsed() > BUSY {
                    return Err(error);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
