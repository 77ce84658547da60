//! The embedded broker: tables in `jobs.db`, wake-ups over sockets. Several processes may share one.
//!
//! Lives here: the adapter and its limits; `jobs.rs` and `values.rs` (SQL), `schema.rs` (tables), `writer.rs` and
//! `reader.rs` (threads and connections), `wake.rs` (sockets). Does not: what is done with a job (`worker`).
//! To add a table: a migration in `schema.rs`, its SQL in a file of its own, a method here.

mod jobs;
mod reader;
mod schema;
mod values;
mod wake;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::ErrorCode;

use super::limits::{NAME, PRUNED_AT_ONCE, VALUE, bounded, millis, payload};
use super::{Broker, BrokerError, Job, JobState, NewJob, Notice, Queue, Verdict};
use crate::domain::clock::{Clock, Random, SystemRandom};
use crate::domain::ids::JobId;
use reader::Readers;
use wake::Post;
use writer::{Survives, Writer};

/// The broker in a SQLite file.
#[derive(Debug)]
pub struct SqliteBroker {
    writer: Writer,
    readers: Readers,
    post: Arc<Post>,
    clock: Arc<dyn Clock>,
}

impl SqliteBroker {
    /// Opens or creates the file, listens in the folder for wake-ups and starts its threads. Blocks; call it at start.
    ///
    /// Fails if another release's newer layout is found, or if file or folder cannot be used.
    pub fn open(path: &Path, run_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, BrokerError> {
        let unusable = |error: std::io::Error| {
            BrokerError::Unavailable(format!("the folder {} cannot be used: {error}", run_dir.display()))
        };
        let door = wake::door(run_dir).map_err(unusable)?;
        schema::prepare(path)?;
        let name = SystemRandom.uuid().simple().to_string();
        let post = Arc::new(Post::open(run_dir, name, &door).map_err(unusable)?);
        let readers = Readers::open(path)?;
        let writer = Writer::start(path, Arc::clone(&post))?;
        Ok(Self { writer, readers, post, clock })
    }

    fn ends(&self, after: Duration) -> i64 {
        self.clock.now().timestamp_millis().saturating_add(millis(after))
    }
}

#[async_trait]
impl Broker for SqliteBroker {
    async fn enqueue(&self, job: NewJob) -> Result<JobId, BrokerError> {
        let payload = payload(&job)?;
        let id = JobId::from_uuid(SystemRandom.uuid());
        let entry = jobs::Entry { job: id.clone(), queue: job.queue, kind: job.kind, key: job.key, payload };
        let now = self.clock.now();
        let survives = survives(job.queue);
        self.writer
            .write(survives, move |connection, wakes| {
                wakes.push(entry.queue);
                jobs::insert(connection, &entry, now)
            })
            .await?;
        Ok(id)
    }

    async fn take(&self, queue: Queue, worker: &str) -> Result<Option<Job>, BrokerError> {
        bounded("the name of a worker", worker.len(), NAME)?;
        let (worker, now) = (worker.to_owned(), self.clock.now());
        let job = self
            .writer
            .write(Survives::Kill, move |connection, _| jobs::take(connection, queue, &worker, now))
            .await?;
        if job.is_some() {
            // There may be more: rings that found nobody waiting are kept as one.
            self.post.bells().ring(queue);
        }
        Ok(job)
    }

    async fn renew(&self, job: &JobId, worker: &str) -> Result<bool, BrokerError> {
        let (job, worker, now) = (job.clone(), worker.to_owned(), self.clock.now());
        self.writer
            .write(Survives::Kill, move |connection, _| jobs::renew(connection, &job, &worker, now))
            .await
    }

    async fn finish(&self, job: &JobId, worker: &str, verdict: Verdict) -> Result<bool, BrokerError> {
        let (job, worker, now) = (job.clone(), worker.to_owned(), self.clock.now());
        self.writer
            .write_judged(move |connection, wakes| {
                let freed = jobs::finish(connection, &job, &worker, &verdict, now)?;
                // A job with the same key may have been waiting for this one.
                wakes.extend(freed);
                Ok((freed.is_some(), freed.map_or(Survives::Kill, survives)))
            })
            .await
    }

    async fn release(&self, worker_prefix: &str) -> Result<u64, BrokerError> {
        let (prefix, now) = (worker_prefix.to_owned(), self.clock.now());
        self.writer
            .write(Survives::Kill, move |connection, wakes| {
                let freed = jobs::release(connection, &prefix, now)?;
                let number = u64::try_from(freed.len()).unwrap_or(u64::MAX);
                wakes.extend(freed);
                Ok(number)
            })
            .await
    }

    async fn job(&self, job: &JobId) -> Result<Option<Job>, BrokerError> {
        let job = job.clone();
        self.readers.read(move |connection| jobs::find(connection, &job)).await
    }

    async fn jobs(&self, state: JobState, limit: usize) -> Result<Vec<Job>, BrokerError> {
        self.readers.read(move |connection| jobs::list(connection, state, limit)).await
    }

    async fn restart(&self, job: &JobId) -> Result<bool, BrokerError> {
        let (job, now) = (job.clone(), self.clock.now());
        self.writer
            .write(Survives::PowerLoss, move |connection, wakes| {
                let queue = jobs::restart(connection, &job, now)?;
                wakes.extend(queue);
                Ok(queue.is_some())
            })
            .await
    }

    async fn prune(&self, older_than: Duration) -> Result<u64, BrokerError> {
        let since = chrono::TimeDelta::from_std(older_than)
            .ok()
            .and_then(|age| self.clock.now().checked_sub_signed(age));
        let Some(since) = since else { return Ok(0) };
        let mut removed = 0;
        loop {
            let some = self
                .writer
                .write(Survives::Kill, move |connection, _| jobs::prune(connection, since))
                .await?;
            removed += some;
            if some < PRUNED_AT_ONCE {
                return Ok(removed);
            }
        }
    }

    async fn wait(&self, queue: Queue) {
        self.post.bells().rung_or_soon(queue).await;
    }

    async fn cache_get(&self, key: &str) -> Result<Option<Vec<u8>>, BrokerError> {
        let (key, now) = (key.to_owned(), self.clock.now());
        self.readers.read(move |connection| values::cache_get(connection, &key, now)).await
    }

    async fn cache_put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), BrokerError> {
        bounded("the key of a cached value", key.len(), NAME)?;
        bounded("a cached value", value.len(), VALUE)?;
        let (key, value, ends, now) = (key.to_owned(), value.to_owned(), self.ends(ttl), self.clock.now());
        self.writer
            .write(Survives::Kill, move |connection, _| {
                values::cache_put(connection, &key, &value, ends, now)
            })
            .await
    }

    async fn cache_delete(&self, key: &str) -> Result<(), BrokerError> {
        let key = key.to_owned();
        self.writer.write(Survives::Kill, move |connection, _| values::cache_delete(connection, &key)).await
    }

    async fn count(&self, key: &str, by: i64, life: Option<Duration>) -> Result<i64, BrokerError> {
        bounded("the key of a counter", key.len(), NAME)?;
        let (key, ends, now) = (key.to_owned(), life.map(|life| self.ends(life)), self.clock.now());
        self.writer
            .write(Survives::Kill, move |connection, _| values::count(connection, &key, by, ends, now))
            .await
    }

    async fn counters(&self, prefix: &str) -> Result<Vec<(String, i64)>, BrokerError> {
        let (prefix, now) = (prefix.to_owned(), self.clock.now());
        self.readers.read(move |connection| values::counters(connection, &prefix, now)).await
    }

    async fn lock(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<u64>, BrokerError> {
        bounded("the name of a lock", name.len(), NAME)?;
        bounded("the holder of a lock", holder.len(), NAME)?;
        let (name, holder, ends, now) =
            (name.to_owned(), holder.to_owned(), self.ends(ttl), self.clock.now());
        let number = self
            .writer
            .write(Survives::Kill, move |connection, _| values::lock(connection, &name, &holder, ends, now))
            .await?;
        Ok(number.and_then(|number| u64::try_from(number).ok()))
    }

    async fn unlock(&self, name: &str, holder: &str) -> Result<(), BrokerError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.writer
            .write(Survives::Kill, move |connection, _| values::unlock(connection, &name, &holder))
            .await
    }

    async fn publish(&self, notice: Notice) -> Result<(), BrokerError> {
        // A look into a folder of a few sockets, none of which can make us wait: less than another thread would cost.
        self.post.publish(notice)
    }

    fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Notice> {
        self.post.bells().subscribe()
    }

    async fn ping(&self) -> Result<(), BrokerError> {
        self.readers
            .read(|connection| connection.query_row("SELECT last FROM fence", [], |_| Ok(())))
            .await?;
        self.writer.write(Survives::PowerLoss, |_, _| Ok(())).await
    }
}

/// A job and its verdict are as durable as what they are about: queries and their answers are not synced (design §3).
fn survives(queue: Queue) -> Survives {
    match queue {
        Queue::DatabaseManager => Survives::PowerLoss,
        Queue::QueryCompiler | Queue::QueryMeta => Survives::Kill,
    }
}

/// What trying later may help is `Unavailable`.
fn engine(error: rusqlite::Error) -> BrokerError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            BrokerError::Unavailable("other processes kept its file busy for 10 s".to_owned())
        }
        Some(ErrorCode::DiskFull) => BrokerError::Unavailable("no room left on its disk".to_owned()),
        _ => BrokerError::Engine(error.into()),
    }
}
