//! The nine kinds of failure every service error answers to; the edges map kinds, never single errors.

/// What a failure means to the caller; `http/error.rs` maps each kind to one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The thing does not exist, or the caller may not know that it does.
    NotFound,
    /// The request is malformed or contradicts itself.
    Invalid,
    /// The request is well-formed but cannot be carried out as the thing is (422).
    Unprocessable,
    /// The request contradicts the present state.
    Conflict,
    /// No valid token.
    Unauthenticated,
    /// A valid token that does not suffice.
    Forbidden,
    /// The body or file is too big (413).
    TooLarge,
    /// Too often (429).
    Limited,
    /// Something this service depends on is not there now.
    Unavailable,
    /// Something took too long.
    Timeout,
    /// A defect of ours; details go to the log only.
    Internal,
}

/// Implemented by every error that reaches an edge.
pub trait Kinded: std::error::Error {
    /// What the failure means to the caller.
    fn kind(&self) -> Kind;
}
