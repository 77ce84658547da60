//! The real binary over a data folder.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::home::Folder;

/// A running process; killed when it goes out of scope.
pub struct Server {
    child: Child,
    started: Instant,
    address: SocketAddr,
}

impl Server {
    /// Starts all services; with their own ports as well, on free ones, if wanted.
    pub fn start(folder: &Folder, own_ports: bool) -> anyhow::Result<Self> {
        let binary =
            std::env::var("CV3_TEST_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_cv3-backend").into());
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new(&binary);
        command.args(["serve", "--listen", &folder.address.to_string(), "--set"]);
        command.arg(format!("Appliance.ServicePorts={own_ports}"));
        command.arg("--data").arg(folder.data()).arg("--config").arg(folder.config());
        command.env("CV3_BIND", "127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("{binary} cannot be started"))?;
        Ok(Self { child, started, address: folder.address })
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Asks for a path until the answer is 200; how long that took from the start.
    pub fn first(&mut self, path: &str) -> anyhow::Result<Duration> {
        loop {
            if get(self.address, path).is_ok_and(|status| status == 200) {
                return Ok(self.started.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}");
            }
            if self.started.elapsed() > Duration::from_secs(120) {
                bail!("no answer at {path} in two minutes");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends the process at once, as a power cut would.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whoever called `kill` did this already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// The status of a plain request, without a client's own start-up in the time.
fn get(address: SocketAddr, path: &str) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(std::str::from_utf8(&head)?.split(' ').nth(1).context("a status")?.parse()?)
}
