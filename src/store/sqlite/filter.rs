//! Lowers a `Filter` to SQL; values are always parameters.

use rusqlite::types::Value as Sql;
use serde_json::Value;

use super::schema::{field, path};
use crate::domain::filter::{Condition, Filter};
use crate::store::StoreError;

/// A statement's tail with its parameters, in order.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tail {
    pub sql: String,
    pub parameters: Vec<Sql>,
}

/// `WHERE` of the filter's conditions, empty if there are none.
pub(super) fn conditions(filter: &Filter) -> Result<Tail, StoreError> {
    let mut tail = Tail::default();
    for (at, condition) in filter.conditions.iter().enumerate() {
        tail.sql.push_str(if at == 0 { " WHERE " } else { " AND " });
        one(condition, &mut tail)?;
    }
    Ok(tail)
}

/// Conditions, order and page of the filter.
pub(super) fn whole(filter: &Filter) -> Result<Tail, StoreError> {
    let mut tail = conditions(filter)?;
    tail.sql.push_str(" ORDER BY ");
    if let Some((name, descending)) = filter.order {
        tail.sql.push_str(&field(name)?);
        tail.sql.push_str(if descending { " DESC, " } else { ", " });
    }
    // SQLite takes a negative limit as none.
    tail.sql.push_str("id LIMIT ? OFFSET ?");
    let limit = filter.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    tail.parameters.push(Sql::Integer(limit));
    tail.parameters.push(Sql::Integer(i64::try_from(filter.skip).unwrap_or(i64::MAX)));
    Ok(tail)
}

fn one(condition: &Condition, tail: &mut Tail) -> Result<(), StoreError> {
    match condition {
        Condition::Equals(name, value) => equals(name, value, tail),
        Condition::Contains(name, value) => contains(name, value, tail),
        Condition::Below(name, value) => compares(name, "<", value, tail),
        Condition::AtLeast(name, value) => compares(name, ">=", value, tail),
    }
}

/// The JSON types (`json_type`) a value compares with: SQLite alone would take `true` for 1 and `[1]` for `"[1]"`.
fn types(value: &Value) -> &'static str {
    match value {
        Value::Null => "('null')",
        Value::Bool(true) => "('true')",
        Value::Bool(false) => "('false')",
        Value::Number(_) => "('integer', 'real')",
        Value::String(_) => "('text')",
        Value::Array(_) => "('array')",
        Value::Object(_) => "('object')",
    }
}

fn parameter(value: &Value) -> Sql {
    match value {
        Value::Null => Sql::Null,
        Value::Bool(truth) => Sql::Integer(i64::from(*truth)),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Sql::Real(number.as_f64().unwrap_or(f64::NAN)), Sql::Integer)
        }
        Value::String(text) => Sql::Text(text.clone()),
        // Stored bodies are written by serde_json too, so equal values have equal texts.
        Value::Array(_) | Value::Object(_) => Sql::Text(value.to_string()),
    }
}

fn equals(name: &str, value: &Value, tail: &mut Tail) -> Result<(), StoreError> {
    let field = field(name)?;
    if value.is_null() {
        // A field that is missing equals null, as in MongoDB.
        tail.sql.push_str(&format!("{field} IS NULL"));
        return Ok(());
    }
    tail.sql.push_str(&format!("({field} = ? AND json_type(body, {}) IN {})", path(name)?, types(value)));
    tail.parameters.push(parameter(value));
    Ok(())
}

fn contains(name: &str, value: &Value, tail: &mut Tail) -> Result<(), StoreError> {
    let path = path(name)?;
    tail.sql.push_str(&format!(
        "(json_type(body, {path}) = 'array' AND EXISTS (SELECT 1 FROM json_each(body, {path}) AS element \
         WHERE element.value IS ? AND element.type IN {}))",
        types(value)
    ));
    tail.parameters.push(parameter(value));
    Ok(())
}

fn compares(name: &str, relation: &str, value: &Value, tail: &mut Tail) -> Result<(), StoreError> {
    if !matches!(value, Value::String(_) | Value::Number(_)) {
        // Only texts and numbers have an order.
        tail.sql.push('0');
        return Ok(());
    }
    tail.sql.push_str(&format!(
        "({} {relation} ? AND json_type(body, {}) IN {})",
        field(name)?,
        path(name)?,
        types(value)
    ));
    tail.parameters.push(parameter(value));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;
    use crate::store::Room;
    use rusqlite::Connection;

    fn plan(filter: &Filter) -> String {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::create_rooms(&mut connection).unwrap();
        let tail = whole(filter).unwrap();
        let sql =
            format!("EXPLAIN QUERY PLAN SELECT id, body FROM {}{}", schema::table(Room::Queries), tail.sql);
        let mut statement = connection.prepare(&sql).unwrap();
        let rows =
            statement.query_map(rusqlite::params_from_iter(tail.parameters), |row| row.get::<_, String>(3));
        rows.unwrap().map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn indexed_fields_are_searched_not_scanned() {
        let searched = plan(&Filter::equals("userId", "u"));
        assert!(searched.contains("doc_query_queries__userId") && !searched.contains("SCAN"), "{searched}");
        assert!(!searched.contains("TEMP B-TREE"), "{searched}");
        let old = Filter::all().and(Condition::Below("createdAt", "2026".into())).sorted("createdAt");
        assert!(plan(&old).contains("SEARCH doc_query_queries USING INDEX doc_query_queries__createdAt"));
        assert!(
            plan(&Filter::all().newest_first("createdAt").page(0, 10))
                .contains("doc_query_queries__createdAt")
        );
    }

    #[test]
    fn values_never_enter_the_statement() {
        let tail =
            whole(&Filter::equals("userId", "' OR 1 --").and(Condition::Contains("x", "'".into()))).unwrap();
        assert!(!tail.sql.contains("OR 1"), "{}", tail.sql);
        assert_eq!(tail.parameters.len(), 4);
    }
}
