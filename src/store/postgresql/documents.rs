//! Documents: one table a room, the body as the JSON text that was written, beside it what it is found by (`lookup`).
//!
//! Revisions come from one counter for all documents: none is given twice, whatever is removed and made again.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::sessions::Base;
use super::{carry_out, error, filter, format, lookup, schema};
use crate::domain::filter::Filter;
use crate::store::{Documents, Room, StoreError, Stored};

/// Documents removed by one statement at most.
const SLICE: u64 = 5_000;

/// The documents' half of the store.
#[derive(Debug)]
pub(super) struct PostgresDocuments {
    base: Arc<Base>,
}

/// Parameters of a statement, which are texts.
fn texts<'a>(parameters: &'a [&'a str]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    parameters.iter().map(|text| (text as &(dyn ToSql + Sync), Type::TEXT)).collect()
}

fn bound(tail: &filter::Tail) -> Vec<(&(dyn ToSql + Sync), Type)> {
    tail.parameters.iter().map(|text| (text as &(dyn ToSql + Sync), Type::TEXT)).collect()
}

fn corrupt(room: Room, reason: impl ToString) -> StoreError {
    StoreError::Corrupt { room: room.collection(), reason: reason.to_string() }
}

fn number(room: Room, row: &Row, at: usize) -> Result<u64, StoreError> {
    u64::try_from(row.try_get::<_, i64>(at)?).map_err(|error| corrupt(room, error))
}

fn stored(room: Room, row: &Row) -> Result<Stored, StoreError> {
    let body = serde_json::from_str(row.try_get(2)?).map_err(|error| corrupt(room, error))?;
    Ok(Stored { id: lookup::read(row.try_get(0)?), revision: number(room, row, 1)?, body })
}

/// The note of the format is no document.
fn hidden(room: Room, id: &str) -> bool {
    room == Room::Config && id == format::DOCUMENT
}

/// A condition that always holds; where a write need not survive power loss, it has the server not wait for its log.
fn relaxed(room: Room) -> &'static str {
    if room.durable() { "true" } else { "set_config('synchronous_commit', 'off', true) IS NOT NULL" }
}

/// Says which value was taken.
fn taken(room: Room, id: &str, failed: tokio_postgres::Error) -> StoreError {
    let Some(index) = error::taken(&failed) else { return failed.into() };
    let field = room.unique().iter().find(|name| index == schema::unique_index(room, name));
    StoreError::Conflict(match field {
        Some(field) => format!("{} {id}: another document has the same {field}", room.collection()),
        None => format!("{} {id} exists", room.collection()),
    })
}

/// What a statement writes for a document.
struct Written {
    id: String,
    body: String,
    lookup: String,
    elements: Option<String>,
}

impl Written {
    fn new(id: &str, body: &Value) -> Self {
        let (lookup, elements) = lookup::columns(body);
        Self { id: lookup::stored(id).into_owned(), body: body.to_string(), lookup, elements }
    }

    fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        vec![
            (&self.id, Type::TEXT),
            (&self.body, Type::TEXT),
            (&self.lookup, Type::TEXT),
            (&self.elements, Type::TEXT),
        ]
    }
}

fn insertion(room: Room) -> String {
    format!(
        "INSERT INTO {} (id, revision, body, lookup, elements) \
         SELECT $1, nextval('revisions'), $2, $3::jsonb, $4::jsonb WHERE {}",
        schema::table(room),
        relaxed(room)
    )
}

impl PostgresDocuments {
    pub fn new(base: Arc<Base>) -> Self {
        Self { base }
    }

    async fn listed(&self, room: Room, filter: &Filter, columns: &str) -> Result<Vec<Row>, StoreError> {
        let tail = filter::whole(room, filter)?;
        let sql = format!("SELECT {columns} FROM {}{}", schema::table(room), tail.sql);
        Ok(self.base.session().await?.query_typed(&sql, &bound(&tail)).await?)
    }

    async fn one(&self, room: Room, id: &str, columns: &str) -> Result<Option<Row>, StoreError> {
        if hidden(room, id) {
            return Ok(None);
        }
        let sql = format!("SELECT {columns} FROM {} WHERE id = $1", schema::table(room));
        Ok(self.base.session().await?.query_typed_opt(&sql, &texts(&[&lookup::stored(id)])).await?)
    }
}

#[async_trait]
impl Documents for PostgresDocuments {
    async fn get(&self, room: Room, id: &str) -> Result<Option<Stored>, StoreError> {
        let found = self.one(room, id, "id, revision, body").await?;
        found.map(|row| stored(room, &row)).transpose()
    }

    async fn find(&self, room: Room, filter: &Filter) -> Result<Vec<Stored>, StoreError> {
        let rows = self.listed(room, filter, "id, revision, body").await?;
        rows.iter().map(|row| stored(room, row)).collect()
    }

    async fn revision(&self, room: Room, id: &str) -> Result<Option<u64>, StoreError> {
        let found = self.one(room, id, "revision").await?;
        found.map(|row| number(room, &row, 0)).transpose()
    }

    async fn revisions(&self, room: Room, filter: &Filter) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = self.listed(room, filter, "id, revision").await?;
        rows.iter().map(|row| Ok((lookup::read(row.try_get(0)?), number(room, row, 1)?))).collect()
    }

    async fn count(&self, room: Room, filter: &Filter) -> Result<u64, StoreError> {
        let tail = filter::conditions(room, filter)?;
        let sql = format!("SELECT count(*) FROM {}{}", schema::table(room), tail.sql);
        let row = self.base.session().await?.query_typed_one(&sql, &bound(&tail)).await?;
        number(room, &row, 0)
    }

    async fn insert(&self, room: Room, id: &str, body: &Value) -> Result<(), StoreError> {
        let (base, id, written) = (self.base.clone(), id.to_owned(), Written::new(id, body));
        carry_out(async move {
            let session = base.session().await?;
            let inserted = session.execute_typed(&insertion(room), &written.parameters()).await;
            inserted.map(drop).map_err(|failed| taken(room, &id, failed))
        })
        .await
    }

    async fn replace(&self, room: Room, id: &str, expected: u64, body: &Value) -> Result<u64, StoreError> {
        let conflict = StoreError::Conflict(format!(
            "{} {id} is not at revision {expected} any more",
            room.collection()
        ));
        // A revision beyond PostgreSQL's integers cannot be the stored one.
        let Some(expected) = i64::try_from(expected).ok().filter(|_| !hidden(room, id)) else {
            return Err(conflict);
        };
        let (base, id, written) = (self.base.clone(), id.to_owned(), Written::new(id, body));
        let sql = format!(
            "UPDATE {} SET revision = nextval('revisions'), body = $2, lookup = $3::jsonb, elements = $4::jsonb \
             WHERE id = $1 AND revision = $5 AND {} RETURNING revision",
            schema::table(room),
            relaxed(room)
        );
        carry_out(async move {
            let mut parameters = written.parameters();
            parameters.push((&expected, Type::INT8));
            let replaced = base.session().await?.query_typed_opt(&sql, &parameters).await;
            match replaced.map_err(|failed| taken(room, &id, failed))? {
                Some(row) => number(room, &row, 0),
                None => Err(conflict),
            }
        })
        .await
    }

    async fn put(&self, room: Room, id: &str, body: &Value) -> Result<(), StoreError> {
        if hidden(room, id) {
            return Err(StoreError::Conflict(format!("{} {id} exists", room.collection())));
        }
        let (base, id, written) = (self.base.clone(), id.to_owned(), Written::new(id, body));
        let sql = format!(
            "{} ON CONFLICT (id) DO UPDATE SET revision = nextval('revisions'), body = excluded.body, \
             lookup = excluded.lookup, elements = excluded.elements",
            insertion(room)
        );
        carry_out(async move {
            let put = base.session().await?.execute_typed(&sql, &written.parameters()).await;
            put.map(drop).map_err(|failed| taken(room, &id, failed))
        })
        .await
    }

    async fn delete(&self, room: Room, id: &str) -> Result<bool, StoreError> {
        if hidden(room, id) {
            return Ok(false);
        }
        let (base, id) = (self.base.clone(), lookup::stored(id).into_owned());
        let sql = format!("DELETE FROM {} WHERE id = $1 AND {}", schema::table(room), relaxed(room));
        carry_out(async move { Ok(base.session().await?.execute_typed(&sql, &texts(&[&id])).await? > 0) })
            .await
    }

    async fn delete_where(&self, room: Room, filter: &Filter) -> Result<u64, StoreError> {
        let (base, tail) = (self.base.clone(), filter::conditions(room, filter)?);
        // The conditions twice: a document that another call changes meanwhile is looked at again.
        let sql = format!(
            "WITH chosen AS MATERIALIZED (SELECT id FROM {table}{conditions} LIMIT {SLICE}), \
             gone AS (DELETE FROM {table}{conditions} AND id IN (SELECT id FROM chosen) AND {} RETURNING 1) \
             SELECT (SELECT count(*) FROM chosen), (SELECT count(*) FROM gone)",
            relaxed(room),
            table = schema::table(room),
            conditions = tail.sql,
        );
        carry_out(async move {
            let mut removed = 0_u64;
            loop {
                let row = base.session().await?.query_typed_one(&sql, &bound(&tail)).await?;
                removed = removed.saturating_add(number(room, &row, 1)?);
                if number(room, &row, 0)? < SLICE {
                    return Ok(removed);
                }
            }
        })
        .await
    }
}
