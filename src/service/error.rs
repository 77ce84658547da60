//! How a use case fails: the safe text for the caller, the full chain for the log.

use serde::Serialize;
use thiserror::Error;

use crate::blobs::BlobError;
use crate::broker::BrokerError;
use crate::domain::error::{Kind, Kinded};
use crate::domain::queries::BuilderError;
use crate::identity::IdentityError;
use crate::secrets::SecretsError;
use crate::store::StoreError;

/// What is wrong with one entry of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryProblem {
    /// Which entry, counted from 0.
    pub index: usize,
    /// Which field of it.
    pub path: String,
    pub reason: String,
}

/// A refused or failed use case. `Display` is safe to show to the caller.
#[derive(Debug, Error)]
pub enum Failure {
    /// The thing does not exist or the caller may not know of it.
    #[error("there is no {what} {id}")]
    NotFound { what: &'static str, id: String },
    #[error("{0}")]
    Invalid(String),
    /// A list that is refused as a whole, with what is wrong where.
    #[error("{reason}")]
    Entries { conflict: bool, reason: String, problems: Vec<EntryProblem> },
    #[error("{0}")]
    Unprocessable(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Unauthenticated(String),
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    Limited(String),
    #[error("{0}")]
    TooLarge(String),
    #[error("{0} is not available now; try again later")]
    Unavailable(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(
        "this installation has no account yet; open /setup or run `cv3-backend user add --role developer`"
    )]
    SetupRequired,
    #[error(
        "this installation is read only; to change something, take Appliance.ReadOnly out of its configuration and start it again"
    )]
    ReadOnly,
    #[error("{0} took too long")]
    Timeout(String),
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Failure {
    /// Something that does not exist (or must look so).
    pub fn not_found(what: &'static str, id: impl Into<String>) -> Self {
        Self::NotFound { what, id: id.into() }
    }

    /// A defect or an engine failure; the cause goes to the log only.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }
}

impl Kinded for Failure {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Invalid(_) => Kind::Invalid,
            Self::Unprocessable(_) => Kind::Unprocessable,
            Self::Entries { conflict, .. } => {
                if *conflict {
                    Kind::Conflict
                } else {
                    Kind::Invalid
                }
            }
            Self::Conflict(_) => Kind::Conflict,
            Self::Unauthenticated(_) => Kind::Unauthenticated,
            Self::Forbidden(_) => Kind::Forbidden,
            Self::Limited(_) => Kind::Limited,
            Self::TooLarge(_) => Kind::TooLarge,
            Self::Unavailable(..) | Self::SetupRequired | Self::ReadOnly => Kind::Unavailable,
            Self::Timeout(_) => Kind::Timeout,
            Self::Internal(_) => Kind::Internal,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(what) => Self::Conflict(what),
            StoreError::Unavailable(_) => Self::Unavailable("the data store", error.into()),
            StoreError::Corrupt { .. } | StoreError::Engine(_) => Self::internal(error),
        }
    }
}

impl From<BrokerError> for Failure {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Unavailable(_) => Self::Unavailable("the job broker", error.into()),
            BrokerError::Engine(_) => Self::internal(error),
        }
    }
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Full(_) => Self::TooLarge("there is not enough disk space for this file".into()),
            BlobError::Damaged(_) | BlobError::Io(_) | BlobError::Name(_) => Self::internal(error),
        }
    }
}

impl From<SecretsError> for Failure {
    fn from(error: SecretsError) -> Self {
        match error {
            SecretsError::Unavailable(_) | SecretsError::Locked(_) => {
                Self::Unavailable("the secrets store", error.into())
            }
            other => Self::internal(other),
        }
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Rejected(reason) => Self::Unauthenticated(reason),
            IdentityError::Conflict(reason) => Self::Conflict(reason),
            IdentityError::NoUser => Self::not_found("user", "of that name"),
            IdentityError::Unsupported(reason) => Self::Unprocessable(reason),
            IdentityError::Unavailable(_) => Self::Unavailable("the identity provider", error.into()),
            IdentityError::Engine(_) => Self::internal(error),
        }
    }
}

impl From<BuilderError> for Failure {
    fn from(error: BuilderError) -> Self {
        Self::Invalid(error.to_string())
    }
}
