//! What was granted to a person and can be taken back: sessions, codes, refresh families, pending password changes.
//! One room, `issuer.grants`; the bearer's half is stored as SHA-256 only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Issuer;
use crate::domain::filter::{Condition, Filter};
use crate::domain::ids::UserId;
use crate::identity::IdentityError;
use crate::store::{Collection, Room};

/// A grant's document. Times the store compares are seconds since 1970.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Grant {
    /// Kind and public id, e.g. `session:0c4e…`.
    pub id: String,
    pub account_id: UserId,
    /// SHA-256 of the bearer's half, URL-safe base64.
    pub secret_hash: String,
    /// When the document may be removed.
    pub expires_at: i64,
    /// When the person gave the password (`auth_time`).
    pub authenticated_at: i64,
    /// The session it belongs to.
    pub session_id: String,
    #[serde(flatten)]
    pub kind: Kind,
}

/// What is granted.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Kind {
    /// The issuer's own browser session.
    Session,
    /// A one-time password was right; a new one must be chosen.
    Pending,
    /// An authorisation code.
    Code {
        request: Asked,
        redirect_uri: String,
        challenge: Option<String>,
        valid_until: i64,
        /// The family the code became; a second use ends it.
        used_for: Option<String>,
        replayed: bool,
    },
    /// A rotating refresh token; `secret_hash` is of the newest.
    Family { request: Asked },
}

/// What the client asked for, kept from the code to the last refresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    pub client_id: String,
    pub scope: String,
    pub nonce: Option<String>,
}

/// Which grants a bearer's string is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Session,
    Pending,
    Code,
    Family,
}

impl Class {
    fn prefix(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Pending => "pending",
            Self::Code => "code",
            Self::Family => "family",
        }
    }

    pub fn document(self, id: &str) -> String {
        format!("{}:{id}", self.prefix())
    }
}

/// A fresh bearer string and what is stored of it.
pub(super) struct Minted {
    /// Public half: the document's id without its kind.
    pub id: String,
    pub secret_hash: String,
    /// `<id>.<secret>`: what the bearer holds.
    pub bearer: String,
}

/// SHA-256 in URL-safe base64: of bearers' secrets, and the S256 transformation of RFC 7636 §4.2.
pub(super) fn sha256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()))
}

/// Compares two texts in constant time.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// Splits a bearer string into id and the hash of its secret; `None` if it cannot be one of ours.
pub(super) fn split(bearer: &str) -> Option<(&str, String)> {
    let (id, secret) = bearer.split_once('.')?;
    let legal = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) && secret.len() == 43;
    legal.then(|| (id, sha256(secret)))
}

impl Issuer {
    pub(super) fn grants(&self) -> Collection<'_, Grant> {
        Collection::new(self.inner.store.documents(), Room::Grants)
    }

    /// 256 random bits, URL-safe.
    pub(super) fn secret(&self) -> String {
        let mut bytes = [0; 32];
        self.inner.random.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn mint(&self, id: Option<&str>) -> Minted {
        let id = id.map_or_else(|| self.inner.random.uuid().simple().to_string(), str::to_owned);
        let secret = self.secret();
        Minted { secret_hash: sha256(&secret), bearer: format!("{id}.{secret}"), id }
    }

    /// The grant a bearer string stands for, if it is of that class, unexpired and its secret is right.
    pub(super) async fn grant(&self, class: Class, bearer: &str) -> Result<Option<Grant>, IdentityError> {
        let Some((id, hash)) = split(bearer) else { return Ok(None) };
        let found = self.grants().get(class.document(id)).await?;
        let now = self.now().timestamp();
        Ok(found.filter(|grant| same(&grant.secret_hash, &hash) && grant.expires_at > now))
    }

    /// Whether the session is still there.
    pub(super) async fn session_lives(&self, session_id: &str) -> Result<bool, IdentityError> {
        let found = self.grants().get(Class::Session.document(session_id)).await?;
        Ok(found.is_some_and(|session| session.expires_at > self.now().timestamp()))
    }

    /// Ends a session with everything granted under it.
    pub(super) async fn end_session(&self, user: &UserId, session_id: &str) -> Result<(), IdentityError> {
        self.grants().delete(Class::Session.document(session_id)).await?;
        let of_session =
            Filter::equals("accountId", user.as_str()).and(Condition::Equals("sessionId", session_id.into()));
        self.grants().delete_where(&of_session).await?;
        Ok(())
    }

    /// Ends every session, code and refresh token of an account; access tokens end with their session.
    pub async fn end_sessions(&self, user: &UserId) -> Result<(), IdentityError> {
        self.grants().delete_where(&Filter::equals("accountId", user.as_str())).await?;
        Ok(())
    }

    /// Removes expired grants; answers how many. For the scheduler, hourly.
    pub async fn sweep(&self) -> Result<u64, IdentityError> {
        let now = self.now().timestamp();
        let expired = Filter::all().and(Condition::Below("expiresAt", now.into()));
        Ok(self.grants().delete_where(&expired).await?)
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_s256_transformation_is_that_of_rfc_7636_appendix_b() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(sha256(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[rstest::rstest]
    #[case("0123456789abcdef0123456789abcdef.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", true)]
    #[case("0123456789abcdef0123456789abcdef.short", false)]
    #[case("../../etc/passwd.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", false)]
    #[case("", false)]
    fn only_our_own_shape_is_looked_up(#[case] bearer: &str, #[case] ours: bool) {
        assert_eq!(split(bearer).is_some(), ours);
    }
}
