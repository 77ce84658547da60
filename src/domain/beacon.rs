//! Beacon endpoints: a network exposed under a path as a Beacon v2 service (specification §1, §11.1).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::ids::{BeaconId, NetworkId, UserId};

/// Most characters of a path.
const MOST_PATH: usize = 64;

/// Most users that a dynamic mapping names.
pub const MOST_MAPPED: usize = 1_000;

/// Segments that the Beacon framework gives a meaning of their own; a path called so could be mistaken for it.
const RESERVED: [&str; 16] = [
    "analyses",
    "biosamples",
    "cohorts",
    "configuration",
    "dataset",
    "datasets",
    "entry_types",
    "filtering_terms",
    "g_variants",
    "individuals",
    "info",
    "map",
    "runs",
    "service-info",
    "studies",
    "study",
];

/// An endpoint as it is stored; its key rests with the secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    pub endpoint_id: BeaconId,
    /// One segment of an address, of no other endpoint.
    pub endpoint_path: String,
    /// The network that is asked.
    pub network_id: NetworkId,
    pub beacon_auth_method: AuthMethod,
    #[serde(default, deserialize_with = "null_maps_nobody")]
    pub user_mapping: UserMapping,
}

/// How those who ask say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AuthMethod {
    NoAuth,
    AuthKey,
    Token,
}

/// Whose permissions count for those who ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum UserMapping {
    /// This local user's, whoever asks.
    Static(UserId),
    /// Those of the local user behind the id; empty = nobody is mapped.
    Dynamic(BTreeMap<String, UserId>),
}

impl Default for UserMapping {
    fn default() -> Self {
        Self::Dynamic(BTreeMap::new())
    }
}

impl UserMapping {
    /// The local users it names.
    pub fn users(&self) -> Vec<&UserId> {
        match self {
            Self::Static(user) => vec![user],
            Self::Dynamic(users) => users.values().collect(),
        }
    }
}

/// No mapping has no form of its own in the contract: absent, `null` and `{}` are the same (specification §9.8).
fn null_maps_nobody<'de, D: Deserializer<'de>>(value: D) -> Result<UserMapping, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

/// What cannot be an endpoint.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unacceptable {
    #[error("a beacon endpoint must be a JSON object")]
    NoObject,
    #[error("beacon endpoint: {0}")]
    Shape(String),
    #[error(
        "endpointPath must have 1 to {MOST_PATH} of the characters A-Z, a-z, 0-9, ., _, ~ and -, the first a letter or digit"
    )]
    Path,
    #[error("endpointPath: {0} has a meaning of its own in a Beacon; choose another")]
    Reserved(String),
    #[error(
        "userMapping has at most {MOST_MAPPED} users, whose outside ids have 1 to 255 printable characters"
    )]
    Mapping,
}

impl Endpoint {
    /// Reads what is stored or was sent; unknown fields, a key among them, are left out.
    pub fn read(body: Value) -> Result<Self, Unacceptable> {
        // A list would be read as the fields in their order, ours among them.
        if !body.is_object() {
            return Err(Unacceptable::NoObject);
        }
        let endpoint: Self = serde_json::from_value(body).map_err(|e| Unacceptable::Shape(e.to_string()))?;
        let path = &endpoint.endpoint_path;
        if !is_path(path) {
            return Err(Unacceptable::Path);
        }
        if RESERVED.iter().any(|word| word.eq_ignore_ascii_case(path)) {
            return Err(Unacceptable::Reserved(path.clone()));
        }
        if let UserMapping::Dynamic(users) = &endpoint.user_mapping {
            let printable = |id: &String| (1..=255).contains(&id.len()) && !id.chars().any(char::is_control);
            if users.len() > MOST_MAPPED || !users.keys().all(printable) {
                return Err(Unacceptable::Mapping);
            }
        }
        Ok(endpoint)
    }
}

/// Whether a text can be the path of an endpoint: unreserved characters of RFC 3986 §2.3, which need no escape.
pub fn is_path(text: &str) -> bool {
    text.len() <= MOST_PATH
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b))
}

/// Where the key of an endpoint rests among the secrets (specification §6.2).
pub fn key_name(id: &BeaconId) -> String {
    format!("beacon/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(field: &str, value: Value) -> Result<Endpoint, Unacceptable> {
        let mut body = json!({
            "endpointId": "E", "endpointPath": "rare-diseases", "networkId": "N", "beaconAuthMethod": "authKey",
            "beaconAuthKey": "chosen by the client",
        });
        body[field] = value;
        Endpoint::read(body)
    }

    #[rstest::rstest]
    #[case(json!("a"))]
    #[case(json!("Rare.Diseases_2~x-1"))]
    #[case(json!("informed"))]
    fn a_segment_of_an_address_is_a_path(#[case] path: Value) {
        assert_eq!(with("endpointPath", path.clone()).unwrap().endpoint_path, path);
    }

    #[rstest::rstest]
    #[case(json!(""))]
    #[case(json!("a/b"))]
    #[case(json!(".."))]
    #[case(json!("a b"))]
    #[case(json!("ä"))]
    #[case(json!("a%2f"))]
    #[case(json!("x".repeat(65)))]
    #[case(json!("info"))]
    #[case(json!("Service-Info"))]
    #[case(json!(7))]
    #[case(Value::Null)]
    fn what_is_no_segment_of_its_own_is_no_path(#[case] path: Value) {
        assert!(with("endpointPath", path).is_err());
    }

    #[rstest::rstest]
    #[case(json!("U"), vec!["U"])]
    #[case(json!({"outside": "U", "other": "V"}), vec!["V", "U"])]
    #[case(json!({}), vec![])]
    #[case(Value::Null, vec![])]
    fn a_mapping_names_one_user_or_some_or_nobody(#[case] mapping: Value, #[case] users: Vec<&str>) {
        let endpoint = with("userMapping", mapping).unwrap();
        assert_eq!(endpoint.user_mapping.users().iter().map(|u| u.as_str()).collect::<Vec<_>>(), users);
    }

    #[rstest::rstest]
    #[case("userMapping", json!(7))]
    #[case("userMapping", json!({"": "U"}))]
    #[case("userMapping", json!({"outside": null}))]
    #[case("userMapping", (0..1_001).map(|n| (n.to_string(), json!("U"))).collect())]
    #[case("beaconAuthMethod", json!("password"))]
    #[case("networkId", json!(""))]
    fn what_is_wrong_or_too_much_is_refused(#[case] field: &str, #[case] value: Value) {
        assert!(with(field, value).is_err());
    }

    #[test]
    fn a_key_that_is_sent_is_nowhere() {
        let stored = serde_json::to_value(with("x", json!(1)).unwrap()).unwrap();
        assert_eq!(
            stored,
            json!({"endpointId": "E", "endpointPath": "rare-diseases", "networkId": "N",
                "beaconAuthMethod": "authKey", "userMapping": {}})
        );
        assert_eq!(Endpoint::read(json!(["E"])), Err(Unacceptable::NoObject));
    }
}
