//! The promises of `trait Secrets`, each a function over any rig.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cv3_backend::secrets::{Purpose, Secrets, SecretsError, Signing};
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, Oaep, Pkcs1v15Sign, Pss, PublicKey};
use sha2::{Digest, Sha256};

use super::{Rig, keys};

/// Makes a test of each promise for the rig, which may be `None` where its server is not there.
macro_rules! every_promise {
    ($rig:expr) => {
        $crate::suite::every_promise! { $rig;
            a_secret_comes_back_and_survives
            versions_grow_and_are_never_used_again
            a_write_with_an_old_version_changes_nothing
            of_many_conditional_writes_one_wins
            names_are_listed_by_the_literal_prefix
            a_deleted_secret_is_gone
            derived_keys_are_lasting_and_differ_by_purpose
            processes_that_start_together_derive_the_same
            the_secret_key_is_neither_read_nor_listed_nor_written
            a_made_key_stands
            a_missing_key_is_told
            keys_and_secrets_do_not_share_names
            a_deleted_key_is_gone
            what_another_implementation_wrapped_is_unwrapped
            what_is_wrapped_is_unwrapped_by_the_same_key_only
            anything_too_long_or_damaged_is_refused
            signatures_of_json_web_tokens_are_those_of_another_implementation
            federation_signatures_have_the_longest_salt
            errors_hold_no_secret
            a_live_store_answers_a_ping
        }
    };
    ($rig:expr; $($promise:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            let rig: Option<_> = $rig;
            if let Some(rig) = rig {
                $crate::suite::$promise(&rig).await;
            }
        }
    )*};
}
pub(crate) use every_promise;

async fn value(secrets: &dyn Secrets, name: &str) -> Option<Vec<u8>> {
    secrets.get(name).await.unwrap().map(|found| found.value)
}

async fn public(secrets: &dyn Secrets, name: &str) -> PublicKey {
    PublicKey::from_public_key_pem(&secrets.public_pem(name).await.unwrap().unwrap()).unwrap()
}

pub async fn a_secret_comes_back_and_survives(rig: &impl Rig) {
    let secrets = rig.open();
    assert_eq!(secrets.get("smtp").await.unwrap(), None);
    secrets.put("smtp", b"p\0\xff\xc3", None).await.unwrap();
    secrets.put("empty", b"", None).await.unwrap();
    assert_eq!(value(&*secrets, "smtp").await.unwrap(), b"p\0\xff\xc3");
    drop(secrets);
    let secrets = rig.open();
    assert_eq!(value(&*secrets, "smtp").await.unwrap(), b"p\0\xff\xc3");
    assert_eq!(value(&*secrets, "empty").await.unwrap(), b"");
}

pub async fn versions_grow_and_are_never_used_again(rig: &impl Rig) {
    let (here, there) = (rig.open(), rig.open());
    let first = here.put("a", b"1", Some(0)).await.unwrap();
    assert!(first > 0);
    assert_eq!(there.get("a").await.unwrap().unwrap().version, first);
    let second = there.put("a", b"2", Some(first)).await.unwrap();
    assert!(second > first);
    assert_eq!(value(&*here, "a").await.unwrap(), b"2");
}

pub async fn a_write_with_an_old_version_changes_nothing(rig: &impl Rig) {
    let secrets = rig.open();
    let first = secrets.put("a", b"1", None).await.unwrap();
    let second = secrets.put("a", b"2", None).await.unwrap();
    for stale in [0, first, second + 1] {
        let error = secrets.put("a", b"x", Some(stale)).await.unwrap_err();
        assert!(matches!(error, SecretsError::Conflict(_)), "{error}");
    }
    assert!(matches!(secrets.put("b", b"x", Some(1)).await, Err(SecretsError::Conflict(_))));
    assert_eq!(value(&*secrets, "a").await.unwrap(), b"2");
    assert_eq!(value(&*secrets, "b").await, None);
}

pub async fn of_many_conditional_writes_one_wins(rig: &impl Rig) {
    let stores = [rig.open(), rig.open()];
    let writing: Vec<_> = (0..16_u8)
        .map(|number| {
            let secrets = Arc::clone(&stores[usize::from(number % 2)]);
            tokio::spawn(async move { (number, secrets.put("a", &[number], Some(0)).await.is_ok()) })
        })
        .collect();
    let mut winners = Vec::new();
    for one in writing {
        let (number, won) = one.await.unwrap();
        winners.extend(won.then_some(number));
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(value(&*stores[0], "a").await.unwrap(), winners);
}

pub async fn names_are_listed_by_the_literal_prefix(rig: &impl Rig) {
    let secrets = rig.open();
    for name in ["network/a_b/nodes/1", "network/a_b/nodes/2", "network/axb", "other"] {
        secrets.put(name, b"x", None).await.unwrap();
    }
    let mut listed = secrets.list("network/a_").await.unwrap();
    listed.sort();
    assert_eq!(listed, ["network/a_b/nodes/1", "network/a_b/nodes/2"]);
    assert_eq!(secrets.list("").await.unwrap().len(), 4);
    assert!(secrets.list("none").await.unwrap().is_empty());
}

pub async fn a_deleted_secret_is_gone(rig: &impl Rig) {
    let (here, there) = (rig.open(), rig.open());
    let version = here.put("a", b"1", None).await.unwrap();
    assert!(there.delete("a").await.unwrap());
    assert!(!here.delete("a").await.unwrap());
    assert_eq!(here.get("a").await.unwrap(), None);
    assert!(here.list("").await.unwrap().is_empty());
    assert!(matches!(here.put("a", b"2", Some(version)).await, Err(SecretsError::Conflict(_))));
    here.put("a", b"2", Some(0)).await.unwrap();
}

const PURPOSES: [Purpose; 4] =
    [Purpose::UploadToken, Purpose::PrivacyNoise, Purpose::PagingCursor, Purpose::Setup];

pub async fn derived_keys_are_lasting_and_differ_by_purpose(rig: &impl Rig) {
    let secrets = rig.open();
    let mut derived = Vec::new();
    for purpose in PURPOSES {
        derived.push(secrets.derived(purpose).await.unwrap());
    }
    assert_eq!(derived.iter().collect::<BTreeSet<_>>().len(), PURPOSES.len());
    drop(secrets);
    let secrets = rig.open();
    for (purpose, before) in PURPOSES.into_iter().zip(derived) {
        assert_eq!(secrets.derived(purpose).await.unwrap(), before);
    }
}

pub async fn processes_that_start_together_derive_the_same(rig: &impl Rig) {
    let deriving: Vec<_> = (0..4)
        .map(|_| {
            let secrets = rig.open();
            tokio::spawn(async move { secrets.derived(Purpose::Setup).await.unwrap() })
        })
        .collect();
    let mut derived = BTreeSet::new();
    for one in deriving {
        derived.insert(one.await.unwrap());
    }
    assert_eq!(derived.len(), 1);
}

pub async fn the_secret_key_is_neither_read_nor_listed_nor_written(rig: &impl Rig) {
    let secrets = rig.open();
    let before = secrets.derived(Purpose::UploadToken).await.unwrap();
    assert_eq!(secrets.get("secret_key").await.unwrap(), None);
    assert!(secrets.list("").await.unwrap().is_empty());
    assert!(secrets.put("secret_key", &[0; 64], None).await.is_err());
    assert!(!secrets.delete("secret_key").await.unwrap_or(false));
    assert_eq!(rig.open().derived(Purpose::UploadToken).await.unwrap(), before);
}

pub async fn a_made_key_stands(rig: &impl Rig) {
    let secrets = rig.open();
    assert!(!secrets.has_key("user-1").await.unwrap());
    secrets.create_key("user-1", 2048).await.unwrap();
    assert!(secrets.has_key("user-1").await.unwrap());
    let key = public(&*secrets, "user-1").await;
    assert_eq!((key.size(), key.e()), (256, &BoxedUint::from(65_537_u32)));
    rig.open().create_key("user-1", 4096).await.unwrap();
    assert_eq!(rig.open().keys().await.unwrap(), ["user-1"]);
    assert_eq!(public(&*rig.open(), "user-1").await, key);
    assert!(secrets.create_key("weak", 1024).await.is_err());
}

pub async fn a_missing_key_is_told(rig: &impl Rig) {
    let secrets = rig.open();
    assert_eq!(secrets.public_pem("absent").await.unwrap(), None);
    assert!(!secrets.delete_key("absent").await.unwrap());
    let told = |error: SecretsError| matches!(error, SecretsError::NoKey(name) if name == "absent");
    assert!(told(secrets.wrap("absent", b"x").await.unwrap_err()));
    assert!(told(secrets.unwrap("absent", &[0; 256]).await.unwrap_err()));
    assert!(told(secrets.sign("absent", Signing::Pss, b"x").await.unwrap_err()));
}

pub async fn keys_and_secrets_do_not_share_names(rig: &impl Rig) {
    rig.import("same", keys::A).await;
    let secrets = rig.open();
    assert_eq!(secrets.get("same").await.unwrap(), None);
    assert!(secrets.list("").await.unwrap().is_empty());
    secrets.put("same", b"x", Some(0)).await.unwrap();
    secrets.delete("same").await.unwrap();
    assert!(secrets.has_key("same").await.unwrap());
}

pub async fn a_deleted_key_is_gone(rig: &impl Rig) {
    rig.import("k", keys::A).await;
    let (here, there) = (rig.open(), rig.open());
    assert_eq!(here.public_pem("k").await.unwrap().as_deref(), Some(keys::A_PUBLIC));
    assert_eq!(there.public_pem("k").await.unwrap().as_deref(), Some(keys::A_PUBLIC));
    assert!(there.delete_key("k").await.unwrap());
    assert!(!there.delete_key("k").await.unwrap());
    assert!(matches!(here.sign("k", Signing::Pkcs1, b"x").await, Err(SecretsError::NoKey(_))));
    rig.import("k", keys::B).await;
    assert_ne!(here.public_pem("k").await.unwrap().unwrap(), keys::A_PUBLIC);
}

pub async fn what_another_implementation_wrapped_is_unwrapped(rig: &impl Rig) {
    rig.import("k", keys::A).await;
    let wrapped = BASE64.decode(keys::A_WRAPPED).unwrap();
    assert_eq!(rig.open().unwrap("k", &wrapped).await.unwrap(), b"wrapped by another implementation");
}

pub async fn what_is_wrapped_is_unwrapped_by_the_same_key_only(rig: &impl Rig) {
    rig.import("a", keys::A).await;
    rig.import("b", keys::B).await;
    rig.import("large", keys::LARGE).await;
    let secrets = rig.open();
    for (name, size) in [("a", 256), ("large", 512)] {
        for plain in [&b""[..], &[7; 32], &vec![0; size - 66]] {
            let wrapped = secrets.wrap(name, plain).await.unwrap();
            assert_eq!(wrapped.len(), size);
            assert_ne!(wrapped, secrets.wrap(name, plain).await.unwrap());
            assert_eq!(secrets.unwrap(name, &wrapped).await.unwrap(), plain);
            let other = secrets.unwrap("b", &wrapped).await.unwrap_err();
            assert!(matches!(other, SecretsError::Undecryptable(name) if name == "b"));
        }
    }
    let key = public(&*secrets, "b").await;
    let wrapped = key.encrypt(&mut getrandom::SysRng, Oaep::<Sha256>::new(), b"from outside").unwrap();
    assert_eq!(secrets.unwrap("b", &wrapped).await.unwrap(), b"from outside");
    let labelled = Oaep::<Sha256>::new_with_label(*b"label");
    let wrapped = key.encrypt(&mut getrandom::SysRng, labelled, b"from outside").unwrap();
    assert!(secrets.unwrap("b", &wrapped).await.is_err());
}

pub async fn anything_too_long_or_damaged_is_refused(rig: &impl Rig) {
    rig.import("k", keys::A).await;
    let secrets = rig.open();
    assert!(secrets.wrap("k", &[0; 191]).await.is_err());
    let mut wrapped = secrets.wrap("k", b"plain").await.unwrap();
    wrapped[100] ^= 1;
    for damaged in [&wrapped[..], &wrapped[..255], &[0; 256], &[0xff; 256], &[0; 10_000], b""] {
        let error = secrets.unwrap("k", damaged).await.unwrap_err();
        assert!(matches!(error, SecretsError::Undecryptable(_)), "{error}");
    }
    assert!(secrets.put("large", &vec![0; 2 * 1024 * 1024], None).await.is_err());
    for name in ["", "line\nbreak", &"x".repeat(2_000)] {
        assert!(secrets.put(name, b"x", None).await.is_err(), "{name:?}");
    }
}

pub async fn signatures_of_json_web_tokens_are_those_of_another_implementation(rig: &impl Rig) {
    rig.import("k", keys::A).await;
    let secrets = rig.open();
    let signature = secrets.sign("k", Signing::Pkcs1, b"signed by another implementation").await.unwrap();
    assert_eq!(BASE64.encode(&signature), keys::A_SIGNATURE.trim());
    let digest = Sha256::digest(b"signed by another implementation");
    let key = public(&*secrets, "k").await;
    key.verify(Pkcs1v15Sign::new::<Sha256>(), &digest, &signature).unwrap();
}

pub async fn federation_signatures_have_the_longest_salt(rig: &impl Rig) {
    rig.import("small", keys::A).await;
    rig.import("large", keys::LARGE).await;
    let secrets = rig.open();
    let message = vec![b'm'; 100_000];
    let digest = Sha256::digest(&message);
    for (name, salt) in [("small", 222), ("large", 478)] {
        let signature = secrets.sign(name, Signing::Pss, &message).await.unwrap();
        assert_ne!(signature, secrets.sign(name, Signing::Pss, &message).await.unwrap());
        let key = public(&*secrets, name).await;
        key.verify(Pss::<Sha256>::new_with_salt(salt), &digest, &signature).unwrap();
        assert!(key.verify(Pss::<Sha256>::new_with_salt(32), &digest, &signature).is_err());
        let other = Sha256::digest(b"another message");
        assert!(key.verify(Pss::<Sha256>::new_with_salt(salt), &other, &signature).is_err());
    }
}

pub async fn errors_hold_no_secret(rig: &impl Rig) {
    let secrets = rig.open();
    secrets.put("a", b"hunter2", None).await.unwrap();
    let found = secrets.get("a").await.unwrap().unwrap();
    let conflict = secrets.put("a", b"hunter2", Some(0)).await.unwrap_err();
    for shown in [format!("{found:?}"), format!("{conflict:?} {conflict}"), format!("{secrets:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains(&format!("{:?}", b"hunter2")), "{shown}");
    }
}

pub async fn a_live_store_answers_a_ping(rig: &impl Rig) {
    rig.open().ping().await.unwrap();
}
