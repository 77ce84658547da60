//! Where keys and secrets are kept.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::{Purpose, Wired, blocking};
use crate::config::{Loaded, vault::Vault};
use crate::secrets::Secrets;
use crate::secrets::local::{LocalSecrets, MasterKey, Passphrase};
use crate::secrets::vault::{VaultSecrets, VaultSettings};

impl Wired {
    /// Takes up what a changed configuration says of Vault; one that comes or goes waits for the next start.
    pub fn change_secrets(&self, loaded: &Loaded) {
        if let (Some(secrets), Some(vault)) = (&self.vault, &loaded.config.vault) {
            secrets.change(vault_settings(loaded, vault));
        }
    }
}

/// The configured keeper, else the keystore of the data directory.
pub(super) async fn open(
    loaded: &Loaded,
    purpose: Purpose,
) -> anyhow::Result<(Arc<dyn Secrets>, Option<Arc<VaultSecrets>>)> {
    if let Some(vault) = &loaded.config.vault {
        let secrets = Arc::new(VaultSecrets::open(super::outbound(loaded)?, vault_settings(loaded, vault)));
        if purpose == Purpose::Serve {
            tokio::spawn(look(secrets.clone()));
        }
        return Ok((secrets.clone(), Some(secrets)));
    }
    let folder = loaded.data_directory.join("secrets");
    let master = master_key(loaded, &folder);
    let secrets =
        blocking(move || LocalSecrets::open(&folder.join("keystore"), master).context("the keystore"))
            .await?;
    if purpose == Purpose::Serve && loaded.config.appliance.secrets.key_file.is_none() {
        tracing::warn!(
            "the key of the keystore lies beside it: a stolen disk is not protected; see Appliance.Secrets.KeyFile"
        );
    }
    Ok((Arc::new(secrets), None))
}

/// Says at the start what is wrong with Vault, which stops nothing.
async fn look(secrets: Arc<VaultSecrets>) {
    let looked = async {
        secrets.ping().await?;
        secrets.secret_id_end().await
    };
    match looked.await {
        Ok(None) => {}
        Ok(Some(end)) => tracing::warn!("{end}"),
        Err(error) => {
            tracing::error!(%error, "started without secrets; they are used as soon as they are there");
        }
    }
}

fn vault_settings(loaded: &Loaded, vault: &Vault) -> VaultSettings {
    VaultSettings {
        address: vault.host.base().to_owned(),
        transit: vault.transit().to_owned(),
        kv: vault.kv2().to_owned(),
        prefix: vault.prefix().to_owned(),
        role_id: vault.role_id.as_ref().map(|id| id.expose().trim().to_owned()),
        secret_id: vault.secret_id.as_ref().map(|id| id.expose().trim().to_owned()),
        secret_id_file: vault.secret_id_file.as_ref().map(|file| loaded.resolve(file)),
    }
}

fn master_key(loaded: &Loaded, folder: &Path) -> MasterKey {
    let secrets = &loaded.config.appliance.secrets;
    if let Some(file) = &secrets.key_file {
        return MasterKey::File(loaded.resolve(file));
    }
    if let Some(words) = &secrets.passphrase {
        return MasterKey::Passphrase(Passphrase::from(words.expose().clone()));
    }
    MasterKey::Generated { path: folder.join("key") }
}
