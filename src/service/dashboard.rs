//! Numbers for the dashboard (specification §6.7).

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use serde_json::{Map, Value, json};

use super::Failure;
use super::auth::{AnyAdmin, As, Assistant};
use crate::domain::filter::{Condition, Filter};
use crate::ports::Ports;
use crate::store::Room;

/// Most days of one count.
const MOST_DAYS: u32 = 3_660;

/// Counts things.
#[derive(Debug, Clone)]
pub struct Dashboard {
    ports: Ports,
}

impl Dashboard {
    pub(super) fn new(ports: Ports) -> Self {
        Self { ports }
    }

    /// What there is, how much of it, and the room it takes; all but the uptime, which is the process's own.
    pub async fn statistics(&self, _: &As<AnyAdmin>, uptime: String) -> Result<Value, Failure> {
        let store = &self.ports.store;
        let sources = store.sources().find(&Filter::all()).await?;
        let users = store.users().find(&Filter::all()).await?;
        let queries = store.documents().count(Room::Queries, &Filter::all()).await?;
        let requests = store.messages().find(&Filter::all()).await?;
        let requests = requests.iter().filter(|request| request.awaits_us()).count();
        let (used, available) = self.ports.blobs.space().await?;
        let listed: Map<String, Value> = sources
            .iter()
            .map(|source| {
                let records = source.record_index.record_count;
                (
                    source.source_id.to_string(),
                    json!({"display_name": source.display_name, "record_count": records}),
                )
            })
            .collect();
        Ok(json!({
            "source_count": sources.len(),
            "user_count": users.iter().filter(|user| !user.internal).count(),
            "network_count": store.networks().count(&Filter::all()).await?,
            "request_count": requests,
            "sources": listed,
            "space": {"used": gigabytes(used), "available": gigabytes(available)},
            "analytics": {
                "error_count": store.log().count(&Filter::equals("level", "error")).await?,
                "query_count": queries,
                "uptime": uptime,
            },
            "mail": super::mail::figures(&self.ports).await?,
        }))
    }

    /// Each network with the number of its nodes.
    pub async fn networks(&self, _: &As<AnyAdmin>) -> Result<Vec<Value>, Failure> {
        let store = &self.ports.store;
        let mut shown = Vec::new();
        for network in store.networks().find(&Filter::all().sorted("networkName")).await? {
            let nodes =
                store.nodes().count(&Filter::equals("networkId", network.network_id.as_str())).await?;
            shown.push(json!({
                "networkID": network.network_id, "networkName": network.network_name, "nodeCount": nodes,
            }));
        }
        Ok(shown)
    }

    /// Queries a day (UTC) for so many days up to today; 0 = since the first. Counted from the audit, which outlives
    /// the queries.
    pub async fn query_count(&self, _: &Assistant, days: u32) -> Result<BTreeMap<NaiveDate, u64>, Failure> {
        if days > MOST_DAYS {
            return Err(Failure::Invalid(format!("days must be at most {MOST_DAYS}; 0 means all")));
        }
        let documents = self.ports.store.documents();
        let today = self.ports.clock.now().date_naive();
        let first = match days {
            0 => {
                let oldest =
                    documents.find(Room::Audit, &Filter::all().sorted("createdAt").page(0, 1)).await?;
                let day = oldest.first().and_then(|stored| stored.body.get("createdAt")?.as_str()?.get(..10));
                let day = day.and_then(|day| day.parse().ok()).unwrap_or(today);
                day.max(today - TimeDelta::days(i64::from(MOST_DAYS)))
            }
            days => today - TimeDelta::days(i64::from(days) - 1),
        };
        let mut counts = BTreeMap::new();
        for day in first.iter_days().take_while(|day| *day <= today) {
            // Times are kept as texts that begin with their day.
            let Some(next) = day.succ_opt() else { break };
            let within = Filter::all()
                .and(Condition::AtLeast("createdAt", day.to_string().into()))
                .and(Condition::Below("createdAt", next.to_string().into()));
            counts.insert(day, documents.count(Room::Audit, &within).await?);
        }
        Ok(counts)
    }
}

/// Billions of bytes, to two places.
fn gigabytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "two decimal places of a gigabyte are asked for")]
    let hundredths = (bytes / 10_000_000) as f64;
    hundredths / 100.0
}
