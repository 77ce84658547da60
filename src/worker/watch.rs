//! Looks once a minute at what administrators are to be told by mail; beside the timetable, since what is away may take
//! its time to say so.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::service::{Failure, Services};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(60);

/// How long the lock of a process that ended is in the way: longer than one look.
const LEASE: Duration = Duration::from_secs(150);

/// Runs until cancelled.
pub async fn watch(services: Services, stop: CancellationToken) {
    let holder = uuid::Uuid::new_v4().to_string();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = look(&services, &holder).await {
            tracing::warn!(%error, "it could not be looked at what administrators are to be told");
        }
    }
}

async fn look(services: &Services, holder: &str) -> Result<(), Failure> {
    // Of several processes one looks.
    if services.broker().lock("watch", holder, LEASE).await?.is_none() {
        return Ok(());
    }
    let inside = services.auth.inside();
    services.networks.tell_admins(&inside).await?;
    services.mail.watch(&inside, &services.health().await).await
}
