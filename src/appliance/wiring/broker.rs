//! What carries jobs, counters, locks and notices.

use std::sync::Arc;

use anyhow::{Context, bail};

use super::blocking;
use crate::broker::Broker;
use crate::broker::sqlite::SqliteBroker;
use crate::config::Loaded;
use crate::domain::clock::Clock;

/// The configured broker, else the one of the data directory.
pub(super) async fn open(loaded: &Loaded, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Broker>> {
    if loaded.config.redis.is_some() {
        bail!("this release carries jobs by itself; take Redis out of the configuration");
    }
    let data = loaded.data_directory.clone();
    let open =
        move || SqliteBroker::open(&data.join("jobs.db"), &data.join("run"), clock).context("the job broker");
    Ok(Arc::new(blocking(open).await?))
}
