//! What only PostgreSQL has: a schema per test on a server that `tests/services/up` started.
//!
//! Lives here: finding that server and the engine over it; `schema` holds what is in the database, `subjects` what is left
//! of states, `server` sign-in, TLS and a server that goes and comes back.
//! Where `CV3_TEST_SERVICES` names no such server, a test says so and does nothing.

mod schema;
mod server;
mod subjects;

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use cv3_backend::store::postgresql::{PostgresStore, Settings, Tls};
use cv3_backend::store::{Store, StoreError};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use tokio_postgres::{Client, NoTls};

use crate::Engine;

/// What the server of the tests is.
struct Server(Value);

impl Server {
    fn find() -> Option<Self> {
        static SAID: Once = Once::new();
        let services = std::env::var_os("CV3_TEST_SERVICES").and_then(|file| std::fs::read(file).ok());
        let services: Value = serde_json::from_slice(&services.unwrap_or_default()).unwrap_or_default();
        let found = services.get("postgresql").cloned();
        SAID.call_once(|| match &found {
            Some(found) => println!("store: {}", found["version"].as_str().unwrap()),
            None => println!("store on PostgreSQL: skipped, tests/services/up has started no server"),
        });
        found.map(Self)
    }

    fn url(&self) -> &str {
        self.0["url"].as_str().unwrap()
    }
}

/// An empty schema that goes with the test.
pub struct Fresh {
    settings: Settings,
}

impl Fresh {
    pub fn new() -> Option<Self> {
        Server::find().map(|server| Self::on(server.url()))
    }

    fn on(url: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // A name that has to be quoted.
        let schema = format!("CV3 test {} {}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Self {
            settings: Settings {
                host: url.to_owned(),
                port: 0,
                user: String::new(),
                password: String::new(),
                database: String::new(),
                schema,
                tls: Tls::Disable,
                authorities: None,
                max_connections: 6,
            },
        }
    }

    async fn store(&self) -> PostgresStore {
        PostgresStore::open(&self.settings).await.unwrap()
    }

    /// A session in the schema, beside the store.
    async fn session(&self) -> Client {
        let session = session(&self.settings.host).await;
        session.batch_execute(&format!("SET search_path = \"{}\"", self.settings.schema)).await.unwrap();
        session
    }

    /// The one number that a statement answers.
    async fn number(&self, sql: &str) -> i64 {
        self.session().await.query_one(sql, &[]).await.unwrap().get(0)
    }
}

async fn session(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

impl Engine for Fresh {
    fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        let store = block_in_place(|| Handle::current().block_on(PostgresStore::open(&self.settings)))?;
        Ok(Box::new(store))
    }

    fn histories(&self) -> u32 {
        40
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let drop = format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.settings.schema);
        let dropped = async { session(&self.settings.host).await.batch_execute(&drop).await };
        let dropped = block_in_place(|| Handle::current().block_on(dropped));
        if let Err(error) = dropped {
            println!("the schema {} was not dropped: {error}", self.settings.schema);
        }
    }
}
