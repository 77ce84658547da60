//! The provider's published keys and the signatures they prove (RFC 7515, RFC 7517).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKey, JsonWebKeyAlgorithm};
use serde::Deserialize;
use serde_json::Value;

use super::Keycloak;
use super::provider::{KEPT, PAUSE};
use super::said::{Payload, Said};
use crate::identity::IdentityError;

/// A key that is not known is looked for once in this time.
const AGAIN: Duration = Duration::from_secs(60);

/// Keys of one provider that are looked at.
const MOST: usize = 64;

/// The keys as last fetched.
#[derive(Default)]
pub(super) struct Keys {
    held: Mutex<Held>,
    /// Held by who fetches, so that one request does; signatures by known keys are checked without it.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    keys: Arc<[CoreJsonWebKey]>,
    /// When a key that was not among them was last looked for.
    looked: Option<Instant>,
    /// When they could last not be fetched.
    failed: Option<Instant>,
}

impl Keys {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Arc<[CoreJsonWebKey]> {
        self.held().keys.clone()
    }
}

/// Proves a signature with the key of the token's id, or without an id with any key.
fn prove(keys: &[CoreJsonWebKey], header: &Header, signed: &str, signature: &[u8]) -> Proof {
    let named = |key: &&CoreJsonWebKey| match (&header.kid, key.key_id()) {
        (Some(kid), Some(id)) => kid == id.as_str(),
        (Some(_), None) => false,
        (None, _) => true,
    };
    // A key for one algorithm is not good for another (RFC 7517 §4.4).
    let meant = |key: &&CoreJsonWebKey| match key.signing_alg() {
        JsonWebKeyAlgorithm::Unspecified => true,
        JsonWebKeyAlgorithm::Algorithm(alg) => *alg == header.alg,
        JsonWebKeyAlgorithm::Unsupported => false,
    };
    let mut candidates = keys.iter().filter(named).peekable();
    if candidates.peek().is_none() {
        return Proof::UnknownKey;
    }
    let good = |key: &CoreJsonWebKey| key.verify_signature(&header.alg, signed.as_bytes(), signature).is_ok();
    if candidates.filter(meant).any(good) { Proof::Good } else { Proof::Bad }
}

#[derive(Debug, PartialEq, Eq)]
enum Proof {
    Good,
    Bad,
    UnknownKey,
}

#[derive(Deserialize)]
struct Header {
    alg: CoreJwsSigningAlgorithm,
    kid: Option<String>,
    typ: Option<String>,
    /// RFC 7515 §4.1.11: what is critical and not understood must be refused; nothing is understood here.
    crit: Option<Value>,
}

fn unread() -> IdentityError {
    IdentityError::Unavailable("the identity provider's keys cannot be read".to_owned())
}

fn refused(why: &str) -> IdentityError {
    IdentityError::Rejected(format!("the token is not valid: {why}"))
}

/// Header, payload, signed text and signature of a compact token; only the three algorithms of design §3, and only the
/// media types of access tokens. Other providers must say that it is one (RFC 9068 §2.1): their ID tokens look alike.
fn parsed(token: &str, must_say: bool) -> Result<(Header, Said, &str, Vec<u8>), IdentityError> {
    let malformed = || refused("it is malformed");
    let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
    let (header, payload) = signed.split_once('.').ok_or_else(malformed)?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed());
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| malformed())?;
    let (rs, ps, es) = (
        CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        CoreJwsSigningAlgorithm::RsaSsaPssSha256,
        CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    );
    if ![rs, ps, es].contains(&header.alg) || header.crit.is_some() {
        return Err(refused("its signature is of a kind that is not accepted"));
    }
    let typ = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
    let says = typ == "at+jwt" || typ == "application/at+jwt";
    if !(says || (typ == "jwt" && !must_say)) {
        return Err(refused("it is of another kind"));
    }
    let payload: Payload = serde_json::from_slice(&decode(payload)?).map_err(|_| malformed())?;
    Ok((header, Said::of_payload(payload), signed, decode(signature)?))
}

impl Keycloak {
    /// What a token says whose signature is good (`Keycloak.Validation: local`).
    pub(super) async fn read_locally(&self, token: &str) -> Result<Said, IdentityError> {
        let (header, said, signed, signature) = parsed(token, !self.manages())?;
        let known = prove(&self.inner.keys.all(), &header, signed, &signature);
        let proof = match known {
            Proof::UnknownKey => prove(&self.looked_for(&header).await?, &header, signed, &signature),
            known => known,
        };
        match proof {
            Proof::Good => Ok(said),
            Proof::Bad => Err(refused("its signature is wrong")),
            Proof::UnknownKey => Err(refused("it was signed with an unknown key")),
        }
    }

    /// The keys after looking for one that is not among them, at most once a minute. The first fetch is not one of
    /// those that are counted: without any key nothing can be said of any token.
    async fn looked_for(&self, header: &Header) -> Result<Arc<[CoreJsonWebKey]>, IdentityError> {
        let keys = &self.inner.keys;
        let _fetching = keys.fetching.lock().await;
        {
            let mut held = keys.held();
            let there = |key: &CoreJsonWebKey| {
                header.kid.as_deref().is_none_or(|kid| key.key_id().is_some_and(|id| id.as_str() == kid))
            };
            // Somebody else has fetched meanwhile.
            if held.keys.iter().any(there) {
                return Ok(held.keys.clone());
            }
            if held.failed.is_some_and(|at| at.elapsed() < PAUSE) {
                return Err(unread());
            }
            if !held.keys.is_empty() {
                if held.looked.is_some_and(|at| at.elapsed() < AGAIN) {
                    return Ok(held.keys.clone());
                }
                held.looked = Some(Instant::now());
            }
        }
        let fetched = self.fetched_keys().await;
        let mut held = keys.held();
        match fetched {
            Ok(fetched) => {
                (held.keys, held.failed) = (fetched.into(), None);
                Ok(held.keys.clone())
            }
            Err(error) => {
                (held.looked, held.failed) = (None, Some(Instant::now()));
                Err(error)
            }
        }
    }

    async fn fetched_keys(&self) -> Result<Vec<CoreJsonWebKey>, IdentityError> {
        let provider = self.provider(KEPT).await?;
        let answer = self.get(provider.jwks.as_str()).await?;
        if answer.status() != http::StatusCode::OK {
            return Err(unread());
        }
        let set: CoreJsonWebKeySet = serde_json::from_slice(answer.body()).map_err(|_| unread())?;
        Ok(set.keys().iter().take(MOST).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(header: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", part(header), part(&json!({"sub": "u"})), URL_SAFE_NO_PAD.encode("signature"))
    }

    #[rstest::rstest]
    #[case(json!({"alg": "RS256", "typ": "JWT"}), true, false)]
    #[case(json!({"alg": "PS256", "typ": "at+jwt"}), true, true)]
    #[case(json!({"alg": "ES256", "typ": "application/at+JWT"}), true, true)]
    #[case(json!({"alg": "RS256"}), true, false)]
    #[case(json!({"alg": "none"}), false, false)]
    #[case(json!({"alg": "HS256"}), false, false)]
    #[case(json!({"alg": "RS512"}), false, false)]
    #[case(json!({"alg": "RS256", "typ": "logout+jwt"}), false, false)]
    #[case(json!({"alg": "RS256", "typ": "dpop+jwt"}), false, false)]
    #[case(json!({"alg": "RS256", "crit": ["exp"]}), false, false)]
    #[case(json!({"typ": "JWT"}), false, false)]
    fn only_access_tokens_of_three_algorithms_are_read(
        #[case] header: Value,
        #[case] keycloak: bool,
        #[case] other: bool,
    ) {
        assert_eq!(parsed(&token(&header), false).is_ok(), keycloak);
        assert_eq!(parsed(&token(&header), true).is_ok(), other);
    }

    #[rstest::rstest]
    #[case("")]
    #[case("a")]
    #[case("a.b")]
    #[case("a.b.c")]
    #[case("a.b.c.d")]
    #[case("e30.e30.")]
    fn what_is_no_token_is_refused(#[case] text: &str) {
        assert!(parsed(text, false).is_err());
    }
}
