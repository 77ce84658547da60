//! What is put in order by itself, some time after a process ended in the middle of something.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::Networks;
use crate::domain::federation::{AuthStatus, Direction, Exchange};
use crate::domain::filter::Filter;
use crate::domain::ids::NetworkId;
use crate::domain::networks::Node;
use crate::service::Failure;
use crate::service::auth::Inside;

/// How long a network may take to be made before it counts as left half-made.
const MAKING: TimeDelta = TimeDelta::minutes(10);

/// How long a request is open.
pub(super) const OPEN: TimeDelta = TimeDelta::days(30);

impl Networks {
    /// Undoes what was left half-made, makes keys that are missing, ends requests that nobody answered, and drops keys
    /// that nothing needs.
    pub async fn tend(&self, _: &Inside) -> Result<(), Failure> {
        for network in self.ports.store.networks().find(&Filter::all()).await? {
            self.alone(self.tend_network(&network.network_id)).await?;
        }
        let now = self.ports.clock.now();
        for request in self.ports.store.messages().find(&Filter::all()).await? {
            if request.is_open() && request.received_at < now - OPEN {
                self.alone(self.expire(&request)).await?;
            } else if request.awaits_them() && request.next_attempt_at.is_none() {
                // Sent by a release that did not ask.
                self.ask_later(&request, TimeDelta::zero()).await?;
            }
        }
        for network in self.keyed().await? {
            if self.alone(self.drop_unused_key(&network)).await? {
                tracing::warn!(%network, "a key was dropped that no network and no request needs");
            }
        }
        Ok(())
    }

    async fn tend_network(&self, id: &NetworkId) -> Result<(), Failure> {
        let store = &self.ports.store;
        let Some(network) = store.networks().get(id.as_str()).await? else { return Ok(()) };
        if network.is_unfinished() {
            let long = network.created_at.is_none_or(|begun| begun < self.ports.clock.now() - MAKING);
            if long && !self.entering().await?.contains(id) {
                self.forget(id).await?;
                tracing::warn!(network = %id, "a network that was left half-made was removed");
            }
            return Ok(());
        }
        let public_key = self.make_key(id).await?.public;
        let tell = |node: &mut Node| {
            node.public_key = Some(public_key.clone());
            Ok::<(), Failure>(())
        };
        store.nodes().update(network.instance_id.as_str(), tell).await?;
        Ok(())
    }

    /// Networks that are taken up where they were left, because a request says how.
    async fn entering(&self) -> Result<BTreeSet<NetworkId>, Failure> {
        let all = self.ports.store.messages().find(&Filter::all()).await?;
        let open = all.into_iter().filter(|request| request.awaits_them() || request.is_half_stored());
        Ok(open.map(|request| request.network_id).collect())
    }

    /// Ends a request that was open too long; to hold one is to deny it (specification §9.4).
    async fn expire(&self, request: &Exchange) -> Result<(), Failure> {
        let reason = "nobody answered within 30 days";
        match request.direction {
            Direction::Out => self.end(request, reason).await,
            Direction::In => {
                let voice = self.voice(request).await?;
                self.decide(request, AuthStatus::Rejected, voice, Some(reason)).await.map(drop)
            }
        }
    }
}
