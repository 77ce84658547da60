//! What every adapter computes alike: derived keys, and wrapping to a public key.

use getrandom::SysRng;
use hkdf::Hkdf;
use rsa::traits::PublicKeyParts;
use rsa::{Oaep, PublicKey};
use sha2::Sha256;

use super::{Purpose, SecretsError};

/// HKDF-SHA-256 (RFC 5869) without salt; the label keeps the uses apart.
pub(super) fn derive(secret: &[u8], purpose: Purpose) -> Result<[u8; 32], SecretsError> {
    let mut derived = [0; 32];
    Hkdf::<Sha256>::new(None, secret)
        .expand(purpose.label().as_bytes(), &mut derived)
        .map_err(|_| SecretsError::Engine("the key derivation failed".to_owned()))?;
    Ok(derived)
}

/// RSAES-OAEP with SHA-256 for hash and mask, empty label (RFC 8017, section 7.1).
pub(super) fn wrap_to(key: &PublicKey, plain: &[u8]) -> Result<Vec<u8>, SecretsError> {
    let most = key.size().saturating_sub(2 * 32 + 2);
    if plain.len() > most {
        return Err(SecretsError::Engine(format!("{} bytes are too long to wrap; {most} fit", plain.len())));
    }
    key.encrypt(&mut SysRng, Oaep::<Sha256>::new(), plain)
        .map_err(|_| SecretsError::Engine("the data cannot be wrapped".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with another implementation of RFC 5869 for the secret 00 01 … 3f.
    #[rstest::rstest]
    #[case(Purpose::UploadToken, "463f1625cb56db8b09a6e5a225ffbc075c75220a07b941b007c6d5ae986367b6")]
    #[case(Purpose::PrivacyNoise, "bb5b0c872f2b61d5c9cf762037b9b6f05083600899db749bd8e2ec72796d6977")]
    #[case(Purpose::PagingCursor, "efef91ce76e292daffdb13e07a7f028c23c023eae969aa236fd9fb8e36fb5239")]
    #[case(Purpose::Setup, "1c60189955fd601cb77570c91d6c9b6a8bce00f061d38216b45b8a1a66fe07c8")]
    fn derived_keys_are_those_of_rfc_5869(#[case] purpose: Purpose, #[case] key: &str) {
        let secret: Vec<u8> = (0..64).collect();
        let derived: String =
            derive(&secret, purpose).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(derived, key);
    }
}
