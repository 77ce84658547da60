//! Clients of other programs (Admin REST API, *Clients*) and exchanged tokens (RFC 8693).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode, header};
use openidconnect::ClientSecret;
use openidconnect::url::form_urlencoded;
use serde_json::{Value, json};

use super::admin::{query, segment};
use super::grants::refused_client;
use super::provider::KEPT;
use super::{Keycloak, shown};
use crate::identity::{ClientCredentials, IdentityError, NewClient, Tokens};

/// Most return addresses of a client.
const MOST_REDIRECTS: usize = 20;

fn named(client_id: &str) -> Result<&str, IdentityError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match (1..=100).contains(&client_id.len()) && client_id.chars().all(plain) {
        true => Ok(client_id),
        false => {
            Err(IdentityError::Rejected("a client id has 1 to 100 letters, digits, dots, dashes or _".into()))
        }
    }
}

impl Keycloak {
    pub(super) async fn make_client(&self, client: NewClient) -> Result<ClientCredentials, IdentityError> {
        let client_id = named(&client.client_id)?;
        if client_id == self.client_id() {
            return Err(IdentityError::Conflict("this is the client of this installation itself".into()));
        }
        if client.redirect_urls.len() > MOST_REDIRECTS {
            return Err(IdentityError::Rejected(format!(
                "a client has at most {MOST_REDIRECTS} return addresses"
            )));
        }
        let body = json!({
            "clientId": client_id, "name": shown(&client.name), "enabled": true, "publicClient": false,
            "standardFlowEnabled": !client.redirect_urls.is_empty(), "redirectUris": client.redirect_urls,
            "serviceAccountsEnabled": true, "directAccessGrantsEnabled": false, "implicitFlowEnabled": false,
        });
        let reply = self.admin(Method::POST, "/clients", Some(&body)).await?;
        let made = reply.ok("the client", "create-client")?.made;
        let unknown =
            || IdentityError::Unavailable("Keycloak does not tell the id of the new client".to_owned());
        let id = made.ok_or_else(unknown)?;
        match self.secret_of(&id).await {
            Ok(secret) => Ok(ClientCredentials { client_id: client_id.to_owned(), secret }),
            Err(error) => {
                // A client whose secret nobody knows is of no use.
                if let Err(left) =
                    self.admin(Method::DELETE, &format!("/clients/{}", segment(&id)), None).await
                {
                    tracing::warn!(client = client_id, error = %left, "a client without use was left at Keycloak");
                }
                Err(error)
            }
        }
    }

    /// Keycloak makes the secret of a confidential client; it is read apart (`CredentialRepresentation`).
    async fn secret_of(&self, id: &str) -> Result<String, IdentityError> {
        let path = format!("/clients/{}/client-secret", segment(id));
        let reply =
            self.admin(Method::GET, &path, None).await?.ok("the client's secret", "manage-clients")?;
        let secret = reply.body.get("value").and_then(Value::as_str).filter(|secret| !secret.is_empty());
        secret.map(str::to_owned).ok_or_else(|| {
            IdentityError::Unavailable("Keycloak does not tell the client's secret".to_owned())
        })
    }

    pub(super) async fn remove_client(&self, client_id: &str) -> Result<bool, IdentityError> {
        let client_id = named(client_id)?;
        if client_id == self.client_id() {
            return Err(IdentityError::Conflict("this is the client of this installation itself".into()));
        }
        let path = format!("/clients{}", query(&[("clientId", client_id)]));
        let found =
            self.admin(Method::GET, &path, None).await?.ok("looking up a client", "view-clients")?.body;
        let mut clients = found.as_array().into_iter().flatten();
        let named = |client: &&Value| client.get("clientId").and_then(Value::as_str) == Some(client_id);
        let Some(id) = clients.find(named).and_then(|client| client.get("id")).and_then(Value::as_str) else {
            return Ok(false);
        };
        let reply = self.admin(Method::DELETE, &format!("/clients/{}", segment(id)), None).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        reply.ok("removing a client", "manage-clients").map(|_| true)
    }

    /// Exchanges an access token for another of the same person that `audience` may introspect. Keycloak 26.2 and newer
    /// has it for clients whose capability *Standard token exchange* is on ("Securing applications", token exchange);
    /// older ones where the feature was switched on at their build.
    pub(super) async fn exchanged(
        &self,
        access_token: &str,
        audience: &str,
    ) -> Result<Tokens, IdentityError> {
        let audience = named(audience)?;
        let mut secret = self.secret().await?;
        let (mut status, mut body) = self.asked_to_exchange(&secret, access_token, audience).await?;
        if status == StatusCode::UNAUTHORIZED && self.secret_changed(&secret).await? {
            secret = self.secret().await?;
            (status, body) = self.asked_to_exchange(&secret, access_token, audience).await?;
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        if status == StatusCode::OK && !text("access_token").is_empty() {
            return Ok(Tokens {
                access_token: text("access_token").to_owned(),
                refresh_token: text("refresh_token").to_owned(),
                expires_in: body.get("expires_in").and_then(Value::as_u64).unwrap_or_default(),
            });
        }
        let named = [text("error_description"), text("error")].into_iter().find(|text| !text.is_empty());
        let Some(reason) = named.map(shown) else {
            return Err(IdentityError::Unavailable(format!(
                "the identity provider answers {}",
                status.as_u16()
            )));
        };
        Err(match status {
            StatusCode::UNAUTHORIZED => refused_client(&reason),
            // Keycloak's words for a token that has ended.
            _ if reason == "Invalid token" => {
                IdentityError::Rejected("the token is not valid: sign in again".into())
            }
            _ if status.is_server_error() => IdentityError::Unavailable(reason),
            _ => IdentityError::Unsupported(format!(
                "the identity provider does not exchange this token for {audience} ({reason}): switch on standard token \
                 exchange for the client {} there, and let its tokens reach {audience}",
                self.client_id()
            )),
        })
    }

    async fn asked_to_exchange(
        &self,
        secret: &ClientSecret,
        access_token: &str,
        audience: &str,
    ) -> Result<(StatusCode, Value), IdentityError> {
        const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
        const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
        let provider = self.provider(KEPT).await?;
        // RFC 6749 §2.3.1: name and secret are encoded as in a form before they are joined.
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = STANDARD.encode(format!("{}:{}", encoded(self.client_id()), encoded(secret.secret())));
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", GRANT)
            .append_pair("subject_token", access_token)
            .append_pair("subject_token_type", ACCESS)
            .append_pair("requested_token_type", ACCESS)
            .append_pair("audience", audience)
            .finish();
        let request = http::Request::post(provider.token.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, format!("Basic {basic}"))
            .body(body.into_bytes())
            .map_err(|_| IdentityError::Unavailable("the provider's address cannot be used".to_owned()))?;
        let answer = self.inner.doors.http.send(request).await?;
        Ok((answer.status(), serde_json::from_slice(answer.body()).unwrap_or_default()))
    }
}
