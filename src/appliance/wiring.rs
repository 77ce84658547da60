//! Configuration to open ports: the only file that names concrete adapters; it refuses what cannot work.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use super::applet::Service;
use crate::blobs::files::FileBlobs;
use crate::broker::Broker;
use crate::broker::sqlite::SqliteBroker;
use crate::config::email::Email;
use crate::config::metrics::Prometheus;
use crate::config::values::{SmtpTls, Validation, WebUrl, is_loopback_host};
use crate::config::{Loaded, Mode};
use crate::domain::clock::{Clock, Random, SystemClock, SystemRandom};
use crate::identity::Identity;
use crate::identity::builtin::{Issuer, IssuerSettings};
use crate::identity::keycloak::{self, Keycloak};
use crate::mail::Mail;
use crate::mail::log::LogMail;
use crate::mail::nowhere::Nowhere;
use crate::mail::smtp::{Smtp, SmtpSettings, Tls};
use crate::outbound::Outbound;
use crate::peers::absent::NoPeers;
use crate::ports::Ports;
use crate::secrets::Secrets;
use crate::secrets::local::{LocalSecrets, MasterKey, Passphrase};
use crate::service::metrics::Exported;
use crate::service::{Cors, Options, Services};
use crate::store::Store;
use crate::store::sqlite::SqliteStore;
use crate::terms::{TermFile, Terms};

/// The client id of the built-in issuer.
const CLIENT: &str = "cafevariome";

/// Its realm.
const REALM: &str = "cafe_variome";

/// What the installation is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Services that listen or work.
    Serve,
    /// A tool that looks or changes something and ends.
    Tool,
}

/// An opened installation.
#[derive(Debug, Clone)]
pub struct Wired {
    pub services: Services,
    /// The built-in issuer, where that is what signs people in.
    pub issuer: Option<Issuer>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// The loaded terms, for tools that look into them.
    pub terms: Arc<TermFile>,
    /// The mail server, where there is one.
    smtp: Option<Arc<Smtp>>,
}

impl Wired {
    /// Takes up what a changed configuration says of the mail server; one that comes or goes waits for the next start.
    pub fn change_mail(&self, loaded: &Loaded) {
        if let (Some(smtp), Some(email)) = (&self.smtp, &loaded.config.email) {
            smtp.change(smtp_settings(email));
        }
    }
}

/// Opens every port as configured.
pub async fn open(loaded: &Loaded, purpose: Purpose) -> anyhow::Result<Wired> {
    refuse_unbuilt(loaded)?;
    let data = loaded.data_directory.clone();
    private_folder(&data)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let file = loaded.config.appliance.terms.file.as_ref().map(|f| loaded.resolve(f));
    let master = master_key(loaded, &data);
    let (opening, timekeeper) = (data.clone(), clock.clone());
    let (store, broker, blobs, secrets, terms) = tokio::task::spawn_blocking(move || {
        let terms = match &file {
            Some(file) => {
                Arc::new(TermFile::open(file).with_context(|| format!("the term file {}", file.display()))?)
            }
            None => TermFile::embedded().context("the built-in terms")?,
        };
        let store = SqliteStore::open(&opening.join("store.db")).context("the data store")?;
        let broker = SqliteBroker::open(&opening.join("jobs.db"), &opening.join("run"), timekeeper)
            .context("the job broker")?;
        let blobs = FileBlobs::open(&opening.join("blobs")).context("the file store")?;
        let secrets =
            LocalSecrets::open(&opening.join("secrets").join("keystore"), master).context("the keystore")?;
        anyhow::Ok((store, broker, blobs, secrets, terms))
    })
    .await??;
    if purpose == Purpose::Serve && loaded.config.appliance.secrets.key_file.is_none() {
        tracing::warn!(
            "the key of the keystore lies beside it: a stolen disk is not protected; see Appliance.Secrets.KeyFile"
        );
    }
    let store: Arc<dyn Store> = Arc::new(store);
    let secrets: Arc<dyn Secrets> = Arc::new(secrets);
    let options = options(loaded);
    let broker: Arc<dyn Broker> = Arc::new(broker);
    let issuer = loaded.config.keycloak.is_none().then(|| {
        let settings = IssuerSettings {
            base_url: options.public_url.clone(),
            realm: REALM.into(),
            client_id: CLIENT.into(),
            redirect_urls: options.redirect_urls.clone(),
        };
        Issuer::new(store.clone(), secrets.clone(), clock.clone(), random.clone(), settings)
    });
    let identity: Arc<dyn Identity> = match &issuer {
        Some(issuer) => Arc::new(issuer.clone()),
        None => {
            let doors = keycloak::Doors {
                http: outbound(loaded)?,
                store: store.clone(),
                broker: broker.clone(),
                secrets: secrets.clone(),
                clock: clock.clone(),
                random: random.clone(),
            };
            Arc::new(Keycloak::new(doors, provider(loaded)))
        }
    };
    let smtp = loaded.config.email.as_ref().map(|email| Arc::new(Smtp::new(smtp_settings(email))));
    let mail: Arc<dyn Mail> = match &smtp {
        Some(smtp) => smtp.clone(),
        None if loaded.mode == Mode::Development => Arc::new(LogMail),
        None => Arc::new(Nowhere),
    };
    let ports = Ports {
        store,
        blobs: Arc::new(blobs),
        broker,
        secrets,
        identity,
        peers: Arc::new(NoPeers),
        mail,
        terms: terms.clone() as Arc<dyn Terms>,
        clock: clock.clone(),
        random: random.clone(),
    };
    Ok(Wired { services: Services::new(ports, options), issuer, clock, random, terms, smtp })
}

/// The client for calls to other servers.
fn outbound(loaded: &Loaded) -> anyhow::Result<Outbound> {
    let file = loaded.config.appliance.outbound.certificate_authorities.as_ref();
    let read = |file: &std::path::PathBuf| {
        let path = loaded.resolve(file);
        std::fs::read(&path).with_context(|| format!("the certificate authorities {}", path.display()))
    };
    Ok(Outbound::new(file.map(read).transpose()?.as_deref())?)
}

/// How the identity provider is known.
fn provider(loaded: &Loaded) -> keycloak::Settings {
    let config = loaded.config.keycloak.clone().unwrap_or_default();
    let kind = match &loaded.config.appliance.issuer {
        Some(issuer) => keycloak::Kind::OpenId { issuer: issuer.expose().to_owned() },
        None => keycloak::Kind::Keycloak {
            url: config.url.base().to_owned(),
            backend_url: config.backend().base().to_owned(),
            realm: config.realm.trim().to_owned(),
        },
    };
    keycloak::Settings {
        kind,
        client_id: config.client.trim().to_owned(),
        client_secret: config.client_secret.map(|secret| secret.expose().trim().to_owned()),
        local: config.validation == Validation::Local,
    }
}

/// Sections whose adapters this release does not have yet; never silently replaced by embedded ones.
fn refuse_unbuilt(loaded: &Loaded) -> anyhow::Result<()> {
    let config = &loaded.config;
    let named = [
        ("MongoDB", config.mongodb.is_some()),
        ("Redis", config.redis.is_some()),
        ("Vault", config.vault.is_some()),
        ("Appliance.PostgreSQL", config.appliance.postgresql.is_some()),
    ];
    let missing: Vec<_> = named.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        bail!(
            "this release works with its embedded parts only; take {} out of the configuration",
            missing.join(", ")
        );
    }
    Ok(())
}

fn private_folder(data: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("the data directory {} cannot be made", data.display()))
}

fn master_key(loaded: &Loaded, data: &Path) -> MasterKey {
    let secrets = &loaded.config.appliance.secrets;
    if let Some(file) = &secrets.key_file {
        return MasterKey::File(loaded.resolve(file));
    }
    if let Some(words) = &secrets.passphrase {
        return MasterKey::Passphrase(Passphrase::from(words.expose().clone()));
    }
    MasterKey::Generated { path: data.join("secrets").join("key") }
}

/// What the section says, with what it leaves to the port and the server (specification §3.1).
fn smtp_settings(email: &Email) -> SmtpSettings {
    let smtp = &email.smtp;
    let loopback = is_loopback_host(&smtp.host);
    let tls = match smtp.tls {
        Some(SmtpTls::None) => Tls::None,
        Some(SmtpTls::Starttls) => Tls::Starttls,
        Some(SmtpTls::Tls) => Tls::Implicit,
        None if smtp.port.get() == 465 => Tls::Implicit,
        None => Tls::Offered,
    };
    let sign_in = &smtp.authentication;
    let sender = email.sender.trim();
    SmtpSettings {
        host: smtp.host.trim().to_owned(),
        port: smtp.port.get(),
        tls,
        from_address: email.from.address.clone(),
        from_name: email.from.name.clone(),
        sender: (!sender.is_empty() && !sender.eq_ignore_ascii_case(&email.from.address))
            .then(|| sender.to_owned()),
        sign_in: sign_in.required.then(|| (sign_in.username.clone(), sign_in.password.expose().clone())),
        loopback,
    }
}

/// The public base address: configured, else the front door's own.
pub fn public_url(loaded: &Loaded) -> String {
    let appliance = &loaded.config.appliance;
    if !appliance.public_url.is_empty() {
        return appliance.public_url.base().to_owned();
    }
    let scheme = if appliance.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", appliance.listen.0)
}

/// Deployment settings for the use cases and edges.
pub fn options(loaded: &Loaded) -> Options {
    let config = &loaded.config;
    let appliance = &config.appliance;
    let public_url = public_url(loaded);
    let public = WebUrl::from(public_url.as_str());
    let mut redirect_urls = config.keycloak.clone().unwrap_or_default().redirects(&public);
    // The documentation pages sign in too where the issuer is ours: at the front door and on the services' own ports.
    let ours = config.keycloak.is_none();
    if ours {
        redirect_urls.push(format!("{public_url}/docs/oauth-receiver.html"));
    }
    for service in [Service::Admin, Service::Query].iter().filter(|_| ours && appliance.service_ports) {
        if let Some(port) = service.port_offset().and_then(|offset| loaded.bind.port().checked_add(offset)) {
            redirect_urls
                .push(format!("http://{}/docs/oauth-receiver.html", SocketAddr::new(loaded.bind.ip(), port)));
        }
    }
    Options {
        public_url,
        data_directory: loaded.data_directory.clone(),
        formats: config.data.valid_file_formats.as_ref().map(|formats| {
            formats.iter().map(|f| f.trim().trim_start_matches('.').to_ascii_lowercase()).collect()
        }),
        max_upload_bytes: appliance.limits.max_upload_bytes.get(),
        minimum_value_count: u64::from(appliance.privacy.minimum_value_count),
        epsilon: appliance.privacy.epsilon,
        range_cost: i64::from(appliance.privacy.range_cost),
        source_limit: appliance.limits.source.duration(),
        query_retention: appliance.retention.queries.duration(),
        raw_retention: appliance.retention.raw.duration(),
        redirect_urls,
        allow_loopback: appliance.federation.allow_loopback,
        read_only: appliance.read_only,
        development: loaded.mode == Mode::Development,
        nexus: config.legacy.nexus_mode.enabled,
        event_streams: appliance.limits.event_streams_per_caller as usize,
        body_limit: usize::try_from(appliance.limits.max_body_bytes.get()).unwrap_or(usize::MAX),
        cors: Cors {
            origins: config.cors.allow_origin.clone(),
            methods: config.cors.methods().join(", "),
            // A page that follows a query's events names the last one it has.
            headers: config
                .cors
                .headers()
                .into_iter()
                .chain(["Last-Event-ID".to_owned()])
                .collect::<Vec<_>>()
                .join(", "),
        },
        metrics: config.exporter().map(exported),
        ..Options::default()
    }
}

fn exported(prometheus: &Prometheus) -> Exported {
    let key = prometheus.key.expose();
    let key = (!key.is_empty()).then(|| Sha256::digest(key).into());
    Exported { route: prometheus.route(), key }
}
