//! What comes back when we ask what became of a request (specification §9.4, federation notes §2 row 18).
//!
//! The answer is a `status` message, or the `response` itself, or a plain object with a status. What lets somebody in
//! has to be signed with the key it brings, from the address that was asked; everything else changes nothing but a
//! request that is turned down.

use serde_json::Value;

use super::address;
use super::signed::is_signed;
use super::strangers::introduced;
use crate::domain::federation::{AuthStatus, Exchange};
use crate::domain::networks::Node;
use crate::peers::Answer;

/// An answer as far as it can be understood.
#[derive(Debug, PartialEq)]
pub(super) enum Word {
    /// Nothing is decided, or nothing was said.
    Open,
    Refused,
    Approved {
        /// Who answers.
        node: Box<Node>,
        /// The network as it describes it.
        network: Value,
    },
    /// Not to be acted upon, and why.
    Odd(&'static str),
}

/// Reads the answer to a question about a request of ours; `weakest` is the fewest bits of a key.
pub(super) fn read(request: &Exchange, answer: &Answer, weakest: usize) -> Word {
    let Ok(said) = serde_json::from_slice::<Value>(&answer.body) else { return Word::Open };
    let attributes = match said.get("messageAttributes") {
        Some(attributes) => attributes,
        None if said.is_object() => &said,
        None => return Word::Open,
    };
    let Some(about) = text(attributes, &["messageId", "messageID"]) else { return Word::Open };
    if about != request.message_id {
        return Word::Odd("it speaks of another request");
    }
    let kind = text(attributes, &["authType"]).unwrap_or("status");
    let data = said.get("messageData").unwrap_or(&Value::Null);
    let node = data.get("node").filter(|node| !node.is_null());
    match (kind, attributes.get("approved").and_then(Value::as_bool).unwrap_or_default(), node) {
        ("status", ..) => match attributes.get("status").cloned().map(serde_json::from_value) {
            Some(Ok(AuthStatus::Rejected)) => Word::Refused,
            _ => Word::Open,
        },
        ("response", true, Some(node)) => match approval(request, answer, attributes, node, weakest) {
            Ok(node) => Word::Approved {
                node: Box::new(node),
                network: data.get("network").cloned().unwrap_or_default(),
            },
            Err(wrong) => Word::Odd(wrong),
        },
        ("response", true, None) => Word::Odd("it approves without saying who does"),
        // Some peers say `false` where they mean `true`, and are known by the node they bring.
        ("response", false, Some(_)) => Word::Odd("it refuses and introduces itself"),
        ("response", false, None) => Word::Refused,
        _ => Word::Odd("it is no answer about a request"),
    }
}

fn approval(
    request: &Exchange,
    answer: &Answer,
    attributes: &Value,
    node: &Value,
    weakest: usize,
) -> Result<Node, &'static str> {
    let node = introduced(node, &request.network_id, weakest)?;
    let network = request.network_id.as_str();
    let header = |names: &[&str]| {
        let found = answer.headers.iter().find(|(name, _)| names.contains(&name.as_str()));
        found.map(|(_, value)| value.as_str())
    };
    if text(attributes, &["networkId", "networkID"]) != Some(network)
        || header(&["x-network-id"]) != Some(network)
        || header(&["x-installation-id", "x-node-id"]) != Some(node.node_id.as_str())
    {
        return Err("its headers and its text do not say the same network and node");
    }
    if !address::same(&node.node_url, request.target()) {
        return Err("it introduces itself with another address than the one that was asked");
    }
    let signature = header(&["x-server-signature"]).unwrap_or_default();
    match &node.public_key {
        Some(key) if is_signed(&answer.body, signature, key) => Ok(node),
        _ => Err("it is not signed with the key it brings"),
    }
}

/// The first of these fields that is a text.
fn text<'a>(fields: &'a Value, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| fields.get(*name)?.as_str())
}
