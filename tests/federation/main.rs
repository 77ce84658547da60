//! What is said to other installations: built and signed by the real use cases over the embedded parts, and handed to
//! a fake that records it and answers from a script, because no other installation can be had here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cv3_backend::blobs::files::FileBlobs;
use cv3_backend::broker::sqlite::SqliteBroker;
use cv3_backend::domain::clock::{Clock, Random, SystemClock, SystemRandom};
use cv3_backend::identity::builtin::{Issuer, IssuerSettings};
use cv3_backend::peers::{Answer, PeerError, Peers};
use cv3_backend::ports::Ports;
use cv3_backend::secrets::Secrets;
use cv3_backend::secrets::local::{LocalSecrets, MasterKey};
use cv3_backend::service::auth::DataAdmin;
use cv3_backend::service::{Options, Services};
use cv3_backend::store::Store;
use cv3_backend::store::sqlite::SqliteStore;
use cv3_backend::terms::TermFile;
use rsa::pkcs8::DecodePublicKey;
use rsa::{Pss, RsaPublicKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const NETWORK: &str = "0c7c1b4e-6c3c-4b3e-8a51-0e5b6c1fdb6f";

/// A message as it was sent.
#[derive(Debug, Clone)]
struct Sent {
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// A fake: records what is sent; every post is answered with one status.
#[derive(Debug)]
struct FakePeers {
    status: u16,
    sent: Mutex<Vec<Sent>>,
}

fn answer(status: u16, body: Vec<u8>) -> Answer {
    Answer { status, headers: Vec::new(), body }
}

#[async_trait]
impl Peers for FakePeers {
    async fn get(&self, _: &str) -> Result<Answer, PeerError> {
        Ok(answer(200, json!([{"networkId": NETWORK, "networkName": "Theirs"}]).to_string().into_bytes()))
    }

    async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> Result<Answer, PeerError> {
        let sent = Sent { url: url.into(), headers: headers.to_vec(), body: body.to_vec() };
        self.sent.lock().unwrap().push(sent);
        Ok(answer(self.status, Vec::new()))
    }
}

/// An installation in a temporary folder that others can reach.
struct House {
    peers: Arc<FakePeers>,
    ports: Ports,
    services: Services,
    _folder: tempfile::TempDir,
}

impl House {
    async fn whose_peers_answer(status: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&at.join("store.db")).unwrap());
        let master = MasterKey::Generated { path: at.join("secrets").join("key") };
        let secrets: Arc<dyn Secrets> =
            Arc::new(LocalSecrets::open(&at.join("secrets").join("keystore"), master).unwrap());
        let identity = Issuer::new(
            store.clone(),
            secrets.clone(),
            clock.clone(),
            random.clone(),
            IssuerSettings::default(),
        );
        let peers = Arc::new(FakePeers { status, sent: Mutex::default() });
        let ports = Ports {
            store,
            blobs: Arc::new(FileBlobs::open(&at.join("blobs")).unwrap()),
            broker: Arc::new(
                SqliteBroker::open(&at.join("jobs.db"), &at.join("run"), clock.clone()).unwrap(),
            ),
            secrets,
            mail: Arc::new(cv3_backend::mail::nowhere::Nowhere),
            identity: Arc::new(identity),
            peers: peers.clone(),
            terms: TermFile::embedded().unwrap(),
            clock,
            random,
        };
        let options = Options {
            public_url: "https://us.example.org".into(),
            node_key_bits: 1024,
            ..Options::default()
        };
        let services = Services::new(ports.clone(), options);
        services.setup.seed().await.unwrap();
        Self { peers, ports, services, _folder: folder }
    }

    async fn join(&self) -> Result<String, cv3_backend::service::Failure> {
        let admin = self.services.auth.operator::<DataAdmin>();
        let body = json!({"networkID": NETWORK, "baseUrl": "https://them.example.org/"});
        self.services.networks.join(&admin, &body).await
    }

    async fn requests(&self) -> Vec<Value> {
        let admin = self.services.auth.operator::<DataAdmin>();
        self.services.networks.requests(&admin).await.unwrap()
    }

    async fn has_key(&self) -> bool {
        self.ports.secrets.get(&format!("network/{NETWORK}")).await.unwrap().is_some()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_signed_over_the_bytes_sent_with_the_key_it_carries() {
    let house = House::whose_peers_answer(200).await;
    house.join().await.unwrap();
    let sent = house.peers.sent.lock().unwrap().first().cloned().unwrap();
    assert_eq!(sent.url, "https://them.example.org/federation/");
    let message: Value = serde_json::from_slice(&sent.body).unwrap();
    let head = |name: &str| sent.headers.iter().find(|(one, _)| *one == name).unwrap().1.clone();
    let node = &message["messageData"]["node"];
    assert_eq!(
        (head("X-Network-ID").as_str(), json!(head("X-Installation-ID"))),
        (NETWORK, node["nodeId"].clone())
    );

    let key = RsaPublicKey::from_public_key_pem(node["publicKey"].as_str().unwrap()).unwrap();
    let signature = STANDARD.decode(head("X-Server-Signature")).unwrap();
    let longest = || Pss::new_with_salt::<Sha256>(1024 / 8 - 32 - 2);
    key.verify(longest(), &Sha256::digest(&sent.body), &signature).unwrap();
    let mut altered = sent.body.clone();
    altered.push(b' ');
    assert!(key.verify(longest(), &Sha256::digest(&altered), &signature).is_err());

    let text = String::from_utf8(sent.body).unwrap();
    assert!(
        text.starts_with(r#"{"messageType": "authMessage", "messageAttributes": {"messageId": "#),
        "{text}"
    );
    assert!(
        !text.contains("PRIVATE")
            && node["authenticationEnabled"] == false
            && node.get("userMapping").is_none()
    );
    // The sending administrator sees the words to read out.
    let listed = house.requests().await;
    assert_eq!(listed[0]["messageAttributes"]["status"], "sent");
    assert_eq!(listed[0]["messageData"]["challenge"], message["messageData"]["challenge"]);
    assert!(house.has_key().await);
    assert_eq!(
        house.join().await.unwrap_err().to_string(),
        format!("a request for the network {NETWORK} is open already")
    );
}

/// Row 8 of specification §15.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_8_a_request_that_was_refused_is_rejected_and_leaves_no_key_and_no_network() {
    let house = House::whose_peers_answer(403).await;
    house.join().await.unwrap_err();
    assert_eq!(house.requests().await[0]["messageAttributes"]["status"], "rejected");
    assert!(!house.has_key().await);
    let networks = house.ports.store.networks().get(NETWORK).await.unwrap();
    assert!(networks.is_none());
    assert_eq!(house.peers.sent.lock().unwrap().len(), 1);
}

/// Row 6 of specification §15.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_6_a_half_made_network_is_hidden_and_removed_and_missing_keys_are_made() {
    let house = House::whose_peers_answer(200).await;
    let half = json!({
        "networkId": NETWORK, "networkName": "Half", "instanceId": "n", "state": "creating",
        "createdAt": "2026-01-31T12:00:00Z",
    });
    let half = serde_json::from_value(half).unwrap();
    house.ports.store.networks().insert(NETWORK, &half).await.unwrap();
    house.ports.secrets.put(&format!("network/{NETWORK}"), b"{}", None).await.unwrap();
    let admin = house.services.auth.operator::<DataAdmin>();
    assert!(house.services.networks.index(&admin, &half.network_id).await.is_err());

    house.services.networks.tend(&house.services.auth.inside()).await.unwrap();
    assert!(house.ports.store.networks().get(NETWORK).await.unwrap().is_none() && !house.has_key().await);
    let all = cv3_backend::domain::filter::Filter::all();
    let nodes = house.ports.store.nodes().find(&all).await.unwrap();
    assert!(nodes.iter().all(|node| node.public_key.is_some()) && nodes.len() == 1, "{nodes:?}");
}
