//! `/access-requests/*`: strangers ask for an account (specification §5.4).

use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;

use super::shapes::AccessRequestShape;
use super::users::made;
use crate::domain::ids::RequestId;
use crate::http::body::{Doc, Done};
use crate::http::front::client;
use crate::http::gate::System;
use crate::http::shared::networks::id;
use crate::service::Services;

/// The API of access requests.
#[derive(Debug)]
pub struct AccessRequestsApi(pub Services);

#[OpenApi]
impl AccessRequestsApi {
    /// Ask for an account
    #[oai(path = "/access-requests/", method = "post")]
    async fn submit(&self, request: &Request, body: Json<Doc<AccessRequestShape>>) -> poem::Result<Done> {
        let id = self.0.access_requests.submit(&body.0.0, client(request)).await?;
        let path = format!("{}/api/access-requests/{id}", self.0.options().public_url);
        Ok(Done::created(id, path).with("mail", self.0.mail.notice()))
    }

    /// All requests that wait for a decision, the oldest first
    #[oai(path = "/access-requests/", method = "get")]
    async fn list(&self, admin: System) -> poem::Result<Json<Vec<Doc<AccessRequestShape>>>> {
        Ok(Json(self.0.access_requests.list(&admin.0).await?.into_iter().map(Doc::of).collect()))
    }

    /// One request
    #[oai(path = "/access-requests/:request_id", method = "get")]
    async fn one(
        &self,
        admin: System,
        request_id: Path<String>,
    ) -> poem::Result<Json<Doc<AccessRequestShape>>> {
        let request = self.0.access_requests.one(&admin.0, &id(RequestId::parse(request_id.0))?).await?;
        Ok(Json(Doc::of(request)))
    }

    /// Give the applicant an account that may sign in, or let in the one of that e-mail address
    ///
    /// Where the identity provider does not write to people itself, the JSON answer about a new account has a
    /// `oneTimePassword` to be handed over.
    #[oai(path = "/access-requests/:request_id/approve", method = "post")]
    async fn approve(&self, admin: System, request_id: Path<String>) -> poem::Result<Done> {
        let request = id(RequestId::parse(request_id.0))?;
        Ok(made(&self.0, self.0.access_requests.approve(&admin.0, &request).await?))
    }

    /// Turn the applicant down
    #[oai(path = "/access-requests/:request_id/deny", method = "post")]
    async fn deny(&self, admin: System, request_id: Path<String>) -> poem::Result<Done> {
        self.0.access_requests.deny(&admin.0, &id(RequestId::parse(request_id.0))?).await?;
        Ok(Done::changed().with("mail", self.0.mail.notice()))
    }
}
