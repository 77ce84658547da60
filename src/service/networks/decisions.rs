//! Deciding about those who ask and those who invite, and telling them (specification §9.4).
//!
//! A decision is one write of the request. What it means is stored after it and before anybody is told, in steps that
//! can be done again: a process that ends in between leaves a request that says what is left to do (`pursue.rs`).

use serde_json::{Value, json};

use super::Networks;
use super::manage::{already_in, merge};
use super::messages::{Attributes, Data, NetworkPart, NodePart, why};
use super::strangers::introduced;
use super::tend::OPEN;
use crate::domain::error::{Kind, Kinded};
use crate::domain::federation::{
    AuthStatus, Delivery, DeliveryState, Direction, Exchange, MOST_FAILURES, pause,
};
use crate::domain::filter::Filter;
use crate::domain::ids::{NetworkId, NodeId};
use crate::domain::networks::{Network, NetworkState, Node};
use crate::service::Failure;
use crate::service::auth::{As, DataAdmin};

impl Networks {
    async fn received(&self, id: &str) -> Result<Exchange, Failure> {
        let found = self.ports.store.messages().get(Exchange::key(Direction::In, id)).await?;
        found.ok_or_else(|| Failure::not_found("received request", id))
    }

    /// Lets the sender of a request in, or follows an invitation: `{"challenge": [three words]}`. What was approved and
    /// not carried out to its end is carried out.
    pub async fn approve(&self, _: &As<DataAdmin>, id: &str, body: &Value) -> Result<(), Failure> {
        let request = self.received(id).await?;
        if !request.is_half_stored() {
            check_undecided(&request)?;
            self.check_words(&request, body).await?;
            let node = self.sender(&request)?;
            if request.kind() == "invite" {
                self.reachable().await?;
                // Nothing of a network is begun with one who does not answer.
                self.probe(&node.node_url).await?;
            }
            self.alone(self.accept(&request, &node)).await?;
        }
        self.carry_out(&request.id).await
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
            held.failures = held.failures.saturating_add(1);
            if held.failures >= MOST_FAILURES {
                held.reject("the words of the challenge were wrong too often");
            }
            Ok::<(), Failure>(())
        };
        let left = self.ports.store.messages().update(&request.id, count).await?;
        let left = MOST_FAILURES.saturating_sub(left.map_or(MOST_FAILURES, |held| held.failures));
        Err(Failure::Unprocessable(format!("these are not the words of the request; {left} more tries")))
    }

    /// Approves what may be approved; changes of networks are locked out.
    async fn accept(&self, request: &Exchange, node: &Node) -> Result<(), Failure> {
        let us = match request.kind() {
            "invite" => NodeId::from_uuid(self.ports.random.uuid()),
            _ => self.finished(&request.network_id).await?.instance_id,
        };
        self.check_acceptable(request, node, &us).await?;
        self.decide(request, AuthStatus::Accepted, Some(us), None).await.map(drop)
    }

    /// Whether an approval can be carried out with us as this node; it may have been, in part or as a whole.
    async fn check_acceptable(&self, request: &Exchange, node: &Node, us: &NodeId) -> Result<(), Failure> {
        let id = &request.network_id;
        self.check_unknown(node).await?;
        if request.kind() != "invite" {
            return self.finished(id).await.map(drop);
        }
        if self.ports.store.networks().get(id.as_str()).await?.is_some_and(|held| held.instance_id != *us) {
            return Err(already_in(id));
        }
        self.as_described(request.message_data.get("network"), id, us.clone()).map(drop)
    }

    /// Takes a request from pending to decided; of two who try, one succeeds. With a voice in its network its sender is
    /// going to be told.
    pub(super) async fn decide(
        &self,
        request: &Exchange,
        to: AuthStatus,
        voice: Option<NodeId>,
        reason: Option<&str>,
    ) -> Result<Exchange, Failure> {
        let now = self.ports.clock.now();
        let state = if to == AuthStatus::Accepted { DeliveryState::Storing } else { DeliveryState::Waiting };
        let decide = |held: &mut Exchange| {
            check_undecided(held)?;
            held.status = to;
            held.reason = reason.map(str::to_owned);
            // Not at once: who decides goes on with it.
            held.next_attempt_at = voice.is_some().then(|| now + pause(1));
            held.delivery = voice.clone().map(|node_id| Delivery {
                state,
                node_id,
                decided_at: now,
                attempts: 0,
                reason: None,
            });
            Ok::<(), Failure>(())
        };
        let decided = self.ports.store.messages().update(&request.id, decide).await?;
        decided.ok_or_else(|| Failure::not_found("received request", &request.message_id))
    }

    /// Stores what a decision means, if that is not done, and tells the sender of the request.
    pub(super) async fn carry_out(&self, id: &str) -> Result<(), Failure> {
        let Some(mut request) = self.ports.store.messages().get(id).await? else { return Ok(()) };
        if request.is_half_stored() {
            if !self.alone(self.settle(&request)).await? {
                return Ok(());
            }
            if request.kind() != "invite" {
                self.announce(&request.network_id, &self.sender(&request)?).await?;
            }
            let stored = |held: &mut Exchange| {
                if let Some(delivery) = held.delivery.as_mut().filter(|d| d.state == DeliveryState::Storing) {
                    delivery.state = DeliveryState::Waiting;
                }
                Ok::<(), Failure>(())
            };
            match self.ports.store.messages().update(id, stored).await? {
                Some(held) => request = held,
                None => return Ok(()),
            }
        }
        self.deliver(&request).await
    }

    /// Stores what an approval means here; it may have been done before, in part or as a whole. `false` = there is
    /// nothing to store any more. Changes of networks are locked out.
    async fn settle(&self, request: &Exchange) -> Result<bool, Failure> {
        let held = self.ports.store.messages().get(&request.id).await?;
        let Some(delivery) = held.filter(Exchange::is_half_stored).and_then(|held| held.delivery) else {
            return Ok(false);
        };
        let checked = match self.sender(request) {
            Ok(node) => self.check_acceptable(request, &node, &delivery.node_id).await.map(|()| node),
            Err(refused) => Err(refused),
        };
        let node = match checked {
            Ok(node) => node,
            Err(failure) => {
                // Only what is there was read: it will not be otherwise the next time.
                if matches!(failure.kind(), Kind::Conflict | Kind::NotFound | Kind::Unprocessable) {
                    self.withdraw(request, &failure.to_string()).await?;
                }
                return Err(failure);
            }
        };
        if request.kind() != "invite" {
            self.take_in(&node).await?;
            return Ok(true);
        }
        let part = request.message_data.get("network");
        let network = self.as_described(part, &request.network_id, delivery.node_id)?;
        self.found(network, &[node]).await?;
        self.close_own(&request.network_id).await?;
        Ok(true)
    }

    /// Ends our own open requests to be let into a network that we are in.
    async fn close_own(&self, network: &NetworkId) -> Result<(), Failure> {
        let messages = self.ports.store.messages();
        for asked in messages.find(&Filter::equals("networkId", network.as_str())).await? {
            if asked.awaits_them() && asked.kind() == "request" {
                self.end(&asked, "this installation entered the network by an invitation").await?;
            }
        }
        Ok(())
    }

    /// Takes an approval back that cannot be carried out.
    async fn withdraw(&self, request: &Exchange, reason: &str) -> Result<(), Failure> {
        let end = |held: &mut Exchange| {
            if held.is_half_stored() {
                held.status = AuthStatus::Rejected;
                held.reason = Some(reason.to_owned());
                (held.delivery, held.next_attempt_at) = (None, None);
            }
            Ok::<(), Failure>(())
        };
        self.ports.store.messages().update(&request.id, end).await?;
        self.drop_unused_key(&request.network_id).await.map(drop)
    }

    /// A network we are let into, as the one who lets us in describes it, with us as this node.
    pub(super) fn as_described(
        &self,
        part: Option<&Value>,
        id: &NetworkId,
        us: NodeId,
    ) -> Result<Network, Failure> {
        let mut network = Network {
            network_id: id.clone(),
            network_name: String::new(),
            description: String::new(),
            node_ids: vec![us.clone()],
            visible: false,
            instance_id: us,
            record_index: None,
            meta_index: None,
            state: Some(NetworkState::Creating),
            created_at: Some(self.ports.clock.now()),
        };
        let text = |name: &str| part.and_then(|part| part.get(name)).and_then(Value::as_str);
        let said = json!({
            "networkName": text("networkName").unwrap_or_default(),
            "description": text("description").unwrap_or_default(),
        });
        merge(&mut network, &said).map_err(|wrong| {
            Failure::Unprocessable(format!("the other installation describes its network wrongly: {wrong}"))
        })?;
        Ok(network)
    }

    /// Turns a request or an invitation down; its sender is told if we have a voice in that network.
    pub async fn deny(&self, _: &As<DataAdmin>, id: &str) -> Result<(), Failure> {
        let request = self.received(id).await?;
        check_undecided(&request)?;
        let voice = self.voice(&request).await?;
        let decided = self.decide(&request, AuthStatus::Rejected, voice, None).await?;
        self.deliver(&decided).await
    }

    /// Our node in the network of a request, if there is one and its sender can be told anything.
    pub(super) async fn voice(&self, request: &Exchange) -> Result<Option<NodeId>, Failure> {
        match self.finished(&request.network_id).await {
            Ok(network) => Ok(self.sender(request).is_ok().then_some(network.instance_id)),
            Err(Failure::NotFound { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Tells the other members of a network of one who was let in; who is not reached learns it later.
    pub(super) async fn announce(&self, id: &NetworkId, node: &Node) -> Result<(), Failure> {
        let network = self.finished(id).await?;
        let mut others = self.others(&network).await?;
        others.retain(|other| other.node_id != node.node_id);
        let told = others.into_iter().map(|other| {
            let attributes = Attributes {
                message_id: self.ports.random.uuid().to_string(),
                network_id: id.to_string(),
                auth_type: "join",
                ..Attributes::default()
            };
            let data = Data { node: Some(NodePart::of(node)), ..Data::default() };
            (other, self.message(attributes, Some(data)))
        });
        self.tell_all(id, &network.instance_id, told.collect()).await;
        Ok(())
    }

    /// Tells the sender of a request what was decided, or notes that it is to be tried again.
    async fn deliver(&self, request: &Exchange) -> Result<(), Failure> {
        let Some(delivery) = request.delivery.as_ref().filter(|d| d.state == DeliveryState::Waiting) else {
            return Ok(());
        };
        let told = self.tell(request, &delivery.node_id).await.map_err(|failure| why(&failure));
        if let Err(reason) = &told {
            let (network, id) = (&request.network_id, &request.message_id);
            tracing::warn!(%network, request = id, reason, "the sender of a request could not be told");
        }
        let now = self.ports.clock.now();
        let note = |held: &mut Exchange| {
            let Some(delivery) = held.delivery.as_mut().filter(|d| d.state == DeliveryState::Waiting) else {
                return Ok::<(), Failure>(());
            };
            delivery.attempts = delivery.attempts.saturating_add(1);
            delivery.reason = told.as_ref().err().cloned();
            held.next_attempt_at = None;
            match &told {
                Ok(()) => delivery.state = DeliveryState::Delivered,
                Err(_) if now - delivery.decided_at > OPEN => delivery.state = DeliveryState::Failed,
                Err(_) => held.next_attempt_at = Some(now + pause(delivery.attempts)),
            }
            Ok(())
        };
        self.ports.store.messages().update(&request.id, note).await?;
        Ok(())
    }

    async fn tell(&self, request: &Exchange, us: &NodeId) -> Result<(), Failure> {
        let network = self.finished(&request.network_id).await?;
        let public_key = self.make_key(&network.network_id).await?.public;
        let approved = request.status == AuthStatus::Accepted;
        let data = if approved {
            let us = self.own_node(&network.network_id, us.clone(), public_key).await?;
            // Who invited us has the network already.
            let part = (request.kind() != "invite").then(|| NetworkPart::of(&network));
            Some(Data { node: Some(NodePart::of(&us)), challenge: None, network: part })
        } else {
            None
        };
        let attributes = Attributes {
            message_id: request.message_id.clone(),
            network_id: request.network_id.to_string(),
            auth_type: "response",
            approved: Some(approved),
            ..Attributes::default()
        };
        let response = self.message(attributes, data);
        self.send(&self.sender(request)?.node_url, &request.network_id, us, &response).await.map(drop)
    }

    /// The node that sent a request.
    pub(super) fn sender(&self, request: &Exchange) -> Result<Node, Failure> {
        let node = request.message_data.get("node").unwrap_or(&Value::Null);
        introduced(node, &request.network_id, self.weakest_key())
            .map_err(|wrong| Failure::Unprocessable(format!("the request {wrong}; deny it")))
    }
}

fn check_undecided(request: &Exchange) -> Result<(), Failure> {
    if request.awaits_us() {
        return Ok(());
    }
    Err(Failure::Conflict(format!("the request {} is decided already", request.message_id)))
}
