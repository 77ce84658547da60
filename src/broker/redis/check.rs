//! What is looked at when the broker is opened: whether the server is there, fits, and keeps what it acknowledges.

use std::collections::HashMap;
use std::time::Duration;

use redis::{ErrorKind, RedisError, RedisResult};
use tokio::time::Instant;

use super::failures::{is_final, late};
use super::link::Link;
use crate::broker::BrokerError;

/// How long a server is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(300);
/// The oldest release that has all we use.
const OLDEST: u32 = 6;

/// Waits for a server that is not there yet, for a bounded time.
pub(super) struct Patience {
    until: Instant,
}

impl Patience {
    /// From now on.
    pub fn new() -> Self {
        Self { until: Instant::now() + PATIENCE }
    }

    /// An attempt, cut off at the end: the start of a process never hangs here.
    pub async fn try_to<T>(&self, attempt: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        tokio::time::timeout_at(self.until, attempt).await.unwrap_or_else(|_| Err(late()))
    }

    /// Pauses before the next attempt; fails where waiting cannot help or has been long enough.
    pub async fn pause(&self, link: &Link, error: &RedisError) -> Result<(), BrokerError> {
        if is_final(error) || Instant::now() + PAUSE >= self.until {
            return Err(link.told(error));
        }
        tracing::debug!(error = %link.told(error), "waiting for the broker");
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

/// Connects and looks at what the server says of itself; answers what an operator should know of it.
pub(super) async fn fits(link: &Link) -> RedisResult<Vec<&'static str>> {
    let Some(info) = link.info().await? else {
        tracing::debug!("Redis does not say what it is; its user may not ask");
        link.reach().await?;
        return Ok(Vec::new());
    };
    let said = read(&info);
    let known = |name: &str| said.get(name).copied().unwrap_or_default();
    let refuse = |why: String| RedisError::from((ErrorKind::InvalidClientConfig, "does not fit", why));
    let version = known("redis_version");
    if version
        .split('.')
        .next()
        .and_then(|first| first.parse::<u32>().ok())
        .is_some_and(|first| first < OLDEST)
    {
        return Err(refuse(format!("it is release {version}, {OLDEST}.0 or later is needed")));
    }
    match (link.is_cluster(), known("cluster_enabled")) {
        (true, "0") => return Err(refuse("it is no cluster; take Redis.Cluster out".to_owned())),
        (false, "1") => return Err(refuse("it is a cluster; set Redis.Cluster to true".to_owned())),
        _ => {}
    }
    link.reach().await?;
    let forgets = known("aof_enabled") == "0";
    let evicts = known("maxmemory_policy").starts_with("allkeys") && known("maxmemory") != "0";
    let concerns = [
        (forgets, "Redis loses jobs when it is restarted; set appendonly yes there"),
        (evicts, "Redis removes jobs when its memory is full; set maxmemory-policy noeviction there"),
    ];
    Ok(concerns.into_iter().filter(|(is, _)| *is).map(|(_, concern)| concern).collect())
}

/// The lines `name:value` of `INFO`.
fn read(info: &str) -> HashMap<&str, &str> {
    info.lines().filter_map(|line| line.trim_end().split_once(':')).collect()
}
