//! Jobs of the database manager: ingest, remap, indices, removal of a source, clean-up.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::broker::Job;
use crate::domain::error::{Kind, Kinded};
use crate::domain::ids::SourceId;
use crate::service::{Failure, Services};

/// Which call each kind of job is.
pub fn run(
    services: Services,
    job: Job,
    stop: Arc<AtomicBool>,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> {
    Box::pin(async move {
        let inside = services.auth.inside();
        let stopped = stop.clone();
        let done = match job.kind.as_str() {
            "ingest" => services.ingest.run(&inside, &job, stop).await,
            "remap" => services.ingest.run_remap(&inside, &job, stop).await,
            "index" => services.ingest.run_index(&inside, &job, &source(&job)?).await,
            "refresh" => services.ingest.run_refresh(&inside, &job, &source(&job)?).await,
            "drop-source" => drop_source(&services, &source(&job)?).await,
            "meta-index" => services.metasources.refresh(&inside).await,
            "networks" => services.networks.tend(&inside).await,
            "requests" => services.networks.pursue(&inside).await,
            "cleanup" => tidy(&services).await,
            other => Err(Failure::Unprocessable(format!("this release does not know jobs of kind {other}"))),
        };
        // A job that was told to stop, or that waits for something outside, runs again and needs its files as they are.
        if let Err(failure) = &done
            && !stopped.load(Ordering::Relaxed)
            && !matches!(failure.kind(), Kind::Unavailable | Kind::Timeout)
        {
            services.ingest.give_up(&inside, &job, &failure.to_string()).await?;
        }
        done
    })
}

fn source(job: &Job) -> Result<SourceId, Failure> {
    let id = job.payload.get("sourceId").and_then(Value::as_str).unwrap_or_default();
    SourceId::parse(id).map_err(|e| Failure::Invalid(e.to_string()))
}

/// Removes everything of a source, and what says that data is there.
async fn drop_source(services: &Services, source: &SourceId) -> Result<(), Failure> {
    let inside = services.auth.inside();
    services.sources.drop_data(&inside, source).await?;
    services.metasources.disconnect(&inside, source).await
}

/// Removes what has outlived its time.
async fn tidy(services: &Services) -> Result<(), Failure> {
    let inside = services.auth.inside();
    let uploads = services.uploads.expire(&inside).await?;
    let orphans = services.ingest.release_orphans(&inside).await?;
    let raw = services.ingest.expire_raw(&inside).await?;
    let queries = services.queries.expire(&inside).await?;
    let sign_ins = services.users.expire_sign_ins(&inside).await?;
    let blobs = services.datafiles.collect(&inside).await?;
    let reports = services.logs.expire(&inside).await?;
    tracing::info!(uploads, orphans, raw, queries, sign_ins, blobs, reports, "expired data removed");
    services.settings.mend(&inside).await
}
