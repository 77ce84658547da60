//! Where documents, subjects and files are kept.

use std::sync::Arc;

use anyhow::{Context, bail};

use super::blocking;
use crate::blobs::Blobs;
use crate::blobs::files::FileBlobs;
use crate::config::Loaded;
use crate::store::Store;
use crate::store::sqlite::SqliteStore;

/// The configured store, else the one of the data directory.
pub(super) async fn open(loaded: &Loaded) -> anyhow::Result<Arc<dyn Store>> {
    let config = &loaded.config;
    let named = [
        ("MongoDB", config.mongodb.is_some()),
        ("Appliance.PostgreSQL", config.appliance.postgresql.is_some()),
    ];
    if let Some((name, _)) = named.iter().find(|(_, there)| *there) {
        bail!("this release keeps data by itself; take {name} out of the configuration");
    }
    let file = loaded.data_directory.join("store.db");
    Ok(Arc::new(blocking(move || SqliteStore::open(&file).context("the data store")).await?))
}

/// The folder of files in the data directory.
pub(super) async fn open_blobs(loaded: &Loaded) -> anyhow::Result<Arc<dyn Blobs>> {
    let folder = loaded.data_directory.join("blobs");
    Ok(Arc::new(blocking(move || FileBlobs::open(&folder).context("the file store")).await?))
}
