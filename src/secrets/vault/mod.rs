//! Secrets in HashiCorp Vault or OpenBao: AppRole, KV version 2 and transit (specification §3.3).
//!
//! Lives here: the adapter over `session.rs` (the token: counted, renewed, replaced) and
//! `token.rs` (the login that gives it), `wire.rs` (one request, one answer),
//! `kv.rs` (documents), `forms.rs` and `names.rs` (how values and names look in them), `root.rs` (the document that an
//! installation of the original has), `transit.rs` (keys) and `state.rs` (is it there and set up).
//! Does not: which secrets there are (`service`). To add an operation: its request in one of these, sent by
//! `Session::call`, and a promise in `tests/secrets`.
//!
//! Requests are those of vaultrs, its client is not used: it takes a bare HTTP client, so without the limits of
//! `outbound`; it drops how often a token may be used; it puts the API version in front of an address's own path; and its
//! request for the renewal of a token begins with a tabulator. What has no usable type there is written out in `wire.rs`.
//!
//! **Rotated keys.** The port gives raw RSA ciphertexts, without Vault's `vault:vN:`. So `unwrap` tries the version that
//! opened last (1 at first) and, only when that fails, asks for the key and tries all its other versions, newest first: a
//! ciphertext of another version never opens, as OAEP checks itself.

mod forms;
mod kv;
mod names;
mod root;
mod session;
mod state;
mod token;
mod transit;
mod wire;

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use tokio::task::AbortHandle;
use zeroize::Zeroizing;

use super::primitives::derive;
use super::{Purpose, Secrets, SecretsError, Signing, Versioned};
use crate::outbound::Outbound;
use session::Session;
use transit::Versions;

/// Where Vault is, what is ours in it, and who we are there.
#[derive(Clone)]
pub struct VaultSettings {
    /// Scheme included, without a slash at the end; may have a path.
    pub address: String,
    /// Mount of the transit engine, without slashes at its ends, as are the two below.
    pub transit: String,
    /// Mount of the key-value engine, version 2.
    pub kv: String,
    /// The start of every path inside it.
    pub prefix: String,
    pub role_id: Option<String>,
    pub secret_id: Option<String>,
    /// Read at every login; counts before `secret_id`.
    pub secret_id_file: Option<PathBuf>,
}

impl Debug for VaultSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { transit, kv, prefix, .. } = self;
        write!(f, "VaultSettings({}, {transit}, {kv}/{prefix})", wire::shown(&self.address))
    }
}

/// Secrets in Vault.
#[derive(Debug)]
pub struct VaultSecrets {
    session: Arc<Session>,
    /// The installation's `secret_key`; never changes once there is one.
    secret_key: OnceCell<Zeroizing<Vec<u8>>>,
    versions: Versions,
    keeper: AbortHandle,
    looked: OnceCell<()>,
}

impl VaultSecrets {
    /// Makes the adapter inside a runtime; asks nothing yet, so that an absent Vault neither stops nor delays a start.
    pub fn open(outbound: Outbound, settings: VaultSettings) -> Self {
        let session = Arc::new(Session::new(outbound, settings));
        let keeper = tokio::spawn(session::keep(Arc::downgrade(&session), session.changed())).abort_handle();
        Self {
            session,
            secret_key: OnceCell::new(),
            versions: Versions::default(),
            keeper,
            looked: OnceCell::new(),
        }
    }

    /// When the secret id ends, in words, as far as Vault tells us (specification §3.3).
    pub async fn secret_id_end(&self) -> Result<Option<String>, SecretsError> {
        self.session.secret_id_end().await
    }

    /// Takes up another address or other credentials; the next call logs in with them. Mounts and prefix stay.
    pub fn change(&self, settings: VaultSettings) {
        self.session.change(settings);
    }
}

impl Drop for VaultSecrets {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

#[async_trait]
impl Secrets for VaultSecrets {
    async fn get(&self, name: &str) -> Result<Option<Versioned>, SecretsError> {
        names::legal(name)?;
        match name {
            root::SECRET_KEY => Ok(None),
            root::CLIENT_SECRET => root::get(&self.session, name).await,
            _ => kv::get(&self.session, name).await,
        }
    }

    async fn put(&self, name: &str, value: &[u8], expected: Option<u64>) -> Result<u64, SecretsError> {
        names::legal(name)?;
        if value.len() > forms::LONGEST {
            let most = forms::LONGEST;
            return Err(SecretsError::Engine(format!("a secret has {most} bytes at most")));
        }
        match name {
            root::SECRET_KEY => Err(SecretsError::Engine(format!("the name {name} is reserved"))),
            root::CLIENT_SECRET => root::put(&self.session, name, value, expected).await,
            _ => kv::put(&self.session, name, value, expected).await,
        }
    }

    async fn delete(&self, name: &str) -> Result<bool, SecretsError> {
        names::legal(name)?;
        match name {
            root::SECRET_KEY => Ok(false),
            root::CLIENT_SECRET => root::delete(&self.session, name).await,
            _ => kv::delete(&self.session, name).await,
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, SecretsError> {
        let mut listed = kv::list(&self.session, prefix).await?;
        listed.retain(|name| name != root::SECRET_KEY && name != root::CLIENT_SECRET);
        if root::CLIENT_SECRET.starts_with(prefix)
            && root::get(&self.session, root::CLIENT_SECRET).await?.is_some()
        {
            listed.push(root::CLIENT_SECRET.to_owned());
        }
        Ok(listed)
    }

    async fn derived(&self, purpose: Purpose) -> Result<[u8; 32], SecretsError> {
        let secret = self.secret_key.get_or_try_init(|| root::secret_key(&self.session)).await?;
        derive(secret, purpose)
    }

    async fn create_key(&self, name: &str, bits: usize) -> Result<(), SecretsError> {
        transit::create(&self.session, name, bits).await
    }

    async fn keys(&self) -> Result<Vec<String>, SecretsError> {
        transit::list(&self.session).await
    }

    /// A transit mount is often that of several installations.
    fn shared(&self) -> bool {
        true
    }

    async fn has_key(&self, name: &str) -> Result<bool, SecretsError> {
        Ok(transit::read(&self.session, name).await?.is_some())
    }

    async fn public_pem(&self, name: &str) -> Result<Option<String>, SecretsError> {
        transit::public_pem(&self.session, name).await
    }

    async fn delete_key(&self, name: &str) -> Result<bool, SecretsError> {
        self.versions.forget(name);
        transit::delete(&self.session, name).await
    }

    async fn wrap(&self, name: &str, plain: &[u8]) -> Result<Vec<u8>, SecretsError> {
        transit::wrap(&self.session, name, plain).await
    }

    async fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<Vec<u8>, SecretsError> {
        transit::unwrap(&self.session, &self.versions, name, wrapped).await
    }

    async fn sign(&self, name: &str, signing: Signing, message: &[u8]) -> Result<Vec<u8>, SecretsError> {
        transit::sign(&self.session, name, signing, message).await
    }

    async fn ping(&self) -> Result<(), SecretsError> {
        state::ping(&self.session, &self.looked).await
    }
}
