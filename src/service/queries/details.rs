//! Answers with subject details are stored encrypted for their reader (specification §8.8, form of §9.7):
//! AES-256-CBC under a random key that is wrapped to the user's RSA key.

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use serde::{Deserialize, Serialize};

use super::Queries;
use crate::domain::ids::UserId;
use crate::domain::queries::QueryResponse;
use crate::service::Failure;
use crate::service::auth::user_key;

/// Three standard base64 texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    encrypted_key: String,
    iv: String,
    payload: String,
}

impl Queries {
    /// Splits answers into what may be stored plainly and, where there are details, the whole in sealed form.
    pub(super) async fn seal(
        &self,
        answers: Vec<QueryResponse>,
        reader: &UserId,
    ) -> Result<(Vec<QueryResponse>, Option<Sealed>), Failure> {
        if answers.iter().all(|a| a.result_details.is_none()) {
            return Ok((answers, None));
        }
        let plain = serde_json::to_vec(&answers).map_err(Failure::internal)?;
        let (mut key, mut iv) = ([0u8; 32], [0u8; 16]);
        self.ports.random.fill(&mut key);
        self.ports.random.fill(&mut iv);
        let wrapped = self.ports.secrets.wrap(&user_key(reader), &key).await?;
        let payload = tokio::task::spawn_blocking(move || encrypt(plain, &key, &iv))
            .await
            .map_err(Failure::internal)?;
        let sealed = Sealed {
            encrypted_key: STANDARD.encode(wrapped),
            iv: STANDARD.encode(iv),
            payload: STANDARD.encode(payload),
        };
        let without = answers.into_iter().map(|a| QueryResponse { result_details: None, ..a }).collect();
        Ok((without, Some(sealed)))
    }

    /// Opens sealed answers for their reader; `None` where the key is gone (sign-in was revoked meanwhile).
    pub(super) async fn open(
        &self,
        sealed: &Sealed,
        reader: &UserId,
    ) -> Result<Option<Vec<QueryResponse>>, Failure> {
        let name = user_key(reader);
        if !self.ports.secrets.has_key(&name).await? {
            return Ok(None);
        }
        let wrapped = STANDARD.decode(&sealed.encrypted_key).map_err(Failure::internal)?;
        let Ok(key) = self.ports.secrets.unwrap(&name, &wrapped).await else { return Ok(None) };
        let iv = STANDARD.decode(&sealed.iv).map_err(Failure::internal)?;
        let payload = STANDARD.decode(&sealed.payload).map_err(Failure::internal)?;
        let plain = tokio::task::spawn_blocking(move || decrypt(&payload, &key, &iv))
            .await
            .map_err(Failure::internal)?
            .ok_or_else(|| Failure::internal("a stored answer cannot be decrypted"))?;
        serde_json::from_slice(&plain).map(Some).map_err(Failure::internal)
    }
}

/// Pads with spaces, legal after JSON, until PKCS#7 adds ten newlines, so that readers that strip padding and readers
/// that do not both obtain valid JSON (specification §9.7 *Padding question*).
fn encrypt(mut plain: Vec<u8>, key: &[u8; 32], iv: &[u8; 16]) -> Vec<u8> {
    while plain.len() % 16 != 6 {
        plain.push(b' ');
    }
    cbc::Encryptor::<Aes256>::new(key.into(), iv.into()).encrypt_padded_vec_mut::<Pkcs7>(&plain)
}

fn decrypt(payload: &[u8], key: &[u8], iv: &[u8]) -> Option<Vec<u8>> {
    cbc::Decryptor::<Aes256>::new_from_slices(key, iv).ok()?.decrypt_padded_vec_mut::<Pkcs7>(payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_padding_is_ten_newlines_whatever_the_length() {
        use cbc::cipher::block_padding::NoPadding;
        for length in 2..40 {
            let plain = format!("[{}]", " ".repeat(length)).into_bytes();
            let sealed = encrypt(plain.clone(), &[1; 32], &[2; 16]);
            assert_eq!(decrypt(&sealed, &[1; 32], &[2; 16]).unwrap().trim_ascii_end(), plain);
            let raw = cbc::Decryptor::<Aes256>::new_from_slices(&[1; 32], &[2; 16])
                .unwrap()
                .decrypt_padded_vec_mut::<NoPadding>(&sealed)
                .unwrap();
            assert!(raw.ends_with(&[b'\n'; 10]));
            assert!(serde_json::from_slice::<serde_json::Value>(&raw).is_ok());
        }
    }
}
