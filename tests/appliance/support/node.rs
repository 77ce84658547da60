//! An installation: its folder, its port, its accounts, and the processes that serve it.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{Client, eventually};

/// Lines of a log shown when a test fails.
const TAIL: usize = 60;

/// Of every account made here.
pub const PASSWORD: &str = "seventeen quiet herons";

/// The binary under test.
pub fn binary() -> PathBuf {
    std::env::var_os("CV3_TEST_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_cv3-backend").into(), PathBuf::from)
}

/// A fresh installation; its folder goes when it is dropped.
pub struct Installation {
    folder: TempDir,
    /// Of the front door; the same after each start, so that tokens stay valid.
    pub port: u16,
}

impl Installation {
    /// An installation with nothing in it, not even an account.
    pub fn empty() -> Self {
        // Several tests of one process may ask at the same time; a second caller finds the provider in place.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::Builder::new().prefix("cv3-appliance-").tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let base = format!("http://127.0.0.1:{port}");
        let config = serde_json::json!({"Appliance": {"PublicURL": base}});
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        Self { folder, port }
    }

    /// An installation with the developer `ada`.
    pub fn new() -> Self {
        let new = Self::empty();
        new.add_user("developer", "ada");
        new
    }

    /// Replaces the configuration file; the public address is kept.
    pub fn configure(&self, mut config: Value) {
        config["Appliance"]["PublicURL"] = self.base().into();
        std::fs::write(self.folder.path().join("config.json"), config.to_string()).unwrap();
    }

    /// Writes something as the configuration file that is none.
    pub fn misconfigure(&self, text: &str) {
        std::fs::write(self.folder.path().join("config.json"), text).unwrap();
    }

    /// The folder that everything of this installation lies in.
    pub fn beside(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Address of the front door.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Runs the operator's tool and answers what it printed.
    pub fn tool(&self, args: &[&str], input: &str) -> String {
        let output = self.run_tool(args, &[], input);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?} ended with {}: {said}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same where the tool may refuse: whether it succeeded, and what it printed.
    pub fn try_tool(&self, args: &[&str]) -> (bool, String) {
        let output = self.run_tool(args, &[], "");
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    /// The same with variables in the environment; what it said about its work comes last.
    pub fn try_tool_with(&self, args: &[&str], env: &[(&str, &str)]) -> (bool, String, String) {
        let output = self.run_tool(args, env, "");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }

    fn run_tool(&self, args: &[&str], env: &[(&str, &str)], input: &str) -> Output {
        let mut tool = self.command(&binary());
        tool.args(args)
            .envs(env.iter().copied())
            .arg("--data")
            .arg(self.data())
            .arg("--config")
            .arg(self.folder.path().join("config.json"));
        tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = tool.spawn().unwrap();
        let mut typed = child.stdin.take().unwrap();
        // One that ends before it has read what is typed says itself how that went.
        match typed.write_all(input.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("{args:?}: {error}"),
            _ => drop(typed),
        }
        child.wait_with_output().unwrap()
    }

    /// Makes an account whose password is [`PASSWORD`].
    pub fn add_user(&self, role: &str, name: &str) {
        let email = format!("{name}@example.org");
        let args = ["user", "add", "--role", role, "--email", &email, "--username", name, "--password-stdin"];
        self.tool(&args, &format!("{PASSWORD}\n"));
    }

    /// Every service in one process, not started yet.
    pub fn serve(&self) -> Launch<'_> {
        let args = vec!["serve".into()];
        let launch = Launch { installation: self, program: binary(), args, env: BTreeMap::new() };
        // One address is enough, and no other node's port can be in the way.
        launch.set("Appliance.ServicePorts", "false")
    }

    /// The service a process becomes by the name it is called with.
    pub fn called(&self, name: &str) -> Launch<'_> {
        let link = self.folder.path().join(name);
        std::os::unix::fs::symlink(binary(), &link).unwrap();
        Launch { installation: self, program: link, args: Vec::new(), env: BTreeMap::new() }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let kept = ["PATH", "HOME", "TMPDIR", "LANG"].map(|name| (name, std::env::var_os(name)));
        command.env_clear().current_dir(self.folder.path());
        command.envs(kept.into_iter().filter_map(|(name, value)| Some((name, value?))));
        command
    }
}

/// How a process is started.
pub struct Launch<'a> {
    installation: &'a Installation,
    program: PathBuf,
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

impl Launch<'_> {
    /// Only these services, separated by commas.
    pub fn services(mut self, names: &str) -> Self {
        self.args.extend(["--service".into(), names.into()]);
        self
    }

    /// One setting by its key path.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.args.extend(["--set".into(), format!("{key}={value}")]);
        self
    }

    /// One variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Starts the process without waiting until it listens.
    pub fn spawn(self) -> Node {
        let folder = self.installation.folder.path();
        let stem = self.program.file_name().unwrap().to_string_lossy().into_owned();
        let log = folder.join(format!("{stem}-{}.log", self.args.len()));
        let out = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut command = self.installation.command(&self.program);
        command.args(&self.args);
        command.args(["--listen", &format!("127.0.0.1:{}", self.installation.port)]);
        command.arg("--data").arg(self.installation.data()).arg("--config").arg(folder.join("config.json"));
        command.env("CV3_BIND", "127.0.0.1:0").env("NO_COLOR", "1").envs(&self.env);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(out);
        let child = command.spawn().expect("the binary under test can be started");
        Node {
            child,
            log,
            encrypted: self.args.iter().any(|arg| arg.starts_with("Appliance.TLS.")),
            data: self.installation.data(),
            addresses: BTreeMap::new(),
            base: self.installation.base(),
        }
    }

    /// Starts the process and waits until it answers.
    pub async fn start(self) -> Node {
        let mut node = self.spawn();
        node.answers().await;
        node
    }
}

/// A running process; killed when dropped.
pub struct Node {
    child: Child,
    log: PathBuf,
    data: PathBuf,
    base: String,
    /// The front door speaks TLS.
    encrypted: bool,
    /// Where each service listens, `front` for the front door.
    pub addresses: BTreeMap<String, String>,
}

impl Node {
    /// Waits until every address of the process answers.
    pub async fn answers(&mut self) {
        let file = self.data.join("run").join(format!("addresses-{}.json", self.child.id()));
        let listening = eventually("the address file", || async {
            let text = std::fs::read(&file).ok()?;
            serde_json::from_slice::<BTreeMap<String, String>>(&text).ok()
        });
        // A process that ends while it is waited for must not cost the whole patience.
        tokio::select! {
            found = listening => self.addresses = found,
            status = ended(&mut self.child) => panic!("the process ended with {status} before it listened"),
        }
        let http = reqwest::Client::new();
        for (name, address) in &self.addresses {
            if self.encrypted && name == "front" {
                let connect = || async { tokio::net::TcpStream::connect(address).await.ok() };
                eventually(address, connect).await;
                continue;
            }
            let url = format!("http://{address}/healthz");
            eventually(&url, || async {
                http.get(&url).send().await.ok().filter(|r| r.status().is_success())
            })
            .await;
        }
    }

    /// Waits until the process answers or ended.
    pub async fn answers_or_ends(&mut self) {
        let url = format!("{}/healthz", self.base);
        let answers = eventually(&url, || async { reqwest::get(&url).await.ok() });
        tokio::select! {
            _ = answers => {}
            _ = ended(&mut self.child) => {}
        }
    }

    /// A client of the front door, signed in with the pages.
    pub async fn client(&self, user: &str) -> Client {
        let (api, query) = (format!("{}/api", self.base), format!("{}/query", self.base));
        Client::sign_in(&self.base, api, query, user).await
    }

    /// Waits until the process ended by itself.
    pub async fn ends(&mut self) -> std::process::ExitStatus {
        ended(&mut self.child).await
    }

    /// Asks the process to read its configuration again (SIGHUP).
    pub fn hang_up(&self) {
        let status = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Asks the process to stop (SIGTERM) and waits until it did, in order.
    pub async fn stop(mut self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
        let status = ended(&mut self.child).await;
        assert!(status.success(), "stopped with {status}");
    }

    /// Kills the process (SIGKILL).
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// All that was logged so far by processes started the same way.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

async fn ended(child: &mut Child) -> std::process::ExitStatus {
    let child = std::cell::RefCell::new(child);
    eventually("the process to end", || async { child.borrow_mut().try_wait().unwrap() }).await
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            // Polls that were answered say nothing.
            let polled = |line: &&str| line.contains("method=GET") && line.contains("status=200");
            let lines: Vec<&str> = log.lines().filter(|line| !polled(line)).collect();
            eprintln!("--- the end of {} ---", self.log.file_name().unwrap_or_default().to_string_lossy());
            for line in &lines[lines.len().saturating_sub(TAIL)..] {
                eprintln!("{line}");
            }
        }
        // It may have ended already.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A field of a JSON object as text; panics with the object if it is none.
pub fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_else(|| panic!("no text {field} in {object}")).to_owned()
}
