//! Record queries: asked, run on our sources, answered per node, kept for a while (specification §8.7 to §8.9).

mod answer;
mod budget;
mod details;
mod history;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Mutex, Semaphore};

use super::auth::{Acting, Asker, Auth, Inside};
use super::metrics::Metrics;
use super::views::Views;
use super::{Failure, Live};
use crate::broker::{NewJob, Notice, Queue};
use crate::domain::filter::{Condition, Filter};
use crate::domain::ids::{NodeId, QueryId, UserId};
use crate::domain::networks::Network;
use crate::domain::queries::{Builder, Granularity, QueryResponse};
use crate::domain::sources::Source;
use crate::ports::Ports;
use crate::store::{Collection, Kept, Room};

use details::{Sealer, Wrapped};
pub use history::Progress;

/// The largest query body, in bytes.
const MOST_BODY: usize = 1 << 20;

/// Queries remembered at most, each with a body of so many bytes at most.
const MOST_REMEMBERED: usize = 512;
const MOST_REMEMBERED_BODY: usize = 8 << 10;

/// Asks and answers record queries.
#[derive(Debug, Clone)]
pub struct Queries {
    ports: Ports,
    options: Live,
    views: Views,
    metrics: Metrics,
    sources: Arc<Kept<Source>>,
    /// Queries asked here a moment ago, which the worker and their askers now read again and again.
    recent: Arc<std::sync::Mutex<HashMap<QueryId, Arc<StoredQuery>>>>,
    /// Bounds the sources evaluated at the same time to the machine's cores.
    cores: Arc<Semaphore>,
    /// Sources of one query charge the same account: here one after the other, across replicas by conditional writes.
    spending: Arc<Mutex<()>>,
}

/// A query as stored: the message, what it is authorised by, and until when it waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredQuery {
    query_id: QueryId,
    kind: String,
    /// Owner; equal to the original user.
    user_id: UserId,
    acting: Acting,
    requested_level: Option<Granularity>,
    builder: Builder,
    /// The exact text received.
    body: String,
    should_relay: bool,
    created_at: DateTime<Utc>,
    deadline: DateTime<Utc>,
    /// Nodes that are to answer.
    nodes: Vec<NodeId>,
}

/// One node's answer as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredResponse {
    response_id: String,
    query_id: QueryId,
    node_id: NodeId,
    created_at: DateTime<Utc>,
    /// Answers per source, without the subjects.
    #[serde(default)]
    answers: Vec<QueryResponse>,
    /// Where the subjects are, readable with the owner's key only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Wrapped>,
    /// Why the node gave no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl Queries {
    pub(super) fn new(ports: Ports, options: Live, views: Views, metrics: Metrics) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            ports,
            options,
            views,
            metrics,
            sources: Arc::new(Kept::new(Room::Sources)),
            recent: Arc::default(),
            cores: Arc::new(Semaphore::new(cores)),
            spending: Arc::default(),
        }
    }

    fn queries(&self) -> Collection<'_, StoredQuery> {
        Collection::new(self.ports.store.documents(), Room::Queries)
    }

    fn responses(&self) -> Collection<'_, StoredResponse> {
        Collection::new(self.ports.store.documents(), Room::Responses)
    }

    /// Validates a query, stores it durably and has it run; the answer is read from the history.
    pub async fn ask(
        &self,
        auth: &Auth,
        asker: &Asker,
        network: &Network,
        body: String,
    ) -> Result<QueryId, Failure> {
        if body.len() > MOST_BODY {
            return Err(Failure::TooLarge(format!("a query has at most {MOST_BODY} bytes")));
        }
        let value: Value = serde_json::from_str(&body).map_err(|e| {
            Failure::Invalid(format!("the query is not valid JSON at line {}: {e}", e.line()))
        })?;
        let builder = Builder::read(&value)?;
        let now = self.ports.clock.now();
        let query_id = QueryId::from_uuid(self.ports.random.uuid());
        let acting = auth.acting(asker, network.network_id.clone(), network.instance_id.clone());
        let limit =
            TimeDelta::from_std(self.options.now().source_limit * 2).unwrap_or(TimeDelta::seconds(120));
        let query = StoredQuery {
            query_id: query_id.clone(),
            kind: "record".into(),
            user_id: asker.id().clone(),
            requested_level: builder.granularity,
            builder,
            body,
            should_relay: false,
            created_at: now,
            deadline: now + limit,
            nodes: vec![network.instance_id.clone()],
            acting,
        };
        self.queries().insert(query_id.as_str(), &query).await?;
        self.remember(query);
        let job = NewJob {
            queue: Queue::QueryCompiler,
            kind: "record".into(),
            key: None,
            payload: json!({"queryId": query_id}),
        };
        self.ports.broker.enqueue(job).await?;
        Ok(query_id)
    }

    /// Keeps a stored query, which never changes, while it is likely to be read.
    fn remember(&self, query: StoredQuery) {
        if query.body.len() > MOST_REMEMBERED_BODY {
            return;
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= MOST_REMEMBERED {
            recent.clear();
        }
        recent.insert(query.query_id.clone(), Arc::new(query));
    }

    /// A stored query.
    async fn query(&self, id: &QueryId) -> Result<Option<Arc<StoredQuery>>, Failure> {
        let now = self.ports.clock.now();
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        match recent.filter(|query| now < query.deadline) {
            Some(query) => Ok(Some(query)),
            None => Ok(self.queries().get(id.as_str()).await?.map(Arc::new)),
        }
    }

    /// Runs a stored query on our own sources and stores the node's one response document. Idempotent; `again` = an
    /// earlier attempt may have answered.
    pub async fn run(&self, _: &Inside, id: &QueryId, again: bool) -> Result<(), Failure> {
        let Some(query) = self.query(id).await? else { return Ok(()) };
        let Some(node) = query.nodes.first().cloned() else { return Ok(()) };
        let response_id = format!("{id}:{node}");
        if again && self.responses().get(&response_id).await?.is_some() {
            return Ok(());
        }
        let started = std::time::Instant::now();
        let sealer = Sealer::new(self, id, query.acting.original_id());
        let answers = self.answer(&query.builder, &query.acting, &sealer).await?;
        let audit = json!({
            "id": id, "createdAt": query.created_at, "userId": query.user_id, "actingId": query.acting.acting_id(),
            "networkId": query.acting.network_id(), "requestedLevel": query.requested_level,
            "sources": answers.iter().map(|a| &a.source_id).collect::<Vec<_>>(),
        });
        let response = StoredResponse {
            response_id: response_id.clone(),
            query_id: id.clone(),
            node_id: node,
            created_at: self.ports.clock.now(),
            answers,
            details: sealer.finish().await?,
            failure: None,
        };
        let responses = self.responses();
        // Handed over in this order and written together.
        let (audited, answered) = tokio::join!(
            self.ports.store.documents().put(Room::Audit, id.as_str(), &audit),
            responses.insert(&response_id, &response)
        );
        audited?;
        match answered {
            // Another worker answered the same query first.
            Ok(()) | Err(crate::store::StoreError::Conflict(_)) => {}
            Err(other) => return Err(other.into()),
        }
        self.metrics.query(query.requested_level, Some(started.elapsed()));
        self.announce(id).await
    }

    /// Records that our node cannot answer, where the caller looks.
    pub async fn fail(&self, _: &Inside, id: &QueryId, reason: &str) -> Result<(), Failure> {
        let Some(query) = self.query(id).await? else { return Ok(()) };
        let Some(node) = query.nodes.first().cloned() else { return Ok(()) };
        let response_id = format!("{id}:{node}");
        let response = StoredResponse {
            response_id: response_id.clone(),
            query_id: id.clone(),
            node_id: node,
            created_at: self.ports.clock.now(),
            answers: Vec::new(),
            details: None,
            failure: Some(reason.to_owned()),
        };
        self.metrics.query(query.requested_level, None);
        match self.responses().insert(&response_id, &response).await {
            Ok(()) | Err(crate::store::StoreError::Conflict(_)) => self.announce(id).await,
            Err(other) => Err(other.into()),
        }
    }

    async fn announce(&self, id: &QueryId) -> Result<(), Failure> {
        self.ports.broker.publish(Notice { topic: "query".into(), subject: id.to_string() }).await?;
        Ok(())
    }

    /// Removes what a user asked, with the answers; that it was asked stays in the audit.
    pub(super) async fn remove_of(&self, user: &UserId) -> Result<(), Failure> {
        let own = Filter::equals("userId", user.as_str());
        loop {
            let some = self.queries().find(&own.clone().page(0, 200)).await?;
            if some.is_empty() {
                break;
            }
            for query in some {
                let id = query.query_id.as_str();
                let of_it = Filter::equals("queryId", id);
                self.ports.store.documents().delete_where(Room::Details, &of_it).await?;
                self.responses().delete_where(&of_it).await?;
                self.queries().delete(id).await?;
            }
        }
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, query| query.user_id != *user);
        Ok(())
    }

    /// Removes queries and answers that were kept long enough; answers how many queries.
    pub async fn expire(&self, _: &Inside) -> Result<u64, Failure> {
        let kept = TimeDelta::from_std(self.options.now().query_retention).unwrap_or(TimeDelta::days(30));
        let before = serde_json::to_value(self.ports.clock.now() - kept).map_err(Failure::internal)?;
        let old = Filter::all().and(Condition::Below("createdAt", before));
        self.ports.store.documents().delete_where(Room::Details, &old).await?;
        self.responses().delete_where(&old).await?;
        Ok(self.queries().delete_where(&old).await?)
    }
}
