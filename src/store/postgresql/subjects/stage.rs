//! Changes before they are committed.

use std::pin::pin;

use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

use super::source::{BY_INDEX, Source};
use crate::domain::ids::SourceId;
use crate::store::postgresql::error::{Failed, persist};
use crate::store::postgresql::lookup;
use crate::store::postgresql::sessions::Base;
use crate::store::{Change, StoreError};

/// States that one transaction copies or removes.
pub(super) const SLICE: u64 = 5_000;

/// A change as a row, its body serialised.
type State = (String, Option<String>);

/// Adds a batch to a change that is not committed.
pub(super) async fn stage(base: &Base, id: &SourceId, n: i64, batch: Vec<Change>) -> Result<(), StoreError> {
    let states = tokio::task::spawn_blocking(move || states(batch)).await.map_err(StoreError::engine)??;
    let most = usize::try_from(SLICE).unwrap_or(usize::MAX);
    if states.is_empty() {
        return persist(|| copy(base, id, n, &[])).await;
    }
    for part in states.chunks(most) {
        persist(|| copy(base, id, n, part)).await?;
    }
    Ok(())
}

/// The batch in the order of ids, the last of equals kept.
fn states(batch: Vec<Change>) -> Result<Vec<State>, StoreError> {
    let mut states = Vec::with_capacity(batch.len());
    for change in batch {
        let (id, body) = match change {
            Change::Upsert(subject) => {
                let body = serde_json::to_string(&subject).map_err(StoreError::engine)?;
                (subject.subject_id, Some(body))
            }
            Change::Delete(id) => (id, None),
        };
        states.push((lookup::stored(&id).into_owned(), body));
    }
    states.reverse();
    states.sort_by(|a, b| a.0.cmp(&b.0));
    states.dedup_by(|later, kept| later.0 == kept.0);
    Ok(states)
}

/// Writes states in one transaction; what was staged of these subjects before gives way.
async fn copy(base: &Base, id: &SourceId, n: i64, part: &[State]) -> Result<(), Failed> {
    let mut session = base.session().await?;
    let session: &mut Client = &mut session;
    let transaction = session.transaction().await?;
    let source = Source::lock_or_add(&transaction, id).await?;
    source.refuse_committed(id, n)?;
    if !part.is_empty() {
        replace(&transaction, &source, n, part).await?;
    }
    Ok(transaction.commit().await?)
}

async fn replace(
    transaction: &Transaction<'_>,
    source: &Source,
    n: i64,
    part: &[State],
) -> Result<(), Failed> {
    let table = source.table();
    let ids: Vec<&str> = part.iter().map(|(id, _)| id.as_str()).collect();
    transaction.batch_execute(BY_INDEX).await?;
    let sql = format!("DELETE FROM {table} WHERE change = $1 AND subject = ANY ($2)");
    transaction.execute_typed(&sql, &[(&n, Type::INT8), (&ids, Type::TEXT_ARRAY)]).await?;
    let sql = format!("COPY {table} (change, subject, body) FROM STDIN (FORMAT binary)");
    let sink = transaction.copy_in(&sql).await?;
    let mut rows = pin!(BinaryCopyInWriter::new(sink, &[Type::INT8, Type::TEXT, Type::TEXT]));
    for (subject, body) in part {
        rows.as_mut().write(&[&n, subject, body]).await?;
    }
    rows.finish().await?;
    Ok(())
}

/// Forgets a change that is not committed.
pub(super) async fn discard(base: &Base, id: &SourceId, n: i64) -> Result<(), StoreError> {
    while persist(|| discard_slice(base, id, n)).await? {}
    Ok(())
}

/// Removes some of a change; whether there may be more.
async fn discard_slice(base: &Base, id: &SourceId, n: i64) -> Result<bool, Failed> {
    let mut session = base.session().await?;
    let session: &mut Client = &mut session;
    let transaction = session.transaction().await?;
    let Some(source) = Source::lock(&transaction, id).await? else { return Ok(false) };
    source.refuse_committed(id, n)?;
    let removed = remove(&transaction, &source, "change = $1", n).await?;
    transaction.commit().await?;
    Ok(removed == SLICE)
}

/// Removes some of the states that meet a condition on their change; the row of the source is locked.
pub(super) async fn remove(
    transaction: &Transaction<'_>,
    source: &Source,
    condition: &str,
    change: i64,
) -> Result<u64, Failed> {
    transaction.batch_execute(BY_INDEX).await?;
    let sql = format!(
        "DELETE FROM {0} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {0} WHERE {condition} LIMIT {SLICE}))",
        source.table()
    );
    Ok(transaction.execute_typed(&sql, &[(&change, Type::INT8)]).await?)
}
