//! Data administrators are told by mail of requests, what was decided about them, and members that wait for approval
//! (specification §14.4).
//!
//! What is stored is looked over, whoever stored it: a request says itself what was told of it, and a mail has an id of
//! what it tells, so that a look that was interrupted can be done again.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::Networks;
use crate::domain::federation::{AuthStatus, Direction, Exchange};
use crate::domain::filter::Filter;
use crate::domain::ids::NetworkId;
use crate::domain::networks::Node;
use crate::service::Failure;
use crate::service::auth::Inside;
use crate::service::mail::{Event, Recipient, notify_some};

/// How old a decision may be that is seen for the first time: what was decided before this release looked is no news.
const NEWS: TimeDelta = TimeDelta::days(1);

/// What there is to tell of a request just now.
fn stage(request: &Exchange) -> &'static str {
    match request.status {
        AuthStatus::Pending if request.awaits_us() => "received",
        AuthStatus::Accepted | AuthStatus::Rejected if !request.is_half_stored() => "decided",
        _ => "open",
    }
}

fn text(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl Networks {
    /// Writes the mails that are due.
    pub async fn tell_admins(&self, _: &Inside) -> Result<(), Failure> {
        let store = &self.ports.store;
        for request in store.messages().find(&Filter::all()).await? {
            let stage = stage(&request);
            if request.noticed.as_deref() == Some(stage) {
                continue;
            }
            let first = request.noticed.is_none();
            let old = request.received_at < self.ports.clock.now() - NEWS;
            match stage {
                "received" => self.tell_of(&request, stage, Event::NetworkRequestReceived).await?,
                "decided" if !(first && old) => {
                    self.tell_of(&request, stage, Event::NetworkRequestDecided).await?;
                }
                _ => {}
            }
            let noticed = |held: &mut Exchange| {
                held.noticed = Some(stage.to_owned());
                Ok::<(), Failure>(())
            };
            store.messages().update(&request.id, noticed).await?;
        }
        for node in store.pending_nodes().find(&Filter::all()).await? {
            // One whose approval was taken back has no key; that was a decision made here.
            if node.public_key.is_some() {
                self.tell_of_pending(&node).await?;
            }
        }
        Ok(())
    }

    async fn tell_of(&self, request: &Exchange, stage: &str, event: Event) -> Result<(), Failure> {
        let id = format!("{stage}-{}", request.id);
        let facts = self.facts(request).await?;
        notify_some(&self.ports, id, event, vec![Recipient::DataAdmins], facts).await
    }

    async fn tell_of_pending(&self, node: &Node) -> Result<(), Failure> {
        let facts = json!({
            "network": self.named(&node.network_id).await?, "installation": node.node_name, "address": node.node_url,
        });
        let id = format!("pending-{}", node.node_id);
        notify_some(&self.ports, id, Event::NodePending, vec![Recipient::DataAdmins], facts).await
    }

    /// What a mail says of a request; never its words.
    async fn facts(&self, request: &Exchange) -> Result<Value, Failure> {
        let node = &request.message_data;
        let (installation, address) = match (request.direction, &request.answered_by) {
            (Direction::In, _) => (text(node, "/node/nodeName"), text(node, "/node/nodeUrl")),
            (Direction::Out, Some(them)) => (them.node_name.clone(), request.target().to_owned()),
            (Direction::Out, None) => (String::new(), request.target().to_owned()),
        };
        let network = match text(&request.message_data, "/network/networkName") {
            unnamed if unnamed.is_empty() => self.named(&request.network_id).await?,
            name => name,
        };
        Ok(json!({
            "kind": request.kind(), "direction": request.direction, "status": request.status, "network": network,
            "installation": installation, "address": address, "reason": request.reason,
        }))
    }

    /// A network by its name, if it is here.
    async fn named(&self, id: &NetworkId) -> Result<String, Failure> {
        let network = self.ports.store.networks().get(id.as_str()).await?;
        Ok(network.map_or_else(|| id.to_string(), |network| network.network_name))
    }
}
