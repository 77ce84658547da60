//! Where documents, subjects and files are kept.

use std::sync::Arc;

use anyhow::{Context, bail};

use super::blocking;
use crate::blobs::Blobs;
use crate::blobs::files::FileBlobs;
use crate::config::Loaded;
use crate::config::mongodb::MongoDb;
use crate::store::Store;
use crate::store::mongodb::{MongoStore, Settings};
use crate::store::sqlite::SqliteStore;

/// The configured store, else the one of the data directory.
pub(super) async fn open(loaded: &Loaded) -> anyhow::Result<Arc<dyn Store>> {
    let config = &loaded.config;
    if config.appliance.postgresql.is_some() {
        bail!(
            "this release keeps data by itself or in MongoDB; take Appliance.PostgreSQL out of the configuration"
        );
    }
    if let Some(mongodb) = &config.mongodb {
        let store = MongoStore::open(&settings(mongodb)).await.context("the data store")?;
        return Ok(Arc::new(store));
    }
    let file = loaded.data_directory.join("store.db");
    Ok(Arc::new(blocking(move || SqliteStore::open(&file).context("the data store")).await?))
}

fn settings(mongodb: &MongoDb) -> Settings {
    Settings {
        host: mongodb.host.expose().to_owned(),
        port: mongodb.port.get(),
        user: mongodb.credentials().map(|(user, password)| (user.to_owned(), password.expose().to_owned())),
        auth_sources: mongodb.auth_sources().into_iter().map(str::to_owned).collect(),
        database: mongodb.database.clone(),
        max_jobs: mongodb.max_jobs,
    }
}

/// The folder of files in the data directory.
pub(super) async fn open_blobs(loaded: &Loaded) -> anyhow::Result<Arc<dyn Blobs>> {
    let folder = loaded.data_directory.join("blobs");
    Ok(Arc::new(blocking(move || FileBlobs::open(&folder).context("the file store")).await?))
}
