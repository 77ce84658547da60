//! An installation whose jobs, locks and notices go through a real Redis: one server, a cluster, and one that goes away.
//!
//! Where `CV3_TEST_SERVICES` names none, or this host has no `redis-server`, a test says so and does nothing.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use reqwest::Method;
use serde_json::{Value, json};

use crate::oracle::made_packets;
use crate::support::client::Reply;
use crate::support::{Client, Installation, Node, eventually, steps};

/// What `tests/services/up` started under a name.
pub fn found(name: &str) -> Option<Value> {
    let services = std::env::var_os("CV3_TEST_SERVICES").and_then(|file| std::fs::read(file).ok());
    let services: Value = serde_json::from_slice(&services.unwrap_or_default()).unwrap_or_default();
    let found = services.get(name).cloned();
    match &found {
        Some(found) => println!("{name}: a real server, {}", found["version"]),
        None => println!("{name}: skipped, tests/services/up has started none"),
    }
    found
}

/// Removes what an earlier run left under our names, those of other tests apart.
pub fn sweep(url: &str) {
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    let mut scan = redis::cmd("SCAN");
    scan.cursor_arg(0).arg("MATCH").arg("cv3b:*").arg("COUNT").arg(1_000);
    let keys: Vec<String> = scan.iter(&mut connection).unwrap().map(Result::unwrap).collect();
    for key in keys.iter().filter(|key| !key.starts_with("cv3b:test-")) {
        redis::cmd("UNLINK").arg(key).exec(&mut connection).unwrap();
    }
}

fn configured(redis: &Value) -> Installation {
    let installation = Installation::empty();
    installation.configure(json!({"Redis": redis}));
    installation.add_user("developer", "ada");
    installation
}

/// Uploads packets into a new source that ada sees, and answers its id.
pub async fn source_with(client: &Client, packets: &[(String, Value)]) -> String {
    let bytes: Vec<u8> = packets.iter().flat_map(|(_, packet)| format!("{packet}\n").into_bytes()).collect();
    let source = steps::source(client, "over Redis").await;
    let pipeline = steps::file_pipeline(client, "").await;
    let file = steps::upload_in(client, &source, "packets.jsonl", &bytes, &[2, 1, 2, 3]).await;
    steps::read_in(client, &source, &pipeline, &[file]).await;
    steps::indexed(client, &source, packets.len()).await;
    steps::grant(client, "list", &[&client.user_id], &[&source]).await;
    source
}

/// Asks for those with seizures and compares with a look at the packets.
pub async fn answers(client: &Client, source: &str, packets: &[(String, Value)]) {
    let answer = steps::ask_one(client, source, &json!({"hpo": [{"terms": ["HP:0001250"]}]})).await;
    let has = |packet: &Value| {
        let features = packet["phenotypicFeatures"].as_array().unwrap();
        features.iter().any(|feature| feature["type"]["id"] == "HP:0001250" && feature["excluded"] != true)
    };
    let expected: Vec<&str> = packets
        .iter()
        .filter(|(_, packet)| has(packet))
        .map(|(_, packet)| packet["id"].as_str().unwrap())
        .collect();
    assert!(!expected.is_empty());
    assert_eq!(steps::ids(&answer), expected);
}

/// Four processes of one installation: what each service is started as, and ada at the two interfaces.
pub struct Apart {
    pub manager: Node,
    pub compiler: Node,
    pub admin: Node,
    pub query: Node,
    pub ada: Client,
}

impl Apart {
    pub async fn start(installation: &Installation) -> Self {
        let manager = installation.serve().services("database-manager,scheduler").start().await;
        let compiler = installation.called("cv3-backend-query-compiler").spawn();
        let admin = installation.called("cv3-backend-admin").start().await;
        let query = installation.called("cv3-backend-query").start().await;
        let base = |address: &String| format!("http://{address}");
        let (api, asked) = (base(&admin.addresses["admin"]), base(&query.addresses["query"]));
        let ada = Client::sign_in(&installation.base(), api, asked, "ada").await;
        Self { manager, compiler, admin, query, ada }
    }

    /// Kills those that only read, and stops the others.
    pub async fn end(self) {
        self.query.kill();
        self.compiler.kill();
        self.admin.stop().await;
        self.manager.stop().await;
    }
}

async fn four_processes_are_one_installation(redis: &Value) {
    let installation = configured(redis);
    let Apart { manager, compiler, admin, query, ada: client } = Apart::start(&installation).await;
    let packets = made_packets(120);
    let source = source_with(&client, &packets).await;
    answers(&client, &source, &packets).await;
    assert!(!installation.data().join("jobs.db").exists(), "jobs are in Redis alone");
    for node in [compiler, query, admin, manager] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_jobs_over_one_server() {
    let Some(found) = found("redis") else { return };
    let text = |name: &str| found[name].as_str().unwrap();
    // A database of its own, named as an address.
    let url = format!("redis://{}:{}@{}:{}/5", text("user"), text("password"), text("host"), found["port"]);
    sweep(&url);
    four_processes_are_one_installation(&json!({"Host": url})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_jobs_over_a_cluster() {
    let Some(found) = found("redis-cluster") else { return };
    let hosts = found["hosts"].as_str().unwrap();
    hosts.split(',').for_each(|host| sweep(&format!("redis://{host}/")));
    four_processes_are_one_installation(&json!({"Host": hosts, "Cluster": true})).await;
}

/// A server that keeps what it acknowledged; killed when it is dropped.
struct Own {
    folder: tempfile::TempDir,
    port: u16,
    running: Option<Child>,
}

impl Own {
    async fn start(&mut self) {
        let mut server = Command::new("redis-server");
        server.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""]);
        server.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(self.folder.path());
        self.running = Some(server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let port = self.port;
        eventually("redis-server", || async { TcpStream::connect(("127.0.0.1", port)).ok() }).await;
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_questions_are_refused_and_pages_are_read() {
    if Command::new("redis-server").arg("--version").output().is_err() {
        println!("redis-server is not present, skipped");
        return;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut own = Own { folder: tempfile::tempdir().unwrap(), port, running: None };
    own.start().await;
    let installation = configured(&json!({"Port": port}));
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let packets = made_packets(40);
    let source = source_with(&ada, &packets).await;
    answers(&ada, &source, &packets).await;

    own.kill();
    let question = json!({"hpo": [{"terms": ["HP:0001250"]}]});
    let refused = Reply::of(ada.query(Method::POST, "/record/").await.json(&question)).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_eq!(ada.get("/sources/").await.status, 200);
    let ready = async || reqwest::get(format!("{}/readyz", installation.base())).await.unwrap().status();
    assert_eq!(ready().await, 503);

    // Nothing is started anew on our side.
    own.start().await;
    eventually("readiness", || async { (ready().await == 200).then_some(()) }).await;
    answers(&ada, &source, &packets).await;
    node.stop().await;
}
