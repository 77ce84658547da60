//! `/docs`: Swagger UI and the OpenAPI documents, served by this binary alone, with a choice of documents.
//!
//! The UI's script and style come out of the page that poem-openapi embeds, so nothing is fetched from elsewhere. Beside it,
//! in development, GraphiQL (`graphiql`).

mod annotate;
mod graphiql;

use std::sync::{Arc, LazyLock};

use poem::http::{HeaderValue, header};
use poem::web::Html;
use poem::{Endpoint, IntoResponse, Request, Response, Route, get};
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::{Value, json};

use super::fixed::Fixed;
use super::{admin, query};
use crate::domain::access::Api;
use crate::service::{Failure, Services};

/// Served by the documentation page only: scripts from here alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src *; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// How long a fixed asset may be kept.
const DAY: &str = "public, max-age=86400";

struct Nothing;

#[OpenApi]
impl Nothing {}

/// Makes a body.
type Make = Box<dyn FnOnce() -> Arc<Fixed> + Send>;

/// A fixed body, cacheable; made when it is first asked for, since most processes are never asked.
#[derive(Clone)]
struct Asset {
    body: Arc<LazyLock<Arc<Fixed>, Make>>,
    cache: &'static str,
}

impl Asset {
    fn made(cache: &'static str, make: impl FnOnce() -> Arc<Fixed> + Send + 'static) -> Self {
        Self { body: Arc::new(LazyLock::new(Box::new(make))), cache }
    }

    fn of(body: impl Into<String>, kind: &'static str, cache: &'static str) -> Self {
        let body = body.into();
        Self::made(cache, move || Arc::new(Fixed::new(kind, body)))
    }
}

impl Endpoint for Asset {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let made = self.body.clone();
        let made = tokio::task::spawn_blocking(move || LazyLock::force(&made).clone())
            .await
            .map_err(Failure::internal)?;
        let mut response = made.answer(&request, self.cache).await;
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        Ok(response)
    }
}

/// Style and script of the UI, in memory once for all services of a process.
static UI: LazyLock<[Arc<Fixed>; 2]> = LazyLock::new(|| {
    let page = OpenApiService::new(Nothing, "", "").swagger_ui_html();
    let cut = |from: &str, to: &str| -> String {
        page.split_once(from)
            .and_then(|(_, rest)| rest.split_once(to))
            .map_or_else(String::new, |(inside, _)| inside.to_owned())
    };
    let style = cut("<style charset=\"UTF-8\">", "</style>");
    // The bundle contains closing tags inside texts; the template's own are these two lines.
    let script = cut("<script charset=\"UTF-8\">", "</script>\n</head>");
    [Fixed::new("text/css; charset=utf-8", style), Fixed::new("text/javascript; charset=utf-8", script)]
        .map(Arc::new)
});

/// The services that have one.
const DOCUMENTS: [Api; 2] = [Api::Admin, Api::Query];

/// The documents of the services this release serves, by the name in the choice.
pub fn documents(services: &Services) -> [(&'static str, Value); 2] {
    let parse = |api: Api, spec: String| {
        let mut document = serde_json::from_str(&spec).unwrap_or_default();
        spell_as_published(&mut document);
        annotate::annotate(api, &mut document);
        (api.name(), document)
    };
    [parse(Api::Admin, admin::api(services).spec()), parse(Api::Query, query::api(services).spec())]
}

/// Adds to a document what depends on the installation: its address and where to sign in.
fn localise(mut document: Value, services: &Services, server: &str) -> Value {
    let info = services.auth.issuer();
    let issuer = format!("{}/realms/{}/protocol/openid-connect", info.url.trim_end_matches('/'), info.realm);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("servers".into(), json!([{"url": server, "description": "This installation"}]));
    }
    // Elsewhere our client is confidential, which a page cannot be: a token is pasted.
    if !services.auth.issues_tokens() {
        return document;
    }
    if let Some(schemes) = document.pointer_mut("/components/securitySchemes").and_then(Value::as_object_mut)
    {
        schemes.insert(
            "signIn".into(),
            json!({
                "type": "oauth2", "description": "Sign in at the configured issuer (code flow with PKCE)",
                "flows": {"authorizationCode": {
                    "authorizationUrl": format!("{issuer}/auth"), "tokenUrl": format!("{issuer}/token"),
                    "scopes": {"openid": "Sign in"},
                }},
            }),
        );
    }
    let operations = document
        .get_mut("paths")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(|paths| paths.values_mut())
        .filter_map(Value::as_object_mut)
        .flat_map(|path| path.values_mut());
    for operation in operations {
        if let Some(security) = operation.get_mut("security").and_then(Value::as_array_mut)
            && security.iter().any(|s| s.get("userAccessToken").is_some())
        {
            security.push(json!({"signIn": ["openid"]}));
        }
    }
    document
}

/// Collection roots carry a slash in the published documents (specification §2.4); both spellings are served.
pub fn spell_as_published(document: &mut Value) {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for root in super::layers::WITH_SLASH {
        if let Some(path) = paths.remove(&format!("/{root}")) {
            paths.insert(format!("/{root}/"), path);
        }
    }
    // The root of each Beacon is published with a slash as well.
    if let Some(path) = paths.remove("/beacon/{beacon_path}") {
        paths.insert("/beacon/{beacon_path}/".into(), path);
    }
}

/// The routes below `/docs`: at the front door all documents, on a service's own port (`only`) its own.
pub fn routes(services: &Services, only: Option<&str>) -> Route {
    let receiver = include_str!("pages/oauth-receiver.js");
    let info = services.auth.issuer();
    let names: Vec<&str> =
        DOCUMENTS.map(Api::name).into_iter().filter(|name| only.is_none_or(|only| only == *name)).collect();
    let graphql = match only {
        None => Some(format!("{}/api/graphql", services.options().public_url)),
        Some("admin") => Some("/graphql".to_owned()),
        Some(_) => None,
    };
    // What makes trying things easy belongs to development.
    let graphql = graphql.filter(|_| services.options().development);
    let settings = json!({"clientId": info.client_id, "documents": names, "graphiql": graphql.is_some()});
    let start = format!("const settings = {settings};\n{}", include_str!("pages/docs.js"));
    let asset = |body: &str, kind, cache| get(Asset::of(body, kind, cache));
    let ui = |which: fn(&[Arc<Fixed>; 2]) -> Arc<Fixed>| get(Asset::made(DAY, move || which(&UI)));
    let mut routes = Route::new()
        .at("/", asset(include_str!("pages/docs.html"), "text/html; charset=utf-8", "no-store"))
        .at("/swagger-ui.css", ui(|[style, _]| style.clone()))
        .at("/swagger-ui.js", ui(|[_, script]| script.clone()))
        .at("/docs.js", asset(&start, "text/javascript; charset=utf-8", "no-store"))
        .at("/oauth-receiver.js", asset(receiver, "text/javascript; charset=utf-8", DAY))
        .at(
            "/oauth-receiver.html",
            asset(include_str!("pages/oauth-receiver.html"), "text/html; charset=utf-8", "no-store"),
        );
    if let Some(endpoint) = graphql {
        routes = routes.nest("/graphiql", graphiql::routes(&endpoint));
    }
    for name in names {
        let prefix = if name == "admin" { "/api" } else { "/query" };
        let server = match only {
            Some(_) => "/".to_owned(),
            None => format!("{}{prefix}", services.options().public_url),
        };
        let services = services.clone();
        let document = Asset::made("no-store", move || {
            let document = documents(&services).into_iter().find(|(of, _)| *of == name);
            let (_, document) = document.unwrap_or_default();
            let text = localise(document, &services, &server).to_string();
            Arc::new(Fixed::new("application/json", text))
        });
        routes = routes.at(format!("/{name}.json"), get(document));
    }
    routes
}

/// A redirect-free pointer for people who open a service's port in a browser.
pub fn pointer() -> Response {
    Html("<!doctype html><title>Documentation</title><p>The documentation is at <a href=\"/docs\">/docs</a>.</p>")
        .into_response()
}
