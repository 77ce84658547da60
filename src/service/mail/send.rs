//! Sending what waits: one mail at a time across processes, one message per recipient, again later where that may help.
//!
//! Each message that was taken is written down before the next is sent, so a process that is killed sends at most one
//! message twice; the two have the same Message-ID.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::text::{Reader, write};
use super::{Delivery, Mail, Outgoing, Recipient, State, outbox};
use crate::domain::access::{Duty, may};
use crate::domain::filter::Filter;
use crate::domain::ids::UserId;
use crate::identity::IdentityError;
use crate::mail::{MailError, Message, Way};
use crate::service::Failure;
use crate::service::auth::Inside;

/// What only one process does at a time.
const LOCK: &str = "mail";

/// How long the lock of a process that ended is in the way of others: longer than one message can take.
const LEASE: Duration = Duration::from_secs(90);

/// How long a mail is tried (specification §14.4).
const TRIED: TimeDelta = TimeDelta::hours(24);

/// The pause after the first attempt; each further one is twice as long.
const FIRST_PAUSE: u32 = 5;

/// The longest pause, in seconds.
const LONGEST_PAUSE: u32 = 3_600;

/// Mails that are looked at for one that is due.
const LOOKED_AT: usize = 100;

/// The pause before another attempt, after so many.
fn pause(attempts: u32) -> TimeDelta {
    let doubled = FIRST_PAUSE.checked_shl(attempts.saturating_sub(1)).filter(|_| attempts < 16);
    TimeDelta::seconds(i64::from(doubled.unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)))
}

/// How an attempt at a mail ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// Nobody is left to write to.
    Done,
    /// Some messages may be taken later, and why they were not now; the addresses that are left.
    Later(String, Vec<String>),
}

impl Outgoing {
    fn due(&self, now: DateTime<Utc>) -> bool {
        self.next_attempt_at.is_none_or(|at| at <= now)
    }

    /// Writes down how an attempt ended.
    fn end_attempt(&mut self, outcome: &Outcome, now: DateTime<Utc>) {
        self.attempts = self.attempts.saturating_add(1);
        let first = *self.first_attempt_at.get_or_insert(now);
        if let Outcome::Later(reason, left) = outcome {
            self.reason = Some(reason.clone());
            if now - first < TRIED {
                self.next_attempt_at = Some(now + pause(self.attempts));
                return;
            }
            let given_up = left.iter().map(|address| Delivery {
                address: address.clone(),
                state: State::Failed,
                reason: Some(reason.clone()),
            });
            self.deliveries.extend(given_up);
        }
        let failed = matches!(outcome, Outcome::Later(..))
            || self.deliveries.iter().any(|delivery| delivery.state == State::Failed);
        self.finish(failed);
    }

    /// Nothing more is to be done; what the text said is not needed any more.
    fn finish(&mut self, failed: bool) {
        self.state = if failed { State::Failed } else { State::Sent };
        self.next_attempt_at = None;
        self.facts = Value::Null;
        self.secret = None;
        if !failed {
            self.reason = None;
        }
    }
}

impl Mail {
    /// Gives back what a process held that is known to be dead; nobody waits for the end of its lease.
    pub async fn release(&self, _: &Inside, holder: &str) -> Result<(), Failure> {
        Ok(self.ports.broker.unlock(LOCK, holder).await?)
    }

    /// Sends one mail that is due; `false` = there is none, no way to send it, or another process is at it.
    pub async fn deliver(&self, _: &Inside, holder: &str) -> Result<bool, Failure> {
        if self.ports.mail.way() == Way::Nowhere || self.due().await?.is_none() || !self.hold(holder).await? {
            return Ok(false);
        }
        // Looked up again: who held the lock a moment ago may have sent it.
        let attempted = match self.due().await {
            Ok(Some(mail)) => match self.attempt(&mail, holder).await {
                Ok(()) => Ok(true),
                // Whoever is not there now must not hold up the mails behind.
                Err(failure) => self.put_off(&mail, &failure).await.map(|()| true),
            },
            Ok(None) => Ok(false),
            Err(failure) => Err(failure),
        };
        self.ports.broker.unlock(LOCK, holder).await?;
        attempted
    }

    /// Takes the lock, or keeps it.
    async fn hold(&self, holder: &str) -> Result<bool, Failure> {
        Ok(self.ports.broker.lock(LOCK, holder, LEASE).await?.is_some())
    }

    async fn due(&self) -> Result<Option<Outgoing>, Failure> {
        // What was never tried has no time and comes first.
        let waiting =
            Filter::equals("state", State::Waiting.name()).sorted("nextAttemptAt").page(0, LOOKED_AT);
        let now = self.ports.clock.now();
        Ok(outbox(&self.ports).find(&waiting).await?.into_iter().find(|mail| mail.due(now)))
    }

    async fn put_off(&self, mail: &Outgoing, failure: &Failure) -> Result<(), Failure> {
        tracing::warn!(mail = mail.id, event = ?mail.event, %failure, "mail could not be attended to");
        let (outcome, now) = (Outcome::Later(failure.to_string(), Vec::new()), self.ports.clock.now());
        let ended = |held: &mut Outgoing| {
            held.end_attempt(&outcome, now);
            Ok::<(), Failure>(())
        };
        outbox(&self.ports).update(&mail.id, ended).await?;
        Ok(())
    }

    async fn attempt(&self, mail: &Outgoing, holder: &str) -> Result<(), Failure> {
        let everyone = self.addresses(&mail.to).await?;
        if everyone.is_empty() {
            return self.give_up(mail, "there is nobody to write to").await;
        }
        let secret = match &mail.secret {
            None => None,
            Some(name) => match self.ports.secrets.get(name).await?.map(|held| String::from_utf8(held.value))
            {
                Some(Ok(text)) if !text.contains(|c: char| c.is_control() && c != '\n') => Some(text),
                _ => return self.give_up(mail, "what it has to tell is not there any more").await,
            },
        };
        let about = self.about().await?;
        let done = |address: &str| mail.deliveries.iter().any(|d| d.address.eq_ignore_ascii_case(address));
        let mut left = Vec::new();
        let mut reason = None;
        let mut usable = true;
        for (address, reader) in everyone.into_iter().filter(|(address, _)| !done(address)) {
            if !usable {
                left.push(address);
                continue;
            }
            if !self.hold(holder).await? {
                return Ok(());
            }
            let written = write(mail.event, reader, &mail.facts, secret.as_deref(), &about);
            let message = Message {
                to: address.clone(),
                subject: written.subject,
                text: written.text,
                html: written.html,
                id: format!("{}.{}", mail.id, fingerprint(&address)),
                date: mail.created_at,
                sensitive: secret.is_some(),
            };
            match self.ports.mail.send(&message).await {
                Ok(()) => self.note(mail, address, State::Sent, None).await?,
                Err(MailError::Refused(why)) => self.note(mail, address, State::Failed, Some(why)).await?,
                Err(error) => {
                    usable = matches!(error, MailError::Later(_));
                    left.push(address);
                    reason = Some(error.to_string());
                }
            }
        }
        let outcome = match reason {
            None => Outcome::Done,
            Some(reason) => Outcome::Later(reason, left),
        };
        let now = self.ports.clock.now();
        let ended = |held: &mut Outgoing| {
            held.end_attempt(&outcome, now);
            Ok::<(), Failure>(())
        };
        let held = outbox(&self.ports).update(&mail.id, ended).await?;
        let (state, attempts) = held.map_or((State::Failed, 0), |held| (held.state, held.attempts));
        if let Outcome::Later(reason, _) = &outcome {
            tracing::warn!(mail = mail.id, event = ?mail.event, ?state, attempts, reason, "mail not sent");
        } else {
            tracing::info!(mail = mail.id, event = ?mail.event, ?state, attempts, "mail attended to");
        }
        Ok(())
    }

    /// Writes down what became of one message.
    async fn note(
        &self,
        mail: &Outgoing,
        address: String,
        state: State,
        reason: Option<String>,
    ) -> Result<(), Failure> {
        let delivery = Delivery { address, state, reason };
        let add = |held: &mut Outgoing| {
            held.deliveries.push(delivery.clone());
            Ok::<(), Failure>(())
        };
        outbox(&self.ports).update(&mail.id, add).await?;
        Ok(())
    }

    async fn give_up(&self, mail: &Outgoing, reason: &str) -> Result<(), Failure> {
        tracing::warn!(mail = mail.id, event = ?mail.event, reason, "mail given up");
        let end = |held: &mut Outgoing| {
            held.reason = Some(reason.to_owned());
            held.finish(true);
            Ok::<(), Failure>(())
        };
        outbox(&self.ports).update(&mail.id, end).await?;
        Ok(())
    }

    /// Who is to be written to just now, each once.
    async fn addresses(&self, to: &[Recipient]) -> Result<BTreeMap<String, Reader>, Failure> {
        let (mut found, mut known) = (BTreeMap::new(), BTreeSet::new());
        let mut add = |address: String, reader| {
            // The part before the @ may be one of two that differ in case only; nobody's is here.
            if !address.is_empty() && known.insert(address.to_lowercase()) {
                found.insert(address, reader);
            }
        };
        for recipient in to {
            match recipient {
                Recipient::Address(address) => add(address.clone(), Reader::Person),
                Recipient::User(user) => {
                    if let Some(address) = self.address_of(user).await? {
                        add(address, Reader::Person);
                    }
                }
                Recipient::SystemAdmins => {
                    self.admins(Duty::System).await?.into_iter().for_each(|one| add(one, Reader::Admin));
                }
                Recipient::Installation => {
                    if let Some(address) = self.own_address().await? {
                        add(address, Reader::Admin);
                    }
                }
                Recipient::DataAdmins => {
                    self.admins(Duty::Data).await?.into_iter().for_each(|one| add(one, Reader::Admin));
                }
            }
        }
        Ok(found)
    }

    pub(super) async fn own_address(&self) -> Result<Option<String>, Failure> {
        match self.ports.identity.own_address().await {
            // Who may not look it up has none for us.
            Err(IdentityError::Unsupported(_)) => Ok(None),
            other => Ok(other?),
        }
    }

    /// Where those read mail who carry a duty now.
    pub(super) async fn admins(&self, duty: Duty) -> Result<Vec<String>, Failure> {
        let mut found = Vec::new();
        for user in self.ports.store.users().find(&Filter::all()).await? {
            if user.active && !user.internal && may(user.role, duty) {
                found.extend(self.address_of(&user.user_id).await?);
            }
        }
        Ok(found)
    }

    async fn address_of(&self, user: &UserId) -> Result<Option<String>, Failure> {
        Ok(self.ports.identity.profile(user).await?.map(|profile| profile.email))
    }
}

/// Tells the messages of one mail apart without telling the addresses.
fn fingerprint(address: &str) -> String {
    let digest = Sha256::digest(address);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::service::mail::Event;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn waiting() -> Outgoing {
        serde_json::from_value(json!({
            "id": "m", "event": Event::Test, "to": [{"address": "a@example.org"}], "facts": {"a": 1},
            "state": "waiting", "attempts": 0, "createdAt": at(0),
        }))
        .unwrap()
    }

    fn later() -> Outcome {
        Outcome::Later("451 not now".into(), vec!["a@example.org".into()])
    }

    #[rstest]
    #[case(1, 5)]
    #[case(2, 10)]
    #[case(5, 80)]
    #[case(10, 2_560)]
    #[case(11, 3_600)]
    #[case(40, 3_600)]
    #[case(u32::MAX, 3_600)]
    fn pauses_double_up_to_an_hour(#[case] attempts: u32, #[case] seconds: i64) {
        assert_eq!(pause(attempts), TimeDelta::seconds(seconds));
    }

    #[test]
    fn a_mail_that_could_not_be_sent_waits_and_is_given_up_after_a_day() {
        let mut mail = waiting();
        assert!(mail.due(at(0)), "one that was never tried is due");
        let (mut now, mut attempts) = (100, 0);
        loop {
            mail.end_attempt(&later(), at(now));
            attempts += 1;
            assert_eq!(mail.attempts, attempts);
            if mail.state != State::Waiting {
                break;
            }
            let next = mail.next_attempt_at.unwrap();
            assert!(!mail.due(next - TimeDelta::seconds(1)) && mail.due(next));
            now = (next - at(0)).num_seconds();
        }
        assert!(now - 100 >= 86_400 && now - 100 < 86_400 + 3_600, "given up after {now} s");
        assert_eq!((mail.state, mail.facts), (State::Failed, Value::Null));
        assert_eq!(mail.deliveries.len(), 1);
        assert_eq!(mail.deliveries[0].reason.as_deref(), Some("451 not now"));
    }

    #[test]
    fn the_day_begins_with_the_first_attempt_and_not_when_mail_was_not_configured() {
        let mut mail = waiting();
        mail.end_attempt(&later(), at(20 * 86_400));
        assert_eq!(mail.state, State::Waiting);
    }

    #[test]
    fn a_mail_is_sent_when_everyone_has_it_and_failed_when_somebody_never_will() {
        let delivery = |state| Delivery { address: "a@example.org".into(), state, reason: None };
        for (states, expected) in
            [(vec![State::Sent, State::Sent], State::Sent), (vec![State::Sent, State::Failed], State::Failed)]
        {
            let mut mail = waiting();
            mail.secret = Some("beacon/key".into());
            mail.deliveries = states.into_iter().map(delivery).collect();
            mail.end_attempt(&Outcome::Done, at(1));
            assert_eq!((mail.state, mail.next_attempt_at, mail.secret), (expected, None, None));
            assert_eq!(mail.facts, Value::Null, "what was told is not kept");
        }
    }

    #[test]
    fn a_document_without_the_newer_fields_is_read() {
        let mail = waiting();
        assert!(mail.deliveries.is_empty() && mail.secret.is_none() && mail.next_attempt_at.is_none());
    }
}
