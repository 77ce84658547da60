//! Joining, inviting, and deciding about those who ask (specification §9.4).

use serde_json::{Value, json};

use super::messages::{Attributes, Data, Message, NetworkPart, NodePart};
use super::{Networks, address};
use crate::domain::federation::{AuthStatus, Direction, Exchange, MOST_FAILURES};
use crate::domain::filter::Filter;
use crate::domain::ids::{NetworkId, NodeId};
use crate::domain::networks::{Network, NetworkState, Node};
use crate::service::Failure;
use crate::service::auth::{As, DataAdmin};

fn field<'a>(body: &'a Value, name: &str) -> Result<&'a str, Failure> {
    let text = body.get(name).and_then(Value::as_str);
    text.ok_or_else(|| Failure::Invalid(format!("{name} must be a text")))
}

impl Networks {
    /// Asks to be let into a network of another installation; answers the id of the request.
    pub async fn join(&self, _: &As<DataAdmin>, body: &Value) -> Result<String, Failure> {
        let named = body.get("networkID").or_else(|| body.get("networkId")).and_then(Value::as_str);
        let named = named.ok_or_else(|| Failure::Invalid("networkID must be a text".into()))?;
        let uuid = uuid::Uuid::parse_str(named);
        let id = NetworkId::from_uuid(uuid.map_err(|_| Failure::Invalid("networkID must be a UUID".into()))?);
        let base = address::base(field(body, "baseUrl")?)?;
        self.reachable().await?;
        if self.ports.store.networks().get(id.as_str()).await?.is_some() {
            return Err(Failure::Conflict(format!("this installation is in the network {id} already")));
        }
        let asked = self.ports.store.messages().find(&Filter::equals("networkId", id.as_str())).await?;
        if asked.iter().any(Exchange::is_open) {
            return Err(Failure::Conflict(format!("a request for the network {id} is open already")));
        }
        self.ports.peers.get(&format!("{base}/federation/")).await?;
        let listed = self.ports.peers.get(&format!("{base}/federation/networks")).await?;
        if listed.status != 200 || !lists(&listed.body, &id) {
            return Err(Failure::NotFound { what: "visible network there", id: id.to_string() });
        }
        let us = NodeId::from_uuid(self.ports.random.uuid());
        let public_key = self.make_key(&id).await?;
        let sent = self.ask(&base, &id, us, public_key, "request", None).await;
        if sent.is_err() {
            self.drop_key(&id).await?;
        }
        sent
    }

    /// Invites another installation into one of our networks; answers the id of the invitation.
    pub async fn invite(&self, _: &As<DataAdmin>, id: &NetworkId, body: &Value) -> Result<String, Failure> {
        let base = address::base(field(body, "baseUrl")?)?;
        let network = self.finished(id).await?;
        self.reachable().await?;
        let public_key = self.make_key(id).await?;
        let us = network.instance_id.clone();
        self.ask(&base, id, us, public_key, "invite", Some(NetworkPart::of(&network))).await
    }

    /// Others must be able to answer us (specification §15).
    async fn reachable(&self) -> Result<(), Failure> {
        let own = self.settings.current().await?.instance_settings.url;
        if address::is_loopback(&own) && !self.options.now().allow_loopback {
            return Err(Failure::Invalid(format!(
                "others cannot reach {own}; set instanceSettings.url to the address they can reach this installation at"
            )));
        }
        Ok(())
    }

    async fn ask(
        &self,
        base: &str,
        network: &NetworkId,
        us: NodeId,
        public_key: String,
        kind: &'static str,
        part: Option<NetworkPart>,
    ) -> Result<String, Failure> {
        let node = self.own_node(network, us.clone(), public_key).await?;
        let message_id = self.ports.random.uuid().to_string();
        let attributes = Attributes {
            message_id: message_id.clone(),
            network_id: network.to_string(),
            auth_type: kind,
            status: Some(AuthStatus::Sent),
            target_url: Some(base.to_owned()),
            ..Attributes::default()
        };
        let data = Data { node: Some(NodePart::of(&node)), challenge: Some(self.challenge()), network: part };
        let message = self.message(attributes, Some(data));
        let kept = self.kept(&message_id, network, &message)?;
        self.ports.store.messages().insert(&kept.id, &kept).await?;
        if let Err(error) = self.send(base, network, &us, &message).await {
            self.reject(&kept.id, &error.to_string()).await?;
            return Err(error);
        }
        Ok(message_id)
    }

    fn kept(&self, message_id: &str, network: &NetworkId, message: &Message) -> Result<Exchange, Failure> {
        Ok(Exchange {
            id: Exchange::key(Direction::Out, message_id),
            message_id: message_id.to_owned(),
            direction: Direction::Out,
            status: AuthStatus::Sent,
            network_id: network.clone(),
            received_at: self.ports.clock.now(),
            failures: 0,
            reason: None,
            message_type: message.message_type.into(),
            message_attributes: serde_json::to_value(&message.message_attributes)
                .map_err(Failure::internal)?,
            message_data: serde_json::to_value(&message.message_data).map_err(Failure::internal)?,
            timestamp: message.timestamp,
        })
    }

    pub(super) async fn reject(&self, id: &str, reason: &str) -> Result<(), Failure> {
        let end = |held: &mut Exchange| {
            if held.is_open() {
                held.status = AuthStatus::Rejected;
                held.reason = Some(reason.to_owned());
            }
            Ok::<(), Failure>(())
        };
        self.ports.store.messages().update(id, end).await?;
        Ok(())
    }

    /// Requests and invitations, sent and received, newest first; the words of received ones are withheld, so that
    /// they can only come from the other administrator.
    pub async fn requests(&self, _: &As<DataAdmin>) -> Result<Vec<Value>, Failure> {
        let all = self.ports.store.messages().find(&Filter::all().newest_first("receivedAt")).await?;
        Ok(all.iter().map(published).collect())
    }

    async fn received(&self, id: &str) -> Result<Exchange, Failure> {
        let found = self.ports.store.messages().get(Exchange::key(Direction::In, id)).await?;
        let found = found.ok_or_else(|| Failure::not_found("received request", id))?;
        if found.awaits_us() {
            Ok(found)
        } else {
            Err(Failure::Conflict(format!("the request {id} is decided already")))
        }
    }

    /// Lets the sender of a request in, or follows an invitation: `{"challenge": [three words]}`.
    pub async fn approve(&self, _: &As<DataAdmin>, id: &str, body: &Value) -> Result<(), Failure> {
        let request = self.received(id).await?;
        self.check_words(&request, body).await?;
        let mut node = sender(&request)?;
        node.public_key.as_ref().ok_or_else(|| {
            Failure::Unprocessable("the request brings no public key of its sender; deny it".into())
        })?;
        (node.authentication_enabled, node.user_mapping) = (false, None);
        if request.kind() == "invite" {
            self.follow(&request, node).await
        } else {
            self.admit(&request, node).await
        }
    }

    async fn check_words(&self, request: &Exchange, body: &Value) -> Result<(), Failure> {
        if !self.options.now().require_challenge {
            return Ok(());
        }
        let given = body.get("challenge").cloned().unwrap_or_default();
        let Ok(words) = serde_json::from_value::<Vec<String>>(given) else {
            return Err(Failure::Unprocessable(
                "send {\"challenge\": [three words]}, as the administrator of the other installation reads them to you"
                    .into(),
            ));
        };
        if request.is_met_by(&words) {
            return Ok(());
        }
        let count = |held: &mut Exchange| {
            held.failures += 1;
            if held.failures >= MOST_FAILURES && held.is_open() {
                held.status = AuthStatus::Rejected;
                held.reason = Some("the words of the challenge were wrong too often".into());
            }
            Ok::<(), Failure>(())
        };
        let left = self.ports.store.messages().update(&request.id, count).await?;
        let left = MOST_FAILURES.saturating_sub(left.map_or(MOST_FAILURES, |held| held.failures));
        Err(Failure::Unprocessable(format!("these are not the words of the request; {left} more tries")))
    }

    /// Takes a request from pending to decided; of two who try, one succeeds.
    async fn decide(&self, request: &Exchange, to: AuthStatus) -> Result<(), Failure> {
        let decide = |held: &mut Exchange| {
            if !held.awaits_us() {
                return Err(Failure::Conflict(format!("the request {} is decided already", held.message_id)));
            }
            held.status = to;
            Ok(())
        };
        let decided = self.ports.store.messages().update(&request.id, decide).await?;
        decided.map(drop).ok_or_else(|| Failure::not_found("received request", &request.message_id))
    }

    async fn admit(&self, request: &Exchange, node: Node) -> Result<(), Failure> {
        let network = self.finished(&request.network_id).await?;
        let store = &self.ports.store;
        if store.nodes().get(node.node_id.as_str()).await?.is_some() {
            return Err(Failure::Conflict(format!("the node {} is known already; deny it", node.node_id)));
        }
        let others = self.others(&network).await?;
        let us = self.member(&network).await?;
        self.decide(request, AuthStatus::Accepted).await?;
        store.nodes().put(node.node_id.as_str(), &node).await?;
        store.pending_nodes().delete(node.node_id.as_str()).await?;
        let add = |held: &mut Network| {
            if !held.node_ids.contains(&node.node_id) {
                held.node_ids.push(node.node_id.clone());
            }
            Ok::<(), Failure>(())
        };
        store.networks().update(network.network_id.as_str(), add).await?;
        for other in others {
            let attributes = Attributes {
                message_id: self.ports.random.uuid().to_string(),
                network_id: network.network_id.to_string(),
                auth_type: "join",
                ..Attributes::default()
            };
            let data = Data { node: Some(NodePart::of(&node)), ..Data::default() };
            self.tell(&other.node_url, &us, &self.message(attributes, Some(data))).await;
        }
        let data =
            Data { node: Some(NodePart::of(&us)), challenge: None, network: Some(NetworkPart::of(&network)) };
        // Who cannot be told asks by `status`.
        self.tell(&node.node_url, &us, &self.response(request, true, Some(data))).await;
        Ok(())
    }

    async fn follow(&self, request: &Exchange, node: Node) -> Result<(), Failure> {
        let id = &request.network_id;
        if self.ports.store.networks().get(id.as_str()).await?.is_some() {
            return Err(Failure::Conflict(format!("this installation is in the network {id} already")));
        }
        self.reachable().await?;
        let part = request.message_data.get("network").cloned().unwrap_or_default();
        let text = |name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let public_key = self.make_key(id).await?;
        let us = NodeId::from_uuid(self.ports.random.uuid());
        let us = self.own_node(id, us, public_key).await?;
        let data = Data { node: Some(NodePart::of(&us)), ..Data::default() };
        let response = self.response(request, true, Some(data));
        if let Err(error) = self.send(&node.node_url, id, &us.node_id, &response).await {
            self.drop_key(id).await?;
            return Err(error);
        }
        self.decide(request, AuthStatus::Accepted).await?;
        self.ports.store.nodes().put(node.node_id.as_str(), &node).await?;
        self.found(Network {
            network_id: id.clone(),
            network_name: text("networkName"),
            description: text("description"),
            node_ids: vec![us.node_id.clone(), node.node_id],
            visible: false,
            instance_id: us.node_id,
            record_index: None,
            meta_index: None,
            state: Some(NetworkState::Creating),
            created_at: Some(self.ports.clock.now()),
        })
        .await
    }

    /// Turns a request or an invitation down; its sender is told if we have a voice in that network.
    pub async fn deny(&self, _: &As<DataAdmin>, id: &str) -> Result<(), Failure> {
        let request = self.received(id).await?;
        self.decide(&request, AuthStatus::Rejected).await?;
        if let (Ok(network), Ok(node)) = (self.finished(&request.network_id).await, sender(&request)) {
            let us = self.member(&network).await?;
            self.tell(&node.node_url, &us, &self.response(&request, false, None)).await;
        }
        Ok(())
    }

    /// Our own node in a network, with its key.
    async fn member(&self, network: &Network) -> Result<Node, Failure> {
        let public_key = self.make_key(&network.network_id).await?;
        self.own_node(&network.network_id, network.instance_id.clone(), public_key).await
    }

    fn response(&self, request: &Exchange, approved: bool, data: Option<Data>) -> Message {
        let attributes = Attributes {
            message_id: request.message_id.clone(),
            network_id: request.network_id.to_string(),
            auth_type: "response",
            approved: Some(approved),
            ..Attributes::default()
        };
        self.message(attributes, data)
    }

    async fn tell(&self, to: &str, us: &Node, message: &Message) {
        if let Err(error) = self.send(to, &us.network_id, &us.node_id, message).await {
            let kind = message.message_attributes.auth_type;
            tracing::warn!(network = %us.network_id, kind, %error, "another installation could not be told");
        }
    }
}

/// The node that sent a request.
fn sender(request: &Exchange) -> Result<Node, Failure> {
    let mut node = request.message_data.get("node").cloned().unwrap_or_default();
    if let Some(fields) = node.as_object_mut() {
        fields.insert("networkId".into(), request.network_id.as_str().into());
    }
    serde_json::from_value(node)
        .map_err(|_| Failure::Unprocessable("the request does not say who sent it; deny it".into()))
}

/// Whether a list of visible networks, in any of the forms peers answer with, has this one.
fn lists(body: &[u8], id: &NetworkId) -> bool {
    let Ok(listed) = serde_json::from_slice::<Value>(body) else { return false };
    let entries = match listed {
        Value::Array(entries) => entries,
        one => vec![one],
    };
    entries.iter().any(|entry| {
        let named = entry.get("networkId").or_else(|| entry.get("networkID")).and_then(Value::as_str);
        // Some peers name their networks without saying the id (specification §16).
        named.map_or(entry.get("networkName").is_some(), |named| named.eq_ignore_ascii_case(id.as_str()))
    })
}

/// A request as the contract has it.
fn published(request: &Exchange) -> Value {
    let (mut attributes, mut data) = (request.message_attributes.clone(), request.message_data.clone());
    if let Some(fields) = attributes.as_object_mut() {
        fields.insert("status".into(), json!(request.status));
    }
    if let Some(fields) = data.as_object_mut() {
        if request.direction == Direction::In {
            fields.insert("challenge".into(), json!(["hidden-1", "hidden-2", "hidden-3"]));
        }
        let sender = fields.get("node").and_then(|node| node.get("nodeId")).cloned().unwrap_or_default();
        if let Some(network) = fields.get_mut("network").and_then(Value::as_object_mut) {
            // Required by the contract and not sent.
            network.entry("nodeIds").or_insert_with(|| json!([sender]));
            network.entry("instanceId").or_insert(sender);
        }
    }
    json!({
        "messageType": request.message_type, "messageAttributes": attributes, "messageData": data,
        "timestamp": request.timestamp,
    })
}
