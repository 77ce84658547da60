//! Running services: by word, by the name the process was called with, or all of them.

use std::ffi::OsString;
use std::io::IsTerminal as _;

use clap::{Args, Parser};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use super::Common;
use crate::appliance::{self, applet};
use crate::config::Loaded;
use applet::Service;

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
        let log = log(&loaded);
        let single = chosen.len() == 1;
        appliance::start(loaded, again(common.clone(), log), chosen, single).await
    }
}

fn known(name: &str) -> anyhow::Result<Service> {
    let names = || Service::ALL.map(Service::name).join(", ");
    Service::parse(name).ok_or_else(|| anyhow::anyhow!("there is no service {name}; there are {}", names()))
}

/// Runs one service, whose name was the process's or the first word.
pub async fn as_service(service: Service, args: &[OsString], words: usize) -> anyhow::Result<()> {
    let common = bare(args, words);
    let loaded = common.load()?;
    let log = log(&loaded);
    appliance::start(loaded, again(common, log), vec![service], true).await
}

/// Runs everything.
pub async fn all(args: &[OsString]) -> anyhow::Result<()> {
    let common = bare(args, 0);
    let loaded = common.load()?;
    let (log, chosen) = (log(&loaded), unnamed(&loaded));
    appliance::start(loaded, again(common, log), chosen, false).await
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

/// Puts the level of a configuration in force.
type Leveller = Box<dyn Fn(&Loaded) + Send + Sync>;

/// Reads the configuration once more; one that can be used decides what is logged from then on.
fn again(common: Common, log: Leveller) -> appliance::Again {
    Box::new(move || {
        let loaded = common.load()?;
        log(&loaded);
        Ok(loaded)
    })
}

/// Logs to standard error at the configured level; `CV3_LOG_JSON` for machines. Answers what changes the level.
fn log(loaded: &Loaded) -> Leveller {
    let base = tracing_subscriber::fmt().with_env_filter(filter(loaded)).with_writer(std::io::stderr);
    // Files and journals get no colours, terminals do unless they ask for none (no-color.org).
    let plain = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty());
    let base = base.with_ansi(std::io::stderr().is_terminal() && !plain);
    let base = base.with_span_events(FmtSpan::NONE).with_target(false);
    // A second initialisation (a demo that serves) keeps the first.
    if std::env::var_os("CV3_LOG_JSON").is_some() {
        let base = base.json().with_filter_reloading();
        let handle = base.reload_handle();
        let _already = base.try_init();
        Box::new(move |loaded| told(handle.reload(filter(loaded)).map_err(|error| error.to_string())))
    } else {
        let base = base.compact().with_filter_reloading();
        let handle = base.reload_handle();
        let _already = base.try_init();
        Box::new(move |loaded| told(handle.reload(filter(loaded)).map_err(|error| error.to_string())))
    }
}

fn told(changed: Result<(), String>) {
    if let Err(error) = changed {
        tracing::error!(error, "the level of the log stays as it was");
    }
}

/// The configured level, unless `RUST_LOG` says otherwise.
fn filter(loaded: &Loaded) -> EnvFilter {
    let level = loaded.config.logging.level.tracing();
    let default = tracing_subscriber::filter::LevelFilter::from_level(level);
    EnvFilter::builder().with_default_directive(default.into()).from_env_lossy()
}
