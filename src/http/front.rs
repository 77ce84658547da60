//! The front door: all services under one address, with their prefixes stripped, the issuer, pages, front
//! ends and health.

use std::sync::Arc;

use poem::endpoint::{BoxEndpoint, make};
use poem::http::StatusCode;
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Route, get};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::front_ends::FrontEnd;
use super::headers::Transport;
use super::layers::client_address;
use super::{Root, docs, error};
use crate::service::Services;

/// Cancelled when the process begins to drain; put on every request so that long answers can end by themselves.
#[derive(Debug, Clone)]
pub struct Draining(pub CancellationToken);

/// Where a request comes from, forwarded headers considered; put on every request.
#[derive(Debug, Clone, Copy)]
pub struct Client(pub Option<std::net::IpAddr>);

/// The client's address for limits and delays.
pub fn client(request: &Request) -> Option<std::net::IpAddr> {
    request.extensions().get::<Client>().and_then(|client| client.0)
}

/// Whether an address is that of a proxy whose forwarded headers are believed.
pub type Trusted = Arc<dyn Fn(std::net::IpAddr) -> bool + Send + Sync>;

/// The services behind the door, by path prefix.
pub type Mounted = Vec<(&'static str, Root)>;

/// Alive: the process answers.
pub fn healthz() -> impl Endpoint {
    make(|_| async { poem::web::Json(json!({"status": "alive"})) })
}

/// Ready: every outside system answers, and what does not.
pub fn readyz(services: Services) -> impl Endpoint {
    make(move |_| {
        let services = services.clone();
        async move {
            let health = services.health().await;
            let ok = health.iter().all(|(_, result)| result.is_ok());
            let parts: serde_json::Map<String, serde_json::Value> = health
                .into_iter()
                .map(|(name, result)| (name.to_owned(), result.map_or_else(|e| json!(e), |()| json!("ok"))))
                .collect();
            let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            let mut body = json!({"status": if ok { "ready" } else { "not ready" }, "parts": parts});
            if let Some(fields) = body.as_object_mut().filter(|_| services.options().read_only) {
                fields.insert("readOnly".into(), true.into());
            }
            poem::web::Json(body).with_status(status)
        }
    })
}

/// What the front door serves beside what is always there.
pub struct Served {
    pub mounted: Mounted,
    /// Pages of our own, by path.
    pub pages: Vec<(&'static str, BoxEndpoint<'static, Response>)>,
    pub front_ends: Vec<(&'static str, FrontEnd)>,
    /// Prefixes of what does not run here: they are nobody's, so that no front end answers in its place.
    pub absent: Vec<&'static str>,
}

/// Everything the front door serves.
pub fn routes(services: &Services, served: Served) -> Root {
    let mut routes = Route::new()
        .at("/healthz", get(healthz()))
        .at("/readyz", get(readyz(services.clone())))
        .nest("/docs", docs::routes(services, None));
    if !served.front_ends.iter().any(|(path, _)| *path == "/") {
        routes = routes.at("/", get(make(|_| async { docs::pointer() })));
    }
    for (prefix, root) in served.mounted {
        routes = routes.nest(prefix, root);
    }
    for (prefix, page) in served.pages {
        routes = routes.nest_no_strip(prefix, page);
    }
    for (path, front_end) in served.front_ends {
        routes = routes.nest(path, front_end);
    }
    for prefix in served.absent {
        let nothing = |_| async { error::plain(StatusCode::NOT_FOUND, "there is nothing at this address") };
        routes = routes.nest(prefix, make(nothing));
    }
    routes.catch_all_error(error::render).map_to_response().boxed()
}

/// What every request and answer of a listener gets.
#[derive(Clone)]
pub struct Around {
    pub draining: CancellationToken,
    pub trusted: Trusted,
    pub transport: Transport,
}

/// Puts on every request what it cannot know itself, who sent it (through which trusted proxies) and when to end, and on
/// every answer what it does not say itself.
pub fn with_context(root: Root, around: Around) -> Root {
    let root = Arc::new(root);
    make(move |mut request: Request| {
        let (root, around) = (root.clone(), around.clone());
        async move {
            let peer = request.remote_addr().as_socket_addr().map(std::net::SocketAddr::ip);
            let forwarded: Vec<String> = request
                .headers()
                .get_all("x-forwarded-for")
                .iter()
                .filter_map(|value| value.to_str().ok().map(str::to_owned))
                .collect();
            let hops: Vec<&str> = forwarded.iter().map(String::as_str).collect();
            let client = client_address(peer, &hops, |ip| (around.trusted)(ip));
            let protection = around.transport.of(&request, &around.trusted);
            request.extensions_mut().insert(Client(client));
            request.extensions_mut().insert(Draining(around.draining));
            let mut response = match root.call(request).await {
                Ok(response) => response.into_response(),
                Err(failure) => error::render(failure).await,
            };
            protection.put(response.headers_mut());
            Ok::<Response, poem::Error>(response)
        }
    })
    .map_to_response()
    .boxed()
}
