//! Changes that only one process makes at a time: under a lock that is renewed while it is held.

use std::future::Future;
use std::time::Duration;

use super::Failure;
use crate::ports::Ports;

/// How long the lock of a process that ended is in the way of others.
const HELD: Duration = Duration::from_secs(10);

/// How often a lock that somebody else holds is asked for.
const WAITS: u32 = 600;

/// The pause between.
const WAIT: Duration = Duration::from_millis(100);

/// Does some work while no other process does any under this name.
pub(super) async fn alone<T>(
    ports: &Ports,
    name: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let holder = ports.random.uuid().to_string();
    let mut waits = WAITS;
    while ports.broker.lock(name, &holder, HELD).await?.is_none() {
        if waits == 0 {
            return Err(Failure::Timeout(format!("waiting for another change of {name}")));
        }
        waits -= 1;
        tokio::time::sleep(WAIT).await;
    }
    let mut work = std::pin::pin!(work);
    let mut renewal = tokio::time::interval(HELD / 5);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            _ = renewal.tick() => {
                ports.broker.lock(name, &holder, HELD).await?;
            }
        }
    };
    ports.broker.unlock(name, &holder).await?;
    done
}
