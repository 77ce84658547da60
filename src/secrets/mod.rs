//! Secrets: a small key-value store and keys that never leave (transit).
//!
//! Lives here: the trait, and in `primitives.rs` what every adapter computes alike. Adapters: `local` (encrypted keystore
//! file), `vault` (HashiCorp Vault and OpenBao). All pass `tests/secrets`.
//! Raw bytes in and out: `vault:v1:` and base64 exist only in the Vault adapter.

pub mod local;
mod primitives;
pub mod vault;

use std::fmt::Debug;

use async_trait::async_trait;
use thiserror::Error;

/// A failed operation on secrets; never holds a secret.
#[derive(Debug, Error)]
pub enum SecretsError {
    #[error("the secret {0} changed meanwhile")]
    Conflict(String),
    #[error("there is no key {0}")]
    NoKey(String),
    #[error("the keystore cannot be opened: {0}")]
    Locked(String),
    #[error("the secrets store is unavailable: {0}")]
    Unavailable(String),
    #[error("the data cannot be decrypted with key {0}")]
    Undecryptable(String),
    #[error("secrets failure: {0}")]
    Engine(String),
}

/// What a derived key is for; each use has its own (specification §3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    UploadToken,
    PrivacyNoise,
    PagingCursor,
    Setup,
}

impl Purpose {
    /// The fixed HKDF label.
    pub fn label(self) -> &'static str {
        match self {
            Self::UploadToken => "upload-token",
            Self::PrivacyNoise => "privacy-noise",
            Self::PagingCursor => "paging-cursor",
            Self::Setup => "setup",
        }
    }
}

/// How a signature is made; both with SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// RSASSA-PSS with maximum salt (federation, specification §9.3).
    Pss,
    /// RSASSA-PKCS1-v1_5 (RS256 of JSON web tokens, RFC 7518).
    Pkcs1,
}

/// A stored secret with the version that a conditional write needs.
#[derive(Clone, PartialEq, Eq)]
pub struct Versioned {
    pub version: u64,
    pub value: Vec<u8>,
}

impl Debug for Versioned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Versioned").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The secrets port.
#[async_trait]
pub trait Secrets: Send + Sync + Debug {
    async fn get(&self, name: &str) -> Result<Option<Versioned>, SecretsError>;

    /// Writes a secret; with `expected`, only if its version is still that (0 = absent), else `Conflict`. Answers the new version.
    async fn put(&self, name: &str, value: &[u8], expected: Option<u64>) -> Result<u64, SecretsError>;

    async fn delete(&self, name: &str) -> Result<bool, SecretsError>;

    /// Names that start with the prefix.
    async fn list(&self, prefix: &str) -> Result<Vec<String>, SecretsError>;

    /// HKDF-SHA-256 of the installation's `secret_key` (made when absent) with the purpose's label.
    async fn derived(&self, purpose: Purpose) -> Result<[u8; 32], SecretsError>;

    /// Makes an RSA key (2048 or 4096 bits) if there is none; a no-op otherwise.
    async fn create_key(&self, name: &str, bits: usize) -> Result<(), SecretsError>;

    /// The names of all keys that stand.
    async fn keys(&self) -> Result<Vec<String>, SecretsError>;

    /// Whether others may keep keys in the same place, so that a key is not ours because it is there.
    fn shared(&self) -> bool {
        false
    }

    async fn has_key(&self, name: &str) -> Result<bool, SecretsError>;

    /// SubjectPublicKeyInfo PEM; `None` = no such key.
    async fn public_pem(&self, name: &str) -> Result<Option<String>, SecretsError>;

    async fn delete_key(&self, name: &str) -> Result<bool, SecretsError>;

    /// RSA-OAEP (SHA-256, no label) to the key's public half.
    async fn wrap(&self, name: &str, plain: &[u8]) -> Result<Vec<u8>, SecretsError>;

    /// The inverse of `wrap`.
    async fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<Vec<u8>, SecretsError>;

    async fn sign(&self, name: &str, signing: Signing, message: &[u8]) -> Result<Vec<u8>, SecretsError>;

    async fn ping(&self) -> Result<(), SecretsError>;
}
