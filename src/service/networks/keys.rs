//! Key pairs of our own nodes (specification §9.1): one per network, as the secret `network/{networkId}`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::traits::PublicKeyParts;
use rsa::{PrivateKey, Pss};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Networks;
use crate::domain::filter::Filter;
use crate::domain::ids::NetworkId;
use crate::secrets::SecretsError;
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

/// The fewest bits of a key that is trusted; ours have more.
const WEAKEST: usize = 2_048;

/// What every name begins with.
const PREFIX: &str = "network/";

fn name(network: &NetworkId) -> String {
    format!("{PREFIX}{network}")
}

/// The public half of a pair, and whether this call made it: nobody else can need it then.
pub(super) struct Key {
    /// PEM.
    pub public: String,
    pub made: bool,
}

fn lost(network: &NetworkId) -> Failure {
    Failure::internal(format!("the network {network} has no key"))
}

impl Networks {
    /// Makes the pair of a network, unless there is one, and keeps it.
    pub(super) async fn make_key(&self, network: &NetworkId) -> Result<Key, Failure> {
        let _turn = self.making.acquire().await.map_err(Failure::internal)?;
        if let Some(public) = self.public_key(network).await? {
            return Ok(Key { public, made: false });
        }
        let bits = self.options.now().node_key_bits;
        let made = tokio::task::spawn_blocking(move || {
            let key = PrivateKey::new(&mut getrandom::SysRng, bits).map_err(Failure::internal)?;
            let private_key = key.to_pkcs8_pem(LineEnding::LF).map_err(Failure::internal)?.to_string();
            let public_key =
                key.to_public_key().to_public_key_pem(LineEnding::LF).map_err(Failure::internal)?;
            Ok::<_, Failure>(Pair { private_key, public_key })
        });
        let pair = made.await.map_err(Failure::internal)??;
        let bytes = serde_json::to_vec(&pair).map_err(Failure::internal)?;
        match self.ports.secrets.put(&name(network), &bytes, Some(0)).await {
            Ok(_) => Ok(Key { public: pair.public_key, made: true }),
            // Another process was faster; its pair is the one.
            Err(SecretsError::Conflict(_)) => {
                let public = self.public_key(network).await?.ok_or_else(|| lost(network))?;
                Ok(Key { public, made: false })
            }
            Err(other) => Err(other.into()),
        }
    }

    /// The fewest bits of another installation's key.
    pub(super) fn weakest_key(&self) -> usize {
        self.options.now().node_key_bits.min(WEAKEST)
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

    /// Drops the pair of a network that is not here, unless a request of ours is signed with it; changes of networks are
    /// locked out.
    pub(super) async fn drop_unused_key(&self, network: &NetworkId) -> Result<bool, Failure> {
        if self.needs_key(network).await? {
            return Ok(false);
        }
        self.drop_key(network).await
    }

    /// Networks that there are pairs for which nothing needs.
    pub(in crate::service) async fn unused_keys(&self) -> Result<Vec<NetworkId>, Failure> {
        // One at a time, as whatever makes a pair is: what it is for is stored before others have their turn.
        let mut unused = Vec::new();
        for network in self.keyed().await? {
            if uuid::Uuid::parse_str(network.as_str()).is_ok()
                && !self.alone(self.needs_key(&network)).await?
            {
                unused.push(network);
            }
        }
        Ok(unused)
    }

    /// Drops the pair of a network unless something needs it.
    pub(in crate::service) async fn drop_key_unless_needed(
        &self,
        network: &NetworkId,
    ) -> Result<bool, Failure> {
        self.alone(self.drop_unused_key(network)).await
    }

    /// Whether a pair is that of a network that is here, or a request of ours is signed with it.
    async fn needs_key(&self, network: &NetworkId) -> Result<bool, Failure> {
        let store = &self.ports.store;
        if store.networks().get(network.as_str()).await?.is_some() {
            return Ok(true);
        }
        let asked = store.messages().find(&Filter::equals("networkId", network.as_str())).await?;
        Ok(asked.iter().any(|asked| asked.awaits_them() || asked.is_half_stored()))
    }

    /// Networks that there are pairs for.
    pub(super) async fn keyed(&self) -> Result<Vec<NetworkId>, Failure> {
        let names = self.ports.secrets.list(PREFIX).await?;
        // Longer names are the keys of other people.
        let ids = names.iter().filter_map(|name| name.strip_prefix(PREFIX)).filter(|id| !id.contains('/'));
        Ok(ids.filter_map(|id| NetworkId::parse(id).ok()).collect())
    }

    /// RSASSA-PSS with SHA-256 and the longest salt over these bytes, in standard base64 (specification §9.3).
    pub(super) async fn sign(&self, network: &NetworkId, bytes: &[u8]) -> Result<String, Failure> {
        let pair = self.pair(network).await?;
        let pair = pair.ok_or_else(|| lost(network))?;
        let digest = Sha256::digest(bytes);
        let signing = tokio::task::spawn_blocking(move || {
            let key = PrivateKey::from_pkcs8_pem(&pair.private_key).map_err(Failure::internal)?;
            let salt = key.size().saturating_sub(Sha256::output_size() + 2);
            let scheme = Pss::<Sha256>::new_with_salt(salt);
            key.sign_with_rng(&mut getrandom::SysRng, scheme, &digest).map_err(Failure::internal)
        });
        Ok(STANDARD.encode(signing.await.map_err(Failure::internal)??))
    }
}
