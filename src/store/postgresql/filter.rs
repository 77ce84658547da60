//! Lowers a `Filter` to SQL over the lookup columns; values are always parameters.

use serde_json::Value;

use super::{format, lookup};
use crate::domain::filter::{Condition, Filter};
use crate::store::{Room, StoreError};

/// A statement's tail with its parameters, all of them texts.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tail {
    pub sql: String,
    pub parameters: Vec<String>,
}

/// A top-level field of the body as SQL, which its index has, too; refuses names that are not plain.
pub(super) fn field(name: &str) -> Result<String, StoreError> {
    if lookup::plain(name) {
        return Ok(format!("((lookup ->> '{name}') COLLATE \"C\")"));
    }
    Err(StoreError::engine(format!("a field to filter by must be letters, digits and _: {name:?}")))
}

/// `WHERE` of the filter's conditions; the note of the format is no document of its room.
pub(super) fn conditions(room: Room, filter: &Filter) -> Result<Tail, StoreError> {
    let mut tail = Tail { sql: " WHERE true".to_owned(), parameters: Vec::new() };
    if room == Room::Config {
        tail.sql.push_str(&format!(" AND id <> '{}'", format::DOCUMENT));
    }
    for condition in &filter.conditions {
        tail.sql.push_str(" AND ");
        one(condition, &mut tail)?;
    }
    Ok(tail)
}

/// Conditions, order and page of the filter.
pub(super) fn whole(room: Room, filter: &Filter) -> Result<Tail, StoreError> {
    let mut tail = conditions(room, filter)?;
    tail.sql.push_str(" ORDER BY ");
    if let Some((name, descending)) = filter.order {
        tail.sql.push_str(&field(name)?);
        tail.sql.push_str(if descending { " DESC NULLS LAST, " } else { " NULLS FIRST, " });
    }
    tail.sql.push_str("id");
    if let Some(limit) = filter.limit {
        tail.sql.push_str(&format!(" LIMIT {}", i64::try_from(limit).unwrap_or(i64::MAX)));
    }
    if filter.skip > 0 {
        tail.sql.push_str(&format!(" OFFSET {}", i64::try_from(filter.skip).unwrap_or(i64::MAX)));
    }
    Ok(tail)
}

impl Tail {
    /// Adds a parameter; answers what stands for it.
    fn bind(&mut self, value: impl Into<String>) -> String {
        self.parameters.push(value.into());
        format!("${}", self.parameters.len())
    }
}

fn one(condition: &Condition, tail: &mut Tail) -> Result<(), StoreError> {
    match condition {
        Condition::Equals(name, value) => {
            let field = field(name)?;
            let sql = match lookup::key(value) {
                Some(key) => format!("{field} = {}", tail.bind(key)),
                // A field that is missing equals null.
                None => format!("{field} IS NULL"),
            };
            tail.sql.push_str(&sql);
        }
        Condition::Contains(name, value) => {
            field(name)?;
            let element = tail.bind(lookup::element(value));
            tail.sql.push_str(&format!("elements -> '{name}' ? {element}"));
        }
        Condition::Below(name, value) => range(name, value, tail, false)?,
        Condition::AtLeast(name, value) => range(name, value, tail, true)?,
    }
    Ok(())
}

/// Values of the same kind on one side of a value.
fn range(name: &str, value: &Value, tail: &mut Tail, above: bool) -> Result<(), StoreError> {
    let field = field(name)?;
    // Keys begin with their kind, so that the next letter ends it.
    let (first, last) = match value {
        Value::Number(_) => ("n", "o"),
        Value::String(_) => ("s", "t"),
        // Only texts and numbers have an order.
        _ => {
            tail.sql.push_str("false");
            return Ok(());
        }
    };
    let key = tail.bind(lookup::element(value));
    tail.sql.push_str(&if above {
        format!("({field} >= {key} AND {field} < '{last}')")
    } else {
        format!("({field} >= '{first}' AND {field} < {key})")
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("")]
    #[case("a.b")]
    #[case("a') OR true --")]
    fn only_plain_names_enter_a_statement(#[case] name: &'static str) {
        assert!(whole(Room::Queries, &Filter::equals(name, 1)).is_err());
        assert!(whole(Room::Queries, &Filter::contains(name, 1)).is_err());
        assert!(whole(Room::Queries, &Filter::all().sorted(name)).is_err());
    }

    #[test]
    fn values_never_enter_the_statement() {
        let filter = Filter::equals("userId", "' OR 1 --")
            .and(Condition::Contains("x", "'".into()))
            .and(Condition::Below("y", "'; --".into()));
        let tail = whole(Room::Queries, &filter).unwrap();
        assert!(!tail.sql.contains("--"), "{}", tail.sql);
        assert_eq!(tail.parameters, ["s' OR 1 --", "s'", "s'; --"]);
    }
}
