//! The adapter of a release without a federation gateway: nobody can be reached, and says so.

use async_trait::async_trait;

use super::{Answer, PeerError, Peers};

/// Reaches nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPeers;

fn absent() -> PeerError {
    PeerError::Unavailable("the federation gateway is not in this release".into())
}

#[async_trait]
impl Peers for NoPeers {
    async fn get(&self, _: &str) -> Result<Answer, PeerError> {
        Err(absent())
    }

    async fn post(&self, _: &str, _: &[(&'static str, String)], _: &[u8]) -> Result<Answer, PeerError> {
        Err(absent())
    }
}
