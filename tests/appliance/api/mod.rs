//! The two APIs as their callers meet them.
//!
//! Lives here: who may call what (`callers`), what roles see (`roles`), what the documents promise of every operation (`documents`), headers and
//! path spellings (`conventions`), resources from creation to removal (`resources`), uploads (`uploads`), descriptions
//! of data (`metasources`), networks (`networks`), how much an answer says (`levels`), accounts and how strangers get one (`accounts`,
//! `access_requests`), maintenance, reports and numbers (`running`), queries read again and followed (`history`),
//! callers without a token (`anonymous`), figures for Prometheus (`metrics`), networks exposed as Beacons (`beacon`), the
//! registry of V2 installations (`nexus`).
//! Does not: whether the answers are right (`phenopackets` and its neighbours) or how signing in works (`signin`).
//! To add an endpoint: its row in the table of `domain/access`; `callers` and `documents` find it by themselves.

mod access_requests;
mod accounts;
mod anonymous;
mod beacon;
mod callers;
mod conventions;
mod documents;
mod graphql;
mod history;
mod levels;
mod metasources;
mod metrics;
mod networks;
mod nexus;
mod resources;
mod roles;
mod running;
mod uploads;

use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Client, Node, steps};

/// An id that nothing has.
const NOTHING: &str = "7b0c7b38-6e0e-4a0e-9a0a-1d5d1c8f0000";

/// An answer with its headers.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Asserts a refusal in the form every refusal has (specification §2.4).
    fn refused(&self, status: u16, what: &str) {
        assert_eq!(self.status, status, "{what}: {self:?}");
        let reason = self.json();
        assert!(reason["error"].as_str().is_some_and(|text| !text.is_empty()), "{what}: {self:?}");
        let challenge = self.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer"));
        assert_eq!(challenge, status == 401, "{what}: {self:?}");
    }
}

/// Requests to the front door of a node, with whatever token and headers a test wants.
struct Caller {
    http: reqwest::Client,
    base: String,
}

impl Caller {
    fn of(node: &Node) -> Self {
        Self { http: reqwest::Client::new(), base: format!("http://{}", node.addresses["front"]) }
    }

    fn request(&self, method: &str, path: &str, token: Option<&str>) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, format!("{}{path}", self.base));
        match token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.timeout(crate::support::PATIENCE).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.text().await.unwrap() }
    }

    async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.send(self.request("GET", path, token)).await
    }

    async fn with_body(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Answer {
        self.send(self.request(method, path, token).json(body)).await
    }
}

/// Changes a resource; panics unless it succeeds.
async fn patch(client: &Client, path: &str, change: &Value) {
    change_with(client, Method::PATCH, path, change).await.ok();
}

async fn change_with(
    client: &Client,
    method: Method,
    path: &str,
    body: &Value,
) -> crate::support::client::Reply {
    crate::support::client::Reply::of(client.api(method, path).await.json(body)).await
}

/// An online source of `seizing` subjects with HP:0001250 and `others` with HP:0001263.
async fn filled(client: &Client, name: &str, seizing: usize, others: usize) -> String {
    let source = steps::source(client, name).await;
    let pipeline = steps::file_pipeline(client, "subjectId").await;
    let subject = |n: usize| {
        let term = if n < seizing { "0001250" } else { "0001263" };
        let ward = if n.is_multiple_of(2) { "ward-a" } else { "ward-b" };
        json!({"subjectId": format!("{name}-{n:03}"), "HPO": [term], "EAV": {"admission-ward": ward}})
    };
    let subjects: Vec<Value> = (0..seizing + others).map(subject).collect();
    let bytes = Value::from(subjects).to_string().into_bytes();
    let file = steps::upload(client, &source, "subjects.json", bytes).await;
    steps::read_in(client, &source, &pipeline, &[file]).await;
    steps::indexed(client, &source, seizing + others).await;
    source
}

/// Asks for everyone with this term, at a level where one is given.
fn asking(term: &str, level: Option<&str>) -> Value {
    let mut builder = json!({"hpo": [{"terms": [term]}]});
    if let Some(level) = level {
        builder["advanced"] = json!({"granularity": level});
    }
    builder
}

/// Lets anonymous callers in, or not.
async fn anonymous_access(client: &Client, on: bool) {
    let change = json!({"federationSettings": {"anonymousAccess": on}});
    assert_eq!(client.post("/config/global", &change).await.status, StatusCode::OK);
}
