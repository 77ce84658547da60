//! Start, supervise, reload, drain, stop: soft cancellation first, hard after the graceful time.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Again;
use super::applet::Service;
use super::listeners::{self, Activated, Addresses, Over, REDIRECT};
use super::tls::{self, Certificate};
use super::wiring::Wired;
use super::{first, notify, process, services};
use crate::config::Loaded;
use crate::http::headers::Transport;
use crate::http::{front, redirect};

/// A task that ends this often within a minute brings the process down (design: data never half there).
const MOST_RESTARTS: usize = 5;

/// The two ways to be told to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Take nothing new.
    pub soft: CancellationToken,
    /// Finish now.
    pub hard: CancellationToken,
}

/// How often a process tells what it counted.
const TELL: Duration = Duration::from_secs(5);

/// Runs services until a signal; `single` = one service, no front door.
pub async fn run(
    loaded: Arc<Loaded>,
    again: Again,
    wired: Wired,
    chosen: Vec<Service>,
    single: bool,
) -> anyhow::Result<()> {
    let stop = Stop::default();
    let tracker = TaskTracker::new();
    let failed = spawn(&loaded, &wired, &chosen, single, &stop, &tracker).await?;
    until_stopped(&loaded, &again, &wired, failed, &stop, &tracker).await
}

/// Waits for a signal (or for a service that cannot be kept up), then drains.
pub async fn until_stopped(
    loaded: &Loaded,
    again: &Again,
    wired: &Wired,
    failed: tokio::sync::mpsc::Receiver<String>,
    stop: &Stop,
    tracker: &TaskTracker,
) -> anyhow::Result<()> {
    notify::ready();
    tracker.spawn(notify::watchdog(stop.soft.clone()));
    tracker.spawn(process::tidy(stop.soft.clone()));
    let outcome = wait(loaded, again, wired, failed).await;
    drain(loaded, stop, tracker).await;
    outcome
}

/// Lets requests and jobs finish within the graceful time.
pub async fn drain(loaded: &Loaded, stop: &Stop, tracker: &TaskTracker) {
    notify::stopping();
    stop.soft.cancel();
    tracker.close();
    if tokio::time::timeout(loaded.graceful, tracker.wait()).await.is_err() {
        tracing::warn!(seconds = loaded.graceful.as_secs(), "not everything finished in time; stopping it");
        stop.hard.cancel();
        // Jobs notice at their next row; what does not end now is taken up at the next start.
        let _ended = tokio::time::timeout(Duration::from_secs(5), tracker.wait()).await;
    }
    listeners::forget(&loaded.data_directory.join("run"));
    tracing::info!("stopped");
}

/// Binds every socket, then spawns every service; answers what resolves when a service is beyond help.
pub async fn spawn(
    loaded: &Arc<Loaded>,
    wired: &Wired,
    chosen: &[Service],
    single: bool,
    stop: &Stop,
    tracker: &TaskTracker,
) -> anyhow::Result<tokio::sync::mpsc::Receiver<String>> {
    let (report, failed) = tokio::sync::mpsc::channel(1);
    let addresses = Addresses::default();
    let activated = Activated::from_environment()?;
    let sockets = (&activated, &addresses);
    let proxies = loaded.config.appliance.trusted_proxies.clone();
    let trusted: front::Trusted = Arc::new(move |ip| proxies.iter().any(|network| network.contains(ip)));
    for pid in listeners::dead(&loaded.data_directory.join("run")) {
        crate::worker::release_of(&wired.services, pid).await?;
    }
    let appliance = &loaded.config.appliance;
    let certificate = match &appliance.tls {
        Some(tls) => Some(Certificate::open(&loaded.resolve(&tls.certificate), &loaded.resolve(&tls.key))?),
        None => None,
    };
    let public = super::wiring::public_url(loaded).starts_with("https://");
    let transport = Transport::new(appliance.hsts.duration().as_secs(), public);
    let around = front::Around { draining: stop.soft.clone(), trusted, transport };
    let mut serving: Vec<Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>> = Vec::new();
    for service in chosen {
        let Some(offset) = service.port_offset() else { continue };
        // What has no place behind the front door has its own port always.
        if !single && !appliance.service_ports && service.prefix().is_some() {
            continue;
        }
        let Some(root) = services::root(*service, wired) else { continue };
        let address = with_offset(loaded.bind, offset)?;
        let root = front::with_context(root, around.clone());
        let timing = (stop.soft.clone(), loaded.graceful);
        let task = listeners::serve(service.name(), address, Over::Plain, root, sockets, timing).await?;
        serving.push(Box::pin(task));
    }
    if !single {
        let first = services::first_setup(loaded, wired);
        let root = services::front_door(loaded, wired, chosen, first.clone());
        let root = front::with_context(root, around);
        if let Some(issuer) = &wired.issuer {
            issuer.prepare();
        }
        let timing = (stop.soft.clone(), loaded.graceful);
        let over = certificate.clone().map_or(Over::Plain, Over::Tls);
        let task = listeners::serve("front", appliance.listen.0, over, root, sockets, timing.clone()).await?;
        serving.push(Box::pin(task));
        if let Some(address) = appliance.redirect_http {
            let root = redirect::routes(appliance.public_url.origin());
            let task = listeners::serve(REDIRECT, address.0, Over::Brief, root, sockets, timing).await?;
            serving.push(Box::pin(task));
        }
        // Only here: a process without the page would overwrite the code of the one that has it.
        first.open().await?;
    }
    let served: Vec<_> = addresses.names();
    for name in activated.unused(&served) {
        tracing::warn!(
            name,
            "the service manager handed over a socket of this name, which nothing here serves; name it front or after a service"
        );
    }
    addresses.write(&loaded.data_directory.join("run"))?;
    for task in serving {
        let report = report.clone();
        tracker.spawn(async move {
            if let Err(error) = task.await {
                // The receiver is gone only when the process is stopping already.
                let _ignored = report.send(format!("{error:#}")).await;
            }
        });
    }
    for service in chosen.iter().filter(|s| s.port_offset().is_none()) {
        tracker.spawn(supervise(*service, loaded.clone(), wired.clone(), stop.clone(), report.clone()));
    }
    if let Some(certificate) = certificate {
        let (services, clock) = (wired.services.clone(), wired.clock.clone());
        tracker.spawn(tls::watch::watch(certificate, services, clock, stop.soft.clone()));
    }
    if chosen.contains(&Service::DatabaseManager) && !appliance.read_only {
        let (loaded, wired, stop) = (loaded.clone(), wired.clone(), stop.soft.clone());
        tracker.spawn(async move { first::administrator(&loaded, &wired, stop).await });
    }
    tracker.spawn(tell_counts(wired.clone(), stop.soft.clone()));
    tracker.spawn(forget_settings(wired.clone(), stop.soft.clone()));
    Ok(failed)
}

/// Restarts a worker that ends, with back-off, until it ended too often.
async fn supervise(
    service: Service,
    loaded: Arc<Loaded>,
    wired: Wired,
    stop: Stop,
    report: tokio::sync::mpsc::Sender<String>,
) {
    let mut ends: VecDeque<Instant> = VecDeque::new();
    loop {
        let tokens = (stop.soft.clone(), stop.hard.clone());
        let (loaded, wired) = (loaded.clone(), wired.clone());
        let task = tokio::spawn(async move { services::work(service, &loaded, &wired, tokens).await });
        let ended = task.await;
        if stop.soft.is_cancelled() {
            return;
        }
        if let Err(error) = ended {
            tracing::error!(service = service.name(), %error, "service ended");
        }
        ends.push_back(Instant::now());
        ends.retain(|at| at.elapsed() < Duration::from_secs(60));
        if ends.len() >= MOST_RESTARTS {
            // The receiver is gone only when the process is stopping already.
            let _ignored =
                report.send(format!("{} ended {MOST_RESTARTS} times in a minute", service.name())).await;
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100 << ends.len())) => {}
            () = stop.soft.cancelled() => return,
        }
    }
}

fn with_offset(base: SocketAddr, offset: u16) -> anyhow::Result<SocketAddr> {
    if base.port() == 0 {
        return Ok(base);
    }
    let Some(port) = base.port().checked_add(offset) else {
        bail!("CV3_BIND: port {} leaves no room for the services' ports above it", base.port());
    };
    Ok(SocketAddr::new(base.ip(), port))
}

/// Tells the other processes what this one counted, now and then and at its end.
async fn tell_counts(wired: Wired, stop: CancellationToken) {
    loop {
        let ending = tokio::select! {
            () = tokio::time::sleep(TELL) => false,
            () = stop.cancelled() => true,
        };
        if let Err(error) = wired.services.metrics.flush().await {
            tracing::debug!(%error, "figures are told later");
        }
        if ending {
            return;
        }
    }
}

/// Drops cached settings when another process changed them.
async fn forget_settings(wired: Wired, stop: CancellationToken) {
    let mut notices = wired.services.broker().subscribe();
    loop {
        tokio::select! {
            notice = notices.recv() => match notice {
                Ok(notice) if notice.topic == "settings" => wired.services.settings.forget(),
                Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            },
            () = stop.cancelled() => return,
        }
    }
}

/// Puts the configuration as it is now in force; one that cannot be used changes nothing (specification §3.1).
fn reload(loaded: &Loaded, again: &Again, wired: &Wired) {
    match again() {
        Ok(new) => {
            for path in crate::config::restart_needed(loaded, &new) {
                tracing::warn!(%path, "this setting takes effect at the next start");
            }
            // The issuer and the workers took these at the start; half a process must not have others.
            let old = wired.services.options();
            let options = crate::service::Options {
                public_url: old.public_url.clone(),
                redirect_urls: old.redirect_urls.clone(),
                read_only: old.read_only,
                ..super::wiring::options(&new)
            };
            for warning in crate::config::without_effect(&new.config) {
                tracing::warn!("{warning}");
            }
            wired.services.reload(options);
            wired.change_mail(&new);
            wired.change_secrets(&new);
            tracing::info!("configuration read again");
        }
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                "the configuration cannot be used; the old values stay"
            );
        }
    }
}

/// Waits for a signal, or for a service that cannot be kept up.
async fn wait(
    loaded: &Loaded,
    again: &Again,
    wired: &Wired,
    mut failed: tokio::sync::mpsc::Receiver<String>,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
    let mut hangup = signal(SignalKind::hangup()).context("signals")?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => {
                reload(loaded, again, wired);
            }
            Some(reason) = failed.recv() => bail!(reason),
        }
    }
}
