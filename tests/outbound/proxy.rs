//! Calls to other servers go through the proxy that the environment names, and past it where it says so (specification
//! §3.2).
//!
//! The environment belongs to a whole process, so the calls are made by processes of their own: the program, and this
//! test program asked to make one call (`a_call_of_its_own`).

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use cv3_backend::outbound::Outbound;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const AUTHORITY: &str = include_str!("keys/throw-away-proxied-authority.pem");

/// What whoever is called answers.
const GREETING: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";

/// A forward proxy for tests, not a real one: it answers what it is asked for in the clear by itself, and leads every
/// tunnel to one server.
struct FakeProxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FakeProxy {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behind = server_behind().await;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let heard = heard.clone();
                tokio::spawn(async move {
                    let mut near = BufReader::new(near);
                    let (mut first, mut line) = (String::new(), String::new());
                    let _read = near.read_line(&mut first).await;
                    while near.read_line(&mut line).await.is_ok_and(|read| read > 2) {
                        line.clear();
                    }
                    heard.lock().unwrap().push(first.trim_end().to_owned());
                    if !first.starts_with("CONNECT ") {
                        let _sent = near.write_all(GREETING.as_bytes()).await;
                        return;
                    }
                    let mut far = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
                    let _sent = near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
                    let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { url, asked }
    }

    /// The first lines of what it was asked since the last look.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// Greets over TLS as `id.example.test` and `them.example.test`; answers its port.
async fn server_behind() -> u16 {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let chain = CertificateDer::from_pem_slice(include_bytes!("keys/throw-away-proxied-server.pem")).unwrap();
    let key =
        PrivateKeyDer::from_pem_slice(include_bytes!("keys/throw-away-proxied-server.key.pem")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![chain], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut asked = [0; 4096];
                let _read = stream.read(&mut asked).await;
                let _sent = stream.write_all(GREETING.as_bytes()).await;
                let _ended = stream.shutdown().await;
            });
        }
    });
    port
}

/// Runs a program with these variables and none of ours about proxies; answers all it printed.
async fn run(program: &str, args: Vec<String>, env: &[(&str, &str)]) -> String {
    let env: BTreeMap<String, String> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let program = program.to_owned();
    let ended = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(program);
        let kept = ["PATH", "HOME", "TMPDIR"].map(|name| (name, std::env::var_os(name)));
        command.env_clear().envs(kept.into_iter().filter_map(|(name, value)| Some((name, value?))));
        command.args(args).envs(env).stdin(Stdio::null()).output().unwrap()
    });
    let output = ended.await.unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Has a process of its own call an address; whether it was greeted.
async fn call(url: &str, env: &[(&str, &str)]) -> bool {
    let own = std::env::current_exe().unwrap();
    let args = ["--exact", "proxy::a_call_of_its_own", "--ignored", "--nocapture"].map(str::to_owned);
    let env: Vec<_> = env.iter().copied().chain([("CV3_TEST_CALL", url)]).collect();
    let printed = run(own.to_str().unwrap(), args.into(), &env).await;
    assert!(printed.contains("the call ended"), "{printed}");
    printed.contains("the call ended: hello")
}

#[tokio::test]
#[ignore = "makes one call, for the other tests"]
async fn a_call_of_its_own() {
    let url = std::env::var("CV3_TEST_CALL").unwrap();
    let client = Outbound::new(Some(AUTHORITY.as_bytes())).unwrap();
    let answer = client.send(http::Request::get(url).body(Vec::new()).unwrap()).await;
    let ended = answer.map(|answer| String::from_utf8(answer.into_body()).unwrap());
    println!("the call ended: {}", ended.unwrap_or_else(|error| error.to_string()));
}

/// The address that a peer is asked at.
const PEER: &str = "them.example.test/federation/";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_called_through_the_proxy_of_its_scheme_in_either_case() {
    let (plain, tunnel) = (FakeProxy::new().await, FakeProxy::new().await);
    for (http, https) in [("HTTP_PROXY", "HTTPS_PROXY"), ("http_proxy", "https_proxy")] {
        let env = [(http, plain.url.as_str()), (https, tunnel.url.as_str())];
        assert!(call(&format!("http://{PEER}"), &env).await);
        assert_eq!(plain.asked(), [format!("GET http://{PEER} HTTP/1.1")]);
        assert!(tunnel.asked().is_empty());
        // What is said over TLS is said to the peer: the proxy learns its name alone.
        assert!(call(&format!("https://{PEER}"), &env).await);
        assert_eq!(tunnel.asked(), ["CONNECT them.example.test:443 HTTP/1.1"]);
        assert!(plain.asked().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_proxy_names_and_loopback_are_called_past_it() {
    let proxy = FakeProxy::new().await;
    let url = proxy.url.as_str();
    for (name, value) in [("NO_PROXY", "them.example.test"), ("no_proxy", "other.test, .example.test")] {
        let env = [("HTTP_PROXY", url), ("HTTPS_PROXY", url), (name, value)];
        for scheme in ["http", "https"] {
            assert!(
                !call(&format!("{scheme}://{PEER}"), &env).await,
                "there is no such host, so nobody greets"
            );
        }
        assert!(proxy.asked().is_empty(), "{name}={value}");
        // Somebody else is called through it as before.
        assert!(call("http://elsewhere.test/", &env).await);
        assert_eq!(proxy.asked(), ["GET http://elsewhere.test/ HTTP/1.1"]);
    }
    let server = FakeProxy::new().await;
    let env = [("HTTP_PROXY", url), ("ALL_PROXY", url)];
    assert!(call(&format!("{}/", server.url), &env).await);
    assert_eq!(server.asked(), ["GET / HTTP/1.1"], "asked as a server, not as a proxy");
    assert!(proxy.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_looks_for_keycloak_through_the_proxy() {
    let proxy = FakeProxy::new().await;
    let folder = tempfile::tempdir().unwrap();
    let authority =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outbound/keys/throw-away-proxied-authority.pem");
    let list = async |scheme: &str, env: &[(&str, &str)]| {
        let config = serde_json::json!({
            "Keycloak": {"URL": format!("{scheme}://id.example.test"), "Realm": "rare", "Client": "c", "ClientSecret": "s"},
            "Appliance": {"Outbound": {"CertificateAuthorities": authority}},
        });
        let file = folder.path().join("config.json");
        std::fs::write(&file, config.to_string()).unwrap();
        let words = ["user", "list", "--config", file.to_str().unwrap(), "--data"];
        let mut args: Vec<String> = words.map(str::to_owned).into();
        args.push(folder.path().join("data").to_str().unwrap().to_owned());
        run(env!("CARGO_BIN_EXE_cv3-backend"), args, env).await
    };
    let url = proxy.url.as_str();
    let printed = list("http", &[("HTTP_PROXY", url)]).await;
    let discovery = "GET http://id.example.test/realms/rare/.well-known/openid-configuration HTTP/1.1";
    assert!(proxy.asked().iter().any(|line| line == discovery), "{printed}");
    let printed = list("https", &[("HTTPS_PROXY", url)]).await;
    let asked = proxy.asked();
    assert!(asked.iter().all(|line| line == "CONNECT id.example.test:443 HTTP/1.1"), "{asked:?}");
    assert!(!asked.is_empty() && !printed.contains("certificate"), "{printed}");
    for env in
        [[("HTTP_PROXY", url), ("NO_PROXY", "id.example.test")], [("HTTPS_PROXY", url), ("NO_PROXY", "*")]]
    {
        list("http", &env).await;
        assert!(proxy.asked().is_empty(), "{env:?}");
    }
}
