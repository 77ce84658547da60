//! What documents are found and sorted by: a text per top-level field, beside the body and made from it.
//!
//! Texts are compared byte by byte and order as the values do: truths, then numbers, texts, and arrays and objects, which
//! have no order of their own. So one expression serves equality, ranges and order, with one index, and types never
//! mix. The server's own JSON values could not do that: they order texts by the database's language and refuse U+0000.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};
use sha2::{Digest as _, Sha256};

/// Longer texts are cut and end in their hash: an index holds no more. Such texts equal only themselves, but are in no
/// particular order among those that begin alike for so long.
const LONGEST: usize = 1_000;
/// Arrays and objects need only be equal.
const LONGEST_WHOLE: usize = 100;

/// A text as PostgreSQL can hold it, in the same order: without U+0000.
pub(super) fn stored(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', '\u{1}']) {
        return Cow::Borrowed(text);
    }
    // In this order: the second replaces none of the first's.
    Cow::Owned(text.replace('\u{1}', "\u{1}\u{2}").replace('\0', "\u{1}\u{1}"))
}

/// A text as it was before it was stored.
pub(super) fn read(stored: String) -> String {
    if !stored.contains('\u{1}') {
        return stored;
    }
    stored.replace("\u{1}\u{1}", "\0").replace("\u{1}\u{2}", "\u{1}")
}

/// What stands for a value; nothing for null, which a missing field equals.
pub(super) fn key(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(false) => "b0".to_owned(),
        Value::Bool(true) => "b1".to_owned(),
        Value::Number(number) => number_key(number),
        Value::String(text) => bounded("s", &stored(text), LONGEST),
        Value::Array(_) | Value::Object(_) => bounded("v", &value.to_string(), LONGEST_WHOLE),
    })
}

fn bounded(kind: &str, text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return format!("{kind}{text}");
    }
    let start = text.get(..text.floor_char_boundary(longest)).unwrap_or_default();
    // No text has this after U+0001.
    let start = format!("{kind}{start}\u{1}\u{3}");
    Sha256::digest(text).iter().fold(start, |key, byte| format!("{key}{byte:02x}"))
}

/// The nearest double, its bits so turned that they order as numbers do, and how far an integer is from it.
fn number_key(number: &Number) -> String {
    let double = number.as_f64().unwrap_or_default() + 0.0;
    let bits = double.to_bits();
    let bits = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    #[expect(clippy::cast_possible_truncation, reason = "a double near a 64-bit integer fits 128 bits")]
    let apart = integer.map_or(0, |integer| integer - double as i128);
    format!("n{bits:016x}{:04x}", apart + 0x8000)
}

/// The lookup columns of a body, as JSON: a key per field, and of each array the keys of its elements.
pub(super) fn columns(body: &Value) -> (String, Option<String>) {
    let (mut fields, mut elements) = (Map::new(), Map::new());
    for (name, value) in body.as_object().into_iter().flatten().filter(|(name, _)| plain(name)) {
        if let Some(key) = key(value) {
            fields.insert(name.clone(), key.into());
        }
        if let Value::Array(values) = value {
            let keys = values.iter().map(|value| element(value).into()).collect();
            elements.insert(name.clone(), Value::Array(keys));
        }
    }
    let elements = (!elements.is_empty()).then(|| Value::Object(elements).to_string());
    (Value::Object(fields).to_string(), elements)
}

/// What stands for an element of an array.
pub(super) fn element(value: &Value) -> String {
    key(value).unwrap_or_else(|| "0".to_owned())
}

/// Whether a field has a name that can be asked for; only such names enter a statement.
pub(super) fn plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::cmp::Ordering;

    fn numbers() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-3_i64..3).prop_map(Value::from),
            any::<f64>().prop_filter("JSON has finite numbers", |n| n.is_finite()).prop_map(Value::from),
            (-6..6).prop_map(|halves| Value::from(f64::from(halves) / 2.0)),
            (i64::MAX - 3..=i64::MAX).prop_map(Value::from),
        ]
    }

    /// Integers exactly, others as doubles.
    fn compared(a: &Value, b: &Value) -> Ordering {
        let integer = |v: &Value| v.as_i64().map(i128::from).or_else(|| v.as_u64().map(i128::from));
        match (integer(a), integer(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().unwrap().partial_cmp(&b.as_f64().unwrap()).unwrap(),
        }
    }

    proptest! {
        #[test]
        fn texts_are_stored_without_nul_in_their_order_and_come_back(a in "[\0\u{1}\u{2}\u{3}aé]{0,5}", b in "[\0\u{1}\u{2}\u{3}aé]{0,5}") {
            prop_assert!(!stored(&a).contains('\0'));
            prop_assert_eq!(read(stored(&a).into_owned()), a.clone());
            prop_assert_eq!(stored(&a).as_bytes().cmp(stored(&b).as_bytes()), a.as_bytes().cmp(b.as_bytes()));
        }

        #[test]
        fn numbers_order_as_numbers(a in numbers(), b in numbers()) {
            let apart = |v: &Value| v.is_f64() && v.as_f64().unwrap().abs() > 9e15;
            // A large double and an integer are compared as what they are, not as doubles.
            prop_assume!(apart(&a) == apart(&b) || (a.is_f64() == b.is_f64()));
            prop_assume!(a.is_f64() == b.is_f64() || (!apart(&a) && !apart(&b)));
            let both = key(&a).unwrap().cmp(&key(&b).unwrap());
            let expected = compared(&a, &b);
            prop_assert!(both == expected || (a.is_f64() != b.is_f64() && expected == Ordering::Equal), "{} {}", a, b);
        }
    }

    #[test]
    fn values_of_two_types_are_never_equal() {
        let values = [
            json!("1"),
            json!(1),
            json!(true),
            json!(false),
            json!(["1"]),
            json!("[\"1\"]"),
            json!({"a": 1}),
            json!(""),
        ];
        let keys: std::collections::BTreeSet<_> = values.iter().map(|value| key(value).unwrap()).collect();
        assert_eq!(keys.len(), values.len());
        assert_eq!(key(&json!(1)), key(&json!(1.0)));
        assert_eq!(key(&json!(0.0)), key(&json!(-0.0)));
        assert_ne!(key(&json!(9_007_199_254_740_993_i64)), key(&json!(9_007_199_254_740_992_i64)));
    }

    #[test]
    fn long_texts_are_cut_and_stay_apart() {
        let long = |last: char| Value::from(format!("{}{last}", "é".repeat(5_000)));
        assert_eq!(key(&long('a')), key(&long('a')));
        assert_ne!(key(&long('a')), key(&long('b')));
        assert!(key(&long('a')).unwrap().len() < 1_100);
        assert!(key(&long('a')) > key(&json!("é")) && key(&long('a')) < key(&json!("ê")));
    }

    #[test]
    fn fields_and_elements_are_listed_and_null_is_absent() {
        let (fields, elements) = columns(&json!({"a": "x", "b": null, "c.d": 1, "e": ["y", null, {"z": 1}]}));
        assert_eq!(fields, r#"{"a":"sx","e":"v[\"y\",null,{\"z\":1}]"}"#);
        assert_eq!(elements.unwrap(), r#"{"e":["sy","0","v{\"z\":1}"]}"#);
        assert_eq!(columns(&json!([1])), ("{}".to_owned(), None));
    }
}
