//! Cache, counters and locks as rows. What has run out is as good as absent, and is cleared away a few rows at a time
//! by those who write.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use crate::broker::limits::COUNTERS;

/// Ended rows cleared away with each write: more than one, so that they cannot pile up.
const CLEARED: i64 = 8;

pub(super) fn cache_get(
    connection: &Connection,
    key: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM cache WHERE key = ?1 AND ends > ?2")?
        .query_row(params![key, now.timestamp_millis()], |row| row.get(0))
        .optional()
}

pub(super) fn cache_put(
    connection: &Connection,
    key: &str,
    value: &[u8],
    ends: i64,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM cache WHERE key IN (SELECT key FROM cache WHERE ends <= ?1 ORDER BY ends LIMIT ?2)",
        )?
        .execute(params![now.timestamp_millis(), CLEARED])?;
    connection
        .prepare_cached(
            "INSERT INTO cache (key, value, ends) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value, ends = excluded.ends",
        )?
        .execute(params![key, value, ends])?;
    Ok(())
}

pub(super) fn cache_delete(connection: &Connection, key: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM cache WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// Adds to a counter. Its end is set when it starts and stays; `ends` is used only then.
pub(super) fn count(
    connection: &Connection,
    key: &str,
    by: i64,
    ends: Option<i64>,
    now: DateTime<Utc>,
) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "DELETE FROM counters WHERE key IN (
                 SELECT key FROM counters WHERE ends IS NOT NULL AND ends <= ?1 ORDER BY ends LIMIT ?2)",
        )?
        .execute(params![now.timestamp_millis(), CLEARED])?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO counters (key, value, ends) VALUES (?1, ?2, ?3)
         ON CONFLICT (key) DO UPDATE SET
             value = CASE WHEN counters.ends <= ?4 THEN excluded.value ELSE counters.value + excluded.value END,
             ends = CASE WHEN counters.ends <= ?4 THEN excluded.ends ELSE counters.ends END
         RETURNING value",
    )?;
    statement.query_row(params![key, by, ends, now.timestamp_millis()], |row| row.get(0))
}

pub(super) fn counters(
    connection: &Connection,
    prefix: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<Vec<(String, i64)>> {
    connection
        .prepare_cached(
            "SELECT key, value FROM counters
             WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1 AND (ends IS NULL OR ends > ?2)
             ORDER BY key LIMIT ?3",
        )?
        .query_map(params![prefix, now.timestamp_millis(), COUNTERS as i64], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect()
}

/// Takes a lock that is free, over, or the holder's already. Numbers come from one row for all locks, so a lock's
/// own row need not outlive its holder.
pub(super) fn lock(
    connection: &Connection,
    name: &str,
    holder: &str,
    ends: i64,
    now: DateTime<Utc>,
) -> rusqlite::Result<Option<i64>> {
    let taken = connection
        .prepare_cached(
            "INSERT INTO locks (name, holder, ends) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends = excluded.ends
             WHERE locks.holder = excluded.holder OR locks.ends <= ?4",
        )?
        .execute(params![name, holder, ends, now.timestamp_millis()])?;
    if taken == 0 {
        return Ok(None);
    }
    connection
        .prepare_cached("UPDATE fence SET last = last + 1 RETURNING last")?
        .query_row([], |row| row.get(0))
        .map(Some)
}

pub(super) fn unlock(connection: &Connection, name: &str, holder: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM locks WHERE name = ?1 AND holder = ?2")?
        .execute([name, holder])?;
    Ok(())
}
