//! A server that is not there, is killed, asks who comes, or shows a certificate.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cv3_backend::store::postgresql::{PostgresStore, Settings, Tls};
use cv3_backend::store::{Room, Store, StoreError};
use serde_json::json;

use super::{Fresh, Server};
use crate::suite::{add, all, pairs, source, upserts};

const PASSWORD: &str = "hush:@/%";

fn settings(port: u16, password: &str) -> Settings {
    Settings {
        host: "127.0.0.1".to_owned(),
        port,
        user: "cv3".to_owned(),
        password: password.to_owned(),
        database: "cv3".to_owned(),
        schema: "cv3".to_owned(),
        tls: Tls::Prefer,
        authorities: None,
        max_connections: 4,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_named_without_the_password() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = PostgresStore::open(&settings(nobody, PASSWORD)).await.unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, StoreError::Unavailable(_)), "{words}");
    assert!(words.contains("PostgreSQL.Host") && !words.contains("hush"), "{words}");
}

/// Something that takes connections and never says a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let begun = Instant::now();
    let opened = PostgresStore::open(&settings(silent.local_addr().unwrap().port(), PASSWORD)).await;
    assert!(
        matches!(&opened, Err(StoreError::Unavailable(words)) if words.contains("PostgreSQL")),
        "{opened:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(30));
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
            println!("store on PostgreSQL: skipped, the server is not ours to start and stop");
            return None;
        };
        let command = command.iter().map(|word| word.as_str().unwrap().to_owned()).collect();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut own = Self { command, data: tempfile::tempdir().unwrap(), port, child: None };
        own.run();
        Some(own)
    }

    /// Starts it, again and again where processes of one that was killed are still ending.
    fn run(&mut self) {
        let data = self.data.path().to_str().unwrap();
        let words =
            self.command.iter().map(|w| w.replace("@port", &self.port.to_string()).replace("@data", data));
        let socket = ["-c".to_owned(), format!("unix_socket_directories={data}")];
        let words: Vec<String> = words.chain(socket).collect();
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            let child = Command::new(&words[0])
                .args(&words[1..])
                .env("CV3_TEST_POSTGRESQL_PASSWORD", PASSWORD)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            let child = self.child.insert(child.unwrap());
            while child.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                    return;
                }
                assert!(Instant::now() < deadline, "the server does not start");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        panic!("the server ends at once");
    }

    /// As `kill -9` does, of the server and of the processes it has for its sessions, which outlive it for a moment.
    fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let sessions: Vec<String> =
            processes().filter(|(_, parent)| *parent == child.id()).map(|(pid, _)| pid).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let left =
            || processes().filter(|(pid, _)| sessions.contains(pid)).map(|(pid, _)| pid).collect::<Vec<_>>();
        while let Some(pid) = left().first() {
            assert!(Instant::now() < deadline, "a session does not end");
            let _ = Command::new("kill").args(["-KILL", pid]).stderr(Stdio::null()).status();
        }
    }
}

/// The processes that run, each with its parent.
fn processes() -> impl Iterator<Item = (String, u32)> {
    std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid = entry.unwrap().file_name().into_string().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // After the program's name: the state and the parent.
        let mut after = stat.rsplit_once(')')?.1.split_whitespace();
        let running = after.next()? != "Z";
        Some((pid, after.next()?.parse().ok()?)).filter(|_| running)
    })
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
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_comes_back_is_used_again() {
    let Some(mut own) = Own::start() else { return };
    let store = eventually(async || PostgresStore::open(&settings(own.port, PASSWORD)).await).await;
    let (documents, s) = (store.documents(), source("s"));
    documents.insert(Room::Users, "before", &json!({"userId": "before"})).await.unwrap();
    add(&store, &s, upserts(["a", "b"], 1), false).await;
    store.subjects().stage(&s, 2, upserts(["c"], 2)).await.unwrap();
    own.kill();
    let failed = [
        documents.get(Room::Users, "before").await.map(drop),
        documents.insert(Room::Users, "while", &json!({"userId": "while"})).await,
        store.subjects().scan(&s, 1, None, 10).await.map(drop),
        store.subjects().stage(&s, 2, upserts(["d"], 2)).await,
        store.subjects().fold(&s, 1).await,
        store.ping().await,
    ];
    for answer in failed {
        assert!(
            matches!(&answer, Err(StoreError::Unavailable(words)) if words.contains("PostgreSQL") && !words.contains("hush")),
            "{answer:?}"
        );
    }
    own.run();
    eventually(async || store.ping().await).await;
    // What was acknowledged is there, and what was staged is whole.
    let kept = eventually(async || documents.get(Room::Users, "before").await).await;
    assert!(kept.is_some());
    assert_eq!(all(&store, &s, 1, 10).await, pairs(&[("a", 1), ("b", 1)]));
    store.subjects().fold(&s, 1).await.unwrap();
    store.subjects().commit(1, &crate::suite::manifest(&s, 2)).await.unwrap();
    documents.insert(Room::Users, "after", &json!({"userId": "after"})).await.unwrap();
    assert_eq!(all(&store, &s, 2, 10).await, pairs(&[("a", 1), ("b", 1), ("c", 2)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_an_operator_ends_are_replaced() {
    let Some(own) = Own::start() else { return };
    let store = eventually(async || PostgresStore::open(&settings(own.port, PASSWORD)).await).await;
    store.documents().insert(Room::Users, "u", &json!({"userId": "u"})).await.unwrap();
    let address = format!("postgres://cv3:hush%3A%40%2F%25@127.0.0.1:{}/cv3", own.port);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'cv3-backend'";
    let ended: i64 = super::session(&address).await.query_one(end, &[]).await.unwrap().get(0);
    assert!(ended > 0);
    let found = eventually(async || store.documents().get(Room::Users, "u").await).await;
    assert!(found.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_let_in_is_told_which_settings_to_look_at() {
    let Some(own) = Own::start() else { return };
    let right = settings(own.port, PASSWORD);
    drop(eventually(async || PostgresStore::open(&right).await).await);
    for wrong in [
        Settings { password: "hush hush".to_owned(), ..right.clone() },
        Settings { password: String::new(), ..right.clone() },
        Settings { user: "nobody-here".to_owned(), ..right.clone() },
        Settings { database: "no-such".to_owned(), ..right.clone() },
        // There the user may make no schema.
        Settings { database: "postgres".to_owned(), ..right.clone() },
    ] {
        let words = match PostgresStore::open(&wrong).await {
            Err(StoreError::Unavailable(words)) => words,
            other => panic!("{other:?}"),
        };
        assert!(words.contains("PostgreSQL.User") && !words.contains("hush"), "{words}");
    }
    let socket = own.data.path().to_str().unwrap().to_owned();
    for tls in [Tls::Prefer, Tls::Require] {
        let by_socket = Settings { host: socket.clone(), tls, ..right.clone() };
        PostgresStore::open(&by_socket).await.unwrap().ping().await.unwrap();
    }
    // Who owns the schema needs no other right.
    let narrow = Settings { database: "narrow".to_owned(), ..right.clone() };
    let store = PostgresStore::open(&narrow).await.unwrap();
    add(&store, &source("s"), upserts(["a"], 1), false).await;
    store.subjects().drop_source(&source("s")).await.unwrap();
    PostgresStore::open(&Settings { schema: "other".to_owned(), ..narrow }).await.unwrap_err();
    let address = format!("postgres://cv3:hush%3A%40%2F%25@127.0.0.1:{}/cv3", own.port);
    let by_address = Settings { host: address, user: String::new(), password: String::new(), ..right };
    PostgresStore::open(&by_address).await.unwrap().ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_checked_for_the_host_where_that_is_wanted() {
    let Some(server) = Server::find() else { return };
    let Some(authority) = server.0["authority"].as_str() else {
        println!("store on PostgreSQL: skipped, the server has no certificate of ours");
        return;
    };
    let authority = std::fs::read(authority).unwrap();
    let Some(fresh) = Fresh::new() else { return };
    let with = |tls: Tls, host: &str, authorities: Option<&[u8]>| Settings {
        host: fresh.settings.host.replace("localhost", host),
        tls,
        authorities: authorities.map(<[u8]>::to_vec),
        ..fresh.settings.clone()
    };
    // No other test encrypts.
    let sessions = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl \
                    AND application_name = 'cv3-backend'";
    for (settings, encrypted) in [
        (with(Tls::Disable, "127.0.0.1", None), false),
        (with(Tls::Prefer, "127.0.0.1", None), true),
        (with(Tls::Require, "127.0.0.1", None), true),
        (with(Tls::VerifyFull, "localhost", Some(&authority)), true),
    ] {
        let store = PostgresStore::open(&settings).await.unwrap();
        store.ping().await.unwrap();
        assert_eq!(fresh.number(sessions).await > 0, encrypted, "{:?}", settings.tls);
        drop(store);
        eventually(async || match fresh.number(sessions).await {
            0 => Ok(()),
            _ => Err(StoreError::Unavailable("sessions are still there".to_owned())),
        })
        .await;
    }
    for settings in
        [with(Tls::VerifyFull, "127.0.0.1", Some(&authority)), with(Tls::VerifyFull, "localhost", None)]
    {
        let refused = PostgresStore::open(&settings).await.unwrap_err().to_string();
        assert!(refused.contains("PostgreSQL.TLS"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls_is_refused_where_it_is_required() {
    let Some(own) = Own::start() else { return };
    let plain = settings(own.port, PASSWORD);
    drop(eventually(async || PostgresStore::open(&plain).await).await);
    let refused = PostgresStore::open(&Settings { tls: Tls::Require, ..plain }).await.unwrap_err();
    assert!(refused.to_string().contains("PostgreSQL.TLS"), "{refused}");
}
