//! Key pairs of our own nodes (specification §9.1): one per network, as the secret `network/{networkId}`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::traits::PublicKeyParts;
use rsa::{Pss, RsaPrivateKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Networks;
use crate::domain::ids::NetworkId;
use crate::service::Failure;

/// What is kept of a pair.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pair {
    /// PKCS#8 PEM.
    private_key: String,
    /// SubjectPublicKeyInfo PEM.
    public_key: String,
}

fn name(network: &NetworkId) -> String {
    format!("network/{network}")
}

impl Networks {
    /// Makes the pair of a network, unless there is one, and keeps it; answers the public half, PEM.
    pub(super) async fn make_key(&self, network: &NetworkId) -> Result<String, Failure> {
        let _turn = self.making.acquire().await.map_err(Failure::internal)?;
        if let Some(public) = self.public_key(network).await? {
            return Ok(public);
        }
        let bits = self.options.now().node_key_bits;
        let made = tokio::task::spawn_blocking(move || {
            let key = RsaPrivateKey::new(&mut rand_core::OsRng, bits).map_err(Failure::internal)?;
            let private_key = key.to_pkcs8_pem(LineEnding::LF).map_err(Failure::internal)?.to_string();
            let public_key =
                key.to_public_key().to_public_key_pem(LineEnding::LF).map_err(Failure::internal)?;
            Ok::<_, Failure>(Pair { private_key, public_key })
        });
        let pair = made.await.map_err(Failure::internal)??;
        let bytes = serde_json::to_vec(&pair).map_err(Failure::internal)?;
        self.ports.secrets.put(&name(network), &bytes, Some(0)).await?;
        Ok(pair.public_key)
    }

    async fn pair(&self, network: &NetworkId) -> Result<Option<Pair>, Failure> {
        let kept = self.ports.secrets.get(&name(network)).await?;
        kept.map(|kept| serde_json::from_slice(&kept.value).map_err(Failure::internal)).transpose()
    }

    /// The public half, PEM.
    pub(super) async fn public_key(&self, network: &NetworkId) -> Result<Option<String>, Failure> {
        Ok(self.pair(network).await?.map(|pair| pair.public_key))
    }

    pub(super) async fn drop_key(&self, network: &NetworkId) -> Result<bool, Failure> {
        Ok(self.ports.secrets.delete(&name(network)).await?)
    }

    /// RSASSA-PSS with SHA-256 and the longest salt over these bytes, in standard base64 (specification §9.3).
    pub(super) async fn sign(&self, network: &NetworkId, bytes: &[u8]) -> Result<String, Failure> {
        let pair = self.pair(network).await?;
        let pair = pair.ok_or_else(|| Failure::internal(format!("the network {network} has no key")))?;
        let digest = Sha256::digest(bytes);
        let signing = tokio::task::spawn_blocking(move || {
            let key = RsaPrivateKey::from_pkcs8_pem(&pair.private_key).map_err(Failure::internal)?;
            let salt = key.size().saturating_sub(Sha256::output_size() + 2);
            let scheme = Pss::new_with_salt::<Sha256>(salt);
            key.sign_with_rng(&mut rand_core::OsRng, scheme, &digest).map_err(Failure::internal)
        });
        Ok(STANDARD.encode(signing.await.map_err(Failure::internal)??))
    }
}
