//! What a token says, the same whether the provider told it or it was read here, and whether that suffices.

use openidconnect::{ExtraTokenFields, TokenIntrospectionResponse};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::grants::Introspected;
use crate::domain::users::Profile;

/// Clocks may differ by so many seconds.
pub(super) const LEEWAY: i64 = 30;

/// Longest text of a claim that is kept.
const LONGEST: usize = 255;

/// Claims that introspection answers besides those of RFC 7662; Keycloak answers with the whole token.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Further {
    azp: Option<String>,
    typ: Option<String>,
    preferred_username: Option<String>,
    email: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    /// One value or several, as the mapper is set up.
    affiliation: Option<Value>,
}

impl ExtraTokenFields for Further {}

/// One audience or several (RFC 7519 §4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// The payload of an access token that is a JSON web token.
#[derive(Deserialize)]
pub(super) struct Payload {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    client_id: Option<String>,
    exp: Option<i64>,
    iat: Option<i64>,
    nbf: Option<i64>,
    #[serde(flatten)]
    further: Further,
}

/// What is known of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    pub iss: Option<String>,
    pub sub: String,
    pub aud: Vec<String>,
    pub azp: Option<String>,
    pub client_id: Option<String>,
    pub typ: Option<String>,
    pub exp: Option<i64>,
    pub iat: Option<i64>,
    pub nbf: Option<i64>,
    pub username: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub affiliation: String,
}

fn short(text: Option<&str>) -> String {
    text.unwrap_or_default().chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

impl Said {
    /// `None` = the token is not active.
    pub fn of_introspection(answer: &Introspected) -> Option<Self> {
        if !answer.active() {
            return None;
        }
        let further = answer.extra_fields();
        let seconds = |time: Option<chrono::DateTime<chrono::Utc>>| time.map(|time| time.timestamp());
        let mut said = Self::of(further);
        if said.username.is_empty() {
            said.username = short(answer.username());
        }
        Some(Self {
            iss: answer.iss().map(str::to_owned),
            sub: answer.sub().unwrap_or_default().to_owned(),
            aud: answer.aud().cloned().unwrap_or_default(),
            client_id: answer.client_id().map(|id| id.to_string()),
            exp: seconds(answer.exp()),
            iat: seconds(answer.iat()),
            nbf: seconds(answer.nbf()),
            ..said
        })
    }

    pub fn of_payload(payload: Payload) -> Self {
        let said = Self::of(&payload.further);
        let aud = match payload.aud {
            Some(Audience::One(one)) => vec![one],
            Some(Audience::Many(many)) => many,
            None => Vec::new(),
        };
        Self {
            iss: payload.iss,
            sub: payload.sub.unwrap_or_default(),
            aud,
            client_id: payload.client_id,
            exp: payload.exp,
            iat: payload.iat,
            nbf: payload.nbf,
            ..said
        }
    }

    fn of(further: &Further) -> Self {
        let affiliation = further.affiliation.as_ref().and_then(|value| match value {
            Value::Array(many) => many.first().and_then(Value::as_str),
            one => one.as_str(),
        });
        Self {
            azp: further.azp.clone(),
            typ: further.typ.clone(),
            username: short(further.preferred_username.as_deref()),
            email: short(further.email.as_deref()),
            first_name: short(further.given_name.as_deref()),
            last_name: short(further.family_name.as_deref()),
            affiliation: short(affiliation),
            ..Self::default()
        }
    }

    /// The rules of specification §5.2 and design §3 (*Tokens*); `whole` where the provider is Keycloak or the token was
    /// read here: then nothing may be missing. Answers what is wrong.
    pub fn judge(&self, issuers: &[String], client: &str, whole: bool, now: i64) -> Result<(), &'static str> {
        match &self.iss {
            Some(iss) if issuers.contains(iss) => {}
            None if !whole => {}
            _ => return Err("it was issued by somebody else"),
        }
        if self.sub.is_empty() {
            return Err("it names nobody");
        }
        // An ID, refresh or offline token, or a token of a kind not known yet, is no access token.
        if self.typ.as_deref().is_some_and(|typ| !typ.eq_ignore_ascii_case("Bearer")) {
            return Err("it is of another kind");
        }
        let ours = |id: &Option<String>| id.as_deref() == Some(client);
        if !(self.aud.iter().any(|aud| aud == client) || ours(&self.azp) || ours(&self.client_id)) {
            return Err("it is for somebody else");
        }
        match self.exp {
            Some(exp) if exp.saturating_add(LEEWAY) <= now => return Err("it has expired"),
            None if whole => return Err("it has no end"),
            _ => {}
        }
        let from = self.nbf.or(self.iat).unwrap_or(i64::MIN);
        if from.saturating_sub(LEEWAY) > now {
            return Err("it is not valid yet");
        }
        Ok(())
    }

    /// Whether a program speaks for itself. Keycloak names the users of such clients `service-account-<client>`; other
    /// providers use the client's own id as subject (RFC 9068 §2.2).
    pub fn service_account(&self) -> bool {
        let own = |id: &Option<String>| id.as_ref().is_some_and(|id| *id == self.sub);
        self.username.to_ascii_lowercase().starts_with("service-account-")
            || own(&self.azp)
            || own(&self.client_id)
    }

    pub fn profile(&self) -> Profile {
        Profile {
            username: self.username.clone(),
            email: self.email.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            affiliation: self.affiliation.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn judged(change: &Value, whole: bool) -> Result<(), &'static str> {
        let mut token = json!({
            "iss": "https://id.example.org/realms/r", "sub": "u", "aud": ["account", "cafevariome"], "azp": "front",
            "typ": "Bearer", "exp": NOW + 60, "iat": NOW, "preferred_username": "ada",
        });
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(token.as_object_mut().unwrap().remove(name)),
                value => token[name] = value.clone(),
            }
        }
        let issuers = ["https://id.example.org/realms/r", "http://kc/realms/r"].map(str::to_owned);
        Said::of_payload(serde_json::from_value(token).unwrap()).judge(&issuers, "cafevariome", whole, NOW)
    }

    #[rstest::rstest]
    #[case(json!({}), true)]
    #[case(json!({"iss": "http://kc/realms/r"}), true)]
    #[case(json!({"iss": "http://kc/realms/r/"}), false)]
    #[case(json!({"iss": "https://evil.example.org/realms/r"}), false)]
    #[case(json!({"iss": null}), false)]
    #[case(json!({"sub": ""}), false)]
    #[case(json!({"sub": null}), false)]
    #[case(json!({"typ": "ID"}), false)]
    #[case(json!({"typ": "Refresh"}), false)]
    #[case(json!({"typ": "Offline"}), false)]
    #[case(json!({"typ": null}), true)]
    #[case(json!({"aud": "cafevariome"}), true)]
    #[case(json!({"aud": "account"}), false)]
    #[case(json!({"aud": "account", "azp": "cafevariome"}), true)]
    #[case(json!({"aud": null}), false)]
    #[case(json!({"exp": NOW - 29}), true)]
    #[case(json!({"exp": NOW - 30}), false)]
    #[case(json!({"exp": null}), false)]
    #[case(json!({"iat": NOW + 30}), true)]
    #[case(json!({"iat": NOW + 31}), false)]
    #[case(json!({"nbf": NOW + 31}), false)]
    fn a_token_is_taken_only_if_everything_holds(#[case] change: Value, #[case] taken: bool) {
        assert_eq!(judged(&change, true).is_ok(), taken, "{change}");
    }

    #[test]
    fn a_provider_that_was_asked_need_not_repeat_itself() {
        assert_eq!(judged(&json!({"iss": null, "exp": null}), false), Ok(()));
        assert!(judged(&json!({"iss": "https://evil.example.org"}), false).is_err());
        assert!(judged(&json!({"exp": NOW - 30}), false).is_err());
    }

    #[rstest::rstest]
    #[case(json!({"preferred_username": "service-account-cafevariome"}), true)]
    #[case(json!({"preferred_username": "ada"}), false)]
    #[case(json!({"azp": "robot", "sub": "robot"}), true)]
    #[case(json!({"client_id": "robot", "sub": "robot"}), true)]
    #[case(json!({"client_id": "front", "sub": "u"}), false)]
    fn programs_are_told_from_people(#[case] token: Value, #[case] program: bool) {
        let said = Said::of_payload(serde_json::from_value(token).unwrap());
        assert_eq!(said.service_account(), program);
    }

    #[test]
    fn an_affiliation_may_be_one_of_several_and_texts_are_bounded() {
        let token =
            json!({"affiliation": ["Registry", "Other"], "given_name": "x".repeat(999), "email": "a\nb"});
        let said = Said::of_payload(serde_json::from_value(token).unwrap());
        assert_eq!(
            (said.affiliation.as_str(), said.first_name.len(), said.email.as_str()),
            ("Registry", 255, "ab")
        );
    }
}
