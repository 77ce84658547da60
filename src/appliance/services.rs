//! Each service of the table as its root endpoint or its worker loop.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt, Response, Route, get};
use tokio_util::sync::CancellationToken;

use super::applet::Service;
use super::wiring::Wired;
use crate::broker::Queue;
use crate::config::Loaded;
use crate::config::values::WebUrl;
use crate::http::exporter::Exporter;
use crate::http::front_ends::{FrontEnd, Policy};
use crate::http::layers::{Edge, Wrapped};
use crate::http::setup::Setup as SetupPages;
use crate::http::unbuilt::Unbuilt;
use crate::http::{Root, admin, docs, front, query, setup, shared};
use crate::worker::{self, Run};

/// Time a request may take, event streams and uploads excepted.
const REQUEST_TIME: Duration = Duration::from_secs(60);

/// The root of a service that listens; `None` for workers.
pub fn root(service: Service, wired: &Wired) -> Option<Root> {
    let services = &wired.services;
    let edge = |needs_setup| Edge { service: service.name(), time_limit: REQUEST_TIME, needs_setup };
    let health = |route: Route| {
        route.at("/healthz", get(front::healthz())).at("/readyz", get(front::readyz(services.clone())))
    };
    let root = match service {
        Service::Admin => {
            let routes = health(
                Route::new()
                    .nest("/", admin::api(services))
                    .at("/graphql", admin::graphql::GraphQl::new(services.clone()))
                    .nest("/docs", docs::routes(services, Some("admin"))),
            );
            Wrapped::new(routes, edge(true), services.clone()).boxed()
        }
        Service::Query => {
            let routes = health(query::without_entries(query::without_shared(
                Route::new()
                    .nest("/", query::api(services))
                    .nest("/docs", docs::routes(services, Some("query"))),
            )));
            Wrapped::new(routes, edge(true), services.clone()).boxed()
        }
        Service::Exporter => {
            let routes = health(Route::new().nest_no_strip("/", Exporter(services.clone())));
            Wrapped::new(routes, edge(false), services.clone()).boxed()
        }
        Service::Network | Service::Nexus | Service::Terms | Service::Performance => {
            let routes = health(Route::new().nest("/", Unbuilt(service.name())));
            Wrapped::new(routes, edge(false), services.clone()).boxed()
        }
        Service::DatabaseManager | Service::QueryCompiler | Service::QueryMeta | Service::Scheduler => {
            return None;
        }
    };
    Some(root)
}

/// The first set-up, made once per process: the code it announces is the one its page accepts.
pub fn first_setup(loaded: &Loaded, wired: &Wired) -> Arc<SetupPages> {
    Arc::new(SetupPages::new(
        Arc::new(wired.services.setup.clone()),
        wired.clock.clone(),
        wired.random.clone(),
        &loaded.data_directory,
    ))
}

/// The front door's own pages: the issuer's and the first set-up.
pub fn pages(
    loaded: &Loaded,
    wired: &Wired,
    first: Arc<SetupPages>,
) -> Vec<(&'static str, BoxEndpoint<'static, Response>)> {
    let secure = super::wiring::public_url(loaded).starts_with("https://");
    let mut pages = vec![("/setup", setup::routes(first, wired.random.clone(), secure))];
    if let Some(issuer) = &wired.issuer {
        pages.push(("/realms", shared::issuer::routes(issuer.clone(), wired.random.clone(), front::client)));
    }
    pages
}

/// The front ends whose folders are configured, by path.
pub fn front_ends(loaded: &Loaded, wired: &Wired) -> Vec<(&'static str, FrontEnd)> {
    let configured = &loaded.config.appliance.front_ends;
    let issuer = wired.services.auth.issuer().url;
    let origins = [super::wiring::public_url(loaded), issuer].map(|url| WebUrl::from(url.as_str()).origin());
    let policy = Policy::new(&configured.content_security_policy, &origins);
    let served = configured.folders();
    served.map(|(_, at, folder)| (at, FrontEnd::new(at, &loaded.resolve(folder), policy.clone()))).collect()
}

/// Keys of configured front ends that cannot be served, each with the reason.
pub fn lacking_front_ends(loaded: &Loaded) -> Vec<(&'static str, String)> {
    let folders = loaded.config.appliance.front_ends.folders();
    folders.filter_map(|(key, _, folder)| Some((key, FrontEnd::lacks(&loaded.resolve(folder))?))).collect()
}

/// Everything the front door serves for these services.
pub fn front_door(loaded: &Loaded, wired: &Wired, chosen: &[Service], first: Arc<SetupPages>) -> Root {
    let served = chosen.iter().filter_map(|service| Some((service.prefix()?, root(*service, wired)?)));
    let mounted: front::Mounted = served.collect();
    let pages = pages(loaded, wired, first);
    let here = |prefix: &&str| {
        mounted.iter().any(|(it, _)| it == prefix) || pages.iter().any(|(it, _)| it == prefix)
    };
    let prefixes = Service::ALL.iter().filter_map(|service| service.prefix()).chain(["/realms"]);
    let absent = prefixes.filter(|prefix| !here(prefix)).collect();
    let front_ends = front_ends(loaded, wired);
    front::routes(&wired.services, front::Served { mounted, pages, front_ends, absent })
}

/// A worker that runs beside a tool for as long as the tool needs it.
#[derive(Debug)]
pub struct Beside {
    soft: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Beside {
    /// Starts working on the queue of a service, one job at a time.
    pub fn start(service: Service, wired: &Wired) -> Self {
        let soft = CancellationToken::new();
        let (queue, run): (Queue, Run) = match service {
            Service::QueryCompiler => (Queue::QueryCompiler, worker::query_compiler::run),
            _ => (Queue::DatabaseManager, worker::database_manager::run),
        };
        let work =
            worker::work(wired.services.clone(), queue, run, 1, soft.clone(), CancellationToken::new());
        Self { soft, task: tokio::spawn(work) }
    }

    /// Takes nothing new and waits for the job under way.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.soft.cancel();
        Ok(self.task.await?)
    }
}

/// Runs a worker until cancelled; returns at once for services that listen.
pub async fn work(
    service: Service,
    loaded: &Loaded,
    wired: &Wired,
    (soft, hard): (CancellationToken, CancellationToken),
) {
    let changes = matches!(service, Service::DatabaseManager | Service::Scheduler);
    if changes && loaded.config.appliance.read_only {
        return soft.cancelled().await;
    }
    let workers = &loaded.config.appliance.workers;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let width = |set: Option<u32>| {
        set.and_then(NonZeroU32::new).and_then(|n| usize::try_from(n.get()).ok()).unwrap_or(cores)
    };
    let (queue, run, width): (Queue, Run, usize) = match service {
        Service::DatabaseManager => {
            (Queue::DatabaseManager, worker::database_manager::run, width(workers.database_manager))
        }
        // Queries wait for the store more than they compute; the cores are bounded where they are used.
        Service::QueryCompiler => {
            (Queue::QueryCompiler, worker::query_compiler::run, width(workers.query_compiler) * 8)
        }
        Service::Scheduler => {
            let timetable = worker::scheduler::schedule(wired.services.clone(), soft.clone());
            let watch = worker::watch::watch(wired.services.clone(), soft.clone());
            tokio::join!(timetable, watch, worker::mail::deliver(wired.services.clone(), soft));
            return;
        }
        // Meta queries are not part of this release; the service waits so that units and tables stay the same.
        Service::QueryMeta => return soft.cancelled().await,
        _ => return,
    };
    worker::work(wired.services.clone(), queue, run, width, soft, hard).await;
}
