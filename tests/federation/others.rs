//! Other installations: one fake for all addresses, and one node with a key that signs what it says.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cv3_backend::domain::federation::dump;
use cv3_backend::peers::{Answer, PeerError, Peers};
use cv3_backend::store::Store;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::{PrivateKey, Pss};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{NETWORK, THEM};

/// A message as it was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Whether the network the test is about was there and finished when it was sent.
    pub network_there: bool,
}

impl Sent {
    pub fn message(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn kind(&self) -> String {
        self.message()["messageAttributes"]["authType"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        &self.headers.iter().find(|(one, _)| *one == name).unwrap().1
    }
}

/// Records what is sent; answers as it is told.
#[derive(Debug)]
pub struct FakePeers {
    store: Arc<dyn Store>,
    sent: Mutex<Vec<Sent>>,
    /// What they say when they are asked how they are.
    pub health: Mutex<(u16, String)>,
    /// What they answer to messages.
    pub answer: Mutex<Answer>,
    /// Addresses that are silent.
    pub silent: Mutex<Vec<String>>,
}

pub fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer { status, headers: Vec::new(), body: body.into() }
}

impl FakePeers {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            sent: Mutex::default(),
            health: Mutex::new((200, r#"{"status": "OK"}"#.into())),
            answer: Mutex::new(answer(200, "Success")),
            silent: Mutex::default(),
        }
    }

    pub fn answer_with(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    pub fn are_well(&self, well: bool) {
        self.health.lock().unwrap().0 = if well { 200 } else { 503 };
    }

    /// What was sent since the last look.
    pub fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    /// Which types of message were sent where since the last look.
    pub fn kinds(&self) -> Vec<(String, String)> {
        self.sent().iter().map(|sent| (sent.kind(), sent.url.clone())).collect()
    }

    fn hear(&self, url: &str) -> Result<(), PeerError> {
        match self.silent.lock().unwrap().iter().any(|silent| url.starts_with(silent.as_str())) {
            true => Err(PeerError::Unreachable("nobody answers".into())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Peers for FakePeers {
    async fn get(&self, url: &str) -> Result<Answer, PeerError> {
        self.hear(url)?;
        if url.ends_with("/federation/networks") {
            let listed = json!([{"networkId": NETWORK, "networkName": "Theirs"}]);
            return Ok(answer(200, listed.to_string()));
        }
        assert!(url.ends_with("/federation/") && !url.ends_with("//federation/"), "{url}");
        let (status, body) = self.health.lock().unwrap().clone();
        Ok(answer(status, body))
    }

    async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> Result<Answer, PeerError> {
        self.hear(url)?;
        let network = self.store.networks().get(NETWORK).await.unwrap();
        let network_there = network.is_some_and(|network| !network.is_unfinished());
        let (url, headers, body) = (url.into(), headers.to_vec(), body.to_vec());
        self.sent.lock().unwrap().push(Sent { url, headers, body, network_there });
        Ok(self.answer.lock().unwrap().clone())
    }
}

/// A node of another installation.
pub struct Other {
    key: PrivateKey,
    pub id: String,
    pub url: String,
}

impl Other {
    pub fn called(id: &str) -> Self {
        let key = PrivateKey::new(&mut getrandom::SysRng, 1024).unwrap();
        Self { key, id: id.into(), url: THEM.into() }
    }

    pub fn at(mut self, url: &str) -> Self {
        self.url = url.into();
        self
    }

    pub fn node(&self) -> Value {
        let key = self.key.to_public_key().to_public_key_pem(LineEnding::LF).unwrap();
        json!({
            "nodeId": self.id, "nodeName": "Other", "nodeUrl": self.url, "clientId": "other",
            "nodeDescription": "", "publicKey": key, "authenticationEnabled": true, "userMapping": "somebody",
        })
    }

    /// A request to us as it was received, or an invitation.
    pub fn asks(&self, kind: &str, message: &str, network: &str) -> Value {
        let mut data = json!({"node": self.node(), "challenge": ["zebra", "apple", "cabin"]});
        if kind == "invite" {
            data["network"] =
                json!({"networkId": network, "networkName": "Theirs", "description": "of others"});
        }
        json!({
            "id": format!("in-{message}"), "messageId": message, "direction": "in", "status": "pending",
            "networkId": network, "receivedAt": "2026-01-31T12:00:00Z", "messageType": "authMessage",
            "messageAttributes": {
                "messageId": message, "authType": kind, "networkId": network, "status": "sent",
                "targetUrl": "https://us.example.org",
            },
            "messageData": data, "timestamp": 1_769_860_800,
        })
    }

    /// A `response` to a request of ours.
    pub fn response(&self, message: &str, approved: bool, data: Option<Value>) -> Value {
        let mut response = json!({
            "messageType": "authMessage", "timestamp": 1,
            "messageAttributes": {
                "messageId": message, "authType": "response", "networkId": NETWORK, "approved": approved,
            },
        });
        if let Some(data) = data {
            response["messageData"] = data;
        }
        response
    }

    /// A `response` that lets us in.
    pub fn approval(&self, message: &str) -> Value {
        let network = json!({"networkId": NETWORK, "networkName": "Theirs", "description": "of others"});
        self.response(message, true, Some(json!({"node": self.node(), "network": network})))
    }

    /// An answer over HTTP that carries a message, signed; on the way it was written anew, compactly.
    pub fn signed(&self, message: &Value) -> Answer {
        let written = dump(message).unwrap();
        let scheme = Pss::<Sha256>::new_with_salt(1024 / 8 - 32 - 2);
        let signature =
            self.key.sign_with_rng(&mut getrandom::SysRng, scheme, &Sha256::digest(&written)).unwrap();
        let headers = [
            ("x-installation-id", self.id.clone()),
            ("x-network-id", NETWORK.into()),
            ("x-server-signature", STANDARD.encode(signature)),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Answer { status: 200, headers, body: message.to_string().into_bytes() }
    }
}
