//! Where documents, subjects and files are kept.

use std::sync::Arc;

use anyhow::Context;

use super::{authorities, blocking};
use crate::blobs::Blobs;
use crate::blobs::files::FileBlobs;
use crate::config::Loaded;
use crate::config::appliance::PostgreSql;
use crate::config::mongodb::MongoDb;
use crate::config::values::{DatabaseTls, Engine};
use crate::store::Store;
use crate::store::mongodb::{self, MongoStore};
use crate::store::postgresql::{self, PostgresStore, Tls};
use crate::store::sqlite::SqliteStore;

/// The configured store, else the one of the data directory.
pub(super) async fn open(loaded: &Loaded) -> anyhow::Result<Arc<dyn Store>> {
    let config = &loaded.config;
    // Which of two sections counts is decided, and a missing one refused, by the checks of the configuration.
    match (config.engine(), &config.mongodb, &config.appliance.postgresql) {
        (Engine::MongoDb, Some(section), _) => {
            Ok(Arc::new(MongoStore::open(&mongodb(section)).await.context("the data store")?))
        }
        (Engine::PostgreSql, _, Some(section)) => {
            let settings = postgresql(section, authorities(loaded)?);
            Ok(Arc::new(PostgresStore::open(&settings).await.context("the data store")?))
        }
        _ => {
            let file = loaded.data_directory.join("store.db");
            Ok(Arc::new(blocking(move || SqliteStore::open(&file).context("the data store")).await?))
        }
    }
}

fn mongodb(section: &MongoDb) -> mongodb::Settings {
    mongodb::Settings {
        host: section.host.expose().to_owned(),
        port: section.port.get(),
        user: section.credentials().map(|(user, password)| (user.to_owned(), password.expose().to_owned())),
        auth_sources: section.auth_sources().into_iter().map(str::to_owned).collect(),
        database: section.database.clone(),
        max_jobs: section.max_jobs,
    }
}

fn postgresql(section: &PostgreSql, authorities: Option<Vec<u8>>) -> postgresql::Settings {
    postgresql::Settings {
        host: section.host.expose().to_owned(),
        port: section.port.get(),
        user: section.user.clone(),
        password: section.password.expose().clone(),
        database: section.database.clone(),
        schema: section.schema.clone(),
        tls: match section.tls {
            DatabaseTls::Disable => Tls::Disable,
            DatabaseTls::Prefer => Tls::Prefer,
            DatabaseTls::Require => Tls::Require,
            DatabaseTls::VerifyFull => Tls::VerifyFull,
        },
        authorities,
        max_connections: section.max_connections,
    }
}

/// The folder of files in the data directory.
pub(super) async fn open_blobs(loaded: &Loaded) -> anyhow::Result<Arc<dyn Blobs>> {
    let folder = loaded.data_directory.join("blobs");
    Ok(Arc::new(blocking(move || FileBlobs::open(&folder).context("the file store")).await?))
}
