//! Documents: one table a room, the body as JSON text.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params, params_from_iter};
use serde_json::Value;

use super::readers::Readers;
use super::writer::{Slice, Step, Writer};
use super::{filter, schema};
use crate::domain::filter::Filter;
use crate::store::{Documents, Room, StoreError, Stored};

/// The documents' half of the store.
#[derive(Debug)]
pub(super) struct SqliteDocuments {
    writer: Arc<Writer>,
    readers: Readers,
}

/// A row before its body is parsed.
type Row = (String, i64, String);

impl SqliteDocuments {
    pub fn new(writer: Arc<Writer>, readers: Readers) -> Self {
        Self { writer, readers }
    }

    /// Reads and takes the write lock once.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.readers
            .read(|connection| Ok(connection.query_row("SELECT count(*) FROM meta", [], |_| Ok(()))?))
            .await?;
        self.writer.write(false, |_| Ok(())).await
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn stored(room: Room, (id, revision, body): Row) -> Result<Stored, StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt { room: room.collection(), reason };
    let body = serde_json::from_str(&body).map_err(|error| corrupt(error.to_string()))?;
    let revision = u64::try_from(revision).map_err(|error| corrupt(error.to_string()))?;
    Ok(Stored { id, revision, body })
}

/// The revision a new document starts with: above that of any document removed from the room, so that a conditional
/// write can never meet a namesake made later.
fn first_revision(room: Room) -> String {
    format!("1 + coalesce((SELECT floor FROM rooms WHERE room = '{}'), 0)", room.collection())
}

/// Keeps the highest revision among removed documents.
fn raise_floor(connection: &Connection, room: Room, revision: i64) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO rooms VALUES (?1, ?2) ON CONFLICT DO UPDATE SET floor = max(floor, excluded.floor)";
    connection.prepare_cached(sql)?.execute(params![room.collection(), revision])?;
    Ok(())
}

/// Says which value was taken.
fn taken(room: Room, id: &str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| {
        if error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
            return error.into();
        }
        let words = error.to_string();
        let field = room.unique().iter().find(|name| words.contains(&schema::unique_index(room, name)));
        StoreError::Conflict(match field {
            Some(field) => format!("{} {id}: another document has the same {field}", room.collection()),
            None => format!("{} {id} exists", room.collection()),
        })
    }
}

#[async_trait]
impl Documents for SqliteDocuments {
    async fn get(&self, room: Room, id: &str) -> Result<Option<Stored>, StoreError> {
        let id = id.to_owned();
        let sql = format!("SELECT id, revision, body FROM {} WHERE id = ?1", schema::table(room));
        let read = move |connection: &Connection| {
            let found = connection.prepare_cached(&sql)?.query_row([id], row).optional()?;
            found.map(|found| stored(room, found)).transpose()
        };
        self.readers.read(read).await
    }

    async fn find(&self, room: Room, filter: &Filter) -> Result<Vec<Stored>, StoreError> {
        let tail = filter::whole(filter)?;
        let sql = format!("SELECT id, revision, body FROM {}{}", schema::table(room), tail.sql);
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(tail.parameters), row)?;
            rows.map(|found| stored(room, found?)).collect()
        };
        self.readers.read(read).await
    }

    async fn revision(&self, room: Room, id: &str) -> Result<Option<u64>, StoreError> {
        let id = id.to_owned();
        let sql = format!("SELECT revision FROM {} WHERE id = ?1", schema::table(room));
        let read = move |connection: &Connection| {
            let found: Option<i64> =
                connection.prepare_cached(&sql)?.query_row([id], |row| row.get(0)).optional()?;
            found.map(|revision| u64::try_from(revision).map_err(StoreError::engine)).transpose()
        };
        self.readers.read(read).await
    }

    async fn revisions(&self, room: Room, filter: &Filter) -> Result<Vec<(String, u64)>, StoreError> {
        let tail = filter::whole(filter)?;
        let sql = format!("SELECT id, revision FROM {}{}", schema::table(room), tail.sql);
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(tail.parameters), |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
            })?;
            rows.map(|found| {
                let (id, revision) = found?;
                Ok((id, u64::try_from(revision).map_err(StoreError::engine)?))
            })
            .collect()
        };
        self.readers.read(read).await
    }

    async fn count(&self, room: Room, filter: &Filter) -> Result<u64, StoreError> {
        let tail = filter::conditions(filter)?;
        let sql = format!("SELECT count(*) FROM {}{}", schema::table(room), tail.sql);
        let read = move |connection: &Connection| {
            let count: i64 = connection
                .prepare_cached(&sql)?
                .query_row(params_from_iter(tail.parameters), |row| row.get(0))?;
            u64::try_from(count).map_err(StoreError::engine)
        };
        self.readers.read(read).await
    }

    async fn insert(&self, room: Room, id: &str, body: &Value) -> Result<(), StoreError> {
        let (id, body) = (id.to_owned(), body.to_string());
        let sql = format!(
            "INSERT INTO {} (id, revision, body) VALUES (?1, {}, ?2)",
            schema::table(room),
            first_revision(room)
        );
        let write = move |connection: &Connection| {
            connection.prepare_cached(&sql)?.execute(params![id, body]).map_err(taken(room, &id))?;
            Ok(())
        };
        self.writer.write(room.durable(), write).await
    }

    async fn replace(&self, room: Room, id: &str, expected: u64, body: &Value) -> Result<u64, StoreError> {
        let (id, body) = (id.to_owned(), body.to_string());
        let sql = format!(
            "UPDATE {} SET body = ?1, revision = revision + 1 WHERE id = ?2 AND revision = ?3",
            schema::table(room)
        );
        let write = move |connection: &Connection| {
            // A revision beyond SQLite's integers cannot be the stored one.
            let changed = match i64::try_from(expected) {
                Ok(expected) => {
                    let mut statement = connection.prepare_cached(&sql)?;
                    statement.execute(params![body, id, expected]).map_err(taken(room, &id))?
                }
                Err(_) => 0,
            };
            if changed == 0 {
                let words = format!("{} {id} is not at revision {expected} any more", room.collection());
                return Err(StoreError::Conflict(words));
            }
            Ok(expected.saturating_add(1))
        };
        self.writer.write(room.durable(), write).await
    }

    async fn put(&self, room: Room, id: &str, body: &Value) -> Result<(), StoreError> {
        let (id, body) = (id.to_owned(), body.to_string());
        let sql = format!(
            "INSERT INTO {} (id, revision, body) VALUES (?1, {}, ?2) \
             ON CONFLICT (id) DO UPDATE SET body = excluded.body, revision = revision + 1",
            schema::table(room),
            first_revision(room)
        );
        let write = move |connection: &Connection| {
            connection.prepare_cached(&sql)?.execute(params![id, body]).map_err(taken(room, &id))?;
            Ok(())
        };
        self.writer.write(room.durable(), write).await
    }

    async fn delete(&self, room: Room, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        let sql = format!("DELETE FROM {} WHERE id = ?1 RETURNING revision", schema::table(room));
        let write = move |connection: &Connection| {
            let gone: Option<i64> =
                connection.prepare_cached(&sql)?.query_row([&id], |row| row.get(0)).optional()?;
            gone.map(|revision| raise_floor(connection, room, revision))
                .transpose()
                .map(|gone| gone.is_some())
        };
        self.writer.write(room.durable(), write).await
    }

    async fn delete_where(&self, room: Room, filter: &Filter) -> Result<u64, StoreError> {
        let mut tail = filter::conditions(filter)?;
        let table = schema::table(room);
        let sql = format!(
            "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table}{} LIMIT {}) RETURNING revision",
            tail.sql,
            Slice::CHUNK
        );
        let parameters = std::mem::take(&mut tail.parameters);
        let mut removed = 0_u64;
        let write = move |connection: &Connection, slice: &mut Slice| {
            loop {
                let mut statement = connection.prepare_cached(&sql)?;
                let revisions = statement
                    .query_map(params_from_iter(&parameters), |row| row.get(0))?
                    .collect::<Result<Vec<i64>, _>>()?;
                if let Some(&highest) = revisions.iter().max() {
                    raise_floor(connection, room, highest)?;
                }
                removed += revisions.len() as u64;
                if revisions.len() < Slice::CHUNK {
                    return Ok(Step::Done(removed));
                }
                if !slice.rows(revisions.len()) {
                    return Ok(Step::More);
                }
            }
        };
        self.writer.bulk(room.durable(), write).await
    }
}
