//! A room's document as MongoDB holds it: the body's fields at the top level, ours beside them.
//!
//! The room's id field always holds the id, in a document of the original as in ours; it is what documents are found
//! and sorted by. A body that has something else there, or nothing, gets its own word back from `_own`. `_rev` is the
//! revision; a document without one is the original's and has revision 0. A body that is no object rests in `_body`.

use mongodb::bson::{Bson, Document, doc};
use serde_json::{Map, Value};

use super::value::{reserved_key, stored_key, to_bson, to_json, to_object};
use crate::store::{Room, StoreError, Stored};

/// The field of the revision.
pub(super) const REVISION: &str = "_rev";
/// The field that remembers what the body has as its id.
pub(super) const OWN: &str = "_own";
const BODY: &str = "_body";
const RESERVED: [&str; 4] = ["_id", REVISION, OWN, BODY];

/// Revisions below this belong to documents that the original wrote.
pub(super) const FIRST_OWN: i64 = 1 << 24;

/// The document to store, `_id` not included.
pub(super) fn document(room: Room, id: &str, body: &Value, revision: i64) -> Document {
    let mut stored = Document::new();
    if let Value::Object(fields) = body {
        for (key, value) in fields {
            let key =
                if RESERVED.contains(&key.as_str()) { reserved_key(key).into() } else { stored_key(key) };
            stored.insert(key, to_bson(value));
        }
    } else {
        stored.insert(BODY, to_bson(body));
    }
    let field = room.id_field();
    if stored.get(field).and_then(id_text).as_deref() != Some(id) {
        let own = stored.insert(field, id).map_or_else(Document::new, |own| doc! { "v": own });
        stored.insert(OWN, own);
    }
    stored.insert(REVISION, revision);
    stored
}

/// A value of the id field as an id: counted things have numbers.
fn id_text(value: &Bson) -> Option<String> {
    match value {
        Bson::String(text) => Some(text.clone()),
        Bson::Int32(number) => Some(number.to_string()),
        Bson::Int64(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What finds the document of an id.
pub(super) fn selector(room: Room, id: &str) -> Document {
    let number = id.parse::<i64>().ok().filter(|number| number.to_string() == id);
    match number {
        Some(number) => doc! { room.id_field(): { "$in": [id, number] } },
        None => doc! { room.id_field(): id },
    }
}

/// Id and revision of a stored document; none where there is no id, which only others leave out.
pub(super) fn head(room: Room, stored: &Document) -> Result<Option<(String, u64)>, StoreError> {
    let revision = match stored.get(REVISION) {
        None => 0,
        Some(Bson::Int64(revision)) => *revision,
        Some(Bson::Int32(revision)) => i64::from(*revision),
        Some(other) => {
            let reason = format!("{REVISION} is {:?}, expected an integer", other.element_type());
            return Err(StoreError::Corrupt { room: room.collection(), reason });
        }
    };
    let revision = u64::try_from(revision)
        .map_err(|e| StoreError::Corrupt { room: room.collection(), reason: format!("{REVISION}: {e}") })?;
    let id = stored.get(room.id_field()).and_then(id_text);
    if id.is_none() {
        tracing::warn!(
            collection = room.collection(),
            field = room.id_field(),
            "a document without an id is passed over"
        );
    }
    Ok(id.map(|id| (id, revision)))
}

/// The document as the program knows it.
pub(super) fn read(room: Room, mut stored: Document) -> Result<Option<Stored>, StoreError> {
    let Some((id, revision)) = head(room, &stored)? else { return Ok(None) };
    stored.remove("_id");
    stored.remove(REVISION);
    if let Some(Bson::Document(mut own)) = stored.remove(OWN) {
        match own.remove("v") {
            Some(own) => stored.insert(room.id_field(), own),
            None => stored.remove(room.id_field()),
        };
    }
    let body = match stored.remove(BODY) {
        Some(body) => to_json(body),
        None => Value::Object(to_object(stored) as Map<String, Value>),
    };
    Ok(Some(Stored { id, revision, body }))
}

/// Lays the types that `before` has over equal values of `after`: a date that is not changed stays a date.
pub(super) fn keep_types(before: &Document, after: &mut Document) {
    for (key, value) in after.iter_mut() {
        if let Some(old) = before.get(key) {
            keep_type(old, value);
        }
    }
}

fn keep_type(old: &Bson, new: &mut Bson) {
    if to_json(old.clone()) == to_json(new.clone()) {
        new.clone_from(old);
        return;
    }
    match (old, new) {
        (Bson::Document(old), Bson::Document(new)) => keep_types(old, new),
        (Bson::Array(old), Bson::Array(new)) => {
            old.iter().zip(new.iter_mut()).for_each(|(old, new)| keep_type(old, new));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::DateTime;
    use mongodb::bson::oid::ObjectId;
    use serde_json::json;

    #[rstest::rstest]
    #[case(json!({"nodeId": "a", "x": 1}))]
    #[case(json!({"nodeId": "other", "x": 1}))]
    #[case(json!({"nodeId": null}))]
    #[case(json!({"_id": 1, "_rev": 2, "_own": 3, "_body": 4, "%5Fid": 5, "a.b": {"$c": 1}}))]
    #[case(json!([1, "two"]))]
    #[case(json!(null))]
    fn a_body_comes_back_and_its_id_field_holds_the_id(#[case] body: Value) {
        let stored = document(Room::Nodes, "a", &body, 7);
        assert_eq!(stored.get_str("nodeId").unwrap(), "a");
        assert_eq!(read(Room::Nodes, stored).unwrap().unwrap(), Stored { id: "a".into(), revision: 7, body });
    }

    #[test]
    fn a_number_that_is_the_id_stays_a_number() {
        let body = json!({"networkKey": 12});
        let stored = document(Room::NexusNetworks, "12", &body, 1);
        assert_eq!(stored.get("networkKey"), Some(&Bson::Int32(12)));
        assert!(!stored.contains_key(OWN));
        assert_eq!(read(Room::NexusNetworks, stored).unwrap().unwrap().body, body);
    }

    #[test]
    fn a_document_of_the_original_has_revision_0_and_no_field_of_the_engine() {
        let stored = doc! { "_id": ObjectId::new(), "userId": "u", "createdAt": DateTime::from_millis(0) };
        let read = read(Room::Users, stored).unwrap().unwrap();
        assert_eq!((read.id.as_str(), read.revision), ("u", 0));
        assert_eq!(read.body, json!({"userId": "u", "createdAt": "1970-01-01T00:00:00Z"}));
    }

    #[test]
    fn values_that_do_not_change_keep_their_types() {
        let date = Bson::DateTime(DateTime::from_millis(0));
        let before = doc! { "at": date.clone(), "n": 5_i64, "in": { "at": date.clone(), "x": 1 }, "l": [date.clone()] };
        let mut after = doc! {
            "at": "1970-01-01T00:00:00Z", "n": 6, "in": { "at": "1970-01-01T00:00:00Z", "x": 2 },
            "l": ["1970-01-01T00:00:00Z", "new"],
        };
        keep_types(&before, &mut after);
        let expected =
            doc! { "at": date.clone(), "n": 6, "in": { "at": date.clone(), "x": 2 }, "l": [date, "new"] };
        assert_eq!(after, expected);
    }
}
