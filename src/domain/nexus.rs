//! The registry of Cafe Variome V2 installations (specification §12): credentials, installations, networks, requests.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// Most installations of one network.
const MOST_INSTALLATIONS: usize = 10_000;

/// Most bytes of a name, address or id.
const MOST_TEXT: usize = 255;

/// The client of a realm through which its installations are served; the secret rests with the secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    pub realm: String,
    pub client_id: String,
}

/// Whether something takes part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    #[default]
    Online,
    Offline,
}

/// A V2 installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Installation {
    /// 32 hexadecimal digits: V2 has no room for more.
    pub installation_key: String,
    pub installation_name: String,
    /// Ends with a slash: V2 puts paths right behind it.
    pub base_url: String,
    /// Empty = it has no client.
    pub client_id: String,
    #[serde(default)]
    pub installation_status: Status,
    #[serde(default)]
    pub realm: String,
    /// Ours: where its administrator reads mail. Not published.
    #[serde(default)]
    pub email: String,
}

/// A named set of installations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// Positive, counted up, never used again.
    pub network_key: i32,
    pub network_name: String,
    /// The smallest count that V2 shows; 0 = any.
    #[serde(default)]
    pub network_threshold: i32,
    #[serde(default)]
    pub network_status: Status,
    #[serde(default)]
    pub installations: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// An installation that asks to join a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinRequest {
    pub network_key: i32,
    pub installation_key: String,
    pub token: String,
    #[serde(default)]
    pub email: String,
    #[serde(default)]
    pub justification: String,
    #[serde(default)]
    pub ip_address: String,
    pub status: Decision,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Pending,
    Accepted,
    Denied,
}

impl Decision {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Denied => "denied",
        }
    }
}

/// What cannot be accepted.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unacceptable {
    #[error("the body must be a JSON object")]
    NoObject,
    #[error("{0}")]
    Shape(String),
    #[error("{field} {expected}")]
    Field { field: &'static str, expected: &'static str },
}

fn wrong(field: &'static str, expected: &'static str) -> Unacceptable {
    Unacceptable::Field { field, expected }
}

/// A text field of what was sent; `None` = absent or null.
pub fn text<'a>(body: &'a Map<String, Value>, field: &'static str) -> Result<Option<&'a str>, Unacceptable> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim())),
        Some(_) => Err(wrong(field, "must be a text")),
    }
}

/// The fields of what was sent.
pub fn fields(body: &Value) -> Result<&Map<String, Value>, Unacceptable> {
    body.as_object().ok_or(Unacceptable::NoObject)
}

/// A realm is part of addresses, and the key of its credential.
pub fn realm(given: Option<&str>) -> Result<String, Unacceptable> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    given
        .filter(|name| (1..=MOST_TEXT).contains(&name.len()) && name.chars().all(legal))
        .filter(|name| !name.starts_with('.'))
        .map(str::to_owned)
        .ok_or(wrong(
            "realm",
            "must have 1 to 255 of the characters A-Z, a-z, 0-9, _, - and ., no . in front",
        ))
}

/// The id of a client at an issuer.
pub fn client_id(given: Option<&str>) -> Result<String, Unacceptable> {
    given
        .filter(|id| (1..=MOST_TEXT).contains(&id.len()) && id.chars().all(|c| c.is_ascii_graphic()))
        .map(str::to_owned)
        .ok_or(wrong("clientId", "must have 1 to 255 printable characters without spaces"))
}

/// The secret of a client at an issuer.
pub fn client_secret(given: &str) -> Result<String, Unacceptable> {
    let legal = (1..=1_024).contains(&given.len()) && given.chars().all(|c| c.is_ascii_graphic());
    legal
        .then(|| given.to_owned())
        .ok_or(wrong("clientSecret", "must have 1 to 1024 printable characters without spaces"))
}

/// V2 prints names as they stand, so nothing in them may be markup.
pub fn installation_name(given: Option<&str>) -> Result<String, Unacceptable> {
    let legal = |c: char| !c.is_control() && !"<>&\"'".contains(c);
    given
        .filter(|name| (1..=MOST_TEXT).contains(&name.len()) && name.chars().all(legal))
        .map(str::to_owned)
        .ok_or(wrong("installationName", "must have 1 to 255 printable characters other than < > & \" '"))
}

/// An address without anything behind its path, with a slash at its end.
pub fn base_url(given: Option<&str>) -> Result<String, Unacceptable> {
    let rest = |url: &str| {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
        let host = rest.split('/').next().unwrap_or_default();
        let legal = |c: char| c.is_ascii_graphic() && !"<>\"'\\?#@{}|^`".contains(c);
        (!host.is_empty() && !host.starts_with(':') && url.len() < MOST_TEXT && rest.chars().all(legal))
            .then(|| format!("{}/", url.trim_end_matches('/')))
    };
    given.and_then(rest).ok_or(wrong(
        "baseUrl",
        "must be an http or https address of at most 254 characters without user, ? and #",
    ))
}

/// V2 takes letters, digits and spaces only.
pub fn network_name(given: Option<&str>) -> Result<String, Unacceptable> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == ' ';
    given
        .filter(|name| (1..=MOST_TEXT).contains(&name.len()) && name.chars().all(legal))
        .map(str::to_owned)
        .ok_or(wrong("networkName", "must have 1 to 255 letters, digits and spaces"))
}

fn status(body: &Map<String, Value>, field: &'static str) -> Result<Option<Status>, Unacceptable> {
    match text(body, field)? {
        None => Ok(None),
        Some("online") => Ok(Some(Status::Online)),
        Some("offline") => Ok(Some(Status::Offline)),
        Some(_) => Err(wrong(field, "must be online or offline")),
    }
}

impl Installation {
    /// Merges a change; key, realm and e-mail stay.
    pub fn change(&mut self, change: &Value) -> Result<(), Unacceptable> {
        let body = fields(change)?;
        if let Some(name) = text(body, "installationName")? {
            self.installation_name = installation_name(Some(name))?;
        }
        if let Some(url) = text(body, "baseUrl")? {
            self.base_url = base_url(Some(url))?;
        }
        // What is answered can be sent back: an installation without a client stays one.
        if let Some(id) = text(body, "clientId")?.filter(|id| *id != self.client_id) {
            self.client_id = client_id(Some(id))?;
        }
        if let Some(status) = status(body, "installationStatus")? {
            self.installation_status = status;
        }
        Ok(())
    }

    /// As the contract publishes it.
    pub fn published(&self) -> Value {
        let mut body = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = body.as_object_mut() {
            fields.remove("email");
        }
        body
    }
}

impl Network {
    /// Merges a change; the key stays. Whether the installations exist is not looked at here.
    pub fn change(&mut self, change: &Value) -> Result<(), Unacceptable> {
        let body = fields(change)?;
        if let Some(name) = text(body, "networkName")? {
            self.network_name = network_name(Some(name))?;
        }
        if let Some(threshold) = body.get("networkThreshold").filter(|value| !value.is_null()) {
            let read = threshold.as_i64().and_then(|n| i32::try_from(n).ok()).filter(|n| *n >= 0);
            self.network_threshold = read.ok_or(wrong("networkThreshold", "must be an integer from 0 on"))?;
        }
        if let Some(status) = status(body, "networkStatus")? {
            self.network_status = status;
        }
        if let Some(installations) = body.get("installations").filter(|value| !value.is_null()) {
            let mut keys: Vec<String> = serde_json::from_value(installations.clone())
                .map_err(|e| Unacceptable::Shape(format!("installations: {e}")))?;
            keys.sort();
            keys.dedup();
            if keys.len() > MOST_INSTALLATIONS {
                return Err(wrong("installations", "has at most 10000 keys"));
            }
            self.installations = keys;
        }
        match body.get("clientId") {
            None => {}
            Some(Value::Null) => self.client_id = None,
            Some(_) => self.client_id = Some(client_id(text(body, "clientId")?)?),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[rstest::rstest]
    #[case("https://cv.example.org", Some("https://cv.example.org/"))]
    #[case("http://cv.example.org:8080/a/", Some("http://cv.example.org:8080/a/"))]
    #[case("ftp://cv.example.org", None)]
    #[case("https://", None)]
    #[case("https:///path", None)]
    #[case("https://user@cv.example.org", None)]
    #[case("https://cv.example.org/?a=1", None)]
    #[case("https://cv.example.org/\"onload", None)]
    #[case("javascript:alert(1)", None)]
    fn an_address_ends_with_a_slash(#[case] given: &str, #[case] read: Option<&str>) {
        assert_eq!(base_url(Some(given)).ok().as_deref(), read);
    }

    #[rstest::rstest]
    #[case("rare disease 1", true)]
    #[case("", false)]
    #[case("<b>", false)]
    #[case("a-b", false)]
    fn a_network_name_has_letters_digits_and_spaces(#[case] given: &str, #[case] legal: bool) {
        assert_eq!(network_name(Some(given)).is_ok(), legal);
    }

    fn network() -> Network {
        let body = json!({"networkKey": 7, "networkName": "one"});
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn a_change_of_a_network_is_a_merge() {
        let mut changed = network();
        let change = json!({"networkKey": 8, "networkThreshold": 5, "installations": ["b", "a", "b"], "clientId": "c"});
        changed.change(&change).unwrap();
        assert_eq!((changed.network_key, &*changed.network_name, changed.network_threshold), (7, "one", 5));
        assert_eq!(
            (changed.installations, changed.client_id.as_deref()),
            (vec!["a".into(), "b".into()], Some("c"))
        );
    }

    #[rstest::rstest]
    #[case(json!([]))]
    #[case(json!({"networkThreshold": -1}))]
    #[case(json!({"networkThreshold": 2_147_483_648_i64}))]
    #[case(json!({"networkThreshold": 1.5}))]
    #[case(json!({"networkStatus": "broken"}))]
    #[case(json!({"installations": "a"}))]
    #[case(json!({"installations": [1]}))]
    #[case(json!({"clientId": ""}))]
    fn what_is_wrong_is_refused(#[case] change: Value) {
        assert!(network().change(&change).is_err());
    }
}
