//! RSA: making keys, and what is done with them. Blinded throughout; everything here is slow and blocks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use getrandom::SysRng;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::traits::PublicKeyParts;
use rsa::{Oaep, Pkcs1v15Sign, PrivateKey, Pss, PublicKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::keystore::Keystore;
use crate::secrets::primitives::wrap_to;
use crate::secrets::{SecretsError, Signing};

/// Keys that are kept parsed at most.
const PARSED: usize = 256;

/// The parsed keys, each with the version of the record it was read from.
#[derive(Default)]
pub(super) struct KeyRing(Mutex<HashMap<String, (u64, Arc<PrivateKey>)>>);

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing(…)")
    }
}

impl KeyRing {
    /// The key in a record; `None` = no such record.
    pub fn find(&self, store: &Keystore, record: &str) -> Result<Option<Arc<PrivateKey>>, SecretsError> {
        let Some(version) = store.version(record)? else {
            self.parsed().remove(record);
            return Ok(None);
        };
        if let Some((parsed, key)) = self.parsed().get(record)
            && *parsed == version
        {
            return Ok(Some(Arc::clone(key)));
        }
        let Some((version, der)) = store.get(record)? else { return Ok(None) };
        let key = PrivateKey::from_pkcs8_der(&der)
            .map(Arc::new)
            .map_err(|_| SecretsError::Engine("a stored key cannot be read".to_owned()))?;
        let mut parsed = self.parsed();
        if parsed.len() >= PARSED {
            parsed.clear();
        }
        parsed.insert(record.to_owned(), (version, Arc::clone(&key)));
        Ok(Some(key))
    }

    fn parsed(&self) -> std::sync::MutexGuard<'_, HashMap<String, (u64, Arc<PrivateKey>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a key of 2048 or 4096 bits; PKCS#8 DER.
pub(super) fn generate(bits: usize) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
    if bits != 2048 && bits != 4096 {
        return Err(SecretsError::Engine(format!("a key has 2048 or 4096 bits, not {bits}")));
    }
    PrivateKey::new(&mut SysRng, bits)
        .map_err(|error| SecretsError::Engine(format!("no key could be made: {error}")))
        .and_then(|key| encode(&key))
}

/// Checks a key made elsewhere (PKCS#8 PEM, 2048 to 4096 bits); PKCS#8 DER.
pub(super) fn check(pem: &str) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
    let key = PrivateKey::from_pkcs8_pem(pem)
        .map_err(|_| SecretsError::Engine("this is no RSA key as PKCS#8 PEM".to_owned()))?;
    key.validate().map_err(|_| SecretsError::Engine("the parts of this key do not fit".to_owned()))?;
    if !(2048..=4096).contains(&key.n().bit_width_vartime()) {
        return Err(SecretsError::Engine("a key has 2048 to 4096 bits".to_owned()));
    }
    encode(&key)
}

fn encode(key: &PrivateKey) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
    key.to_pkcs8_der()
        .map(|document| Zeroizing::new(document.as_bytes().to_vec()))
        .map_err(|_| SecretsError::Engine("the key cannot be encoded".to_owned()))
}

/// SubjectPublicKeyInfo PEM.
pub(super) fn public_pem(key: &PrivateKey) -> Result<String, SecretsError> {
    PublicKey::from(key)
        .to_public_key_pem(LineEnding::LF)
        .map_err(|_| SecretsError::Engine("the public key cannot be encoded".to_owned()))
}

/// Wraps to the key's public half.
pub(super) fn wrap(key: &PrivateKey, plain: &[u8]) -> Result<Vec<u8>, SecretsError> {
    wrap_to(&PublicKey::from(key), plain)
}

/// The inverse of `wrap`; `None` whatever the reason, so that nothing can be learnt from it.
pub(super) fn unwrap(key: &PrivateKey, wrapped: &[u8]) -> Option<Vec<u8>> {
    key.decrypt_blinded(&mut SysRng, Oaep::<Sha256>::new(), wrapped).ok()
}

/// Signs the SHA-256 of the message.
pub(super) fn sign(key: &PrivateKey, signing: Signing, message: &[u8]) -> Result<Vec<u8>, SecretsError> {
    let digest = Sha256::digest(message);
    let bits = usize::try_from(key.n().bit_width_vartime()).unwrap_or(0);
    match signing {
        Signing::Pss => {
            let padding = Pss::<Sha256>::new_blinded_with_salt(salt_length(bits));
            key.sign_with_rng(&mut SysRng, padding, &digest)
        }
        Signing::Pkcs1 => key.sign_with_rng(&mut SysRng, Pkcs1v15Sign::new::<Sha256>(), &digest),
    }
    .map_err(|_| SecretsError::Engine("the message cannot be signed".to_owned()))
}

/// The longest salt: emLen − hLen − 2, where emLen = ⌈(modBits − 1) / 8⌉ (RFC 8017, section 9.1.1).
fn salt_length(bits: usize) -> usize {
    (bits - 1).div_ceil(8) - 32 - 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(2048, 222)]
    #[case(4096, 478)]
    fn the_salt_is_as_long_as_it_can_be(#[case] bits: usize, #[case] salt: usize) {
        assert_eq!(salt_length(bits), salt);
    }

    #[rstest::rstest]
    #[case(1024)]
    #[case(0)]
    #[case(1_000_000)]
    fn keys_of_other_sizes_are_not_made(#[case] bits: usize) {
        assert!(generate(bits).is_err());
    }
}
