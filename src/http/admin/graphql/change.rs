//! The fields of a mutation, each the REST operation named beside it. What has a new id answers it, all else `true`.
//! As in REST, a change leaves what is absent and removes what is `null`; of something new, `null` is absent.

use async_graphql::{Context, Json, Object, Result};
use serde_json::Value;

use super::read::id;
use super::types::{GroupInput, SourceInput, UserInput, body, merged};
use super::weigh::called;
use super::{Session, failed, session};
use crate::domain::ids::{GroupId, MetaSourceId, PipelineId, SourceId, UserId};
use crate::domain::users::{NewUser, UserChange};
use crate::service::Failure;
use crate::service::auth::{AnyAdmin, DataAdmin, SystemAdmin};

/// What there is to change.
pub struct Mutation;

/// An account that was made.
#[derive(Debug, async_graphql::SimpleObject)]
pub struct MadeUser {
    pub user_id: String,
    /// To be handed over where the identity provider does not write to people itself
    pub one_time_password: Option<String>,
}

/// The session of a change, where changes are taken.
fn changing<'a>(context: &Context<'a>) -> Result<&'a Session> {
    let session = session(context)?;
    if session.services.options().read_only { Err(failed(Failure::ReadOnly)) } else { Ok(session) }
}

fn invalid(error: impl ToString) -> async_graphql::Error {
    failed(Failure::Invalid(error.to_string()))
}

#[Object]
impl Mutation {
    /// POST /sources/
    #[graphql(complexity = "called(child_complexity)")]
    async fn create_source(&self, context: &Context<'_>, source: SourceInput) -> Result<String> {
        let session = changing(context)?;
        let admin = session.admin::<DataAdmin>()?;
        Ok(session.services.sources.create(&admin, body(&source)?).await.map_err(failed)?.to_string())
    }

    /// PATCH /sources/{source_id}
    #[graphql(complexity = "called(child_complexity)")]
    async fn change_source(
        &self,
        context: &Context<'_>,
        source_id: String,
        change: SourceInput,
    ) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<DataAdmin>()?;
        let id = id(SourceId::parse(source_id))?;
        session.services.sources.change(&admin, &id, merged(&change)?).await.map_err(failed)?;
        Ok(true)
    }

    /// DELETE /sources/{source_id}
    #[graphql(complexity = "called(child_complexity)")]
    async fn delete_source(&self, context: &Context<'_>, source_id: String) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<DataAdmin>()?;
        session.services.sources.delete(&admin, &id(SourceId::parse(source_id))?).await.map_err(failed)?;
        Ok(true)
    }

    /// POST /sources/{source_id}/index
    #[graphql(complexity = "called(child_complexity)")]
    async fn index_source(&self, context: &Context<'_>, source_id: String) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<DataAdmin>()?;
        session
            .services
            .sources
            .request_index(&admin, &id(SourceId::parse(source_id))?)
            .await
            .map_err(failed)?;
        Ok(true)
    }

    /// POST /groups/
    #[graphql(complexity = "called(child_complexity)")]
    async fn create_group(&self, context: &Context<'_>, group: GroupInput) -> Result<String> {
        let session = changing(context)?;
        let admin = session.admin::<DataAdmin>()?;
        Ok(session.services.groups.create(&admin, body(&group)?).await.map_err(failed)?.to_string())
    }

    /// PATCH /groups/{group_id}
    #[graphql(complexity = "called(child_complexity)")]
    async fn change_group(
        &self,
        context: &Context<'_>,
        group_id: String,
        change: GroupInput,
    ) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<DataAdmin>()?;
        let id = id(GroupId::parse(group_id))?;
        session.services.groups.change(&admin, &id, merged(&change)?).await.map_err(failed)?;
        Ok(true)
    }

    /// DELETE /groups/{group_id}
    #[graphql(complexity = "called(child_complexity)")]
    async fn delete_group(&self, context: &Context<'_>, group_id: String) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<DataAdmin>()?;
        session.services.groups.delete(&admin, &id(GroupId::parse(group_id))?).await.map_err(failed)?;
        Ok(true)
    }

    /// POST /users/
    #[graphql(complexity = "called(child_complexity)")]
    async fn create_user(&self, context: &Context<'_>, user: UserInput) -> Result<MadeUser> {
        let session = changing(context)?;
        let admin = session.admin::<SystemAdmin>()?;
        let new = NewUser::read(&body(&user)?).map_err(invalid)?;
        let made = session.services.users.add(&admin, new).await.map_err(failed)?;
        Ok(MadeUser { user_id: made.user_id.to_string(), one_time_password: made.one_time_password })
    }

    /// PATCH /users/{user_id}
    #[graphql(complexity = "called(child_complexity)")]
    async fn change_user(&self, context: &Context<'_>, user_id: String, change: UserInput) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<SystemAdmin>()?;
        let change = UserChange::read(&merged(&change)?).map_err(invalid)?;
        session.services.users.change(&admin, &id(UserId::parse(user_id))?, change).await.map_err(failed)?;
        Ok(true)
    }

    /// DELETE /users/{user_id}
    #[graphql(complexity = "called(child_complexity)")]
    async fn delete_user(&self, context: &Context<'_>, user_id: String) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<SystemAdmin>()?;
        session.services.users.delete(&admin, &id(UserId::parse(user_id))?).await.map_err(failed)?;
        Ok(true)
    }

    /// POST /users/{user_id}/activate
    #[graphql(complexity = "called(child_complexity)")]
    async fn activate_user(&self, context: &Context<'_>, user_id: String) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<SystemAdmin>()?;
        session
            .services
            .users
            .set_active(&admin, &id(UserId::parse(user_id))?, true)
            .await
            .map_err(failed)?;
        Ok(true)
    }

    /// POST /users/{user_id}/deactivate
    #[graphql(complexity = "called(child_complexity)")]
    async fn deactivate_user(&self, context: &Context<'_>, user_id: String) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<SystemAdmin>()?;
        session
            .services
            .users
            .set_active(&admin, &id(UserId::parse(user_id))?, false)
            .await
            .map_err(failed)?;
        Ok(true)
    }

    /// POST /users/{user_id}/permit-login
    #[graphql(complexity = "called(child_complexity)")]
    async fn permit_login(&self, context: &Context<'_>, user_id: String) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<SystemAdmin>()?;
        session.services.users.permit_login(&admin, &id(UserId::parse(user_id))?).await.map_err(failed)?;
        Ok(true)
    }

    /// POST /users/{user_id}/revoke-login
    #[graphql(complexity = "called(child_complexity)")]
    async fn revoke_login(&self, context: &Context<'_>, user_id: String) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<SystemAdmin>()?;
        session.services.users.revoke_login(&admin, &id(UserId::parse(user_id))?).await.map_err(failed)?;
        Ok(true)
    }

    /// POST /pipelines/; a pipeline has the form that REST has
    #[graphql(complexity = "called(child_complexity)")]
    async fn create_pipeline(&self, context: &Context<'_>, pipeline: Json<Value>) -> Result<String> {
        let session = changing(context)?;
        let admin = session.admin::<DataAdmin>()?;
        Ok(session.services.pipelines.create(&admin, &pipeline.0).await.map_err(failed)?.to_string())
    }

    /// PATCH /pipelines/{pipeline_id}
    #[graphql(complexity = "called(child_complexity)")]
    async fn change_pipeline(
        &self,
        context: &Context<'_>,
        pipeline_id: String,
        change: Json<Value>,
    ) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<DataAdmin>()?;
        let id = id(PipelineId::parse(pipeline_id))?;
        session.services.pipelines.change(&admin, &id, &change.0).await.map_err(failed)?;
        Ok(true)
    }

    /// DELETE /pipelines/{pipeline_id}
    #[graphql(complexity = "called(child_complexity)")]
    async fn delete_pipeline(&self, context: &Context<'_>, pipeline_id: String) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<DataAdmin>()?;
        session
            .services
            .pipelines
            .delete(&admin, &id(PipelineId::parse(pipeline_id))?)
            .await
            .map_err(failed)?;
        Ok(true)
    }

    /// POST /meta/sources; a description has the form that REST has
    #[graphql(complexity = "called(child_complexity)")]
    async fn create_meta_source(&self, context: &Context<'_>, source: Json<Value>) -> Result<String> {
        let session = changing(context)?;
        let admin = session.admin::<DataAdmin>()?;
        Ok(session.services.metasources.create(&admin, &source.0).await.map_err(failed)?.to_string())
    }

    /// PATCH /meta/sources/{source_id}
    #[graphql(complexity = "called(child_complexity)")]
    async fn change_meta_source(
        &self,
        context: &Context<'_>,
        source_id: String,
        change: Json<Value>,
    ) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<DataAdmin>()?;
        let id = id(MetaSourceId::parse(source_id))?;
        session.services.metasources.change(&admin, &id, &change.0).await.map_err(failed)?;
        Ok(true)
    }

    /// DELETE /meta/sources/{source_id}
    #[graphql(complexity = "called(child_complexity)")]
    async fn delete_meta_source(&self, context: &Context<'_>, source_id: String) -> Result<bool> {
        let session = changing(context)?;
        let admin = session.admin::<DataAdmin>()?;
        let id = id(MetaSourceId::parse(source_id))?;
        session.services.metasources.delete(&admin, &id).await.map_err(failed)?;
        Ok(true)
    }

    /// POST /config/global; sections as REST has them
    #[graphql(complexity = "called(child_complexity)")]
    async fn change_settings(&self, context: &Context<'_>, settings: Json<Value>) -> Result<bool> {
        let session = changing(context)?;
        session.admin::<AnyAdmin>()?;
        session.services.settings.change(&session.caller, &settings.0).await.map_err(failed)?;
        Ok(true)
    }
}
