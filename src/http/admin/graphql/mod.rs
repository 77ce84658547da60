//! GraphQL over the admin API's use cases: the same resources, permissions, checks and texts as REST.
//!
//! Lives here: the endpoint and its limits. `types` are the resources, made from the very bodies that REST answers with;
//! `read` are the fields of a query, `change` those of a mutation; each obtains a proof as a REST gate does. `weigh` says how
//! much one request may ask for.
//! Does not: rules. To add a field: a method that calls the use case of its REST operation, and its row in the table of
//! the tests (`tests/appliance/api/graphql.rs`).

mod change;
mod read;
mod types;
mod weigh;

use std::sync::Arc;

use async_graphql::{EmptySubscription, Error, ErrorExtensions, Schema, ServerError};
use poem::http::{StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response};
use serde_json::json;

use super::super::error;
use crate::domain::error::{Kind, Kinded};
use crate::service::auth::{As, Caller, Demands};
use crate::service::{Failure, Services};

/// A request's text, in bytes.
const TEXT: usize = 65_536;

type Admin = Schema<read::Query, change::Mutation, EmptySubscription>;

/// Who asks, and what answers.
struct Session {
    services: Services,
    caller: Caller,
}

impl Session {
    /// The proof that the caller carries a duty.
    fn admin<D: Demands>(&self) -> Result<As<D>, Error> {
        self.services.auth.prove(self.caller.clone()).map_err(failed)
    }
}

/// The session of a field being resolved.
fn session<'a>(context: &async_graphql::Context<'a>) -> Result<&'a Session, Error> {
    context.data::<Session>().map_err(|_| Error::new("internal error"))
}

/// A failure as REST words it, with its kind for programs.
fn failed(failure: Failure) -> Error {
    let kind = failure.kind();
    let text = if kind == Kind::Internal {
        tracing::error!(error = %failure, "a field failed");
        "internal error".to_owned()
    } else {
        failure.to_string()
    };
    Error::new(text).extend_with(|_, extensions| {
        extensions.set("code", code(kind));
        extensions.set("status", error::status(kind).as_u16());
    })
}

fn code(kind: Kind) -> &'static str {
    match kind {
        Kind::NotFound => "NOT_FOUND",
        Kind::Invalid => "INVALID",
        Kind::Unprocessable => "UNPROCESSABLE",
        Kind::Conflict => "CONFLICT",
        Kind::Unauthenticated => "UNAUTHENTICATED",
        Kind::Forbidden => "FORBIDDEN",
        Kind::TooLarge => "TOO_LARGE",
        Kind::Limited => "LIMITED",
        Kind::Unavailable => "UNAVAILABLE",
        Kind::Timeout => "TIMEOUT",
        Kind::Internal => "INTERNAL",
    }
}

/// The schema without anybody asking.
fn schema() -> Admin {
    Schema::build(read::Query, change::Mutation, EmptySubscription)
        .extension(weigh::Weighed)
        .limit_directives(10)
        .finish()
}

/// The schema in its definition language, for people and generators of clients.
pub fn sdl() -> String {
    schema().sdl()
}

/// `POST /graphql`: one request a body, for signed-in users; nobody else learns even what there is to ask.
pub struct GraphQl {
    services: Services,
    schema: Arc<Admin>,
}

impl GraphQl {
    /// The endpoint of an admin service.
    pub fn new(services: Services) -> Self {
        Self { services, schema: Arc::new(schema()) }
    }

    async fn answer(&self, mut request: Request) -> poem::Result<Response> {
        let token = crate::http::gate::required(&request)?;
        let caller = self.services.auth.user(token).await?;
        let body = request.take_body().into_bytes_limit(TEXT).await?;
        let mut asked: async_graphql::Request = serde_json::from_slice(&body).map_err(|problem| {
            Failure::Invalid(format!("send {{\"query\": …, \"variables\": …}} as JSON: {problem}"))
        })?;
        let session = Session { services: self.services.clone(), caller };
        // What cannot be parsed is refused in its place, with all other mistakes.
        let counted = asked.parsed_query().map_or(Ok(()), weigh::count);
        let response = match counted {
            Ok(()) => self.schema.execute(asked.data(session)).await,
            Err(refused) => async_graphql::Response::from_errors(vec![refused]),
        };
        // As the specification of GraphQL over HTTP asks: what could not be executed at all is the request's fault.
        let refused =
            response.is_err() && response.data == async_graphql::Value::Null && unresolved(&response.errors);
        let status = if refused { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let body = serde_json::to_string(&response).map_err(Failure::internal)?;
        Ok(Response::builder().status(status).header(header::CONTENT_TYPE, "application/json").body(body))
    }
}

/// Whether no field was resolved: such errors have no path.
fn unresolved(errors: &[ServerError]) -> bool {
    errors.iter().all(|error| error.path.is_empty())
}

impl Endpoint for GraphQl {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if *request.method() != poem::http::Method::POST {
            let told = json!({"error": "send GraphQL requests with POST"});
            let refused = poem::web::Json(told).with_status(StatusCode::METHOD_NOT_ALLOWED).into_response();
            return Ok(refused.with_header(header::ALLOW, "POST, OPTIONS").into_response());
        }
        self.answer(request).await
    }
}
