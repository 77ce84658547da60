//! What is sent to other installations: built, signed, handed to the port (specification §9.2, §9.3).
//!
//! The fields stand in the order in which the peers write theirs, because some verify what they write anew.

use serde::Serialize;

use super::Networks;
use crate::domain::federation::{AuthStatus, dump, word};
use crate::domain::ids::{NetworkId, NodeId};
use crate::domain::networks::{Network, Node};
use crate::peers::PeerError;
use crate::service::Failure;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    pub message_type: &'static str,
    pub message_attributes: Attributes,
    pub timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_data: Option<Data>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attributes {
    pub message_id: String,
    pub network_id: String,
    pub auth_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<AuthStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved: Option<bool>,
    /// Of who leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_id: Option<NodeId>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data {
    pub node: Option<NodePart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge: Option<[String; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkPart>,
}

/// A node as others may know it: local decisions never leave.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodePart {
    node_id: NodeId,
    node_name: String,
    node_url: String,
    client_id: String,
    node_description: String,
    authentication_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
}

impl NodePart {
    pub(super) fn of(node: &Node) -> Self {
        Self {
            node_id: node.node_id.clone(),
            node_name: node.node_name.clone(),
            node_url: node.node_url.clone(),
            client_id: node.client_id.clone(),
            node_description: node.node_description.clone(),
            authentication_enabled: false,
            public_key: node.public_key.clone(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NetworkPart {
    network_id: NetworkId,
    network_name: String,
    description: String,
    visible: bool,
}

impl NetworkPart {
    pub(super) fn of(network: &Network) -> Self {
        Self {
            network_id: network.network_id.clone(),
            network_name: network.network_name.clone(),
            description: network.description.clone(),
            visible: network.visible,
        }
    }
}

impl Networks {
    /// A message about membership, of now.
    pub(super) fn message(&self, attributes: Attributes, data: Option<Data>) -> Message {
        Message {
            message_type: "authMessage",
            message_attributes: attributes,
            timestamp: self.ports.clock.now().timestamp(),
            message_data: data,
        }
    }

    /// Three different words.
    pub(super) fn challenge(&self) -> [String; 3] {
        let mut words: Vec<String> = Vec::new();
        while words.len() < 3 {
            let mut bytes = [0; 2];
            self.ports.random.fill(&mut bytes);
            let next = word(u16::from_le_bytes(bytes));
            if !words.contains(&next) {
                words.push(next);
            }
        }
        let mut words = words.into_iter();
        std::array::from_fn(|_| words.next().unwrap_or_default())
    }

    /// Signs a message as our node in a network and sends it to a base address; any answer but 200 is a failure.
    pub(super) async fn send(
        &self,
        to: &str,
        network: &NetworkId,
        us: &NodeId,
        message: &Message,
    ) -> Result<(), Failure> {
        let bytes = dump(message).map_err(Failure::internal)?;
        let headers = [
            ("X-Installation-ID", us.to_string()),
            ("X-Node-ID", us.to_string()),
            ("X-Network-ID", network.to_string()),
            ("X-Server-Signature", self.sign(network, &bytes).await?),
        ];
        let answer = self.ports.peers.post(&format!("{to}/federation/"), &headers, &bytes).await?;
        if answer.status == 200 {
            return Ok(());
        }
        let refusal = PeerError::Unreachable(format!("it answered {}", answer.status));
        Err(refusal.into())
    }
}

impl From<PeerError> for Failure {
    fn from(error: PeerError) -> Self {
        match error {
            PeerError::Unavailable(_) => Self::Unavailable("the federation gateway", error.into()),
            PeerError::Unreachable(_) => Self::Unavailable("the other installation", error.into()),
        }
    }
}
