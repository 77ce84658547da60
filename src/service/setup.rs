//! The first start: seeds what every installation has, once, and knows whether an account exists yet (design §2).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::users::Admitted;
use super::{Failure, Live};
use crate::domain::filter::Filter;
use crate::domain::ids::{NetworkId, NodeId, UserId};
use crate::domain::networks::{Network, Node};
use crate::domain::settings::{SECTIONS, SystemConfig};
use crate::domain::users::{Profile, Role, UserInfo};
use crate::ports::Ports;
use crate::secrets::Purpose;
use crate::store::StoreError;

/// The privacy budget of new accounts until the settings say otherwise.
pub const DEFAULT_BUDGET: i64 = 100;

/// The schema version this binary writes into `instance.config`.
const SCHEMA_VERSION: u32 = 1;

/// After this a secrets store that was away is tried again.
const AWAY: Duration = Duration::from_secs(2);

/// Seeds an installation.
#[derive(Debug, Clone)]
pub struct Setup {
    ports: Ports,
    options: Live,
    ready: Arc<AtomicBool>,
}

impl Setup {
    pub(super) fn new(ports: Ports, options: Live) -> Self {
        Self { ports, options, ready: Arc::new(AtomicBool::new(false)) }
    }

    /// Adds what is missing, never changes what is there; several processes may start at once.
    ///
    /// A secrets store that is away stops no start (specification §3.3): its part is done once it is there.
    pub async fn seed(&self) -> Result<(), Failure> {
        self.seed_documents().await?;
        match self.seed_secrets().await {
            Err(away @ Failure::Unavailable(..)) => {
                tracing::warn!(error = %away, "the installation's secrets are made later");
                let setup = self.clone();
                tokio::spawn(async move {
                    while let Err(Failure::Unavailable(..)) = setup.seed_secrets().await {
                        tokio::time::sleep(AWAY).await;
                    }
                });
                Ok(())
            }
            seeded => seeded,
        }
    }

    async fn seed_secrets(&self) -> Result<(), Failure> {
        // The installation's own secret is made on first use.
        self.ports.secrets.derived(Purpose::UploadToken).await?;
        super::auth::seed_assistant_secret(&self.ports).await
    }

    async fn seed_documents(&self) -> Result<(), Failure> {
        let holder = self.ports.random.uuid().to_string();
        for _ in 0..200 {
            if self.ports.broker.lock("install", &holder, Duration::from_secs(30)).await?.is_some() {
                let seeded = self.seed_locked().await;
                self.ports.broker.unlock("install", &holder).await?;
                return seeded;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(Failure::Timeout("waiting for another process to finish the installation".into()))
    }

    async fn seed_locked(&self) -> Result<(), Failure> {
        let store = &self.ports.store;
        let mut defaults = SystemConfig::default();
        defaults.instance_settings.url.clone_from(&self.options.now().public_url);
        let defaults = serde_json::to_value(defaults).map_err(Failure::internal)?;
        for (section, id) in SECTIONS {
            let mut document = defaults.get(section).cloned().unwrap_or_default();
            if let Some(fields) = document.as_object_mut() {
                fields.insert("id".into(), id.into());
            }
            absent_only(store.config().insert(id, &document).await)?;
        }
        let anonymous = UserInfo {
            user_id: UserId::anonymous(),
            role: Role::User,
            active: true,
            budget: DEFAULT_BUDGET,
            internal: true,
            settings: None,
            created_at: Some(self.ports.clock.now()),
        };
        absent_only(store.users().insert(UserId::ANONYMOUS, &anonymous).await)?;
        if store.networks().count(&Filter::all()).await? == 0 {
            self.network_of_one().await?;
        }
        let marker = json!({"id": "Installation", "completedAt": self.ports.clock.now(), "schemaVersion": SCHEMA_VERSION});
        absent_only(store.config().insert("Installation", &marker).await)
    }

    async fn network_of_one(&self) -> Result<(), Failure> {
        let network_id = NetworkId::from_uuid(self.ports.random.uuid());
        let node_id = NodeId::from_uuid(self.ports.random.uuid());
        let node = Node {
            node_id: node_id.clone(),
            network_id: network_id.clone(),
            node_name: "This installation".into(),
            node_url: self.options.now().public_url.clone(),
            node_description: String::new(),
            client_id: self.ports.identity.info().client_id,
            public_key: None,
            authentication_enabled: false,
            user_mapping: None,
            record_index: None,
            meta_index: None,
        };
        let network = Network {
            network_id: network_id.clone(),
            network_name: "Local".into(),
            description: "This installation alone".into(),
            node_ids: vec![node_id.clone()],
            visible: false,
            instance_id: node_id.clone(),
            record_index: None,
            meta_index: None,
            state: None,
            created_at: None,
        };
        self.ports.store.nodes().put(node_id.as_str(), &node).await?;
        self.ports.store.networks().insert(network_id.as_str(), &network).await?;
        Ok(())
    }

    /// Whether the first developer account exists; until then every service answers `setupRequired`.
    pub async fn complete(&self) -> Result<bool, Failure> {
        if self.ready.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let users = self.ports.store.users().find(&Filter::equals("role", "developer")).await?;
        let ready = users.iter().any(|user| user.active && !user.internal);
        if ready {
            self.ready.store(true, Ordering::Relaxed);
        }
        Ok(ready)
    }

    /// The user name of the first account, where the identity provider keeps passwords (specification §4.1): then only
    /// address, names and affiliation are asked for.
    pub fn first_username(&self) -> Option<String> {
        let client = self.ports.identity.info().client_id;
        self.ports.identity.issuer().is_none().then(|| format!("{client}_admin"))
    }

    /// Creates the first developer account; refused once there is one. The caller has checked the set-up code. `None` =
    /// it has the password that was given.
    pub async fn first_account(&self, profile: Profile, password: &str) -> Result<Option<Admitted>, Failure> {
        if self.complete().await? {
            return Err(Failure::Conflict("this installation has its first account already; sign in".into()));
        }
        let role = Role::Developer;
        if self.ports.identity.info().realm.is_empty() {
            return Err(Failure::Unprocessable(
                "accounts are managed at the identity provider; run `cv3-backend user add --role developer` with \
                 --subject instead"
                    .into(),
            ));
        }
        match self.first_username() {
            Some(username) => {
                let profile = Profile { username, ..profile };
                super::users::admit_named(&self.ports, profile, role, DEFAULT_BUDGET).await.map(Some)
            }
            None => {
                super::users::create(&self.ports, profile, role, DEFAULT_BUDGET, Some(password)).await?;
                Ok(None)
            }
        }
    }
}

/// An insert that found the document already there has nothing to do.
fn absent_only(written: Result<(), StoreError>) -> Result<(), Failure> {
    match written {
        Ok(()) | Err(StoreError::Conflict(_)) => Ok(()),
        Err(other) => Err(other.into()),
    }
}
