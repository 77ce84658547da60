//! Jobs of the record query compiler.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::Value;

use crate::broker::Job;
use crate::domain::error::{Kind, Kinded};
use crate::domain::ids::QueryId;
use crate::service::{Failure, Services};

/// Runs a stored query; a failure that will not pass is recorded where the caller looks.
pub fn run(
    services: Services,
    job: Job,
    _: Arc<AtomicBool>,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> {
    Box::pin(async move {
        let inside = services.auth.inside();
        let id = job.payload.get("queryId").and_then(Value::as_str).unwrap_or_default();
        let id = QueryId::parse(id).map_err(|e| Failure::Invalid(e.to_string()))?;
        let done = services.queries.run(&inside, &id, job.attempts > 1).await;
        if let Err(failure) = &done
            && failure.kind() != Kind::Unavailable
        {
            services.queries.fail(&inside, &id, &failure.to_string()).await?;
        }
        done
    })
}
