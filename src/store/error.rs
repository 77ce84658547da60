//! What can go wrong in storage; the engine's own error stays inside as a source.

use thiserror::Error;

/// A failed storage operation.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A conditional write found something else, or a unique value is taken.
    #[error("the stored document changed meanwhile or already exists: {0}")]
    Conflict(String),
    /// The engine cannot be reached or is too busy; trying later may help.
    #[error("the data store is unavailable: {0}")]
    Unavailable(String),
    /// A stored document cannot be read as what its room holds.
    #[error("a stored document of {room} cannot be read: {reason}")]
    Corrupt { room: &'static str, reason: String },
    /// Anything else of the engine.
    #[error("data store failure: {0}")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Wraps an engine's error.
    pub fn engine(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Engine(error.into())
    }
}
