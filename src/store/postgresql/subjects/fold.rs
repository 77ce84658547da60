//! Removes states that no reader can see any more, a slice a transaction; any process may take over after any of them.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

use super::source::{BY_INDEX, Source};
use super::stage::{SLICE, remove};
use crate::domain::ids::SourceId;
use crate::store::StoreError;
use crate::store::postgresql::error::{Failed, persist};
use crate::store::postgresql::sessions::Base;

/// What a fold does after the level is raised, one after the other.
#[derive(Debug, Clone)]
enum Step {
    /// Removes what is older than the last replacement.
    Replaced,
    /// Removes what the states of a change supersede, after this one.
    Superseded { change: i64, subject: String },
    /// Removes deletions, which have nothing left to hide.
    Deletions,
    /// Notes that all is done.
    Note,
}

/// Folds the committed changes up to `n` into the base.
pub(super) async fn fold(base: &Base, id: &SourceId, n: i64) -> Result<(), StoreError> {
    let Some((key, target)) = persist(|| raise(base, id, n)).await? else { return Ok(()) };
    let mut next = Some(Step::Replaced);
    while let Some(step) = next {
        next = persist(|| run(base, key, target, step.clone())).await?;
    }
    Ok(())
}

/// Raises the level before anything is removed; key and level of the source if there is something to do.
async fn raise(base: &Base, id: &SourceId, n: i64) -> Result<Option<(i64, i64)>, Failed> {
    let mut session = base.session().await?;
    let session: &mut Client = &mut session;
    let transaction = session.transaction().await?;
    let Some(source) = Source::lock(&transaction, id).await? else { return Ok(None) };
    let target = n.min(source.data_version);
    if target <= source.folded {
        return Ok(None);
    }
    let sql = "UPDATE subject_sources SET level = greatest(level, $2) WHERE key = $1";
    transaction.execute_typed(sql, &[(&source.key, Type::INT8), (&target, Type::INT8)]).await?;
    transaction.commit().await?;
    Ok(Some((source.key, target)))
}

/// One slice; what is to be done next.
async fn run(base: &Base, key: i64, target: i64, step: Step) -> Result<Option<Step>, Failed> {
    let mut session = base.session().await?;
    let session: &mut Client = &mut session;
    let transaction = session.transaction().await?;
    let Some(source) = Source::lock_key(&transaction, key).await? else { return Ok(None) };
    let next = match step {
        Step::Replaced => {
            let removed = remove(&transaction, &source, "change < $1", source.replaced_at).await?;
            Some(if removed == SLICE { Step::Replaced } else { first(&transaction, &source, target).await? })
        }
        Step::Superseded { change, subject } => {
            let last = supersede(&transaction, &source, target, change, &subject).await?;
            Some(last.map_or(Step::Deletions, |(change, subject)| Step::Superseded { change, subject }))
        }
        Step::Deletions => {
            let removed = remove(&transaction, &source, "body IS NULL AND change <= $1", target).await?;
            Some(if removed == SLICE { Step::Deletions } else { Step::Note })
        }
        Step::Note => {
            let sql = "UPDATE subject_sources SET folded = greatest(folded, $2) WHERE key = $1";
            transaction.execute_typed(sql, &[(&key, Type::INT8), (&target, Type::INT8)]).await?;
            None
        }
    };
    transaction.commit().await?;
    Ok(next)
}

/// Where superseding begins: the oldest change supersedes nothing, and what was folded before has done so.
async fn first(transaction: &Transaction<'_>, source: &Source, target: i64) -> Result<Step, Failed> {
    let sql = format!("SELECT min(change), max(change) FROM {} WHERE change <= $1", source.table());
    let row = transaction.query_typed_one(&sql, &[(&target, Type::INT8)]).await?;
    let (oldest, newest): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    let change = oldest.unwrap_or(0).max(source.folded).saturating_add(1);
    if newest.is_none_or(|newest| newest < change) {
        return Ok(Step::Deletions);
    }
    Ok(Step::Superseded { change, subject: String::new() })
}

/// Removes what some states supersede, in the order of changes and subjects; the last of these, if there may be more.
async fn supersede(
    transaction: &Transaction<'_>,
    source: &Source,
    target: i64,
    change: i64,
    subject: &str,
) -> Result<Option<(i64, String)>, Failed> {
    transaction.batch_execute(BY_INDEX).await?;
    // A slice begins with the last state of the one before.
    let sql = format!(
        "WITH newer AS MATERIALIZED (SELECT change, subject FROM {0} \
         WHERE (change, subject) >= ($1, $2) AND change <= $3 ORDER BY change, subject LIMIT {SLICE}), \
         gone AS (DELETE FROM {0} AS older USING newer \
         WHERE older.subject = newer.subject AND older.change < newer.change) \
         SELECT change, subject, (SELECT count(*) FROM newer) FROM newer ORDER BY change DESC, subject DESC LIMIT 1",
        source.table()
    );
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&change, Type::INT8), (&subject, Type::TEXT), (&target, Type::INT8)];
    let Some(row) = transaction.query_typed_opt(&sql, &parameters).await? else { return Ok(None) };
    let (change, subject, count): (i64, String, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok((u64::try_from(count) == Ok(SLICE)).then_some((change, subject)))
}
