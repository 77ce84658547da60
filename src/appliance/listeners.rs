//! Sockets: TCP with or without TLS, handed over by the service manager or bound here; port 0 and the address file that
//! says which port it became.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use poem::Server;
use poem::listener::{Acceptor, AcceptorExt, Listener, TcpAcceptor, TcpListener};
use tokio_util::sync::CancellationToken;

use super::brief::BriefAcceptor;
use super::tls::{self, Certificate};
use crate::http::Root;

/// A connection that sends nothing is closed after this long.
const IDLE: Duration = Duration::from_secs(75);

/// The name of the address that only sends callers on to TLS.
pub const REDIRECT: &str = "redirect";

/// How a listener carries requests.
pub enum Over {
    Plain,
    Tls(Certificate),
    /// Plain, few connections at a time and none for long.
    Brief,
}

/// Where each service listens; written to `<data>/run/addresses.json` for tools and tests.
#[derive(Debug, Clone, Default)]
pub struct Addresses(Arc<Mutex<BTreeMap<&'static str, SocketAddr>>>);

impl Addresses {
    fn add(&self, name: &'static str, address: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, address);
    }

    /// Who listens.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Writes the addresses as `{"name": "address"}`, whole or not at all.
    pub fn write(&self, run: &Path) -> anyhow::Result<()> {
        let listening = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let name = format!("addresses-{}.json", std::process::id());
        let temporary = run.join(format!("{name}.new"));
        std::fs::write(&temporary, serde_json::to_vec(&listening)?).context("the address file")?;
        std::fs::rename(temporary, run.join(name)).context("the address file")
    }
}

/// Numbers of the processes that wrote an address file.
fn written(run: &Path) -> impl Iterator<Item = u32> {
    let files = std::fs::read_dir(run).into_iter().flatten().flatten();
    files.filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        name.strip_prefix("addresses-")?.strip_suffix(".json")?.parse::<u32>().ok()
    })
}

/// Whether there is such a process; asked of the kernel, since an empty root has no `/proc`.
fn runs(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    // One that may not be signalled runs as well.
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Processes of this host that wrote an address file and run, with what they wrote.
pub fn alive(run: &Path) -> Vec<(u32, BTreeMap<String, SocketAddr>)> {
    let read = |pid: u32| {
        let file = std::fs::read(run.join(format!("addresses-{pid}.json"))).ok()?;
        Some((pid, serde_json::from_slice(&file).ok()?))
    };
    written(run).filter(|pid| runs(*pid)).filter_map(read).collect()
}

/// Processes of this host that wrote an address file and are gone, killed rather than stopped; their files are removed.
pub fn dead(run: &Path) -> Vec<u32> {
    // Our own number is a predecessor's: this process has not written its file yet (every container starts with 1).
    let gone = |pid: &u32| *pid == std::process::id() || !runs(*pid);
    let dead: Vec<u32> = written(run).filter(gone).collect();
    for pid in &dead {
        // Another process that starts at the same time may have removed it.
        let _ignored = std::fs::remove_file(run.join(format!("addresses-{pid}.json")));
    }
    dead
}

/// Removes this process's address file.
pub fn forget(run: &Path) {
    // The file may never have been written.
    let _ignored = std::fs::remove_file(run.join(format!("addresses-{}.json", std::process::id())));
}

/// Sockets that the service manager opened and handed over (`sd_listen_fds(3)`), by the names it gave them
/// (`FileDescriptorName=`): `front`, `redirect`, or the name of a service.
pub struct Activated {
    names: Vec<String>,
    sockets: Mutex<listenfd::ListenFd>,
}

impl Activated {
    /// What this process was handed; nothing where it was started otherwise.
    pub fn from_environment() -> anyhow::Result<Self> {
        let handed = sd_notify::listen_fds_with_names().context("the sockets of the service manager")?;
        let names: Vec<String> = handed.map(|(_, name)| name).collect();
        Ok(Self { names, sockets: Mutex::new(listenfd::ListenFd::from_env()) })
    }

    /// The socket of a name, once.
    fn take(&self, name: &str) -> anyhow::Result<Option<std::net::TcpListener>> {
        let Some(index) = self.names.iter().position(|handed| handed == name) else { return Ok(None) };
        let socket = self
            .sockets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_tcp_listener(index)
            .with_context(|| {
                format!("the socket {name} of the service manager is not one that listens on TCP")
            })?;
        if let Some(socket) = &socket {
            socket.set_nonblocking(true).with_context(|| format!("the socket {name}"))?;
        }
        Ok(socket)
    }

    /// Says which sockets nobody here has use for; whoever connects to one of them waits in vain.
    pub fn unused(&self, known: &[&str]) -> Vec<String> {
        self.names.iter().filter(|name| !known.contains(&name.as_str())).cloned().collect()
    }
}

/// Binds an address, unless the service manager did, and serves a root until cancelled, then lets running requests finish.
pub async fn serve(
    name: &'static str,
    address: SocketAddr,
    over: Over,
    root: Root,
    (activated, addresses): (&Activated, &Addresses),
    (soft, graceful): (CancellationToken, Duration),
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send + use<>> {
    let acceptor = match activated.take(name)? {
        Some(socket) => TcpAcceptor::from_std(socket).with_context(|| format!("the socket {name}"))?,
        None => TcpListener::bind(address)
            .into_acceptor()
            .await
            .with_context(|| format!("the {name} service cannot listen on {address}"))?,
    };
    let bound = acceptor.local_addr().first().and_then(|a| a.as_socket_addr().copied()).unwrap_or(address);
    addresses.add(name, bound);
    tracing::info!(service = name, address = %bound, tls = matches!(over, Over::Tls(_)), "listening");
    let acceptor = match over {
        Over::Tls(certificate) => tls::TlsAcceptor::new(acceptor, certificate).boxed(),
        Over::Brief => BriefAcceptor::new(acceptor).boxed(),
        Over::Plain => acceptor.boxed(),
    };
    Ok(async move {
        Server::new_with_acceptor(acceptor)
            .name(name)
            .idle_timeout(IDLE)
            .run_with_graceful_shutdown(root, async move { soft.cancelled().await }, Some(graceful))
            .await
            .with_context(|| format!("the {name} service stopped"))
    })
}
