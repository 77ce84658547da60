//! `/record/{id}/events`: a query's progress as server-sent events (read with fetch), instead of polling.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream;
use poem::web::sse::{Event, SSE};
use poem::{IntoResponse, Response};
use poem_openapi::param::{Header, Path};
use poem_openapi::registry::{
    MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::{ApiResponse, OpenApi};
use serde_json::Value;

use crate::domain::ids::QueryId;
use crate::http::gate::Maybe;
use crate::http::shared::networks::id;
use crate::service::auth::Caller;
use crate::service::{Failure, Services};

/// How often a stream looks by itself when no notice comes.
const LOOK: Duration = Duration::from_millis(500);

/// How often permission is checked anew on an open stream.
const RECHECK: Duration = Duration::from_secs(30);

/// Event streams.
#[derive(Debug)]
pub struct EventsApi {
    services: Services,
    open: Arc<Mutex<HashMap<String, usize>>>,
}

/// A stream of events.
pub struct Events(Response);

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Events {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Events `status`, `response` (one per node) and, last, `done`",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: "text/event-stream",
                    schema: MetaSchemaRef::Inline(Box::new(event_shape())),
                }],
                headers: vec![],
            }],
        }
    }

    fn register(_: &mut Registry) {}
}

/// One event by its fields; `data` is JSON as text.
fn event_shape() -> MetaSchema {
    let text = || MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")));
    MetaSchema {
        properties: ["event", "id", "data"].map(|name| (name, text())).to_vec(),
        ..MetaSchema::new("object")
    }
}

/// A place among the streams one caller may hold; given back on drop.
struct Seat {
    open: Arc<Mutex<HashMap<String, usize>>>,
    who: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = open.get_mut(&self.who) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                open.remove(&self.who);
            }
        }
    }
}

/// What an open stream knows.
struct Follow {
    services: Services,
    caller: Option<Caller>,
    token: Option<String>,
    query: QueryId,
    queue: Vec<Event>,
    responses: usize,
    status: String,
    done: bool,
    notices: tokio::sync::broadcast::Receiver<crate::service::Notice>,
    draining: tokio_util::sync::CancellationToken,
    checked: std::time::Instant,
    _seat: Seat,
}

#[OpenApi]
impl EventsApi {
    /// Follow a query until it is complete
    #[oai(path = "/record/:query_id/events", method = "get")]
    async fn follow(
        &self,
        request: &poem::Request,
        caller: Maybe,
        query_id: Path<String>,
        #[oai(name = "Last-Event-ID")] last: Header<Option<String>>,
    ) -> poem::Result<Events> {
        let query = id(QueryId::parse(query_id.0))?;
        self.services.queries.progress(caller.0.as_ref(), &query).await?;
        let who = match &caller.0 {
            Some(caller) => caller.id().to_string(),
            None => crate::http::front::client(request).map_or_else(String::new, |ip| ip.to_string()),
        };
        let token = request
            .headers()
            .get(poem::http::header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(|t| t.split_once(' '))
            .map(|(_, token)| token.trim().to_owned());
        let draining = request.extensions().get::<crate::http::front::Draining>().map(|d| d.0.clone());
        let follow = Follow {
            notices: self.services.broker().subscribe(),
            services: self.services.clone(),
            caller: caller.0,
            token,
            query,
            queue: Vec::new(),
            responses: received(last.0.as_deref()),
            status: String::new(),
            done: false,
            draining: draining.unwrap_or_default(),
            checked: std::time::Instant::now(),
            _seat: self.seat(who)?,
        };
        let events =
            stream::unfold(
                follow,
                |mut follow| async move { follow.next().await.map(|event| (event, follow)) },
            );
        let response = SSE::new(events).keep_alive(Duration::from_secs(15)).into_response();
        Ok(Events(response))
    }
}

impl EventsApi {
    /// Streams with no follower.
    pub fn new(services: Services) -> Self {
        Self { services, open: Arc::default() }
    }

    fn seat(&self, who: String) -> Result<Seat, Failure> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let held = open.entry(who.clone()).or_default();
        let most = self.services.options().event_streams;
        if *held >= most {
            return Err(Failure::Limited(format!("you follow {most} queries already; close one first")));
        }
        *held += 1;
        Ok(Seat { open: self.open.clone(), who })
    }
}

impl Follow {
    /// The next event, or the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if !self.queue.is_empty() {
                return Some(self.queue.remove(0));
            }
            if self.done {
                return None;
            }
            if self.draining.is_cancelled() {
                self.done = true;
                return Some(Event::Retry { retry: 1_000 });
            }
            if self.checked.elapsed() > RECHECK {
                self.checked = std::time::Instant::now();
                if let Some(token) = &self.token {
                    // An expired token ends the stream; the client comes back with a fresh one.
                    self.caller = Some(self.services.auth.user(token).await.ok()?);
                }
            }
            let entry = self.services.queries.entry(self.caller.as_ref(), &self.query).await.ok()?;
            self.look(&entry);
            if self.queue.is_empty() && !self.done {
                let (notices, query) = (&mut self.notices, self.query.as_str());
                // Every query of the installation is announced; only what is said of this one is worth a look.
                let announced = async {
                    while let Ok(notice) = notices.recv().await {
                        if notice.topic == "query" && notice.subject == query {
                            break;
                        }
                    }
                };
                tokio::select! {
                    () = announced => {}
                    () = tokio::time::sleep(LOOK) => {}
                    () = self.draining.cancelled() => {}
                }
            }
        }
    }

    fn look(&mut self, entry: &Value) {
        let status = entry.get("status").map(Value::to_string).unwrap_or_default();
        let responses = entry.get("responses").and_then(Value::as_array).cloned().unwrap_or_default();
        for response in responses.iter().skip(self.responses) {
            self.responses += 1;
            self.push("response", response.to_string());
        }
        let complete = entry.pointer("/status/state").and_then(Value::as_str) == Some("complete");
        if status != self.status {
            self.status.clone_from(&status);
            self.push("status", status.clone());
        }
        if complete {
            self.push("done", status);
            self.done = true;
        }
    }

    fn push(&mut self, kind: &str, data: String) {
        let id = format!("{}-{kind}", self.responses);
        self.queue.push(Event::message(data).event_type(kind).id(id));
    }
}

/// How many responses a returning client has, from the id of its last event (`<responses>-<kind>`).
fn received(last_event_id: Option<&str>) -> usize {
    last_event_id.and_then(|id| id.split('-').next()?.parse().ok()).unwrap_or(0)
}
