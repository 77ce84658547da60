//! Subjects in generations, as one table of states: `(source, subject, change) -> body`, no body for a deletion.
//!
//! `subjects` has them in the order they came, `subject_ids` finds them; a change that is not committed need not be in
//! it yet (`enter`).
//!
//! The base is not a table of its own. A source has a `level`: states of changes up to it are the base. A reader of
//! version `v` takes, for each subject, the newest state with `replaced_at <= change <= max(v, level)`. Folding thus
//! copies nothing: it raises the level in one small write and then removes, slice by slice, states that no reader
//! can see any more (`fold`). Whatever it has or has not removed yet, every snapshot shows each subject once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::readers::Readers;
use super::writer::{Slice, Step, Writer};
use super::{enter, fold, read};
use crate::domain::ids::SourceId;
use crate::domain::sources::Manifest;
use crate::domain::subjects::Subject;
use crate::store::{Change, StoreError, Subjects};

/// The subjects' half of the store.
#[derive(Debug)]
pub(super) struct SqliteSubjects {
    writer: Arc<Writer>,
    readers: Readers,
    /// Where entries are sorted that are too many for the memory.
    folder: PathBuf,
}

impl SqliteSubjects {
    pub fn new(file: &Path, writer: Arc<Writer>, readers: Readers) -> Self {
        let folder = file.parent().unwrap_or(Path::new(".")).to_path_buf();
        Self { writer, readers, folder }
    }

    /// Makes the subjects of a change that is not committed findable.
    async fn enter(&self, source: &SourceId, n: i64) -> Result<(), StoreError> {
        enter::enter(&self.writer, &self.readers, &self.folder, source, n).await
    }
}

/// A source as stored; numbers as in its manifest, 0 where nothing is committed.
#[derive(Debug)]
pub(super) struct SourceRow {
    pub key: i64,
    /// The manifest's JSON; absent until the first commit.
    pub manifest: Option<String>,
    pub data_version: i64,
    pub replaced_at: i64,
    /// States of changes up to this one are the base.
    pub level: i64,
    /// Changes up to this one are folded, removal included.
    pub folded: i64,
    /// The last row handled of change `folded + 1`.
    pub swept: i64,
}

impl SourceRow {
    /// Finds a source something was staged for or committed to.
    pub fn find(connection: &Connection, source: &SourceId) -> Result<Option<Self>, StoreError> {
        let sql = "SELECT key, manifest, data_version, replaced_at, level, folded, swept FROM subject_sources \
                   WHERE source = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let found = statement.query_row([source.as_str()], |row| {
            Ok(Self {
                key: row.get(0)?,
                manifest: row.get(1)?,
                data_version: row.get(2)?,
                replaced_at: row.get(3)?,
                level: row.get(4)?,
                folded: row.get(5)?,
                swept: row.get(6)?,
            })
        });
        Ok(found.optional()?)
    }

    fn find_or_add(connection: &Connection, source: &SourceId) -> Result<Self, StoreError> {
        if let Some(found) = Self::find(connection, source)? {
            return Ok(found);
        }
        let sql = "INSERT INTO subject_sources (source) VALUES (?1)";
        connection.prepare_cached(sql)?.execute([source.as_str()])?;
        Self::find(connection, source)?.ok_or_else(|| StoreError::engine("a source just added is not there"))
    }

    /// Fails unless the change is still to be committed.
    fn refuse_committed(&self, source: &SourceId, n: i64) -> Result<(), StoreError> {
        if n <= self.data_version {
            return Err(StoreError::Conflict(format!(
                "change {n} of source {source} is committed already (version {})",
                self.data_version
            )));
        }
        Ok(())
    }
}

/// A number of the manifest as SQLite holds it.
pub(super) fn integer(n: u64) -> Result<i64, StoreError> {
    i64::try_from(n).map_err(|_| StoreError::engine(format!("{n} is no change or version of a source")))
}

/// How often a commit begins again because subjects were staged meanwhile.
const COMMIT_TRIES: usize = 8;

/// A change as a row, its body serialised.
type State = (String, Option<Vec<u8>>);

/// Serialises a batch, the last of equal ids kept.
fn states(batch: Vec<Change>) -> Result<Vec<State>, StoreError> {
    let mut states = batch
        .into_iter()
        .map(|change| match change {
            Change::Upsert(subject) => {
                let body = serde_json::to_vec(&subject).map_err(StoreError::engine)?;
                Ok((subject.subject_id, Some(body)))
            }
            Change::Delete(id) => Ok((id, None)),
        })
        .collect::<Result<Vec<State>, StoreError>>()?;
    states.reverse();
    states.sort_by(|a, b| a.0.cmp(&b.0));
    states.dedup_by(|later, kept| later.0 == kept.0);
    Ok(states)
}

#[async_trait]
impl Subjects for SqliteSubjects {
    async fn sources(&self) -> Result<Vec<SourceId>, StoreError> {
        self.readers.read(read::sources).await
    }

    async fn manifest(&self, source: &SourceId) -> Result<Option<Manifest>, StoreError> {
        let source = source.clone();
        self.readers.read(move |connection| read::manifest(connection, &source)).await
    }

    async fn stage(&self, source: &SourceId, n: u64, batch: Vec<Change>) -> Result<(), StoreError> {
        let (source, n) = (source.clone(), integer(n)?);
        let states =
            tokio::task::spawn_blocking(move || states(batch)).await.map_err(StoreError::engine)??;
        let mut rest = states.into_iter();
        let sql = "INSERT INTO subjects (source, change, subject, body) VALUES (?1, ?2, ?3, ?4)";
        let write = move |connection: &Connection, slice: &mut Slice| {
            // Looked up for each slice: between two of them the change may have been committed, or the source dropped.
            let row = SourceRow::find_or_add(connection, &source)?;
            row.refuse_committed(&source, n)?;
            let mut statement = connection.prepare_cached(sql)?;
            for (subject, body) in rest.by_ref() {
                statement.execute(params![row.key, n, subject, body])?;
                if !slice.row() {
                    return Ok(Step::More);
                }
            }
            Ok(Step::Done(()))
        };
        self.writer.bulk(false, write).await
    }

    async fn staged(&self, source: &SourceId, n: u64, ids: &[String]) -> Result<Vec<Subject>, StoreError> {
        let (n, ids) = (integer(n)?, ids.to_vec());
        self.enter(source, n).await?;
        let source = source.clone();
        self.readers.read(move |connection| read::staged(connection, &source, n, ids)).await
    }

    async fn scan_change(
        &self,
        source: &SourceId,
        n: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Change>, StoreError> {
        let (n, after) = (integer(n)?, after.map(str::to_owned));
        self.enter(source, n).await?;
        let source = source.clone();
        let read =
            move |connection: &Connection| read::scan_change(connection, &source, n, after.as_deref(), limit);
        self.readers.read(read).await
    }

    async fn discard(&self, source: &SourceId, n: u64) -> Result<(), StoreError> {
        let (source, n) = (source.clone(), integer(n)?);
        let write = move |connection: &Connection, slice: &mut Slice| {
            let Some(row) = SourceRow::find(connection, &source)? else {
                return Ok(Step::Done(()));
            };
            row.refuse_committed(&source, n)?;
            enter::forget(connection, row.key, n, n)?;
            let done = fold::remove_changes(connection, slice, row.key, n, n)?;
            Ok(if done { Step::Done(()) } else { Step::More })
        };
        self.writer.bulk(false, write).await
    }

    async fn commit(&self, expected: u64, manifest: &Manifest) -> Result<(), StoreError> {
        let manifest = manifest.clone();
        let body = serde_json::to_string(&manifest).map_err(StoreError::engine)?;
        let (expected, version) = (integer(expected)?, integer(manifest.data_version)?);
        let (replaced_at, folded) = (integer(manifest.replaced_at)?, integer(manifest.folded)?);
        let sql = "UPDATE subject_sources SET manifest = ?2, data_version = ?3, replaced_at = ?4, \
                   folded = max(folded, ?5), level = max(level, ?5), \
                   swept = CASE WHEN folded < ?5 THEN 0 ELSE swept END WHERE key = ?1";
        // Whoever stages while this is written is waited for; a change is staged by one job alone, so that is rare.
        for _ in 0..COMMIT_TRIES {
            let name = manifest.source_id.clone();
            let staged = move |connection: &Connection| match SourceRow::find(connection, &name)? {
                Some(row) => enter::changes(connection, &row, version),
                None => Ok(Vec::new()),
            };
            for change in self.readers.read(staged).await? {
                self.enter(&manifest.source_id, change).await?;
            }
            let (manifest, body) = (manifest.clone(), body.clone());
            let write = move |connection: &Connection| {
                let source = &manifest.source_id;
                let row = SourceRow::find_or_add(connection, source)?;
                if row.data_version != expected || version < expected {
                    return Err(StoreError::Conflict(format!(
                        "source {source} is at version {}, not {expected}, and cannot become {version}",
                        row.data_version
                    )));
                }
                for change in enter::changes(connection, &row, version)? {
                    if !enter::is_entered(connection, row.key, change)? {
                        return Ok(false);
                    }
                }
                enter::forget(connection, row.key, 0, version)?;
                connection.prepare_cached(sql)?.execute(params![
                    row.key,
                    body,
                    version,
                    replaced_at,
                    folded
                ])?;
                Ok(true)
            };
            if self.writer.write(true, write).await? {
                return Ok(());
            }
        }
        Err(StoreError::Conflict(format!(
            "source {} is being staged while it is committed",
            manifest.source_id
        )))
    }

    async fn fold(&self, source: &SourceId, n: u64) -> Result<(), StoreError> {
        let (source, n) = (source.clone(), integer(n)?);
        let write = move |connection: &Connection, slice: &mut Slice| {
            Ok(if fold::fold(connection, slice, &source, n)? { Step::Done(()) } else { Step::More })
        };
        self.writer.bulk(false, write).await
    }

    async fn scan(
        &self,
        source: &SourceId,
        version: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Subject>, StoreError> {
        let (source, version, after) = (source.clone(), integer(version)?, after.map(str::to_owned));
        let read =
            move |connection: &Connection| read::scan(connection, &source, version, after.as_deref(), limit);
        self.readers.read(read).await
    }

    async fn get_many(
        &self,
        source: &SourceId,
        version: u64,
        ids: &[String],
    ) -> Result<Vec<Subject>, StoreError> {
        let (source, version, ids) = (source.clone(), integer(version)?, ids.to_vec());
        self.readers.read(move |connection| read::get_many(connection, &source, version, ids)).await
    }

    async fn drop_source(&self, source: &SourceId) -> Result<(), StoreError> {
        let name = source.clone();
        // Nameless first, durably: from here on nothing of the source can be found, and a source made later under
        // the same name has another key.
        let forget = move |connection: &Connection| {
            let sql = "UPDATE subject_sources SET source = NULL, manifest = NULL WHERE source = ?1";
            connection.prepare_cached(sql)?.execute([name.as_str()])?;
            Ok(())
        };
        self.writer.write(true, forget).await?;
        let sweep = |connection: &Connection, slice: &mut Slice| {
            Ok(if fold::sweep_dropped(connection, slice)? { Step::Done(()) } else { Step::More })
        };
        self.writer.bulk(false, sweep).await
    }
}
