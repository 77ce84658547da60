//! Networks this installation is in; alone it is a network of one (specification §1).

use std::sync::Arc;

use serde_json::{Value, json};

use super::Failure;
use super::auth::Asker;
use crate::domain::access::Duty;
use crate::domain::filter::Filter;
use crate::domain::ids::NetworkId;
use crate::domain::networks::{Network, Node};
use crate::ports::Ports;
use crate::store::{Kept, Room};

/// Reads networks and their members.
#[derive(Debug, Clone)]
pub struct Networks {
    ports: Ports,
    networks: Arc<Kept<Network>>,
}

impl Networks {
    pub(super) fn new(ports: Ports) -> Self {
        Self { ports, networks: Arc::new(Kept::new(Room::Networks)) }
    }

    /// All networks for data administrators, else those in which the asker has a group.
    pub async fn visible(&self, asker: &Asker) -> Result<Vec<Arc<Network>>, Failure> {
        let all = self.networks.find(self.ports.store.documents(), &Filter::all()).await?;
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
                all.into_iter().next().ok_or_else(|| Failure::internal("there is no network"))
            }
            chosen => chosen,
        }
    }

    /// Approved members; administrators see all fields, others no keys.
    pub async fn nodes(&self, asker: &Asker, id: &NetworkId) -> Result<Vec<Value>, Failure> {
        self.one(asker, id).await?;
        let nodes: Vec<Node> =
            self.ports.store.nodes().find(&Filter::equals("networkId", id.as_str())).await?;
        let full = asker.may(Duty::Data);
        Ok(nodes
            .into_iter()
            .map(|node| {
                let mut shown = json!({
                    "nodeId": node.node_id, "nodeName": node.node_name, "nodeUrl": node.node_url,
                    "nodeDescription": node.node_description, "clientId": node.client_id,
                    "recordIndex": node.record_index, "metaIndex": node.meta_index,
                });
                if let (true, Some(fields)) = (full, shown.as_object_mut()) {
                    fields.insert("publicKey".into(), json!(node.public_key));
                    fields.insert("authenticationEnabled".into(), json!(node.authentication_enabled));
                }
                // What is not known is left out: the contract has no null here.
                if let Some(fields) = shown.as_object_mut() {
                    fields.retain(|_, value| !value.is_null());
                }
                shown
            })
            .collect())
    }
}
