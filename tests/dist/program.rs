//! What the program itself does for those who pack and supervise it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::folder::{Unpacked, done, links, refused, status};
use crate::{binary, project};

#[test]
fn the_version_says_what_was_built_and_from_what() {
    let said = done(Command::new(binary()).arg("--version"));
    let first = format!("cv3-backend {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(said.lines().next(), Some(first.as_str()));
    for part in ["commit: ", "target: ", "tls: rustls with ring"] {
        assert!(said.lines().any(|line| line.starts_with(part)), "{part} is missing in {said}");
    }
    // The short form is one line, for scripts.
    assert_eq!(done(Command::new(binary()).arg("-V")).trim_end(), first);
}

#[test]
fn the_list_of_links_is_the_one_place_that_names_them() {
    let links = links();
    assert_eq!(links.first().map(String::as_str), Some("cv3-backend"));
    assert!(links.contains(&"cv3-backend-query-compiler".to_owned()), "{links:?}");
    for script in ["dist/archive", "dist/deb", "packaging/CafeVariomeV3"] {
        let text = std::fs::read_to_string(project(script)).unwrap();
        assert!(!text.contains("query-compiler"), "{script} has a list of its own");
    }
}

#[test]
fn health_fails_where_nothing_runs_and_where_what_ran_was_killed() {
    let unpacked = Unpacked::new();
    let health = || {
        let mut command = unpacked.command(unpacked.top().join("cv3-backend"));
        command.arg("health");
        command
    };
    let (_, said) = refused(&mut health());
    assert!(said.contains("no process serves"), "{said}");
    let mut node = unpacked.command(unpacked.top().join("backend"));
    let mut node = node.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(120);
    while !health().output().unwrap().status.success() {
        assert!(Instant::now() < until, "the node was never healthy");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(done(&mut health()).contains(&format!("process {} is ready", node.id())));
    node.kill().unwrap();
    node.wait().unwrap();
    let (_, said) = refused(&mut health());
    assert!(said.contains("no process serves"), "{said}");
}

/// Opens the socket as a service manager does, puts it at descriptor 3 and becomes the program (`sd_listen_fds(3)`).
const HAND_OVER: &str = r#"
import os, socket, sys
listener = socket.socket()
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(64)
if listener.fileno() == 3:
    os.set_inheritable(3, True)
else:
    os.dup2(listener.fileno(), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"#;

#[test]
fn a_socket_of_the_service_manager_is_served_and_nothing_is_bound_in_its_place() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: there is no python3 to open the socket");
        return;
    }
    let unpacked = Unpacked::new();
    let handed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut node = unpacked.command("python3");
    let program = unpacked.top().join("backend");
    node.args(["-c", HAND_OVER, &handed.to_string(), "front", program.to_str().unwrap()]);
    let log = std::fs::File::create(unpacked.beside().join("log")).unwrap();
    let mut node = node.stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(120);
    while status(handed, "/readyz") != Some(200) {
        assert!(
            node.try_wait().unwrap().is_none(),
            "{}",
            std::fs::read_to_string(unpacked.beside().join("log")).unwrap()
        );
        assert!(Instant::now() < until, "the handed socket is not served");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(
        status(unpacked.port, "/readyz"),
        None,
        "the configured address is bound beside the handed socket"
    );
    node.kill().unwrap();
    node.wait().unwrap();
}

#[test]
fn a_socket_of_a_name_that_nobody_has_is_said() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: there is no python3 to open the socket");
        return;
    }
    let unpacked = Unpacked::new();
    let handed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut node = unpacked.command("python3");
    let program = unpacked.top().join("backend");
    node.args(["-c", HAND_OVER, &handed.to_string(), "frnt", program.to_str().unwrap()]);
    let log = unpacked.beside().join("log");
    let mut node = node.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(120);
    while !std::fs::read_to_string(&log).unwrap().contains("handed over a socket of this name") {
        assert!(Instant::now() < until, "nothing is said: {}", std::fs::read_to_string(&log).unwrap());
        std::thread::sleep(Duration::from_millis(50));
    }
    node.kill().unwrap();
    node.wait().unwrap();
}
