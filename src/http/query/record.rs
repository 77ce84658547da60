//! `/record/*`: record queries (specification §8.7).

use futures_util::StreamExt;
use poem::Body;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::{Binary, Json};
use poem_openapi::{ApiResponse, OpenApi};
use serde_json::{Value, json};

use crate::domain::ids::{NetworkId, QueryId, SourceId};
use crate::http::body::Doc;
use crate::http::gate::{Anyone, Maybe, User};
use crate::http::parts::{attributes, builder};
use crate::http::shared::networks::id;
use crate::service::Services;
use crate::shapes;

shapes! {
    Builder = "query_builder", "Filters, ANDed; what is absent is not asked.", {
        "hpo": [{"terms": ["HP:0001250", "HP:0001263"], "similarity": 0.5, "minimumMatch": 1, "useOrphaNet": false,
            "includeDescendants": false}],
        "advanced": {"granularity": "count"}
    }, more (asked());
    Asked = "query_accepted", "The query is stored and being run.", {"queryID": "3f0d6f5e-6a39-4a6e-9a8d-93a5e2a1c7b0"};
    Message = "record_data_query", "A stored query.", {
        "messageType": "dataMessage", "messageAttributes": (attributes("recordQuery")),
        "messageData": {"hpo": [{"terms": ["HP:0001250"]}]}, "timestamp": 1767225600
    }, more {"messageData": (asked())};
    Entry = "record_history_entry", "A query, the answers of its nodes, and how far it is.", {
        "query": {"messageType": "dataMessage", "messageAttributes": (attributes("recordQuery")),
            "messageData": {"hpo": [{"terms": ["HP:0001250"]}]}, "timestamp": 1767225600},
        "responses": [{"messageType": "dataMessage", "messageAttributes": (attributes("recordResponse")),
            "messageData": [{
                "sourceId": "5065179a-d608-4aba-8728-2f131ec68127", "sourceName": "Rare diseases cohort",
                "sourceOwner": "Example Hospital", "ownerEmail": "data@example.org", "sourceUrl": "",
                "exist": true, "recordCount": 12, "state": "ok"}], "timestamp": 1767225600}],
        "status": {"state": "complete", "expected": 1, "received": 1, "failures": []}
    }, more {
        "query": {"messageData": (asked())},
        "responses": [{"messageData": [{"recordRange": {"min": 10, "max": 20},
            "resultDetails": {"subjects": [{"subjectId": "K7"}]}}]}]
    };
}

/// Every filter, in the asker's own words: a value has the type of the attribute.
fn asked() -> Value {
    let mut builder = builder();
    if let Some(value) = builder.pointer_mut("/eav/0/value") {
        *value = Value::Null;
    }
    builder
}

/// The query is accepted.
#[derive(ApiResponse)]
pub enum Accepted {
    /// The query is stored; poll its history entry or follow its events
    #[oai(status = 202)]
    Accepted(Json<Doc<Asked>>, #[oai(header = "Location")] String),
}

/// A document a line.
#[derive(ApiResponse)]
pub enum Lines {
    /// A JSON object a line
    #[oai(status = 200, content_type = "application/x-ndjson")]
    Lines(Binary<Body>),
}

/// Record queries.
#[derive(Debug)]
pub struct RecordApi(pub Services);

#[OpenApi]
impl RecordApi {
    /// Ask a record query
    #[oai(path = "/record/", method = "post")]
    async fn ask(
        &self,
        asker: Anyone,
        #[oai(name = "Network-Id")] network: Header<Option<String>>,
        body: Raw,
    ) -> poem::Result<Accepted> {
        let named = network.0.filter(|n| !n.is_empty()).map(|n| id(NetworkId::parse(n))).transpose()?;
        let network = self.0.networks.chosen(&asker.0, named.as_ref()).await?;
        let query = self.0.queries.ask(&self.0.auth, &asker.0, &network, body.0).await?;
        let location = format!("{}/query/record/history/{query}", self.0.options().public_url);
        Ok(Accepted::Accepted(Json(Doc::of(json!({"queryID": query}))), location))
    }

    /// Own queries, newest first; everyone's for data administrators, without details
    #[oai(path = "/record/history", method = "get")]
    async fn history(
        &self,
        user: User,
        skip: Query<Option<u32>>,
        limit: Query<Option<u32>>,
    ) -> poem::Result<Json<Vec<Doc<Entry>>>> {
        let limit = limit.0.unwrap_or(100).min(1_000) as usize;
        let entries = self.0.queries.history(&user.0, skip.0.unwrap_or(0) as usize, limit).await?;
        Ok(Json(entries.into_iter().map(Doc::of).collect()))
    }

    /// A query with its answers and how far it is
    #[oai(path = "/record/history/:query_id", method = "get")]
    async fn entry(&self, caller: Maybe, query_id: Path<String>) -> poem::Result<Json<Doc<Entry>>> {
        let query = id(QueryId::parse(query_id.0))?;
        Ok(Json(Doc::of(self.0.queries.entry(caller.0.as_ref(), &query).await?)))
    }

    /// The subjects behind the answers, for the owner, as JSON lines: {nodeId, sourceId, subject}
    #[oai(path = "/record/history/:query_id/subjects", method = "get")]
    async fn subjects(
        &self,
        user: User,
        query_id: Path<String>,
        #[oai(name = "sourceId")] source: Query<Option<String>>,
    ) -> poem::Result<Lines> {
        let query = id(QueryId::parse(query_id.0))?;
        let source = source.0.map(|source| id(SourceId::parse(source))).transpose()?;
        let lines = self.0.queries.subjects(&user.0, &query, source).await?;
        let lines = lines.map(move |piece| {
            // The status is sent already: the connection is cut, so that nobody takes a part for the whole.
            piece.map_err(|failure| {
                tracing::error!(query = %query, error = %failure, "subjects could not be read to their end");
                std::io::Error::other("the subjects could not be read to their end")
            })
        });
        Ok(Lines::Lines(Binary(Body::from_bytes_stream(lines))))
    }

    /// A query alone
    #[oai(path = "/record/:query_id", method = "get")]
    async fn message(&self, user: User, query_id: Path<String>) -> poem::Result<Json<Doc<Message>>> {
        Ok(Json(Doc::of(self.0.queries.message(&user.0, &id(QueryId::parse(query_id.0))?).await?)))
    }
}

/// The query builder as text, kept exactly as received.
#[derive(Debug)]
pub struct Raw(String);

impl<'a> poem_openapi::ApiExtractor<'a> for Raw {
    const TYPES: &'static [poem_openapi::ApiExtractorType] = &[poem_openapi::ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut poem_openapi::registry::Registry) {
        <Json<Doc<Builder>> as poem_openapi::ApiExtractor>::register(registry);
    }

    fn request_meta() -> Option<poem_openapi::registry::MetaRequest> {
        <Json<Doc<Builder>> as poem_openapi::ApiExtractor>::request_meta()
    }

    async fn from_request(
        request: &'a poem::Request,
        body: &mut poem::RequestBody,
        _: poem_openapi::ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self(<String as poem::FromRequest>::from_request(request, body).await?))
    }
}
