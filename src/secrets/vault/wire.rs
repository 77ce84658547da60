//! One request to Vault and its answer, and in which words an answer is a failure.

use std::time::Duration;

use http::{Method, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use vaultrs::api::ResponseWrapper;

use crate::outbound::{Outbound, OutboundError};
use crate::secrets::SecretsError;

/// Time for an answer.
pub(super) const USUAL: Duration = Duration::from_secs(5);

/// Time for the answer to a request that makes a key.
pub(super) const MAKING: Duration = Duration::from_secs(18);

/// Characters of Vault's own words that are repeated.
const WORDS: usize = 200;

/// A request: what is asked, without whom.
pub(super) struct Ask {
    method: Method,
    /// Below `/v1`, with a slash in front.
    path: String,
    body: Vec<u8>,
    limit: Duration,
}

impl Ask {
    /// Takes a request of vaultrs; the trait bound is the only way to rustify's `Endpoint` that vaultrs has.
    pub fn of<E: ResponseWrapper>(endpoint: &E) -> Result<Self, SecretsError> {
        let unusable = || SecretsError::Engine("a request to Vault cannot be made".to_owned());
        // The address is put in front later: it may have a path of its own.
        let made = endpoint.request("http://vault").map_err(|_| unusable())?;
        let (parts, body) = made.into_parts();
        Ok(Self { method: parts.method, path: parts.uri.path().to_owned(), body, limit: USUAL })
    }

    /// A request that vaultrs has no usable type for.
    pub fn bare(method: Method, path: String, body: &Value) -> Self {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        Self { method, path, body, limit: USUAL }
    }

    /// The same with so much time for an answer.
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// What is asked, in words.
    pub fn shown(&self) -> String {
        format!("{} {}", self.method, self.path.trim_start_matches('/'))
    }
}

/// An answer of Vault, whatever its status.
pub(super) struct Answer {
    pub status: u16,
    body: Vec<u8>,
    /// Which Vault and what it was asked, for the words of a failure.
    at: String,
    asked: String,
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct Enveloped<T> {
    data: T,
}

impl Answer {
    /// Vault's own words; `None` if these are not the words of a Vault.
    pub fn errors(&self) -> Option<Vec<String>> {
        Some(serde_json::from_slice::<Errors>(&self.body).ok()?.errors)
    }

    /// Tells whether Vault's words have these among them.
    pub fn says(&self, words: &str) -> bool {
        self.errors().is_some_and(|errors| errors.iter().any(|error| error.contains(words)))
    }

    /// The whole answer.
    pub fn whole<T: DeserializeOwned>(&self) -> Result<T, SecretsError> {
        serde_json::from_slice(&self.body).map_err(|_| {
            SecretsError::Engine(format!("the answer of {} to {} cannot be read", self.at, self.asked))
        })
    }

    /// What the answer brings.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, SecretsError> {
        Ok(self.whole::<Enveloped<T>>()?.data)
    }

    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Nothing is there: only where Vault itself says so, never where something else answers or nothing is mounted.
    pub fn absent(&self) -> bool {
        self.status == 404 && self.errors().is_some_and(|errors| errors.is_empty())
    }

    /// An answer that the caller can make nothing of.
    pub fn unexpected(&self) -> SecretsError {
        let Self { status, at, asked, .. } = self;
        let words = self.words();
        match status {
            400 if words.contains("Upgrading") => SecretsError::Unavailable(format!("{at}: {words}")),
            400..=499 => SecretsError::Engine(format!("{at} refused {asked} ({status}): {words}")),
            _ => SecretsError::Unavailable(format!("{at} failed at {asked} ({status}): {words}")),
        }
    }

    /// Turns what says nothing about the thing asked for into an error that says what to do.
    ///
    /// What stays: success, 400, "nothing there" and 500, which the caller has to tell apart.
    pub fn judged(self) -> Result<Self, SecretsError> {
        let Self { status, at, asked, .. } = &self;
        let words = self.words();
        let why = match status {
            200..=299 | 400 => return Ok(self),
            404 if self.deleted() || self.absent() => return Ok(self),
            500 if self.errors().is_some() => return Ok(self),
            300..=399 => format!("{at} sends to another server: set Vault.Host to the active one"),
            401 | 403 => format!(
                "{at} denies {asked}: give the AppRole a policy with that right (docs/vault.md has it)"
            ),
            404 | 405 if self.errors().is_some() => format!(
                "{at} has nothing that serves {asked} ({words}): mount the engine, or set Vault.KV2Path and \
                 Vault.TransitPath"
            ),
            503 if words.contains("sealed") => format!("{at} is sealed: unseal it"),
            501 => format!("{at} is not initialised: initialise and unseal it"),
            429 => format!("{at} has a quota that is used up: raise it or wait"),
            _ if self.errors().is_none() => {
                format!("what answers at {at} is no Vault ({status}): check Vault.Host")
            }
            _ => format!("{at} cannot do {asked} now ({status}): {words}"),
        };
        Err(SecretsError::Unavailable(why))
    }

    /// A secret whose newest version was deleted and can be brought back (KV version 2).
    fn deleted(&self) -> bool {
        self.data::<Value>().is_ok_and(|data| data.get("metadata").is_some())
    }

    fn words(&self) -> String {
        let words = self.errors().unwrap_or_default().join("; ");
        let plain: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let words: Vec<&str> = plain.split_whitespace().collect();
        words.join(" ").chars().take(WORDS).collect()
    }
}

/// Sends a request, with a token if there is one, and reads the answer.
pub(super) async fn send(
    outbound: &Outbound,
    address: &str,
    token: Option<&str>,
    ask: &Ask,
) -> Result<Answer, SecretsError> {
    let at = format!("Vault at {}", shown(address));
    let unusable = || SecretsError::Unavailable(format!("{at} cannot be called: check Vault.Host"));
    let mut request = Request::builder()
        .method(ask.method.clone())
        .uri(format!("{}/v1{}", address.trim_end_matches('/'), ask.path))
        .header("X-Vault-Request", "true");
    if let Some(token) = token {
        request = request.header("X-Vault-Token", token);
    }
    if !ask.body.is_empty() {
        request = request.header("Content-Type", "application/json");
    }
    let request = request.body(ask.body.clone()).map_err(|_| unusable())?;
    let answer = tokio::time::timeout(ask.limit, outbound.send(request)).await;
    let asked = ask.shown();
    match answer {
        Ok(Ok(answer)) => {
            Ok(Answer { status: answer.status().as_u16(), body: answer.into_body(), at, asked })
        }
        Ok(Err(OutboundError::Unreachable { reason, .. })) => Err(SecretsError::Unavailable(format!(
            "{at} cannot be reached ({reason}): start it, or check Vault.Host"
        ))),
        Ok(Err(OutboundError::TooLarge(_))) => {
            Err(SecretsError::Engine(format!("the answer of {at} to {asked} is too large")))
        }
        Ok(Err(OutboundError::Timeout(_))) | Err(_) => Err(SecretsError::Unavailable(format!(
            "{at} took longer than {} s to answer {asked}",
            ask.limit.as_secs()
        ))),
        Ok(Err(OutboundError::Address(_) | OutboundError::Setup(_))) => Err(unusable()),
    }
}

/// An address without user, password, query and fragment.
pub(super) fn shown(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
            format!("{scheme}://{}", rest.trim_end_matches('/'))
        }
        None => "an address without scheme".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let (at, asked) = ("Vault at http://v".to_owned(), "GET kv/data/cv3/x".to_owned());
        Answer { status, body: body.as_bytes().to_vec(), at, asked }
    }

    #[rstest::rstest]
    #[case::sealed(503, r#"{"errors":["Vault is sealed"]}"#, "is sealed: unseal it")]
    #[case::denied(403, r#"{"errors":["permission denied"]}"#, "denies GET kv/data/cv3/x: give the AppRole")]
    #[case::not_mounted(404, r#"{"errors":["no handler for route \"kv\""]}"#, "mount the engine")]
    #[case::not_found_of_another_server(404, "<html>", "is no Vault (404)")]
    #[case::failure_of_a_proxy(502, "<html>", "is no Vault (502)")]
    #[case::standby(307, "", "sends to another server")]
    #[case::no_leader(503, r#"{"errors":["no active\n node"]}"#, "now (503): no active node")]
    fn an_answer_that_tells_nothing_is_no_absence(
        #[case] status: u16,
        #[case] body: &str,
        #[case] words: &str,
    ) {
        match answer(status, body).judged() {
            Err(SecretsError::Unavailable(told)) => assert!(told.contains(words), "{told}"),
            _ => panic!("{status} {body} was taken"),
        }
    }

    #[rstest::rstest]
    #[case::nothing(r#"{"errors":[]}"#, true)]
    #[case::deleted(r#"{"data":{"data":null,"metadata":{"version":1}}}"#, false)]
    fn what_vault_says_is_not_there_reaches_the_caller(#[case] body: &str, #[case] absent: bool) {
        let Ok(answer) = answer(404, body).judged() else { panic!("{body} was refused") };
        assert_eq!(answer.absent(), absent);
    }

    #[rstest::rstest]
    #[case("http://user:pass@vault:8200/x/?k=1", "http://vault:8200/x")]
    #[case("https://vault", "https://vault")]
    fn an_address_is_shown_without_credentials(#[case] address: &str, #[case] words: &str) {
        assert_eq!(shown(address), words);
    }

    #[test]
    fn names_go_into_the_path_and_a_leading_slash_does_not_double() {
        use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
        let login =
            LoginWithApproleRequest { mount: "approle".into(), role_id: "r".into(), secret_id: "s".into() };
        let Ok(ask) = Ask::of(&login) else { panic!() };
        assert_eq!(
            (ask.shown().as_str(), ask.path.as_str()),
            ("POST auth/approle/login", "/auth/approle/login")
        );
        assert_eq!(ask.body, br#"{"role_id":"r","secret_id":"s"}"#);
    }
}
