//! Where the key that locks the keystore comes from.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::domain::clock::{Random, SystemRandom};
use crate::secrets::SecretsError;

/// What opens the keystore.
#[derive(Debug)]
pub enum MasterKey {
    /// A file (or systemd credential) with 32 bytes in hexadecimal or base64, made by the operator.
    File(PathBuf),
    /// Words from which the key is computed with argon2id.
    Passphrase(Passphrase),
    /// A file that is made when neither it nor the keystore exists: no protection against a stolen disk.
    Generated { path: PathBuf },
}

/// A passphrase that is never printed.
pub struct Passphrase(Zeroizing<String>);

impl From<String> for Passphrase {
    fn from(words: String) -> Self {
        Self(Zeroizing::new(words))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// The key itself.
pub(super) struct Key(pub Zeroizing<[u8; 32]>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// How the key of a keystore is found; stands in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(super) enum Unlock {
    KeyFile,
    Argon2id { salt: String, memory_kib: u32, passes: u32, lanes: u32 },
}

impl MasterKey {
    /// What a new keystore's file says about its key.
    pub(super) fn describe(&self) -> Unlock {
        match self {
            Self::File(_) | Self::Generated { .. } => Unlock::KeyFile,
            Self::Passphrase(_) => {
                let mut salt = [0; 16];
                SystemRandom.fill(&mut salt);
                // RFC 9106, section 4: the second recommended option (64 MiB, 3 passes, 4 lanes).
                Unlock::Argon2id { salt: BASE64.encode(salt), memory_kib: 64 * 1024, passes: 3, lanes: 4 }
            }
        }
    }

    /// Makes the key file of a keystore that does not exist yet.
    pub(super) fn prepare(&self) -> Result<(), SecretsError> {
        match self {
            Self::Generated { path } if !path.exists() => generate(path),
            _ => Ok(()),
        }
    }

    /// Finds the key as the keystore's file says.
    pub(super) fn find(&self, unlock: &Unlock) -> Result<Key, SecretsError> {
        match (self, unlock) {
            // systemd and Kubernetes hand secrets to a group (0440); nobody but the owner needs a file of our own.
            (Self::File(path), Unlock::KeyFile) => read(path, 0o037),
            (Self::Generated { path }, Unlock::KeyFile) => read(path, 0o077),
            (Self::Passphrase(words), Unlock::Argon2id { salt, memory_kib, passes, lanes }) => {
                stretch(words, salt, [*memory_kib, *passes, *lanes])
            }
            (Self::Passphrase(_), Unlock::KeyFile) => {
                Err(locked("it was made with a key file, not with a passphrase; configure that file"))
            }
            (_, Unlock::Argon2id { .. }) => {
                Err(locked("it was made with a passphrase, not with a key file; configure that passphrase"))
            }
        }
    }

    /// What the operator gave, in words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::File(path) | Self::Generated { path } => format!("the key in {}", path.display()),
            Self::Passphrase(_) => "the passphrase".to_owned(),
        }
    }
}

fn stretch(words: &Passphrase, salt: &str, [memory, passes, lanes]: [u32; 3]) -> Result<Key, SecretsError> {
    let damaged = || locked("its passphrase parameters are damaged; restore it from a backup");
    // The file is not trusted yet: it must not make us use all memory.
    if memory > 1024 * 1024 || passes > 16 || lanes > 16 {
        return Err(damaged());
    }
    let salt = BASE64.decode(salt).map_err(|_| damaged())?;
    let parameters = Params::new(memory, passes, lanes, Some(32)).map_err(|_| damaged())?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
        .hash_password_into(words.0.as_bytes(), &salt, key.as_mut())
        .map_err(|_| damaged())?;
    Ok(Key(key))
}

/// Reads a key file that nobody else may read or change.
fn read(path: &Path, forbidden: u32) -> Result<Key, SecretsError> {
    let shown = path.display();
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => {
            locked(&format!("its key file {shown} is missing; put it back, nothing has been changed"))
        }
        _ => locked(&format!("its key file {shown} cannot be read: {error}")),
    };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & forbidden != 0 {
        return Err(locked(&format!(
            "its key file {shown} is open to others (mode {mode:04o}); run: chmod 0600 {shown}"
        )));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(1_024).read_to_string(&mut text).map_err(failed)?;
    parse(text.trim()).ok_or_else(|| {
        locked(&format!(
            "{shown} has no key; it needs 32 bytes in hexadecimal (openssl rand -hex 32) or base64"
        ))
    })
}

fn parse(text: &str) -> Option<Key> {
    let bytes = Zeroizing::new(if text.len() == 64 {
        let digits: Option<Vec<u8>> =
            text.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
        digits?.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
    } else {
        BASE64.decode(text).ok()?
    });
    Some(Key(Zeroizing::new(bytes.as_slice().try_into().ok()?)))
}

fn generate(path: &Path) -> Result<(), SecretsError> {
    let failed = |error| SecretsError::Unavailable(format!("{} cannot be made: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let mut key = Zeroizing::new([0; 32]);
    SystemRandom.fill(key.as_mut());
    let text: Zeroizing<String> = Zeroizing::new(key.iter().map(|byte| format!("{byte:02x}")).collect());
    let draft = path.with_extension("new");
    // Left over if a first start was cut short; nothing was locked with it.
    let _ = fs::remove_file(&draft);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&draft, path).map_err(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

pub(super) fn locked(why: &str) -> SecretsError {
    SecretsError::Locked(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::hexadecimal("00ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1dFE", true)]
    #[case::base64("AP8BAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHf4=", true)]
    #[case::no_digit("00ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1dxx", false)]
    #[case::too_short("AP8BAgMEBQY=", false)]
    #[case::empty("", false)]
    fn a_key_is_read_in_both_spellings(#[case] text: &str, #[case] legal: bool) {
        let key = parse(text);
        assert_eq!(key.is_some(), legal);
        if let Some(key) = key {
            assert_eq!((key.0[1], key.0[31]), (0xff, 0xfe));
        }
    }

    #[test]
    fn parameters_that_would_use_all_memory_are_refused() {
        let unlock =
            Unlock::Argon2id { salt: BASE64.encode([0; 16]), memory_kib: u32::MAX, passes: 1, lanes: 1 };
        let master = MasterKey::Passphrase("words".to_owned().into());
        assert!(matches!(master.find(&unlock), Err(SecretsError::Locked(_))));
    }
}
