//! What every secrets store promises, and what only the keystore file and only Vault do.
//!
//! Vault is a real OpenBao (`tests/services/up`), found through `CV3_TEST_SERVICES`; where there is none, its tests say so
//! and do nothing.
//!
//! To add an adapter: implement `Rig` for it and name it in one more `every_promise!`. The keys in `keys/` are
//! throw-away keys for these tests and protect nothing.

#![cfg(test)]

mod local;
mod suite;
mod vault;

use std::sync::Arc;

use cv3_backend::secrets::Secrets;

/// One installation of a secrets store.
pub(crate) trait Rig {
    /// Opens it once more, as another process would.
    fn open(&self) -> Arc<dyn Secrets>;
    /// Puts a key made elsewhere into it.
    async fn import(&self, name: &str, pem: &'static str);
}

/// The throw-away keys.
pub(crate) mod keys {
    pub const A: &str = include_str!("keys/throw-away-2048-a.pem");
    pub const A_PUBLIC: &str = include_str!("keys/throw-away-2048-a.public.pem");
    pub const B: &str = include_str!("keys/throw-away-2048-b.pem");
    pub const LARGE: &str = include_str!("keys/throw-away-4096-a.pem");
    /// OpenSSL's RS256 signature by key A of "signed by another implementation".
    pub const A_SIGNATURE: &str = include_str!("keys/throw-away-2048-a.pkcs1-sha256.base64");
    /// OpenSSL's RSA-OAEP-256 to key A of "wrapped by another implementation".
    pub const A_WRAPPED: &str = include_str!("keys/throw-away-2048-a.oaep-sha256.base64");
}
