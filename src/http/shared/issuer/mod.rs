//! The built-in issuer's addresses, as Keycloak spells them.
//!
//! Lives here: where each endpoint is, methods, realm, CORS; the JSON endpoints (`protocol.rs`), the pages
//! (`sign_in.rs`, `sign_out.rs`).
//! Does not: who may sign in and what tokens say (`identity/builtin`), how pages look (`http/pages`).
//! To add an endpoint: a `Place` with its path and methods, and an arm in `dispatch`.

mod protocol;
mod sign_in;
mod sign_out;

use std::net::IpAddr;
use std::sync::Arc;

use poem::endpoint::{BoxEndpoint, make};
use poem::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Body, EndpointExt, Request, Response, Route};

use self::protocol::{failure, json_response, protocol_error, refusal};
use crate::domain::clock::Random;
use crate::http::pages::form::Fields;
use crate::http::pages::guard::Guard;
use crate::identity::IdentityError;
use crate::identity::builtin::clients::origin_of;
use crate::identity::builtin::{Issuer, Parameters, Session};

const SESSION_COOKIE: &str = "cv3-session";

/// Tells the browser's address, for slowing down guesses; the front door knows which forwarded headers to trust.
pub type ClientAddress = fn(&Request) -> Option<IpAddr>;

/// The address of the connection itself: right where there is no proxy in front.
pub fn peer_address(request: &Request) -> Option<IpAddr> {
    request.remote_addr().as_socket_addr().map(std::net::SocketAddr::ip)
}

impl Parameters for Fields {
    fn get(&self, name: &str) -> Option<&str> {
        Fields::get(self, name)
    }
}

/// Everything under `/realms/…`, full paths included (nest with `nest_no_strip`).
pub fn routes(issuer: Issuer, random: Arc<dyn Random>, address: ClientAddress) -> BoxEndpoint<'static> {
    let origin = origin_of(&issuer.settings().base_url);
    let secure = origin.as_deref().is_some_and(|origin| origin.starts_with("https://"));
    let edge = Arc::new(Edge { guard: Guard::new(random, secure, origin), issuer, address });
    let mut route = Route::new();
    for (path, place) in PLACES {
        let edge = Arc::clone(&edge);
        let endpoint = make(move |request| {
            let edge = Arc::clone(&edge);
            async move { edge.answer(*place, request).await }
        });
        route = route.at(format!("/realms/:realm/{path}"), endpoint);
    }
    route.map_to_response().boxed()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Discovery,
    Certs,
    Token,
    Userinfo,
    Introspect,
    Auth,
    Logout,
}

const PLACES: &[(&str, Place)] = &[
    (".well-known/openid-configuration", Place::Discovery),
    ("protocol/openid-connect/certs", Place::Certs),
    ("protocol/openid-connect/token", Place::Token),
    ("protocol/openid-connect/userinfo", Place::Userinfo),
    ("protocol/openid-connect/token/introspect", Place::Introspect),
    ("protocol/openid-connect/auth", Place::Auth),
    ("protocol/openid-connect/logout", Place::Logout),
];

impl Place {
    fn methods(self) -> &'static [Method] {
        match self {
            Self::Discovery | Self::Certs => &[Method::GET, Method::HEAD],
            Self::Token | Self::Introspect => &[Method::POST],
            Self::Userinfo | Self::Auth | Self::Logout => &[Method::GET, Method::POST],
        }
    }

    /// What front ends call from scripts of their own origin.
    fn is_shared(self) -> bool {
        matches!(self, Self::Discovery | Self::Certs | Self::Token | Self::Userinfo)
    }
}

struct Edge {
    issuer: Issuer,
    guard: Guard,
    address: ClientAddress,
}

impl Edge {
    async fn answer(&self, place: Place, mut request: Request) -> Response {
        if request.raw_path_param("realm") != Some(self.issuer.settings().realm.as_str()) {
            return refusal(StatusCode::NOT_FOUND, "not_found", "there is no such realm");
        }
        let origin = request.header(header::ORIGIN).map(str::to_owned);
        let origin = origin.filter(|origin| place.is_shared() && self.issuer.clients().may_call(origin));
        let response = if place.methods().contains(request.method()) {
            self.dispatch(place, &mut request).await
        } else if request.method() == Method::OPTIONS && place.is_shared() {
            Response::builder().status(StatusCode::NO_CONTENT).body(Body::empty())
        } else {
            refusal(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "this method is not served here")
        };
        if place.is_shared() { with_cors(response, origin.as_deref()) } else { response }
    }

    async fn dispatch(&self, place: Place, request: &mut Request) -> Response {
        match place {
            Place::Discovery => json_response(StatusCode::OK, &self.issuer.discovery()),
            Place::Certs => match self.issuer.key_set().await {
                Ok(keys) => json_response(StatusCode::OK, &keys),
                Err(error) => failure(&error),
            },
            Place::Token => self.token(request).await.unwrap_or_else(|error| protocol_error(&error)),
            Place::Introspect => {
                self.introspect(request).await.unwrap_or_else(|error| protocol_error(&error))
            }
            Place::Userinfo => self.userinfo(request).await,
            Place::Auth => self.auth(request).await,
            Place::Logout => self.logout(request).await,
        }
    }

    async fn session(&self, request: &Request) -> Result<Option<Session>, IdentityError> {
        match self.guard.cookie(request, SESSION_COOKIE) {
            Some(cookie) => self.issuer.session(cookie).await,
            None => Ok(None),
        }
    }
}

/// Answers may be read by scripts of the allowed origin only; no cookies are ever accepted across origins.
fn with_cors(mut response: Response, origin: Option<&str>) -> Response {
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(origin).ok()) {
        let fixed: [(HeaderName, &'static str); 3] = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, X-Requested-With"),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ];
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    }
    response
}
