//! The folder that comes out of the archive, with the program under test in the place of the shipped one.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::{binary, project};

/// An unpacked archive; whatever its manager started is stopped when it is dropped.
pub struct Unpacked {
    place: TempDir,
    pub port: u16,
}

impl Unpacked {
    pub fn new() -> Self {
        let place = tempfile::Builder::new().prefix("cv3-dist-").tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let new = Self { place, port };
        let top = new.top();
        std::fs::create_dir_all(top.join("etc")).unwrap();
        // A hard link or a copy, as the shipped one is a file of its own.
        if std::fs::hard_link(binary(), top.join("backend")).is_err() {
            std::fs::copy(binary(), top.join("backend")).unwrap();
        }
        for link in links() {
            symlink("backend", top.join(link)).unwrap();
        }
        std::fs::copy(project("packaging/CafeVariomeV3"), top.join("CafeVariomeV3")).unwrap();
        for file in ["instance_config.json", "instance_config.full.json"] {
            std::fs::copy(project("etc").join(file), top.join("etc").join(file)).unwrap();
        }
        new
    }

    /// The folder `cv3-backend`.
    pub fn top(&self) -> PathBuf {
        self.place.path().join("cv3-backend")
    }

    /// What lies beside it.
    pub fn beside(&self) -> &Path {
        self.place.path()
    }

    /// A command with ports of its own, in the unpacked folder.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        let kept = ["PATH", "TMPDIR", "LANG"].map(|name| (name, std::env::var_os(name)));
        command.env_clear().current_dir(self.top()).stdin(std::process::Stdio::null());
        command.envs(kept.into_iter().filter_map(|(name, value)| Some((name, value?))));
        command.env("HOME", self.beside());
        command
            .env("CV3_APPLIANCE__LISTEN", format!("127.0.0.1:{}", self.port))
            .env("CV3_BIND", "127.0.0.1:0");
        command
    }

    /// The manager with some words.
    pub fn manager(&self, words: &[&str]) -> Command {
        let mut command = self.command(self.top().join("CafeVariomeV3"));
        command.args(words);
        command
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // Nothing is left running, whatever the test found.
        let _stopped = self.manager(&["stop"]).env("CV3_GRACEFUL_TIMEOUT", "0").output();
    }
}

/// Runs a command that has to succeed and answers what it printed.
pub fn done(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?} ended with {}: {}", output.status, both(&output));
    both(&output)
}

/// Runs a command that has to fail and answers its code and what it printed.
pub fn refused(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{command:?} was done: {}", both(&output));
    (output.status.code().unwrap(), both(&output))
}

fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The links that the program wants.
pub fn links() -> Vec<String> {
    let said = done(Command::new(binary()).arg("links"));
    said.lines().map(str::to_owned).collect()
}

/// What the front door answers a path, or nothing.
pub fn status(port: u16, path: &str) -> Option<u16> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}
