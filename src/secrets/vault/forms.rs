//! How values and versions look in the documents of KV version 2.
//!
//! A value is the field `value` if it is plain text, else `value_base64`. The key pair of a network stands as the
//! original has it (specification §3.3), in two fields, if nothing of it is lost so.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::secrets::SecretsError;

/// Bytes of a secret at most: base64 of it stays below the 1 MiB that Vault's own storage takes for an entry.
pub(super) const LONGEST: usize = 512 * 1024;

const TEXT: &str = "value";
const BYTES: &str = "value_base64";

/// A network's pair, as the use case writes it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pair {
    private_key: String,
    public_key: String,
}

/// The same, as the original names the fields.
#[derive(Deserialize)]
struct Published {
    private_key: String,
    public_key: String,
}

fn is_pair(name: &str) -> bool {
    name.strip_prefix("network/").is_some_and(|network| !network.contains('/'))
}

/// The fields for a value.
pub(super) fn fields_of(name: &str, value: &[u8]) -> Map<String, Value> {
    let mut fields = Map::new();
    if is_pair(name)
        && let Ok(pair) = serde_json::from_slice::<Pair>(value)
        && serde_json::to_vec(&pair).is_ok_and(|again| again == value)
    {
        fields.insert("private_key".to_owned(), pair.private_key.into());
        fields.insert("public_key".to_owned(), pair.public_key.into());
        return fields;
    }
    let plain = |text: &&str| !text.chars().any(|c| c.is_control() && c != '\n');
    match std::str::from_utf8(value).ok().filter(plain) {
        Some(text) => fields.insert(TEXT.to_owned(), text.into()),
        None => fields.insert(BYTES.to_owned(), BASE64.encode(value).into()),
    };
    fields
}

/// The value in fields.
pub(super) fn value_of(name: &str, fields: &Map<String, Value>) -> Result<Vec<u8>, SecretsError> {
    let foreign = || {
        SecretsError::Engine(format!(
            "the secret {name} in Vault is of another program: it has neither the field {TEXT} nor {BYTES}"
        ))
    };
    if let Some(text) = fields.get(TEXT) {
        return Ok(text.as_str().ok_or_else(foreign)?.as_bytes().to_vec());
    }
    if let Some(text) = fields.get(BYTES) {
        return BASE64.decode(text.as_str().ok_or_else(foreign)?).map_err(|_| foreign());
    }
    if is_pair(name)
        && let Ok(Published { private_key, public_key }) =
            serde_json::from_value(Value::Object(fields.clone()))
    {
        return serde_json::to_vec(&Pair { private_key, public_key }).map_err(|_| foreign());
    }
    Err(foreign())
}

/// Bits of a version that are Vault's number of it.
const NUMBER: u32 = 22;

/// The start of 2020, in milliseconds.
const EPOCH: i64 = 1_577_836_800_000;

/// A version as the port gives it: when it was written, in milliseconds since 2020, and Vault's number.
///
/// Vault counts from 1 again after a secret was deleted; with the time no version is ever used again.
pub(super) fn version(number: u32, written: &str) -> Result<u64, SecretsError> {
    let unreadable = || SecretsError::Engine(format!("Vault gave version {number} of {written}"));
    let moment = DateTime::parse_from_rfc3339(written).map_err(|_| unreadable())?;
    let since = u64::try_from(moment.timestamp_millis() - EPOCH).map_err(|_| unreadable())?;
    if number == 0 || number >= 1 << NUMBER || since >= 1 << (63 - NUMBER) {
        return Err(unreadable());
    }
    Ok(since << NUMBER | u64::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("smtp", b"p\"a\nss", TEXT)]
    #[case("smtp", b"", TEXT)]
    #[case("smtp", b"p\0\xff", BYTES)]
    #[case("smtp", b"\x1b", BYTES)]
    #[case("network/n", br#"{"privateKey":"a","publicKey":"b"}"#, "private_key")]
    #[case("network/n", br#"{"privateKey":"a", "publicKey":"b"}"#, TEXT)]
    #[case("network/n", br#"{"privateKey":"a","publicKey":"b","x":1}"#, TEXT)]
    #[case("network/n/nodes/m", br#"{"privateKey":"a","publicKey":"b"}"#, TEXT)]
    fn a_value_comes_back_as_it_was(#[case] name: &str, #[case] value: &[u8], #[case] field: &str) {
        let fields = fields_of(name, value);
        assert!(fields.contains_key(field), "{fields:?}");
        assert_eq!(value_of(name, &fields).unwrap(), value);
    }

    #[test]
    fn a_document_of_another_program_is_told_and_not_shown() {
        let Value::Object(fields) = serde_json::json!({"password": "hunter2"}) else { panic!() };
        let error = value_of("x", &fields).unwrap_err().to_string();
        assert!(error.contains("another program") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn versions_grow_with_the_number_and_with_the_time() {
        let (early, late) = ("2026-11-27T23:36:41.541017765Z", "2026-11-27T23:36:41.542Z");
        let first = version(1, early).unwrap();
        assert!(version(2, early).unwrap() > first);
        assert!(version(1, late).unwrap() > version(9, early).unwrap());
        assert!(version(0, early).is_err() && version(1, "yesterday").is_err());
    }
}
