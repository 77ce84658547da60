//! Documents as the operator and the original see them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cv3_backend::secrets::{Purpose, Secrets, SecretsError};
use serde_json::{Value, json};

use super::{Vault, unavailable};

const CLIENT_SECRET: &str = "keycloak_client_secret";

#[tokio::test]
async fn what_the_original_left_is_taken_over_and_kept() {
    let Some(vault) = Vault::new().await else { return };
    let key: Vec<u8> = (0..64).collect();
    let left = json!({"secret_key": BASE64.encode(&key), CLIENT_SECRET: "first", "theirs": "stays"});
    vault.server.made(&format!("{}/data/cv3", vault.settings.kv), json!({"data": left})).await;
    let secrets = vault.secrets();
    let derived = secrets.derived(Purpose::Setup).await.unwrap();
    let derived: String = derived.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(derived, "1c60189955fd601cb77570c91d6c9b6a8bce00f061d38216b45b8a1a66fe07c8");
    let found = secrets.get(CLIENT_SECRET).await.unwrap().unwrap();
    assert_eq!(found.value, b"first");
    let stale = secrets.put(CLIENT_SECRET, b"x", Some(0)).await.unwrap_err();
    assert!(matches!(stale, SecretsError::Conflict(_)), "{stale}");
    let second = secrets.put(CLIENT_SECRET, b"second", Some(found.version)).await.unwrap();
    assert!(second > found.version);
    assert!(matches!(
        secrets.put(CLIENT_SECRET, b"x", Some(found.version)).await,
        Err(SecretsError::Conflict(_))
    ));
    assert_eq!(secrets.list("").await.unwrap(), [CLIENT_SECRET]);
    let kept = json!({"secret_key": BASE64.encode(&key), CLIENT_SECRET: "second", "theirs": "stays"});
    assert_eq!(vault.document("cv3").await.unwrap(), kept);
    assert!(secrets.delete(CLIENT_SECRET).await.unwrap());
    assert!(!secrets.delete(CLIENT_SECRET).await.unwrap());
    assert_eq!(secrets.get(CLIENT_SECRET).await.unwrap(), None);
    secrets.put(CLIENT_SECRET, b"third", Some(0)).await.unwrap();
    assert_eq!(vault.document("cv3").await.unwrap()["secret_key"], BASE64.encode(&key));
}

#[tokio::test]
async fn a_made_secret_key_has_the_published_place_and_form() {
    let Some(vault) = Vault::new().await else { return };
    vault.secrets().put(CLIENT_SECRET, b"s", Some(0)).await.unwrap();
    vault.secrets().derived(Purpose::Setup).await.unwrap();
    let root = vault.document("cv3").await.unwrap();
    assert_eq!(BASE64.decode(root["secret_key"].as_str().unwrap()).unwrap().len(), 64);
    assert_eq!(root[CLIENT_SECRET], "s");
}

#[tokio::test]
async fn the_pair_of_a_network_has_the_published_fields() {
    let Some(vault) = Vault::new().await else { return };
    let secrets = vault.secrets();
    let pair = br#"{"privateKey":"PRIVATE\n","publicKey":"PUBLIC\n"}"#;
    secrets.put("network/7d2c", pair, Some(0)).await.unwrap();
    let published = json!({"private_key": "PRIVATE\n", "public_key": "PUBLIC\n"});
    assert_eq!(vault.document("cv3/network/7d2c").await.unwrap(), published);
    assert_eq!(secrets.get("network/7d2c").await.unwrap().unwrap().value, pair);
    let theirs = format!("{}/data/cv3/network/8e3d", vault.settings.kv);
    vault.server.made(&theirs, json!({"data": published})).await;
    assert_eq!(secrets.get("network/8e3d").await.unwrap().unwrap().value, pair);
}

#[tokio::test]
async fn a_version_of_a_deleted_secret_fits_no_later_one() {
    let Some(vault) = Vault::new().await else { return };
    let secrets = vault.secrets();
    let before = secrets.put("a", b"1", Some(0)).await.unwrap();
    assert!(secrets.delete("a").await.unwrap());
    let after = secrets.put("a", b"2", Some(0)).await.unwrap();
    assert!(after > before);
    assert!(matches!(secrets.put("a", b"x", Some(before)).await, Err(SecretsError::Conflict(_))));
    secrets.put("a", b"3", Some(after)).await.unwrap();
    assert_eq!(secrets.get("a").await.unwrap().unwrap().value, b"3");
}

#[tokio::test]
async fn nothing_of_a_deleted_secret_can_be_brought_back() {
    let Some(vault) = Vault::new().await else { return };
    let secrets = vault.secrets();
    secrets.put("a", b"1", None).await.unwrap();
    secrets.put("a", b"2", None).await.unwrap();
    secrets.delete("a").await.unwrap();
    let kv = &vault.settings.kv;
    for path in [format!("{kv}/data/cv3/a?version=1"), format!("{kv}/metadata/cv3/a")] {
        assert_eq!(vault.server.root("GET", &path, Value::Null).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn a_secret_that_the_operator_deleted_is_absent_and_can_be_written() {
    let Some(vault) = Vault::new().await else { return };
    let secrets = vault.secrets();
    let path = format!("{}/data/cv3/a", vault.settings.kv);
    for expected in [Some(0), None] {
        let before = secrets.put("a", b"1", None).await.unwrap();
        assert_eq!(vault.server.root("DELETE", &path, Value::Null).await.0, 204);
        assert_eq!(secrets.get("a").await.unwrap(), None);
        assert!(matches!(secrets.put("a", b"x", Some(before)).await, Err(SecretsError::Conflict(_))));
        secrets.put("a", b"2", expected).await.unwrap();
        assert_eq!(secrets.get("a").await.unwrap().unwrap().value, b"2");
    }
    assert_eq!(vault.server.root("DELETE", &path, Value::Null).await.0, 204);
    assert!(!secrets.delete("a").await.unwrap());
    assert!(secrets.list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_mount_that_wants_conditions_takes_writes_without_one() {
    let Some(vault) = Vault::new().await else { return };
    vault.server.made(&format!("{}/config", vault.settings.kv), json!({"cas_required": true})).await;
    let secrets = vault.secrets();
    secrets.put("a", b"1", None).await.unwrap();
    secrets.put("a", b"2", None).await.unwrap();
    assert_eq!(secrets.get("a").await.unwrap().unwrap().value, b"2");
}

#[tokio::test]
async fn names_of_any_kind_stay_apart_and_below_the_prefix() {
    let Some(vault) = Vault::new().await else { return };
    let secrets = vault.secrets();
    let names =
        ["../up", "..", "a/../b", "a//b", "a/b", "a", "/a", "a/", "a b", "a?b", "a#b", "a%2fb", "ä", "~"];
    for name in names {
        secrets.put(name, name.as_bytes(), Some(0)).await.unwrap();
    }
    for name in names {
        assert_eq!(secrets.get(name).await.unwrap().unwrap().value, name.as_bytes(), "{name}");
    }
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(secrets.list("").await.unwrap(), sorted);
    assert_eq!(secrets.list("a/").await.unwrap(), ["a/", "a/../b", "a//b", "a/b"]);
    for name in names {
        assert!(secrets.delete(name).await.unwrap(), "{name}");
    }
    assert!(secrets.list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_document_of_another_program_is_told_and_left() {
    let Some(vault) = Vault::new().await else { return };
    let path = format!("{}/data/cv3/theirs", vault.settings.kv);
    vault.server.made(&path, json!({"data": {"password": "hunter2"}})).await;
    let error = vault.secrets().get("theirs").await.unwrap_err().to_string();
    assert!(error.contains("theirs") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_missing_mount_or_one_of_version_1_is_no_absence() {
    let Some(vault) = Vault::new().await else { return };
    let secrets = vault.secrets();
    secrets.put("a", b"1", None).await.unwrap();
    let mount = format!("sys/mounts/{}", vault.settings.kv);
    assert_eq!(vault.server.root("DELETE", &mount, Value::Null).await.0, 204);
    for words in [
        unavailable(secrets.get("a").await),
        unavailable(secrets.list("").await),
        unavailable(secrets.delete("a").await),
        unavailable(vault.secrets().derived(Purpose::Setup).await),
    ] {
        assert!(words.contains("mount the engine"), "{words}");
    }
    let words = unavailable(vault.secrets().ping().await);
    assert!(words.contains("(Vault.KV2Path) is not there or denied"), "{words}");
    vault.server.made(&mount, json!({"type": "kv", "options": {"version": "1"}})).await;
    let words = unavailable(secrets.put("a", b"1", None).await);
    assert!(words.contains("version 2"), "{words}");
    let words = unavailable(vault.secrets().ping().await);
    assert!(words.contains("is kv 1, not kv 2"), "{words}");
}
