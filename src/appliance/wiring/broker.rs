//! What carries jobs, counters, locks and notices.

use std::sync::Arc;

use anyhow::Context;

use super::{Purpose, authorities, blocking};
use crate::broker::Broker;
use crate::broker::redis::{RedisBroker, RedisSettings, Time};
use crate::broker::sqlite::SqliteBroker;
use crate::config::Loaded;
use crate::config::redis::Redis;
use crate::domain::clock::Clock;

/// The configured broker, else the one of the data directory.
pub(super) async fn open(
    loaded: &Loaded,
    clock: Arc<dyn Clock>,
    purpose: Purpose,
) -> anyhow::Result<Arc<dyn Broker>> {
    if let Some(redis) = &loaded.config.redis {
        let settings = settings(redis, authorities(loaded)?);
        let broker = RedisBroker::open(settings, Time::Server).await.context("the section Redis")?;
        if purpose == Purpose::Serve {
            broker.concerns().iter().for_each(|concern| tracing::warn!("{concern}"));
        }
        return Ok(Arc::new(broker));
    }
    let data = loaded.data_directory.clone();
    let open =
        move || SqliteBroker::open(&data.join("jobs.db"), &data.join("run"), clock).context("the job broker");
    Ok(Arc::new(blocking(open).await?))
}

fn settings(redis: &Redis, authorities: Option<Vec<u8>>) -> RedisSettings {
    RedisSettings {
        host: redis.host.expose().to_owned(),
        port: redis.port.get(),
        cluster: redis.cluster,
        user: redis.user.clone(),
        password: redis.password.expose().clone(),
        tls: redis.tls,
        authorities,
        namespace: String::new(),
    }
}
