//! What services tell each other: durable jobs, cache, counters, locks and notices.
//!
//! Lives here: the trait, and what its adapters share (`limits.rs`, `bells.rs`). Adapters: `sqlite/` (embedded) and
//! `redis/`. Does not: what a job means (`service`, `worker`). To add an adapter: a folder that passes `tests/broker`.

mod bells;
mod limits;
pub mod redis;
pub mod sqlite;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::domain::ids::JobId;

/// A failed broker operation.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// The engine cannot be reached or is too busy; trying later may help.
    #[error("the job broker is unavailable: {0}")]
    Unavailable(String),
    /// Anything else of the engine.
    #[error("job broker failure: {0}")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Who takes a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    DatabaseManager,
    QueryCompiler,
    QueryMeta,
}

impl Queue {
    pub const ALL: [Self; 3] = [Self::DatabaseManager, Self::QueryCompiler, Self::QueryMeta];

    /// Its name in the engine.
    pub fn name(self) -> &'static str {
        match self {
            Self::DatabaseManager => "database-manager",
            Self::QueryCompiler => "query-compiler",
            Self::QueryMeta => "query-meta",
        }
    }

    /// The queue of a name in the engine.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.name() == name)
    }
}

/// A job to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    pub queue: Queue,
    /// What is to be done, e.g. `ingest`.
    pub kind: String,
    /// Jobs of one queue with the same key never run at the same time (e.g. one job per source).
    pub key: Option<String>,
    pub payload: Value,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    Waiting,
    Running,
    Done,
    Failed,
}

/// A stored job. Delivery is at least once; `attempts` is written before it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub job_id: JobId,
    pub queue: Queue,
    pub kind: String,
    pub key: Option<String>,
    pub payload: Value,
    pub state: JobState,
    /// Starts so far, the running one included.
    pub attempts: u32,
    /// Why it failed, or why it is tried again.
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// How an attempt ended. No verdict (panic, death) ends the lease instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Done,
    /// Will not be tried again by itself.
    Failed(String),
    /// Something outside was not there; try again after the pause. Does not count as an attempt.
    Later(String, Duration),
}

/// A message to every process of the installation; delivery is best effort, so readers also look by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// E.g. `settings`, `user`, `query`, `index`.
    pub topic: String,
    /// What changed, usually an id.
    pub subject: String,
}

/// A starts-without-verdict limit: after so many a job is `Failed` (design: data never half there).
pub const MAX_ATTEMPTS: u32 = 3;

/// How long a taken job belongs to its worker without renewal.
pub const LEASE: Duration = Duration::from_secs(30);

/// The broker port.
#[async_trait]
pub trait Broker: Send + Sync + Debug {
    /// Stores a job durably and wakes a worker, in whatever process.
    async fn enqueue(&self, job: NewJob) -> Result<JobId, BrokerError>;

    /// Takes the oldest waiting (or orphaned: lease run out) job of the queue whose key is free; `attempts` is
    /// already counted up and stored. An orphan with `MAX_ATTEMPTS` starts becomes `Failed` instead of being given out.
    async fn take(&self, queue: Queue, worker: &str) -> Result<Option<Job>, BrokerError>;

    /// Keeps a running job for another lease; `false` = it is no longer this worker's, stop.
    async fn renew(&self, job: &JobId, worker: &str) -> Result<bool, BrokerError>;

    /// Ends an attempt; `false` = it was no longer this worker's and nothing was written.
    async fn finish(&self, job: &JobId, worker: &str, verdict: Verdict) -> Result<bool, BrokerError>;

    /// Gives all running jobs of workers that are known dead back at once (start of a process, by worker name prefix).
    async fn release(&self, worker_prefix: &str) -> Result<u64, BrokerError>;

    async fn job(&self, job: &JobId) -> Result<Option<Job>, BrokerError>;

    /// Jobs in a state, newest first.
    async fn jobs(&self, state: JobState, limit: usize) -> Result<Vec<Job>, BrokerError>;

    /// Makes a failed job wait again with a fresh count; `false` = it is not failed.
    async fn restart(&self, job: &JobId) -> Result<bool, BrokerError>;

    /// Removes ended jobs older than the age; answers how many.
    async fn prune(&self, older_than: Duration) -> Result<u64, BrokerError>;

    /// Waits until there may be work in the queue: a wake-up from any process, or 250 ms.
    async fn wait(&self, queue: Queue);

    async fn cache_get(&self, key: &str) -> Result<Option<Vec<u8>>, BrokerError>;

    async fn cache_put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), BrokerError>;

    async fn cache_delete(&self, key: &str) -> Result<(), BrokerError>;

    /// Adds to a counter and answers its new value; a counter with a life starts again at 0 after it.
    async fn count(&self, key: &str, by: i64, life: Option<Duration>) -> Result<i64, BrokerError>;

    /// All counters whose name starts with the prefix.
    async fn counters(&self, prefix: &str) -> Result<Vec<(String, i64)>, BrokerError>;

    /// Takes a named lock for a time; `None` = someone else holds it. The number grows with each taking (fencing).
    async fn lock(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<u64>, BrokerError>;

    /// Gives a lock back if the holder still has it.
    async fn unlock(&self, name: &str, holder: &str) -> Result<(), BrokerError>;

    /// Tells every process of the installation.
    async fn publish(&self, notice: Notice) -> Result<(), BrokerError>;

    /// Notices from now on, our own included.
    fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Notice>;

    async fn ping(&self) -> Result<(), BrokerError>;
}
