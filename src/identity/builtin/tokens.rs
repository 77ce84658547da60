//! JSON web tokens: RS256 only, signed through the keystore, verified here with the public half.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::BoxedUint;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePublicKey;
use rsa::signature::Verifier;
use rsa::traits::PublicKeyParts;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Issuer;
use crate::identity::IdentityError;
use crate::secrets::Signing;

/// The signing key's name in the keystore.
const KEY_NAME: &str = "issuer";
const KEY_BITS: usize = 2048;

/// Longest token that is looked at.
const MAX_TOKEN: usize = 8 * 1024;

/// Clocks may differ by so many seconds.
pub(super) const LEEWAY: i64 = 30;

/// The public half of the signing key.
#[derive(Debug)]
pub(super) struct PublicKey {
    verifying: VerifyingKey<Sha256>,
    /// RFC 7638 thumbprint: the same key has the same `kid` in every process.
    kid: String,
    jwk: Value,
    /// Digests of tokens whose signature was found good; nothing else of a token is taken from here.
    good: Mutex<HashSet<[u8; 32]>>,
}

/// Tokens whose signature is remembered at most; then all are forgotten.
const MOST_GOOD: usize = 4_096;

impl PublicKey {
    /// Whether the signature of a whole token is good. A client sends the same token many times in its five minutes.
    fn signed(&self, token: &str, signed: &str, signature: &Signature) -> bool {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let good = || self.good.lock().unwrap_or_else(PoisonError::into_inner);
        if good().contains(&digest) {
            return true;
        }
        let found = self.verifying.verify(signed.as_bytes(), signature).is_ok();
        if found {
            let mut good = good();
            if good.len() >= MOST_GOOD {
                good.clear();
            }
            good.insert(digest);
        }
        found
    }

    fn read(pem: &str) -> Result<Self, IdentityError> {
        let key =
            rsa::PublicKey::from_public_key_pem(pem).map_err(|e| IdentityError::Engine(e.to_string()))?;
        let number = |n: &BoxedUint| URL_SAFE_NO_PAD.encode(n.to_be_bytes_trimmed_vartime());
        let (e, n) = (number(key.e()), number(key.n()));
        let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)));
        let jwk = json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e });
        Ok(Self { verifying: VerifyingKey::new(key), kid, jwk, good: Mutex::default() })
    }
}

/// What our tokens say; unknown claims are passed over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Body {
    pub iss: String,
    pub sub: String,
    #[serde(default)]
    pub aud: Audience,
    #[serde(default)]
    pub azp: String,
    pub exp: i64,
    pub iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// `Bearer` or `ID`, as Keycloak spells them.
    pub typ: String,
    pub sid: String,
    #[serde(flatten)]
    pub rest: serde_json::Map<String, Value>,
}

/// One audience or several (RFC 7519 §4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Audience {
    fn has(&self, client: &str) -> bool {
        match self {
            Self::One(one) => one == client,
            Self::Many(many) => many.iter().any(|one| one == client),
        }
    }
}

/// What a token must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    Access,
    /// An ID token as a hint: may have expired.
    IdHint,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    /// RFC 7515 §4.1.11: what is critical and not understood must be refused; nothing is understood here.
    #[serde(default)]
    crit: Option<Value>,
}

impl Issuer {
    /// Makes or loads the signing key in the background; until it is there, `ping` says so.
    pub fn prepare(&self) {
        let issuer = self.clone();
        tokio::spawn(async move {
            if let Err(error) = issuer.key().await {
                tracing::warn!(%error, "the issuer's signing key could not be made, it is tried again when needed");
            }
        });
    }

    pub(super) async fn key(&self) -> Result<&PublicKey, IdentityError> {
        let make = || async {
            self.inner.secrets.create_key(KEY_NAME, KEY_BITS).await?;
            let pem = self.inner.secrets.public_pem(KEY_NAME).await?;
            PublicKey::read(&pem.ok_or_else(|| IdentityError::Engine("the signing key vanished".to_owned()))?)
        };
        self.inner.key.get_or_try_init(make).await
    }

    /// The key set front ends and other services verify with (RFC 7517).
    pub async fn key_set(&self) -> Result<Value, IdentityError> {
        Ok(json!({ "keys": [self.key().await?.jwk] }))
    }

    pub(super) async fn signed(&self, body: &Body) -> Result<String, IdentityError> {
        let key = self.key().await?;
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": key.kid });
        let claims = serde_json::to_vec(body).map_err(|e| IdentityError::Engine(e.to_string()))?;
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.inner.secrets.sign(KEY_NAME, Signing::Pkcs1, signed.as_bytes()).await?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Checks a token of ours: form, algorithm, key, signature, issuer, audience, kind and times (design: *Tokens*).
    /// Whether its session and account still stand is the caller's question.
    pub(super) async fn checked(&self, token: &str, expect: Expect) -> Result<Body, IdentityError> {
        let refused = |why: &str| IdentityError::Rejected(format!("the token is not valid: {why}"));
        let malformed = || refused("it is malformed");
        if token.len() > MAX_TOKEN {
            return Err(refused("it is too long"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed());
        };
        let read = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed());
        let known: Header = serde_json::from_slice(&read(header)?).map_err(|_| malformed())?;
        // The algorithm is ours to choose, never the token's (RFC 8725 §3.1).
        if known.alg != "RS256" || known.crit.is_some() || known.typ.is_some_and(|typ| typ != "JWT") {
            return Err(refused("only RS256 is accepted"));
        }
        let key = self.key().await?;
        if known.kid.as_deref() != Some(key.kid.as_str()) {
            return Err(refused("it was signed with another key"));
        }
        let signature = Signature::try_from(read(signature)?.as_slice())
            .map_err(|_| refused("its signature is wrong"))?;
        let signed = format!("{header}.{claims}");
        if !key.signed(token, &signed, &signature) {
            return Err(refused("its signature is wrong"));
        }
        let body: Body = serde_json::from_slice(&read(claims)?).map_err(|_| malformed())?;
        if body.iss != self.issuer_url() {
            return Err(refused("it is of another issuer"));
        }
        let ours = &self.inner.settings.client_id;
        let (typ, for_us) = match expect {
            Expect::Access => ("Bearer", body.aud.has(ours) || body.azp == *ours),
            Expect::IdHint => ("ID", self.inner.clients.knows(&body.azp)),
        };
        if body.typ != typ {
            return Err(refused("it is of another kind"));
        }
        if !for_us {
            return Err(refused("it is for somebody else"));
        }
        let now = self.now().timestamp();
        if expect == Expect::Access && body.exp.saturating_add(LEEWAY) <= now {
            return Err(refused("it has expired"));
        }
        if body.iat.max(body.nbf.unwrap_or(body.iat)).saturating_sub(LEEWAY) > now {
            return Err(refused("it is not valid yet"));
        }
        if body.sub.is_empty() {
            return Err(malformed());
        }
        Ok(body)
    }
}
