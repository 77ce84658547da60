//! What is due when. The scheduler only enqueues and settles jobs the broker gave up; replicas take turns by a lock.

use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::broker::{JobState, NewJob, Queue};
use crate::domain::ids::SourceId;
use crate::service::{Failure, Services};

/// How often the timetable is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How often expired data is removed.
const TIDY: Duration = Duration::from_secs(3_600);

/// How often sources are looked over for indices older than a day.
const INDEX: Duration = Duration::from_secs(900);

/// How often sources that another program has filled are looked for.
const LEFT: Duration = Duration::from_secs(60);

/// How long an index that was asked for is waited for before it is asked for again.
const ADOPTED: Duration = Duration::from_secs(3_600);

/// How often the meta index is built anew.
const META_INDEX: Duration = Duration::from_secs(86_400);

/// How often networks are tended: keys that are missing are made, requests that nobody answered end.
const NETWORKS: Duration = Duration::from_secs(3_600);

/// After how long networks are first tended: a key takes seconds of a processor, and people come first.
const SETTLED: Duration = Duration::from_secs(60);

/// How often requests between installations are looked over for something that is due.
const REQUESTS: Duration = Duration::from_secs(60);

/// How long ended jobs are kept.
const KEEP_JOBS: Duration = Duration::from_secs(7 * 86_400);

/// Runs until cancelled.
pub async fn schedule(services: Services, stop: CancellationToken) {
    let holder = uuid::Uuid::new_v4().to_string();
    let started = std::time::Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = tick(&services, &holder, started.elapsed()).await {
            tracing::warn!(%error, "the timetable could not be followed");
        }
    }
}

async fn tick(services: &Services, holder: &str, running: Duration) -> Result<(), Failure> {
    let broker = services.broker();
    if broker.lock("scheduler", holder, LOOK * 5).await?.is_none() {
        return Ok(());
    }
    let inside = services.auth.inside();
    // Jobs that ended without a verdict too often: their files and queries must not look busy for ever.
    for job in broker.jobs(JobState::Failed, 100).await? {
        let settled = format!("settled:{}:{}", job.job_id, job.updated_at.timestamp_millis());
        if broker.cache_get(&settled).await?.is_some() {
            continue;
        }
        let reason = job.error.clone().unwrap_or_else(|| "the job failed".into());
        services.ingest.give_up(&inside, &job, &reason).await?;
        services.mail.job_failed(&inside, &job, &reason).await?;
        broker.cache_put(&settled, b"1", KEEP_JOBS).await?;
    }
    if due(services, "tidy", TIDY).await? {
        let job = NewJob {
            queue: Queue::DatabaseManager,
            kind: "cleanup".into(),
            key: Some("cleanup".into()),
            payload: json!({}),
        };
        broker.enqueue(job).await?;
        broker.prune(KEEP_JOBS).await?;
    }
    if due(services, "meta-index", META_INDEX).await? {
        let job = NewJob {
            queue: Queue::DatabaseManager,
            kind: "meta-index".into(),
            key: Some("meta-index".into()),
            payload: json!({}),
        };
        broker.enqueue(job).await?;
    }
    if running > SETTLED && due(services, "networks", NETWORKS).await? {
        let job = NewJob {
            queue: Queue::DatabaseManager,
            kind: "networks".into(),
            key: Some("networks".into()),
            payload: json!({}),
        };
        broker.enqueue(job).await?;
    }
    if running > SETTLED
        && due(services, "requests", REQUESTS).await?
        && services.networks.has_due(&inside).await?
    {
        let job = NewJob {
            queue: Queue::DatabaseManager,
            kind: "requests".into(),
            key: Some("requests".into()),
            payload: json!({}),
        };
        broker.enqueue(job).await?;
    }
    if due(services, "left", LEFT).await? {
        for source in services.indices.left(&inside).await? {
            if due(services, &format!("left:{source}"), ADOPTED).await? {
                broker.enqueue(of_source("index", &source)).await?;
            }
        }
    }
    if due(services, "index", INDEX).await? {
        for source in services.indices.stale(&inside).await? {
            broker.enqueue(of_source("refresh", &source)).await?;
        }
    }
    Ok(())
}

/// A job over one source.
fn of_source(kind: &str, source: &SourceId) -> NewJob {
    NewJob {
        queue: Queue::DatabaseManager,
        kind: kind.into(),
        key: Some(source.to_string()),
        payload: json!({"sourceId": source}),
    }
}

/// Whether nobody did the thing within the period; marks it done.
async fn due(services: &Services, what: &str, every: Duration) -> Result<bool, Failure> {
    let key = format!("due:{what}");
    let broker = services.broker();
    if broker.cache_get(&key).await?.is_some() {
        return Ok(false);
    }
    broker.cache_put(&key, b"1", every).await?;
    Ok(true)
}
