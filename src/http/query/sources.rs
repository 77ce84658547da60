//! `/sources/` of the query API: what the caller may ask.

use poem_openapi::OpenApi;
use poem_openapi::payload::Json;

use crate::http::admin::shapes::SourceShape;
use crate::http::body::Doc;
use crate::http::gate::Anyone;
use crate::service::Services;
use crate::service::sources::published;

/// Sources as seen by whoever asks.
#[derive(Debug)]
pub struct SourcesApi(pub Services);

#[OpenApi]
impl SourcesApi {
    /// Sources the caller may ask
    #[oai(path = "/sources/", method = "get")]
    async fn list(&self, asker: Anyone) -> poem::Result<Json<Vec<Doc<SourceShape>>>> {
        let sources = self.0.sources.visible(&asker.0).await?;
        Ok(Json(sources.iter().map(|s| Doc::of(published(s))).collect()))
    }
}
