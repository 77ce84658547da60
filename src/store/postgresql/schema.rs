//! The schema: a table per room with an index per indexed or unique field, the list of sources, the counter of revisions.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::sessions::Base;
use super::{filter, format};
use crate::store::{Room, StoreError};

/// The oldest server whose SQL is used.
const OLDEST: i32 = 130_000;

/// The room's table.
pub(super) fn table(room: Room) -> String {
    format!("doc_{}", room.collection().replace('.', "_"))
}

/// The name of the index that keeps a field unique.
pub(super) fn unique_index(room: Room, name: &str) -> String {
    format!("{}__unique_{}", table(room), name.to_lowercase())
}

fn index(room: Room, name: &str) -> String {
    format!("{}__{}", table(room), name.to_lowercase())
}

/// A name as SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Everything the rooms and sources ask for, by name; names sort a table before its indexes.
fn wanted() -> Result<BTreeMap<String, String>, StoreError> {
    let mut wanted = BTreeMap::from([
        ("revisions".to_owned(), "CREATE SEQUENCE revisions".to_owned()),
        (
            "subject_sources".to_owned(),
            "CREATE TABLE subject_sources (key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
             source text COLLATE \"C\" NOT NULL UNIQUE, manifest text, data_version bigint NOT NULL DEFAULT 0, \
             replaced_at bigint NOT NULL DEFAULT 0, level bigint NOT NULL DEFAULT 0, folded bigint NOT NULL DEFAULT 0)"
                .to_owned(),
        ),
    ]);
    for &room in Room::ALL {
        let table = table(room);
        for name in room.indexed() {
            // The id is there so that a page in the default order needs no sorting.
            let index = index(room, name);
            let sql = format!("CREATE INDEX {index} ON {table} ({} NULLS FIRST, id)", filter::field(name)?);
            wanted.insert(index, sql);
        }
        for name in room.unique() {
            let index = unique_index(room, name);
            let sql = format!("CREATE UNIQUE INDEX {index} ON {table} ({})", filter::field(name)?);
            wanted.insert(index, sql);
        }
        let sql = format!(
            "CREATE TABLE {table} (id text COLLATE \"C\" PRIMARY KEY, revision bigint NOT NULL, body text NOT NULL, \
             lookup jsonb NOT NULL, elements jsonb)"
        );
        wanted.insert(table, sql);
    }
    Ok(wanted)
}

/// What the schema has.
async fn present(session: &Client, schema: &str) -> Result<BTreeSet<String>, StoreError> {
    let sql = "SELECT relation.relname::text FROM pg_catalog.pg_class AS relation \
               JOIN pg_catalog.pg_namespace AS space ON space.oid = relation.relnamespace WHERE space.nspname = $1";
    let rows = session.query_typed(sql, &[(&schema, Type::TEXT)]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Makes what is missing, once for all processes that start together; what is there is left as it is.
pub(super) async fn prepare(base: &Base) -> Result<(), StoreError> {
    let mut session = base.session().await?;
    refuse_unfit(&session).await?;
    let wanted = wanted()?;
    let complete = |present: &BTreeSet<String>| wanted.keys().all(|name| present.contains(name));
    let before = present(&session, &base.schema).await?;
    let config = table(Room::Config);
    if before.contains(&config) && format::check(&session, &base.schema).await? && complete(&before) {
        return Ok(());
    }
    let client: &mut Client = &mut session;
    let transaction = client.transaction().await?;
    // An index of a large room takes its time, and so does another process that makes one.
    transaction.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('cv3-backend ' || $1, 0))";
    transaction.query_typed(lock, &[(&base.schema, Type::TEXT)]).await?;
    let exists = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";
    if transaction.query_typed_opt(exists, &[(&base.schema, Type::TEXT)]).await?.is_none() {
        transaction.batch_execute(&format!("CREATE SCHEMA {}", quoted(&base.schema))).await?;
    }
    let before = present(transaction.client(), &base.schema).await?;
    if before.contains(&config) {
        format::check(transaction.client(), &base.schema).await?;
    }
    for (name, sql) in wanted.iter().filter(|(name, _)| !before.contains(*name)) {
        transaction.batch_execute(sql).await.map_err(|error| match StoreError::from(error) {
            StoreError::Conflict(_) => StoreError::engine(format!(
                "index {name} cannot be made: documents share a value that must be unique from this version on"
            )),
            other => other,
        })?;
    }
    format::note(transaction.client()).await?;
    Ok(transaction.commit().await?)
}

/// Refuses servers and databases that would not keep what is written.
async fn refuse_unfit(session: &Client) -> Result<(), StoreError> {
    let sql = "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), \
               current_setting('server_encoding')";
    let row = session.query_typed_one(sql, &[]).await?;
    let (number, version, encoding): (i32, &str, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if number < OLDEST {
        return Err(StoreError::engine(format!("the server is PostgreSQL {version}, expected 13 or later")));
    }
    if encoding != "UTF8" {
        return Err(StoreError::engine(format!(
            "the database of PostgreSQL is encoded as {encoding}, expected UTF8: make it with ENCODING 'UTF8'"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_its_own_and_short_enough_to_be_kept_whole() {
        let wanted = wanted().unwrap();
        let fields = |room: &Room| 1 + room.indexed().len() + room.unique().len();
        assert_eq!(wanted.len(), 2 + Room::ALL.iter().map(fields).sum::<usize>());
        // PostgreSQL cuts longer names, and folds those it is given without quotes.
        for name in wanted.keys() {
            assert!(name.len() < 64 && *name == name.to_lowercase(), "{name}");
            assert!(!name.starts_with("subjects_"), "{name} could be the table of a source");
        }
    }

    #[test]
    fn a_name_with_quotes_stays_one_name() {
        assert_eq!(quoted("a\"; DROP SCHEMA b"), "\"a\"\"; DROP SCHEMA b\"");
    }
}
