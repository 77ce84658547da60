//! How one binary becomes services: open the ports, spawn the services, wait for the end.
//!
//! Lives here: selection (`applet`), adapters chosen from configuration (`wiring`), sockets (`listeners`, `tls`,
//! `brief`), the first administrator of the environment (`first`), start, drain and stop (`lifecycle`), the process as a whole (`process`). Does not: what services do (`http`, `worker`, `service`).

pub mod applet;
pub mod brief;
pub mod first;
pub mod lifecycle;
pub mod listeners;
pub mod notify;
pub mod process;
pub mod services;
pub mod tls;
pub mod wiring;

use std::sync::Arc;

use anyhow::Context;

use crate::config::{InstanceConfig, Loaded, Sources};
use applet::Service;

/// Reads the configuration as given by files, environment and flags, and says what it found.
pub fn configure(sources: &Sources) -> anyhow::Result<Loaded> {
    let loaded = InstanceConfig::load(sources).map_err(anyhow::Error::from)?;
    Ok(loaded)
}

/// Reads the configuration once more, from the same places.
pub type Again = Box<dyn Fn() -> anyhow::Result<Loaded> + Send + Sync>;

/// Runs services until the process is told to stop.
pub async fn start(loaded: Loaded, again: Again, chosen: Vec<Service>, single: bool) -> anyhow::Result<()> {
    match &loaded.path {
        Some(path) => {
            tracing::info!(configuration = %path.display(), data = %loaded.data_directory.display(), "starting")
        }
        None => {
            tracing::info!(configuration = "none, all embedded", data = %loaded.data_directory.display(), "starting")
        }
    }
    for warning in loaded.warnings.iter().chain(&crate::config::without_effect(&loaded.config)) {
        tracing::warn!("{warning}");
    }
    for (key, lack) in services::lacking_front_ends(&loaded) {
        tracing::warn!("Appliance.FrontEnds.{key}: {lack}; it is served as soon as it is there");
    }
    if loaded.config.appliance.read_only {
        tracing::warn!(
            "read only (Appliance.ReadOnly): queries are answered, nothing that is served changes"
        );
    }
    let loaded = Arc::new(loaded);
    let wired =
        wiring::open(&loaded, wiring::Purpose::Serve).await.context("the installation cannot be opened")?;
    wired.services.setup.seed().await.context("the installation cannot be prepared")?;
    lifecycle::run(loaded, again, wired, chosen, single).await
}
