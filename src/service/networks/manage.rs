//! Networks made, changed and left (specification §6.2, §9.1, §9.4).

use std::future::Future;

use serde_json::Value;

use super::Networks;
use super::messages::Attributes;
use crate::domain::beacon::key_name;
use crate::domain::filter::Filter;
use crate::domain::ids::{NetworkId, NodeId};
use crate::domain::networks::{Network, NetworkState, Node};
use crate::service::Failure;
use crate::service::alone::alone;
use crate::service::auth::{As, DataAdmin};
use crate::store::StoreError;

/// Most characters of a description.
const MOST_DESCRIPTION: usize = 4_000;

/// The fields of a body that are ours to read; others are ignored (specification §9.4).
pub(super) fn merge(network: &mut Network, body: &Value) -> Result<(), Failure> {
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

/// Why a network is not entered twice.
pub(super) fn already_in(id: &NetworkId) -> Failure {
    Failure::Conflict(format!("this installation is in the network {id} already"))
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
        self.alone(async {
            let made = self.found(network, &[]).await;
            if made.is_err()
                && let Err(error) = self.forget(&network_id).await
            {
                tracing::warn!(network = %network_id, %error, "what is left of a network is removed later");
            }
            made
        })
        .await?;
        Ok(network_id)
    }

    /// Runs a change of networks, their members or requests while no other is made. Nobody is asked or told anything in
    /// it: others may be slow.
    pub(super) async fn alone<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        alone(&self.ports, "networks", work).await
    }

    /// Its key, the network, its members, its first index; only then it is seen. What an earlier attempt at the same
    /// network, as the same node, has done is taken up.
    pub(super) async fn found(&self, network: Network, others: &[Node]) -> Result<(), Failure> {
        let id = network.network_id.clone();
        let public_key = self.make_key(&id).await?.public;
        let us = self.own_node(&id, network.instance_id.clone(), public_key).await?;
        let store = &self.ports.store;
        match store.networks().insert(id.as_str(), &network).await {
            Ok(()) => {}
            Err(StoreError::Conflict(_)) => {
                let held = store.networks().get(id.as_str()).await?;
                if held.is_none_or(|held| held.instance_id != network.instance_id) {
                    return Err(already_in(&id));
                }
            }
            Err(other) => return Err(other.into()),
        }
        for node in std::iter::once(&us).chain(others) {
            self.take_in(node).await?;
        }
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

    /// Makes a node an approved member of its network; it may be one already.
    pub(super) async fn take_in(&self, node: &Node) -> Result<(), Failure> {
        self.check_unknown(node).await?;
        let (store, id) = (&self.ports.store, node.node_id.as_str());
        if store.nodes().get(id).await?.is_none() {
            store.nodes().insert(id, node).await?;
        }
        store.pending_nodes().delete(id).await?;
        let add = |held: &mut Network| {
            if !held.node_ids.contains(&node.node_id) {
                held.node_ids.push(node.node_id.clone());
            }
            Ok::<(), Failure>(())
        };
        let added = store.networks().update(node.network_id.as_str(), add).await?;
        added.map(drop).ok_or_else(|| Failure::not_found("network", node.network_id.as_str()))
    }

    /// Refuses a node that calls itself as another one does: an id belongs to one node of one network.
    pub(super) async fn check_unknown(&self, node: &Node) -> Result<(), Failure> {
        let (store, id) = (&self.ports.store, node.node_id.as_str());
        let approved = store.nodes().get(id).await?;
        let other = approved
            .is_some_and(|held| held.network_id != node.network_id || held.public_key != node.public_key);
        let pending = store.pending_nodes().get(id).await?;
        if other || pending.is_some_and(|held| held.network_id != node.network_id) {
            return Err(Failure::Conflict(format!("the node {id} is known already as another one; deny it")));
        }
        Ok(())
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
        self.check_not_the_last().await?;
        let leaving = |node| {
            let attributes = Attributes {
                message_id: self.ports.random.uuid().to_string(),
                network_id: id.to_string(),
                auth_type: "leave",
                node_id: Some(network.instance_id.clone()),
                ..Attributes::default()
            };
            (node, self.message(attributes, None))
        };
        let told = self.others(&network).await?.into_iter().map(leaving).collect();
        self.tell_all(id, &network.instance_id, told).await;
        self.alone(async {
            self.finished(id).await?;
            // Another one may have been left while the members were told.
            self.check_not_the_last().await?;
            self.forget(id).await
        })
        .await?;
        self.indices.refresh_networks().await
    }

    /// Whoever asks or is asked is in some network; an installation without any answers nobody.
    async fn check_not_the_last(&self) -> Result<(), Failure> {
        let all = self.ports.store.networks().find(&Filter::all()).await?;
        match all.iter().filter(|network| !network.is_unfinished()).count() {
            0 | 1 => {
                Err(Failure::Conflict("this is the only network; make or join another one first".into()))
            }
            _ => Ok(()),
        }
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
}
