//! `/meta/*`: descriptions of data, here or elsewhere (specification §10).

use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;

use super::shapes::MetaSourceShape;
use crate::domain::ids::MetaSourceId;
use crate::http::body::{Doc, Done};
use crate::http::gate::{Data, User};
use crate::http::shared::networks::{MetaIndexShape, id};
use crate::service::Services;
use crate::service::auth::Asker;

/// The API of meta sources.
#[derive(Debug)]
pub struct MetaSourcesApi(pub Services);

#[OpenApi]
impl MetaSourcesApi {
    /// All meta sources
    #[oai(path = "/meta/sources", method = "get")]
    async fn list(&self, admin: Data) -> poem::Result<Json<Vec<Doc<MetaSourceShape>>>> {
        let all = self.0.metasources.list(&admin.0).await?;
        Ok(Json(all.iter().map(|source| Doc::of(source.shown())).collect()))
    }

    /// Create a meta source
    #[oai(path = "/meta/sources", method = "post")]
    async fn create(&self, admin: Data, body: Json<Doc<MetaSourceShape>>) -> poem::Result<Done> {
        let id = self.0.metasources.create(&admin.0, &body.0.0).await?;
        let path = format!("{}/api/meta/sources/{id}", self.0.options().public_url);
        Ok(Done::created(id, path))
    }

    /// Create many meta sources, or none of them
    #[oai(path = "/meta/sources/upload", method = "post")]
    async fn upload(&self, admin: Data, body: Json<Vec<Doc<MetaSourceShape>>>) -> poem::Result<Done> {
        let entries: Vec<_> = body.0.into_iter().map(|entry| entry.0).collect();
        self.0.metasources.upload(&admin.0, &entries).await?;
        Ok(Done::changed())
    }

    /// Build the meta index anew
    #[oai(path = "/meta/sources/index", method = "post")]
    async fn reindex(&self, admin: Data) -> poem::Result<Done> {
        self.0.metasources.reindex(&admin.0).await?;
        Ok(Done::changed())
    }

    /// One meta source
    #[oai(path = "/meta/sources/:source_id", method = "get")]
    async fn one(&self, admin: Data, source_id: Path<String>) -> poem::Result<Json<Doc<MetaSourceShape>>> {
        let source = self.0.metasources.one(&admin.0, &id(MetaSourceId::parse(source_id.0))?).await?;
        Ok(Json(Doc::of(source.shown())))
    }

    /// Change a meta source
    #[oai(path = "/meta/sources/:source_id", method = "patch")]
    async fn change(
        &self,
        admin: Data,
        source_id: Path<String>,
        body: Json<Doc<MetaSourceShape>>,
    ) -> poem::Result<Done> {
        self.0.metasources.change(&admin.0, &id(MetaSourceId::parse(source_id.0))?, &body.0.0).await?;
        Ok(Done::changed())
    }

    /// Remove a meta source
    #[oai(path = "/meta/sources/:source_id", method = "delete")]
    async fn delete(&self, admin: Data, source_id: Path<String>) -> poem::Result<Done> {
        self.0.metasources.delete(&admin.0, &id(MetaSourceId::parse(source_id.0))?).await?;
        Ok(Done::changed())
    }

    /// Values that meta sources have and can be asked for
    #[oai(path = "/meta/index", method = "get")]
    async fn index(&self, user: User) -> poem::Result<Json<Doc<MetaIndexShape>>> {
        Ok(Json(Doc::of(self.0.metasources.index(&Asker::User(user.0)).await?)))
    }
}
