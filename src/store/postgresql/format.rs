//! Which format the schema is in: a document of `instance.config` that no listing shows.

use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::schema;
use crate::store::{Room, StoreError};

/// The id of the document that says it.
pub(super) const DOCUMENT: &str = "StoreFormat";
/// The format this program writes.
const FORMAT: i64 = 1;

/// Refuses a schema of a newer format by name; `false` where nothing is noted.
pub(super) async fn check(session: &Client, schema: &str) -> Result<bool, StoreError> {
    let sql = format!("SELECT body FROM {} WHERE id = $1", schema::table(Room::Config));
    let Some(row) = session.query_typed_opt(&sql, &[(&DOCUMENT, Type::TEXT)]).await? else {
        return Ok(false);
    };
    let note: Value = serde_json::from_str(row.try_get(0)?).unwrap_or_default();
    let Some(format) = note.get("format").and_then(Value::as_i64) else {
        return Err(StoreError::engine(format!(
            "the document {DOCUMENT} of {} says no format, expected a number",
            Room::Config.collection()
        )));
    };
    if format > FORMAT {
        return Err(StoreError::engine(format!(
            "the schema {schema} in PostgreSQL is in format {format}, which cv3-backend {} wrote; this is {}, which knows \
             format {FORMAT}: run that version or a later one",
            note.get("program").and_then(Value::as_str).unwrap_or("of an unknown version"),
            env!("CARGO_PKG_VERSION"),
        )));
    }
    Ok(true)
}

/// Notes the format.
pub(super) async fn note(session: &Client) -> Result<(), StoreError> {
    let body = json!({"id": DOCUMENT, "format": FORMAT, "program": env!("CARGO_PKG_VERSION")}).to_string();
    let sql = format!(
        "INSERT INTO {} (id, revision, body, lookup) VALUES ($1, nextval('revisions'), $2, '{{}}') ON CONFLICT DO NOTHING",
        schema::table(Room::Config)
    );
    session.execute_typed(&sql, &[(&DOCUMENT, Type::TEXT), (&body, Type::TEXT)]).await?;
    Ok(())
}
