//! What systemd wants to know: ready, reloading, alive, stopping (sd_notify); nothing happens elsewhere.

use sd_notify::NotifyState;

/// Tells the service manager; a failure is only worth a log line.
pub fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

/// Serving.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Draining.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Keeps the watchdog quiet where one is set, at half its period.
pub async fn watchdog(stop: tokio_util::sync::CancellationToken) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    loop {
        tokio::select! {
            () = tokio::time::sleep(period / 2) => tell(&[NotifyState::Watchdog]),
            () = stop.cancelled() => return,
        }
    }
}
