//! Asking to be let in, inviting, and the list of both (specification §9.4).

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::manage::already_in;
use super::messages::{Attributes, Data, Message, NetworkPart, NodePart, why};
use super::{Networks, address};
use crate::domain::federation::{AuthStatus, Direction, Exchange};
use crate::domain::filter::Filter;
use crate::domain::ids::{NetworkId, NodeId};
use crate::service::Failure;
use crate::service::auth::{As, DataAdmin};

/// How long after it was sent a request is asked about, and again.
pub(super) const ASKED_EVERY: TimeDelta = TimeDelta::hours(1);

fn field<'a>(body: &'a Value, name: &str) -> Result<&'a str, Failure> {
    let text = body.get(name).and_then(Value::as_str);
    text.ok_or_else(|| Failure::Invalid(format!("{name} must be a text")))
}

/// A request that is stored and not sent yet.
struct Asked {
    base: String,
    us: NodeId,
    message: Message,
    kept: Exchange,
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
        self.check_may_join(&id).await?;
        self.probe(&base).await?;
        let listed = self.ports.peers.get(&format!("{base}/federation/networks")).await?;
        if listed.status != 200 || !lists(&listed.body, &id) {
            return Err(Failure::NotFound { what: "visible network there", id: id.to_string() });
        }
        let asked = self.alone(self.begin_to_join(&id, base)).await?;
        self.post_asked(asked).await
    }

    async fn check_may_join(&self, id: &NetworkId) -> Result<(), Failure> {
        if self.ports.store.networks().get(id.as_str()).await?.is_some() {
            return Err(already_in(id));
        }
        let asked = self.ports.store.messages().find(&Filter::equals("networkId", id.as_str())).await?;
        if asked.iter().any(|asked| asked.is_open() || asked.is_half_stored()) {
            return Err(Failure::Conflict(format!("a request for the network {id} is open already")));
        }
        Ok(())
    }

    async fn begin_to_join(&self, id: &NetworkId, base: String) -> Result<Asked, Failure> {
        self.check_may_join(id).await?;
        let us = NodeId::from_uuid(self.ports.random.uuid());
        let key = self.make_key(id).await?;
        let asked = self.begin_to_ask(id, base, us, key.public, "request", None).await;
        if asked.is_err() && key.made {
            self.drop_unused_key(id).await?;
        }
        asked
    }

    /// Invites another installation into one of our networks; answers the id of the invitation.
    pub async fn invite(&self, _: &As<DataAdmin>, id: &NetworkId, body: &Value) -> Result<String, Failure> {
        let base = address::base(field(body, "baseUrl")?)?;
        self.finished(id).await?;
        self.reachable().await?;
        self.probe(&base).await?;
        let asked = self.alone(self.begin_to_invite(id, base)).await?;
        self.post_asked(asked).await
    }

    async fn begin_to_invite(&self, id: &NetworkId, base: String) -> Result<Asked, Failure> {
        let network = self.finished(id).await?;
        let sent = self.ports.store.messages().find(&Filter::equals("networkId", id.as_str())).await?;
        if sent.iter().any(|sent| sent.awaits_them() && address::same(sent.target(), &base)) {
            return Err(Failure::Conflict(format!("an invitation of {base} is open already")));
        }
        let (us, part) = (network.instance_id.clone(), NetworkPart::of(&network));
        let key = self.make_key(id).await?;
        self.begin_to_ask(id, base, us, key.public, "invite", Some(part)).await
    }

    /// Others must be able to answer us (specification §15).
    pub(super) async fn reachable(&self) -> Result<(), Failure> {
        let own = self.settings.current().await?.instance_settings.url;
        if address::is_loopback(&own) && !self.options.now().allow_loopback {
            return Err(Failure::Invalid(format!(
                "others cannot reach {own}; set instanceSettings.url to the address they can reach this installation at"
            )));
        }
        Ok(())
    }

    async fn begin_to_ask(
        &self,
        network: &NetworkId,
        base: String,
        us: NodeId,
        public_key: String,
        kind: &'static str,
        part: Option<NetworkPart>,
    ) -> Result<Asked, Failure> {
        let node = self.own_node(network, us.clone(), public_key).await?;
        let message_id = self.ports.random.uuid().to_string();
        let attributes = Attributes {
            message_id: message_id.clone(),
            network_id: network.to_string(),
            auth_type: kind,
            status: Some(AuthStatus::Sent),
            target_url: Some(base.clone()),
            ..Attributes::default()
        };
        let data = Data { node: Some(NodePart::of(&node)), challenge: Some(self.challenge()), network: part };
        let message = self.message(attributes, Some(data));
        let kept = self.kept(message_id, network, &message)?;
        self.ports.store.messages().insert(&kept.id, &kept).await?;
        Ok(Asked { base, us, message, kept })
    }

    async fn post_asked(&self, asked: Asked) -> Result<String, Failure> {
        let Asked { base, us, message, kept } = asked;
        if let Err(error) = self.post(&base, &kept.network_id, &us, &message).await {
            self.alone(self.end(&kept, &why(&error))).await?;
            return Err(error);
        }
        Ok(kept.message_id)
    }

    fn kept(&self, message_id: String, network: &NetworkId, message: &Message) -> Result<Exchange, Failure> {
        let now = self.ports.clock.now();
        Ok(Exchange {
            id: Exchange::key(Direction::Out, &message_id),
            message_id,
            direction: Direction::Out,
            status: AuthStatus::Sent,
            network_id: network.clone(),
            received_at: now,
            failures: 0,
            reason: None,
            next_attempt_at: Some(now + ASKED_EVERY),
            delivery: None,
            answered_by: None,
            noticed: None,
            message_type: message.message_type.into(),
            message_attributes: serde_json::to_value(&message.message_attributes)
                .map_err(Failure::internal)?,
            message_data: serde_json::to_value(&message.message_data).map_err(Failure::internal)?,
            timestamp: message.timestamp,
        })
    }

    /// Ends a request of ours, and drops its key if nothing else needs it; changes of networks are locked out.
    pub(super) async fn end(&self, request: &Exchange, reason: &str) -> Result<(), Failure> {
        let end = |held: &mut Exchange| {
            held.reject(reason);
            Ok::<(), Failure>(())
        };
        self.ports.store.messages().update(&request.id, end).await?;
        self.drop_unused_key(&request.network_id).await.map(drop)
    }

    /// Requests and invitations, sent and received, newest first, of one status or all; the words of received ones are
    /// withheld, so that they can only come from the other administrator.
    pub async fn requests(
        &self,
        _: &As<DataAdmin>,
        status: Option<AuthStatus>,
    ) -> Result<Vec<Value>, Failure> {
        let mut all = self.ports.store.messages().find(&Filter::all().newest_first("receivedAt")).await?;
        // Not by the store: the original wrote them in other cases.
        all.retain(|request| status.is_none_or(|status| request.status == status));
        Ok(all.iter().map(published).collect())
    }
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

/// A request as the contract has it, and how far it is.
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
    let mut shown = json!({
        "messageType": request.message_type, "messageAttributes": attributes, "messageData": data,
        "timestamp": request.timestamp, "reason": request.reason,
        "delivery": request.delivery.as_ref().map(|delivery| json!({
            "state": delivery.state, "attempts": delivery.attempts, "reason": delivery.reason,
            "nextAttemptAt": request.next_attempt_at,
        })),
    });
    without_null(&mut shown);
    shown
}

/// The contract has no null here.
fn without_null(shown: &mut Value) {
    if let Some(fields) = shown.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        if let Some(delivery) = fields.get_mut("delivery") {
            without_null(delivery);
        }
    }
}
