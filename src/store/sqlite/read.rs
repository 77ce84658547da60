//! What a reader sees of a source; each function runs in one snapshot.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::subjects::SourceRow;
use crate::domain::ids::SourceId;
use crate::domain::sources::Manifest;
use crate::domain::subjects::Subject;
use crate::store::{Change, StoreError};

fn corrupt(reason: impl ToString) -> StoreError {
    StoreError::Corrupt { room: "subjects", reason: reason.to_string() }
}

fn subject(source: &SourceId, body: &[u8]) -> Result<Subject, StoreError> {
    serde_json::from_slice(body).map_err(|error| corrupt(format!("source {source}: {error}")))
}

/// Sources that have a name, whatever there is of them.
pub(super) fn sources(connection: &Connection) -> Result<Vec<SourceId>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT source FROM subject_sources WHERE source IS NOT NULL")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    names.map(|name| SourceId::parse(name?).map_err(corrupt)).collect()
}

/// The manifest, with how far the source is really folded.
pub(super) fn manifest(connection: &Connection, source: &SourceId) -> Result<Option<Manifest>, StoreError> {
    let Some(row) = SourceRow::find(connection, source)? else { return Ok(None) };
    let Some(body) = row.manifest else { return Ok(None) };
    let mut manifest: Manifest =
        serde_json::from_str(&body).map_err(|error| corrupt(format!("manifest of {source}: {error}")))?;
    manifest.folded = u64::try_from(row.folded).map_err(corrupt)?;
    Ok(Some(manifest))
}

/// The changes a reader of a version looks at, lowest and highest; nothing before the first commit, and never more
/// than is committed.
fn visible(row: &SourceRow, version: i64) -> (i64, i64) {
    (row.replaced_at, version.max(row.level).min(row.data_version))
}

/// Ids each once: a subject asked for twice is answered once.
fn distinct(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn bodies(
    source: &SourceId,
    mut statement: CachedStatement<'_>,
    (key, low, high): (i64, i64, i64),
    ids: Vec<String>,
) -> Result<Vec<Subject>, StoreError> {
    let mut found = Vec::new();
    for id in distinct(ids) {
        let body: Option<Option<Vec<u8>>> =
            statement.query_row(params![key, id, low, high], |row| row.get(0)).optional()?;
        if let Some(body) = body.flatten() {
            found.push(subject(source, &body)?);
        }
    }
    Ok(found)
}

const ONE: &str = "SELECT body FROM subjects WHERE id = (SELECT row FROM subject_ids \
                   WHERE source = ?1 AND subject = ?2 AND change BETWEEN ?3 AND ?4 ORDER BY change DESC LIMIT 1)";

/// Those of the subjects that exist in the version.
pub(super) fn get_many(
    connection: &Connection,
    source: &SourceId,
    version: i64,
    ids: Vec<String>,
) -> Result<Vec<Subject>, StoreError> {
    let Some(row) = SourceRow::find(connection, source)? else { return Ok(Vec::new()) };
    let (low, high) = visible(&row, version);
    bodies(source, connection.prepare_cached(ONE)?, (row.key, low, high), ids)
}

/// Those of the subjects that the change `n`, not committed yet, sets.
pub(super) fn staged(
    connection: &Connection,
    source: &SourceId,
    n: i64,
    ids: Vec<String>,
) -> Result<Vec<Subject>, StoreError> {
    let Some(row) = SourceRow::find(connection, source)? else { return Ok(Vec::new()) };
    if n <= row.data_version {
        return Ok(Vec::new());
    }
    bodies(source, connection.prepare_cached(ONE)?, (row.key, n, n), ids)
}

/// A page of the subjects of a version in byte order (SQLite compares texts so), after the given id.
pub(super) fn scan(
    connection: &Connection,
    source: &SourceId,
    version: i64,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Subject>, StoreError> {
    let Some(row) = SourceRow::find(connection, source)? else { return Ok(Vec::new()) };
    let (low, high) = visible(&row, version);
    let sql = format!(
        "SELECT entry.subject, state.body FROM subject_ids AS entry CROSS JOIN subjects AS state ON state.id = entry.row \
         WHERE entry.source = ?1 AND entry.subject {} ?2 AND entry.change BETWEEN ?3 AND ?4 \
         ORDER BY entry.subject, entry.change DESC",
        if after.is_some() { ">" } else { ">=" }
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![row.key, after.unwrap_or_default(), low, high])?;
    let mut page = Vec::new();
    let mut seen: Option<String> = None;
    while page.len() < limit {
        let Some(state) = rows.next()? else { break };
        let id = state.get_ref(0)?.as_str().map_err(corrupt)?;
        // Only a subject's first row counts, the newest; the others are states it replaced.
        if seen.as_deref() == Some(id) {
            continue;
        }
        seen = Some(id.to_owned());
        if let Some(body) = state.get_ref(1)?.as_blob_or_null().map_err(corrupt)? {
            page.push(subject(source, body)?);
        }
    }
    Ok(page)
}

/// Up to so many states of a change are sorted for each page; a larger change is worth a walk over the whole source
/// in order, which all pages share.
const SORTED_CHANGE: i64 = 20_000;

/// A page of change `n` itself. A change that is folded is part of the base; asking for it is a `Conflict`, for an
/// empty page would pass for an empty change.
pub(super) fn scan_change(
    connection: &Connection,
    source: &SourceId,
    n: i64,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Change>, StoreError> {
    let Some(row) = SourceRow::find(connection, source)? else { return Ok(Vec::new()) };
    if n <= row.level {
        return Err(StoreError::Conflict(format!("change {n} of source {source} is folded into its base")));
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let some = format!(
        "SELECT count(*) FROM (SELECT 1 FROM subjects INDEXED BY subjects_by_change \
         WHERE source = ?1 AND change = ?2 LIMIT {})",
        SORTED_CHANGE + 1
    );
    let count: i64 = connection.prepare_cached(&some)?.query_row([row.key, n], |row| row.get(0))?;
    let past = if after.is_some() { ">" } else { ">=" };
    // The first change is the whole source.
    let sql = if count > SORTED_CHANGE || row.data_version == 0 {
        format!(
            "SELECT entry.subject, state.body FROM subject_ids AS entry CROSS JOIN subjects AS state \
             ON state.id = entry.row WHERE entry.source = ?1 AND entry.change = ?2 AND entry.subject {past} ?3 \
             ORDER BY entry.subject LIMIT ?4"
        )
    } else {
        // The plus keeps SQLite from taking the order for one that the index has.
        format!(
            "SELECT subject, body FROM subjects INDEXED BY subjects_by_change \
             WHERE source = ?1 AND change = ?2 AND subject {past} ?3 ORDER BY +subject LIMIT ?4"
        )
    };
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![row.key, n, after.unwrap_or_default(), limit])?;
    let mut page = Vec::new();
    while let Some(state) = rows.next()? {
        page.push(match state.get_ref(1)?.as_blob_or_null().map_err(corrupt)? {
            Some(body) => Change::Upsert(subject(source, body)?),
            None => Change::Delete(state.get(0)?),
        });
    }
    Ok(page)
}
