//! The embedded keystore: one encrypted file, shared by the processes of one host.
//!
//! Lives here: the adapter over `keystore.rs` (the file), `master.rs` (what opens it) and `keys.rs` (RSA).
//! Does not: which secrets there are (`service`). To add a way to open it: a variant in `master.rs` and in `Unlock`.

mod keys;
mod keystore;
mod master;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rsa::PrivateKey;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::primitives::derive;
use super::{Purpose, Secrets, SecretsError, Signing, Versioned};
use crate::domain::clock::{Random, SystemRandom};
use keys::KeyRing;
use keystore::Keystore;
pub use master::{MasterKey, Passphrase};

/// Operations with private keys at once at most, key making included.
const COMPUTING: usize = 2;
/// Reads and writes of the file at once at most.
const READING: usize = 4;
/// Bytes of a name at most.
const NAME: usize = 512;
/// Bytes of a secret at most; Vault's own limit for a request is of this order.
const VALUE: usize = 1024 * 1024;

/// The record of the installation's `secret_key`; no caller's name leads here.
const SECRET_KEY: &str = "own/secret_key";
/// The name under which the original keeps it (specification §3.3); not to be had here.
const RESERVED: &str = "secret_key";

/// Secrets in a file.
#[derive(Debug)]
pub struct LocalSecrets {
    inner: Arc<Inner>,
    computing: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    /// Making a key takes seconds; only one at once, so that signing goes on.
    making: Semaphore,
}

#[derive(Debug)]
struct Inner {
    store: Keystore,
    ring: KeyRing,
}

impl LocalSecrets {
    /// Opens or makes the keystore. Blocks, with a passphrase for some 100 ms.
    ///
    /// A wrong key, a damaged file and a key file that others may read are `Locked`, with what to do; nothing is changed.
    pub fn open(path: &Path, master: MasterKey) -> Result<Self, SecretsError> {
        let store = Keystore::open(path, &master)?;
        Ok(Self {
            inner: Arc::new(Inner { store, ring: KeyRing::default() }),
            computing: Arc::new(Semaphore::new(COMPUTING)),
            reading: Arc::new(Semaphore::new(READING)),
            making: Semaphore::new(1),
        })
    }

    /// Takes over an RSA key made elsewhere (PKCS#8 PEM, 2048 to 4096 bits); `Conflict` if the name has one.
    pub async fn import_key(&self, name: &str, pem: &str) -> Result<(), SecretsError> {
        let (record, name) = (named("rsa", name)?, name.to_owned());
        let pem = Zeroizing::new(pem.to_owned());
        self.compute(move |inner| {
            let der = keys::check(&pem)?;
            inner.store.change(|draft| match draft.version(&record) {
                0 => draft.set(&record, &der).map(drop),
                _ => Err(SecretsError::Conflict(name)),
            })
        })
        .await
    }

    async fn read<T, F>(&self, work: F) -> Result<T, SecretsError>
    where
        T: Send + 'static,
        F: FnOnce(&Inner) -> Result<T, SecretsError> + Send + 'static,
    {
        blocking(&self.inner, &self.reading, work).await
    }

    async fn compute<T, F>(&self, work: F) -> Result<T, SecretsError>
    where
        T: Send + 'static,
        F: FnOnce(&Inner) -> Result<T, SecretsError> + Send + 'static,
    {
        blocking(&self.inner, &self.computing, work).await
    }

    /// Does something with a key that has to exist.
    async fn with_key<T, F>(&self, name: &str, work: F) -> Result<T, SecretsError>
    where
        T: Send + 'static,
        F: FnOnce(&PrivateKey, &str) -> Result<T, SecretsError> + Send + 'static,
    {
        let (record, name) = (named("rsa", name)?, name.to_owned());
        self.compute(move |inner| match inner.ring.find(&inner.store, &record)? {
            Some(key) => work(&key, &name),
            None => Err(SecretsError::NoKey(name)),
        })
        .await
    }
}

#[async_trait]
impl Secrets for LocalSecrets {
    async fn get(&self, name: &str) -> Result<Option<Versioned>, SecretsError> {
        let record = named("kv", name)?;
        let found = self.read(move |inner| inner.store.get(&record)).await?;
        Ok(found.map(|(version, value)| Versioned { version, value: value.to_vec() }))
    }

    async fn put(&self, name: &str, value: &[u8], expected: Option<u64>) -> Result<u64, SecretsError> {
        if name == RESERVED {
            return Err(SecretsError::Engine(format!("the name {RESERVED} is reserved")));
        }
        if value.len() > VALUE {
            return Err(SecretsError::Engine(format!("a secret has {VALUE} bytes at most")));
        }
        let (record, name, value) = (named("kv", name)?, name.to_owned(), Zeroizing::new(value.to_owned()));
        self.read(move |inner| {
            inner.store.change(|draft| {
                if expected.is_some_and(|expected| expected != draft.version(&record)) {
                    return Err(SecretsError::Conflict(name));
                }
                draft.set(&record, &value)
            })
        })
        .await
    }

    async fn delete(&self, name: &str) -> Result<bool, SecretsError> {
        let record = named("kv", name)?;
        self.read(move |inner| inner.store.change(|draft| Ok(draft.remove(&record)))).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, SecretsError> {
        let prefix = format!("kv/{prefix}");
        let records = self.read(move |inner| inner.store.names(&prefix)).await?;
        Ok(records.iter().filter_map(|record| record.strip_prefix("kv/")).map(str::to_owned).collect())
    }

    async fn derived(&self, purpose: Purpose) -> Result<[u8; 32], SecretsError> {
        self.read(move |inner| {
            if inner.store.version(SECRET_KEY)?.is_none() {
                let mut fresh = Zeroizing::new([0; 64]);
                SystemRandom.fill(fresh.as_mut());
                inner.store.change(|draft| match draft.version(SECRET_KEY) {
                    0 => draft.set(SECRET_KEY, fresh.as_ref()).map(drop),
                    _ => Ok(()),
                })?;
            }
            let lost = || SecretsError::Engine("the installation's secret key is missing".to_owned());
            let (_, secret) = inner.store.get(SECRET_KEY)?.ok_or_else(lost)?;
            derive(&secret, purpose)
        })
        .await
    }

    async fn create_key(&self, name: &str, bits: usize) -> Result<(), SecretsError> {
        let record = named("rsa", name)?;
        let _turn = self.making.acquire().await.map_err(|_| ended())?;
        if self.has_key(name).await? {
            return Ok(());
        }
        self.compute(move |inner| {
            let der = keys::generate(bits)?;
            inner.store.change(|draft| match draft.version(&record) {
                0 => draft.set(&record, &der).map(drop),
                // Another process was quicker; its key stands.
                _ => Ok(()),
            })
        })
        .await
    }

    async fn keys(&self) -> Result<Vec<String>, SecretsError> {
        let records = self.read(|inner| inner.store.names("rsa/")).await?;
        Ok(records.iter().filter_map(|record| record.strip_prefix("rsa/")).map(str::to_owned).collect())
    }

    async fn has_key(&self, name: &str) -> Result<bool, SecretsError> {
        let record = named("rsa", name)?;
        self.read(move |inner| Ok(inner.store.version(&record)?.is_some())).await
    }

    async fn public_pem(&self, name: &str) -> Result<Option<String>, SecretsError> {
        match self.with_key(name, |key, _| keys::public_pem(key)).await {
            Err(SecretsError::NoKey(_)) => Ok(None),
            other => other.map(Some),
        }
    }

    async fn delete_key(&self, name: &str) -> Result<bool, SecretsError> {
        let record = named("rsa", name)?;
        self.read(move |inner| {
            let removed = inner.store.change(|draft| Ok(draft.remove(&record)))?;
            // Forgets the parsed key too.
            inner.ring.find(&inner.store, &record)?;
            Ok(removed)
        })
        .await
    }

    async fn wrap(&self, name: &str, plain: &[u8]) -> Result<Vec<u8>, SecretsError> {
        let plain = Zeroizing::new(plain.to_owned());
        self.with_key(name, move |key, _| keys::wrap(key, &plain)).await
    }

    async fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<Vec<u8>, SecretsError> {
        let wrapped = wrapped.to_owned();
        self.with_key(name, move |key, name| {
            keys::unwrap(key, &wrapped).ok_or_else(|| SecretsError::Undecryptable(name.to_owned()))
        })
        .await
    }

    async fn sign(&self, name: &str, signing: Signing, message: &[u8]) -> Result<Vec<u8>, SecretsError> {
        let message = message.to_owned();
        self.with_key(name, move |key, _| keys::sign(key, signing, &message)).await
    }

    async fn ping(&self) -> Result<(), SecretsError> {
        self.read(|inner| inner.store.names("own/").map(drop)).await
    }
}

/// The record of a caller's name.
fn named(kind: &str, name: &str) -> Result<String, SecretsError> {
    if name.is_empty() || name.len() > NAME || name.chars().any(char::is_control) {
        return Err(SecretsError::Engine(format!("a name has 1 to {NAME} printable characters")));
    }
    Ok(format!("{kind}/{name}"))
}

async fn blocking<T, F>(inner: &Arc<Inner>, turns: &Arc<Semaphore>, work: F) -> Result<T, SecretsError>
where
    T: Send + 'static,
    F: FnOnce(&Inner) -> Result<T, SecretsError> + Send + 'static,
{
    let turn = Arc::clone(turns).acquire_owned().await.map_err(|_| ended())?;
    let inner = Arc::clone(inner);
    tokio::task::spawn_blocking(move || {
        let outcome = work(&inner);
        drop(turn);
        outcome
    })
    .await
    .map_err(|_| ended())?
}

fn ended() -> SecretsError {
    SecretsError::Unavailable("the process is ending".to_owned())
}

/// Bytes in the file as base64.
mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        BASE64.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
