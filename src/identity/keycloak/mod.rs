//! Keycloak, and other OpenID Connect providers for sign-in only.
//!
//! Lives here: discovery (`provider`), our client's secret (`secret`), codes and refresh tokens (`grants`), who a token
//! speaks for (`verify`, `keys`, `said`, `ids`), people (`admin`, `people`), what our client lacks (`roles`), clients of
//! other programs and exchanged tokens (`clients`).
//! Does not: pages and passwords (the provider's own), what a person may do (`service/auth.rs`).
//!
//! Facts about Keycloak's interfaces are from its documents ("Server Administration", "Securing applications", the
//! Admin REST API reference) and were looked at on a running 26.7.3; each stands where it is used.

mod admin;
mod clients;
mod grants;
mod ids;
mod keys;
mod people;
mod provider;
mod roles;
mod said;
mod secret;
mod verify;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;

use self::grants::ServiceToken;
use self::keys::Keys;
use self::secret::Held;
use super::{
    Claims, ClientCredentials, Identity, IdentityError, Invitation, IssuerInfo, Lack, NewAccount, NewClient,
    Tokens,
};
use crate::broker::{Broker, BrokerError};
use crate::domain::clock::{Clock, Random};
use crate::domain::ids::UserId;
use crate::domain::users::Profile;
use crate::outbound::{Outbound, OutboundError};
use crate::secrets::Secrets;
use crate::store::Store;

/// Which provider it is, by the addresses of its issuer. None has a slash at its end unless the issuer's name has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Keycloak {
        /// The base browsers use.
        url: String,
        /// The base for calls from server to server.
        backend_url: String,
        realm: String,
    },
    /// Any other provider, by its issuer identifier: people sign in, nobody is managed.
    OpenId { issuer: String },
}

/// How the provider is known and tokens are checked.
#[derive(Clone)]
pub struct Settings {
    pub kind: Kind,
    pub client_id: String,
    /// As configured; the one kept with the other secrets counts once there is one (specification §4.1).
    pub client_secret: Option<String>,
    /// Signatures are checked here instead of asking the provider (`Keycloak.Validation: local`).
    pub local: bool,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("kind", &self.kind)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// The open doors the adapter is handed.
#[derive(Debug, Clone)]
pub struct Doors {
    pub http: Outbound,
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    pub secrets: Arc<dyn Secrets>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// The adapter; cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Keycloak {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    doors: Doors,
    provider: provider::Place,
    secret: Mutex<Held>,
    service: Mutex<Option<ServiceToken>>,
    keys: Keys,
}

impl fmt::Debug for Keycloak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keycloak").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl Keycloak {
    /// Takes its doors and how the provider is known; calls nobody.
    pub fn new(doors: Doors, settings: Settings) -> Self {
        let inner = Inner {
            settings,
            doors,
            provider: provider::Place::default(),
            secret: Mutex::default(),
            service: Mutex::default(),
            keys: Keys::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    fn client_id(&self) -> &str {
        &self.inner.settings.client_id
    }

    fn now(&self) -> i64 {
        self.inner.doors.clock.now().timestamp()
    }

    /// Whether people are managed at the provider.
    fn manages(&self) -> bool {
        matches!(self.inner.settings.kind, Kind::Keycloak { .. })
    }

    /// Refuses what only Keycloak can do.
    fn managing(&self) -> Result<(), IdentityError> {
        if self.manages() {
            return Ok(());
        }
        Err(IdentityError::Unsupported(
            "accounts are managed at the identity provider; this installation only signs people in there"
                .into(),
        ))
    }
}

impl From<OutboundError> for IdentityError {
    fn from(error: OutboundError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<BrokerError> for IdentityError {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Unavailable(reason) => Self::Unavailable(reason),
            other => Self::Engine(other.to_string()),
        }
    }
}

/// A text of the provider's as it may be shown: printable and short.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[async_trait]
impl Identity for Keycloak {
    fn info(&self) -> IssuerInfo {
        let client_id = self.client_id().to_owned();
        match self.inner.settings.kind.clone() {
            Kind::Keycloak { url, realm, .. } => IssuerInfo { url, realm, client_id },
            Kind::OpenId { issuer } => IssuerInfo { url: issuer, realm: String::new(), client_id },
        }
    }

    async fn verify(&self, access_token: &str) -> Result<Claims, IdentityError> {
        self.claims(access_token).await
    }

    async fn exchange_code(
        &self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
    ) -> Result<Tokens, IdentityError> {
        self.redeem(code, redirect_uri, verifier).await
    }

    async fn refresh(&self, refresh_token: &str) -> Result<Tokens, IdentityError> {
        self.renew(refresh_token).await
    }

    async fn profile(&self, user: &UserId) -> Result<Option<Profile>, IdentityError> {
        match self.manages() {
            true => self.person(user).await,
            // What a token says of its bearer is all that is known.
            false => self.remembered(user).await,
        }
    }

    async fn profiles(&self, skip: usize, limit: usize) -> Result<Vec<(UserId, Profile)>, IdentityError> {
        self.managing()?;
        self.people(&[("first", &skip.to_string()), ("max", &limit.to_string())]).await
    }

    async fn by_email(&self, email: &str) -> Result<Option<UserId>, IdentityError> {
        self.managing()?;
        let email = email.trim();
        let found = self.people(&[("email", email), ("exact", "true"), ("max", "2")]).await?;
        Ok(found.into_iter().find(|(_, p)| p.email.eq_ignore_ascii_case(email)).map(|(id, _)| id))
    }

    async fn by_username(&self, username: &str) -> Result<Option<UserId>, IdentityError> {
        self.managing()?;
        let username = username.trim();
        let found = self.people(&[("username", username), ("exact", "true"), ("max", "2")]).await?;
        Ok(found.into_iter().find(|(_, p)| p.username.eq_ignore_ascii_case(username)).map(|(id, _)| id))
    }

    async fn invite(&self, user: &UserId) -> Result<Invitation, IdentityError> {
        self.managing()?;
        self.let_choose_password(user).await
    }

    async fn by_subject(&self, subject: &str) -> Result<UserId, IdentityError> {
        self.user_of(&said::Said { sub: subject.trim().to_owned(), ..said::Said::default() }).await
    }

    async fn one_time_password(&self, user: &UserId) -> Result<String, IdentityError> {
        self.managing()?;
        self.set_one_time_password(user).await
    }

    async fn create(&self, account: NewAccount) -> Result<UserId, IdentityError> {
        self.managing()?;
        self.create_person(account.profile).await
    }

    async fn update(&self, user: &UserId, profile: &Profile) -> Result<(), IdentityError> {
        self.managing()?;
        self.update_person(user, profile).await
    }

    async fn delete(&self, user: &UserId) -> Result<bool, IdentityError> {
        self.managing()?;
        self.delete_person(user).await
    }

    async fn end_sessions(&self, _: &UserId) -> Result<(), IdentityError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), IdentityError> {
        self.provider(Duration::from_secs(2)).await?;
        if self.manages() {
            self.service_token().await?;
        }
        Ok(())
    }

    async fn lacks(&self, nexus: bool) -> Result<Vec<Lack>, IdentityError> {
        match self.manages() {
            true => self.missing(nexus).await,
            false => Ok(Vec::new()),
        }
    }

    async fn own_address(&self) -> Result<Option<String>, IdentityError> {
        match self.manages() {
            true => self.address_of_service().await,
            false => Ok(None),
        }
    }

    async fn replace_client_secret(&self, secret: &str) -> Result<(), IdentityError> {
        self.adopt_secret(secret).await
    }

    async fn create_client(&self, client: NewClient) -> Result<ClientCredentials, IdentityError> {
        self.managing()?;
        self.make_client(client).await
    }

    async fn delete_client(&self, client_id: &str) -> Result<bool, IdentityError> {
        self.managing()?;
        self.remove_client(client_id).await
    }

    async fn exchange_token(&self, access_token: &str, audience: &str) -> Result<Tokens, IdentityError> {
        self.exchanged(access_token, audience).await
    }
}
