//! Who is asking: tokens verified, people looked up and managed at the issuer.
//!
//! Lives here: the trait. Adapters: `builtin` (the built-in issuer), `keycloak` (Keycloak, and other OIDC providers for
//! sign-in only).
//! Does not: permissions (`domain/access.rs`, `service/auth.rs`): identity comes from OIDC, permission never does.

pub mod builtin;
pub mod claims;
pub mod keycloak;

use std::fmt::Debug;

use async_trait::async_trait;
use thiserror::Error;

pub use claims::Claims;

use crate::domain::ids::UserId;
use crate::domain::users::Profile;

/// A failed identity operation; never holds a token or password.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The token, code or password is not valid; the text is safe to show.
    #[error("{0}")]
    Rejected(String),
    /// The issuer's own rule refuses, e.g. the name is taken.
    #[error("{0}")]
    Conflict(String),
    #[error("no such user")]
    NoUser,
    #[error("the identity provider is unavailable: {0}")]
    Unavailable(String),
    /// This provider does not offer it, or not as it is set up; the text is safe to show.
    #[error("{0}")]
    Unsupported(String),
    #[error("identity failure: {0}")]
    Engine(String),
}

/// Where front ends send people to sign in (`/config/keycloak`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerInfo {
    /// Base address browsers use, without `/realms/…`.
    pub url: String,
    pub realm: String,
    pub client_id: String,
}

/// What a code or refresh token is exchanged for.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: String,
    /// Seconds the access token is valid.
    pub expires_in: u64,
}

impl Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// A person to be created at the issuer.
#[derive(Debug, Clone, Default)]
pub struct NewAccount {
    pub profile: Profile,
}

/// How a new person gets to their first password.
#[derive(Clone, PartialEq, Eq)]
pub enum Invitation {
    /// The issuer wrote to them.
    Mailed,
    /// To be handed over by whoever made the account; it must be changed at the first sign-in.
    OneTimePassword(String),
}

impl Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Mailed => "Mailed",
            Self::OneTimePassword(_) => "OneTimePassword(…)",
        })
    }
}

/// What an account of this installation at the identity provider should have and has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// What is missing and what to do.
    pub text: String,
    /// Whether everything but a few functions works without it.
    pub optional: bool,
}

/// A client for another program, e.g. a CV2 installation (specification §12).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewClient {
    pub client_id: String,
    /// For people who look at the list of clients.
    pub name: String,
    /// Where sign-ins may return; without any the client only gets tokens for itself.
    pub redirect_urls: Vec<String>,
}

/// What a client proves itself with; handed over once.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    pub client_id: String,
    pub secret: String,
}

impl Debug for ClientCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCredentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

fn unsupported<T>(what: &str) -> Result<T, IdentityError> {
    Err(IdentityError::Unsupported(format!("{what} needs Keycloak as the identity provider")))
}

/// The identity port.
#[async_trait]
pub trait Identity: Send + Sync + Debug {
    fn info(&self) -> IssuerInfo;

    /// Checks an access token (signature or introspection, issuer, audience, expiry, not an ID or refresh token).
    async fn verify(&self, access_token: &str) -> Result<Claims, IdentityError>;

    /// Exchanges an authorisation code; `verifier` where the code was asked for with PKCE.
    async fn exchange_code(
        &self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
    ) -> Result<Tokens, IdentityError>;

    async fn refresh(&self, refresh_token: &str) -> Result<Tokens, IdentityError>;

    async fn profile(&self, user: &UserId) -> Result<Option<Profile>, IdentityError>;

    /// All people of the realm, ordered by user name.
    async fn profiles(&self, skip: usize, limit: usize) -> Result<Vec<(UserId, Profile)>, IdentityError>;

    /// The person with exactly this e-mail address, in any case.
    async fn by_email(&self, email: &str) -> Result<Option<UserId>, IdentityError>;

    /// The person with exactly this user name, in any case.
    async fn by_username(&self, username: &str) -> Result<Option<UserId>, IdentityError>;

    /// The local id of who the provider calls so; somebody new of a provider with ids of its own gets one.
    async fn by_subject(&self, subject: &str) -> Result<UserId, IdentityError>;

    /// Lets a new person choose a password: by the issuer's own mail, else with a one-time password.
    async fn invite(&self, user: &UserId) -> Result<Invitation, IdentityError>;

    /// Sets and answers a random password that must be changed at the first sign-in.
    async fn one_time_password(&self, user: &UserId) -> Result<String, IdentityError>;

    async fn create(&self, account: NewAccount) -> Result<UserId, IdentityError>;

    async fn update(&self, user: &UserId, profile: &Profile) -> Result<(), IdentityError>;

    async fn delete(&self, user: &UserId) -> Result<bool, IdentityError>;

    /// Ends every session of a person here and now. A realm that other installations share does nothing: their
    /// sessions are not ours to end, and what a person may do here is looked up with every request.
    async fn end_sessions(&self, user: &UserId) -> Result<(), IdentityError>;

    async fn ping(&self) -> Result<(), IdentityError>;

    /// What this installation's own client at the provider lacks; `nexus` adds what CV2 installations need.
    async fn lacks(&self, nexus: bool) -> Result<Vec<Lack>, IdentityError> {
        let _ = nexus;
        Ok(Vec::new())
    }

    /// The mail address of this installation's own account at the provider, if there is one that has an address.
    async fn own_address(&self) -> Result<Option<String>, IdentityError> {
        Ok(None)
    }

    /// Keeps another secret of this installation's client, once it has obtained a token with it.
    async fn replace_client_secret(&self, secret: &str) -> Result<(), IdentityError> {
        let _ = secret;
        unsupported("a client secret")
    }

    /// Makes a confidential client for another program; `Conflict` if the id is taken.
    async fn create_client(&self, client: NewClient) -> Result<ClientCredentials, IdentityError> {
        let _ = client;
        unsupported("a client for another program")
    }

    /// Removes a client; `false` if there was none.
    async fn delete_client(&self, client_id: &str) -> Result<bool, IdentityError> {
        let _ = client_id;
        unsupported("a client for another program")
    }

    /// Exchanges an access token for one that `audience`, another client, may introspect (RFC 8693).
    async fn exchange_token(&self, access_token: &str, audience: &str) -> Result<Tokens, IdentityError> {
        let _ = (access_token, audience);
        unsupported("exchanging tokens")
    }

    /// The built-in issuer's own pages and protocol, where that is what this is.
    fn issuer(&self) -> Option<&builtin::Issuer> {
        None
    }
}
