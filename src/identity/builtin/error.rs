//! Refusals of the protocol with their OAuth 2.0 names.

use thiserror::Error;

use crate::identity::IdentityError;
use crate::secrets::SecretsError;
use crate::store::StoreError;

/// The error codes of RFC 6749 §4.1.2.1 and §5.2 and of OpenID Connect Core §3.1.2.6 that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    InvalidToken,
    UnsupportedGrantType,
    UnsupportedResponseType,
    LoginRequired,
}

impl Code {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidToken => "invalid_token",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::LoginRequired => "login_required",
        }
    }
}

/// A refused or failed step of the protocol.
#[derive(Debug, Error)]
pub enum ProtocolError {
    /// The client's fault; the text is safe to show.
    #[error("{text}")]
    Refused { code: Code, text: String },
    #[error(transparent)]
    Failed(#[from] IdentityError),
}

impl ProtocolError {
    /// A refusal with its reason.
    pub fn refused(code: Code, text: impl Into<String>) -> Self {
        Self::Refused { code, text: text.into() }
    }
}

impl From<ProtocolError> for IdentityError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Refused { text, .. } => Self::Rejected(text),
            ProtocolError::Failed(error) => error,
        }
    }
}

impl From<StoreError> for ProtocolError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<StoreError> for IdentityError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(reason) => Self::Unavailable(reason),
            StoreError::Conflict(reason) => Self::Conflict(reason),
            other => Self::Engine(other.to_string()),
        }
    }
}

impl From<SecretsError> for IdentityError {
    fn from(error: SecretsError) -> Self {
        match error {
            SecretsError::Unavailable(reason) => Self::Unavailable(reason),
            other => Self::Engine(other.to_string()),
        }
    }
}
