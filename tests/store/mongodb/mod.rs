//! What only MongoDB has: a database per test on a server that `tests/services/up` started.
//!
//! Lives here: finding that server and the engine over it; `adoption` holds what the original left, `subjects` what
//! readers and folds do to each other over collections, `server` sign-in and a server that goes and comes back.
//! Where `CV3_TEST_SERVICES` names no such server, a test says so and does nothing.

mod adoption;
mod server;
mod subjects;

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use cv3_backend::store::mongodb::{MongoStore, Settings};
use cv3_backend::store::{Store, StoreError};
use mongodb::bson::Document;
use mongodb::{Client, Collection, Database};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::Engine;

/// What the server of the tests is.
struct Server(Value);

impl Server {
    fn find() -> Option<Self> {
        static SAID: Once = Once::new();
        let services = std::env::var_os("CV3_TEST_SERVICES").and_then(|file| std::fs::read(file).ok());
        let services: Value = serde_json::from_slice(&services.unwrap_or_default()).unwrap_or_default();
        let found = services.get("mongodb").cloned();
        SAID.call_once(|| match &found {
            Some(found) => println!("store: {}", found["version"].as_str().unwrap()),
            None => println!("store on MongoDB: skipped, tests/services/up has started no server"),
        });
        found.map(Self)
    }
}

/// An empty database that goes with the test.
pub struct Fresh {
    settings: Settings,
}

impl Fresh {
    pub fn new() -> Option<Self> {
        Server::find().map(|server| Self::on(server.0["url"].as_str().unwrap()))
    }

    fn on(url: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let database = format!("cv3_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Self {
            settings: Settings {
                host: url.to_owned(),
                port: 0,
                user: None,
                auth_sources: Vec::new(),
                database,
                max_jobs: 4,
            },
        }
    }

    async fn database(&self) -> Database {
        Client::with_uri_str(&self.settings.host).await.unwrap().database(&self.settings.database)
    }

    async fn collection(&self, name: &str) -> Collection<Document> {
        self.database().await.collection(name)
    }
}

impl Engine for Fresh {
    fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        let store = block_in_place(|| Handle::current().block_on(MongoStore::open(&self.settings)))?;
        Ok(Box::new(store))
    }

    fn histories(&self) -> u32 {
        25
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let dropped = async { self.database().await.drop().await };
        let dropped = block_in_place(|| Handle::current().block_on(dropped));
        if let Err(error) = dropped {
            println!("the database {} was not dropped: {error}", self.settings.database);
        }
    }
}
