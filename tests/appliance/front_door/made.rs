//! `tls self-signed`: what it writes, what it prints, what it refuses.

use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{Pair, address};
use crate::support::Installation;

#[test]
fn a_pair_is_for_its_owner_alone_and_never_overwritten_unasked() {
    let installation = Installation::empty();
    let pair = Pair::made(&installation, "tls", "30");
    let mode = |file: &std::path::Path| std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&pair.key), mode(pair.key.parent().unwrap())), (0o600, 0o700));

    // As browsers show it: over the certificate itself, not its text.
    let pem = std::fs::read_to_string(&pair.certificate).unwrap();
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let digest = Sha256::digest(STANDARD.decode(base64).unwrap());
    let shown: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(pair.told["sha256"], shown.join(":"));

    let out = pair.key.parent().unwrap().to_str().unwrap().to_owned();
    let again = ["tls", "self-signed", "--host", "localhost", "--out", &out];
    assert!(!installation.try_tool(&again).0);
    assert_eq!(std::fs::read_to_string(&pair.certificate).unwrap(), pem);
    // Half of a pair is there, too.
    std::fs::remove_file(&pair.certificate).unwrap();
    let key = std::fs::read_to_string(&pair.key).unwrap();
    assert!(!installation.try_tool(&again).0);
    assert_eq!(std::fs::read_to_string(&pair.key).unwrap(), key);
    let said = installation.tool(&[&again[..], &["--force"]].concat(), "");
    assert_ne!(std::fs::read_to_string(&pair.key).unwrap(), key);
    assert_eq!(mode(&pair.key), 0o600);
    assert!(said.contains("SHA-256") && said.contains("\"Certificate\""), "{said}");
}

#[test]
fn what_is_no_host_is_refused() {
    let installation = Installation::empty();
    for host in ["https://localhost", "localhost:443", ""] {
        let out = installation.beside().join("none");
        let args = ["tls", "self-signed", "--host", host, "--out", out.to_str().unwrap()];
        assert!(!installation.try_tool(&args).0, "{host}");
        assert!(!out.exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_configuration_is_one_that_serves_people() {
    let installation = Installation::new();
    let pair = Pair::made(&installation, "tls", "30");
    let mut settings = pair.told["configuration"].clone();
    let printed = settings["Appliance"]["PublicURL"].as_str().unwrap().to_owned();
    assert_eq!(printed, "https://localhost:5080");
    settings["Appliance"]["PublicURL"] = address(&installation).into();
    installation.misconfigure(&settings.to_string());
    let (passed, said) = installation.try_tool(&["config", "check"]);
    assert!(passed, "{said}");
    let node = super::with_tls(&installation, &pair).start().await;
    let answer = pair.client().get(format!("{}/healthz", address(&installation))).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    node.stop().await;
}
