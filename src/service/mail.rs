//! What people are to be told by mail (specification §14.4): an outbox of durable documents.
//!
//! Each document says to whom, about what, and the facts the text needs. `send` takes those whose `state` is `waiting`,
//! resolves the recipients at that moment, and has `text` write one message for each. No document holds a secret: a
//! password, key or token is never a fact of a mail; a mail that has to tell one names it, and it is read from the
//! secrets port when the mail is sent. What is done, or was not sent within 30 days, is removed.
//! `alerts` are those that nobody asked for: failed jobs, and what everything depends on being away.
//! To add an event: a variant of `Event`, its words in `text`, and `notify` where it happens.

mod alerts;
mod send;
mod text;

pub(super) use alerts::{everyone, notify_some};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::auth::{As, Inside, SystemAdmin};
use super::settings::Settings;
use super::{Failure, Live};
use crate::domain::filter::{Condition, Filter};
use crate::domain::ids::UserId;
use crate::mail::{MailError, Message, Way};
use crate::ports::Ports;
use crate::store::{Collection, Room, StoreError};

/// How long a mail waits to be sent before nobody wants to read it any more, and what became of it can be read.
const KEPT: TimeDelta = TimeDelta::days(30);

/// Most mails that are listed.
const MOST_LISTED: usize = 1_000;

/// Said with what triggers a mail that will not leave.
const NOT_CONFIGURED: &str = "mail is not configured: nobody was written to";

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
    /// Another installation asks to be let into a network of ours, or invites us.
    NetworkRequestReceived,
    /// A request or invitation, theirs or ours, was accepted or turned down.
    NetworkRequestDecided,
    /// A member that another member let in waits for approval here.
    NodePending,
    /// A job will not be tried again.
    JobFailed,
    /// Something everything depends on has been away for a while.
    DependencyAway,
    /// It is there again.
    DependencyBack,
    /// The certificate of the front door ends soon, or has ended.
    CertificateEnds,
    /// The operator tries whether mail arrives.
    Test,
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
    /// Whoever administers data, networks included.
    DataAdmins,
    /// The installation's own account at the identity provider, whose mail programs of others read.
    Installation,
}

/// Whether it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum State {
    /// It is sent, or sent again, as soon as it is due and there is a way.
    Waiting,
    /// Everyone's message was taken.
    Sent,
    /// Somebody's message was not taken, and is not tried again.
    Failed,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }
}

/// What became of the message to one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    address: String,
    /// `Sent` or `Failed`.
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The document of the room `mail.outbox`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outgoing {
    pub id: String,
    pub event: Event,
    pub to: Vec<Recipient>,
    /// What the text needs to know; nothing once the mail is done.
    pub facts: Value,
    /// The entry of the secrets port whose value the text shows, read when it is sent (UTF-8). If it is not there any
    /// more there is nothing to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    pub state: State,
    pub attempts: u32,
    pub created_at: DateTime<Utc>,
    /// When it was tried for the first time: what is not sent a day later is given up.
    #[serde(default)]
    first_attempt_at: Option<DateTime<Utc>>,
    /// When it is tried again; `None` = at once.
    #[serde(default)]
    next_attempt_at: Option<DateTime<Utc>>,
    /// Addresses that are done with.
    #[serde(default)]
    deliveries: Vec<Delivery>,
    /// Why the last attempt did not do.
    #[serde(default)]
    reason: Option<String>,
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
    post(ports, event, to, facts, None).await
}

/// The same where the text shows a secret: `secret` is the name of its entry in the secrets port, never the secret.
pub(super) async fn notify_of_secret(
    ports: &Ports,
    event: Event,
    to: Vec<Recipient>,
    facts: Value,
    secret: String,
) -> Result<(), Failure> {
    post(ports, event, to, facts, Some(secret)).await
}

pub(super) async fn post(
    ports: &Ports,
    event: Event,
    to: Vec<Recipient>,
    facts: Value,
    secret: Option<String>,
) -> Result<(), Failure> {
    let mail = Outgoing { secret, ..waiting(ports, ports.random.uuid().to_string(), event, to, facts) };
    Ok(outbox(ports).insert(&mail.id, &mail).await?)
}

/// Puts a mail into the outbox unless one of this id is there: whoever sees the same thing again writes nothing. An id is
/// remembered as long as a mail is kept. Answers whether it was new.
pub(super) async fn notify_once(
    ports: &Ports,
    id: String,
    event: Event,
    to: Vec<Recipient>,
    facts: Value,
) -> Result<bool, Failure> {
    let mail = waiting(ports, id, event, to, facts);
    match outbox(ports).insert(&mail.id, &mail).await {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict(_)) => Ok(false),
        Err(other) => Err(other.into()),
    }
}

fn waiting(ports: &Ports, id: String, event: Event, to: Vec<Recipient>, facts: Value) -> Outgoing {
    Outgoing {
        id,
        event,
        to,
        facts,
        secret: None,
        state: State::Waiting,
        attempts: 0,
        created_at: ports.clock.now(),
        first_attempt_at: None,
        next_attempt_at: None,
        deliveries: Vec::new(),
        reason: None,
    }
}

/// Removes what waited too long, and what has been done for as long; answers how many.
pub(super) async fn expire(ports: &Ports, _: &Inside) -> Result<u64, Failure> {
    let before = serde_json::to_value(ports.clock.now() - KEPT).map_err(Failure::internal)?;
    Ok(outbox(ports).delete_where(&Filter::all().and(Condition::Below("createdAt", before))).await?)
}

/// How it stands with mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Mail leaves this installation, or is logged instead.
    pub configured: bool,
    /// Mails in the outbox that are still to be sent.
    pub waiting: u64,
    /// Mails of the last 30 days that did not reach everyone.
    pub failed: u64,
}

pub(super) async fn figures(ports: &Ports) -> Result<Figures, Failure> {
    let count = async |state: State| outbox(ports).count(&Filter::equals("state", state.name())).await;
    Ok(Figures {
        configured: ports.mail.way() != Way::Nowhere,
        waiting: count(State::Waiting).await?,
        failed: count(State::Failed).await?,
    })
}

/// Sends what waits, and says how it stands.
#[derive(Debug, Clone)]
pub struct Mail {
    ports: Ports,
    settings: Settings,
    options: Live,
}

impl Mail {
    pub(super) fn new(ports: Ports, settings: Settings, options: Live) -> Self {
        Self { ports, settings, options }
    }

    /// What whoever triggered a mail is to know: nothing if it leaves.
    pub fn notice(&self) -> Option<String> {
        (self.ports.mail.way() == Way::Nowhere).then(|| NOT_CONFIGURED.to_owned())
    }

    /// Whether mail is in order, and the state of it in words, for `doctor`.
    pub async fn condition(&self, _: &As<SystemAdmin>) -> Result<(bool, String), Failure> {
        let Figures { waiting, failed, .. } = figures(&self.ports).await?;
        let counts = format!("{waiting} waiting, {failed} failed");
        Ok(match self.ports.mail.way() {
            Way::Nowhere => (
                true,
                format!(
                    "not configured, so mail stays in the outbox ({counts}); to send it, add an Email section"
                ),
            ),
            Way::Log => (failed == 0, format!("written to the log, as this is development ({counts})")),
            Way::Smtp => match self.ports.mail.ping().await {
                Ok(()) if failed == 0 => (true, format!("the server answers; {counts}")),
                Ok(()) => (false, format!("the server answers; {counts}: see `cv3-backend mail list`")),
                Err(error) => (false, format!("{error}; {counts}; see the Email section")),
            },
        })
    }

    /// Sends a message to one address, past the outbox, and says at once whether it was taken.
    pub async fn test(&self, _: &As<SystemAdmin>, to: &str) -> Result<(), Failure> {
        let about = self.about().await?;
        let written = text::write(Event::Test, text::Reader::Person, &json!({}), None, &about);
        let message = Message {
            to: to.to_owned(),
            subject: written.subject,
            text: written.text,
            html: written.html,
            id: self.ports.random.uuid().to_string(),
            date: self.ports.clock.now(),
            sensitive: false,
        };
        self.ports.mail.send(&message).await.map_err(|error| match error {
            MailError::Unavailable(_) => Failure::Unprocessable(format!("the mail server: {error}")),
            MailError::NotConfigured => Failure::Unprocessable(error.to_string()),
            MailError::Refused(_) | MailError::Later(_) => {
                Failure::Unprocessable(format!("the message was not taken: {error}"))
            }
        })
    }

    /// What became of each mail of the last 30 days, the newest first; no texts.
    pub async fn list(&self, _: &As<SystemAdmin>) -> Result<Vec<Value>, Failure> {
        let newest = Filter::all().newest_first("createdAt").page(0, MOST_LISTED);
        let mails = outbox(&self.ports).find(&newest).await?;
        let shown = mails.into_iter().map(|mail| {
            json!({
                "id": mail.id, "event": mail.event, "to": mail.to, "state": mail.state, "attempts": mail.attempts,
                "createdAt": mail.created_at, "nextAttemptAt": mail.next_attempt_at, "reason": mail.reason,
                "deliveries": mail.deliveries,
            })
        });
        Ok(shown.collect())
    }

    /// Who writes.
    async fn about(&self) -> Result<text::About, Failure> {
        let name = self.settings.current().await?.instance_settings.name;
        Ok(text::About { name, url: self.options.now().public_url.clone() })
    }
}
