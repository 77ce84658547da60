//! The job edge: take a job, call one use case, write the verdict.
//!
//! Lives here: the loop every worker shares (concurrency, lease, retry, shutdown) and which kind of job is which call.
//! Does not: what a job does (`service`). To add a kind: a line in its queue's file.

pub mod database_manager;
pub mod mail;
pub mod query_compiler;
pub mod scheduler;
pub mod watch;

use std::future::Future;
use std::os::unix::ffi::OsStrExt as _;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::broker::{Job, LEASE, Queue, Verdict};
use crate::domain::error::{Kind, Kinded};
use crate::service::{Failure, Services};
use crate::trace::Trace;

/// What a worker does with a job; the flag turns true when it must stop.
pub type Run =
    fn(Services, Job, Arc<AtomicBool>) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Pause before a job is tried again whose outside system was not there.
const LATER: Duration = Duration::from_secs(5);

/// Gives back the jobs of a process of this host that is known to be dead, instead of waiting for their leases.
pub async fn release_of(services: &Services, pid: u32) -> Result<(), Failure> {
    for queue in Queue::ALL {
        let released = services.broker().release(&prefix(services, queue, pid)).await?;
        if released > 0 {
            tracing::info!(queue = queue.name(), pid, released, "jobs of a dead process are taken up");
        }
    }
    services.mail.release(&services.auth.inside(), &holder(services, pid)).await
}

/// What a process that sends mail calls itself.
fn holder(services: &Services, pid: u32) -> String {
    format!("mail-{}-{pid}", place(services))
}

/// What the names of a process's workers start with.
fn prefix(services: &Services, queue: Queue, pid: u32) -> String {
    format!("{}-{}-{pid}-", queue.name(), place(services))
}

/// Where a process runs: its number says little where several hosts, or containers that all begin with 1, share a broker.
fn place(services: &Services) -> String {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let place = Sha256::new()
        .chain_update(rustix::system::uname().nodename().to_bytes())
        .chain_update([0])
        .chain_update(machine.trim())
        .chain_update([0])
        .chain_update(services.options().data_directory.as_os_str().as_bytes())
        .finalize();
    place.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Runs one queue's jobs until cancelled, `width` at a time; jobs under way get until `hard` to finish.
pub async fn work(
    services: Services,
    queue: Queue,
    run: Run,
    width: usize,
    soft: CancellationToken,
    hard: CancellationToken,
) {
    let name = format!("{}{}", prefix(&services, queue, std::process::id()), uuid::Uuid::new_v4().simple());
    let tracker = TaskTracker::new();
    let places = Arc::new(tokio::sync::Semaphore::new(width.max(1)));
    let broker = services.broker();
    while !soft.is_cancelled() {
        let Ok(place) = places.clone().acquire_owned().await else { break };
        let taken = tokio::select! {
            taken = broker.take(queue, &name) => taken,
            () = soft.cancelled() => break,
        };
        match taken {
            Ok(Some(job)) => {
                let (services, name, hard) = (services.clone(), name.clone(), hard.clone());
                tracker.spawn(async move {
                    let trace = Trace::begin();
                    let span = tracing::info_span!("job", trace = trace.id());
                    trace.over(attend(services, job, &name, run, hard).instrument(span)).await;
                    drop(place);
                });
            }
            Ok(None) => {
                drop(place);
                tokio::select! {
                    () = broker.wait(queue) => {}
                    () = soft.cancelled() => break,
                }
            }
            Err(error) => {
                drop(place);
                tracing::warn!(%error, queue = queue.name(), "cannot take jobs");
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    () = soft.cancelled() => break,
                }
            }
        }
    }
    tracker.close();
    tracker.wait().await;
}

/// Runs one job while keeping its lease; a job that lost its lease is told to stop and writes no verdict.
async fn attend(services: Services, job: Job, worker: &str, run: Run, hard: CancellationToken) {
    let broker = services.broker();
    let stop = Arc::new(AtomicBool::new(false));
    let started = std::time::Instant::now();
    tracing::info!(job = %job.job_id, kind = job.kind, attempts = job.attempts, "job started");
    // The second wall a panic stops at; no verdict is written, so the job is tried again at most twice.
    let mut running =
        Box::pin(AssertUnwindSafe(run(services.clone(), job.clone(), stop.clone())).catch_unwind());
    let mut renewal = tokio::time::interval(LEASE / 3);
    renewal.tick().await;
    let outcome = loop {
        tokio::select! {
            outcome = &mut running => break outcome,
            _ = renewal.tick() => match broker.renew(&job.job_id, worker).await {
                Ok(true) => {}
                Ok(false) => stop.store(true, Ordering::Relaxed),
                Err(error) => tracing::warn!(%error, job = %job.job_id, "lease could not be renewed"),
            },
            () = hard.cancelled(), if !stop.load(Ordering::Relaxed) => stop.store(true, Ordering::Relaxed),
        }
    };
    let stopped = stop.load(Ordering::Relaxed);
    let verdict = match outcome {
        Err(_) => {
            tracing::error!(job = %job.job_id, kind = job.kind, "job panicked");
            services.metrics.job(job.queue.name(), &job.kind, "panicked", started.elapsed());
            return;
        }
        Ok(Ok(())) => Verdict::Done,
        Ok(Err(_)) if stopped => Verdict::Later("the process was stopped".into(), Duration::ZERO),
        Ok(Err(failure)) => match failure.kind() {
            Kind::Unavailable | Kind::Timeout => Verdict::Later(failure.to_string(), LATER),
            Kind::Internal => {
                tracing::error!(job = %job.job_id, kind = job.kind, error = ?failure, "job failed");
                Verdict::Failed(failure.to_string())
            }
            _ => Verdict::Failed(failure.to_string()),
        },
    };
    let ended = match &verdict {
        Verdict::Done => "done",
        Verdict::Failed(_) => "failed",
        Verdict::Later(..) => "later",
    };
    services.metrics.job(job.queue.name(), &job.kind, ended, started.elapsed());
    tracing::info!(job = %job.job_id, kind = job.kind, ?verdict, millis = started.elapsed().as_millis() as u64, "job ended");
    if let Err(error) = broker.finish(&job.job_id, worker, verdict).await {
        tracing::warn!(%error, job = %job.job_id, "verdict could not be written; the job will run again");
    }
}
