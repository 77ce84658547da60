//! JSON to BSON and back, without loss for what we write and readable for what the original wrote.
//!
//! Integers are Int32 or Int64, larger ones Decimal128, other numbers Double, so that each comes back as it was
//! written. Types JSON lacks are read as the program expects them: dates as RFC 3339, object ids and UUIDs as text.
//! Keys with a dot, a leading dollar or NUL are percent-encoded (specification §6.1, field-name hazard).

use std::borrow::Cow;

use base64::Engine as _;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Decimal128, Document};
use serde_json::{Map, Number, Value};

/// What stands for a character in a key; the percent sign only where it would be read as one of these.
const CODES: [(char, &str); 5] = [('.', "2E"), ('$', "24"), ('\0', "00"), ('_', "5F"), ('%', "25")];

/// A key as MongoDB may hold it.
pub(super) fn stored_key(key: &str) -> Cow<'_, str> {
    if !key.starts_with('$') && !key.contains(['.', '\0', '%']) {
        return Cow::Borrowed(key);
    }
    let mut stored = String::with_capacity(key.len() + 4);
    for (at, one) in key.char_indices() {
        let rest = key.get(at + one.len_utf8()..).unwrap_or_default();
        match one {
            '$' if at > 0 => stored.push(one),
            '%' if code(rest).is_none() => stored.push(one),
            '.' | '$' | '\0' | '%' => push_code(&mut stored, one),
            _ => stored.push(one),
        }
    }
    Cow::Owned(stored)
}

/// A key that would be taken for one of the adapter's own fields.
pub(super) fn reserved_key(key: &str) -> String {
    let mut stored = String::new();
    push_code(&mut stored, '_');
    stored.push_str(key.strip_prefix('_').unwrap_or(key));
    stored
}

fn push_code(stored: &mut String, one: char) {
    if let Some((_, code)) = CODES.iter().find(|(known, _)| *known == one) {
        stored.push('%');
        stored.push_str(code);
    }
}

/// The character whose code begins the text.
fn code(text: &str) -> Option<char> {
    CODES.iter().find(|(_, code)| text.starts_with(code)).map(|(one, _)| *one)
}

/// A key as it was before it was stored.
pub(super) fn read_key(stored: &str) -> Cow<'_, str> {
    if !stored.contains('%') {
        return Cow::Borrowed(stored);
    }
    let mut key = String::with_capacity(stored.len());
    let mut rest = stored;
    while let Some((before, after)) = rest.split_once('%') {
        key.push_str(before);
        match code(after) {
            Some(one) => {
                key.push(one);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                key.push('%');
                rest = after;
            }
        }
    }
    key.push_str(rest);
    Cow::Owned(key)
}

/// A JSON value as it is stored.
pub(super) fn to_bson(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(truth) => Bson::Boolean(*truth),
        Value::Number(number) => number_to_bson(number),
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(values) => Bson::Array(values.iter().map(to_bson).collect()),
        Value::Object(fields) => Bson::Document(to_document(fields)),
    }
}

/// An object as it is stored inside a document.
pub(super) fn to_document(fields: &Map<String, Value>) -> Document {
    fields.iter().map(|(key, value)| (stored_key(key).into_owned(), to_bson(value))).collect()
}

fn number_to_bson(number: &Number) -> Bson {
    if let Some(integer) = number.as_i64() {
        return i32::try_from(integer).map_or(Bson::Int64(integer), Bson::Int32);
    }
    let large = number.as_u64().and_then(|integer| integer.to_string().parse::<Decimal128>().ok());
    large.map_or_else(|| Bson::Double(number.as_f64().unwrap_or(f64::NAN)), Bson::Decimal128)
}

/// A stored value as the program reads it.
pub(super) fn to_json(stored: Bson) -> Value {
    match stored {
        Bson::Double(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        Bson::String(text) | Bson::Symbol(text) | Bson::JavaScriptCode(text) => Value::String(text),
        Bson::Array(values) => Value::Array(values.into_iter().map(to_json).collect()),
        Bson::Document(document) => Value::Object(to_object(document)),
        Bson::Boolean(truth) => Value::Bool(truth),
        Bson::Int32(number) => number.into(),
        Bson::Int64(number) => number.into(),
        Bson::Decimal128(number) => decimal_to_json(&number.to_string()),
        Bson::DateTime(time) => date_to_json(time),
        Bson::Timestamp(time) => date_to_json(DateTime::from_millis(i64::from(time.time) * 1000)),
        Bson::ObjectId(id) => Value::String(id.to_hex()),
        Bson::Binary(bytes) => Value::String(binary_to_text(&bytes)),
        Bson::RegularExpression(regex) => Value::String(regex.pattern.to_string()),
        Bson::JavaScriptCodeWithScope(code) => Value::String(code.code),
        Bson::Null | Bson::Undefined | Bson::MaxKey | Bson::MinKey | Bson::DbPointer(_) => Value::Null,
    }
}

/// A stored document as an object, every field of it.
pub(super) fn to_object(document: Document) -> Map<String, Value> {
    document.into_iter().map(|(key, value)| (read_key(&key).into_owned(), to_json(value))).collect()
}

fn decimal_to_json(text: &str) -> Value {
    if let Ok(integer) = text.parse::<i64>() {
        return integer.into();
    }
    if let Ok(integer) = text.parse::<u64>() {
        return integer.into();
    }
    let number = text.parse::<f64>().ok().and_then(Number::from_f64);
    number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

fn date_to_json(time: DateTime) -> Value {
    time.try_to_rfc3339_string().map_or_else(|_| time.timestamp_millis().into(), Value::String)
}

fn binary_to_text(binary: &Binary) -> String {
    let uuid = matches!(binary.subtype, BinarySubtype::Uuid | BinarySubtype::UuidOld);
    let bytes = <[u8; 16]>::try_from(binary.bytes.as_slice()).ok().filter(|_| uuid);
    bytes.map_or_else(
        || base64::engine::general_purpose::STANDARD.encode(&binary.bytes),
        |bytes| uuid::Uuid::from_bytes(bytes).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::oid::ObjectId;
    use mongodb::bson::{bson, doc};
    use proptest::prelude::*;
    use serde_json::json;

    fn json_values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,6}".prop_map(Value::from),
            Just(json!("2026-01-01T00:00:00Z")),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[.$%_02E5Fa\0]{0,6}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_comes_back_as_it_was(value in json_values()) {
            let bytes = doc! { "v": to_bson(&value) }.to_vec().unwrap();
            let stored = Document::from_reader(&bytes[..]).unwrap().remove("v").unwrap();
            // As text: an integer and a float of the same size are told apart.
            prop_assert_eq!(to_json(stored).to_string(), value.to_string());
        }

        #[test]
        fn keys_are_stored_without_what_mongodb_refuses(key in "[.$%_02E5Fa\0]{0,9}") {
            let stored = stored_key(&key).into_owned();
            prop_assert!(!stored.starts_with('$') && !stored.contains(['.', '\0']), "{}", stored);
            prop_assert_eq!(read_key(&stored), key.clone());
            let reserved = reserved_key("_id");
            prop_assert_eq!(read_key(&reserved), "_id");
        }
    }

    #[test]
    fn types_of_the_original_are_read_as_json() {
        let id = ObjectId::parse_str("65f000000000000000000001").unwrap();
        let uuid = Binary { subtype: BinarySubtype::Uuid, bytes: vec![0x11; 16] };
        for (stored, read) in [
            (Bson::DateTime(DateTime::from_millis(1_700_000_000_123)), json!("2023-11-14T22:13:20.123Z")),
            (Bson::DateTime(DateTime::from_millis(0)), json!("1970-01-01T00:00:00Z")),
            (Bson::ObjectId(id), json!("65f000000000000000000001")),
            (Bson::Binary(uuid), json!("11111111-1111-1111-1111-111111111111")),
            (Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2, 255] }), json!("AQL/")),
            (Bson::Decimal128("12.50".parse().unwrap()), json!(12.5)),
            (Bson::Decimal128("-7".parse().unwrap()), json!(-7)),
            (Bson::Double(f64::INFINITY), Value::Null),
            (bson!({ "a%2Eb": [1, 2.0], "50% x": null }), json!({"a.b": [1, 2.0], "50% x": null})),
        ] {
            assert_eq!(to_json(stored.clone()).to_string(), read.to_string(), "{stored:?}");
        }
    }
}
