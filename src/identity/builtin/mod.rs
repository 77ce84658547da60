//! The built-in issuer: a small OpenID Connect provider, enough for one installation without Keycloak.
//!
//! Lives here: accounts, passwords, sign-in, the code flow, tokens and their verification; all state is in the
//! rooms `issuer.accounts` and `issuer.grants`, the signing key in the keystore.
//! Does not: addresses, cookies and pages (`http/shared/issuer`); what a person may do (`service/auth.rs`).
//! To add a grant type: a variant of `grants::Kind`, its exchange in `exchange.rs`, its name in `http/shared/issuer`.

mod accounts;
mod authorize;
pub mod clients;
mod discovery;
mod error;
mod exchange;
mod grants;
mod operator;
pub mod password;
mod signin;
mod throttle;
mod tokens;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;

pub use authorize::{AuthorizeRequest, Parameters, Prompt, ResponseMode, Return};
pub use error::{Code, ProtocolError};
pub use exchange::{Granted, Presented};
pub use signin::{SESSION, Session, SignInError, SignedIn};

use self::clients::Clients;
use self::password::Passwords;
use self::throttle::Throttle;
use self::tokens::{Expect, PublicKey};
use super::{Claims, Identity, IdentityError, Invitation, IssuerInfo, NewAccount, Tokens};
use crate::domain::clock::{Clock, Random};
use crate::domain::filter::Filter;
use crate::domain::ids::UserId;
use crate::domain::readable::readable;
use crate::domain::users::Profile;
use crate::secrets::Secrets;
use crate::store::Store;

/// A code must be used within a minute.
const CODE_SECONDS: i64 = 60;

/// An access token lives five minutes.
const ACCESS_SECONDS: i64 = 300;

/// How the issuer is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerSettings {
    /// The public address, e.g. `http://127.0.0.1:5080`; a trailing slash is taken off.
    pub base_url: String,
    pub realm: String,
    pub client_id: String,
    /// Where codes may be sent, compared exactly (`Keycloak.RedirectURLs`).
    pub redirect_urls: Vec<String>,
}

impl Default for IssuerSettings {
    fn default() -> Self {
        Self {
            base_url: "http://127.0.0.1:5080".to_owned(),
            realm: "cafe_variome".to_owned(),
            client_id: "cafevariome".to_owned(),
            redirect_urls: Vec::new(),
        }
    }
}

/// The issuer; cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Issuer {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: IssuerSettings,
    clients: Clients,
    passwords: Passwords,
    throttle: Throttle,
    key: OnceCell<PublicKey>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("url", &self.issuer_url()).finish_non_exhaustive()
    }
}

impl Issuer {
    /// Takes its ports and how it is known; makes and waits for nothing.
    pub fn new(
        store: Arc<dyn Store>,
        secrets: Arc<dyn Secrets>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        mut settings: IssuerSettings,
    ) -> Self {
        settings.base_url.truncate(settings.base_url.trim_end_matches('/').len());
        let clients = Clients::new(&settings.client_id, &settings.redirect_urls);
        let passwords = Passwords::new(Arc::clone(&random));
        let (throttle, key) = (Throttle::default(), OnceCell::new());
        let inner = Inner { store, secrets, clock, random, settings, clients, passwords, throttle, key };
        Self { inner: Arc::new(inner) }
    }

    /// `<base>/realms/<realm>`: the `iss` of every token.
    pub fn issuer_url(&self) -> String {
        format!("{}/realms/{}", self.inner.settings.base_url, self.inner.settings.realm)
    }

    /// How the issuer is known.
    pub fn settings(&self) -> &IssuerSettings {
        &self.inner.settings
    }

    /// Which clients, addresses and origins are served.
    pub fn clients(&self) -> &Clients {
        &self.inner.clients
    }

    /// How many password hashes were computed since the start; a sign-in costs one whether the account exists or not.
    pub fn hashes_computed(&self) -> u64 {
        self.inner.passwords.computed()
    }

    fn readable_secret(&self) -> String {
        let mut bytes = [0; 16];
        self.inner.random.fill(&mut bytes);
        readable(bytes)
    }

    /// The backend itself, presenting what a front end handed it.
    fn ourselves(&self) -> Presented<'_> {
        Presented::Confidential(&self.inner.settings.client_id)
    }
}

#[async_trait]
impl Identity for Issuer {
    fn info(&self) -> IssuerInfo {
        let IssuerSettings { base_url, realm, client_id, .. } = self.inner.settings.clone();
        IssuerInfo { url: base_url, realm, client_id }
    }

    async fn verify(&self, access_token: &str) -> Result<Claims, IdentityError> {
        let (body, account) = self.standing_token(access_token).await?;
        let expires_at = chrono::DateTime::from_timestamp(body.exp, 0)
            .ok_or_else(|| IdentityError::Rejected("the token is not valid: it is malformed".to_owned()))?;
        Ok(Claims {
            user_id: account.account_id,
            issuer: body.iss,
            expires_at,
            profile: account.profile,
            service_account: false,
        })
    }

    async fn exchange_code(
        &self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
    ) -> Result<Tokens, IdentityError> {
        Ok(self.exchange(self.ourselves(), code, redirect_uri, verifier).await?.tokens)
    }

    async fn refresh(&self, refresh_token: &str) -> Result<Tokens, IdentityError> {
        Ok(self.exchange_refresh(self.ourselves(), refresh_token).await?.tokens)
    }

    async fn profile(&self, user: &UserId) -> Result<Option<Profile>, IdentityError> {
        Ok(self.account(user).await?.map(|account| account.profile))
    }

    async fn profiles(&self, skip: usize, limit: usize) -> Result<Vec<(UserId, Profile)>, IdentityError> {
        let page = Filter::all().sorted("username").page(skip, limit);
        let found = self.accounts().find(&page).await?;
        Ok(found.into_iter().map(|account| (account.account_id, account.profile)).collect())
    }

    async fn by_email(&self, email: &str) -> Result<Option<UserId>, IdentityError> {
        let email = email.trim().to_lowercase();
        let found = self.accounts().find(&Filter::equals("email", email).page(0, 1)).await?;
        Ok(found.into_iter().next().map(|account| account.account_id))
    }

    async fn by_username(&self, username: &str) -> Result<Option<UserId>, IdentityError> {
        let username = username.trim().to_lowercase();
        let found = self.accounts().find(&Filter::equals("username", username).page(0, 1)).await?;
        Ok(found.into_iter().next().map(|account| account.account_id))
    }

    async fn by_subject(&self, subject: &str) -> Result<UserId, IdentityError> {
        UserId::parse(subject).map_err(|_| IdentityError::NoUser)
    }

    async fn one_time_password(&self, user: &UserId) -> Result<String, IdentityError> {
        self.set_one_time_password(user).await
    }

    /// There is no mail here: the password is handed over.
    async fn invite(&self, user: &UserId) -> Result<Invitation, IdentityError> {
        Ok(Invitation::OneTimePassword(self.set_one_time_password(user).await?))
    }

    async fn create(&self, account: NewAccount) -> Result<UserId, IdentityError> {
        self.create_account(account, None).await
    }

    async fn update(&self, user: &UserId, profile: &Profile) -> Result<(), IdentityError> {
        self.update_account(user, profile).await
    }

    async fn delete(&self, user: &UserId) -> Result<bool, IdentityError> {
        self.delete_account(user).await
    }

    async fn end_sessions(&self, user: &UserId) -> Result<(), IdentityError> {
        Issuer::end_sessions(self, user).await
    }

    async fn ping(&self) -> Result<(), IdentityError> {
        self.inner.store.ping().await?;
        self.inner.secrets.ping().await?;
        if self.inner.key.get().is_none() {
            self.prepare();
            return Err(IdentityError::Unavailable("the signing key is being made".to_owned()));
        }
        Ok(())
    }

    fn issuer(&self) -> Option<&Issuer> {
        Some(self)
    }
}

impl Issuer {
    /// A valid access token whose session and account stand: signing out, a new password and removal take effect
    /// at once, not when the token expires.
    async fn standing_token(&self, token: &str) -> Result<(tokens::Body, accounts::Account), IdentityError> {
        let body = self.checked(token, Expect::Access).await?;
        let ended = || IdentityError::Rejected("the token is not valid: its session has ended".to_owned());
        let user = UserId::parse(body.sub.clone()).map_err(|_| ended())?;
        let account = self.account(&user).await?.filter(|account| !account.disabled).ok_or_else(ended)?;
        if !self.session_lives(&body.sid).await? {
            return Err(ended());
        }
        Ok((body, account))
    }
}
