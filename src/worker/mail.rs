//! Sends what waits in the outbox, one mail at a time; beside the timetable, which a slow server must not hold up.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::service::Services;

/// How often the outbox is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Runs until cancelled; the mail under way is finished.
pub async fn deliver(services: Services, stop: CancellationToken) {
    // Told from the process, so that whoever finds it dead can give back what it held (`release_of`).
    let holder = super::holder(&services, std::process::id());
    let inside = services.auth.inside();
    while !stop.is_cancelled() {
        match services.mail.deliver(&inside, &holder).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "mail could not be looked after"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
    }
}
