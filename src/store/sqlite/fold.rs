//! Removes states of subjects that no reader can see any more, a slice at a time.
//!
//! Every function answers whether it is finished; all they need to go on is in the file, so that any process may
//! take over at any slice.

use rusqlite::{Connection, OptionalExtension, params};

use super::subjects::SourceRow;
use super::writer::Slice;
use crate::domain::ids::SourceId;
use crate::store::StoreError;

/// Folds the committed changes up to `n` into the base.
pub(super) fn fold(
    connection: &Connection,
    slice: &mut Slice,
    source: &SourceId,
    n: i64,
) -> Result<bool, StoreError> {
    let Some(row) = SourceRow::find(connection, source)? else { return Ok(true) };
    let target = n.min(row.data_version);
    if target <= row.folded {
        return Ok(true);
    }
    // Before anything is removed, so that readers of versions in between look at the new base at once.
    let raise = "UPDATE subject_sources SET level = max(level, ?2) WHERE key = ?1";
    connection.prepare_cached(raise)?.execute([row.key, target])?;
    if !remove_changes(connection, slice, row.key, 0, row.replaced_at - 1)? {
        return Ok(false);
    }
    let mut swept = row.swept;
    for change in row.folded + 1..=target {
        if !sweep(connection, slice, row.key, change, std::mem::take(&mut swept))? {
            return Ok(false);
        }
        let done = "UPDATE subject_sources SET folded = ?2, swept = 0 WHERE key = ?1";
        connection.prepare_cached(done)?.execute([row.key, change])?;
    }
    Ok(true)
}

/// Removes what change `change` supersedes, then its deletions; `after` is the last row handled before.
fn sweep(
    connection: &Connection,
    slice: &mut Slice,
    key: i64,
    change: i64,
    after: i64,
) -> Result<bool, StoreError> {
    let older =
        "SELECT 1 FROM subjects INDEXED BY subjects_by_change WHERE source = ?1 AND change < ?2 LIMIT 1";
    if connection.prepare_cached(older)?.exists([key, change])? {
        let mut states = connection.prepare_cached(
            "SELECT id, subject FROM subjects INDEXED BY subjects_by_change \
             WHERE source = ?1 AND change = ?2 AND id > ?3 ORDER BY id",
        )?;
        let mut rows = states.query([key, change, after])?;
        while let Some(row) = rows.next()? {
            let subject = row.get_ref(1)?.as_str().map_err(StoreError::engine)?;
            remove_older(connection, key, subject, change)?;
            if !slice.row() {
                let note = "UPDATE subject_sources SET swept = ?2 WHERE key = ?1";
                connection.prepare_cached(note)?.execute([key, row.get(0)?])?;
                return Ok(false);
            }
        }
    }
    // Nothing older than these deletions is left that they would have to hide.
    let deletions = "SELECT id, change, subject FROM subjects INDEXED BY subjects_deleted \
                     WHERE source = ?1 AND change BETWEEN ?2 AND ?3 AND body IS NULL LIMIT ?4";
    in_chunks(connection, slice, deletions, (key, change, change))
}

/// Removes the states of a subject that a change supersedes.
fn remove_older(connection: &Connection, key: i64, subject: &str, change: i64) -> Result<(), StoreError> {
    let entries = "DELETE FROM subject_ids WHERE source = ?1 AND subject = ?2 AND change < ?3 RETURNING row";
    let mut entries = connection.prepare_cached(entries)?;
    let superseded = entries.query_map(params![key, subject, change], |row| row.get::<_, i64>(0))?;
    let superseded = superseded.collect::<Result<Vec<_>, _>>()?;
    let mut remove = connection.prepare_cached("DELETE FROM subjects WHERE id = ?1")?;
    for row in superseded {
        remove.execute([row])?;
    }
    Ok(())
}

/// Removes every state of the changes `from..=to` of a source.
pub(super) fn remove_changes(
    connection: &Connection,
    slice: &mut Slice,
    key: i64,
    from: i64,
    to: i64,
) -> Result<bool, StoreError> {
    if to < from {
        return Ok(true);
    }
    let states = "SELECT id, change, subject FROM subjects INDEXED BY subjects_by_change \
                  WHERE source = ?1 AND change BETWEEN ?2 AND ?3 LIMIT ?4";
    in_chunks(connection, slice, states, (key, from, to))
}

/// Removes what the selection finds, at most `Slice::CHUNK` states at a time, until nothing is left or the slice is
/// used up.
fn in_chunks(
    connection: &Connection,
    slice: &mut Slice,
    selection: &str,
    (key, from, to): (i64, i64, i64),
) -> Result<bool, StoreError> {
    let mut selection = connection.prepare_cached(selection)?;
    let mut entry = connection.prepare_cached(
        "DELETE FROM subject_ids WHERE source = ?1 AND subject = ?2 AND change = ?3 AND row = ?4",
    )?;
    let mut state = connection.prepare_cached("DELETE FROM subjects WHERE id = ?1")?;
    let chunk = i64::try_from(Slice::CHUNK).map_err(StoreError::engine)?;
    loop {
        let found = selection.query_map([key, from, to, chunk], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
        })?;
        let found = found.collect::<Result<Vec<_>, _>>()?;
        for (row, change, subject) in &found {
            entry.execute(params![key, subject, change, row])?;
            state.execute([row])?;
        }
        if found.len() < Slice::CHUNK {
            return Ok(true);
        }
        if !slice.rows(found.len()) {
            return Ok(false);
        }
    }
}

/// Removes every entry of a source nobody reads any more.
fn remove_entries(connection: &Connection, slice: &mut Slice, key: i64) -> Result<bool, StoreError> {
    let chunk = i64::try_from(Slice::CHUNK).map_err(StoreError::engine)?;
    let mut entries = connection.prepare_cached(
        "DELETE FROM subject_ids WHERE source = ?1 AND (subject, change) IN \
         (SELECT subject, change FROM subject_ids WHERE source = ?1 LIMIT ?2)",
    )?;
    loop {
        let removed = entries.execute([key, chunk])?;
        if removed < Slice::CHUNK {
            return Ok(true);
        }
        if !slice.rows(removed) {
            return Ok(false);
        }
    }
}

/// Whether there are rows of sources that were dropped.
pub(super) fn dropped_sources(connection: &Connection) -> Result<bool, StoreError> {
    Ok(connection.prepare("SELECT 1 FROM subject_sources WHERE source IS NULL")?.exists([])?)
}

/// Removes the rows of dropped sources, then the sources.
pub(super) fn sweep_dropped(connection: &Connection, slice: &mut Slice) -> Result<bool, StoreError> {
    let next = "SELECT key FROM subject_sources WHERE source IS NULL LIMIT 1";
    while let Some(key) = connection.prepare_cached(next)?.query_row([], |row| row.get(0)).optional()? {
        // In the order of the index: state by state, each would be somewhere else in it.
        if !remove_entries(connection, slice, key)? || !remove_changes(connection, slice, key, 0, i64::MAX)? {
            return Ok(false);
        }
        super::enter::forget(connection, key, 0, i64::MAX)?;
        connection.prepare_cached("DELETE FROM subject_sources WHERE key = ?1")?.execute([key])?;
    }
    Ok(true)
}
