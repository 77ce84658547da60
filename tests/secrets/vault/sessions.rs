//! Tokens: shared, counted, renewed, revoked, refused.

use std::sync::Arc;

use cv3_backend::secrets::{Secrets, SecretsError, Signing};
use serde_json::{Value, json};

use super::server::eventually;
use super::{Vault, unavailable};
use crate::{Rig, keys};

/// So many tasks write and read at the same time; each has to succeed.
async fn busy(secrets: &Arc<dyn Secrets>, tasks: u64) {
    let running: Vec<_> = (0..tasks)
        .map(|number| {
            let secrets = Arc::clone(secrets);
            tokio::spawn(async move {
                let name = format!("n{number}");
                secrets.put(&name, name.as_bytes(), None).await.unwrap();
                assert_eq!(secrets.get(&name).await.unwrap().unwrap().value, name.as_bytes());
            })
        })
        .collect();
    for one in running {
        one.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_one_login() {
    let Some(vault) = Vault::new().await else { return };
    let secrets = vault.open();
    busy(&secrets, 50).await;
    assert_eq!(vault.logins().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_few_uses_are_used_up_and_not_overdrawn() {
    let Some(vault) = Vault::harsh().await else { return };
    let secrets = vault.open();
    busy(&secrets, 60).await;
    // 120 calls with 3 uses each; one more would be a use that was lost or refused.
    assert_eq!(vault.logins().await, 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_work_with_tokens_of_few_uses() {
    let Some(vault) = Vault::harsh().await else { return };
    vault.import("k", keys::A).await;
    let secrets = vault.open();
    let running: Vec<_> = (0..24_u8)
        .map(|number| {
            let secrets = Arc::clone(&secrets);
            tokio::spawn(async move {
                let wrapped = secrets.wrap("k", &[number]).await.unwrap();
                assert_eq!(secrets.unwrap("k", &wrapped).await.unwrap(), [number]);
                secrets.sign("k", Signing::Pss, &[number]).await.unwrap();
            })
        })
        .collect();
    for one in running {
        one.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_the_operator_revoked_is_replaced_once_for_all() {
    let Some(vault) = Vault::new().await else { return };
    let secrets = vault.open();
    busy(&secrets, 2).await;
    vault.revoke().await;
    busy(&secrets, 30).await;
    assert_eq!(vault.logins().await, 2);
    vault.revoke().await;
    busy(&secrets, 1).await;
    assert_eq!(vault.logins().await, 3);
}

#[tokio::test]
async fn a_token_is_renewed_while_nobody_calls() {
    let Some(vault) = Vault::with(json!({"token_ttl": "6s", "token_max_ttl": "1h"})).await else { return };
    let secrets = vault.secrets();
    secrets.put("a", b"1", None).await.unwrap();
    let renewed = || async { vault.tokens().await.iter().any(|token| token["last_renewal_time"].is_u64()) };
    eventually("a renewal", renewed).await;
    assert_eq!(secrets.get("a").await.unwrap().unwrap().value, b"1");
}

#[tokio::test]
async fn a_token_whose_longest_life_nears_is_replaced_while_nobody_calls() {
    let Some(vault) = Vault::with(json!({"token_ttl": "4s", "token_max_ttl": "5s"})).await else { return };
    let secrets = vault.secrets();
    secrets.put("a", b"1", None).await.unwrap();
    eventually("another login", || async { vault.logins().await >= 3 }).await;
    assert_eq!(secrets.get("a").await.unwrap().unwrap().value, b"1");
}

#[tokio::test]
async fn a_session_ends_with_its_secrets() {
    let Some(vault) = Vault::with(json!({"token_ttl": "2s", "token_max_ttl": "1h"})).await else { return };
    let secrets = vault.secrets();
    secrets.ping().await.unwrap();
    drop(secrets);
    // Nobody renews it any more.
    eventually("the end of the token", || async { vault.tokens().await.is_empty() }).await;
}

#[tokio::test]
async fn a_fresh_secret_id_is_read_from_its_file() {
    let Some(mut vault) = Vault::new().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret-id");
    let secrets = vault.with_file(file.clone());
    let words = unavailable(secrets.get("a").await);
    assert!(words.contains("secret-id cannot be read"), "{words}");
    let put = |text: String| std::fs::write(&file, text).unwrap();
    let first = vault.secret_id().await;
    put(first.clone() + "\n");
    eventually("the first login", || async { secrets.put("a", b"1", None).await.is_ok() }).await;

    let destroy = format!("auth/approle/role/{}/secret-id/destroy", vault.role);
    vault.server.made(&destroy, json!({"secret_id": first})).await;
    vault.revoke().await;
    let words = unavailable(secrets.get("a").await);
    assert!(words.contains("VAULT_SECRET_ID_FILE") && !words.contains(&first), "{words}");
    // Not absent, and not let in, until there is another one.
    assert!(matches!(secrets.get("a").await, Err(SecretsError::Unavailable(_))));
    vault.settings.secret_id = Some(vault.secret_id().await);
    put(vault.settings.secret_id.clone().unwrap());
    eventually("the login with the new one", || async { secrets.get("a").await.is_ok() }).await;
    assert_eq!(vault.logins().await, 1);
}

#[tokio::test]
async fn the_end_of_a_secret_id_is_told_where_the_policy_lets_us_know() {
    let Some(vault) = Vault::new().await else { return };
    let secrets = vault.secrets();
    assert_eq!(secrets.secret_id_end().await.unwrap(), None);
    let lookup = format!("path \"auth/approle/role/{}/secret-id/lookup\"", vault.role);
    let policy = super::policy(&vault.settings) + &lookup + " { capabilities = [\"update\"] }";
    vault.server.made(&format!("sys/policies/acl/{}", vault.role), json!({"policy": policy})).await;
    let words = vault.secrets().secret_id_end().await.unwrap().unwrap();
    assert!(words.contains("logins; keep VAULT_SECRET_ID_FILE fresh"), "{words}");
    // What was not told has harmed nothing.
    secrets.put("a", b"1", None).await.unwrap();
}

#[tokio::test]
async fn changed_credentials_are_taken_up() {
    let Some(vault) = Vault::new().await else { return };
    let mut wrong = vault.settings.clone();
    wrong.secret_id = Some("wrong".into());
    let secrets = vault.secrets_with(wrong.clone());
    let words = unavailable(secrets.put("a", b"1", None).await);
    assert!(words.contains("refuses the login"), "{words}");
    // Not tried again and again: some refusals more, and Vault would lock the role for everyone.
    for _ in 0..20 {
        assert!(unavailable(secrets.ping().await).contains("refuses the login"));
    }
    secrets.change(vault.settings.clone());
    secrets.put("a", b"1", None).await.unwrap();
    wrong.role_id = None;
    secrets.change(wrong);
    assert!(unavailable(secrets.get("a").await).contains("set VAULT_ROLE_ID"));
}

#[tokio::test]
async fn a_right_that_the_policy_lacks_is_told_and_brings_no_storm_of_logins() {
    let Some(vault) = Vault::new().await else { return };
    let transit = format!("path \"{}/*\" {{", vault.settings.transit);
    let narrow = super::policy(&vault.settings).replace(&transit, "path \"elsewhere/*\" {");
    vault.server.made(&format!("sys/policies/acl/{}", vault.role), json!({"policy": narrow})).await;
    let secrets = vault.secrets();
    for _ in 0..20 {
        let words = unavailable(secrets.has_key("k").await);
        assert!(words.contains("/keys/k") && words.contains("docs/vault.md"), "{words}");
    }
    secrets.put("a", b"1", None).await.unwrap();
    assert!(vault.logins().await <= 4, "{} logins", vault.logins().await);
    // As soon as it is granted it works.
    let whole = super::policy(&vault.settings);
    vault.server.made(&format!("sys/policies/acl/{}", vault.role), json!({"policy": whole})).await;
    eventually("the right", || async { secrets.has_key("k").await.is_ok() }).await;
}

#[tokio::test]
async fn a_vault_without_approle_is_told() {
    let Some(vault) = Vault::new().await else { return };
    let own = super::server::Own::start(&vault.server).await;
    assert_eq!(own.server.root("DELETE", "sys/auth/approle", Value::Null).await.0, 204);
    let mut settings = vault.settings.clone();
    settings.address = own.server.url.clone();
    let words = unavailable(vault.secrets_with(settings).get("a").await);
    assert!(words.contains("auth enable approle"), "{words}");
}
