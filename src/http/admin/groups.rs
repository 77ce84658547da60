//! `/groups/*`.

use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;

use super::shapes::GroupShape;
use crate::domain::ids::GroupId;
use crate::http::body::{Doc, Done};
use crate::http::gate::Data;
use crate::http::shared::networks::id;
use crate::service::Services;

/// The API of discovery groups.
#[derive(Debug)]
pub struct GroupsApi(pub Services);

#[OpenApi]
impl GroupsApi {
    /// All discovery groups
    #[oai(path = "/groups/", method = "get")]
    async fn list(&self, admin: Data) -> poem::Result<Json<Vec<Doc<GroupShape>>>> {
        Ok(Json(self.0.groups.list(&admin.0).await?.into_iter().map(Doc::of).collect()))
    }

    /// Create a discovery group
    #[oai(path = "/groups/", method = "post")]
    async fn create(&self, admin: Data, body: Json<Doc<GroupShape>>) -> poem::Result<Done> {
        let id = self.0.groups.create(&admin.0, body.0.0).await?;
        let path = format!("{}/api/groups/{id}", self.0.options().public_url);
        Ok(Done::created(id, path))
    }

    /// One discovery group
    #[oai(path = "/groups/:group_id", method = "get")]
    async fn one(&self, admin: Data, group_id: Path<String>) -> poem::Result<Json<Doc<GroupShape>>> {
        Ok(Json(Doc::of(self.0.groups.one(&admin.0, &id(GroupId::parse(group_id.0))?).await?)))
    }

    /// Change a discovery group
    #[oai(path = "/groups/:group_id", method = "patch")]
    async fn change(
        &self,
        admin: Data,
        group_id: Path<String>,
        body: Json<Doc<GroupShape>>,
    ) -> poem::Result<Done> {
        self.0.groups.change(&admin.0, &id(GroupId::parse(group_id.0))?, body.0.0).await?;
        Ok(Done::changed())
    }

    /// Remove a discovery group
    #[oai(path = "/groups/:group_id", method = "delete")]
    async fn delete(&self, admin: Data, group_id: Path<String>) -> poem::Result<Done> {
        self.0.groups.delete(&admin.0, &id(GroupId::parse(group_id.0))?).await?;
        Ok(Done::changed())
    }
}
