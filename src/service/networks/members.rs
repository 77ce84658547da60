//! Members approved, removed and mapped by local decision (specification §9.1, §9.4).

use serde_json::Value;

use super::Networks;
use crate::domain::federation::{AuthStatus, Direction};
use crate::domain::filter::Filter;
use crate::domain::ids::NodeId;
use crate::domain::networks::Node;
use crate::service::Failure;
use crate::service::auth::{As, DataAdmin};

/// Most users of one mapping.
const MOST_MAPPED: usize = 10_000;

impl Networks {
    /// Approves a pending node: from now on its key counts. Whether its tokens are accepted, and as whom, is decided
    /// apart, also of one that was approved before.
    pub async fn approve_node(&self, _: &As<DataAdmin>, id: &NodeId) -> Result<(), Failure> {
        self.alone(async {
            let store = &self.ports.store;
            let pending = store.pending_nodes().get(id.as_str()).await?;
            if store.nodes().get(id.as_str()).await?.is_some() {
                // In both rooms is one whose approval was not carried out to its end.
                return match store.pending_nodes().delete(id.as_str()).await? {
                    true => Ok(()),
                    false => Err(Failure::Conflict(format!("the node {id} is approved already"))),
                };
            }
            let mut node = pending.ok_or_else(|| Failure::not_found("node", id.as_str()))?;
            self.finished(&node.network_id).await?;
            (node.authentication_enabled, node.user_mapping) = (false, None);
            if node.public_key.is_none() {
                node.public_key = self.brought_key(&node).await?;
            }
            if node.public_key.is_none() {
                return Err(Failure::Conflict(format!(
                    "there is no public key of the node {id}; approve it once it has introduced itself again"
                )));
            }
            self.take_in(&node).await
        })
        .await
    }

    /// The key in the message by which a node came into the network, approved by an administrator here or there.
    async fn brought_key(&self, node: &Node) -> Result<Option<String>, Failure> {
        let of_it = Filter::equals("networkId", node.network_id.as_str()).newest_first("receivedAt");
        let messages = self.ports.store.messages().find(&of_it).await?;
        let senders = messages.into_iter().filter(|message| message.status == AuthStatus::Accepted);
        let mut senders = senders.filter_map(|message| match message.direction {
            Direction::In => self.sender(&message).ok(),
            Direction::Out => message.answered_by,
        });
        Ok(senders.find(|sender| sender.node_id == node.node_id).and_then(|sender| sender.public_key))
    }

    /// Takes approval back: the node stays a member without a key, and nothing that was decided about it is left.
    pub async fn remove_node(&self, _: &As<DataAdmin>, id: &NodeId) -> Result<(), Failure> {
        self.alone(async {
            let mut node = self.other(id).await?;
            (node.public_key, node.authentication_enabled, node.user_mapping) = (None, false, None);
            let store = &self.ports.store;
            store.pending_nodes().put(id.as_str(), &node).await?;
            store.nodes().delete(id.as_str()).await?;
            Ok(())
        })
        .await
    }

    /// Decides whether tokens from a node are accepted and whose permissions its people have:
    /// `{"userMapping": user id, object of user ids or null, "authenticationEnabled": bool}`, each optional.
    pub async fn map_node(&self, _: &As<DataAdmin>, id: &NodeId, body: &Value) -> Result<(), Failure> {
        self.other(id).await?;
        let Some(fields) = body.as_object() else {
            return Err(Failure::Invalid(
                "send {\"userMapping\": …, \"authenticationEnabled\": true or false}".into(),
            ));
        };
        let enabled = match fields.get("authenticationEnabled") {
            None => None,
            Some(Value::Bool(enabled)) => Some(*enabled),
            Some(_) => return Err(Failure::Invalid("authenticationEnabled must be true or false".into())),
        };
        let mapping = match fields.get("userMapping") {
            None => None,
            Some(Value::Null) => Some(None),
            Some(mapping) => {
                self.check_mapping(mapping).await?;
                Some(Some(mapping.clone()))
            }
        };
        let decide = |node: &mut Node| {
            if let Some(enabled) = enabled {
                node.authentication_enabled = enabled;
            }
            if let Some(mapping) = &mapping {
                node.user_mapping.clone_from(mapping);
            }
            Ok::<(), Failure>(())
        };
        let decided = self.ports.store.nodes().update(id.as_str(), decide).await?;
        decided.map(drop).ok_or_else(|| Failure::not_found("node", id.as_str()))
    }

    async fn check_mapping(&self, mapping: &Value) -> Result<(), Failure> {
        let targets: Vec<&Value> = match mapping {
            Value::String(_) => vec![mapping],
            Value::Object(users) if users.len() <= MOST_MAPPED => users.values().collect(),
            _ => {
                return Err(Failure::Invalid(format!(
                    "userMapping must be a user id or an object of at most {MOST_MAPPED} user ids"
                )));
            }
        };
        for target in targets {
            let user = target.as_str().unwrap_or_default();
            if self.ports.store.users().get(user).await?.is_none() {
                return Err(Failure::Invalid(format!("userMapping: there is no user {target}")));
            }
        }
        Ok(())
    }

    /// An approved node that is not our own.
    async fn other(&self, id: &NodeId) -> Result<Node, Failure> {
        let node = self.ports.store.nodes().get(id.as_str()).await?;
        let node = node.ok_or_else(|| Failure::not_found("approved node", id.as_str()))?;
        let network = self.ports.store.networks().get(node.network_id.as_str()).await?;
        if network.is_some_and(|network| network.instance_id == *id) {
            return Err(Failure::Conflict(
                "this node is this installation; leave the network instead".into(),
            ));
        }
        Ok(node)
    }
}
