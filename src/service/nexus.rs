//! The registry of Cafe Variome V2 installations as administrators manage it (specification §12).
//!
//! Secrets rest with the secrets under `nexus/`: the document is there before its secret and goes after it.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::auth::{As, SystemAdmin, fresh_secret};
use super::mail::{Event, Recipient, notify, notify_of_secret};
use super::{Failure, Live};
use crate::domain::access_requests::is_email;
use crate::domain::filter::Filter;
use crate::domain::nexus::{
    Credential, Decision, Installation, JoinRequest, Network, Status, Unacceptable, base_url, client_id,
    client_secret, fields, installation_name, network_name, realm, text,
};
use crate::identity::{ClientCredentials, IdentityError, NewClient};
use crate::ports::Ports;
use crate::store::{Collection, Room, StoreError};

/// The document that counts networks.
const COUNTER: &str = "nexus.networks";

/// Most documents of each kind.
const MOST: u64 = 10_000;

/// Manages the registry.
#[derive(Debug, Clone)]
pub struct Nexus {
    ports: Ports,
    options: Live,
}

impl From<Unacceptable> for Failure {
    fn from(error: Unacceptable) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl Nexus {
    pub(super) fn new(ports: Ports, options: Live) -> Self {
        Self { ports, options }
    }

    /// Refuses everything unless the registry is switched on: to others there is no such thing here.
    pub fn on(&self) -> Result<(), Failure> {
        match self.options.now().nexus {
            true => Ok(()),
            false => {
                Err(Failure::not_found("nexus", "here; it is switched on with Legacy.NexusMode.Enabled"))
            }
        }
    }

    fn credentials_room(&self) -> Collection<'_, Credential> {
        Collection::new(self.ports.store.documents(), Room::NexusCredentials)
    }

    fn installations_room(&self) -> Collection<'_, Installation> {
        Collection::new(self.ports.store.documents(), Room::NexusInstallations)
    }

    fn networks_room(&self) -> Collection<'_, Network> {
        Collection::new(self.ports.store.documents(), Room::NexusNetworks)
    }

    fn requests_room(&self) -> Collection<'_, JoinRequest> {
        Collection::new(self.ports.store.documents(), Room::NexusRequests)
    }

    /// All credentials, without their secrets.
    pub async fn credentials(&self, _: &As<SystemAdmin>) -> Result<Vec<Credential>, Failure> {
        self.on()?;
        Ok(self.credentials_room().find(&Filter::all()).await?)
    }

    /// Adds the credential of a realm; answers it with its secret, made here unless one is sent. Never answered again.
    pub async fn add_credential(&self, _: &As<SystemAdmin>, body: &Value) -> Result<Value, Failure> {
        self.on()?;
        let body = fields(body)?;
        let credential = Credential {
            realm: realm(text(body, "realm")?)?,
            client_id: client_id(text(body, "clientId")?)?,
        };
        let secret = match text(body, "clientSecret")? {
            Some(given) => client_secret(given)?,
            None => fresh_secret(&self.ports),
        };
        let room = self.credentials_room();
        bounded(room.count(&Filter::all()).await?)?;
        room.insert(&credential.realm, &credential).await.map_err(|e| match e {
            StoreError::Conflict(_) => {
                Failure::Conflict(format!("realm: there is a credential of {} already", credential.realm))
            }
            other => other.into(),
        })?;
        self.ports.secrets.put(&credential_secret(&credential.realm), secret.as_bytes(), None).await?;
        let mut shown = serde_json::to_value(&credential).map_err(Failure::internal)?;
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("clientSecret".into(), secret.into());
        }
        Ok(shown)
    }

    /// Changes client and secret of a realm's credential; everyone it concerns is told.
    pub async fn change_credential(
        &self,
        _: &As<SystemAdmin>,
        realm: &str,
        change: &Value,
    ) -> Result<Credential, Failure> {
        self.on()?;
        let absent = || Failure::not_found("credential of the realm", realm);
        self.credentials_room().get(realm).await?.ok_or_else(absent)?;
        let body = fields(change)?;
        let client = text(body, "clientId")?.map(|id| client_id(Some(id))).transpose()?;
        let secret = text(body, "clientSecret")?.map(client_secret).transpose()?;
        if let Some(secret) = &secret {
            self.ports.secrets.put(&credential_secret(realm), secret.as_bytes(), None).await?;
        }
        let changed = self
            .credentials_room()
            .update(realm, |held| {
                if let Some(client) = &client {
                    held.client_id.clone_from(client);
                }
                Ok::<(), StoreError>(())
            })
            .await?;
        let Some(changed) = changed else {
            self.ports.secrets.delete(&credential_secret(realm)).await?;
            return Err(absent());
        };
        if client.is_some() || secret.is_some() {
            self.tell_realm(realm, Event::NexusCredentialChanged).await?;
        }
        Ok(changed)
    }

    /// Removes a realm's credential with its secret; everyone it concerns is told.
    pub async fn remove_credential(&self, _: &As<SystemAdmin>, realm: &str) -> Result<(), Failure> {
        self.on()?;
        let absent = || Failure::not_found("credential of the realm", realm);
        self.credentials_room().get(realm).await?.ok_or_else(absent)?;
        self.ports.secrets.delete(&credential_secret(realm)).await?;
        if !self.credentials_room().delete(realm).await? {
            return Err(absent());
        }
        self.tell_realm(realm, Event::NexusCredentialRemoved).await
    }

    async fn tell_realm(&self, realm: &str, event: Event) -> Result<(), Failure> {
        for one in self.installations_room().find(&Filter::equals("realm", realm)).await? {
            if one.email.is_empty() {
                continue;
            }
            let facts = json!({"realm": realm, "installationName": one.installation_name});
            notify(&self.ports, event, vec![Recipient::Address(one.email)], facts).await?;
        }
        Ok(())
    }

    /// All installations.
    pub async fn installations(&self, _: &As<SystemAdmin>) -> Result<Vec<Value>, Failure> {
        self.on()?;
        let all = self.installations_room().find(&Filter::all().sorted("installationName")).await?;
        Ok(all.iter().map(Installation::published).collect())
    }

    /// Adds an installation with a key of its own and writes to its administrator. The answer says in `notice` what it
    /// cannot have here.
    pub async fn add_installation(&self, _: &As<SystemAdmin>, body: &Value) -> Result<Value, Failure> {
        self.on()?;
        let body = fields(body)?;
        let email = text(body, "email")?.unwrap_or_default().to_lowercase();
        if email.len() > 254 || !is_email(&email) {
            return Err(Failure::Invalid("email must be an e-mail address such as name@example.org".into()));
        }
        let own = self.ports.identity.info().realm;
        let realm = match text(body, "realm")? {
            Some(given) => realm(Some(given))?,
            None => own.clone(),
        };
        if realm != own && self.credentials_room().get(&realm).await?.is_none() {
            return Err(Failure::Invalid(format!("realm: there is no credential of {realm}; add it first")));
        }
        let room = self.installations_room();
        bounded(room.count(&Filter::all()).await?)?;
        let mut installation = Installation {
            installation_key: self.fresh_key(),
            installation_name: installation_name(text(body, "installationName")?)?,
            base_url: base_url(text(body, "baseUrl")?)?,
            client_id: String::new(),
            installation_status: Status::Online,
            realm,
            email,
        };
        let client = self.make_client(&installation, &own).await?;
        let mut told = installation.installation_key.clone();
        if let Some(client) = &client {
            installation.client_id.clone_from(&client.client_id);
            told = format!("{told}\nclient: {}\nclient secret: {}", client.client_id, client.secret);
        }
        if let Err(failure) = room.insert(&installation.installation_key, &installation).await {
            self.remove_client(&installation).await?;
            return Err(failure.into());
        }
        let secret = installation_secret(&installation.installation_key);
        self.ports.secrets.put(&secret, told.as_bytes(), None).await?;
        let facts = json!({
            "installationName": installation.installation_name, "realm": installation.realm,
            "networkServer": format!("{}/nexus/", self.options.now().public_url),
        });
        let to = vec![Recipient::Address(installation.email.clone())];
        notify_of_secret(&self.ports, Event::NexusInstallationCreated, to, facts, secret).await?;
        let mut shown = installation.published();
        if let Some(fields) = shown.as_object_mut().filter(|_| client.is_none()) {
            fields.insert("notice".into(), WITHOUT_CLIENT.into());
        }
        Ok(shown)
    }

    /// A client of its own at our identity provider; `None` where that makes none, or the realm is another's.
    async fn make_client(
        &self,
        installation: &Installation,
        own_realm: &str,
    ) -> Result<Option<ClientCredentials>, Failure> {
        if installation.realm != own_realm {
            return Ok(None);
        }
        let client = NewClient {
            client_id: format!("cv2-{}", self.ports.random.uuid()),
            name: installation.installation_name.clone(),
            redirect_urls: Vec::new(),
        };
        match self.ports.identity.create_client(client).await {
            Ok(credentials) => Ok(Some(credentials)),
            Err(IdentityError::Unsupported(_)) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    async fn remove_client(&self, installation: &Installation) -> Result<(), Failure> {
        if installation.client_id.starts_with("cv2-") {
            match self.ports.identity.delete_client(&installation.client_id).await {
                Ok(_) | Err(IdentityError::Unsupported(_)) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }

    /// Merges a change into an installation.
    pub async fn change_installation(
        &self,
        _: &As<SystemAdmin>,
        key: &str,
        change: &Value,
    ) -> Result<Value, Failure> {
        self.on()?;
        let changed =
            self.installations_room().update(key, |held| held.change(change).map_err(Failure::from)).await?;
        changed.map(|one| one.published()).ok_or_else(|| Failure::not_found("installation", key))
    }

    /// Removes an installation from its networks, with its requests. Done again after an interruption it goes on.
    pub async fn remove_installation(&self, _: &As<SystemAdmin>, key: &str) -> Result<(), Failure> {
        self.on()?;
        let absent = || Failure::not_found("installation", key);
        let installation = self.installations_room().get(key).await?.ok_or_else(absent)?;
        self.remove_client(&installation).await?;
        for network in self.networks_room().find(&Filter::contains("installations", key)).await? {
            let without = |held: &mut Network| {
                held.installations.retain(|one| one != key);
                Ok::<(), StoreError>(())
            };
            self.networks_room().update(network.network_key.to_string(), without).await?;
        }
        self.requests_room().delete_where(&Filter::equals("installationKey", key)).await?;
        self.ports.secrets.delete(&installation_secret(key)).await?;
        match self.installations_room().delete(key).await? {
            true => Ok(()),
            false => Err(absent()),
        }
    }

    /// All networks.
    pub async fn networks(&self, _: &As<SystemAdmin>) -> Result<Vec<Network>, Failure> {
        self.on()?;
        Ok(self.networks_room().find(&Filter::all().sorted("networkKey")).await?)
    }

    /// Adds an empty network under the next key.
    pub async fn add_network(&self, _: &As<SystemAdmin>, body: &Value) -> Result<Network, Failure> {
        self.on()?;
        let network_name = network_name(text(fields(body)?, "networkName")?)?;
        bounded(self.networks_room().count(&Filter::all()).await?)?;
        // A name that is taken costs no key.
        if self.networks_room().count(&Filter::equals("networkName", network_name.as_str())).await? > 0 {
            return Err(name_taken(&network_name));
        }
        let network = Network {
            network_key: self.next_key().await?,
            network_name,
            network_threshold: 0,
            network_status: Status::Online,
            installations: Vec::new(),
            client_id: None,
        };
        match self.networks_room().insert(network.network_key.to_string(), &network).await {
            Err(StoreError::Conflict(_)) => Err(name_taken(&network.network_name)),
            other => Ok(other.map(|()| network)?),
        }
    }

    /// Merges a change into a network.
    pub async fn change_network(
        &self,
        _: &As<SystemAdmin>,
        key: &str,
        change: &Value,
    ) -> Result<Network, Failure> {
        self.on()?;
        let absent = || Failure::not_found("network", key);
        let id = network_id(key)?;
        let mut wanted = self.networks_room().get(&id).await?.ok_or_else(absent)?;
        let before = wanted.installations.clone();
        wanted.change(change)?;
        for installation in wanted.installations.iter().filter(|one| !before.contains(one)) {
            if self.installations_room().get(installation).await?.is_none() {
                return Err(Failure::Invalid("installations: one of the keys is of no installation".into()));
            }
        }
        let changed =
            self.networks_room().update(&id, |held| held.change(change).map_err(Failure::from)).await;
        match changed {
            Err(Failure::Conflict(_)) => Err(name_taken(&wanted.network_name)),
            other => other?.ok_or_else(absent),
        }
    }

    /// Removes a network with the requests to join it.
    pub async fn remove_network(&self, _: &As<SystemAdmin>, key: &str) -> Result<(), Failure> {
        self.on()?;
        let absent = || Failure::not_found("network", key);
        let id = network_id(key)?;
        let network = self.networks_room().get(&id).await?.ok_or_else(absent)?;
        self.requests_room().delete_where(&Filter::equals("networkKey", network.network_key)).await?;
        match self.networks_room().delete(&id).await? {
            true => Ok(()),
            false => Err(absent()),
        }
    }

    /// All requests to join a network; `pending` only those that nobody decided.
    pub async fn requests(&self, _: &As<SystemAdmin>, pending: bool) -> Result<Vec<JoinRequest>, Failure> {
        self.on()?;
        let filter = match pending {
            true => Filter::equals("status", Decision::Pending.name()),
            false => Filter::all(),
        };
        Ok(self.requests_room().find(&filter).await?)
    }

    /// Lets an installation into the network it asked for. Done again it changes nothing.
    pub async fn accept(&self, admin: &As<SystemAdmin>, token: &str) -> Result<(), Failure> {
        self.on()?;
        let request = self.requested(token).await?;
        let key = &request.installation_key;
        if self.installations_room().get(key).await?.is_none() {
            return Err(Failure::Unprocessable("the installation that asked is not there any more".into()));
        }
        let network = request.network_key.to_string();
        if self.networks_room().get(&network).await?.is_none() {
            return Err(Failure::Unprocessable(format!("the network {network} is not there any more")));
        }
        self.decide(admin, token, Decision::Accepted).await?;
        let with = |held: &mut Network| {
            if !held.installations.contains(key) {
                held.installations.push(key.clone());
            }
            Ok::<(), StoreError>(())
        };
        let joined = self.networks_room().update(&network, with).await?;
        joined.map(drop).ok_or_else(|| Failure::not_found("network", network))
    }

    /// Turns a request down. Done again it changes nothing.
    pub async fn deny(&self, admin: &As<SystemAdmin>, token: &str) -> Result<(), Failure> {
        self.on()?;
        self.decide(admin, token, Decision::Denied).await
    }

    async fn requested(&self, token: &str) -> Result<JoinRequest, Failure> {
        self.requests_room().get(token).await?.ok_or_else(no_request)
    }

    /// What was decided otherwise stays.
    async fn decide(&self, admin: &As<SystemAdmin>, token: &str, decision: Decision) -> Result<(), Failure> {
        let rule = |held: &mut JoinRequest| {
            if held.status != Decision::Pending && held.status != decision {
                return Err(Failure::Conflict(format!("this request is {} already", held.status.name())));
            }
            held.status = decision;
            Ok(())
        };
        let decided = self.requests_room().update(token, rule).await?.ok_or_else(no_request)?;
        let (network, by) = (decided.network_key, admin.caller().id());
        tracing::info!(network, %by, decision = decision.name(), "a request to join a nexus network was decided");
        Ok(())
    }

    /// 128 random bits in 32 hexadecimal digits.
    fn fresh_key(&self) -> String {
        let mut bytes = [0; 16];
        self.ports.random.fill(&mut bytes);
        hex(&bytes)
    }

    /// Counts networks up; a key is given once, whatever becomes of its network.
    async fn next_key(&self) -> Result<i32, Failure> {
        let counter: Collection<'_, Value> = Collection::new(self.ports.store.documents(), Room::Counter);
        match counter.insert(COUNTER, &json!({"id": COUNTER, "value": 0})).await {
            Ok(()) | Err(StoreError::Conflict(_)) => {}
            Err(other) => return Err(other.into()),
        }
        let mut next = 0;
        let rule = |held: &mut Value| {
            let last = held.get("value").and_then(Value::as_i64).unwrap_or_default();
            next = i32::try_from(last.saturating_add(1))
                .map_err(|_| Failure::Conflict("there are no more keys for networks".into()))?;
            if let Some(fields) = held.as_object_mut() {
                fields.insert("value".into(), next.into());
            }
            Ok::<(), Failure>(())
        };
        counter.update(COUNTER, rule).await?;
        Ok(next)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// Where the key of an installation rests for its mail; the name does not give it away.
pub(super) fn installation_secret(key: &str) -> String {
    format!("nexus/installations/{}", hex(&Sha256::digest(key)))
}

/// What an installation goes without where no client was made for it.
const WITHOUT_CLIENT: &str = "no client was made for this installation, since the realm's identity provider makes none from here; it has its key \
     alone";

/// Where the secret of a realm's credential rests.
pub(super) fn credential_secret(realm: &str) -> String {
    format!("nexus/credentials/{realm}")
}

/// The id of a network from an address; what is no key is the key of nothing.
fn network_id(key: &str) -> Result<String, Failure> {
    let read = key.parse::<i32>().ok().map(|n| n.to_string());
    read.ok_or_else(|| Failure::not_found("network", key.chars().take(32).collect::<String>()))
}

/// A token is as good as a key and is not repeated.
fn no_request() -> Failure {
    Failure::not_found("request", "with this token")
}

fn name_taken(name: &str) -> Failure {
    Failure::Conflict(format!("networkName: there is a network {name} already; choose another name"))
}

fn bounded(count: u64) -> Result<(), Failure> {
    match count < MOST {
        true => Ok(()),
        false => Err(Failure::Conflict(format!("there are {MOST} of them already; remove some first"))),
    }
}
