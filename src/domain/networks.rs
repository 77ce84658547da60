//! Discovery networks and the nodes in them; one installation alone is a valid network of one (specification §1).

use serde::{Deserialize, Serialize};

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_index: Option<RecordIndex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_index: Option<MetaIndex>,
}
