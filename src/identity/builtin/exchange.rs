//! Codes and refresh tokens become access tokens (RFC 6749 §4.1.3, §6; rotation: RFC 9700 §4.14.2).

use serde_json::{Map, Value};

use super::accounts::Account;
use super::error::{Code, ProtocolError};
use super::grants::{Asked, Class, Grant, Kind, same, sha256, split};
use super::tokens::{Audience, Body};
use super::{ACCESS_SECONDS, Issuer};
use crate::domain::ids::UserId;
use crate::identity::{IdentityError, Tokens};

/// Who presents a code or a refresh token.
///
/// A code that was asked for with a challenge needs its verifier from everybody. A code that was asked for
/// without one is given tokens only to `Confidential`: a client that proved its secret, or this backend itself,
/// behind whose `/auth/token` the front ends of Cafe Variome exchange codes without PKCE (contract: the body has
/// only `code`). Such a code is then protected as in the original system: by an exactly matched return address,
/// one use, sixty seconds and the client's `state`. A public client at the token endpoint can never skip PKCE, and
/// a verifier for a code without challenge is refused, so that a challenge cannot be stripped on the way
/// (RFC 9700 §4.8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    Public(&'a str),
    Confidential(&'a str),
}

impl Presented<'_> {
    fn client(&self) -> &str {
        match self {
            Self::Public(client) | Self::Confidential(client) => client,
        }
    }
}

/// The token endpoint's answer.
#[derive(Clone)]
pub struct Granted {
    pub tokens: Tokens,
    pub id_token: Option<String>,
    pub refresh_expires_in: i64,
    pub scope: String,
    pub session_state: String,
}

fn invalid_grant(text: &str) -> ProtocolError {
    ProtocolError::refused(Code::InvalidGrant, text)
}

fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

impl Issuer {
    /// Exchanges a code. Any use burns it, also one that is refused; a second use ends what the first one got.
    pub async fn exchange(
        &self,
        by: Presented<'_>,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
    ) -> Result<Granted, ProtocolError> {
        let unknown = || invalid_grant("the code is not valid, was used or has expired: sign in again");
        let Some((id, hash)) = split(code) else { return Err(unknown()) };
        let family = self.mint(None);
        let mut replay_of = None;
        let document = Class::Code.document(id);
        let grants = self.grants();
        let used = grants.update(&document, |grant| {
            let right = same(&grant.secret_hash, &hash);
            let Kind::Code { used_for, replayed, .. } = &mut grant.kind else { return Err(unknown()) };
            if !right {
                return Err(unknown());
            }
            if used_for.is_some() {
                *replayed = true;
                replay_of.clone_from(used_for);
            } else {
                *used_for = Some(family.id.clone());
            }
            Ok(())
        });
        let grant = used.await?.ok_or_else(unknown)?;
        if let Some(first) = replay_of {
            tracing::warn!(user = %grant.account_id, "an authorisation code was used twice, its tokens are ended");
            grants.delete(Class::Family.document(&first)).await?;
            return Err(unknown());
        }
        let Kind::Code { request, redirect_uri: asked_uri, challenge, valid_until, .. } = grant.kind else {
            return Err(unknown());
        };
        if valid_until <= self.now().timestamp() {
            return Err(unknown());
        }
        if by.client() != request.client_id {
            return Err(invalid_grant("the code was issued to another client"));
        }
        if redirect_uri != asked_uri {
            return Err(invalid_grant("redirect_uri differs from the one the code was asked for with"));
        }
        match (challenge, verifier) {
            (Some(challenge), Some(verifier))
                if is_verifier(verifier) && same(&sha256(verifier), &challenge) => {}
            (Some(_), _) => return Err(invalid_grant("code_verifier is missing or wrong")),
            (None, Some(_)) => return Err(invalid_grant("the code was asked for without a challenge")),
            (None, None) if matches!(by, Presented::Confidential(_)) => {}
            (None, None) => return Err(invalid_grant("a public client must use PKCE")),
        }
        let account = self.standing(&grant.account_id, &grant.session_id).await?;
        let family_grant = Grant {
            id: Class::Family.document(&family.id),
            account_id: grant.account_id,
            secret_hash: family.secret_hash,
            // A refresh token lives as long as the session it was born in.
            expires_at: grant.expires_at,
            authenticated_at: grant.authenticated_at,
            session_id: grant.session_id,
            kind: Kind::Family { request: request.clone() },
        };
        grants.insert(&family_grant.id, &family_grant).await?;
        // A second use that came in between found no family to end.
        let replayed = self
            .grants()
            .get(&document)
            .await?
            .is_none_or(|code| matches!(code.kind, Kind::Code { replayed, .. } if replayed));
        if replayed {
            grants.delete(&family_grant.id).await?;
            return Err(unknown());
        }
        Ok(self.granted(&account, &family_grant, &request, family.bearer).await?)
    }

    /// Exchanges a refresh token for a new pair. A token that was exchanged before ends its whole family, since
    /// either its holder or the holder of the newer one is not who signed in.
    pub async fn exchange_refresh(
        &self,
        by: Presented<'_>,
        refresh_token: &str,
    ) -> Result<Granted, ProtocolError> {
        let unknown =
            || invalid_grant("the refresh token is not valid, was used or has expired: sign in again");
        let Some((id, hash)) = split(refresh_token) else { return Err(unknown()) };
        let next = self.mint(Some(id));
        let document = Class::Family.document(id);
        let mut reused = false;
        let grants = self.grants();
        let rotated = grants.update(&document, |grant| {
            let Kind::Family { request } = &grant.kind else { return Err(unknown()) };
            if request.client_id != by.client() {
                return Err(invalid_grant("the refresh token was issued to another client"));
            }
            reused = !same(&grant.secret_hash, &hash);
            if !reused {
                grant.secret_hash.clone_from(&next.secret_hash);
            }
            Ok(())
        });
        let grant = rotated.await?.ok_or_else(unknown)?;
        if reused {
            // The id is unguessable and only ever part of the token itself, so this is an old one, not a guess.
            tracing::warn!(user = %grant.account_id, "a refresh token was used twice, its family is ended");
            grants.delete(&document).await?;
            return Err(unknown());
        }
        let Kind::Family { request } = grant.kind.clone() else { return Err(unknown()) };
        if grant.expires_at <= self.now().timestamp() {
            return Err(unknown());
        }
        let account = self.standing(&grant.account_id, &grant.session_id).await?;
        Ok(self.granted(&account, &grant, &request, next.bearer).await?)
    }

    /// Ends the session a refresh token belongs to (Keycloak's sign-out by back channel); unknown ones are passed over.
    pub async fn revoke(&self, refresh_token: &str) -> Result<(), IdentityError> {
        match self.grant(Class::Family, refresh_token).await? {
            Some(family) => self.end_session(&family.account_id, &family.session_id).await,
            None => Ok(()),
        }
    }

    /// The account, if it and the session may still be given tokens.
    async fn standing(&self, user: &UserId, session_id: &str) -> Result<Account, ProtocolError> {
        let account = self.account(user).await?.filter(|account| !account.disabled);
        let session = self.session_lives(session_id).await?;
        account.filter(|_| session).ok_or_else(|| invalid_grant("the session has ended: sign in again"))
    }

    pub(super) async fn granted(
        &self,
        account: &Account,
        family: &Grant,
        asked: &Asked,
        refresh_token: String,
    ) -> Result<Granted, IdentityError> {
        let now = self.now().timestamp();
        let mut rest = people(account);
        rest.insert("auth_time".to_owned(), family.authenticated_at.into());
        let mut access = Body {
            iss: self.issuer_url(),
            sub: account.account_id.to_string(),
            // Always ours, whichever client asked: the command line's tokens are for this backend too.
            aud: Audience::One(self.inner.settings.client_id.clone()),
            azp: asked.client_id.clone(),
            exp: now + ACCESS_SECONDS,
            iat: now,
            nbf: None,
            typ: "Bearer".to_owned(),
            sid: family.session_id.clone(),
            rest,
        };
        let mut id = access.clone();
        let jti = || Value::from(self.inner.random.uuid().to_string());
        access.rest.insert("jti".to_owned(), jti());
        access.rest.insert("scope".to_owned(), asked.scope.clone().into());
        let access_token = self.signed(&access).await?;
        let id_token = if asked.scope.split(' ').any(|scope| scope == "openid") {
            id.typ = "ID".to_owned();
            id.aud = Audience::One(asked.client_id.clone());
            id.rest.insert("jti".to_owned(), jti());
            if let Some(nonce) = &asked.nonce {
                id.rest.insert("nonce".to_owned(), nonce.clone().into());
            }
            Some(self.signed(&id).await?)
        } else {
            None
        };
        Ok(Granted {
            tokens: Tokens { access_token, refresh_token, expires_in: ACCESS_SECONDS.unsigned_abs() },
            id_token,
            refresh_expires_in: family.expires_at - now,
            scope: asked.scope.clone(),
            session_state: family.session_id.clone(),
        })
    }
}

/// What tokens and the userinfo endpoint say of a person (OpenID Connect Core §5.1; `affiliation` as Keycloak's mapper).
pub(super) fn people(account: &Account) -> Map<String, Value> {
    let profile = &account.profile;
    let name = format!("{} {}", profile.first_name, profile.last_name);
    let claims = [
        ("preferred_username", profile.username.as_str()),
        ("email", &profile.email),
        ("name", name.trim()),
        ("given_name", &profile.first_name),
        ("family_name", &profile.last_name),
        ("affiliation", &profile.affiliation),
    ];
    claims.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}
