//! `/log/*`: what front ends report, signed in or not (specification §14.3).

use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::payload::Json;

use crate::domain::logs::Level;
use crate::http::body::{Doc, Done};
use crate::http::front::client;
use crate::service::Services;
use crate::shapes;

shapes! {
    LogShape = "log", "What happened in a front end.", {
        "error": "the list could not be drawn", "timestamp": "2026-01-31T12:00:00Z",
        "uuid": "e4619679-f5d9-4eff-9f79-bbded6130bb1"
    };
}

/// Reports of front ends.
#[derive(Debug)]
pub struct LogApi(pub Services);

#[OpenApi]
impl LogApi {
    /// Report an error of a front end
    #[oai(path = "/log/error", method = "post")]
    async fn error(&self, request: &Request, body: Json<Doc<LogShape>>) -> poem::Result<Done> {
        self.0.logs.report(Level::Error, &body.0.0, client(request)).await?;
        Ok(Done::changed())
    }

    /// Report a note of a front end
    #[oai(path = "/log/info", method = "post")]
    async fn info(&self, request: &Request, body: Json<Doc<LogShape>>) -> poem::Result<Done> {
        self.0.logs.report(Level::Info, &body.0.0, client(request)).await?;
        Ok(Done::changed())
    }
}
