//! What was asked and answered, for those who may read it (specification §8.7, §8.9).

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Queries, StoredQuery, StoredResponse};
use crate::domain::access::Duty;
use crate::domain::filter::Filter;
use crate::domain::ids::{QueryId, UserId};
use crate::service::Failure;
use crate::service::auth::Caller;

/// Subjects of a source shown in a query's entry at most; [`Queries::subjects`] gives all.
const MOST_SHOWN: usize = 10_000;

/// The same where many entries are listed.
const MOST_LISTED: usize = 100;

/// How far a query is, derived from its nodes' answers (addition to the contract).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// `running` or `complete`.
    pub state: &'static str,
    pub expected: usize,
    pub received: usize,
    pub failures: Vec<Value>,
}

impl Queries {
    /// The query alone, for its owner and data administrators.
    pub async fn message(&self, caller: &Caller, id: &QueryId) -> Result<Value, Failure> {
        let query = self.query(id).await?;
        let readable = |q: &Arc<StoredQuery>| q.user_id == *caller.id() || caller.may(Duty::Data);
        query.filter(readable).map(|q| q.message()).ok_or_else(|| Failure::not_found("query", id.as_str()))
    }

    /// Query, answers and progress: for the owner; an anonymous query for whoever holds its id.
    pub async fn entry(&self, caller: Option<&Caller>, id: &QueryId) -> Result<Value, Failure> {
        let query = self.readable(caller, id).await?;
        self.shown(&query, Some(MOST_SHOWN)).await
    }

    /// How far a query is; the same permission as its history entry.
    pub async fn progress(&self, caller: Option<&Caller>, id: &QueryId) -> Result<Progress, Failure> {
        let query = self.readable(caller, id).await?;
        let responses = self.of(&query).await?;
        Ok(progress(&query, &responses, self.ports.clock.now()))
    }

    async fn readable(&self, caller: Option<&Caller>, id: &QueryId) -> Result<Arc<StoredQuery>, Failure> {
        let readable = |q: &Arc<StoredQuery>| {
            q.user_id.as_str() == UserId::ANONYMOUS || caller.is_some_and(|caller| q.user_id == *caller.id())
        };
        let query = self.query(id).await?;
        query.filter(readable).ok_or_else(|| Failure::not_found("query", id.as_str()))
    }

    /// Own queries newest first; data administrators see everyone's, of others without details.
    pub async fn history(&self, caller: &Caller, skip: usize, limit: usize) -> Result<Vec<Value>, Failure> {
        let filter = if caller.may(Duty::Data) {
            Filter::all()
        } else {
            Filter::equals("userId", caller.id().as_str())
        };
        let mut entries = Vec::new();
        for query in self.queries().find(&filter.newest_first("createdAt").page(skip, limit)).await? {
            let own = query.user_id == *caller.id();
            entries.push(self.shown(&query, own.then_some(MOST_LISTED)).await?);
        }
        Ok(entries)
    }

    pub(super) async fn of(&self, query: &StoredQuery) -> Result<Vec<StoredResponse>, Failure> {
        Ok(self.responses().find(&Filter::equals("queryId", query.query_id.as_str())).await?)
    }

    async fn shown(&self, query: &StoredQuery, most: Option<usize>) -> Result<Value, Failure> {
        let responses = self.of(query).await?;
        let progress = progress(query, &responses, self.ports.clock.now());
        let mut messages = Vec::new();
        for response in responses.into_iter().filter(|r| r.failure.is_none()) {
            let mut answers = response.answers.clone();
            if let Some(most) = most {
                self.fill(&response, &mut answers, &query.user_id, most).await?;
            }
            messages.push(json!({
                "messageType": "dataMessage",
                "messageAttributes": query.attributes("recordResponse", response.node_id.as_str()),
                "messageData": answers,
                "timestamp": response.created_at.timestamp(),
            }));
        }
        Ok(json!({"query": query.message(), "responses": messages, "status": progress}))
    }
}

impl StoredQuery {
    /// The contract's `record_data_query`.
    fn message(&self) -> Value {
        json!({
            "messageType": "dataMessage",
            "messageAttributes": self.attributes("recordQuery", self.acting.origin_node().as_str()),
            "messageData": serde_json::from_str::<Value>(&self.body).unwrap_or_default(),
            "timestamp": self.created_at.timestamp(),
        })
    }

    fn attributes(&self, data_type: &str, node: &str) -> Value {
        json!({
            "messageId": self.query_id, "networkId": self.acting.network_id(), "nodeId": node,
            "dataType": data_type, "shouldRelay": self.should_relay, "userId": self.user_id,
        })
    }
}

fn progress(
    query: &StoredQuery,
    responses: &[StoredResponse],
    now: chrono::DateTime<chrono::Utc>,
) -> Progress {
    let mut failures: Vec<Value> = responses
        .iter()
        .filter_map(|r| r.failure.as_ref().map(|reason| json!({"nodeId": r.node_id, "reason": reason})))
        .collect();
    let silent = query.nodes.iter().filter(|node| !responses.iter().any(|r| r.node_id == **node));
    let late = now > query.deadline;
    let mut waiting = 0;
    for node in silent {
        if late {
            failures.push(json!({"nodeId": node, "reason": "no answer in time"}));
        } else {
            waiting += 1;
        }
    }
    Progress {
        state: if waiting == 0 { "complete" } else { "running" },
        expected: query.nodes.len(),
        received: responses.len(),
        failures,
    }
}
