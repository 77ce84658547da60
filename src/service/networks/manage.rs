//! Networks made, changed and left (specification §6.2, §9.1, §9.4).

use chrono::TimeDelta;
use serde_json::Value;

use super::Networks;
use super::messages::Attributes;
use crate::domain::beacon::key_name;
use crate::domain::federation::Direction;
use crate::domain::filter::Filter;
use crate::domain::ids::{NetworkId, NodeId};
use crate::domain::networks::{Network, NetworkState, Node};
use crate::service::Failure;
use crate::service::auth::{As, DataAdmin, Inside};

/// How long a network may take to be made before it counts as left half-made.
const MAKING: TimeDelta = TimeDelta::minutes(10);

/// How long a request is open.
const OPEN: TimeDelta = TimeDelta::days(30);

/// Most characters of a description.
const MOST_DESCRIPTION: usize = 4_000;

/// The fields of a body that are ours to read; others are ignored (specification §9.4).
fn merge(network: &mut Network, body: &Value) -> Result<(), Failure> {
    let Some(fields) = body.as_object() else {
        return Err(Failure::Invalid("a network must be a JSON object".into()));
    };
    let text = |name: &str| match fields.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
        Some(_) => Err(Failure::Invalid(format!("{name} must be a text"))),
    };
    if let Some(name) = text("networkName")? {
        network.network_name = name;
    }
    if let Some(description) = text("description")? {
        network.description = description;
    }
    match fields.get("visible") {
        None => {}
        Some(Value::Bool(visible)) => network.visible = *visible,
        Some(_) => return Err(Failure::Invalid("visible must be true or false".into())),
    }
    if network.network_name.is_empty() || network.network_name.chars().count() > 255 {
        return Err(Failure::Invalid("networkName must have 1 to 255 characters".into()));
    }
    if network.description.chars().count() > MOST_DESCRIPTION {
        return Err(Failure::Invalid(format!("description must have at most {MOST_DESCRIPTION} characters")));
    }
    Ok(())
}

impl Networks {
    /// Creates a network with us alone in it; what fails half-way is undone.
    pub async fn create(&self, _: &As<DataAdmin>, body: &Value) -> Result<NetworkId, Failure> {
        let network_id = NetworkId::from_uuid(self.ports.random.uuid());
        let node_id = NodeId::from_uuid(self.ports.random.uuid());
        let mut network = Network {
            network_id: network_id.clone(),
            network_name: String::new(),
            description: String::new(),
            node_ids: vec![node_id.clone()],
            visible: false,
            instance_id: node_id,
            record_index: None,
            meta_index: None,
            state: Some(NetworkState::Creating),
            created_at: Some(self.ports.clock.now()),
        };
        merge(&mut network, body)?;
        let made = self.found(network).await;
        if made.is_err() {
            self.forget(&network_id).await?;
        }
        made.map(|()| network_id)
    }

    /// Keys, the network, our node, its first index; only then it is seen.
    pub(super) async fn found(&self, network: Network) -> Result<(), Failure> {
        let id = network.network_id.clone();
        let public_key = self.make_key(&id).await?;
        let node = self.own_node(&id, network.instance_id.clone(), public_key).await?;
        let store = &self.ports.store;
        store.networks().insert(id.as_str(), &network).await?;
        store.nodes().insert(node.node_id.as_str(), &node).await?;
        self.indices.refresh_networks().await?;
        let activate = |held: &mut Network| {
            held.state = Some(NetworkState::Active);
            Ok::<(), Failure>(())
        };
        match store.networks().update(id.as_str(), activate).await? {
            Some(_) => Ok(()),
            None => Err(Failure::Conflict("the network was removed while it was being made".into())),
        }
    }

    /// Our own node as it introduces itself.
    pub(super) async fn own_node(
        &self,
        network: &NetworkId,
        node_id: NodeId,
        public_key: String,
    ) -> Result<Node, Failure> {
        let instance = self.settings.current().await?.instance_settings;
        let named = !instance.name.trim().is_empty();
        Ok(Node {
            node_id,
            network_id: network.clone(),
            node_name: if named { instance.name } else { "This installation".into() },
            node_url: instance.url.trim_end_matches('/').to_owned(),
            node_description: instance.description,
            client_id: self.ports.identity.info().client_id,
            public_key: Some(public_key),
            authentication_enabled: false,
            user_mapping: None,
            record_index: None,
            meta_index: None,
        })
    }

    /// A network that is finished.
    pub(super) async fn finished(&self, id: &NetworkId) -> Result<Network, Failure> {
        let found = self.ports.store.networks().get(id.as_str()).await?;
        let finished = found.filter(|network| !network.is_unfinished());
        finished.ok_or_else(|| Failure::not_found("network", id.as_str()))
    }

    /// Changes name, description and visibility, here only.
    pub async fn change(&self, _: &As<DataAdmin>, id: &NetworkId, change: &Value) -> Result<(), Failure> {
        self.finished(id).await?;
        let changed =
            self.ports.store.networks().update(id.as_str(), |network| merge(network, change)).await?;
        changed.map(drop).ok_or_else(|| Failure::not_found("network", id.as_str()))
    }

    /// Leaves a network: the others are told if they can be reached, and everything of it is removed.
    pub async fn leave(&self, _: &As<DataAdmin>, id: &NetworkId) -> Result<(), Failure> {
        let network = self.finished(id).await?;
        // Whoever asks or is asked is in some network; an installation without any answers nobody.
        if self.ports.store.networks().count(&Filter::all()).await? == 1 {
            return Err(Failure::Conflict("this is the only network; make or join another one first".into()));
        }
        let attributes = || Attributes {
            message_id: self.ports.random.uuid().to_string(),
            network_id: id.to_string(),
            auth_type: "leave",
            node_id: Some(network.instance_id.clone()),
            ..Attributes::default()
        };
        for node in self.others(&network).await? {
            let message = self.message(attributes(), None);
            if let Err(error) = self.send(&node.node_url, id, &network.instance_id, &message).await {
                tracing::warn!(network = %id, node = %node.node_id, %error, "a member could not be told that we leave");
            }
        }
        self.forget(id).await?;
        self.indices.refresh_networks().await
    }

    /// Approved members but for us.
    pub(super) async fn others(&self, network: &Network) -> Result<Vec<Node>, Failure> {
        let of_it = Filter::equals("networkId", network.network_id.as_str());
        let mut nodes = self.ports.store.nodes().find(&of_it).await?;
        nodes.retain(|node| node.node_id != network.instance_id);
        Ok(nodes)
    }

    /// Removes everything of a network, its key last of all but the network itself.
    pub(super) async fn forget(&self, id: &NetworkId) -> Result<(), Failure> {
        let store = &self.ports.store;
        let of_it = Filter::equals("networkId", id.as_str());
        store.groups().delete_where(&of_it).await?;
        for endpoint in store.beacon().find(&of_it).await? {
            self.ports.secrets.delete(&key_name(&endpoint.endpoint_id)).await?;
        }
        store.beacon().delete_where(&of_it).await?;
        store.nodes().delete_where(&of_it).await?;
        store.pending_nodes().delete_where(&of_it).await?;
        store.messages().delete_where(&of_it).await?;
        self.drop_key(id).await?;
        store.networks().delete(id.as_str()).await?;
        Ok(())
    }

    /// Aggregates the indices of our own sources anew; others learn of it when they synchronise.
    pub async fn index(&self, _: &As<DataAdmin>, id: &NetworkId) -> Result<(), Failure> {
        self.finished(id).await?;
        self.indices.refresh_networks().await
    }

    /// Undoes what was left half-made, makes keys that are missing, and ends requests that nobody answered.
    pub async fn tend(&self, _: &Inside) -> Result<(), Failure> {
        let (store, now) = (&self.ports.store, self.ports.clock.now());
        for network in store.networks().find(&Filter::all()).await? {
            let id = &network.network_id;
            if network.is_unfinished() {
                if network.created_at.is_none_or(|begun| begun < now - MAKING) {
                    self.forget(id).await?;
                    tracing::warn!(network = %id, "a network that was left half-made was removed");
                }
                continue;
            }
            let public_key = self.make_key(id).await?;
            let tell = |node: &mut Node| {
                node.public_key = Some(public_key.clone());
                Ok::<(), Failure>(())
            };
            store.nodes().update(network.instance_id.as_str(), tell).await?;
        }
        for request in store.messages().find(&Filter::all()).await? {
            if request.is_open() && request.received_at < now - OPEN {
                self.reject(&request.id, "nobody answered within 30 days").await?;
                if request.direction == Direction::Out && request.kind() == "request" {
                    self.drop_key(&request.network_id).await?;
                }
            }
        }
        Ok(())
    }
}
