//! Discovery networks and the nodes in them; one installation alone is a valid network of one (specification §1).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids::{NetworkId, NodeId};
use super::metasources::index::MetaIndex;
use super::sources::RecordIndex;

/// A network as this installation holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    pub network_id: NetworkId,
    pub network_name: String,
    #[serde(default)]
    pub description: String,
    /// Approved and pending members.
    #[serde(default)]
    pub node_ids: Vec<NodeId>,
    #[serde(default)]
    pub visible: bool,
    /// This installation's own node id in the network.
    pub instance_id: NodeId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_index: Option<RecordIndex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_index: Option<MetaIndex>,
    /// Ours; absent = active, as in documents of the original. Never published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<NetworkState>,
    /// Ours; when it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<DateTime<Utc>>,
}

/// How far a network has come (specification §9.4, *Create network*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkState {
    Creating,
    Active,
}

impl Network {
    /// Whether it is being made, and nobody may see it yet.
    pub fn is_unfinished(&self) -> bool {
        self.state == Some(NetworkState::Creating)
    }
}

/// A member as this installation sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    pub node_id: NodeId,
    pub network_id: NetworkId,
    pub node_name: String,
    #[serde(default)]
    pub node_url: String,
    #[serde(default)]
    pub node_description: String,
    #[serde(default)]
    pub client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    #[serde(default)]
    pub authentication_enabled: bool,
    /// A local decision: whose permissions people of this node have here (specification §9.8); a text or an object of
    /// texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_mapping: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_index: Option<RecordIndex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_index: Option<MetaIndex>,
}
