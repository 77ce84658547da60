//! What is done about requests by itself: our answers are told again, theirs are asked for (specification §9.4).

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use serde_json::Value;

use super::Networks;
use super::answers::{self, Word};
use super::messages::{Attributes, why};
use super::requests::ASKED_EVERY;
use crate::domain::federation::{AuthStatus, Direction, Exchange, pause};
use crate::domain::filter::{Condition, Filter};
use crate::domain::ids::NodeId;
use crate::domain::networks::Node;
use crate::service::Failure;
use crate::service::auth::Inside;

/// Requests that are attended to in one go; the others are due the next time.
const MOST: usize = 50;

/// Requests that are attended to at the same time, so that a slow peer does not hold up the others.
const AT_ONCE: usize = 8;

/// Those about which something is to be done now, longest waiting first.
fn due(now: DateTime<Utc>, most: usize) -> Result<Filter, Failure> {
    let now = serde_json::to_value(now).map_err(Failure::internal)?;
    let due = Filter::all().and(Condition::Below("nextAttemptAt", now));
    Ok(due.sorted("nextAttemptAt").page(0, most))
}

impl Networks {
    /// Whether there is anything to pursue.
    pub async fn has_due(&self, _: &Inside) -> Result<bool, Failure> {
        let due = due(self.ports.clock.now(), 1)?;
        Ok(!self.ports.store.messages().find(&due).await?.is_empty())
    }

    /// Tells what could not be told, asks what became of our own requests, and carries out what was decided.
    pub async fn pursue(&self, _: &Inside) -> Result<(), Failure> {
        let due = due(self.ports.clock.now(), MOST)?;
        let due = self.ports.store.messages().find(&due).await?;
        let attending: Vec<_> = due.into_iter().map(|request| self.attend_or_put_off(request)).collect();
        let mut attending = futures_util::stream::iter(attending).buffer_unordered(AT_ONCE);
        let mut first = Ok(());
        while let Some(attended) = attending.next().await {
            first = first.and(attended);
        }
        first
    }

    /// Attends to one; what is behind it must not wait for it.
    async fn attend_or_put_off(&self, request: Exchange) -> Result<(), Failure> {
        let Err(failure) = self.attend(&request).await else { return Ok(()) };
        let (network, id) = (&request.network_id, &request.message_id);
        tracing::warn!(%network, request = id, %failure, "a request could not be attended to");
        self.put_off(&request).await
    }

    async fn attend(&self, request: &Exchange) -> Result<(), Failure> {
        match request.direction {
            Direction::In => self.carry_out(&request.id).await,
            Direction::Out => self.inquire(request).await,
        }
    }

    async fn put_off(&self, request: &Exchange) -> Result<(), Failure> {
        let now = self.ports.clock.now();
        let later = |held: &mut Exchange| {
            if held.next_attempt_at.is_some() {
                let next = match held.delivery.as_mut() {
                    Some(delivery) => {
                        delivery.attempts = delivery.attempts.saturating_add(1);
                        pause(delivery.attempts)
                    }
                    None => ASKED_EVERY,
                };
                held.next_attempt_at = Some(now + next);
            }
            Ok::<(), Failure>(())
        };
        self.ports.store.messages().update(&request.id, later).await?;
        Ok(())
    }

    /// Has a request of ours be asked about after a while.
    pub(super) async fn ask_later(&self, request: &Exchange, pause: TimeDelta) -> Result<(), Failure> {
        let at = self.ports.clock.now() + pause;
        let later = |held: &mut Exchange| {
            held.next_attempt_at = held.awaits_them().then_some(at);
            Ok::<(), Failure>(())
        };
        self.ports.store.messages().update(&request.id, later).await?;
        Ok(())
    }

    /// Asks what became of a request of ours.
    async fn inquire(&self, request: &Exchange) -> Result<(), Failure> {
        let us = own_id(request)?;
        let attributes = Attributes {
            message_id: request.message_id.clone(),
            network_id: request.network_id.to_string(),
            auth_type: "status",
            ..Attributes::default()
        };
        let question = self.message(attributes, None);
        let (network, id) = (&request.network_id, &request.message_id);
        let answer = match self.send(request.target(), network, &us, &question).await {
            Ok(answer) => answer,
            Err(failure) => {
                tracing::info!(%network, request = id, reason = why(&failure), "a request could not be asked about");
                return self.ask_later(request, ASKED_EVERY).await;
            }
        };
        match answers::read(request, &answer, self.weakest_key()) {
            Word::Open => self.ask_later(request, ASKED_EVERY).await,
            Word::Odd(reason) => {
                tracing::warn!(%network, request = id, reason, "the answer to a request was not acted upon");
                self.ask_later(request, ASKED_EVERY).await
            }
            Word::Refused => self.alone(self.end(request, "the other installation turned it down")).await,
            Word::Approved { node, network } => self.approved(request, us, *node, &network).await,
        }
    }

    /// Makes true here what the other side approved; a process that ends in between asks again.
    async fn approved(
        &self,
        request: &Exchange,
        us: NodeId,
        node: Node,
        network: &Value,
    ) -> Result<(), Failure> {
        if request.kind() == "invite" {
            if !self.alone(self.take_in_invited(request, &node)).await? {
                return Ok(());
            }
            self.announce(&request.network_id, &node).await?;
        } else {
            self.alone(self.enter(request, us, &node, network)).await?;
        }
        let accept = |held: &mut Exchange| {
            if held.is_open() {
                (held.status, held.next_attempt_at) = (AuthStatus::Accepted, None);
                held.answered_by = Some(node.clone());
            }
            Ok::<(), Failure>(())
        };
        self.ports.store.messages().update(&request.id, accept).await?;
        Ok(())
    }

    async fn still_open(&self, request: &Exchange) -> Result<bool, Failure> {
        Ok(self.ports.store.messages().get(&request.id).await?.is_some_and(|held| held.awaits_them()))
    }

    /// Makes one we invited a member, unless the invitation ended meanwhile.
    async fn take_in_invited(&self, request: &Exchange, node: &Node) -> Result<bool, Failure> {
        if !self.still_open(request).await? {
            return Ok(false);
        }
        self.finished(&request.network_id).await?;
        self.take_in(node).await?;
        Ok(true)
    }

    /// Enters the network we asked to be let into.
    async fn enter(
        &self,
        request: &Exchange,
        us: NodeId,
        node: &Node,
        network: &Value,
    ) -> Result<(), Failure> {
        if !self.still_open(request).await? {
            return Ok(());
        }
        let held = self.ports.store.networks().get(request.network_id.as_str()).await?;
        if held.is_some_and(|held| held.instance_id != us) {
            return self.end(request, "this installation entered the network another way").await;
        }
        self.check_unknown(node).await?;
        let network = self.as_described(Some(network), &request.network_id, us)?;
        self.found(network, std::slice::from_ref(node)).await
    }
}

/// Our own node in a request we sent.
fn own_id(request: &Exchange) -> Result<NodeId, Failure> {
    let node = request.message_data.get("node").and_then(|node| node.get("nodeId"));
    NodeId::parse(node.and_then(Value::as_str).unwrap_or_default()).map_err(Failure::internal)
}
