//! A store and a keystore that live in memory, so that these tests are about the issuer alone.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use cv3_backend::domain::filter::{Condition, Filter};
use cv3_backend::secrets::{Purpose, Secrets, SecretsError, Signing, Versioned};
use cv3_backend::store::{Documents, Room, Store, StoreError, Stored, Subjects};
use rsa::PrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey, LineEnding};
use rsa::signature::{SignatureEncoding, Signer};
use serde_json::Value;
use sha2::Sha256;

/// Documents by room and id.
#[derive(Debug, Default)]
pub struct FakeStore(Mutex<BTreeMap<(&'static str, String), Stored>>);

impl FakeStore {
    /// Everything stored, as one text: to look for what must not be there.
    pub fn dump(&self) -> String {
        self.0.lock().unwrap().values().map(|stored| stored.body.to_string()).collect()
    }

    /// How many documents a room has.
    pub fn len(&self, room: Room) -> usize {
        self.0.lock().unwrap().keys().filter(|(name, _)| *name == room.collection()).count()
    }
}

fn meets(body: &Value, conditions: &[Condition]) -> bool {
    conditions.iter().all(|condition| match condition {
        Condition::Equals(field, value) => body.get(*field) == Some(value),
        Condition::Below(field, value) => body[*field].as_i64() < value.as_i64(),
        other => panic!("the issuer does not ask this: {other:?}"),
    })
}

#[async_trait]
impl Store for FakeStore {
    fn documents(&self) -> &dyn Documents {
        self
    }

    fn subjects(&self) -> &dyn Subjects {
        panic!("the issuer has no subjects")
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Documents for FakeStore {
    async fn get(&self, room: Room, id: &str) -> Result<Option<Stored>, StoreError> {
        Ok(self.0.lock().unwrap().get(&(room.collection(), id.to_owned())).cloned())
    }

    async fn find(&self, room: Room, filter: &Filter) -> Result<Vec<Stored>, StoreError> {
        let all = self.0.lock().unwrap();
        let of_room = all.iter().filter(|((name, _), _)| *name == room.collection());
        let mut found: Vec<_> = of_room
            .map(|(_, stored)| stored.clone())
            .filter(|s| meets(&s.body, &filter.conditions))
            .collect();
        if let Some((field, _)) = filter.order {
            found.sort_by_key(|stored| stored.body[field].to_string());
        }
        Ok(found.into_iter().skip(filter.skip).take(filter.limit.unwrap_or(usize::MAX)).collect())
    }

    async fn count(&self, room: Room, filter: &Filter) -> Result<u64, StoreError> {
        Ok(self.find(room, filter).await?.len() as u64)
    }

    async fn insert(&self, room: Room, id: &str, body: &Value) -> Result<(), StoreError> {
        self.write(room, id, None, body).map(|_| ())
    }

    async fn replace(&self, room: Room, id: &str, expected: u64, body: &Value) -> Result<u64, StoreError> {
        self.write(room, id, Some(expected), body)
    }

    async fn put(&self, room: Room, id: &str, body: &Value) -> Result<(), StoreError> {
        let revision = self.get(room, id).await?.map(|stored| stored.revision);
        self.write(room, id, revision, body).map(|_| ())
    }

    async fn delete(&self, room: Room, id: &str) -> Result<bool, StoreError> {
        Ok(self.0.lock().unwrap().remove(&(room.collection(), id.to_owned())).is_some())
    }

    async fn delete_where(&self, room: Room, filter: &Filter) -> Result<u64, StoreError> {
        let mut all = self.0.lock().unwrap();
        let before = all.len();
        all.retain(|(name, _), stored| {
            *name != room.collection() || !meets(&stored.body, &filter.conditions)
        });
        Ok((before - all.len()) as u64)
    }
}

impl FakeStore {
    fn write(&self, room: Room, id: &str, expected: Option<u64>, body: &Value) -> Result<u64, StoreError> {
        let mut all = self.0.lock().unwrap();
        let key = (room.collection(), id.to_owned());
        let taken = all.iter().any(|((name, other), stored)| {
            *name == key.0 && *other != key.1 && room.unique().iter().any(|f| stored.body[f] == body[f])
        });
        if taken || all.get(&key).map(|stored| stored.revision) != expected {
            return Err(StoreError::Conflict(id.to_owned()));
        }
        let revision = expected.unwrap_or_default() + 1;
        all.insert(key, Stored { id: id.to_owned(), revision, body: body.clone() });
        Ok(revision)
    }
}

/// The committed throw-away key for every name, and a key-value store.
#[derive(Debug)]
pub struct FakeSecrets {
    key: PrivateKey,
    kv: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Default for FakeSecrets {
    fn default() -> Self {
        let key = PrivateKey::from_pkcs8_pem(include_str!("throwaway_key.pem")).unwrap();
        Self { key, kv: Mutex::default() }
    }
}

impl FakeSecrets {
    pub fn sign_now(&self, message: &[u8]) -> Vec<u8> {
        SigningKey::<Sha256>::new(self.key.clone()).sign(message).to_vec()
    }

    pub fn pem(&self) -> String {
        self.key.to_public_key().to_public_key_pem(LineEnding::LF).unwrap()
    }
}

#[async_trait]
impl Secrets for FakeSecrets {
    async fn get(&self, name: &str) -> Result<Option<Versioned>, SecretsError> {
        let kv = self.kv.lock().unwrap();
        Ok(kv.get(name).map(|value| Versioned { version: 1, value: value.clone() }))
    }

    async fn put(&self, name: &str, value: &[u8], _expected: Option<u64>) -> Result<u64, SecretsError> {
        self.kv.lock().unwrap().insert(name.to_owned(), value.to_vec());
        Ok(1)
    }

    async fn delete(&self, name: &str) -> Result<bool, SecretsError> {
        Ok(self.kv.lock().unwrap().remove(name).is_some())
    }

    async fn list(&self, _prefix: &str) -> Result<Vec<String>, SecretsError> {
        Ok(Vec::new())
    }

    async fn derived(&self, _purpose: Purpose) -> Result<[u8; 32], SecretsError> {
        Ok([7; 32])
    }

    async fn create_key(&self, _name: &str, _bits: usize) -> Result<(), SecretsError> {
        Ok(())
    }

    async fn keys(&self) -> Result<Vec<String>, SecretsError> {
        Ok(Vec::new())
    }

    async fn has_key(&self, _name: &str) -> Result<bool, SecretsError> {
        Ok(true)
    }

    async fn public_pem(&self, _name: &str) -> Result<Option<String>, SecretsError> {
        Ok(Some(self.pem()))
    }

    async fn delete_key(&self, _name: &str) -> Result<bool, SecretsError> {
        Ok(false)
    }

    async fn wrap(&self, name: &str, _plain: &[u8]) -> Result<Vec<u8>, SecretsError> {
        Err(SecretsError::NoKey(name.to_owned()))
    }

    async fn unwrap(&self, name: &str, _wrapped: &[u8]) -> Result<Vec<u8>, SecretsError> {
        Err(SecretsError::NoKey(name.to_owned()))
    }

    async fn sign(&self, _name: &str, signing: Signing, message: &[u8]) -> Result<Vec<u8>, SecretsError> {
        assert_eq!(signing, Signing::Pkcs1);
        Ok(self.sign_now(message))
    }

    async fn ping(&self) -> Result<(), SecretsError> {
        Ok(())
    }
}
