//! Deployment settings for the use cases and edges.

use std::net::SocketAddr;

use sha2::{Digest, Sha256};

use crate::appliance::applet::Service;
use crate::config::metrics::Prometheus;
use crate::config::values::WebUrl;
use crate::config::{Loaded, Mode};
use crate::service::metrics::Exported;
use crate::service::{Cors, Options};

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
        require_challenge: appliance.federation.require_challenge,
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
