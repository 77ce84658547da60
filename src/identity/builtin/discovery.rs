//! What the issuer tells about itself and its tokens: discovery, userinfo, introspection, sign-out.

use serde_json::{Map, Value, json};

use super::error::{Code, ProtocolError};
use super::exchange::people;
use super::grants::{Class, same};
use super::tokens::Expect;
use super::{Issuer, Presented, Session};
use crate::identity::IdentityError;
use crate::secrets::SecretsError;

/// The confidential client's secret in the keystore.
const CLIENT_SECRET: &str = "issuer/client-secret";

impl Issuer {
    /// The discovery document (OpenID Connect Discovery §3) at Keycloak's addresses.
    pub fn discovery(&self) -> Value {
        let issuer = self.issuer_url();
        let at = |name: &str| format!("{issuer}/protocol/openid-connect/{name}");
        json!({
            "issuer": issuer,
            "authorization_endpoint": at("auth"),
            "token_endpoint": at("token"),
            "userinfo_endpoint": at("userinfo"),
            "end_session_endpoint": at("logout"),
            "jwks_uri": at("certs"),
            "introspection_endpoint": at("token/introspect"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "profile", "email"],
            "prompt_values_supported": ["none", "login", "select_account", "consent"],
            "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "preferred_username", "email",
                "name", "given_name", "family_name", "affiliation"],
            "claims_parameter_supported": false,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
            "authorization_response_iss_parameter_supported": true,
        })
    }

    /// Who an access token speaks for (OpenID Connect Core §5.3).
    pub async fn userinfo(&self, access_token: &str) -> Result<Value, IdentityError> {
        let (body, account) = self.standing_token(access_token).await?;
        let mut claims = people(&account);
        claims.insert("sub".to_owned(), body.sub.into());
        Ok(Value::Object(claims))
    }

    /// Whether a token is active, and what it says if so (RFC 7662); the caller has proved to be a client.
    pub async fn introspect(&self, token: &str) -> Result<Value, IdentityError> {
        let (body, account) = match self.standing_token(token).await {
            Ok(standing) => standing,
            Err(IdentityError::Rejected(_)) => return self.introspect_refresh(token).await,
            Err(other) => return Err(other),
        };
        let mut said: Map<String, Value> = people(&account);
        said.extend(body.rest.clone());
        said.insert("active".to_owned(), true.into());
        said.insert("client_id".to_owned(), body.azp.clone().into());
        said.insert("username".to_owned(), account.profile.username.clone().into());
        let body = serde_json::to_value(&body).map_err(|e| IdentityError::Engine(e.to_string()))?;
        if let Value::Object(body) = body {
            said.extend(body);
        }
        Ok(Value::Object(said))
    }

    async fn introspect_refresh(&self, token: &str) -> Result<Value, IdentityError> {
        let Some(family) = self.grant(Class::Family, token).await? else {
            return Ok(json!({ "active": false }));
        };
        let active = self.session_lives(&family.session_id).await?;
        let account = self.account(&family.account_id).await?.filter(|account| active && !account.disabled);
        Ok(match account {
            Some(_) => json!({
                "active": true, "typ": "Refresh", "sub": family.account_id, "exp": family.expires_at,
                "sid": family.session_id, "iss": self.issuer_url(),
            }),
            None => json!({ "active": false }),
        })
    }

    /// Checks a client's name and, where it is given, its secret.
    pub async fn authenticate_client<'a>(
        &self,
        client_id: &'a str,
        secret: Option<&str>,
    ) -> Result<Presented<'a>, ProtocolError> {
        let refused =
            || ProtocolError::refused(Code::InvalidClient, "the client is unknown or its secret wrong");
        if !self.inner.clients.knows(client_id) {
            return Err(refused());
        }
        let Some(secret) = secret.filter(|secret| !secret.is_empty()) else {
            return Ok(Presented::Public(client_id));
        };
        let right = client_id == self.inner.settings.client_id && same(secret, &self.client_secret().await?);
        if right { Ok(Presented::Confidential(client_id)) } else { Err(refused()) }
    }

    /// The secret with which services of this installation may introspect tokens; made at first use.
    pub async fn client_secret(&self) -> Result<String, IdentityError> {
        for _ in 0..2 {
            if let Some(stored) = self.inner.secrets.get(CLIENT_SECRET).await? {
                return String::from_utf8(stored.value)
                    .map_err(|_| IdentityError::Engine("the client secret cannot be read".to_owned()));
            }
            let made = self.secret();
            match self.inner.secrets.put(CLIENT_SECRET, made.as_bytes(), Some(0)).await {
                Ok(_) => return Ok(made),
                // Another process made one at the same time: theirs counts.
                Err(SecretsError::Conflict(_)) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(IdentityError::Unavailable("the client secret is being changed".to_owned()))
    }

    /// Whether an ID token is ours and of this session, so that its bearer may end it without being asked.
    pub async fn hints_at(&self, id_token: &str, session: &Session) -> Result<bool, IdentityError> {
        match self.checked(id_token, Expect::IdHint).await {
            Ok(body) => Ok(body.sid == session.grant.session_id),
            Err(IdentityError::Rejected(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }
}
