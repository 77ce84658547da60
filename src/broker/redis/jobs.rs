//! Jobs: one script each, and what comes back read.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use chrono::DateTime;
use futures_util::future::try_join_all;
use redis::Value;

use super::link::Arg::{Number, Text};
use super::{RedisBroker, scripts};
use crate::broker::limits::{PRUNED_AT_ONCE, millis, payload};
use crate::broker::{BrokerError, Job, JobState, LEASE, MAX_ATTEMPTS, NewJob, Queue, Verdict};
use crate::domain::clock::{Random, SystemRandom};
use crate::domain::ids::JobId;

/// Jobs one script looks at or moves at most, so that the server is not kept from others.
const LOOKED_AT: i64 = 1_000;
/// Jobs listed at most; no less than anyone asks for, who may take a shorter list for a whole one.
const LISTED: usize = 10_000;
/// Jobs read at the same time while listing.
const READ_AT_ONCE: usize = 16;
/// Homes of taken jobs that are remembered at most.
const HOMES: usize = 1_024;

impl RedisBroker {
    pub(super) async fn add(&self, job: NewJob) -> Result<JobId, BrokerError> {
        let payload = payload(&job)?;
        let id = JobId::from_uuid(SystemRandom.uuid());
        let args = [
            Number(self.now()),
            Text(id.as_str()),
            Text(&job.kind),
            Text(&payload),
            Number(i64::from(job.key.is_some())),
            Text(job.key.as_deref().unwrap_or_default()),
            Text(&self.channels.wakes),
            Text(job.queue.name()),
        ];
        self.link.run::<()>(&scripts::ENQUEUE, &[&self.base(job.queue)], &args).await?;
        Ok(id)
    }

    pub(super) async fn next(&self, queue: Queue, worker: &str) -> Result<Option<Job>, BrokerError> {
        let base = self.base(queue);
        loop {
            let args = [
                Number(self.now()),
                Text(worker),
                Number(millis(LEASE)),
                Number(i64::from(MAX_ATTEMPTS)),
                Number(LOOKED_AT),
            ];
            match self.link.run::<Value>(&scripts::TAKE, &[&base], &args).await? {
                Value::Nil => return Ok(None),
                // It moved as many as it may at once out of the way.
                Value::BulkString(_) | Value::SimpleString(_) => {}
                fields => {
                    let job = read(queue, fields)?;
                    let mut homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
                    if homes.len() >= HOMES {
                        homes.clear();
                    }
                    homes.insert(job.job_id.clone(), queue);
                    return Ok(Some(job));
                }
            }
        }
    }

    pub(super) async fn keep(&self, job: &JobId, worker: &str) -> Result<bool, BrokerError> {
        let Some(queue) = self.home(job).await? else { return Ok(false) };
        let args = [Number(self.now()), Text(job.as_str()), Text(worker), Number(millis(LEASE))];
        self.link.run(&scripts::RENEW, &[&self.base(queue)], &args).await
    }

    pub(super) async fn end(&self, job: &JobId, worker: &str, verdict: Verdict) -> Result<bool, BrokerError> {
        let Some(queue) = self.home(job).await? else { return Ok(false) };
        let (state, why, pause) = match &verdict {
            Verdict::Done => ("done", "", 0),
            Verdict::Failed(why) => ("failed", why.as_str(), 0),
            Verdict::Later(why, pause) => ("waiting", why.as_str(), millis(*pause)),
        };
        let args = [
            Number(self.now()),
            Text(job.as_str()),
            Text(worker),
            Text(state),
            Text(why),
            Number(pause),
            Text(&self.channels.wakes),
            Text(queue.name()),
        ];
        let ended = self.link.run(&scripts::FINISH, &[&self.base(queue)], &args).await?;
        self.homes.lock().unwrap_or_else(PoisonError::into_inner).remove(job);
        Ok(ended)
    }

    pub(super) async fn give_back(&self, prefix: &str) -> Result<u64, BrokerError> {
        let mut released = 0;
        for queue in Queue::ALL {
            let args = [
                Number(self.now()),
                Text(prefix),
                Number(i64::from(MAX_ATTEMPTS)),
                Text(&self.channels.wakes),
                Text(queue.name()),
            ];
            released += self.link.run::<u64>(&scripts::RELEASE, &[&self.base(queue)], &args).await?;
        }
        Ok(released)
    }

    pub(super) async fn find(&self, job: &JobId) -> Result<Option<Job>, BrokerError> {
        let found = try_join_all(Queue::ALL.map(|queue| self.find_in(queue, job))).await?;
        Ok(found.into_iter().flatten().next())
    }

    /// The newest of each queue, then the newest of all.
    pub(super) async fn list(&self, state: JobState, limit: usize) -> Result<Vec<Job>, BrokerError> {
        let limit = limit.min(LISTED);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        for queue in Queue::ALL {
            let mut command = redis::cmd("ZREVRANGE");
            command.arg(format!("{}:in:{}", self.base(queue), name(state))).arg(0).arg(limit - 1);
            let ids: Vec<String> = self.link.call(&command).await?;
            all.extend(ids.into_iter().filter_map(|id| Some((queue, JobId::parse(id).ok()?))));
        }
        let mut jobs = Vec::new();
        for some in all.chunks(READ_AT_ONCE) {
            let reading = some.iter().map(|(queue, id)| self.find_in(*queue, id));
            jobs.extend(try_join_all(reading).await?.into_iter().flatten());
        }
        // As it was when the list was made, so that a job which goes on meanwhile is not left out of every list.
        jobs.iter_mut().for_each(|job| job.state = state);
        // Stable: jobs of a queue are in order, and those of one millisecond stay so.
        jobs.sort_by_key(|job| std::cmp::Reverse(job.created_at));
        jobs.truncate(limit);
        Ok(jobs)
    }

    pub(super) async fn again(&self, job: &JobId) -> Result<bool, BrokerError> {
        let Some(queue) = self.home(job).await? else { return Ok(false) };
        let args = [Number(self.now()), Text(job.as_str()), Text(&self.channels.wakes), Text(queue.name())];
        self.link.run(&scripts::RESTART, &[&self.base(queue)], &args).await
    }

    pub(super) async fn clear(&self, older_than: Duration) -> Result<u64, BrokerError> {
        let most = i64::try_from(PRUNED_AT_ONCE).unwrap_or(i64::MAX);
        let mut removed = 0;
        for queue in Queue::ALL {
            loop {
                let args = [Number(self.now()), Number(millis(older_than)), Number(most)];
                let some: u64 = self.link.run(&scripts::PRUNE, &[&self.base(queue)], &args).await?;
                removed += some;
                if some < PRUNED_AT_ONCE {
                    break;
                }
            }
        }
        Ok(removed)
    }

    /// Runs a script that changes nothing where the jobs of a queue are.
    pub(super) async fn knock(&self, queue: Queue) -> Result<(), BrokerError> {
        let args = [Number(self.now()), Text(""), Text(""), Number(0)];
        self.link.run::<bool>(&scripts::RENEW, &[&self.base(queue)], &args).await.map(drop)
    }

    /// Which queue a job belongs to.
    async fn home(&self, job: &JobId) -> Result<Option<Queue>, BrokerError> {
        if let Some(queue) = self.homes.lock().unwrap_or_else(PoisonError::into_inner).get(job) {
            return Ok(Some(*queue));
        }
        let is_in = async |queue| {
            let mut command = redis::cmd("EXISTS");
            command.arg(self.key(queue, job));
            Ok::<_, BrokerError>(self.link.call::<bool>(&command).await?.then_some(queue))
        };
        Ok(try_join_all(Queue::ALL.map(is_in)).await?.into_iter().flatten().next())
    }

    async fn find_in(&self, queue: Queue, job: &JobId) -> Result<Option<Job>, BrokerError> {
        let mut command = redis::cmd("HGETALL");
        command.arg(self.key(queue, job));
        match self.link.call(&command).await? {
            Value::Array(fields) if fields.is_empty() => Ok(None),
            fields => read(queue, fields).map(Some),
        }
    }

    /// The key that names the queue; all others of it are made from this one.
    fn base(&self, queue: Queue) -> String {
        format!("{}{{{}}}", self.prefix, queue.name())
    }

    fn key(&self, queue: Queue, job: &JobId) -> String {
        format!("{}:job:{job}", self.base(queue))
    }
}

fn name(state: JobState) -> &'static str {
    match state {
        JobState::Waiting => "waiting",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::Failed => "failed",
    }
}

/// The fields of a job's hash.
fn read(queue: Queue, fields: Value) -> Result<Job, BrokerError> {
    let fields: HashMap<String, String> =
        redis::from_redis_value(fields).map_err(|error| BrokerError::Engine(error.into()))?;
    let id = fields.get("job_id").map(String::as_str).unwrap_or_default();
    let unreadable = |what: &str| {
        BrokerError::Engine(
            format!("the {what} of job {id} of {} in Redis cannot be read", queue.name()).into(),
        )
    };
    let field = |what: &'static str| fields.get(what).ok_or_else(|| unreadable(what));
    let moment = |what: &'static str| {
        let millis = field(what)?.parse().ok();
        millis.and_then(DateTime::from_timestamp_millis).ok_or_else(|| unreadable(what))
    };
    let states = [JobState::Waiting, JobState::Running, JobState::Done, JobState::Failed];
    let state = field("state")?;
    Ok(Job {
        job_id: JobId::parse(id).map_err(|_| unreadable("id"))?,
        queue,
        kind: field("kind")?.clone(),
        key: fields.get("key").cloned(),
        payload: serde_json::from_str(field("payload")?).map_err(|_| unreadable("payload"))?,
        state: states.into_iter().find(|one| name(*one) == state).ok_or_else(|| unreadable("state"))?,
        attempts: field("attempts")?.parse().map_err(|_| unreadable("attempts"))?,
        error: fields.get("error").cloned(),
        created_at: moment("created")?,
        updated_at: moment("updated")?,
    })
}
