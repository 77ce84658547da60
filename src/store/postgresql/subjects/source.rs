//! A source as a row, and the table of its states.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row, Transaction};

use crate::domain::ids::SourceId;
use crate::domain::sources::Manifest;
use crate::store::StoreError;
use crate::store::postgresql::error::Failed;
use crate::store::postgresql::lookup;
use crate::store::postgresql::sessions::Base;

/// How the states of a source are always found: by an index, one after the other. The planner knows nothing of a table
/// that is new or has just been filled, and would read all of it for each page.
pub(super) const BY_INDEX: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; \
                                   SET LOCAL enable_sort = off; SET LOCAL enable_hashjoin = off; \
                                   SET LOCAL enable_mergejoin = off";

const COLUMNS: &str = "key, data_version, replaced_at, level, folded";

/// A source as stored; numbers as in its manifest, 0 where nothing is committed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub key: i64,
    pub data_version: i64,
    pub replaced_at: i64,
    /// States of changes up to this one are the base.
    pub level: i64,
    /// Changes up to this one are folded, removal included.
    pub folded: i64,
}

impl Source {
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            key: row.try_get(0)?,
            data_version: row.try_get(1)?,
            replaced_at: row.try_get(2)?,
            level: row.try_get(3)?,
            folded: row.try_get(4)?,
        })
    }

    /// Finds a source something was staged for or committed to.
    pub async fn find(session: &Client, id: &SourceId) -> Result<Option<Self>, tokio_postgres::Error> {
        let sql = format!("SELECT {COLUMNS} FROM subject_sources WHERE source = $1");
        let row = session.query_typed_opt(&sql, &[(&lookup::stored(id.as_str()), Type::TEXT)]).await?;
        row.as_ref().map(Self::read).transpose()
    }

    /// The same, and nobody else changes it or its states until the transaction ends.
    pub async fn lock(
        transaction: &Transaction<'_>,
        id: &SourceId,
    ) -> Result<Option<Self>, tokio_postgres::Error> {
        let sql = format!("SELECT {COLUMNS} FROM subject_sources WHERE source = $1 FOR UPDATE");
        let row = transaction.query_typed_opt(&sql, &[(&lookup::stored(id.as_str()), Type::TEXT)]).await?;
        row.as_ref().map(Self::read).transpose()
    }

    /// The same of one that is known already; none once it is removed, whatever has its name now.
    pub async fn lock_key(
        transaction: &Transaction<'_>,
        key: i64,
    ) -> Result<Option<Self>, tokio_postgres::Error> {
        let sql = format!("SELECT {COLUMNS} FROM subject_sources WHERE key = $1 FOR UPDATE");
        let row = transaction.query_typed_opt(&sql, &[(&key, Type::INT8)]).await?;
        row.as_ref().map(Self::read).transpose()
    }

    /// Locks a source, made with its table if there is none.
    pub async fn lock_or_add(transaction: &Transaction<'_>, id: &SourceId) -> Result<Self, Failed> {
        if let Some(found) = Self::lock(transaction, id).await? {
            return Ok(found);
        }
        let sql = "INSERT INTO subject_sources (source) VALUES ($1) ON CONFLICT DO NOTHING RETURNING key";
        let name = lookup::stored(id.as_str());
        if let Some(row) = transaction.query_typed_opt(sql, &[(&name, Type::TEXT)]).await? {
            let key: i64 = row.try_get(0)?;
            transaction.batch_execute(&creation(key)).await?;
        }
        Self::lock(transaction, id).await?.ok_or_else(|| {
            Failed::Again(StoreError::Unavailable(format!(
                "source {id} is removed from PostgreSQL while it is written to"
            )))
        })
    }

    /// The table of its states.
    pub fn table(&self) -> String {
        table(self.key)
    }

    /// The changes a reader of a version looks at, lowest and highest; nothing before the first commit, and never more
    /// than is committed.
    pub fn visible(&self, version: i64) -> (i64, i64) {
        (self.replaced_at, version.max(self.level).min(self.data_version))
    }

    /// Fails unless the change is still to be committed.
    pub fn refuse_committed(&self, id: &SourceId, n: i64) -> Result<(), StoreError> {
        if n <= self.data_version {
            return Err(StoreError::Conflict(format!(
                "change {n} of source {id} is committed already (version {})",
                self.data_version
            )));
        }
        Ok(())
    }
}

fn table(key: i64) -> String {
    format!("subjects_{key}")
}

/// States as they are found: by subject for readers, newest first; by change for folding and building; deletions.
fn creation(key: i64) -> String {
    let table = table(key);
    format!(
        "CREATE TABLE {table} (change bigint NOT NULL, subject text COLLATE \"C\" NOT NULL, body text); \
         CREATE UNIQUE INDEX {table}_by_subject ON {table} (subject, change DESC); \
         CREATE INDEX {table}_by_change ON {table} (change, subject); \
         CREATE INDEX {table}_deleted ON {table} (change) WHERE body IS NULL"
    )
}

/// A number of the manifest as PostgreSQL holds it.
pub(super) fn integer(n: u64) -> Result<i64, StoreError> {
    i64::try_from(n).map_err(|_| StoreError::engine(format!("{n} is no change or version of a source")))
}

pub(super) fn corrupt(reason: impl ToString) -> StoreError {
    StoreError::Corrupt { room: "subjects", reason: reason.to_string() }
}

/// Every source there is anything of.
pub(super) async fn all(base: &Base) -> Result<Vec<SourceId>, StoreError> {
    let rows = base.session().await?.query_typed("SELECT source FROM subject_sources", &[]).await?;
    rows.iter().map(|row| SourceId::parse(lookup::read(row.try_get(0)?)).map_err(corrupt)).collect()
}

/// The manifest, with how far the source is really folded.
pub(super) async fn manifest(base: &Base, id: &SourceId) -> Result<Option<Manifest>, StoreError> {
    let sql = "SELECT manifest, folded FROM subject_sources WHERE source = $1 AND manifest IS NOT NULL";
    let name = lookup::stored(id.as_str());
    let found = base.session().await?.query_typed_opt(sql, &[(&name, Type::TEXT)]).await?;
    let Some(row) = found else { return Ok(None) };
    let mut manifest: Manifest = serde_json::from_str(row.try_get(0)?)
        .map_err(|error| corrupt(format!("manifest of {id}: {error}")))?;
    manifest.folded = u64::try_from(row.try_get::<_, i64>(1)?).map_err(corrupt)?;
    Ok(Some(manifest))
}

/// Makes a new manifest the visible one if the visible version is still the expected one.
pub(super) async fn commit(base: &Base, expected: u64, manifest: &Manifest) -> Result<(), Failed> {
    let id = &manifest.source_id;
    let body = serde_json::to_string(manifest).map_err(StoreError::engine)?;
    let (expected, version) = (integer(expected)?, integer(manifest.data_version)?);
    let (replaced_at, folded) = (integer(manifest.replaced_at)?, integer(manifest.folded)?);
    let mut session = base.session().await?;
    let session: &mut Client = &mut session;
    let transaction = session.transaction().await?;
    let source = if expected == 0 {
        Some(Source::lock_or_add(&transaction, id).await?)
    } else {
        Source::lock(&transaction, id).await?
    };
    let at = source.map_or(0, |source| source.data_version);
    let Some(source) = source.filter(|_| at == expected && version >= expected) else {
        return Err(Failed::Store(StoreError::Conflict(format!(
            "source {id} is at version {at}, not {expected}, and cannot become {version}"
        ))));
    };
    let sql = "UPDATE subject_sources SET manifest = $2, data_version = $3, replaced_at = $4, \
               folded = greatest(folded, $5), level = greatest(level, $5) WHERE key = $1";
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 5] = [
        (&source.key, Type::INT8),
        (&body, Type::TEXT),
        (&version, Type::INT8),
        (&replaced_at, Type::INT8),
        (&folded, Type::INT8),
    ];
    transaction.execute_typed(sql, &parameters).await?;
    Ok(transaction.commit().await?)
}

/// Removes a source with its table.
pub(super) async fn remove(base: &Base, id: &SourceId) -> Result<(), Failed> {
    let mut session = base.session().await?;
    let session: &mut Client = &mut session;
    let transaction = session.transaction().await?;
    let sql = "DELETE FROM subject_sources WHERE source = $1 RETURNING key";
    let name = lookup::stored(id.as_str());
    if let Some(row) = transaction.query_typed_opt(sql, &[(&name, Type::TEXT)]).await? {
        transaction.batch_execute(&format!("DROP TABLE {}", table(row.try_get(0)?))).await?;
    }
    Ok(transaction.commit().await?)
}
