//! Running services: by word, by the name the process was called with, or all of them.

use std::ffi::OsString;

use clap::{Args, Parser};
use tracing_subscriber::EnvFilter;

use super::Common;
use crate::appliance::{self, applet};
use crate::config::Loaded;
use crate::telemetry::Log;
use applet::Service;

/// The name of a process that runs several services, in its log.
const SEVERAL: &str = "cv3-backend";

/// Which services run.
#[derive(Debug, Args)]
pub struct Serve {
    /// Services to run in this process, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    service: Vec<String>,
}

/// A service chosen by name takes only the common flags.
#[derive(Debug, Parser)]
#[command(name = "cv3-backend", version, long_version = super::version::text())]
struct Bare {
    #[command(flatten)]
    common: Common,
}

impl Serve {
    /// Runs until told to stop.
    pub async fn run(self, common: &Common) -> anyhow::Result<()> {
        let loaded = common.load()?;
        let named =
            if self.service.is_empty() { loaded.config.appliance.services.clone() } else { self.service };
        let chosen = named.iter().map(|name| known(name)).collect::<anyhow::Result<Vec<_>>>()?;
        let chosen = if chosen.is_empty() { unnamed(&loaded) } else { chosen };
        let single = chosen.len() == 1;
        serve(loaded, common.clone(), chosen, single).await
    }
}

fn known(name: &str) -> anyhow::Result<Service> {
    let names = || Service::ALL.map(Service::name).join(", ");
    Service::parse(name).ok_or_else(|| anyhow::anyhow!("there is no service {name}; there are {}", names()))
}

/// Runs one service, whose name was the process's or the first word.
pub async fn as_service(service: Service, args: &[OsString], words: usize) -> anyhow::Result<()> {
    let common = bare(args, words);
    serve(common.load()?, common, vec![service], true).await
}

/// Runs everything.
pub async fn all(args: &[OsString]) -> anyhow::Result<()> {
    let common = bare(args, 0);
    let loaded = common.load()?;
    let chosen = unnamed(&loaded);
    serve(loaded, common, chosen, false).await
}

/// Runs services and logs what they say, to the last line.
async fn serve(loaded: Loaded, common: Common, chosen: Vec<Service>, single: bool) -> anyhow::Result<()> {
    let name = chosen.first().filter(|_| single).map_or(SEVERAL, |service| service.name());
    let client = |loaded: &Loaded| appliance::wiring::outbound(loaded).map_err(|error| format!("{error:#}"));
    let log = Log::start(&loaded, name, client);
    let ended = appliance::start(loaded, again(common, log.clone()), chosen, single).await;
    log.finish().await;
    ended
}

fn unnamed(loaded: &Loaded) -> Vec<Service> {
    applet::default_services(loaded.config.exporter().is_some())
}

fn bare(args: &[OsString], words: usize) -> Common {
    let rest = args.iter().take(1).chain(args.iter().skip(1 + words));
    match Bare::try_parse_from(rest) {
        Ok(bare) => bare.common,
        Err(error) => error.exit(),
    }
}

/// Logs warnings only, where the terminal belongs to something else.
pub fn log_quietly(loaded: &Loaded) {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing_subscriber::filter::LevelFilter::WARN.into())
        .from_env_lossy();
    let _already =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).compact().try_init();
    for warning in &loaded.warnings {
        tracing::debug!("{warning}");
    }
}

/// Reads the configuration once more; one that can be used decides what is logged from then on.
fn again(common: Common, log: Log) -> appliance::Again {
    Box::new(move || {
        let loaded = common.load()?;
        log.change(&loaded);
        Ok(loaded)
    })
}
