//! Lowers a `Filter` to BSON, with the meaning it has on every engine: types are minded, arrays are looked into by
//! `Contains` alone.

use mongodb::bson::{Bson, DateTime, Document, doc};
use serde_json::Value;

use super::body::OWN;
use super::format;
use super::value::to_bson;
use crate::domain::filter::{Condition, Filter};
use crate::store::{Room, StoreError};

/// The filter's conditions; the note of the format is no document of its room.
pub(super) fn conditions(room: Room, filter: &Filter) -> Result<Document, StoreError> {
    let mut all = Vec::new();
    if room == Room::Config {
        all.push(doc! { room.id_field(): { "$ne": format::DOCUMENT } });
    }
    for condition in &filter.conditions {
        all.push(one(room, condition)?);
    }
    Ok(if all.is_empty() {
        Document::new()
    } else {
        doc! { "$and": all }
    })
}

/// The filter's order, then the id.
pub(super) fn order(room: Room, filter: &Filter) -> Result<Document, StoreError> {
    let mut order = Document::new();
    if let Some((name, descending)) = filter.order {
        order.insert(plain(name)?, if descending { -1 } else { 1 });
    }
    if !order.contains_key(room.id_field()) {
        order.insert(room.id_field(), 1);
    }
    Ok(order)
}

/// A top-level field's name; refuses what MongoDB would take for a path or an operator.
fn plain(name: &str) -> Result<&str, StoreError> {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(name);
    }
    Err(StoreError::engine(format!("a field to filter by must be letters, digits and _: {name:?}")))
}

fn one(room: Room, condition: &Condition) -> Result<Document, StoreError> {
    let (Condition::Equals(name, _)
    | Condition::Contains(name, _)
    | Condition::Below(name, _)
    | Condition::AtLeast(name, _)) = condition;
    let name = plain(name)?;
    if name != room.id_field() {
        return Ok(on(name, condition));
    }
    // What the body says may differ from the id its document has (`body`).
    let of_body = on(&format!("{OWN}.v"), condition);
    Ok(doc! { "$or": [
        { "$and": [{ OWN: { "$exists": false } }, on(name, condition)] },
        { "$and": [{ OWN: { "$exists": true } }, of_body] },
    ] })
}

fn on(name: &str, condition: &Condition) -> Document {
    match condition {
        Condition::Equals(_, value) => equals(name, value),
        Condition::Contains(_, value) => doc! { name: { "$elemMatch": { "$in": same(value) } } },
        Condition::Below(_, value) => compares(name, "$lt", value),
        Condition::AtLeast(_, value) => compares(name, "$gte", value),
    }
}

/// What is stored where a value is read: a date of the original is read as text.
fn same(value: &Value) -> Vec<Bson> {
    let mut same = vec![to_bson(value)];
    same.extend(date(value));
    same
}

fn date(value: &Value) -> Option<Bson> {
    DateTime::parse_rfc3339_str(value.as_str()?).ok().map(Bson::DateTime)
}

fn equals(name: &str, value: &Value) -> Document {
    if value.is_array() {
        // The whole array, not one that has it as an element.
        let value = to_bson(value);
        return doc! { "$and": [
            { name: { "$eq": value.clone() } },
            { name: { "$not": { "$elemMatch": { "$in": [value] } } } },
        ] };
    }
    // A missing field equals null, and a value equals no array that contains it.
    doc! { "$and": [{ name: { "$in": same(value) } }, { name: { "$not": { "$type": "array" } } }] }
}

fn compares(name: &str, relation: &str, value: &Value) -> Document {
    if !matches!(value, Value::String(_) | Value::Number(_)) {
        // Only texts and numbers have an order.
        return doc! { name: { "$in": [] } };
    }
    // MongoDB compares values of one kind only.
    let any: Vec<Document> =
        same(value).into_iter().map(|value| doc! { name: { relation: value } }).collect();
    doc! { "$and": [{ "$or": any }, { name: { "$not": { "$type": "array" } } }] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("")]
    #[case("a.b")]
    #[case("$where")]
    fn only_plain_names_enter_a_query(#[case] name: &'static str) {
        assert!(conditions(Room::Queries, &Filter::equals(name, 1)).is_err());
        assert!(order(Room::Queries, &Filter::all().sorted(name)).is_err());
    }

    #[test]
    fn a_value_is_never_an_operator() {
        let value: Value = serde_json::from_str(r#"{"$gt": ""}"#).unwrap();
        let lowered = conditions(Room::Queries, &Filter::equals("userId", value)).unwrap();
        assert!(lowered.to_string().contains("%24gt") && !lowered.to_string().contains("$gt"), "{lowered}");
    }

    #[test]
    fn the_id_decides_among_equals() {
        assert_eq!(
            order(Room::Queries, &Filter::all().newest_first("createdAt")).unwrap(),
            doc! { "createdAt": -1, "queryId": 1 }
        );
        assert_eq!(
            order(Room::Queries, &Filter::all().newest_first("queryId")).unwrap(),
            doc! { "queryId": -1 }
        );
    }
}
