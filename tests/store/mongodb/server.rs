//! A server that is not there, is killed, or asks who comes.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cv3_backend::store::mongodb::{MongoStore, Settings};
use cv3_backend::store::{Room, Store, StoreError};
use mongodb::Client;
use mongodb::bson::doc;
use serde_json::json;

use super::Server;
use crate::suite::{add, all, pairs, source, upserts};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_named_without_the_password() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = Settings {
        host: "127.0.0.1".to_owned(),
        port: nobody,
        user: Some(("ada".to_owned(), "hush".to_owned())),
        auth_sources: vec!["admin".to_owned()],
        database: "cafevariome".to_owned(),
        max_jobs: 1,
    };
    let error = MongoStore::open(&settings).await.unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, StoreError::Unavailable(_)), "{words}");
    assert!(words.contains("MongoDB") && !words.contains("hush"), "{words}");
}

/// A server of the test's own, which may be killed.
struct Own {
    command: Vec<String>,
    data: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

impl Own {
    fn start() -> Option<Self> {
        let command = Server::find()?.0["command"].as_array().cloned();
        let Some(command) = command else {
            println!("store on MongoDB: skipped, the server is not ours to start and stop");
            return None;
        };
        let command = command.iter().map(|word| word.as_str().unwrap().to_owned()).collect();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut own = Self { command, data: tempfile::tempdir().unwrap(), port, child: None };
        own.run(&[]);
        Some(own)
    }

    fn run(&mut self, more: &[&str]) {
        let data = self.data.path().to_str().unwrap();
        let words =
            self.command.iter().map(|w| w.replace("@port", &self.port.to_string()).replace("@data", data));
        let words: Vec<String> = words.chain(more.iter().map(ToString::to_string)).collect();
        let child = Command::new(&words[0])
            .args(&words[1..])
            .current_dir(data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "the server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// As `kill -9` does.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// As its operator does.
    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let asked = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
            assert!(asked.success());
            child.wait().unwrap();
        }
    }

    fn settings(&self, user: Option<(&str, &str)>, sources: &[&str]) -> Settings {
        Settings {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: user.map(|(name, password)| (name.to_owned(), password.to_owned())),
            auth_sources: sources.iter().map(ToString::to_string).collect(),
            database: "cafevariome".to_owned(),
            max_jobs: 2,
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Repeats what is unavailable while a server comes back.
async fn eventually<T>(mut ask: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(StoreError::Unavailable(words)) => assert!(Instant::now() < deadline, "{words}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_comes_back_is_used_again() {
    let Some(mut own) = Own::start() else { return };
    let store = MongoStore::open(&own.settings(None, &[])).await.unwrap();
    let (documents, s) = (store.documents(), source("s"));
    documents.insert(Room::Users, "before", &json!({"userId": "before"})).await.unwrap();
    add(&store, &s, upserts(["a", "b"], 1), false).await;
    own.kill();
    let failed = [
        documents.get(Room::Users, "before").await.map(drop),
        documents.insert(Room::Users, "while", &json!({"userId": "while"})).await,
        store.subjects().scan(&s, 1, None, 10).await.map(drop),
        store.subjects().fold(&s, 1).await,
        store.ping().await,
    ];
    for answer in failed {
        assert!(
            matches!(&answer, Err(StoreError::Unavailable(words)) if words.contains("MongoDB")),
            "{answer:?}"
        );
    }
    own.run(&[]);
    eventually(async || store.ping().await).await;
    // What was acknowledged is there.
    let kept = eventually(async || documents.get(Room::Users, "before").await).await;
    assert!(kept.is_some());
    assert_eq!(all(&store, &s, 1, 10).await, pairs(&[("a", 1), ("b", 1)]));
    store.subjects().fold(&s, 1).await.unwrap();
    documents.insert(Room::Users, "after", &json!({"userId": "after"})).await.unwrap();
    assert_eq!(all(&store, &s, 1, 10).await, pairs(&[("a", 1), ("b", 1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_signs_in_is_looked_for_in_the_database_then_in_admin() {
    let Some(mut own) = Own::start() else { return };
    // A server that knows nobody lets everybody in, and whoever is configured with it.
    let open = own.settings(Some(("anybody", "hush")), &["cafevariome", "admin"]);
    let store = MongoStore::open(&open).await.unwrap();
    store.documents().insert(Room::Users, "u", &json!({"userId": "u"})).await.unwrap();
    drop(store);
    let client = Client::with_uri_str(format!("mongodb://127.0.0.1:{}", own.port)).await.unwrap();
    for (database, name, password) in [("cafevariome", "there", "hush:@/%"), ("admin", "central", "hush")] {
        let make = doc! {
            "createUser": name, "pwd": password, "roles": [{ "role": "readWrite", "db": "cafevariome" }],
        };
        client.database(database).run_command(make).await.unwrap();
    }
    own.stop();
    own.run(&["--auth"]);
    for (name, password) in [("there", "hush:@/%"), ("central", "hush")] {
        let settings = own.settings(Some((name, password)), &["cafevariome", "admin"]);
        let store = MongoStore::open(&settings).await.unwrap();
        assert!(store.documents().get(Room::Users, "u").await.unwrap().is_some(), "{name}");
    }
    let address = Settings {
        host: format!("mongodb://central:hush@127.0.0.1:{}/?authSource=admin", own.port),
        ..own.settings(None, &[])
    };
    MongoStore::open(&address).await.unwrap().ping().await.unwrap();
    for (user, sources) in [
        (Some(("there", "hushhush")), &["cafevariome", "admin"][..]),
        (Some(("central", "hush")), &["cafevariome"][..]),
        (None, &[][..]),
    ] {
        let error = MongoStore::open(&own.settings(user, sources)).await.unwrap_err();
        let words = error.to_string();
        assert!(matches!(error, StoreError::Unavailable(_)), "{words}");
        assert!(words.contains("MongoDB.User") && !words.contains("hush"), "{words}");
    }
}
