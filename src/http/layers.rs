//! What every service's requests pass through: id, span, path spelling, limits, CORS, rendering.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use poem::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
use poem::{Endpoint, IntoResponse, Request, Response};
use tracing::Instrument;

use super::body::DoneMark;
use super::error;
use super::unread::Unread;
use crate::domain::access::{Api, methods, route};
use crate::service::{Failure, Services};
use crate::trace::Trace;

/// The header that carries a request's id in both directions.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a form adds to the chunk it carries, in bytes at most.
const FORM: usize = 1 << 16;

/// How the edge treats requests; made from the configuration.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Name for logs.
    pub service: &'static str,
    /// Time a request may take; event streams excepted.
    pub time_limit: Duration,
    /// Whether requests are refused until the first account exists.
    pub needs_setup: bool,
}

/// Wraps a service's routes.
pub struct Wrapped<E> {
    inner: E,
    edge: Arc<Edge>,
    services: Services,
}

impl<E> Wrapped<E> {
    /// Puts the layers around routes.
    pub fn new(inner: E, edge: Edge, services: Services) -> Self {
        Self { inner, edge: Arc::new(edge), services }
    }
}

impl<E: Endpoint> Endpoint for Wrapped<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let id = request_id(&request);
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let origin = request.headers().get(header::ORIGIN).cloned();
        let wants_json = prefers_json(&request);
        respell(&mut request);
        request.extensions_mut().insert(self.services.clone());
        let unread = Unread::watch(&mut request);
        let trace = Trace::read(request.headers()).unwrap_or_else(Trace::begin);
        let span = tracing::info_span!("request", service = self.edge.service, %method, path, id, trace = trace.id());
        let mut response = if method == Method::OPTIONS {
            StatusCode::NO_CONTENT.into_response()
        } else {
            // The first of the two walls a panic stops at (the other is the job): a defect of ours, reported as such.
            let answer = AssertUnwindSafe(self.answer(request)).catch_unwind();
            match trace.over(answer.instrument(span.clone())).await {
                Ok(response) => response,
                Err(_) => {
                    tracing::error!(parent: &span, "a request handler panicked");
                    error::plain(StatusCode::INTERNAL_SERVER_ERROR, format!("internal error (request {id})"))
                }
            }
        };
        if let Some(mark) = response.extensions().get::<DoneMark>().cloned().filter(|_| wants_json) {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response.headers_mut().remove(header::CONTENT_LENGTH);
            response.set_body(mark.0.to_string());
        }
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        if method == Method::OPTIONS || response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().entry(header::ALLOW).or_insert(allowed(self.edge.service, &path));
        }
        let headers = response.headers_mut();
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        self.cors(origin.as_ref(), headers);
        if let Some(unread) = unread {
            unread.settle(&mut response).await;
        }
        let status = response.status().as_u16();
        let (service, took) = (self.edge.service, started.elapsed());
        let known = (known_method(&method), known_route(service, &path));
        self.services.metrics.request(service, known.0, known.1, status, took);
        tracing::info!(target: "access", parent: &span, status, millis = took.as_millis() as u64, "answered");
        Ok(response)
    }
}

impl<E: Endpoint> Wrapped<E> {
    async fn answer(&self, mut request: Request) -> Response {
        let path = request.uri().path().to_owned();
        let open =
            matches!(path.as_str(), "/" | "/healthz" | "/readyz" | "/docs") || path.starts_with("/docs/");
        if self.edge.needs_setup && !open {
            match self.services.setup.complete().await {
                Ok(true) => {}
                Ok(false) => return error::render(Failure::SetupRequired.into()).await,
                Err(failure) => return error::render(failure.into()).await,
            }
        }
        if !open && path != "/config/maintenance" {
            match self.services.settings.maintenance().await {
                Ok(maintenance) => {
                    if let Some(told) = maintenance.told() {
                        return error::maintenance(told);
                    }
                }
                Err(failure) => return error::render(failure.into()).await,
            }
        }
        if self.services.options().read_only && changes(request.method(), &path) {
            return error::plain(StatusCode::SERVICE_UNAVAILABLE, Failure::ReadOnly.to_string());
        }
        // Descriptions are read as one body, like any other request.
        let upload = path.ends_with("/upload") && !path.starts_with("/meta/");
        let options = self.services.options();
        let most = usize::try_from(options.max_upload_bytes).unwrap_or(usize::MAX).saturating_add(FORM);
        let limit = if upload { most } else { options.body_limit };
        if content_length(&request).is_some_and(|length| length > limit as u64) {
            return error::plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is larger than the {limit} bytes accepted here"),
            );
        }
        if !upload
            && content_length(&request).is_none()
            && request.headers().contains_key(header::TRANSFER_ENCODING)
        {
            return error::plain(StatusCode::LENGTH_REQUIRED, "send the body with a Content-Length header");
        }
        let unlimited = upload || path.ends_with("/events");
        // Over HTTP/2 a body needs neither header; extractors would read it whatever its size.
        let unmeasured =
            !upload && content_length(&request).is_none() && request.version() == Version::HTTP_2;
        let answer = async {
            if unmeasured {
                match request.take_body().into_bytes_limit(limit).await {
                    Ok(bytes) => request.set_body(bytes),
                    Err(failure) => return error::render(failure.into()).await,
                }
            }
            match self.inner.call(request).await {
                Ok(response) => response.into_response(),
                Err(failure) => error::render(failure).await,
            }
        };
        if unlimited {
            return answer.await;
        }
        match tokio::time::timeout(self.edge.time_limit, answer).await {
            Ok(response) => response,
            Err(_) => error::plain(StatusCode::GATEWAY_TIMEOUT, "the request took too long"),
        }
    }

    fn cors(&self, origin: Option<&HeaderValue>, headers: &mut poem::http::HeaderMap) {
        let Some(origin) = origin.filter(|o| o.to_str().is_ok()) else { return };
        let options = self.services.options();
        let cors = &options.cors;
        let any = cors.origins.iter().any(|o| o == "*");
        let listed = cors.origins.iter().any(|o| o.as_bytes() == origin.as_bytes());
        if !any && !listed {
            return;
        }
        let allowed = if listed { origin.clone() } else { HeaderValue::from_static("*") };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, &cors.methods),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Location, X-Request-Id"),
        );
    }
}

/// The methods an address has (RFC 9110 §10.2.1), for those who tried another.
fn allowed(service: &str, path: &str) -> HeaderValue {
    let path = canonical(path).unwrap_or_else(|| path.to_owned());
    let api = api(service);
    let methods = api.into_iter().flat_map(|api| methods(api, &path)).chain(["OPTIONS"]);
    HeaderValue::from_str(&methods.collect::<Vec<_>>().join(", "))
        .unwrap_or(HeaderValue::from_static("OPTIONS"))
}

/// The API that a service serves.
fn api(service: &str) -> Option<Api> {
    [Api::Admin, Api::Query].into_iter().find(|api| api.name() == service)
}

/// The address with names for its ids, of a bounded number of them: what callers make up is one.
fn known_route(service: &str, path: &str) -> &'static str {
    let path = canonical(path).unwrap_or_else(|| path.to_owned());
    api(service).and_then(|api| route(api, &path)).unwrap_or("other")
}

/// A method as a label; what callers make up is one.
fn known_method(method: &Method) -> &str {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if KNOWN.contains(method) { method.as_str() } else { "other" }
}

/// A caller's own id if it is short and harmless, else a fresh one.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|v| v.to_str().ok());
    given
        .filter(|id| {
            (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
        .map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned)
}

fn content_length(request: &Request) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether a request may change what is served: all do that are not known to leave it alone. Signing in and asking
/// write the caller's own history and budget only, reports a log; maintenance must be possible whatever else is.
fn changes(method: &Method, path: &str) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    // GraphQL refuses its own changes.
    let asks = *method == Method::POST
        && matches!(path.trim_end_matches('/'), "/record" | "/meta/query" | "/graphql");
    let beside = path.starts_with("/auth/") || path.starts_with("/log/") || path == "/config/maintenance";
    !reads && !asks && !beside
}

/// Whether `Accept` names JSON before HTML, text or anything.
fn prefers_json(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let position = |kind: &str| accept.find(kind);
    match (position("application/json"), position("text/html")) {
        (Some(json), Some(html)) => json < html,
        (Some(_), None) => true,
        _ => false,
    }
}

/// Paths whose last segment the contract spells with a slash behind it.
pub const WITH_SLASH: [&str; 9] =
    ["access-requests", "beacon", "groups", "networks", "pipelines", "sources", "users", "record", "fdp"];

/// Brings every spelling of a path to the one that is routed: no slash behind it, `/source/…` where the contract has
/// it so and `/sources/…` elsewhere (specification §2.4, §7.1).
fn respell(request: &mut Request) {
    let path = request.uri().path();
    let Some(canonical) = canonical(path) else { return };
    let query = request.uri().query().map(|q| format!("?{q}")).unwrap_or_default();
    let mut parts = request.uri().clone().into_parts();
    if let Ok(target) = format!("{canonical}{query}").parse() {
        parts.path_and_query = Some(target);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
}

fn canonical(path: &str) -> Option<String> {
    let trimmed = path.trim_end_matches('/');
    let segments: Vec<&str> = trimmed.split('/').skip(1).collect();
    let respelled = match segments.as_slice() {
        [] => return None,
        ["source"] => "/sources".to_owned(),
        ["source" | "sources", id, last @ ("datafiles" | "ingest" | "remap")] => {
            format!("/source/{id}/{last}")
        }
        ["source", rest @ ..] => format!("/sources/{}", rest.join("/")),
        _ => trimmed.to_owned(),
    };
    (respelled != path).then_some(respelled)
}

/// The address of whoever sent the request, for rate limits; forwarded headers are read only from trusted proxies,
/// right to left, the first untrusted address being the client (design: Addresses).
pub fn client_address(
    peer: Option<IpAddr>,
    forwarded: &[&str],
    trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let peer = peer?;
    if !trusted(peer) {
        return Some(peer);
    }
    let hops = forwarded.iter().flat_map(|value| value.split(',')).map(str::trim);
    for hop in hops.collect::<Vec<_>>().into_iter().rev() {
        match hop.parse::<IpAddr>() {
            Ok(address) if trusted(address) => {}
            Ok(address) => return Some(address),
            Err(_) => return Some(peer),
        }
    }
    Some(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("/sources", None)]
    #[case("/sources/", Some("/sources"))]
    #[case("/source/", Some("/sources"))]
    #[case("/source/7", Some("/sources/7"))]
    #[case("/sources/7/", Some("/sources/7"))]
    #[case("/sources/7/ingest", Some("/source/7/ingest"))]
    #[case("/source/7/ingest", None)]
    #[case("/source/7/upload", Some("/sources/7/upload"))]
    #[case("/record/history/", Some("/record/history"))]
    #[case("/", None)]
    fn both_spellings_reach_the_same_route(#[case] path: &str, #[case] expected: Option<&str>) {
        assert_eq!(canonical(path).as_deref(), expected);
    }

    #[rstest::rstest]
    #[case(Method::GET, "/sources", false)]
    #[case(Method::HEAD, "/anything", false)]
    #[case(Method::POST, "/record/", false)]
    #[case(Method::POST, "/record", false)]
    #[case(Method::POST, "/auth/token", false)]
    #[case(Method::POST, "/graphql", false)]
    #[case(Method::POST, "/sources", true)]
    #[case(Method::DELETE, "/record", true)]
    #[case(Method::POST, "/authors", true)]
    #[case(Method::POST, "/anything/new", true)]
    fn what_is_not_known_to_read_changes(#[case] method: Method, #[case] path: &str, #[case] expected: bool) {
        assert_eq!(changes(&method, path), expected);
    }

    #[rstest::rstest]
    #[case("10.0.0.1", &["1.2.3.4, 10.0.0.2"], "1.2.3.4")]
    #[case("9.9.9.9", &["1.2.3.4"], "9.9.9.9")]
    #[case("10.0.0.1", &["1.2.3.4, forged, 10.0.0.2"], "10.0.0.1")]
    #[case("10.0.0.1", &[], "10.0.0.1")]
    fn forwarded_addresses_are_believed_only_from_trusted_proxies(
        #[case] peer: &str,
        #[case] forwarded: &[&str],
        #[case] expected: &str,
    ) {
        let trusted = |address: IpAddr| address.to_string().starts_with("10.");
        let found = client_address(peer.parse().ok(), forwarded, trusted);
        assert_eq!(found, expected.parse().ok());
    }
}
