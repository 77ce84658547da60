//! Vault sealed, stopped, silent, or something else in its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cv3_backend::outbound::Outbound;
use cv3_backend::secrets::vault::{VaultSecrets, VaultSettings};
use cv3_backend::secrets::{Purpose, Secrets};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::server::{Own, Server, eventually};
use super::{Vault, unavailable};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_is_sealed_while_we_run_is_used_again_when_it_is_unsealed() {
    let Some(server) = Server::find() else { return };
    let own = Own::start(&server).await;
    let vault = Vault::on(own.server.clone(), json!({"token_ttl": "1h"})).await;
    let secrets = vault.secrets();
    secrets.put("a", b"1", None).await.unwrap();
    secrets.create_key("k", 2048).await.unwrap();
    let late = vault.secrets();
    own.seal().await;
    for secrets in [&secrets, &late] {
        for words in [
            unavailable(secrets.get("a").await),
            unavailable(secrets.has_key("k").await),
            unavailable(secrets.list("").await),
            unavailable(secrets.derived(Purpose::Setup).await),
            unavailable(secrets.ping().await),
        ] {
            assert!(words.contains(&format!("{} is sealed: unseal it", own.server.url)), "{words}");
        }
    }
    own.unseal().await;
    for secrets in [&secrets, &late] {
        eventually("the first answer", || async { secrets.ping().await.is_ok() }).await;
        eventually("the first secret", || async { secrets.get("a").await.is_ok() }).await;
        assert_eq!(secrets.get("a").await.unwrap().unwrap().value, b"1");
        assert!(secrets.has_key("k").await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_was_stopped_is_used_again_when_it_is_there() {
    let Some(server) = Server::find() else { return };
    let mut own = Own::start(&server).await;
    let vault = Vault::on(own.server.clone(), json!({"token_ttl": "1h"})).await;
    let secrets = vault.secrets();
    secrets.put("a", b"1", None).await.unwrap();
    own.stop();
    let words = unavailable(secrets.get("a").await);
    assert!(words.contains("cannot be reached") && words.contains(&own.server.url), "{words}");
    assert!(unavailable(vault.secrets().get("a").await).contains("cannot be reached"));
    assert!(unavailable(secrets.ping().await).contains("cannot be reached"));
    // What comes back knows neither our token nor our role.
    own.start_anew().await;
    let words = unavailable(secrets.get("a").await);
    assert!(words.contains("refuses the login"), "{words}");
    let again = Vault::on(own.server.clone(), json!({})).await;
    secrets.change(VaultSettings { address: own.server.url.clone(), ..again.settings.clone() });
    // Its mounts have other names; ours are refused by the policy, and are not taken for empty ones.
    let words = unavailable(secrets.get("a").await);
    assert!(words.contains("denies GET"), "{words}");
}

/// What a server in Vault's place answers to a path.
type Answers = fn(&str) -> (u16, &'static str);

/// A server in Vault's place, and how often it was asked to let somebody in.
async fn pretender(answers: Answers) -> (VaultSecrets, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://user:hunter2@{}/base", listener.local_addr().unwrap());
    let logins = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&logins);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut asked = vec![0; 65_536];
                let length = stream.read(&mut asked).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&asked[..length]).into_owned();
                let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
                if path.ends_with("/login") {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                let (status, body) = answers(&path);
                if status == 0 {
                    // Silent until the other side gives up.
                    let _end = stream.read(&mut asked).await;
                    return;
                }
                let answer = format!(
                    "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _sent = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (secrets(address), logins)
}

fn secrets(address: String) -> VaultSecrets {
    let settings = VaultSettings {
        address,
        transit: "transit_cv3".into(),
        kv: "kv".into(),
        prefix: "cv3".into(),
        role_id: Some("role-hunter2".into()),
        secret_id: Some("secret-hunter2".into()),
        secret_id_file: None,
    };
    VaultSecrets::open(Outbound::new(None).unwrap(), settings)
}

const LET_IN: &str =
    r#"{"auth":{"client_token":"s.hunter2","lease_duration":3600,"renewable":true,"num_uses":0}}"#;

#[tokio::test]
async fn where_nobody_listens_everything_says_so_and_nothing_hangs() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let secrets = secrets(format!("http://127.0.0.1:{port}"));
    for words in [
        unavailable(secrets.get("a").await),
        unavailable(secrets.put("a", b"1", Some(0)).await),
        unavailable(secrets.has_key("k").await),
        unavailable(secrets.ping().await),
    ] {
        assert!(words.contains("cannot be reached") && words.contains("check Vault.Host"), "{words}");
    }
}

#[tokio::test]
async fn a_silent_vault_is_given_up() {
    let (secrets, _) = pretender(|path| if path.ends_with("/login") { (200, LET_IN) } else { (0, "") }).await;
    let answered = tokio::time::timeout(Duration::from_secs(60), secrets.get("a")).await;
    let words = unavailable(answered.unwrap());
    assert!(words.contains("took longer than 5 s"), "{words}");
    assert!(!words.contains("hunter2"), "{words}");
}

#[tokio::test]
async fn what_another_server_answers_is_never_an_absence() {
    for answers in [
        (|path| if path.ends_with("/login") { (200, LET_IN) } else { (404, "<html>nothing</html>") })
            as Answers,
        |path| if path.ends_with("/login") { (200, LET_IN) } else { (404, "") },
        |path| if path.ends_with("/login") { (200, LET_IN) } else { (502, "{}") },
        |path| if path.ends_with("/login") { (200, LET_IN) } else { (302, "") },
        |_| (404, "<html>nothing</html>"),
        |_| (500, ""),
    ] {
        let (secrets, _) = pretender(answers).await;
        for words in [
            unavailable(secrets.get("a").await),
            unavailable(secrets.list("").await),
            unavailable(secrets.has_key("k").await),
            unavailable(secrets.keys().await),
            unavailable(secrets.public_pem("k").await),
            unavailable(secrets.unwrap("k", &[0; 256]).await),
        ] {
            assert!(words.contains("no Vault") || words.contains("another server"), "{words}");
            assert!(!words.contains("hunter2"), "{words}");
        }
    }
}

#[tokio::test]
async fn an_address_may_have_a_path_of_its_own() {
    let (secrets, logins) = pretender(|path| match path {
        "/base/v1/auth/approle/login" => (200, LET_IN),
        "/base/v1/kv/data/cv3/a" => (404, r#"{"errors":[]}"#),
        _ => (500, ""),
    })
    .await;
    assert_eq!(secrets.get("a").await.unwrap(), None);
    assert_eq!(logins.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_of_a_sealed_vault_make_no_storm_of_logins() {
    let (secrets, logins) = pretender(|_| (503, r#"{"errors":["Vault is sealed"]}"#)).await;
    let secrets = Arc::new(secrets);
    let calling: Vec<_> = (0..200)
        .map(|_| {
            let secrets = Arc::clone(&secrets);
            tokio::spawn(async move { unavailable(secrets.get("a").await) })
        })
        .collect();
    for one in calling {
        assert!(one.await.unwrap().contains("is sealed"));
    }
    assert!(logins.load(Ordering::SeqCst) < 5, "{logins:?} logins");
}

#[tokio::test]
async fn a_refused_login_is_not_tried_again_with_the_same_credentials() {
    let (secrets, logins) = pretender(|_| (400, r#"{"errors":["invalid role or secret ID"]}"#)).await;
    for _ in 0..50 {
        assert!(unavailable(secrets.get("a").await).contains("refuses the login"));
    }
    assert_eq!(logins.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_any_more_is_replaced_while_nobody_calls() {
    // A renewal just before the end of the longest life gives no second more.
    let (secrets, logins) = pretender(|path| {
        let renewal = path.ends_with("renew-self");
        (200, if renewal { SHORT_OF_ALL } else { SHORT })
    })
    .await;
    assert!(secrets.has_key("k").await.is_err());
    eventually("more logins", || async { logins.load(Ordering::SeqCst) >= 3 }).await;
}

const SHORT: &str = r#"{"auth":{"client_token":"s.a","lease_duration":1,"renewable":true,"num_uses":0}}"#;
const SHORT_OF_ALL: &str =
    r#"{"auth":{"client_token":"s.a","lease_duration":0,"renewable":true,"num_uses":0}}"#;

#[tokio::test]
async fn nothing_that_is_shown_has_credentials() {
    let (secrets, _) = pretender(|_| (403, r#"{"errors":["permission denied"]}"#)).await;
    let told = unavailable(secrets.get("a").await);
    assert!(told.contains("refuses the login"), "{told}");
    for shown in [told, format!("{secrets:?}"), Value::from(format!("{secrets:#?}")).to_string()] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
