//! The server of the tests, and one that a test may seal and stop.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use cv3_backend::outbound::Outbound;
use serde_json::{Value, json};
use tokio::time::Instant;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something is so.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    let until = Instant::now() + PATIENCE;
    while !so().await {
        assert!(Instant::now() < until, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A Vault, seen by its owner.
#[derive(Clone)]
pub struct Server {
    pub url: String,
    token: String,
    binary: String,
    http: Outbound,
}

impl Server {
    /// The one of `tests/services/up`.
    pub fn find() -> Option<Self> {
        static SAID: Once = Once::new();
        let services = std::env::var_os("CV3_TEST_SERVICES").and_then(|file| std::fs::read(file).ok());
        let services: Value = serde_json::from_slice(&services.unwrap_or_default()).unwrap_or_default();
        let Some(found) = services.get("openbao") else {
            SAID.call_once(|| println!("vault: skipped, tests/services/up has started no OpenBao"));
            return None;
        };
        SAID.call_once(|| println!("vault: {}", found["version"]));
        let text = |key: &str| found[key].as_str().unwrap().to_owned();
        Some(Self {
            url: text("url"),
            token: text("token"),
            binary: text("binary"),
            http: Outbound::new(None).unwrap(),
        })
    }

    /// A request with the root token; the status and what was answered.
    pub async fn root(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.tried(method, path, body).await.unwrap_or_else(|| panic!("{method} {path}: nobody answers"))
    }

    async fn tried(&self, method: &str, path: &str, body: Value) -> Option<(u16, Value)> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}/v1/{path}", self.url))
            .header("X-Vault-Token", &self.token)
            .body(body)
            .unwrap();
        let answer = self.http.send(request).await.ok()?;
        let status = answer.status().as_u16();
        Some((status, serde_json::from_slice(answer.body()).unwrap_or_default()))
    }

    /// A change that has to succeed.
    pub async fn made(&self, path: &str, body: Value) {
        let (status, answer) = self.root("POST", path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
    }

    /// Waits until something can be read.
    pub async fn until(&self, path: &str) {
        let readable = || async {
            matches!(self.tried("GET", path, Value::Null).await, Some((status, _)) if status == 200)
        };
        eventually(path, readable).await;
    }
}

/// A server of a test's own.
pub struct Own {
    pub server: Server,
    port: u16,
    child: Child,
    unseal_key: String,
    _folder: tempfile::TempDir,
}

impl Own {
    pub async fn start(like: &Server) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_at(like, port).await
    }

    async fn start_at(like: &Server, port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let said = folder.path().join("said");
        let child = Command::new(&like.binary)
            .args(["server", "-dev", "-dev-no-store-token", "-dev-root-token-id=root", "-log-level=warn"])
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&said).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let server = Server { url, token: "root".into(), ..like.clone() };
        server.until("sys/mounts").await;
        let mut unseal_key = String::new();
        eventually("the key that unseals", || {
            let text = std::fs::read_to_string(&said).unwrap();
            let key = text.lines().find_map(|line| line.strip_prefix("Unseal Key: "));
            unseal_key = key.unwrap_or_default().trim().to_owned();
            let there = !unseal_key.is_empty();
            async move { there }
        })
        .await;
        server.made("sys/auth/approle", json!({"type": "approle"})).await;
        Self { server, port, child, unseal_key, _folder: folder }
    }

    pub async fn seal(&self) {
        self.server.made("sys/seal", json!({})).await;
    }

    pub async fn unseal(&self) {
        let (status, answer) = self.server.root("POST", "sys/unseal", json!({"key": self.unseal_key})).await;
        assert!(status == 200 && answer["sealed"] == false, "{answer}");
    }

    pub fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Another one at the same address, which has forgotten everything.
    pub async fn start_anew(&mut self) {
        *self = Self::start_at(&self.server.clone(), self.port).await;
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
