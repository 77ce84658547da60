//! Use cases by field term: authorise, read, apply the domain's rules, write, enqueue.
//!
//! Lives here: one struct per field term over `Ports`; each public function that touches data takes a proof from `auth`.
//! Does not: HTTP, job loops, terminals (the edges), SQL (the adapters).
//! To add a use case: a function in its term's file; a new term is a file here and a field of `Services`.

pub mod access_requests;
mod alone;
pub mod auth;
pub mod beacon;
mod callers;
pub mod commit;
pub mod dashboard;
pub mod datafiles;
pub mod error;
pub mod groups;
pub mod indices;
pub mod ingest;
pub mod integrity;
mod limits;
pub mod logs;
pub mod mail;
pub mod metasources;
pub mod metrics;
pub mod networks;
pub mod nexus;
pub mod pipelines;
pub mod queries;
pub mod settings;
pub mod setup;
pub mod sources;
pub mod uploads;
pub mod users;
pub mod views;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

pub use crate::broker::{JobState, Notice};
use crate::ports::Ports;
pub use error::Failure;

/// Deployment settings the use cases need; made from the configuration by `appliance/wiring/`.
#[derive(Debug, Clone)]
pub struct Options {
    /// Public base address without a trailing slash.
    pub public_url: String,
    pub data_directory: PathBuf,
    /// Accepted file formats in lower case; `None` = all.
    pub formats: Option<Vec<String>>,
    pub max_upload_bytes: u64,
    /// Values carried by fewer subjects are not listed (specification §6.5).
    pub minimum_value_count: u64,
    /// Of one range answer (specification §8.6).
    pub epsilon: f64,
    /// Budget one fresh range answer costs.
    pub range_cost: i64,
    pub source_limit: Duration,
    pub query_retention: Duration,
    pub raw_retention: Duration,
    /// Redirect addresses front ends may sign in with.
    pub redirect_urls: Vec<String>,
    /// Whether other installations may be met although our own address is a loopback one; for test rigs.
    pub allow_loopback: bool,
    /// Whether the three words of a request must be given to approve it (specification §9.4).
    pub require_challenge: bool,
    /// Bits of a node's key: 4096 (specification §9.1). Fewer in tests alone, where keys are thrown away.
    pub node_key_bits: usize,
    /// Queries are answered; what they are answered from does not change (design: Compatibility).
    pub read_only: bool,
    /// Conveniences that are unsafe with real patients.
    pub development: bool,
    /// Whether V2 installations are registered here (specification §12).
    pub nexus: bool,
    /// Open event streams one caller may hold.
    pub event_streams: usize,
    /// Largest body of a request that is no upload, in bytes.
    pub body_limit: usize,
    /// What pages of other origins may do.
    pub cors: Cors,
    /// `None` = metrics are switched off.
    pub metrics: Option<metrics::Exported>,
}

/// Cross-origin permissions, as the headers say them.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    /// Allowed origins; `*` allows all.
    pub origins: Vec<String>,
    /// Allowed methods, comma-separated.
    pub methods: String,
    /// Allowed request headers, comma-separated.
    pub headers: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            public_url: String::new(),
            data_directory: PathBuf::new(),
            formats: None,
            max_upload_bytes: 20 << 30,
            minimum_value_count: 3,
            epsilon: 0.15,
            range_cost: 5,
            source_limit: Duration::from_secs(60),
            query_retention: Duration::from_secs(30 * 86_400),
            raw_retention: Duration::from_secs(7 * 86_400),
            redirect_urls: Vec::new(),
            allow_loopback: false,
            require_challenge: true,
            node_key_bits: 4096,
            read_only: false,
            development: false,
            nexus: false,
            event_streams: 5,
            body_limit: 2 << 20,
            cors: Cors::default(),
            metrics: None,
        }
    }
}

/// The settings in force, replaced as a whole when the configuration is read again; cheap to clone.
#[derive(Debug, Clone)]
pub struct Live(Arc<ArcSwap<Options>>);

impl Live {
    /// Starts with these.
    pub fn new(options: Options) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(options)))
    }

    /// The settings at this moment.
    pub fn now(&self) -> Arc<Options> {
        self.0.load_full()
    }
}

/// Every use case of the installation; cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    pub access_requests: access_requests::AccessRequests,
    pub auth: auth::Auth,
    pub beacon: beacon::Beacon,
    pub dashboard: dashboard::Dashboard,
    pub datafiles: datafiles::DataFiles,
    pub groups: groups::Groups,
    pub indices: indices::Indices,
    pub ingest: ingest::Ingest,
    pub integrity: integrity::Integrity,
    pub logs: logs::Logs,
    pub mail: mail::Mail,
    pub metasources: metasources::MetaSources,
    pub metrics: metrics::Metrics,
    pub networks: networks::Networks,
    pub nexus: nexus::Nexus,
    pub pipelines: pipelines::Pipelines,
    pub queries: queries::Queries,
    pub settings: settings::Settings,
    pub setup: setup::Setup,
    pub sources: sources::Sources,
    pub uploads: uploads::Uploads,
    pub users: users::Users,
    ports: Ports,
    options: Live,
}

impl Services {
    /// Lays the use cases over open ports.
    pub fn new(ports: Ports, options: Options) -> Self {
        let options = Live::new(options);
        let views = views::Views::new(ports.clone());
        let settings = settings::Settings::new(ports.clone(), options.clone());
        let indices = indices::Indices::new(ports.clone(), options.clone(), views.clone());
        let sources = sources::Sources::new(ports.clone(), indices.clone());
        let commit = commit::Committer::new(ports.clone(), indices.clone());
        let metrics = metrics::Metrics::new(ports.clone(), options.clone(), views.clone());
        let queries = queries::Queries::new(ports.clone(), options.clone(), views.clone(), metrics.clone());
        let users = users::Users::new(ports.clone(), settings.clone(), queries.clone());
        let networks =
            networks::Networks::new(ports.clone(), options.clone(), settings.clone(), indices.clone());
        Self {
            access_requests: access_requests::AccessRequests::new(ports.clone(), users.clone()),
            auth: auth::Auth::new(ports.clone(), options.clone(), settings.clone()),
            beacon: beacon::Beacon::new(ports.clone(), options.clone(), settings.clone()),
            dashboard: dashboard::Dashboard::new(ports.clone()),
            datafiles: datafiles::DataFiles::new(ports.clone()),
            groups: groups::Groups::new(ports.clone(), indices.clone()),
            ingest: ingest::Ingest::new(ports.clone(), options.clone(), commit),
            integrity: integrity::Integrity::new(
                ports.clone(),
                settings.clone(),
                sources.clone(),
                networks.clone(),
            ),
            logs: logs::Logs::new(ports.clone()),
            mail: mail::Mail::new(ports.clone(), settings.clone(), options.clone()),
            metasources: metasources::MetaSources::new(ports.clone()),
            metrics,
            networks,
            nexus: nexus::Nexus::new(ports.clone(), options.clone()),
            pipelines: pipelines::Pipelines::new(ports.clone()),
            queries,
            setup: setup::Setup::new(ports.clone(), options.clone()),
            sources,
            uploads: uploads::Uploads::new(ports.clone(), options.clone()),
            users,
            settings,
            indices,
            ports,
            options,
        }
    }

    /// Deployment settings, for the edges' own pages.
    pub fn options(&self) -> Arc<Options> {
        self.options.now()
    }

    /// Puts other settings in force, in every use case and at every edge of this process.
    pub fn reload(&self, options: Options) {
        self.options.0.store(Arc::new(options));
        self.settings.forget();
    }

    /// Checks every outside system; the name of each with its complaint, if any.
    pub async fn health(&self) -> Vec<(&'static str, Result<(), String>)> {
        let ports = &self.ports;
        let (store, broker, secrets, identity) = tokio::join!(
            ports.store.ping(),
            ports.broker.ping(),
            ports.secrets.ping(),
            ports.identity.ping()
        );
        vec![
            ("store", store.map_err(|e| e.to_string())),
            ("broker", broker.map_err(|e| e.to_string())),
            ("secrets", secrets.map_err(|e| e.to_string())),
            ("identity", identity.map_err(|e| e.to_string())),
        ]
    }

    /// The term release in memory and what it lacks, in words.
    pub fn terms(&self) -> (String, Vec<String>) {
        (self.ports.terms.release(), self.ports.terms.notices())
    }

    /// The built-in issuer, where that is what signs people in.
    pub fn identity(&self) -> Arc<dyn crate::identity::Identity> {
        self.ports.identity.clone()
    }

    /// Where the worker loop takes its jobs.
    pub fn broker(&self) -> Arc<dyn crate::broker::Broker> {
        self.ports.broker.clone()
    }
}
