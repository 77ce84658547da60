//! What a reader sees of a source; each function reads in one snapshot.

use deadpool_postgres::Object;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, IsolationLevel, Row, Transaction};

use super::source::{BY_INDEX, Source, corrupt};
use crate::domain::ids::SourceId;
use crate::domain::subjects::Subject;
use crate::store::postgresql::error::Failed;
use crate::store::postgresql::lookup;
use crate::store::postgresql::sessions::Base;
use crate::store::{Change, StoreError};

/// Begins to read: from here on the source and its states stand still.
async fn snapshot<'a>(
    session: &'a mut Object,
    id: &SourceId,
) -> Result<(Transaction<'a>, Option<Source>), tokio_postgres::Error> {
    let session: &mut Client = session;
    let begin = session.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = begin.start().await?;
    let (steered, source) =
        tokio::join!(transaction.batch_execute(BY_INDEX), Source::find(transaction.client(), id));
    steered?;
    let source = source?;
    Ok((transaction, source))
}

fn subject(source: &SourceId, body: &str) -> Result<Subject, StoreError> {
    serde_json::from_str(body).map_err(|error| corrupt(format!("source {source}: {error}")))
}

/// Reads what rows say, off the runtime's threads: pages are large.
async fn parsed<T: Send + 'static>(
    source: &SourceId,
    rows: Vec<Row>,
    read: fn(&SourceId, &Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, Failed> {
    let source = source.clone();
    let parse = move || rows.iter().map(|row| read(&source, row)).collect::<Result<Vec<T>, StoreError>>();
    Ok(tokio::task::spawn_blocking(parse).await.map_err(StoreError::engine)??)
}

fn body_of(source: &SourceId, row: &Row) -> Result<Subject, StoreError> {
    subject(source, row.try_get(0)?)
}

fn change_of(source: &SourceId, row: &Row) -> Result<Change, StoreError> {
    Ok(match row.try_get::<_, Option<&str>>(1)? {
        Some(body) => Change::Upsert(subject(source, body)?),
        None => Change::Delete(lookup::read(row.try_get(0)?)),
    })
}

/// Ids as they are stored.
fn stored(ids: &[String]) -> Vec<String> {
    let mut ids: Vec<String> = ids.iter().map(|id| lookup::stored(id).into_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Those of the subjects that exist in the version.
pub(super) async fn get_many(
    base: &Base,
    id: &SourceId,
    version: i64,
    ids: &[String],
) -> Result<Vec<Subject>, Failed> {
    let mut session = base.session().await?;
    let (transaction, Some(source)) = snapshot(&mut session, id).await? else { return Ok(Vec::new()) };
    let (low, high) = source.visible(version);
    // A subject asked for twice is answered once.
    let sql = format!(
        "SELECT newest.body FROM unnest($1) AS wanted (subject) CROSS JOIN LATERAL \
         (SELECT body FROM {} AS state WHERE state.subject = wanted.subject COLLATE \"C\" \
         AND state.change BETWEEN $2 AND $3 ORDER BY state.change DESC LIMIT 1) AS newest \
         WHERE newest.body IS NOT NULL",
        source.table()
    );
    let ids = stored(ids);
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&ids, Type::TEXT_ARRAY), (&low, Type::INT8), (&high, Type::INT8)];
    let rows = transaction.query_typed(&sql, &parameters).await?;
    parsed(id, rows, body_of).await
}

/// Those of the subjects that the change `n`, not committed yet, sets.
pub(super) async fn staged(
    base: &Base,
    id: &SourceId,
    n: i64,
    ids: &[String],
) -> Result<Vec<Subject>, Failed> {
    let mut session = base.session().await?;
    let (transaction, Some(source)) = snapshot(&mut session, id).await? else { return Ok(Vec::new()) };
    if n <= source.data_version {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT body FROM {} WHERE change = $1 AND subject = ANY ($2) AND body IS NOT NULL",
        source.table()
    );
    let ids = stored(ids);
    let rows = transaction.query_typed(&sql, &[(&n, Type::INT8), (&ids, Type::TEXT_ARRAY)]).await?;
    parsed(id, rows, body_of).await
}

/// A page of the subjects of a version in byte order, after the given id.
pub(super) async fn scan(
    base: &Base,
    id: &SourceId,
    version: i64,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Subject>, Failed> {
    let mut session = base.session().await?;
    let (transaction, Some(source)) = snapshot(&mut session, id).await? else { return Ok(Vec::new()) };
    let (low, high) = source.visible(version);
    // Of a subject only its newest state counts; the others are states it replaced.
    let sql = format!(
        "SELECT body FROM (SELECT DISTINCT ON (subject) subject, body FROM {} \
         WHERE subject {} $1 AND change BETWEEN $2 AND $3 ORDER BY subject, change DESC) AS newest \
         WHERE body IS NOT NULL ORDER BY subject LIMIT $4",
        source.table(),
        if after.is_some() { ">" } else { ">=" }
    );
    let (after, limit) = (lookup::stored(after.unwrap_or_default()), limited(limit));
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] =
        [(&after, Type::TEXT), (&low, Type::INT8), (&high, Type::INT8), (&limit, Type::INT8)];
    let rows = transaction.query_typed(&sql, &parameters).await?;
    parsed(id, rows, body_of).await
}

/// A page of change `n` itself. A change that is folded is part of the base; asking for it is a `Conflict`, for an
/// empty page would pass for an empty change.
pub(super) async fn scan_change(
    base: &Base,
    id: &SourceId,
    n: i64,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Change>, Failed> {
    let mut session = base.session().await?;
    let (transaction, Some(source)) = snapshot(&mut session, id).await? else { return Ok(Vec::new()) };
    if n <= source.level {
        let words = format!("change {n} of source {id} is folded into its base");
        return Err(Failed::Store(StoreError::Conflict(words)));
    }
    let sql = format!(
        "SELECT subject, body FROM {} WHERE change = $1 AND subject {} $2 ORDER BY subject LIMIT $3",
        source.table(),
        if after.is_some() { ">" } else { ">=" }
    );
    let (after, limit) = (lookup::stored(after.unwrap_or_default()), limited(limit));
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&n, Type::INT8), (&after, Type::TEXT), (&limit, Type::INT8)];
    let rows = transaction.query_typed(&sql, &parameters).await?;
    parsed(id, rows, change_of).await
}
