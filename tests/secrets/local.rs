//! The keystore file: what opens it, and that nothing is lost when it does not open.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use cv3_backend::secrets::local::{LocalSecrets, MasterKey};
use cv3_backend::secrets::{Purpose, Secrets, SecretsError, Signing};

use crate::{Rig, keys, suite};

struct Local(tempfile::TempDir);

impl Local {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn keystore(&self) -> PathBuf {
        self.0.path().join("secrets/keystore")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("secrets/key")
    }

    fn with(&self, master: MasterKey) -> Result<LocalSecrets, SecretsError> {
        LocalSecrets::open(&self.keystore(), master)
    }

    fn generated(&self) -> Result<LocalSecrets, SecretsError> {
        self.with(MasterKey::Generated { path: self.key() })
    }

    fn passphrase(&self, words: &str) -> Result<LocalSecrets, SecretsError> {
        self.with(MasterKey::Passphrase(words.to_owned().into()))
    }

    fn content(&self) -> Vec<u8> {
        fs::read(self.keystore()).unwrap()
    }
}

impl Rig for Local {
    fn open(&self) -> Arc<dyn Secrets> {
        Arc::new(self.generated().unwrap())
    }

    async fn import(&self, name: &str, pem: &'static str) {
        self.generated().unwrap().import_key(name, pem).await.unwrap();
    }
}

suite::every_promise!(Some(Local::new()));

/// The words of a refusal.
fn refusal(outcome: Result<LocalSecrets, SecretsError>) -> String {
    match outcome {
        Err(SecretsError::Locked(words)) => words,
        other => panic!("{other:?} is no refusal"),
    }
}

#[tokio::test]
async fn a_passphrase_opens_what_it_closed_and_a_wrong_one_changes_nothing() {
    let rig = Local::new();
    rig.passphrase("correct horse").unwrap().put("a", b"1", None).await.unwrap();
    let before = rig.content();
    for words in ["wrong horse", ""] {
        let told = refusal(rig.passphrase(words));
        assert!(told.contains("the passphrase is not the one"), "{told}");
        assert!(!told.contains("horse"), "{told}");
    }
    assert!(refusal(rig.generated()).contains("made with a passphrase"));
    assert_eq!(rig.content(), before);
    let again = rig.passphrase("correct horse").unwrap();
    assert_eq!(again.get("a").await.unwrap().unwrap().value, b"1");
    assert!(!format!("{:?}", MasterKey::Passphrase("correct horse".to_owned().into())).contains("horse"));
}

#[tokio::test]
async fn a_key_file_opens_it_and_another_one_does_not() {
    let rig = Local::new();
    let (right, wrong) = (rig.0.path().join("right"), rig.0.path().join("wrong"));
    for (path, key) in [(&right, "ab".repeat(32)), (&wrong, "cd".repeat(32))] {
        fs::write(path, key + "\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o440)).unwrap();
    }
    rig.with(MasterKey::File(right.clone())).unwrap().put("a", b"1", None).await.unwrap();
    let before = rig.content();
    assert!(refusal(rig.with(MasterKey::File(wrong))).contains("is not the one"));
    assert!(refusal(rig.passphrase("words")).contains("made with a key file"));
    assert!(refusal(rig.with(MasterKey::File(rig.0.path().join("none")))).contains("is missing"));
    assert_eq!(rig.content(), before);
    assert!(rig.with(MasterKey::File(right)).is_ok());
}

#[rstest::rstest]
#[case(0o604)]
#[case(0o644)]
#[case(0o620)]
#[case(0o602)]
fn a_key_file_that_is_open_to_others_is_refused(#[case] mode: u32) {
    let rig = Local::new();
    let key = rig.0.path().join("key");
    fs::write(&key, "ab".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    let told = refusal(rig.with(MasterKey::File(key)));
    assert!(told.contains("chmod 0600"), "{told}");
    assert!(!rig.keystore().exists());
}

#[test]
fn a_generated_key_is_the_owners_only() {
    let rig = Local::new();
    rig.generated().unwrap();
    for (path, mode) in [(rig.key(), 0o600), (rig.keystore(), 0o600), (rig.0.path().join("secrets"), 0o700)] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
    }
    fs::set_permissions(rig.key(), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(refusal(rig.generated()).contains("chmod 0600"));
}

#[test]
fn a_lost_generated_key_is_not_made_anew() {
    let rig = Local::new();
    rig.generated().unwrap();
    let before = rig.content();
    fs::remove_file(rig.key()).unwrap();
    assert!(refusal(rig.generated()).contains("put it back"));
    assert!(!rig.key().exists());
    assert_eq!(rig.content(), before);
}

#[tokio::test]
async fn a_damaged_keystore_is_told_and_left_as_it_is() {
    let rig = Local::new();
    let secrets = rig.generated().unwrap();
    secrets.put("a", b"1", None).await.unwrap();
    let old = rig.content();
    secrets.put("a", b"2", None).await.unwrap();
    let whole = rig.content();
    let text = String::from_utf8(whole.clone()).unwrap();

    let cut = whole[..whole.len() / 2].to_vec();
    let bytes = vec![0xff; 100];
    let flipped = text.replacen("\"version\":2", "\"version\":1", 1).into_bytes();
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    document["body"]["records"] = serde_json::json!({});
    let removed = document.to_string().into_bytes();
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    document["body"]["records"] =
        serde_json::from_slice::<serde_json::Value>(&old).unwrap()["body"]["records"].clone();
    let replayed = document.to_string().into_bytes();

    for damaged in [vec![], cut, bytes, b"{}".to_vec(), flipped, removed, replayed] {
        assert_ne!(damaged, whole);
        fs::write(rig.keystore(), &damaged).unwrap();
        assert!(refusal(rig.generated()).contains("is damaged"));
        // The process that is running notices too, and does not write over it.
        assert!(matches!(secrets.get("a").await, Err(SecretsError::Locked(_))));
        assert!(matches!(secrets.put("a", b"3", None).await, Err(SecretsError::Locked(_))));
        assert!(secrets.ping().await.is_err());
        assert_eq!(rig.content(), damaged);
    }
    fs::write(rig.keystore(), &whole).unwrap();
    assert_eq!(secrets.get("a").await.unwrap().unwrap().value, b"2");
}

#[tokio::test]
async fn a_keystore_of_a_newer_release_is_refused() {
    let rig = Local::new();
    rig.generated().unwrap();
    let newer = String::from_utf8(rig.content()).unwrap().replacen("\"format\":1", "\"format\":2,\"x\":0", 1);
    fs::write(rig.keystore(), &newer).unwrap();
    assert!(refusal(rig.generated()).contains("has format 2"));
    assert_eq!(rig.content(), newer.as_bytes());
}

#[tokio::test]
async fn a_removed_keystore_is_not_made_anew_by_a_running_process() {
    let rig = Local::new();
    let secrets = rig.generated().unwrap();
    fs::remove_file(rig.keystore()).unwrap();
    assert!(matches!(secrets.put("a", b"1", None).await, Err(SecretsError::Locked(_))));
    assert!(!rig.keystore().exists());
}

#[tokio::test]
async fn the_file_shows_no_secret() {
    let rig = Local::new();
    let secrets = rig.generated().unwrap();
    secrets.put("smtp", b"hunter2-hunter2", None).await.unwrap();
    secrets.import_key("k", keys::A).await.unwrap();
    secrets.derived(Purpose::Setup).await.unwrap();
    let text = String::from_utf8(rig.content()).unwrap();
    let der = keys::A.lines().nth(3).unwrap();
    for secret in ["hunter2", "aHVudGVyMi1odW50ZXIy", der, "PRIVATE"] {
        assert!(!text.contains(secret));
    }
}

#[tokio::test]
async fn only_sound_keys_are_taken_over_and_none_is_replaced() {
    let rig = Local::new();
    let secrets = rig.generated().unwrap();
    for pem in ["", keys::A_PUBLIC, &keys::A.replace('A', "B")] {
        let error = secrets.import_key("k", pem).await.unwrap_err();
        assert!(matches!(error, SecretsError::Engine(_)), "{error}");
    }
    secrets.import_key("k", keys::A).await.unwrap();
    assert!(matches!(secrets.import_key("k", keys::B).await, Err(SecretsError::Conflict(_))));
    secrets.create_key("k", 4096).await.unwrap();
    assert_eq!(secrets.public_pem("k").await.unwrap().unwrap(), keys::A_PUBLIC);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_operations_at_once_all_succeed() {
    let rig = Local::new();
    let secrets = Arc::new(rig.generated().unwrap());
    secrets.import_key("k", keys::A).await.unwrap();
    let signing: Vec<_> = (0..40_u8)
        .map(|number| {
            let secrets = Arc::clone(&secrets);
            tokio::spawn(async move {
                secrets.put(&format!("n{number}"), &[number], None).await.unwrap();
                secrets.sign("k", Signing::Pkcs1, &[number % 2]).await.unwrap()
            })
        })
        .collect();
    let mut signatures = std::collections::BTreeSet::new();
    for one in signing {
        signatures.insert(one.await.unwrap());
    }
    assert_eq!(signatures.len(), 2);
    assert_eq!(rig.generated().unwrap().list("n").await.unwrap().len(), 40);
}
