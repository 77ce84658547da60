//! Configuration to open ports: the only folder that names concrete adapters; it refuses what cannot work.
//!
//! A file per port or family of ports, each with one `open`. To add an adapter: a branch in its port's file.

mod broker;
mod identity;
mod mail;
mod options;
mod secrets;
mod store;

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

pub use options::{options, public_url};

use crate::broker::Broker;
use crate::config::Loaded;
use crate::domain::clock::{Clock, Random, SystemClock, SystemRandom};
use crate::identity::builtin::Issuer;
use crate::mail::smtp::Smtp;
use crate::outbound::Outbound;
use crate::peers::absent::NoPeers;
use crate::ports::Ports;
use crate::secrets::Secrets;
use crate::secrets::vault::VaultSecrets;
use crate::service::Services;
use crate::store::Store;
use crate::terms::{TermFile, Terms};

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
    /// Vault, where that keeps the secrets.
    vault: Option<Arc<VaultSecrets>>,
}

/// The ports that other adapters stand on.
struct Doors {
    store: Arc<dyn Store>,
    broker: Arc<dyn Broker>,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// Opens every port as configured.
pub async fn open(loaded: &Loaded, purpose: Purpose) -> anyhow::Result<Wired> {
    private_folder(&loaded.data_directory)?;
    // Addresses in use lie there, whichever broker there is.
    private_folder(&loaded.data_directory.join("run"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let terms = terms(loaded).await?;
    let (secrets, vault) = secrets::open(loaded, purpose).await?;
    let doors = Doors {
        store: store::open(loaded).await?,
        broker: broker::open(loaded, clock.clone(), purpose).await?,
        secrets,
        clock,
        random,
    };
    let options = options(loaded);
    let (identity, issuer) = identity::open(loaded, &doors, &options.public_url, &options.redirect_urls)?;
    let (mail, smtp) = mail::open(loaded)?;
    let Doors { store, broker, secrets, clock, random } = doors;
    let ports = Ports {
        store,
        blobs: store::open_blobs(loaded).await?,
        broker,
        secrets,
        identity,
        peers: Arc::new(NoPeers),
        mail,
        terms: terms.clone() as Arc<dyn Terms>,
        clock: clock.clone(),
        random: random.clone(),
    };
    Ok(Wired { services: Services::new(ports, options), issuer, clock, random, terms, smtp, vault })
}

/// The configured terms, else the built-in ones.
async fn terms(loaded: &Loaded) -> anyhow::Result<Arc<TermFile>> {
    let file = loaded.config.appliance.terms.file.as_ref().map(|file| loaded.resolve(file));
    blocking(move || match &file {
        Some(file) => {
            Ok(Arc::new(TermFile::open(file).with_context(|| format!("the term file {}", file.display()))?))
        }
        None => TermFile::embedded().context("the built-in terms"),
    })
    .await
}

/// Opens what waits for a disk, off the runtime's threads.
async fn blocking<T: Send + 'static>(
    open: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(open).await?
}

/// The client for calls to other servers.
pub fn outbound(loaded: &Loaded) -> anyhow::Result<Outbound> {
    Ok(Outbound::new(authorities(loaded)?.as_deref())?)
}

/// The configured certificate authorities, as PEM.
fn authorities(loaded: &Loaded) -> anyhow::Result<Option<Vec<u8>>> {
    let file = loaded.config.appliance.outbound.certificate_authorities.as_ref();
    let read = |file: &std::path::PathBuf| {
        let path = loaded.resolve(file);
        std::fs::read(&path).with_context(|| format!("the certificate authorities {}", path.display()))
    };
    file.map(read).transpose()
}

fn private_folder(data: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("the data directory {} cannot be made", data.display()))
}
