//! An installation in a temporary folder that others can reach.

use std::sync::Arc;
use std::time::Duration;

use cv3_backend::blobs::files::FileBlobs;
use cv3_backend::broker::sqlite::SqliteBroker;
use cv3_backend::domain::clock::{Clock, FixedClock, Random, SystemRandom};
use cv3_backend::domain::filter::Filter;
use cv3_backend::domain::ids::{NetworkId, NodeId};
use cv3_backend::domain::networks::{Network, Node};
use cv3_backend::identity::builtin::{Issuer, IssuerSettings};
use cv3_backend::ports::Ports;
use cv3_backend::secrets::Secrets;
use cv3_backend::secrets::local::{LocalSecrets, MasterKey};
use cv3_backend::service::auth::{As, DataAdmin};
use cv3_backend::service::{Failure, Options, Services};
use cv3_backend::store::Store;
use cv3_backend::store::sqlite::SqliteStore;
use cv3_backend::terms::TermFile;
use serde_json::{Value, json};

use crate::faulty::Faulty;
use crate::others::FakePeers;
use crate::{NETWORK, THEM};

/// The right words for what `Other::asks`, as an administrator types them.
pub fn words() -> Value {
    json!({"challenge": ["Apple", " cabin", "ZEBRA"]})
}

pub struct House {
    pub peers: Arc<FakePeers>,
    pub faults: Arc<Faulty>,
    pub clock: Arc<FixedClock>,
    pub ports: Ports,
    pub services: Services,
    _folder: tempfile::TempDir,
}

impl House {
    pub async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let fixed = Arc::new(FixedClock::at("2026-01-31T12:00:00Z".parse().unwrap()));
        let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) = (fixed.clone(), Arc::new(SystemRandom));
        let inner: Arc<dyn Store> = Arc::new(SqliteStore::open(&at.join("store.db")).unwrap());
        let faults = Arc::new(Faulty::over(inner.clone()));
        let store: Arc<dyn Store> = faults.clone();
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
        let peers = Arc::new(FakePeers::new(inner));
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
        let options = Options { public_url: "https://us.example.org".into(), node_key_bits: 1024, ..options };
        let services = Services::new(ports.clone(), options);
        services.setup.seed().await.unwrap();
        Self { peers, faults, clock: fixed, ports, services, _folder: folder }
    }

    pub fn admin(&self) -> As<DataAdmin> {
        self.services.auth.operator::<DataAdmin>()
    }

    pub async fn join(&self) -> Result<String, Failure> {
        let body = json!({"networkID": NETWORK, "baseUrl": format!("{THEM}/")});
        self.services.networks.join(&self.admin(), &body).await
    }

    pub async fn invite(&self, network: &NetworkId) -> Result<String, Failure> {
        self.services.networks.invite(&self.admin(), network, &json!({"baseUrl": THEM})).await
    }

    pub async fn approve(&self, message: &str) -> Result<(), Failure> {
        self.services.networks.approve(&self.admin(), message, &words()).await
    }

    /// Puts what the gateway would after it received it.
    pub async fn receive(&self, request: &Value) {
        let request = serde_json::from_value(request.clone()).unwrap();
        let request: cv3_backend::domain::federation::Exchange = request;
        self.ports.store.messages().insert(&request.id, &request).await.unwrap();
    }

    pub async fn requests(&self) -> Vec<Value> {
        self.services.networks.requests(&self.admin(), None).await.unwrap()
    }

    /// The one request or invitation there is.
    pub async fn request(&self) -> Value {
        let mut all = self.requests().await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// Does what is due after some time.
    pub async fn pursue_after(&self, minutes: u64) {
        self.clock.advance(Duration::from_secs(minutes * 60));
        self.services.networks.pursue(&self.services.auth.inside()).await.unwrap();
    }

    pub async fn tend(&self) {
        self.services.networks.tend(&self.services.auth.inside()).await.unwrap();
    }

    pub async fn has_key(&self, network: &str) -> bool {
        self.ports.secrets.get(&format!("network/{network}")).await.unwrap().is_some()
    }

    /// Names of all keys of networks.
    pub async fn keys(&self) -> Vec<String> {
        self.ports.secrets.list("network/").await.unwrap()
    }

    pub async fn network(&self, id: &str) -> Option<Network> {
        self.ports.store.networks().get(id).await.unwrap()
    }

    /// The network there is from the start.
    pub async fn local(&self) -> NetworkId {
        self.ports.store.networks().find(&Filter::all()).await.unwrap().remove(0).network_id
    }

    /// The approved members of a network but for us.
    pub async fn members(&self, network: &str) -> Vec<Node> {
        let us = self.network(network).await.map(|network| network.instance_id);
        let mut nodes = self.ports.store.nodes().find(&Filter::equals("networkId", network)).await.unwrap();
        nodes.retain(|node| Some(&node.node_id) != us.as_ref());
        nodes
    }

    pub async fn pending(&self, node: &str) -> Option<Node> {
        self.ports.store.pending_nodes().get(node).await.unwrap()
    }
}

pub fn node_id(id: &str) -> NodeId {
    NodeId::parse(id).unwrap()
}

pub fn status(request: &Value) -> &str {
    request["messageAttributes"]["status"].as_str().unwrap()
}
