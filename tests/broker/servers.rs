//! The Redis servers of the tests: those that `tests/services/up` started, and ones a test starts and kills itself.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cv3_backend::broker::Broker;
use cv3_backend::broker::redis::{RedisBroker, RedisSettings, Time};
use cv3_backend::domain::clock::{Clock, FixedClock, SystemClock};
use serde_json::Value;

use crate::Rig;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An installation on a real server, under names of its own that are removed when it is dropped.
pub struct RedisRig {
    pub settings: RedisSettings,
    pub clock: Arc<FixedClock>,
}

impl RedisRig {
    /// On the single server.
    pub fn single() -> Option<Self> {
        let found = found("redis")?;
        Some(Self::new(RedisSettings {
            port: port(&found["port"]),
            user: text(&found["user"]),
            password: text(&found["password"]),
            ..plain(&text(&found["host"]))
        }))
    }

    /// On the same server, encrypted.
    pub fn encrypted() -> Option<Self> {
        let found = found("redis")?;
        let rig = Self::single()?;
        let authorities = std::fs::read(text(&found["authority"])).unwrap();
        Some(Self::new(RedisSettings {
            host: "localhost".to_owned(),
            port: port(&found["tlsPort"]),
            tls: true,
            authorities: Some(authorities),
            ..rig.settings.clone()
        }))
    }

    /// On the cluster.
    pub fn cluster() -> Option<Self> {
        let found = found("redis-cluster")?;
        Some(Self::new(RedisSettings { cluster: true, ..plain(&text(&found["hosts"])) }))
    }

    pub fn new(settings: RedisSettings) -> Self {
        let namespace = format!("test-{}", uuid::Uuid::new_v4());
        let settings = RedisSettings { namespace, ..settings };
        Self { settings, clock: Arc::new(FixedClock::at(SystemClock.now())) }
    }

    /// One more broker that goes by the server's time.
    pub async fn open_with_its_time(&self) -> RedisBroker {
        RedisBroker::open(self.settings.clone(), Time::Server).await.unwrap()
    }
}

impl Rig for RedisRig {
    fn open(&self) -> Arc<dyn Broker> {
        let time = Time::Clock(Arc::clone(&self.clock) as _);
        let opening = RedisBroker::open(self.settings.clone(), time);
        let opened = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(opening));
        Arc::new(opened.unwrap())
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

impl Drop for RedisRig {
    fn drop(&mut self) {
        for mut connection in connections(&self.settings) {
            let mut scan = redis::cmd("SCAN");
            let pattern = format!("cv3b:{}:*", self.settings.namespace);
            scan.cursor_arg(0).arg("MATCH").arg(pattern).arg("COUNT").arg(1_000);
            let keys: Vec<Vec<u8>> = match scan.iter(&mut connection) {
                Ok(keys) => keys.filter_map(Result::ok).collect(),
                Err(_) => continue,
            };
            for key in keys {
                let _ = redis::cmd("UNLINK").arg(key).exec(&mut connection);
            }
        }
    }
}

/// Settings for a server without a password.
pub fn plain(host: &str) -> RedisSettings {
    RedisSettings {
        host: host.to_owned(),
        port: 6379,
        cluster: false,
        user: String::new(),
        password: String::new(),
        tls: false,
        authorities: None,
        namespace: String::new(),
    }
}

/// Blocking connections to each node, for what a test looks at behind the broker's back; encrypted ones are left out.
pub fn connections(settings: &RedisSettings) -> Vec<redis::Connection> {
    let credentials = match settings.password.as_str() {
        "" => String::new(),
        password => format!("{}:{password}@", settings.user),
    };
    let hosts = settings.host.split(',').filter(|_| !settings.tls).map(|host| match host.contains(':') {
        true => host.to_owned(),
        false => format!("{host}:{}", settings.port),
    });
    let open = |host: String| redis::Client::open(format!("redis://{credentials}{host}/")).unwrap();
    hosts.filter_map(|host| open(host).get_connection_with_timeout(PATIENCE).ok()).collect()
}

fn found(name: &str) -> Option<Value> {
    let services = std::env::var_os("CV3_TEST_SERVICES").and_then(|file| std::fs::read(file).ok());
    let services: Value = serde_json::from_slice(&services.unwrap_or_default()).unwrap_or_default();
    let found = services.get(name).cloned();
    match &found {
        Some(found) => println!("{name}: a real server, {}", text(&found["version"])),
        None => println!("{name}: skipped, tests/services/up has started none"),
    }
    found
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn port(value: &Value) -> u16 {
    value.as_u64().unwrap().try_into().unwrap()
}

/// A server of a test's own, which keeps what it acknowledged; killed when it is dropped.
pub struct Own {
    data: tempfile::TempDir,
    pub port: u16,
    settings: Vec<String>,
    running: Option<Child>,
}

/// Of the single servers that tests start.
pub const PASSWORD: &str = "correct-horse";

impl Own {
    /// Not started yet; `None` where there is no Redis on this host.
    pub fn new() -> Option<Self> {
        Self::with(&["--requirepass", PASSWORD])
    }

    fn with(settings: &[&str]) -> Option<Self> {
        if Command::new("redis-server").arg("--version").output().is_err() {
            println!("redis-server is not present, skipped");
            return None;
        }
        let settings = settings.iter().map(|word| (*word).to_owned()).collect();
        Some(Self { data: tempfile::tempdir().unwrap(), port: free_port(), settings, running: None })
    }

    /// Starts it on its data and waits until it listens.
    pub fn start(&mut self) {
        let mut server = Command::new("redis-server");
        server.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""]);
        server.args(["--appendonly", "yes", "--appendfsync", "always"]).args(&self.settings);
        let child = server.arg("--dir").arg(self.data.path()).stdout(Stdio::null()).stderr(Stdio::null());
        self.running = Some(child.spawn().unwrap());
        patiently("redis-server", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn settings(&self) -> RedisSettings {
        RedisSettings { port: self.port, password: PASSWORD.to_owned(), ..plain("127.0.0.1") }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three servers of a test's own that are a cluster; what one has is away while that one is.
pub fn own_cluster() -> Option<Vec<Own>> {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let port = free_port().to_string();
        let settings =
            ["--cluster-enabled", "yes", "--cluster-port", &port, "--cluster-node-timeout", "2000"];
        let more = ["--cluster-require-full-coverage", "no"];
        let mut node = Own::with(&[&settings[..], &more].concat())?;
        node.start();
        nodes.push(node);
    }
    let mut create = Command::new("redis-cli");
    create.args(["--cluster", "create", "--cluster-yes"]);
    create.args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)));
    let created = create.output().unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
    patiently("a cluster", || nodes.iter().all(knows_all));
    Some(nodes)
}

fn knows_all(node: &Own) -> bool {
    let mut ask = Command::new("redis-cli");
    let said = ask.args(["-p", &node.port.to_string(), "cluster", "info"]).output().unwrap().stdout;
    let said = String::from_utf8_lossy(&said);
    ["cluster_state:ok", "cluster_slots_ok:16384"].iter().all(|line| said.contains(line))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn patiently(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "{what} does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
}
