//! Removes states of subjects that no reader can see any more, a slice at a time.
//!
//! Every function answers whether it is finished; all they need to go on is in the file, so that any process may
//! take over at any slice.

use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

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
        let mut remove = connection.prepare_cached(
            "DELETE FROM subjects INDEXED BY subjects_by_subject WHERE source = ?1 AND subject = ?2 AND change < ?3",
        )?;
        let mut rows = states.query([key, change, after])?;
        while let Some(row) = rows.next()? {
            let subject = row.get_ref(1)?.as_str().map_err(StoreError::engine)?;
            remove.execute(params![key, subject, change])?;
            if !slice.row() {
                let note = "UPDATE subject_sources SET swept = ?2 WHERE key = ?1";
                connection.prepare_cached(note)?.execute([key, row.get(0)?])?;
                return Ok(false);
            }
        }
    }
    // Nothing older than these deletions is left that they would have to hide.
    let deletions = format!(
        "DELETE FROM subjects WHERE id IN (SELECT id FROM subjects WHERE source = ?1 AND change = ?2 \
         AND body IS NULL LIMIT {})",
        Slice::CHUNK
    );
    in_chunks(connection, slice, &deletions, [key, change])
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
    let states = format!(
        "DELETE FROM subjects WHERE id IN (SELECT id FROM subjects WHERE source = ?1 AND change BETWEEN ?2 AND ?3 \
         LIMIT {})",
        Slice::CHUNK
    );
    in_chunks(connection, slice, &states, [key, from, to])
}

/// Repeats a deletion of at most `Slice::CHUNK` rows until nothing is left or the slice is used up.
fn in_chunks<const N: usize>(
    connection: &Connection,
    slice: &mut Slice,
    sql: &str,
    parameters: [i64; N],
) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    loop {
        let removed = statement.execute(params_from_iter(parameters))?;
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
        if !remove_changes(connection, slice, key, 0, i64::MAX)? {
            return Ok(false);
        }
        connection.prepare_cached("DELETE FROM subject_sources WHERE key = ?1")?.execute([key])?;
    }
    Ok(true)
}
