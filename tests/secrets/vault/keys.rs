//! Keys: rotated, half made, missing, and the same work as the embedded keystore does.

use std::collections::BTreeMap;

use aes::Aes256;
use aes::cipher::{BlockEncrypt, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cv3_backend::secrets::local::{LocalSecrets, MasterKey};
use cv3_backend::secrets::{Secrets, SecretsError, Signing};
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey};
use rsa::traits::PublicKeyParts;
use rsa::{Oaep, PrivateKey, Pss, PublicKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, OnceCell};

use super::{Vault, unavailable};
use crate::{Rig, keys};

/// Puts a key made elsewhere into transit.
///
/// A mount makes a wrapping key at its first import, which takes seconds: so one mount imports for all, and the others
/// get its backups.
pub(super) async fn import(vault: &Vault, name: &str, pem: &'static str) {
    static BACKUPS: Mutex<BTreeMap<&str, Value>> = Mutex::const_new(BTreeMap::new());
    let mut backups = BACKUPS.lock().await;
    if !backups.contains_key(pem) {
        let backup = backup(vault, backups.len(), pem).await;
        backups.insert(pem, backup);
    }
    let backup = backups[pem].clone();
    drop(backups);
    let path = format!("{}/restore/{name}", vault.settings.transit);
    vault.server.made(&path, json!({"backup": backup})).await;
}

/// Imports a key as Vault wants it: an AES key to the wrapping key, and the key to that (RFC 5649).
async fn backup(vault: &Vault, number: usize, pem: &str) -> Value {
    static MOUNT: OnceCell<(String, PublicKey)> = OnceCell::const_new();
    let (mount, wrapping) = MOUNT
        .get_or_init(async || {
            let mount = format!("import-{}", uuid::Uuid::new_v4().simple());
            vault.server.made(&format!("sys/mounts/{mount}"), json!({"type": "transit"})).await;
            let path = format!("{mount}/wrapping_key");
            vault.server.until(&path).await;
            let (_, found) = vault.server.root("GET", &path, Value::Null).await;
            let pem = found["data"]["public_key"].as_str().unwrap();
            (mount, PublicKey::from_public_key_pem(pem).unwrap())
        })
        .await;
    let key = PrivateKey::from_pkcs8_pem(pem).unwrap();
    let der = key.to_pkcs8_der().unwrap();
    let once = [7; 32];
    let mut sent = wrapping.encrypt(&mut getrandom::SysRng, Oaep::<Sha256>::new(), &once).unwrap();
    sent.extend(wrapped_with_padding(&once, der.as_bytes()));
    let body = json!({"ciphertext": BASE64.encode(sent), "type": format!("rsa-{}", key.size() * 8),
        "hash_function": "SHA256", "exportable": true, "allow_plaintext_backup": true});
    vault.server.made(&format!("{mount}/keys/k{number}/import"), body).await;
    let (_, found) = vault.server.root("GET", &format!("{mount}/backup/k{number}"), Value::Null).await;
    found["data"]["backup"].clone()
}

/// AES key wrap with padding (RFC 5649), for more than eight bytes.
fn wrapped_with_padding(key: &[u8; 32], plain: &[u8]) -> Vec<u8> {
    let cipher = Aes256::new(key.into());
    let mut head = [0xa6, 0x59, 0x59, 0xa6, 0, 0, 0, 0];
    head[4..].copy_from_slice(&u32::try_from(plain.len()).unwrap().to_be_bytes());
    let mut rest = plain.to_vec();
    rest.resize(plain.len().next_multiple_of(8), 0);
    let blocks = rest.len() / 8;
    for round in 0..6 {
        for (number, part) in rest.chunks_exact_mut(8).enumerate() {
            let mut block = [0; 16];
            block[..8].copy_from_slice(&head);
            block[8..].copy_from_slice(part);
            cipher.encrypt_block((&mut block).into());
            let count = (round * blocks + number + 1) as u64;
            head = (u64::from_be_bytes(block[..8].try_into().unwrap()) ^ count).to_be_bytes();
            part.copy_from_slice(&block[8..]);
        }
    }
    [&head[..], &rest].concat()
}

#[tokio::test]
async fn what_a_rotated_key_wrapped_before_still_opens() {
    let Some(vault) = Vault::new().await else { return };
    let secrets = vault.secrets();
    secrets.create_key("k", 2048).await.unwrap();
    let rotate = format!("{}/keys/k/rotate", vault.settings.transit);
    let mut kept = Vec::new();
    for version in 1..=3_u8 {
        kept.push((version, secrets.wrap("k", &[version; 32]).await.unwrap()));
        if version < 3 {
            vault.server.made(&rotate, json!({})).await;
        }
    }
    // This process, and one that has seen nothing of it; in either order.
    for secrets in [&secrets, &vault.secrets()] {
        for (version, wrapped) in kept.iter().chain(kept.iter().rev()) {
            assert_eq!(secrets.unwrap("k", wrapped).await.unwrap(), [*version; 32]);
        }
        assert!(matches!(secrets.unwrap("k", &[9; 256]).await, Err(SecretsError::Undecryptable(_))));
    }
    let key = PublicKey::from_public_key_pem(&secrets.public_pem("k").await.unwrap().unwrap()).unwrap();
    let signature = secrets.sign("k", Signing::Pss, b"message").await.unwrap();
    key.verify(Pss::<Sha256>::new_with_salt(222), &Sha256::digest(b"message"), &signature).unwrap();
    // What is deleted and made anew begins with version 1 again.
    secrets.delete_key("k").await.unwrap();
    secrets.create_key("k", 2048).await.unwrap();
    let wrapped = secrets.wrap("k", b"new").await.unwrap();
    assert_eq!(secrets.unwrap("k", &wrapped).await.unwrap(), b"new");
    assert!(matches!(secrets.unwrap("k", &kept[0].1).await, Err(SecretsError::Undecryptable(_))));
}

#[tokio::test]
async fn the_embedded_keystore_and_vault_open_what_the_other_wrapped() {
    let Some(vault) = Vault::new().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let master = MasterKey::Generated { path: folder.path().join("key") };
    let local = LocalSecrets::open(&folder.path().join("keystore"), master).unwrap();
    local.import_key("k", keys::LARGE).await.unwrap();
    vault.import("k", keys::LARGE).await;
    let remote = vault.secrets();
    let pem = local.public_pem("k").await.unwrap();
    assert_eq!(remote.public_pem("k").await.unwrap(), pem);
    let wrapped = local.wrap("k", b"from the keystore").await.unwrap();
    assert_eq!(remote.unwrap("k", &wrapped).await.unwrap(), b"from the keystore");
    let wrapped = remote.wrap("k", b"from Vault").await.unwrap();
    assert_eq!(local.unwrap("k", &wrapped).await.unwrap(), b"from Vault");
    let (there, here) = (
        remote.sign("k", Signing::Pkcs1, b"m").await.unwrap(),
        local.sign("k", Signing::Pkcs1, b"m").await.unwrap(),
    );
    assert_eq!(there, here);
    let key = PublicKey::from_public_key_pem(&pem.unwrap()).unwrap();
    for secrets in [&local as &dyn Secrets, &remote] {
        let signature = secrets.sign("k", Signing::Pss, b"m").await.unwrap();
        key.verify(Pss::<Sha256>::new_with_salt(478), &Sha256::digest(b"m"), &signature).unwrap();
    }
}

#[tokio::test]
async fn a_made_key_has_the_published_form() {
    let Some(vault) = Vault::new().await else { return };
    vault.secrets().create_key("user-1", 4096).await.unwrap();
    let path = format!("{}/keys/user-1", vault.settings.transit);
    let found = vault.server.root("GET", &path, Value::Null).await.1;
    let key = &found["data"];
    assert_eq!((&key["type"], &key["deletion_allowed"]), (&json!("rsa-4096"), &json!(true)));
    assert_eq!(key["exportable"], false);
}

#[tokio::test]
async fn a_key_that_was_half_made_is_finished() {
    let Some(vault) = Vault::new().await else { return };
    let path = format!("{}/keys/half", vault.settings.transit);
    vault.server.made(&path, json!({"type": "rsa-2048"})).await;
    let before = vault.secrets().public_pem("half").await.unwrap();
    vault.secrets().create_key("half", 4096).await.unwrap();
    let found = vault.server.root("GET", &path, Value::Null).await.1;
    assert_eq!(found["data"]["deletion_allowed"], true);
    assert_eq!(vault.secrets().public_pem("half").await.unwrap(), before);
}

#[tokio::test]
async fn work_with_a_missing_key_makes_none() {
    let Some(vault) = Vault::new().await else { return };
    let secrets = vault.secrets();
    assert!(secrets.wrap("absent", b"x").await.is_err());
    assert!(secrets.unwrap("absent", &[0; 256]).await.is_err());
    assert!(secrets.sign("absent", Signing::Pkcs1, b"x").await.is_err());
    assert_eq!(secrets.keys().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_key_of_another_type_is_told() {
    let Some(vault) = Vault::new().await else { return };
    let secrets = vault.secrets();
    let path = format!("{}/keys/other", vault.settings.transit);
    vault.server.made(&path, json!({"type": "aes256-gcm96"})).await;
    let error = secrets.wrap("other", b"x").await.unwrap_err().to_string();
    assert!(error.contains("aes256-gcm96"), "{error}");
    assert!(secrets.sign("other", Signing::Pss, b"x").await.is_err());
    for name in ["", "a/config", "a b", "../x", "a?b"] {
        assert!(matches!(secrets.has_key(name).await, Err(SecretsError::Engine(_))), "{name:?}");
    }
}

#[tokio::test]
async fn a_key_is_not_absent_where_vault_denies_or_has_no_engine() {
    let Some(vault) = Vault::new().await else { return };
    let secrets = vault.secrets();
    secrets.create_key("k", 2048).await.unwrap();
    let unmounted = format!("sys/mounts/{}", vault.settings.transit);
    assert_eq!(vault.server.root("DELETE", &unmounted, Value::Null).await.0, 204);
    for words in [
        unavailable(secrets.has_key("k").await),
        unavailable(secrets.public_pem("k").await),
        unavailable(secrets.keys().await),
        unavailable(secrets.delete_key("k").await),
        unavailable(secrets.wrap("k", b"x").await),
    ] {
        assert!(words.contains("mount the engine"), "{words}");
    }
}
