//! Beacon endpoints: which networks are exposed under which path, and their keys (specification §6.2, §11.1).
//!
//! A key is made here, rests with the secrets and leaves only by mail. The document is there before its key and goes
//! after it: whatever is interrupted, no key is left of an endpoint that is not there.

use serde_json::{Value, json};

use super::auth::{As, DataAdmin, fresh_secret};
use super::mail::{Event, Recipient, notify_of_secret};
use super::settings::Settings;
use super::{Failure, Live};
use crate::domain::beacon::{Endpoint, is_path, key_name};
use crate::domain::filter::Filter;
use crate::domain::ids::BeaconId;
use crate::domain::settings::{SystemConfig, merge};
use crate::ports::Ports;
use crate::store::StoreError;

/// Most endpoints of an installation.
const MOST_ENDPOINTS: u64 = 1_000;

/// Manages and describes Beacon endpoints.
#[derive(Debug, Clone)]
pub struct Beacon {
    ports: Ports,
    options: Live,
    settings: Settings,
}

/// What an endpoint says of itself to everyone.
#[derive(Debug, Clone)]
pub struct Described {
    pub endpoint: Endpoint,
    pub settings: SystemConfig,
    /// Public base address of the installation, without a trailing slash.
    pub public_url: String,
}

impl Beacon {
    pub(super) fn new(ports: Ports, options: Live, settings: Settings) -> Self {
        Self { ports, options, settings }
    }

    /// All endpoints, by path.
    pub async fn list(&self, _: &As<DataAdmin>) -> Result<Vec<Endpoint>, Failure> {
        Ok(self.ports.store.beacon().find(&Filter::all().sorted("endpointPath")).await?)
    }

    /// One endpoint.
    pub async fn one(&self, _: &As<DataAdmin>, id: &BeaconId) -> Result<Endpoint, Failure> {
        self.found(id).await
    }

    async fn found(&self, id: &BeaconId) -> Result<Endpoint, Failure> {
        let found = self.ports.store.beacon().get(id.as_str()).await?;
        found.ok_or_else(|| absent(id))
    }

    /// Creates an endpoint with a key of its own; id and key are ours, whatever the body says.
    pub async fn create(&self, _: &As<DataAdmin>, mut body: Value) -> Result<BeaconId, Failure> {
        let id = BeaconId::from_uuid(self.ports.random.uuid());
        if let Some(fields) = body.as_object_mut() {
            fields.insert("endpointId".into(), id.as_str().into());
        }
        let endpoint = read(body)?;
        self.check_names(&endpoint).await?;
        if self.ports.store.beacon().count(&Filter::all()).await? >= MOST_ENDPOINTS {
            return Err(Failure::Conflict(format!("there are {MOST_ENDPOINTS} beacon endpoints already")));
        }
        self.ports.store.beacon().insert(id.as_str(), &endpoint).await.map_err(|error| match error {
            StoreError::Conflict(_) => taken(&endpoint),
            other => other.into(),
        })?;
        self.make_key(&id).await?;
        Ok(id)
    }

    /// Merges a change into an endpoint; a mapping is replaced as a whole. What others change meanwhile stays.
    pub async fn change(&self, _: &As<DataAdmin>, id: &BeaconId, mut change: Value) -> Result<(), Failure> {
        let Some(fields) = change.as_object_mut() else {
            return Err(Failure::Invalid("a change of a beacon endpoint must be a JSON object".into()));
        };
        fields.remove("endpointId");
        let preview = changed(&self.found(id).await?, &change)?;
        self.check_names(&preview).await?;
        let rule = |held: &mut Endpoint| {
            *held = changed(held, &change)?;
            Ok::<(), Failure>(())
        };
        match self.ports.store.beacon().update(id.as_str(), rule).await {
            Ok(written) => written.map(drop).ok_or_else(|| absent(id)),
            // The room holds each path once; else it was changed too often.
            Err(Failure::Conflict(why)) => match self.at(&preview.endpoint_path).await? {
                Some(other) if other.endpoint_id != *id => Err(taken(&preview)),
                _ => Err(Failure::Conflict(why)),
            },
            Err(other) => Err(other),
        }
    }

    /// Removes an endpoint with its key.
    pub async fn delete(&self, _: &As<DataAdmin>, id: &BeaconId) -> Result<(), Failure> {
        self.found(id).await?;
        self.ports.secrets.delete(&key_name(id)).await?;
        match self.ports.store.beacon().delete(id.as_str()).await? {
            true => Ok(()),
            false => Err(absent(id)),
        }
    }

    /// Replaces the key of an endpoint and has it mailed to the caller; answers the address.
    pub async fn rotate_key(&self, admin: &As<DataAdmin>, id: &BeaconId) -> Result<String, Failure> {
        let endpoint = self.found(id).await?;
        let address = address(admin)?;
        self.make_key(id).await?;
        tracing::info!(endpoint = %id, by = %admin.caller().id(), "the key of a beacon endpoint was replaced");
        self.mail_key(admin, &endpoint, Event::BeaconKeyRotated).await?;
        Ok(address)
    }

    /// Has a copy of the key of an endpoint mailed to the caller; answers the address.
    pub async fn mail_copy(&self, admin: &As<DataAdmin>, id: &BeaconId) -> Result<String, Failure> {
        let endpoint = self.found(id).await?;
        let address = address(admin)?;
        if self.ports.secrets.get(&key_name(id)).await?.is_none() {
            return Err(Failure::Conflict("this endpoint has no key yet; make one with rotate-key".into()));
        }
        tracing::info!(endpoint = %id, by = %admin.caller().id(), "the key of a beacon endpoint was asked for");
        self.mail_key(admin, &endpoint, Event::BeaconKeyRequested).await?;
        Ok(address)
    }

    /// The endpoint at a path, for everyone: what is offered must be readable before it can be asked.
    pub async fn describe(&self, path: &str) -> Result<Described, Failure> {
        let nothing = || Failure::not_found("beacon endpoint", "at this path");
        if !is_path(path) {
            return Err(nothing());
        }
        Ok(Described {
            endpoint: self.at(path).await?.ok_or_else(nothing)?,
            settings: self.settings.current().await?,
            public_url: self.options.now().public_url.clone(),
        })
    }

    async fn at(&self, path: &str) -> Result<Option<Endpoint>, Failure> {
        let found = self.ports.store.beacon().find(&Filter::equals("endpointPath", path)).await?;
        Ok(found.into_iter().next())
    }

    async fn make_key(&self, id: &BeaconId) -> Result<(), Failure> {
        let key = fresh_secret(&self.ports);
        self.ports.secrets.put(&key_name(id), key.as_bytes(), None).await?;
        // Removed meanwhile: then nothing may be left of it.
        if self.ports.store.beacon().get(id.as_str()).await?.is_none() {
            self.ports.secrets.delete(&key_name(id)).await?;
            return Err(absent(id));
        }
        Ok(())
    }

    async fn mail_key(
        &self,
        admin: &As<DataAdmin>,
        endpoint: &Endpoint,
        event: Event,
    ) -> Result<(), Failure> {
        let id = &endpoint.endpoint_id;
        let facts = json!({"endpointId": id, "endpointPath": endpoint.endpoint_path});
        let to = vec![Recipient::User(admin.caller().id().clone())];
        notify_of_secret(&self.ports, event, to, facts, key_name(id)).await
    }

    /// What an endpoint names is here: the network, and the users.
    async fn check_names(&self, endpoint: &Endpoint) -> Result<(), Failure> {
        let store = &self.ports.store;
        let network = store.networks().get(endpoint.network_id.as_str()).await?;
        if network.is_none_or(|network| network.is_unfinished()) {
            return Err(Failure::Invalid(format!("networkId: there is no network {}", endpoint.network_id)));
        }
        for user in endpoint.user_mapping.users() {
            if store.users().get(user.as_str()).await?.is_none() {
                return Err(Failure::Invalid(format!("userMapping: there is no user {user}")));
            }
        }
        Ok(())
    }
}

fn read(body: Value) -> Result<Endpoint, Failure> {
    Endpoint::read(body).map_err(|e| Failure::Invalid(e.to_string()))
}

/// An endpoint with a change laid over it.
fn changed(held: &Endpoint, change: &Value) -> Result<Endpoint, Failure> {
    let mut body = serde_json::to_value(held).map_err(Failure::internal)?;
    if let (Some(_), Some(held)) = (change.get("userMapping"), body.as_object_mut()) {
        held.remove("userMapping");
    }
    merge(&mut body, change);
    read(body)
}

fn absent(id: &BeaconId) -> Failure {
    Failure::not_found("beacon endpoint", id.as_str())
}

/// The room holds each path once.
fn taken(endpoint: &Endpoint) -> Failure {
    Failure::Conflict(format!(
        "endpointPath: there is a beacon endpoint {} already; choose another path",
        endpoint.endpoint_path
    ))
}

/// Where the caller reads mail; without it a key would go nowhere.
fn address(admin: &As<DataAdmin>) -> Result<String, Failure> {
    let email = &admin.caller().profile().email;
    match email.is_empty() {
        false => Ok(email.clone()),
        true => Err(Failure::Unprocessable(
            "your account has no e-mail address that the key could be mailed to; add one first".into(),
        )),
    }
}
