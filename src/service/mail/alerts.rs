//! Mail that nobody's request causes: failed jobs, and what everything depends on being away (specification §14.4).
//!
//! Each thing is told once, and of each kind so many an hour: who is away for a day, or comes and goes, fills no mailbox.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Event, Mail, Recipient, notify_once, outbox};
use crate::broker::Job;
use crate::domain::access::Duty;
use crate::ports::Ports;
use crate::service::Failure;
use crate::service::auth::Inside;

/// Mails of one kind within an hour.
const MOST: i64 = 10;

const HOUR: Duration = Duration::from_secs(3_600);

/// How long something may be away before anybody is told (specification §14.4).
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// How long an outage is remembered after it was last seen.
const REMEMBERED: Duration = Duration::from_secs(7 * 86_400);

/// How long addresses are remembered for the time when nobody can say them.
const KNOWN: Duration = Duration::from_secs(30 * 86_400);

/// Where they are remembered, and that they were looked up lately.
const ADDRESSES: &str = "alerts:addresses";
const FRESH: &str = "alerts:addresses:fresh";

/// Most characters of a reason.
const LONGEST: usize = 1_000;

/// What is remembered of something that is away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Outage {
    since: DateTime<Utc>,
    told: bool,
}

/// What is to be done about something that was looked at.
#[derive(Debug, PartialEq)]
enum Step {
    Nothing,
    Remember(Outage),
    TellAway(Outage),
    TellBack(Outage),
    Forget,
}

/// What follows from what is remembered and what is seen now.
fn step(held: Option<Outage>, away: bool, now: DateTime<Utc>) -> Step {
    match (held, away) {
        (None, false) => Step::Nothing,
        (None, true) => Step::Remember(Outage { since: now, told: false }),
        (Some(outage), true) if !outage.told && now - outage.since >= PATIENCE => Step::TellAway(outage),
        (Some(outage), true) => Step::Remember(outage),
        (Some(outage), false) if outage.told => Step::TellBack(outage),
        (Some(_), false) => Step::Forget,
    }
}

/// How a system is called where people read it.
fn called(name: &str) -> &str {
    match name {
        "secrets" => "the store of secrets (Vault)",
        "identity" => "the identity provider (Keycloak)",
        other => other,
    }
}

/// Who is told what nobody's request caused.
pub(in crate::service) fn everyone() -> Vec<Recipient> {
    vec![Recipient::SystemAdmins, Recipient::Installation]
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

impl Mail {
    /// Tells the administrators of a job that is given up; once, however often it is seen.
    pub async fn job_failed(&self, _: &Inside, job: &Job, reason: &str) -> Result<(), Failure> {
        let id = format!("job-{}-{}", job.job_id, job.updated_at.timestamp_millis());
        let about = job.key.clone().unwrap_or_default();
        let facts = json!({"job": job.job_id, "kind": job.kind, "about": about, "reason": shortened(reason)});
        notify_some(&self.ports, id, Event::JobFailed, everyone(), facts).await
    }

    /// Tells the administrators that a certificate ends soon; once for each certificate, whoever serves it.
    pub async fn certificate_ends(
        &self,
        _: &Inside,
        until: DateTime<Utc>,
        fingerprint: &str,
    ) -> Result<(), Failure> {
        let facts = json!({"until": at(until), "fingerprint": fingerprint});
        let id = format!("certificate-{}", fingerprint.replace(':', ""));
        notify_some(&self.ports, id, Event::CertificateEnds, everyone(), facts).await
    }

    /// Looks at what is not needed to write a mail down, and tells the administrators once if it has been away for ten
    /// minutes, and once when it is back. `seen` is each with its complaint, if any.
    pub async fn watch(
        &self,
        _: &Inside,
        seen: &[(&'static str, Result<(), String>)],
    ) -> Result<(), Failure> {
        let now = self.ports.clock.now();
        for (name, seen) in seen.iter().filter(|(name, _)| matches!(*name, "secrets" | "identity")) {
            let key = format!("alerts:outage:{name}");
            let held = self.ports.broker.cache_get(&key).await?;
            let held = held.and_then(|bytes| serde_json::from_slice::<Outage>(&bytes).ok());
            match step(held, seen.is_err(), now) {
                Step::Nothing => {}
                Step::Remember(outage) => self.remember(&key, &outage).await?,
                Step::TellAway(outage) => {
                    let complaint = seen.as_ref().err().map(|text| shortened(text));
                    let facts =
                        json!({"what": called(name), "since": at(outage.since), "complaint": complaint});
                    let to = self.known().await?;
                    notify_some(&self.ports, id(name, &outage, "away"), Event::DependencyAway, to, facts)
                        .await?;
                    self.remember(&key, &Outage { told: true, ..outage }).await?;
                }
                Step::TellBack(outage) => {
                    let facts = json!({"what": called(name), "since": at(outage.since), "until": at(now)});
                    let to = self.known().await?;
                    notify_some(&self.ports, id(name, &outage, "back"), Event::DependencyBack, to, facts)
                        .await?;
                    self.ports.broker.cache_delete(&key).await?;
                }
                Step::Forget => self.ports.broker.cache_delete(&key).await?,
            }
        }
        if seen.iter().any(|(name, seen)| *name == "identity" && seen.is_ok()) {
            self.learn().await?;
        }
        Ok(())
    }

    async fn remember(&self, key: &str, outage: &Outage) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(outage).map_err(Failure::internal)?;
        Ok(self.ports.broker.cache_put(key, &bytes, REMEMBERED).await?)
    }

    /// Remembers where the administrators read mail: while the identity provider is away, nobody else can say it.
    async fn learn(&self) -> Result<(), Failure> {
        let broker = &self.ports.broker;
        if broker.cache_get(FRESH).await?.is_some() {
            return Ok(());
        }
        let mut addresses = self.admins(Duty::System).await?;
        addresses.extend(self.own_address().await?);
        let bytes = serde_json::to_vec(&addresses).map_err(Failure::internal)?;
        broker.cache_put(ADDRESSES, &bytes, KNOWN).await?;
        Ok(broker.cache_put(FRESH, b"1", HOUR).await?)
    }

    /// The addresses that are remembered; where none are, they are looked up once that is possible.
    async fn known(&self) -> Result<Vec<Recipient>, Failure> {
        let held = self.ports.broker.cache_get(ADDRESSES).await?.unwrap_or_default();
        let addresses: Vec<String> = serde_json::from_slice(&held).unwrap_or_default();
        Ok(match addresses.is_empty() {
            true => everyone(),
            false => addresses.into_iter().map(Recipient::Address).collect(),
        })
    }
}

/// Writes a mail down unless one of this id is there, or there were too many of its kind; the last one says so.
pub(in crate::service) async fn notify_some(
    ports: &Ports,
    id: String,
    event: Event,
    to: Vec<Recipient>,
    mut facts: Value,
) -> Result<(), Failure> {
    if outbox(ports).get(&id).await?.is_some() {
        return Ok(());
    }
    let count = ports.broker.count(&format!("limit:alerts:{event:?}"), 1, Some(HOUR)).await?;
    if count > MOST {
        tracing::warn!(?event, id, "too many mails of this kind within an hour, so this one is not written");
        return Ok(());
    }
    if let Some(facts) = facts.as_object_mut().filter(|_| count == MOST) {
        facts.insert("last".into(), true.into());
    }
    notify_once(ports, id, event, to, facts).await.map(drop)
}

fn id(name: &str, outage: &Outage, what: &str) -> String {
    format!("{what}-{name}-{}", outage.since.timestamp_millis())
}

fn at(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + 60 * minutes, 0).unwrap()
    }

    /// What is told of something that is away in these minutes of the hour.
    fn told(away: impl Fn(i64) -> bool) -> Vec<(i64, &'static str)> {
        let (mut held, mut told) = (None, Vec::new());
        for now in 0..60 {
            held = match step(held, away(now), minute(now)) {
                Step::Nothing | Step::Forget => None,
                Step::Remember(outage) => Some(outage),
                Step::TellAway(outage) => {
                    told.push((now, "away"));
                    Some(Outage { told: true, ..outage })
                }
                Step::TellBack(_) => {
                    told.push((now, "back"));
                    None
                }
            };
        }
        told
    }

    #[test]
    fn an_outage_is_told_once_after_ten_minutes_and_once_when_it_ends() {
        assert_eq!(told(|now| (5..40).contains(&now)), [(15, "away"), (40, "back")]);
        assert_eq!(told(|now| now >= 5), [(15, "away")], "not each minute");
    }

    #[test]
    fn what_is_back_within_ten_minutes_is_told_to_nobody() {
        assert!(told(|now| now % 10 != 0).is_empty());
        assert!(told(|_| false).is_empty());
    }
}
