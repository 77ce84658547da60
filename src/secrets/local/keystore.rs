//! The keystore file: sealed records, replaced as a whole under a lock, read again when it changes.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::base64_bytes;
use super::master::{Key, MasterKey, Unlock, locked};
use crate::domain::clock::{Random, SystemRandom};
use crate::secrets::SecretsError;

const FORMAT: u32 = 1;
/// Bytes of the file at most; some 80,000 keys of 4096 bits.
const LARGEST: u64 = 256 * 1024 * 1024;
/// What `check` holds, to tell a wrong key from a damaged file.
const CHECK: &[u8] = b"cv3-keystore";

/// A ciphertext with its nonce.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sealed {
    #[serde(with = "base64_bytes")]
    nonce: Vec<u8>,
    #[serde(with = "base64_bytes")]
    ciphertext: Vec<u8>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Record {
    version: u64,
    sealed: Sealed,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    format: u32,
    unlock: Unlock,
    check: Sealed,
    /// Grows with every change; a record's version is the serial of its last change, so none is ever used twice.
    serial: u64,
    records: BTreeMap<String, Record>,
}

/// The seal covers the whole body, so that a record can be neither removed nor replaced by an older one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    body: Body,
    seal: Sealed,
}

/// A record's version and what it holds.
pub(super) type Content = (u64, Zeroizing<Vec<u8>>);

/// What the file looked like when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look([i64; 2], [u64; 2]);

/// An open keystore.
#[derive(Debug)]
pub(super) struct Keystore {
    path: PathBuf,
    key: Key,
    state: Mutex<(Look, Body)>,
}

/// The records while the lock is held; written if anything changed.
pub(super) struct Draft<'a> {
    key: &'a Key,
    body: &'a mut Body,
    changed: bool,
}

impl Keystore {
    /// Opens the file with the key, or makes an empty one.
    pub fn open(path: &Path, master: &MasterKey) -> Result<Self, SecretsError> {
        let failed = |error| unavailable(path, &error);
        DirBuilder::new().recursive(true).mode(0o700).create(folder_of(path)).map_err(failed)?;
        let _lock = lock(path).map_err(failed)?;
        if !path.try_exists().map_err(failed)? {
            master.prepare()?;
            let unlock = master.describe();
            let key = master.find(&unlock)?;
            let check = seal(&key, b"check", CHECK)?;
            write(path, &key, &Body { format: FORMAT, unlock, check, serial: 0, records: BTreeMap::new() })?;
        }
        let (look, document) = read(path)?;
        let key = master.find(&document.body.unlock)?;
        if unseal(&key, b"check", &document.body.check).is_none_or(|check| *check != CHECK) {
            let what = master.words();
            return Err(locked(&format!(
                "{what} is not the one {} was made with; give that one, nothing has been changed",
                path.display()
            )));
        }
        let body = verified(path, &key, document)?;
        Ok(Self { path: path.to_owned(), key, state: Mutex::new((look, body)) })
    }

    /// A record's version and content.
    pub fn get(&self, name: &str) -> Result<Option<Content>, SecretsError> {
        let state = self.current()?;
        state.1.records.get(name).map(|record| open_record(&self.key, name, record)).transpose()
    }

    /// A record's version.
    pub fn version(&self, name: &str) -> Result<Option<u64>, SecretsError> {
        Ok(self.current()?.1.records.get(name).map(|record| record.version))
    }

    /// The names that start so, in order.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>, SecretsError> {
        let state = self.current()?;
        let from = state.1.records.range(prefix.to_owned()..);
        Ok(from.map(|(name, _)| name.clone()).take_while(|name| name.starts_with(prefix)).collect())
    }

    /// Changes records as they are now in the file, alone among all processes. An error changes nothing.
    pub fn change<T>(
        &self,
        work: impl FnOnce(&mut Draft) -> Result<T, SecretsError>,
    ) -> Result<T, SecretsError> {
        let _lock = lock(&self.path).map_err(|error| unavailable(&self.path, &error))?;
        let mut state = self.current()?;
        let mut body = state.1.clone();
        body.serial += 1;
        let mut draft = Draft { key: &self.key, body: &mut body, changed: false };
        let outcome = work(&mut draft)?;
        if draft.changed {
            let look = write(&self.path, &self.key, &body)?;
            *state = (look, body);
        }
        Ok(outcome)
    }

    /// The state, read again if the file is another one than last time.
    fn current(&self) -> Result<MutexGuard<'_, (Look, Body)>, SecretsError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = fs::metadata(&self.path).map_err(|error| gone(&self.path, &error))?;
        if look(&now) != state.0 {
            let (look, document) = read(&self.path)?;
            if document.body.unlock != state.1.unlock {
                return Err(locked(&format!(
                    "{} was replaced by one with another key; restart the process",
                    self.path.display()
                )));
            }
            *state = (look, verified(&self.path, &self.key, document)?);
        }
        Ok(state)
    }
}

impl Draft<'_> {
    /// A record's version; 0 = absent.
    pub fn version(&self, name: &str) -> u64 {
        self.body.records.get(name).map_or(0, |record| record.version)
    }

    /// Writes a record; answers its version.
    pub fn set(&mut self, name: &str, content: &[u8]) -> Result<u64, SecretsError> {
        let version = self.body.serial;
        let sealed = seal(self.key, &associated(name, version), content)?;
        self.body.records.insert(name.to_owned(), Record { version, sealed });
        self.changed = true;
        Ok(version)
    }

    /// Removes a record; `false` = there was none.
    pub fn remove(&mut self, name: &str) -> bool {
        let removed = self.body.records.remove(name).is_some();
        self.changed |= removed;
        removed
    }
}

fn open_record(key: &Key, name: &str, record: &Record) -> Result<Content, SecretsError> {
    unseal(key, &associated(name, record.version), &record.sealed)
        .map(|content| (record.version, content))
        .ok_or_else(|| {
            SecretsError::Engine("a record of the keystore is damaged; restore a backup".to_owned())
        })
}

/// Name and version, unambiguous because the version has a fixed length.
fn associated(name: &str, version: u64) -> Vec<u8> {
    [b"record/", name.as_bytes(), &version.to_be_bytes()].concat()
}

fn seal(key: &Key, aad: &[u8], content: &[u8]) -> Result<Sealed, SecretsError> {
    let mut nonce = [0; 24];
    SystemRandom.fill(&mut nonce);
    let cipher = XChaCha20Poly1305::new(key.0.as_ref().into());
    let ciphertext = cipher
        .encrypt(XNonce::from_slice(&nonce), Payload { msg: content, aad })
        .map_err(|_| SecretsError::Engine("the keystore's cipher failed".to_owned()))?;
    Ok(Sealed { nonce: nonce.to_vec(), ciphertext })
}

fn unseal(key: &Key, aad: &[u8], sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
    let nonce: [u8; 24] = sealed.nonce.as_slice().try_into().ok()?;
    let cipher = XChaCha20Poly1305::new(key.0.as_ref().into());
    let payload = Payload { msg: sealed.ciphertext.as_slice(), aad };
    cipher.decrypt(XNonce::from_slice(&nonce), payload).ok().map(Zeroizing::new)
}

/// What the seal is bound to: a hash of the body as it is written.
fn digest(body: &Body) -> Result<Vec<u8>, SecretsError> {
    let text = serde_json::to_vec(body).map_err(|error| SecretsError::Engine(error.to_string()))?;
    Ok(Sha256::new_with_prefix(b"seal/").chain_update(text).finalize().to_vec())
}

/// The body of a document whose seal fits.
fn verified(path: &Path, key: &Key, document: Document) -> Result<Body, SecretsError> {
    if unseal(key, &digest(&document.body)?, &document.seal).is_none() {
        return Err(damaged(path, "it was altered outside of this program"));
    }
    Ok(document.body)
}

fn read(path: &Path) -> Result<(Look, Document), SecretsError> {
    let failed = |error: io::Error| gone(path, &error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.len() > LARGEST {
        return Err(damaged(path, "it is far too large"));
    }
    // A record keeps its form only in the newest format, so the number is looked at first.
    #[derive(Deserialize)]
    struct Outline {
        body: Format,
    }
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let text = io::read_to_string(file).map_err(failed)?;
    let outline: Outline =
        serde_json::from_str(&text).map_err(|_| damaged(path, "it is cut off or no keystore"))?;
    if outline.body.format != FORMAT {
        return Err(locked(&format!(
            "{} has format {}, this release knows {FORMAT}; start the release that wrote it or a later one",
            path.display(),
            outline.body.format
        )));
    }
    let document =
        serde_json::from_str(&text).map_err(|_| damaged(path, "some of its records cannot be read"))?;
    Ok((look(&metadata), document))
}

/// Replaces the file so that it is the old or the new one whatever happens. The caller holds the lock.
fn write(path: &Path, key: &Key, body: &Body) -> Result<Look, SecretsError> {
    let document = Document { seal: seal(key, &digest(body)?, b"")?, body: body.clone() };
    let text = serde_json::to_vec(&document).map_err(|error| SecretsError::Engine(error.to_string()))?;
    let draft = path.with_extension("new");
    let replace = || {
        // A process that was killed may have left one.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(folder_of(path))?.sync_all()?;
        file.metadata()
    };
    replace().map(|metadata| look(&metadata)).map_err(|error| unavailable(path, &error))
}

fn look(metadata: &fs::Metadata) -> Look {
    Look([metadata.mtime(), metadata.mtime_nsec()], [metadata.ino(), metadata.len()])
}

/// Waits for the lock of all processes; released when dropped.
fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path.with_extension("lock"))?;
    file.lock()?;
    Ok(file)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn unavailable(path: &Path, error: &io::Error) -> SecretsError {
    SecretsError::Unavailable(format!("{}: {error}", path.display()))
}

fn gone(path: &Path, error: &io::Error) -> SecretsError {
    if error.kind() == ErrorKind::NotFound {
        return locked(&format!("{} is missing; restore it, or restart to make a new one", path.display()));
    }
    if error.kind() == ErrorKind::InvalidData {
        return damaged(path, "it is no text");
    }
    unavailable(path, error)
}

fn damaged(path: &Path, how: &str) -> SecretsError {
    locked(&format!(
        "{} is damaged: {how}; restore it from a backup, nothing has been changed",
        path.display()
    ))
}
