//! Strangers asking for an account (specification §5.4).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::ids::RequestId;
use super::users::Profile;

/// Most characters of a name or affiliation.
const MOST_NAME: usize = 255;

/// Most characters of an e-mail address.
const MOST_EMAIL: usize = 254;

/// Most characters of a justification.
const MOST_JUSTIFICATION: usize = 4_000;

/// The document of the room `user.requests`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessRequest {
    pub request_id: RequestId,
    #[serde(default)]
    pub first_name: String,
    #[serde(default)]
    pub last_name: String,
    /// In lower case, as the issuer keeps it.
    pub email: String,
    #[serde(default)]
    pub affiliation: String,
    #[serde(default)]
    pub justification: String,
    /// Ours; documents of the original have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<DateTime<Utc>>,
}

/// A field that cannot be accepted.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{field} {expected}")]
pub struct Unacceptable {
    pub field: &'static str,
    pub expected: String,
}

impl AccessRequest {
    /// Reads what a stranger sent; the id and the time are ours, whatever the body says.
    pub fn read(body: &Value, request_id: RequestId, now: DateTime<Utc>) -> Result<Self, Unacceptable> {
        let text = |field: &'static str, most: usize, lines: bool| {
            let wrong = |expected: &str| Unacceptable { field, expected: expected.to_owned() };
            let given = body.get(field).and_then(Value::as_str).ok_or_else(|| wrong("must be a text"))?;
            let given = given.trim();
            if given.is_empty() || given.chars().count() > most {
                return Err(wrong(&format!("must have 1 to {most} characters")));
            }
            let bad = |c: char| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t'));
            if given.chars().any(bad) {
                return Err(wrong("must have printable characters only"));
            }
            Ok(given.to_owned())
        };
        let email = text("email", MOST_EMAIL, false)?.to_lowercase();
        if !is_email(&email) {
            let expected = "must be an e-mail address such as name@example.org".to_owned();
            return Err(Unacceptable { field: "email", expected });
        }
        Ok(Self {
            request_id,
            first_name: text("firstName", MOST_NAME, false)?,
            last_name: text("lastName", MOST_NAME, false)?,
            email,
            affiliation: text("affiliation", MOST_NAME, false)?,
            justification: text("justification", MOST_JUSTIFICATION, true)?,
            created_at: Some(now),
        })
    }

    /// The person as an account would have them; the e-mail becomes the user name.
    pub fn profile(&self) -> Profile {
        Profile {
            username: self.email.clone(),
            email: self.email.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            affiliation: self.affiliation.clone(),
        }
    }
}

/// Whether a text can be an address somebody is written to: one `@` with something on both sides, nothing that
/// could end a header or an address list.
pub fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'))
        && text.chars().all(|c| c.is_ascii_graphic() && !"<>()[]\\,;:\"".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(field: &str, value: &Value) -> Result<AccessRequest, Unacceptable> {
        let mut body = json!({
            "requestId": "chosen", "firstName": "John", "lastName": "Doe", "email": "John@Example.com",
            "affiliation": "Example Org", "justification": "line one\nline two",
        });
        body[field] = value.clone();
        AccessRequest::read(&body, RequestId::parse("ours").unwrap(), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn the_id_is_ours_and_the_address_in_lower_case() {
        let request = read("extra", &json!(1)).unwrap();
        assert_eq!((request.request_id.as_str(), &*request.email), ("ours", "john@example.com"));
        assert_eq!(request.profile().username, "john@example.com");
    }

    #[rstest::rstest]
    #[case("firstName", json!(" "))]
    #[case("lastName", json!(7))]
    #[case("lastName", json!(null))]
    #[case("firstName", json!("a\nb"))]
    #[case("affiliation", json!("x".repeat(256)))]
    #[case("justification", json!("x".repeat(4_001)))]
    #[case("justification", json!("bell\u{7}"))]
    #[case("email", json!("nobody"))]
    #[case("email", json!("a@b@example.org"))]
    #[case("email", json!("a@example.org,b@example.org"))]
    #[case("email", json!("a@example.org\r\nBcc: b@example.org"))]
    fn what_is_missing_too_long_or_not_printable_is_refused(#[case] field: &str, #[case] value: Value) {
        assert_eq!(read(field, &value).unwrap_err().field, field);
    }
}
