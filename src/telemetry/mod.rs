//! What the process says of itself while it serves: to the terminal, to files, to Loki and to Splunk (specification
//! §14.2).
//!
//! Lives here: where lines go and how they look. `files` writes and rotates, `ship` sends batches to a collector,
//! `loki` and `splunk` know how theirs wants them. Does not: what is logged (everybody), metrics (`service/metrics`).
//! Nothing here ever keeps a request waiting: each way out has a queue of its own, and what does not fit is counted
//! and said. To add a collector: a file with a `Collector`, and a line in `collectors`.

mod files;
mod loki;
mod ship;
mod splunk;

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, filter, reload};

use crate::config::Loaded;
use crate::outbound::Outbound;
use files::Files;
use ship::{Collector, Fleet};

/// The target of the line each request ends with; it goes to a file of its own.
pub const ACCESS: &str = "access";

/// How long the end of a process waits for its last lines.
const LAST: Duration = Duration::from_secs(2);

/// Makes the client for collectors from a configuration, or says why it cannot be made.
pub type MakeClient = fn(&Loaded) -> Result<Outbound, String>;

/// The log of a serving process.
#[derive(Clone)]
pub struct Log {
    name: Arc<str>,
    level: reload::Handle<EnvFilter, Registry>,
    files: Files,
    fleet: Fleet,
    client: MakeClient,
}

impl Log {
    /// Begins to log under the name of the process. A second log in one process (a demo that serves) leaves the first
    /// one alone and says nothing.
    pub fn start(loaded: &Loaded, name: &str, client: MakeClient) -> Self {
        let (level, handle) = reload::Layer::new(level(loaded));
        let json = std::env::var_os("CV3_LOG_JSON").is_some();
        let log =
            Self { name: name.into(), level: handle, files: Files::start(), fleet: Fleet::default(), client };
        let begun = tracing_subscriber::registry()
            .with(level)
            .with(lines(json, true, std::io::stderr))
            .with(lines(json, false, log.files.clone()))
            .with(
                tracing_subscriber::fmt::layer()
                    .json()
                    .with_span_list(false)
                    .with_writer(log.fleet.clone())
                    .with_filter(filter::dynamic_filter_fn({
                        let fleet = log.fleet.clone();
                        move |told, _| fleet.is_at_sea() && !is_ours(told.target())
                    })),
            )
            .try_init();
        if begun.is_ok() {
            log.direct(loaded);
        }
        log
    }

    /// Takes up what a configuration that was read again says.
    pub fn change(&self, loaded: &Loaded) {
        if let Err(error) = self.level.reload(level(loaded)) {
            tracing::error!(%error, "the level of the log stays as it was");
        }
        self.direct(loaded);
    }

    /// Waits, not long, until what was logged is written and sent.
    pub async fn finish(&self) {
        let _late = tokio::time::timeout(LAST, self.fleet.land()).await;
        let files = self.files.clone();
        let _late = tokio::time::timeout(LAST, tokio::task::spawn_blocking(move || files.flush(LAST))).await;
    }

    fn direct(&self, loaded: &Loaded) {
        self.files.change(files::Settings::of(loaded, &self.name));
        let collectors = collectors(loaded, &self.name);
        let sent = match collectors.is_empty() {
            true => Ok(None),
            false => (self.client)(loaded).map(Some),
        };
        match sent {
            Ok(client) => self.fleet.change(client, collectors),
            Err(error) => tracing::error!(error, "logs are not sent: the client cannot be made"),
        }
    }
}

/// The collectors of a configuration.
fn collectors(loaded: &Loaded, service: &str) -> Vec<Arc<dyn Collector>> {
    let logging = &loaded.config.logging;
    let mut all: Vec<Arc<dyn Collector>> = Vec::new();
    if logging.loki.enabled {
        all.push(Arc::new(loki::Loki::new(&logging.loki, service)));
    }
    if logging.splunk_hec.enabled {
        all.push(Arc::new(splunk::Splunk::new(&logging.splunk_hec, &logging.name, service)));
    }
    all
}

/// Whether a line comes from the sending itself: sent, it would make the next one.
fn is_ours(target: &str) -> bool {
    const SENDING: [&str; 8] = [
        "cv3_backend::telemetry",
        "cv3_backend::outbound",
        "reqwest",
        "hyper",
        "h2",
        "rustls",
        "tokio_rustls",
        "tower",
    ];
    SENDING.iter().any(|ours| target.starts_with(ours))
}

/// The configured level, unless `RUST_LOG` says otherwise.
fn level(loaded: &Loaded) -> EnvFilter {
    let level = loaded.config.logging.level.tracing();
    let default = tracing_subscriber::filter::LevelFilter::from_level(level);
    EnvFilter::builder().with_default_directive(default.into()).from_env_lossy()
}

/// Lines as people read them, or one JSON object each.
fn lines<S, W>(json: bool, terminal: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Files and journals get no colours, terminals do unless they ask for none (no-color.org).
    let plain = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty());
    let colours = terminal && std::io::stderr().is_terminal() && !plain;
    let layer = tracing_subscriber::fmt::layer().with_target(false).with_ansi(colours).with_writer(writer);
    if json { Box::new(layer.json()) } else { Box::new(layer.compact()) }
}
