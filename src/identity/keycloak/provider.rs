//! Where the provider's endpoints are (OpenID Connect Discovery 1.0 §4).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use openidconnect::url::Url;
use serde::Deserialize;

use super::{Keycloak, Kind, shown};
use crate::identity::IdentityError;

/// How long a discovery document is believed.
pub(super) const KEPT: Duration = Duration::from_secs(600);

/// Nobody asks again before this after a failure, so that requests do not queue up for an answer that does not come.
pub(super) const PAUSE: Duration = Duration::from_secs(2);

/// Endpoints for calls from server to server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Provider {
    /// What `iss` may say.
    pub issuers: Vec<String>,
    /// What the provider calls itself where servers call it.
    pub called: String,
    pub token: Url,
    pub introspection: Option<Url>,
    pub jwks: Url,
    /// The realm's part of the Admin REST API, without a slash at its end; Keycloak only.
    pub admin: Option<String>,
}

/// What is remembered of looking for the provider.
#[derive(Default)]
pub(super) struct Place {
    known: Mutex<Known>,
    /// Held by who looks, so that one request does; what is known is read without it.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    found: Option<(Instant, Arc<Provider>)>,
    failed: Option<(Instant, String)>,
}

impl Place {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The provider as found within `age`, or why it was not found a moment ago; `None` = somebody should look.
    fn remembered(&self, age: Duration) -> Option<Result<Arc<Provider>, IdentityError>> {
        let known = self.known();
        match (&known.found, &known.failed) {
            (Some((at, provider)), _) if at.elapsed() < age => Some(Ok(provider.clone())),
            (_, Some((at, reason))) if at.elapsed() < PAUSE => {
                Some(Err(IdentityError::Unavailable(reason.clone())))
            }
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    token_endpoint: String,
    introspection_endpoint: Option<String>,
    jwks_uri: String,
}

/// `<base>/realms/<realm>`, the form of Keycloak's issuers.
fn of_realm(base: &str, realm: &str) -> String {
    let realm: String = openidconnect::url::form_urlencoded::byte_serialize(realm.as_bytes()).collect();
    // A path segment has %20 where a form has +.
    format!("{}/realms/{}", base.trim_end_matches('/'), realm.replace('+', "%20"))
}

/// An endpoint of the document under the base that servers call: Keycloak names it as browsers see it when it has a
/// fixed host name (Keycloak, "Configuring the hostname").
fn rebased(endpoint: &str, base: &str) -> String {
    match endpoint.find("/realms/").and_then(|at| endpoint.get(at..)) {
        Some(path) => format!("{}{path}", base.trim_end_matches('/')),
        None => endpoint.to_owned(),
    }
}

fn address(text: &str) -> Result<Url, IdentityError> {
    let unusable =
        || IdentityError::Unavailable("the provider names an endpoint that is no web address".to_owned());
    let url = Url::parse(text).map_err(|_| unusable())?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(unusable()) }
}

impl Keycloak {
    /// The provider's endpoints, asked for again when they are older than `age`; with Keycloak not answering at the back
    /// channel the front one is used (specification §16 row 16).
    pub(super) async fn provider(&self, age: Duration) -> Result<Arc<Provider>, IdentityError> {
        let place = &self.inner.provider;
        if let Some(known) = place.remembered(age) {
            return known;
        }
        let _looking = place.looking.lock().await;
        if let Some(known) = place.remembered(age) {
            return known;
        }
        let found = self.discover().await;
        let mut known = place.known();
        match found {
            Ok(provider) => {
                let provider = Arc::new(provider);
                *known = Known { found: Some((Instant::now(), provider.clone())), failed: None };
                Ok(provider)
            }
            Err(error) => {
                let reason = match error {
                    IdentityError::Unavailable(reason) => reason,
                    other => other.to_string(),
                };
                known.failed = Some((Instant::now(), reason.clone()));
                Err(IdentityError::Unavailable(reason))
            }
        }
    }

    /// What `iss` of Keycloak's tokens may say: either base (specification §3.1).
    pub(super) fn issuers(&self) -> Vec<String> {
        match &self.inner.settings.kind {
            Kind::Keycloak { url, backend_url, realm } => {
                vec![of_realm(url, realm), of_realm(backend_url, realm)]
            }
            Kind::OpenId { issuer } => vec![issuer.clone()],
        }
    }

    async fn discover(&self) -> Result<Provider, IdentityError> {
        let (url, backend, realm) = match &self.inner.settings.kind {
            Kind::Keycloak { url, backend_url, realm } => (url, backend_url, realm),
            Kind::OpenId { issuer } => {
                let document = self.document(issuer).await?;
                return Ok(Provider {
                    issuers: vec![document.issuer.clone()],
                    called: document.issuer,
                    token: address(&document.token_endpoint)?,
                    introspection: document.introspection_endpoint.as_deref().map(address).transpose()?,
                    jwks: address(&document.jwks_uri)?,
                    admin: None,
                });
            }
        };
        let issuers = self.issuers();
        let (document, base) = match self.document_of(backend, realm, &issuers).await {
            Ok(document) => (document, backend),
            Err(error) if backend != url => {
                tracing::warn!(%error, "Keycloak.BackendURL does not answer as Keycloak does, Keycloak.URL is used instead");
                (self.document_of(url, realm, &issuers).await?, url)
            }
            Err(error) => return Err(error),
        };
        let endpoint = |named: &str| address(&rebased(named, base));
        Ok(Provider {
            token: endpoint(&document.token_endpoint)?,
            introspection: document.introspection_endpoint.as_deref().map(endpoint).transpose()?,
            jwks: endpoint(&document.jwks_uri)?,
            admin: Some(of_realm(&format!("{}/admin", base.trim_end_matches('/')), realm)),
            called: document.issuer,
            issuers,
        })
    }

    async fn document_of(
        &self,
        base: &str,
        realm: &str,
        issuers: &[String],
    ) -> Result<Document, IdentityError> {
        let document = self.document(&of_realm(base, realm)).await?;
        if issuers.contains(&document.issuer) {
            return Ok(document);
        }
        Err(IdentityError::Unavailable(format!(
            "Keycloak calls itself {}: give that address, up to /realms, as Keycloak.URL",
            shown(&document.issuer)
        )))
    }

    async fn document(&self, issuer: &str) -> Result<Document, IdentityError> {
        let at = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let answer = self.get(&at).await?;
        let failed = |what: &str| IdentityError::Unavailable(format!("{at} {what}"));
        if answer.status() != http::StatusCode::OK {
            return Err(failed(&format!("answers {}", answer.status().as_u16())));
        }
        let document: Document =
            serde_json::from_slice(answer.body()).map_err(|_| failed("is no discovery document"))?;
        // §4.3: the document must be the issuer's own. Keycloak's two bases are compared by the caller.
        let own = self.manages() || document.issuer.trim_end_matches('/') == issuer.trim_end_matches('/');
        if own { Ok(document) } else { Err(failed("speaks for another issuer")) }
    }

    pub(super) async fn get(&self, url: &str) -> Result<http::Response<Vec<u8>>, IdentityError> {
        let request = http::Request::get(url)
            .header(http::header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|e| IdentityError::Unavailable(format!("the provider's address cannot be used: {e}")))?;
        Ok(self.inner.doors.http.send(request).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("http://localhost:8080", "http://localhost:8080/realms/cafe_variome")]
    #[case("http://localhost:8080/", "http://localhost:8080/realms/cafe_variome")]
    #[case("https://id.example.org/auth", "https://id.example.org/auth/realms/cafe_variome")]
    #[case("https://id.example.org/auth/", "https://id.example.org/auth/realms/cafe_variome")]
    fn an_issuer_is_the_same_with_and_without_slash(#[case] base: &str, #[case] issuer: &str) {
        assert_eq!(of_realm(base, "cafe_variome"), issuer);
    }

    #[test]
    fn a_realm_is_a_path_segment() {
        assert_eq!(of_realm("http://k", "two words/x"), "http://k/realms/two%20words%2Fx");
    }

    #[rstest::rstest]
    #[case("https://id.example.org/realms/r/protocol/openid-connect/token", "http://kc:8080")]
    #[case("https://id.example.org/auth/realms/r/protocol/openid-connect/token", "http://kc:8080/")]
    fn endpoints_are_called_at_the_back_channel(#[case] named: &str, #[case] base: &str) {
        assert_eq!(rebased(named, base), "http://kc:8080/realms/r/protocol/openid-connect/token");
    }
}
