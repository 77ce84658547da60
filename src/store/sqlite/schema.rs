//! A table for each room, an expression index for each indexed or unique field.

use std::collections::BTreeMap;

use rusqlite::{Connection, TransactionBehavior};

use crate::store::{Room, StoreError};

/// The room's table.
pub(super) fn table(room: Room) -> String {
    format!("doc_{}", room.collection().replace('.', "_"))
}

/// A top-level field of the body as SQL; refuses names that would not be plain JSON paths.
///
/// The path must be part of the statement (an expression index does not match a parameter), so this is the one place
/// where a name enters SQL.
pub(super) fn field(name: &str) -> Result<String, StoreError> {
    Ok(format!("json_extract(body, {})", path(name)?))
}

/// The JSON path of a top-level field, quoted for SQL.
pub(super) fn path(name: &str) -> Result<String, StoreError> {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !plain {
        return Err(StoreError::engine(format!(
            "a field to filter by must be letters, digits and _: {name:?}"
        )));
    }
    Ok(format!("'$.{name}'"))
}

/// The name of the index that keeps a field unique.
pub(super) fn unique_index(room: Room, name: &str) -> String {
    format!("{}__unique_{name}", table(room))
}

/// Every table and index the rooms ask for, by name.
fn wanted() -> Result<BTreeMap<String, String>, StoreError> {
    let mut wanted = BTreeMap::new();
    for &room in Room::ALL {
        let table = table(room);
        for name in room.indexed() {
            // The id is there so that a page in the default order needs no sorting.
            let sql = format!("CREATE INDEX {table}__{name} ON {table} ({}, id)", field(name)?);
            wanted.insert(format!("{table}__{name}"), sql);
        }
        for name in room.unique() {
            let index = unique_index(room, name);
            let sql = format!("CREATE UNIQUE INDEX {index} ON {table} ({})", field(name)?);
            wanted.insert(index, sql);
        }
        let sql = format!(
            "CREATE TABLE {table} (id TEXT PRIMARY KEY, revision INTEGER NOT NULL, body TEXT NOT NULL)"
        );
        wanted.insert(table, sql);
    }
    Ok(wanted)
}

fn present(connection: &Connection) -> Result<BTreeMap<String, String>, StoreError> {
    let mut statement =
        connection.prepare("SELECT name, type FROM sqlite_master WHERE name LIKE 'doc\\_%' ESCAPE '\\'")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds the tables and indexes that are missing and drops indexes no room asks for; tables are never dropped.
pub(super) fn create_rooms(connection: &mut Connection) -> Result<(), StoreError> {
    let wanted = wanted()?;
    let stale = |present: &BTreeMap<String, String>| -> Vec<String> {
        let old = present.iter().filter(|(name, kind)| *kind == "index" && !wanted.contains_key(*name));
        old.map(|(name, _)| name.clone()).collect()
    };
    let complete = |present: &BTreeMap<String, String>| wanted.keys().all(|name| present.contains_key(name));
    let before = present(connection)?;
    if complete(&before) && stale(&before).is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = present(&transaction)?;
    for name in stale(&before) {
        transaction.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    // Names sort a table before its indexes.
    for (name, sql) in wanted.iter().filter(|(name, _)| !before.contains_key(*name)) {
        transaction.execute_batch(sql).map_err(|error| match StoreError::from(error) {
            StoreError::Conflict(_) => StoreError::engine(format!(
                "index {name} cannot be made: documents share a value that must be unique from this version on"
            )),
            other => other,
        })?;
    }
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("userId", true)]
    #[case("", false)]
    #[case("a.b", false)]
    #[case("a') OR 1 --", false)]
    fn only_plain_names_enter_a_statement(#[case] name: &str, #[case] legal: bool) {
        assert_eq!(field(name).is_ok(), legal);
    }

    #[test]
    fn rooms_get_what_they_lack_and_lose_indexes_nobody_asks_for() {
        let mut connection = Connection::open_in_memory().unwrap();
        create_rooms(&mut connection).unwrap();
        let whole = present(&connection).unwrap();
        connection.execute_batch("DROP INDEX doc_query_queries__userId").unwrap();
        connection
            .execute_batch("CREATE INDEX doc_query_queries__old ON doc_query_queries (revision)")
            .unwrap();
        create_rooms(&mut connection).unwrap();
        assert_eq!(present(&connection).unwrap(), whole);
    }
}
