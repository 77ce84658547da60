//! What people are to be told by mail (specification §14.4): an outbox of durable documents.
//!
//! Nothing is sent yet. Each document says to whom, about what, and the facts the text needs; whoever sends takes those
//! whose `state` is `waiting`, resolves the recipients at that moment, and writes the text. No document holds a
//! secret: a password, key or token is never a fact of a mail; where the text has to show one, the document names the
//! entry of the secrets port that has it when the mail is sent ([`Outgoing::secret`]). What was not sent within [`KEPT`] is removed.
//! To add an event: a variant of [`Event`], and `notify` where it happens.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Failure;
use super::auth::Inside;
use crate::domain::filter::{Condition, Filter};
use crate::domain::ids::UserId;
use crate::ports::Ports;
use crate::store::{Collection, Room};

/// How long a mail waits to be sent before nobody wants to read it any more.
const KEPT: TimeDelta = TimeDelta::days(30);

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Event {
    AccessRequestSubmitted,
    AccessRequestApproved,
    AccessRequestDenied,
    AccountCreated,
    /// The key of a Beacon endpoint is another one now; `secret` names it.
    BeaconKeyRotated,
    /// A copy of the key of a Beacon endpoint was asked for; `secret` names it.
    BeaconKeyRequested,
    CleanupFoundInconsistencies,
    /// A V2 installation was added: its administrator is told where the registry is, and its key, which `secret` names.
    NexusInstallationCreated,
    /// The client or secret of a realm is another one now.
    NexusCredentialChanged,
    NexusCredentialRemoved,
}

/// Who is told; roles and users are looked up when the mail is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Recipient {
    /// Somebody without an account.
    Address(String),
    /// The owner of an account.
    User(UserId),
    /// Whoever administers the system.
    SystemAdmins,
}

/// Whether it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum State {
    Waiting,
}

/// The document of the room `mail.outbox`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outgoing {
    pub id: String,
    pub event: Event,
    pub to: Vec<Recipient>,
    /// What the text needs to know.
    pub facts: Value,
    /// The entry of the secrets port whose value the text shows, read when it is sent (UTF-8). If it is not there any
    /// more there is nothing to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    pub state: State,
    pub attempts: u32,
    pub created_at: DateTime<Utc>,
}

fn outbox(ports: &Ports) -> Collection<'_, Outgoing> {
    Collection::new(ports.store.documents(), Room::Outbox)
}

/// Puts a mail into the outbox; `facts` hold what its text needs, and no secret.
pub(super) async fn notify(
    ports: &Ports,
    event: Event,
    to: Vec<Recipient>,
    facts: Value,
) -> Result<(), Failure> {
    put(ports, event, to, facts, None).await
}

/// The same where the text shows a secret: `secret` is the name of its entry in the secrets port, never the secret.
pub(super) async fn notify_of_secret(
    ports: &Ports,
    event: Event,
    to: Vec<Recipient>,
    facts: Value,
    secret: String,
) -> Result<(), Failure> {
    put(ports, event, to, facts, Some(secret)).await
}

async fn put(
    ports: &Ports,
    event: Event,
    to: Vec<Recipient>,
    facts: Value,
    secret: Option<String>,
) -> Result<(), Failure> {
    let id = ports.random.uuid().to_string();
    let created_at = ports.clock.now();
    let mail =
        Outgoing { id: id.clone(), event, to, facts, secret, state: State::Waiting, attempts: 0, created_at };
    Ok(outbox(ports).insert(&id, &mail).await?)
}

/// Removes what waited too long; answers how many.
pub(super) async fn expire(ports: &Ports, _: &Inside) -> Result<u64, Failure> {
    let before = serde_json::to_value(ports.clock.now() - KEPT).map_err(Failure::internal)?;
    Ok(outbox(ports).delete_where(&Filter::all().and(Condition::Below("createdAt", before))).await?)
}
