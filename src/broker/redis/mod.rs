//! The broker in Redis 6 or later, one server or a cluster. Several processes and hosts may share one.
//!
//! Lives here: the adapter; `jobs.rs` and `values.rs` (one call each), `scripts/` (what happens in the server),
//! `link.rs` (the connection), `failures.rs` (what they mean), `ear.rs` (wake-ups and notices), `check.rs` (what is
//! looked at when it is opened), `settings.rs`. Does not: what is done with a job (`worker`).
//! To add a call: a script, its line in `scripts/mod.rs`, a method here.
//!
//! Every key and channel starts with `cv3b:`; others may use the same server.
//!
//! **Jobs** are hashes, and sorted sets say which one is next. Not streams: a consumer group gives out entries in the
//! order they came, whatever is in them, so it cannot pass over a job whose key another one holds, nor put one off, nor
//! give an orphan out before newer entries; and what it knows of deliveries would have to agree with the count of
//! attempts that is written before a job runs. Each change of a job is one script over the keys of its queue, which a
//! hash tag keeps in one slot of a cluster: `cv3b:{queue}` and
//!
//! | key | holds |
//! |---|---|
//! | `:seq` | the number of the newest job |
//! | `:job:<id>` | a job |
//! | `:in:<state>` | the jobs of a state by number |
//! | `:ready` | waiting jobs that may be given out, by number |
//! | `:delayed` | waiting jobs by when they may start |
//! | `:parked:<key>` | waiting jobs whose key another one holds, by number |
//! | `:held` | keys of running jobs |
//! | `:leases` | running jobs by when their lease ends |
//! | `:ended` | done and failed jobs by when they ended |
//!
//! A job's id alone does not say its queue; the few queues are asked, rather than an index kept in other slots that a
//! crash between two writes could leave wrong. Scripts make key names from the first, which is fine within its slot.
//!
//! **Time** is the server's, so leases are right whatever the clocks of the hosts say.
//!
//! **What can be lost**: what Redis loses. It keeps an acknowledged job over a restart with `appendonly yes`, up to the
//! last second with `appendfsync everysec`; `check.rs` notices where it would not.

mod check;
mod ear;
mod failures;
mod jobs;
mod link;
mod scripts;
mod settings;
mod values;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::bells::Bells;
use super::{Broker, BrokerError, Job, JobState, NewJob, Notice, Queue, Verdict, limits};
use crate::domain::clock::{Clock, Random, SystemRandom};
use crate::domain::ids::JobId;
use ear::{Channels, Ear, Hearing, Told};
use link::Link;
pub use settings::RedisSettings;

/// Whose time leases and lives are measured by.
#[derive(Debug, Clone)]
pub enum Time {
    /// The server's.
    Server,
    /// A clock's; for tests that move it.
    Clock(Arc<dyn Clock>),
}

/// The broker in Redis.
#[derive(Debug)]
pub struct RedisBroker {
    link: Arc<Link>,
    bells: Arc<Bells>,
    channels: Channels,
    /// What our keys start with.
    prefix: String,
    /// How this broker is called in what it tells.
    own: String,
    time: Time,
    /// The queues of jobs that were taken here, so that renewing and finishing need not look for them.
    homes: Mutex<HashMap<JobId, Queue>>,
    concerns: Vec<&'static str>,
    _ear: Ear,
}

impl RedisBroker {
    /// Connects and listens. Waits 10 s for a server that is not there or still reads its data, then fails, so that
    /// whoever supervises the process starts it anew; what waiting cannot mend (a wrong password, no cluster where one
    /// is configured) fails at once.
    pub async fn open(settings: RedisSettings, time: Time) -> Result<Self, BrokerError> {
        // The client takes the process's TLS provider; the program has installed it already.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let prefix = settings.prefix()?;
        let link = Arc::new(Link::new(settings)?);
        let channels = Channels::of(&prefix, link.database());
        let own = SystemRandom.uuid().simple().to_string();
        let bells = Arc::new(Bells::new());
        let hearing = Hearing {
            link: link.clone(),
            bells: bells.clone(),
            channels: channels.clone(),
            own: own.clone(),
        };
        let patience = check::Patience::new();
        let (ear, concerns) = loop {
            match patience.try_to(begin(&hearing)).await {
                Ok(begun) => break begun,
                Err(error) => patience.pause(&link, &error).await?,
            }
        };
        Ok(Self { link, bells, channels, prefix, own, time, homes: Mutex::default(), concerns, _ear: ear })
    }

    /// What an operator should know of the server: it is used all the same.
    pub fn concerns(&self) -> &[&'static str] {
        &self.concerns
    }

    /// The time as the scripts take it: 0 is the server's.
    fn now(&self) -> i64 {
        match &self.time {
            Time::Server => 0,
            Time::Clock(clock) => clock.now().timestamp_millis(),
        }
    }
}

/// Looks at the server and starts to listen to it.
async fn begin(hearing: &Hearing) -> redis::RedisResult<(Ear, Vec<&'static str>)> {
    let concerns = check::fits(&hearing.link).await?;
    let (ear, first) = Ear::open(hearing.clone());
    first.await.map_err(|_| failures::closed())??;
    Ok((ear, concerns))
}

#[async_trait]
impl Broker for RedisBroker {
    async fn enqueue(&self, job: NewJob) -> Result<JobId, BrokerError> {
        self.add(job).await
    }

    async fn take(&self, queue: Queue, worker: &str) -> Result<Option<Job>, BrokerError> {
        limits::bounded("the name of a worker", worker.len(), limits::NAME)?;
        let job = self.next(queue, worker).await?;
        if job.is_some() {
            // There may be more: rings that found nobody waiting are kept as one.
            self.bells.ring(queue);
        }
        Ok(job)
    }

    async fn renew(&self, job: &JobId, worker: &str) -> Result<bool, BrokerError> {
        self.keep(job, worker).await
    }

    async fn finish(&self, job: &JobId, worker: &str, verdict: Verdict) -> Result<bool, BrokerError> {
        self.end(job, worker, verdict).await
    }

    async fn release(&self, worker_prefix: &str) -> Result<u64, BrokerError> {
        self.give_back(worker_prefix).await
    }

    async fn job(&self, job: &JobId) -> Result<Option<Job>, BrokerError> {
        self.find(job).await
    }

    async fn jobs(&self, state: JobState, limit: usize) -> Result<Vec<Job>, BrokerError> {
        self.list(state, limit).await
    }

    async fn restart(&self, job: &JobId) -> Result<bool, BrokerError> {
        self.again(job).await
    }

    async fn prune(&self, older_than: Duration) -> Result<u64, BrokerError> {
        self.clear(older_than).await
    }

    async fn wait(&self, queue: Queue) {
        self.bells.rung_or_soon(queue).await;
    }

    async fn cache_get(&self, key: &str) -> Result<Option<Vec<u8>>, BrokerError> {
        self.cached(key).await
    }

    async fn cache_put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), BrokerError> {
        self.cache(key, value, ttl).await
    }

    async fn cache_delete(&self, key: &str) -> Result<(), BrokerError> {
        self.uncache(key).await
    }

    async fn count(&self, key: &str, by: i64, life: Option<Duration>) -> Result<i64, BrokerError> {
        self.add_to(key, by, life).await
    }

    async fn counters(&self, prefix: &str) -> Result<Vec<(String, i64)>, BrokerError> {
        self.counts(prefix).await
    }

    async fn lock(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<u64>, BrokerError> {
        self.hold(name, holder, ttl).await
    }

    async fn unlock(&self, name: &str, holder: &str) -> Result<(), BrokerError> {
        self.let_go(name, holder).await
    }

    async fn publish(&self, notice: Notice) -> Result<(), BrokerError> {
        let told = Told { from: self.own.clone(), notice: limits::told(notice)? };
        let text = serde_json::to_vec(&told).map_err(|error| BrokerError::Engine(error.into()))?;
        // This process hears of it also where the server does not answer.
        self.bells.tell(told.notice);
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&self.channels.notices).arg(text);
        self.link.call(&publish).await
    }

    fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Notice> {
        self.bells.subscribe()
    }

    async fn ping(&self) -> Result<(), BrokerError> {
        // In each slot that jobs live in: a cluster may be there in part.
        futures_util::future::try_join_all(Queue::ALL.map(|queue| self.knock(queue))).await.map(drop)
    }
}
