//! What is sent to other installations: built, signed, handed to the port (specification §9.2, §9.3).
//!
//! The fields stand in the order in which the peers write theirs, because some verify what they write anew.

use futures_util::StreamExt;
use serde::Serialize;
use serde_json::Value;

use super::Networks;
use crate::domain::federation::{AuthStatus, dump, word};
use crate::domain::ids::{NetworkId, NodeId};
use crate::domain::networks::{Network, Node};
use crate::peers::{Answer, PeerError};
use crate::service::Failure;

/// Members that are told something at the same time.
const AT_ONCE: usize = 8;

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
        let mut words: Vec<&str> = Vec::new();
        while words.len() < 3 {
            let mut bytes = [0; 2];
            self.ports.random.fill(&mut bytes);
            let next = word(u16::from_le_bytes(bytes));
            if !words.contains(&next) {
                words.push(next);
            }
        }
        let mut words = words.into_iter();
        std::array::from_fn(|_| words.next().unwrap_or_default().to_owned())
    }

    /// Whether an installation answers at a base address, as the peers ask before they send anything: with 200 and JSON
    /// whose `status` is `OK` (federation notes §1.3).
    pub(super) async fn probe(&self, base: &str) -> Result<(), Failure> {
        let answer = self.ports.peers.get(&format!("{}/federation/", base.trim_end_matches('/'))).await?;
        if answer.status != 200 {
            return Err(unreachable(format!("it answered {} when it was asked how it is", answer.status)));
        }
        let said = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        match said.get("status").and_then(Value::as_str) {
            Some("OK") => Ok(()),
            _ => Err(unreachable("it did not say that it is OK when it was asked how it is".into())),
        }
    }

    /// Signs a message as our node in a network and sends it to a base address that was just probed; any answer but 200
    /// is a failure.
    pub(super) async fn post(
        &self,
        to: &str,
        network: &NetworkId,
        us: &NodeId,
        message: &Message,
    ) -> Result<Answer, Failure> {
        let bytes = dump(message).map_err(Failure::internal)?;
        let headers = [
            ("X-Installation-ID", us.to_string()),
            ("X-Node-ID", us.to_string()),
            ("X-Network-ID", network.to_string()),
            ("X-Server-Signature", self.sign(network, &bytes).await?),
        ];
        let url = format!("{}/federation/", to.trim_end_matches('/'));
        let answer = self.ports.peers.post(&url, &headers, &bytes).await?;
        if answer.status == 200 {
            return Ok(answer);
        }
        Err(unreachable(format!("it answered {}", answer.status)))
    }

    /// Probes and posts.
    pub(super) async fn send(
        &self,
        to: &str,
        network: &NetworkId,
        us: &NodeId,
        message: &Message,
    ) -> Result<Answer, Failure> {
        self.probe(to).await?;
        self.post(to, network, us, message).await
    }

    /// Sends each member a message of its own, some at a time, so that a slow one does not hold up the others; who cannot
    /// be told learns it later.
    pub(super) async fn tell_all(&self, network: &NetworkId, us: &NodeId, told: Vec<(Node, Message)>) {
        let telling: Vec<_> =
            told.into_iter().map(|(node, message)| self.tell_member(network, us, node, message)).collect();
        futures_util::stream::iter(telling).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    }

    async fn tell_member(&self, network: &NetworkId, us: &NodeId, node: Node, message: Message) {
        if let Err(error) = self.send(&node.node_url, network, us, &message).await {
            let (kind, reason) = (message.message_attributes.auth_type, why(&error));
            tracing::warn!(%network, node = %node.node_id, kind, reason, "a member could not be told");
        }
    }
}

fn unreachable(reason: String) -> Failure {
    PeerError::Unreachable(reason).into()
}

/// Why something failed, for administrators: what another installation did, if that is it.
pub(super) fn why(failure: &Failure) -> String {
    match failure {
        Failure::Unavailable(_, source) if source.is::<PeerError>() => source.to_string(),
        other => other.to_string(),
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
