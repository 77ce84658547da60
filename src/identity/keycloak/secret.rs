//! The secret of our own client: kept with the other secrets, replaced only by one that works (specification §4.1, §4.2).

use std::sync::Arc;

use openidconnect::ClientSecret;

use super::Keycloak;
use super::grants::Refusal;
use crate::identity::IdentityError;
use crate::secrets::SecretsError;

/// Its name (specification §3.3).
const NAME: &str = "keycloak_client_secret";

/// Longest secret that is taken.
const LONGEST: usize = 1_024;

/// What is known of it in this process.
#[derive(Default)]
pub(super) struct Held {
    secret: Option<Arc<str>>,
    /// The configured secret was tried and found no good, or is the one that is kept.
    settled: bool,
}

impl Keycloak {
    /// The secret in force.
    pub(super) async fn secret(&self) -> Result<ClientSecret, IdentityError> {
        let mut held = self.inner.secret.lock().await;
        if let (Some(secret), true) = (&held.secret, held.settled) {
            return Ok(ClientSecret::new(secret.to_string()));
        }
        let kept = self.kept().await?;
        let configured = self.inner.settings.client_secret.as_deref().filter(|secret| !secret.is_empty());
        let (secret, settled) = match (kept, configured) {
            (None, None) => {
                return Err(IdentityError::Unavailable(
                    "the secret of our client is not known; give it once as KEYCLOAK_CLIENT_SECRET or with \
                     `cv3-backend rotate-secret keycloak`"
                        .to_owned(),
                ));
            }
            (None, Some(new)) => match self.inner.doors.secrets.put(NAME, new.as_bytes(), Some(0)).await {
                Ok(_) => (new.to_owned(), true),
                // Another process wrote one at the same time: theirs counts.
                Err(SecretsError::Conflict(_)) => {
                    (self.kept().await?.unwrap_or_else(|| new.to_owned()), true)
                }
                Err(other) => return Err(other.into()),
            },
            (Some(kept), Some(new)) if kept != new => match self.works(new).await {
                Ok(()) => {
                    self.inner.doors.secrets.put(NAME, new.as_bytes(), None).await?;
                    tracing::info!("the secret of our client was replaced by the configured one");
                    (new.to_owned(), true)
                }
                Err(Refusal::Client(_)) => {
                    tracing::warn!(
                        "Keycloak.ClientSecret does not work and is not used; take it out of the configuration"
                    );
                    (kept, true)
                }
                // Nobody to ask: it is tried again with the next call.
                Err(Refusal::Other(_)) => (kept, false),
            },
            (Some(kept), _) => (kept, true),
        };
        *held = Held { secret: Some(secret.as_str().into()), settled };
        Ok(ClientSecret::new(secret))
    }

    /// Looks whether another secret is kept now, after the provider refused the one in force; `false` if not.
    pub(super) async fn secret_changed(&self, refused: &ClientSecret) -> Result<bool, IdentityError> {
        let kept = self.kept().await?;
        let mut held = self.inner.secret.lock().await;
        match kept {
            Some(kept) if kept != *refused.secret() => {
                *held = Held { secret: Some(kept.into()), settled: true };
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Keeps another secret once it has worked.
    pub(super) async fn adopt_secret(&self, new: &str) -> Result<(), IdentityError> {
        let new = new.trim();
        if new.is_empty() || new.len() > LONGEST || new.chars().any(char::is_control) {
            return Err(IdentityError::Rejected(format!(
                "a client secret has 1 to {LONGEST} printable characters"
            )));
        }
        match self.works(new).await {
            Ok(()) => {}
            Err(Refusal::Client(reason)) => {
                return Err(IdentityError::Rejected(format!(
                    "the new secret does not work, the old one stays in use: {reason}"
                )));
            }
            Err(Refusal::Other(error)) => return Err(error),
        }
        self.inner.doors.secrets.put(NAME, new.as_bytes(), None).await?;
        *self.inner.secret.lock().await = Held { secret: Some(new.into()), settled: true };
        *self.inner.service.lock().await = None;
        Ok(())
    }

    async fn works(&self, secret: &str) -> Result<(), Refusal> {
        let token = self.service_token_with(&ClientSecret::new(secret.to_owned())).await;
        match token {
            Ok(_) => Ok(()),
            // Another provider may give clients no tokens of their own; who hears that has proved to be the client.
            Err(Refusal::Other(IdentityError::Rejected(_))) if !self.manages() => Ok(()),
            Err(other) => Err(other),
        }
    }

    async fn kept(&self) -> Result<Option<String>, IdentityError> {
        let stored = self.inner.doors.secrets.get(NAME).await?;
        let unreadable = || IdentityError::Engine("the secret of our client cannot be read".to_owned());
        stored.map(|stored| String::from_utf8(stored.value).map_err(|_| unreadable())).transpose()
    }
}
