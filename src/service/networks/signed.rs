//! Whether a received text is signed by a key (specification §9.3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{Pss, PublicKey};
use sha2::{Digest, Sha256};

use crate::domain::federation::dump_again;

/// Whether this is the signature of the key (PEM) over the bytes, or over what its sender would write for them: peers
/// sign their own writing, and what is between may have written it in another one (federation notes §1.2).
pub(super) fn is_signed(bytes: &[u8], signature: &str, key: &str) -> bool {
    let Ok(key) = PublicKey::from_public_key_pem(key) else { return false };
    let Ok(signature) = STANDARD.decode(signature.trim()) else { return false };
    // Refused before anything is compared: of two fields of one name, two readers may take different ones.
    let Ok(written) = dump_again(bytes) else { return false };
    let longest = key.size().saturating_sub(Sha256::output_size() + 2);
    [bytes, written.as_slice()].iter().any(|text| {
        let digest = Sha256::digest(text);
        let is = |salt| key.verify(Pss::<Sha256>::new_with_salt(salt), &digest, &signature).is_ok();
        is(longest) || is(Sha256::output_size())
    })
}

#[cfg(test)]
mod tests {
    use rsa::PrivateKey;
    use rsa::pkcs8::{EncodePublicKey, LineEnding};

    use super::*;

    fn sign(key: &PrivateKey, text: &str, salt: usize) -> String {
        let scheme = Pss::<Sha256>::new_with_salt(salt);
        let signed = key.sign_with_rng(&mut getrandom::SysRng, scheme, &Sha256::digest(text)).unwrap();
        STANDARD.encode(signed)
    }

    #[test]
    fn a_text_is_signed_as_it_is_or_as_its_sender_writes_it() {
        let key = PrivateKey::new(&mut getrandom::SysRng, 1_024).unwrap();
        let pem = key.to_public_key().to_public_key_pem(LineEnding::LF).unwrap();
        let (compact, spaced) = (r#"{"b":"é","a":1}"#, r#"{"b": "\u00e9", "a": 1}"#);
        for salt in [94, 32] {
            assert!(is_signed(compact.as_bytes(), &sign(&key, compact, salt), &pem));
            assert!(is_signed(compact.as_bytes(), &sign(&key, spaced, salt), &pem));
        }
        let good = sign(&key, spaced, 94);
        for other in [r#"{"a": 1, "b": "\u00e9"}"#, r#"{"b": "\u00e9", "a": 2}"#, "", "no JSON"] {
            assert!(!is_signed(other.as_bytes(), &good, &pem), "{other}");
        }
        let twice = r#"{"a": 1, "a": 2}"#;
        assert!(!is_signed(twice.as_bytes(), &sign(&key, twice, 94), &pem));
        let stranger = PrivateKey::new(&mut getrandom::SysRng, 1_024).unwrap();
        assert!(!is_signed(spaced.as_bytes(), &sign(&stranger, spaced, 94), &pem));
        for wrong in ["", "!", &good.replace('=', "")[..20], &good.replace(['+', '/'], "-")] {
            assert!(!is_signed(spaced.as_bytes(), wrong, &pem) || wrong == good, "{wrong}");
        }
    }
}
