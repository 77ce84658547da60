//! Keys of the transit engine.
//!
//! `encrypt` is never asked: for a key that is not there it makes one, of another type. Wrapping needs the public half
//! only and is done here; private halves never leave Vault.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rsa::PublicKey;
use rsa::pkcs8::{DecodePublicKey, EncodePublicKey, LineEnding};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use vaultrs::api::transit::requests::{
    CreateKeyRequest, DecryptDataRequest, DeleteKeyRequest, ListKeysRequest, ReadKeyRequest, SignDataRequest,
    UpdateKeyConfigurationRequest,
};
use vaultrs::api::transit::{HashAlgorithm, KeyType, SignatureAlgorithm};

use super::names::legal_key;
use super::session::Session;
use super::wire::{Answer, Ask, MAKING};
use crate::secrets::primitives::wrap_to;
use crate::secrets::{SecretsError, Signing};

/// Versions of a key that are tried for one ciphertext at most.
const TRIED: usize = 64;

/// Keys whose last version is remembered at most.
const REMEMBERED: usize = 10_000;

/// Lengths of RSA ciphertexts: keys of 2048, 3072 and 4096 bits.
const LENGTHS: [usize; 3] = [256, 384, 512];

/// The version of each rotated key that opened last.
#[derive(Default, Debug)]
pub(super) struct Versions(Mutex<HashMap<String, u64>>);

impl Versions {
    fn last(&self, name: &str) -> u64 {
        self.kept().get(name).copied().unwrap_or(1)
    }

    fn opened(&self, name: &str, version: u64) {
        let mut kept = self.kept();
        if version == 1 {
            kept.remove(name);
            return;
        }
        if kept.len() >= REMEMBERED {
            kept.clear();
        }
        kept.insert(name.to_owned(), version);
    }

    pub fn forget(&self, name: &str) {
        self.kept().remove(name);
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What Vault says of a key. Not vaultrs's type: that fails at one field more or less.
#[derive(Deserialize)]
pub(super) struct Key {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    deletion_allowed: bool,
    /// By version; those of symmetric keys are numbers.
    #[serde(default)]
    keys: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    min_decryption_version: u64,
}

impl Key {
    /// Its versions, the newest first.
    fn versions(&self) -> Vec<u64> {
        let mut versions: Vec<u64> = self.keys.keys().filter_map(|version| version.parse().ok()).collect();
        versions.sort_unstable_by(|a, b| b.cmp(a));
        versions
    }

    /// The public half of the newest version.
    fn public(&self, name: &str) -> Result<PublicKey, SecretsError> {
        let newest = self.versions().first().and_then(|version| self.keys.get(&version.to_string()));
        let pem = newest.and_then(|newest| newest.get("public_key")).and_then(|pem| pem.as_str());
        pem.and_then(|pem| PublicKey::from_public_key_pem(pem).ok()).ok_or_else(|| {
            SecretsError::Engine(format!("the key {name} in Vault is no RSA key but of type {}", self.kind))
        })
    }
}

fn mount(session: &Session) -> String {
    session.settings().transit.clone()
}

/// A key; `None` = no such key.
pub(super) async fn read(session: &Session, name: &str) -> Result<Option<Key>, SecretsError> {
    legal_key(name)?;
    let request = ReadKeyRequest { mount: mount(session), name: name.to_owned() };
    let answer = session.call(&Ask::of(&request)?).await?;
    match answer.status {
        200 => answer.data().map(Some),
        404 if answer.absent() => Ok(None),
        _ => Err(answer.unexpected()),
    }
}

/// Makes a key that may be deleted, as the original has them (specification §3.3); finishes one that was half made.
pub(super) async fn create(session: &Session, name: &str, bits: usize) -> Result<(), SecretsError> {
    let key_type = match bits {
        2048 => KeyType::Rsa2048,
        4096 => KeyType::Rsa4096,
        _ => return Err(SecretsError::Engine(format!("a key has 2048 or 4096 bits, not {bits}"))),
    };
    match read(session, name).await? {
        Some(key) if key.deletion_allowed => return Ok(()),
        Some(_) => {}
        None => {
            // Vault leaves a key alone that another process made meanwhile.
            let request = CreateKeyRequest {
                mount: mount(session),
                name: name.to_owned(),
                key_type: Some(key_type),
                ..CreateKeyRequest::default()
            };
            done(session.call(&Ask::of(&request)?.within(MAKING)).await?)?;
        }
    }
    allow_deletion(session, name).await
}

async fn allow_deletion(session: &Session, name: &str) -> Result<(), SecretsError> {
    let request = UpdateKeyConfigurationRequest {
        mount: mount(session),
        name: name.to_owned(),
        deletion_allowed: Some(true),
        ..UpdateKeyConfigurationRequest::default()
    };
    done(session.call(&Ask::of(&request)?).await?)
}

fn done(answer: Answer) -> Result<(), SecretsError> {
    if answer.succeeded() { Ok(()) } else { Err(answer.unexpected()) }
}

/// The names of all keys of the mount.
pub(super) async fn list(session: &Session) -> Result<Vec<String>, SecretsError> {
    #[derive(Deserialize)]
    struct Listed {
        keys: Vec<String>,
    }
    let answer = session.call(&Ask::of(&ListKeysRequest { mount: mount(session) })?).await?;
    match answer.status {
        200 => Ok(answer.data::<Listed>()?.keys),
        404 if answer.absent() => Ok(Vec::new()),
        _ => Err(answer.unexpected()),
    }
}

pub(super) async fn public_pem(session: &Session, name: &str) -> Result<Option<String>, SecretsError> {
    let Some(key) = read(session, name).await? else { return Ok(None) };
    let unencodable = |_| SecretsError::Engine("the public key cannot be encoded".to_owned());
    key.public(name)?.to_public_key_pem(LineEnding::LF).map(Some).map_err(unencodable)
}

pub(super) async fn delete(session: &Session, name: &str) -> Result<bool, SecretsError> {
    let Some(key) = read(session, name).await? else { return Ok(false) };
    let deleted = async {
        if !key.deletion_allowed {
            allow_deletion(session, name).await?;
        }
        let request = DeleteKeyRequest { mount: mount(session), name: name.to_owned() };
        done(session.call(&Ask::of(&request)?).await?)
    };
    match deleted.await {
        Ok(()) => Ok(true),
        // Another process was quicker.
        Err(SecretsError::Engine(_)) if read(session, name).await?.is_none() => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) async fn wrap(session: &Session, name: &str, plain: &[u8]) -> Result<Vec<u8>, SecretsError> {
    let key = read(session, name).await?.ok_or_else(|| SecretsError::NoKey(name.to_owned()))?;
    wrap_to(&key.public(name)?, plain)
}

/// Opens with the version that opened last, else with any other.
pub(super) async fn unwrap(
    session: &Session,
    versions: &Versions,
    name: &str,
    wrapped: &[u8],
) -> Result<Vec<u8>, SecretsError> {
    legal_key(name)?;
    let last = versions.last(name);
    let possible = LENGTHS.contains(&wrapped.len());
    if possible && let Some(plain) = decrypt(session, name, last, wrapped).await? {
        return Ok(plain);
    }
    let key = read(session, name).await?.ok_or_else(|| SecretsError::NoKey(name.to_owned()))?;
    let others = key
        .versions()
        .into_iter()
        .filter(|version| possible && *version != last && *version >= key.min_decryption_version);
    for version in others.take(TRIED) {
        if let Some(plain) = decrypt(session, name, version, wrapped).await? {
            versions.opened(name, version);
            return Ok(plain);
        }
    }
    Err(SecretsError::Undecryptable(name.to_owned()))
}

/// Decrypts with one version; `None` if that does not open it, or is not there.
async fn decrypt(
    session: &Session,
    name: &str,
    version: u64,
    wrapped: &[u8],
) -> Result<Option<Vec<u8>>, SecretsError> {
    #[derive(Deserialize)]
    struct Decrypted {
        plaintext: String,
    }
    let request = DecryptDataRequest {
        mount: mount(session),
        name: name.to_owned(),
        ciphertext: format!("vault:v{version}:{}", BASE64.encode(wrapped)),
        ..DecryptDataRequest::default()
    };
    let answer = session.call(&Ask::of(&request)?).await?;
    match answer.status {
        200 => {
            let unreadable = |_| SecretsError::Engine("Vault's plaintext is no base64".to_owned());
            BASE64.decode(answer.data::<Decrypted>()?.plaintext).map(Some).map_err(unreadable)
        }
        // Go's RSA says no more than this, and Vault makes it a failure of its own.
        500 if answer.says("decryption error") || answer.says("RSA decrypt") => Ok(None),
        // No such key, version or ciphertext; the caller looks which.
        400 | 404 => Ok(None),
        _ => Err(answer.unexpected()),
    }
}

/// Signs the SHA-256 of the message; for PSS Vault takes the longest salt if none is named.
pub(super) async fn sign(
    session: &Session,
    name: &str,
    signing: Signing,
    message: &[u8],
) -> Result<Vec<u8>, SecretsError> {
    #[derive(Deserialize)]
    struct Signed {
        signature: String,
    }
    legal_key(name)?;
    let request = SignDataRequest {
        mount: mount(session),
        name: name.to_owned(),
        hash_algorithm: Some(HashAlgorithm::Sha2_256),
        input: BASE64.encode(Sha256::digest(message)),
        prehashed: Some(true),
        signature_algorithm: Some(match signing {
            Signing::Pss => SignatureAlgorithm::Pss,
            Signing::Pkcs1 => SignatureAlgorithm::Pkcs1v15,
        }),
        ..SignDataRequest::default()
    };
    let answer = session.call(&Ask::of(&request)?).await?;
    if !answer.succeeded() {
        return match read(session, name).await? {
            None => Err(SecretsError::NoKey(name.to_owned())),
            Some(_) => Err(answer.unexpected()),
        };
    }
    let unreadable = || SecretsError::Engine("Vault's signature cannot be read".to_owned());
    let Signed { signature } = answer.data()?;
    let encoded = signature.strip_prefix("vault:v").and_then(|rest| rest.split_once(':'));
    BASE64.decode(encoded.ok_or_else(unreadable)?.1).map_err(|_| unreadable())
}
