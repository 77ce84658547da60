//! Where keys and secrets are kept.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use super::{Purpose, blocking};
use crate::config::Loaded;
use crate::secrets::Secrets;
use crate::secrets::local::{LocalSecrets, MasterKey, Passphrase};

/// The configured keeper, else the keystore of the data directory.
pub(super) async fn open(loaded: &Loaded, purpose: Purpose) -> anyhow::Result<Arc<dyn Secrets>> {
    if loaded.config.vault.is_some() {
        bail!("this release keeps secrets by itself; take Vault out of the configuration");
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
    Ok(Arc::new(secrets))
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
