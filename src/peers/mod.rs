//! Other installations: bytes to an address, and what came back.
//!
//! Lives here: the trait. Adapters: `absent.rs` (this release reaches nobody). What is said to whom is not decided here
//! (`service/networks`); an adapter adds the token of the installation's service account, bounds time and size, and
//! decides which addresses may be called.

pub mod absent;

use std::fmt::Debug;

use async_trait::async_trait;
use thiserror::Error;

/// A call that did not bring an answer.
#[derive(Debug, Error)]
pub enum PeerError {
    #[error("{0}")]
    Unavailable(String),
    #[error("the other installation cannot be reached: {0}")]
    Unreachable(String),
}

/// What came back; the body has at most as many bytes as the adapter allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The peers port.
#[async_trait]
pub trait Peers: Send + Sync + Debug {
    /// Fetches an address.
    async fn get(&self, url: &str) -> Result<Answer, PeerError>;

    /// Sends exactly these bytes, a JSON text, with these headers.
    async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> Result<Answer, PeerError>;
}
