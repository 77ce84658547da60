//! `/pipelines/*`.

use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;

use super::shapes::PipelineShape;
use crate::domain::ids::PipelineId;
use crate::http::body::{Doc, Done};
use crate::http::gate::Data;
use crate::http::shared::networks::id;
use crate::service::Services;

/// The API of pipelines.
#[derive(Debug)]
pub struct PipelinesApi(pub Services);

#[OpenApi]
impl PipelinesApi {
    /// All pipelines
    #[oai(path = "/pipelines/", method = "get")]
    async fn list(&self, admin: Data) -> poem::Result<Json<Vec<Doc<PipelineShape>>>> {
        Ok(Json(self.0.pipelines.list(&admin.0).await?.into_iter().map(Doc::of).collect()))
    }

    /// Create a pipeline
    #[oai(path = "/pipelines/", method = "post")]
    async fn create(&self, admin: Data, body: Json<Doc<PipelineShape>>) -> poem::Result<Done> {
        let id = self.0.pipelines.create(&admin.0, &body.0.0).await?;
        let path = format!("{}/api/pipelines/{id}", self.0.options().public_url);
        Ok(Done::created(id, path))
    }

    /// Column names seen in staged rows and free attributes
    #[oai(path = "/pipelines/attributes", method = "get")]
    async fn attributes(&self, admin: Data) -> poem::Result<Json<Vec<String>>> {
        Ok(Json(self.0.pipelines.attributes(&admin.0).await?))
    }

    /// One pipeline
    #[oai(path = "/pipelines/:pipeline_id", method = "get")]
    async fn one(&self, admin: Data, pipeline_id: Path<String>) -> poem::Result<Json<Doc<PipelineShape>>> {
        Ok(Json(Doc::of(self.0.pipelines.one(&admin.0, &id(PipelineId::parse(pipeline_id.0))?).await?)))
    }

    /// Change a pipeline
    #[oai(path = "/pipelines/:pipeline_id", method = "patch")]
    async fn change(
        &self,
        admin: Data,
        pipeline_id: Path<String>,
        body: Json<Doc<PipelineShape>>,
    ) -> poem::Result<Done> {
        self.0.pipelines.change(&admin.0, &id(PipelineId::parse(pipeline_id.0))?, &body.0.0).await?;
        Ok(Done::changed())
    }

    /// Remove a pipeline
    #[oai(path = "/pipelines/:pipeline_id", method = "delete")]
    async fn delete(&self, admin: Data, pipeline_id: Path<String>) -> poem::Result<Done> {
        self.0.pipelines.delete(&admin.0, &id(PipelineId::parse(pipeline_id.0))?).await?;
        Ok(Done::changed())
    }
}
