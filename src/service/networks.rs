//! Networks this installation is in; alone it is a network of one (specification §1).
//!
//! Lives here: reading them. `manage` makes, changes and leaves them, `members` decides about nodes, `requests` asks and
//! invites, `decisions` answers, `pursue` does what is left to do about requests and `tend` about networks, `messages`
//! is what is sent, `notices` what administrators are told of it all by mail, `answers`, `signed` and `strangers` how what comes back is read, `keys` our keys.
//! Does not: how bytes get to another installation (the `peers` port).

mod address;
mod answers;
mod decisions;
mod keys;
mod manage;
mod members;
mod messages;
mod notices;
mod pursue;
mod requests;
mod signed;
mod strangers;
mod tend;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use tokio::sync::Semaphore;

use super::auth::Asker;
use super::indices::Indices;
use super::settings::Settings;
use super::{Failure, Live};
use crate::domain::access::Duty;
use crate::domain::filter::Filter;
use crate::domain::ids::{NetworkId, SourceId};
use crate::domain::networks::{Network, Node};
use crate::ports::Ports;
use crate::store::{Kept, Room};

/// Reads and changes networks and their members.
#[derive(Debug, Clone)]
pub struct Networks {
    ports: Ports,
    networks: Arc<Kept<Network>>,
    options: Live,
    settings: Settings,
    indices: Indices,
    /// Making a key takes a processor for seconds: one at a time.
    making: Arc<Semaphore>,
}

impl Networks {
    pub(super) fn new(ports: Ports, options: Live, settings: Settings, indices: Indices) -> Self {
        let (networks, making) = (Arc::new(Kept::new(Room::Networks)), Arc::new(Semaphore::new(1)));
        Self { ports, networks, options, settings, indices, making }
    }

    /// All networks for data administrators, else those in which the asker has a group.
    pub async fn visible(&self, asker: &Asker) -> Result<Vec<Arc<Network>>, Failure> {
        let mut all = self.networks.find(self.ports.store.documents(), &Filter::all()).await?;
        all.retain(|network| !network.is_unfinished());
        if asker.may(Duty::Data) {
            return Ok(all);
        }
        let groups =
            self.ports.store.groups().find(&Filter::contains("assignedUsers", asker.id().as_str())).await?;
        Ok(all.into_iter().filter(|n| groups.iter().any(|g| g.network_id == n.network_id)).collect())
    }

    /// One of the asker's networks.
    pub async fn one(&self, asker: &Asker, id: &NetworkId) -> Result<Arc<Network>, Failure> {
        let mine = self.visible(asker).await?;
        mine.into_iter()
            .find(|n| n.network_id == *id)
            .ok_or_else(|| Failure::not_found("network", id.as_str()))
    }

    /// The network a call is about: the one named, else the asker's only one (specification §2.4).
    pub async fn chosen(&self, asker: &Asker, named: Option<&NetworkId>) -> Result<Arc<Network>, Failure> {
        if let Some(id) = named {
            return self.one(asker, id).await;
        }
        let mut mine = self.visible(asker).await?;
        match (mine.pop(), mine.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(Failure::Forbidden("you are in no discovery group of any network yet".into())),
            (Some(_), false) => Err(Failure::Invalid(
                "you are in several networks; name one with the Network-Id header".into(),
            )),
        }
    }

    /// The network a question about descriptions is asked in: these are open to whoever may ask at all, so who has no
    /// group in any network asks in the first.
    pub async fn described(&self, asker: &Asker, named: Option<&NetworkId>) -> Result<Arc<Network>, Failure> {
        match self.chosen(asker, named).await {
            Err(Failure::Forbidden(_)) => {
                let all = self.networks.find(self.ports.store.documents(), &Filter::all()).await?;
                let finished = all.into_iter().find(|network| !network.is_unfinished());
                finished.ok_or_else(|| Failure::Forbidden("this installation is in no network".into()))
            }
            chosen => chosen,
        }
    }

    /// Members, approved or not; administrators see all fields, others approved ones without keys.
    pub async fn nodes(&self, asker: &Asker, id: &NetworkId, pending: bool) -> Result<Vec<Value>, Failure> {
        self.one(asker, id).await?;
        let full = asker.may(Duty::Data);
        if pending && !full {
            return Err(Failure::Forbidden(
                "only data administrators see nodes that are not approved".into(),
            ));
        }
        let store = &self.ports.store;
        let room = if pending { store.pending_nodes() } else { store.nodes() };
        let nodes: Vec<Node> = room.find(&Filter::equals("networkId", id.as_str())).await?;
        Ok(nodes.iter().map(|node| shown(node, full)).collect())
    }

    /// Sources that groups share in a network; with whom does not matter to data administrators, others see their own.
    pub async fn shared(&self, asker: &Asker, id: &NetworkId) -> Result<BTreeSet<SourceId>, Failure> {
        self.one(asker, id).await?;
        let full = asker.may(Duty::Data);
        let groups = self.ports.store.groups().find(&Filter::equals("networkId", id.as_str())).await?;
        let mine = groups.into_iter().filter(|group| full || group.assigned_users.contains(asker.id()));
        Ok(mine.flat_map(|group| group.assigned_sources).collect())
    }
}

/// A network without what is ours alone.
pub fn published(network: &Network) -> Value {
    let mut shown = serde_json::to_value(network).unwrap_or_default();
    if let Some(fields) = shown.as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "state" | "createdAt"));
    }
    shown
}

fn shown(node: &Node, full: bool) -> Value {
    let mut shown = json!({
        "nodeId": node.node_id, "nodeName": node.node_name, "nodeUrl": node.node_url,
        "nodeDescription": node.node_description, "clientId": node.client_id,
        "recordIndex": node.record_index, "metaIndex": node.meta_index,
    });
    if let Some(fields) = shown.as_object_mut() {
        if full {
            fields.insert("publicKey".into(), json!(node.public_key));
            fields.insert("authenticationEnabled".into(), json!(node.authentication_enabled));
            fields.insert("userMapping".into(), json!(node.user_mapping));
        }
        // What is not known is left out: the contract has no null here.
        fields.retain(|_, value| !value.is_null());
    }
    shown
}
