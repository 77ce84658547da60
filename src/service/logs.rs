//! What front ends report: kept for a while, counted on the dashboard (specification §14.3).

use std::net::IpAddr;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;

use super::Failure;
use super::auth::Inside;
use super::limits::{Limit, admit, network_of};
use crate::domain::filter::{Condition, Filter};
use crate::domain::logs::{Level, Report, Unreadable};
use crate::ports::Ports;

/// A page that breaks in a loop must not fill the disk.
const PER_ADDRESS: Limit = Limit { what: "log", most: 30, within: Duration::from_secs(60) };

/// Nor may many pages.
const TOGETHER: Limit = Limit { what: "logs", most: 300, within: Duration::from_secs(60) };

/// How long reports are kept.
const KEPT: TimeDelta = TimeDelta::days(90);

/// Reports kept at most; the oldest go first.
const MOST: usize = 50_000;

/// Takes reports.
#[derive(Debug, Clone)]
pub struct Logs {
    ports: Ports,
}

impl Logs {
    pub(super) fn new(ports: Ports) -> Self {
        Self { ports }
    }

    /// Stores a report of a front end, which may not be signed in yet.
    pub async fn report(&self, level: Level, body: &Value, from: Option<IpAddr>) -> Result<(), Failure> {
        admit(&self.ports, PER_ADDRESS, &network_of(from)).await?;
        admit(&self.ports, TOGETHER, "").await?;
        let id = self.ports.random.uuid().to_string();
        let report = Report::read(body, level, id.clone(), self.ports.clock.now()).map_err(|e| match e {
            Unreadable::TooLong => Failure::TooLarge(e.to_string()),
            other => Failure::Invalid(other.to_string()),
        })?;
        self.ports.store.log().insert(&id, &report).await?;
        // Only what is ours or was parsed: a stranger's text in our log could be taken for our own words.
        tracing::info!(id, level = level.name(), run = %report.uuid, bytes = report.error.len(), "a front end reported");
        Ok(())
    }

    /// Removes reports that are old, and the oldest of too many; answers how many.
    pub async fn expire(&self, _: &Inside) -> Result<u64, Failure> {
        let log = self.ports.store.log();
        let older = |time| -> Result<Filter, Failure> {
            let time = serde_json::to_value(time).map_err(Failure::internal)?;
            Ok(Filter::all().and(Condition::Below("createdAt", time)))
        };
        let mut removed = log.delete_where(&older(self.ports.clock.now() - KEPT)?).await?;
        let oldest_kept = log.find(&Filter::all().newest_first("createdAt").page(MOST, 1)).await?;
        if let Some(report) = oldest_kept.first() {
            removed += log.delete_where(&older(report.created_at)?).await?;
        }
        Ok(removed)
    }
}
