//! The fields of a query, each the REST operation named beside it. Lists come in pages: 100 entries unless `limit` says
//! otherwise, at most 1,000, from `skip` on.

use async_graphql::{ComplexObject, Context, Json, Object, Result};
use serde_json::{Value, json};

use super::types::{Entry, Group, Network, Node, Source, User, all, of};
use super::weigh::{MOST, PAGE, called, documents, listed, nested};
use super::{failed, session};
use crate::domain::access::Duty;
use crate::domain::ids::{GroupId, NetworkId, SourceId, UserId};
use crate::service::Failure;
use crate::service::auth::{AnyAdmin, Asker, DataAdmin, SystemAdmin};
use crate::service::sources::{published, published_to_admin};

/// Queries answered at once at most.
const QUERIES: usize = 100;

/// The asked-for page of a list.
fn page<T>(all: impl IntoIterator<Item = T>, skip: u32, limit: u32) -> impl Iterator<Item = T> {
    all.into_iter().skip(skip as usize).take(limit.min(MOST) as usize)
}

/// What there is to read.
pub struct Query;

/// An id of a resource from an argument.
pub fn id<T>(parsed: Result<T, crate::domain::ids::InvalidId>) -> Result<T> {
    parsed.map_err(|error| failed(Failure::Invalid(error.to_string())))
}

#[Object]
impl Query {
    /// The caller's own account (GET /auth/user-info)
    #[graphql(complexity = "called(child_complexity)")]
    async fn me(&self, context: &Context<'_>) -> Result<User> {
        let session = session(context)?;
        of(session.services.users.own(&session.caller).await.map_err(failed)?)
    }

    /// Sources the caller may see (GET /sources/)
    #[graphql(complexity = "listed(limit, child_complexity)")]
    async fn sources(
        &self,
        context: &Context<'_>,
        #[graphql(default)] skip: u32,
        #[graphql(default_with = "PAGE")] limit: u32,
    ) -> Result<Vec<Source>> {
        let session = session(context)?;
        let shown = if session.caller.may(Duty::Data) { published_to_admin } else { published };
        let asker = Asker::User(session.caller.clone());
        let all_visible = session.services.sources.visible(&asker).await.map_err(failed)?;
        all(page(&all_visible, skip, limit).map(shown))
    }

    /// One source (GET /sources/{source_id})
    #[graphql(complexity = "called(child_complexity)")]
    async fn source(&self, context: &Context<'_>, source_id: String) -> Result<Source> {
        let session = session(context)?;
        let shown = if session.caller.may(Duty::Data) { published_to_admin } else { published };
        let asker = Asker::User(session.caller.clone());
        let id = id(SourceId::parse(source_id))?;
        of(shown(&session.services.sources.one(&asker, &id).await.map_err(failed)?))
    }

    /// Networks the caller is in, all for data administrators (GET /networks/)
    #[graphql(complexity = "listed(limit, child_complexity)")]
    async fn networks(
        &self,
        context: &Context<'_>,
        #[graphql(default)] skip: u32,
        #[graphql(default_with = "PAGE")] limit: u32,
    ) -> Result<Vec<Network>> {
        let session = session(context)?;
        let asker = Asker::User(session.caller.clone());
        let visible = session.services.networks.visible(&asker).await.map_err(failed)?;
        all(page(visible, skip, limit).map(|one| json!(*one)))
    }

    /// One network (GET /networks/{network_id})
    #[graphql(complexity = "called(child_complexity)")]
    async fn network(&self, context: &Context<'_>, network_id: String) -> Result<Network> {
        let session = session(context)?;
        let asker = Asker::User(session.caller.clone());
        let id = id(NetworkId::parse(network_id))?;
        of(json!(*session.services.networks.one(&asker, &id).await.map_err(failed)?))
    }

    /// Discovery groups (GET /groups/)
    #[graphql(complexity = "listed(limit, child_complexity)")]
    async fn groups(
        &self,
        context: &Context<'_>,
        #[graphql(default)] skip: u32,
        #[graphql(default_with = "PAGE")] limit: u32,
    ) -> Result<Vec<Group>> {
        let session = session(context)?;
        let admin = session.admin::<DataAdmin>()?;
        let groups = session.services.groups.list(&admin).await.map_err(failed)?;
        all(page(groups, skip, limit).map(|one| json!(one)))
    }

    /// One discovery group (GET /groups/{group_id})
    #[graphql(complexity = "called(child_complexity)")]
    async fn group(&self, context: &Context<'_>, group_id: String) -> Result<Group> {
        let session = session(context)?;
        let admin = session.admin::<DataAdmin>()?;
        of(json!(session.services.groups.one(&admin, &id(GroupId::parse(group_id))?).await.map_err(failed)?))
    }

    /// Everyone the identity provider knows (GET /users/)
    #[graphql(complexity = "listed(limit, child_complexity)")]
    async fn users(
        &self,
        context: &Context<'_>,
        #[graphql(default)] skip: u32,
        #[graphql(default_with = "PAGE")] limit: u32,
    ) -> Result<Vec<User>> {
        let session = session(context)?;
        let admin = session.admin::<SystemAdmin>()?;
        all(page(session.services.users.all(&admin).await.map_err(failed)?, skip, limit))
    }

    /// Accounts of this installation; names alone for data administrators (GET /users/local)
    #[graphql(complexity = "listed(limit, child_complexity)")]
    async fn local_users(
        &self,
        context: &Context<'_>,
        #[graphql(default)] skip: u32,
        #[graphql(default_with = "PAGE")] limit: u32,
    ) -> Result<Vec<User>> {
        let session = session(context)?;
        session.admin::<AnyAdmin>()?;
        all(page(session.services.users.local(&session.caller).await.map_err(failed)?, skip, limit))
    }

    /// One's own account, or anyone's for who manages users (GET /users/{user_id})
    #[graphql(complexity = "called(child_complexity)")]
    async fn user(&self, context: &Context<'_>, user_id: String) -> Result<User> {
        let session = session(context)?;
        of(session.services.users.one(&session.caller, &id(UserId::parse(user_id))?).await.map_err(failed)?)
    }

    /// Descriptions of data (GET /meta/sources)
    #[graphql(complexity = "documents(limit)")]
    async fn meta_sources(
        &self,
        context: &Context<'_>,
        #[graphql(default)] skip: u32,
        #[graphql(default_with = "PAGE")] limit: u32,
    ) -> Result<Vec<Json<Value>>> {
        let session = session(context)?;
        let admin = session.admin::<DataAdmin>()?;
        let all = session.services.metasources.list(&admin).await.map_err(failed)?;
        Ok(page(all, skip, limit).map(|one| Json(json!(*one))).collect())
    }

    /// Pipelines (GET /pipelines/)
    #[graphql(complexity = "documents(limit)")]
    async fn pipelines(
        &self,
        context: &Context<'_>,
        #[graphql(default)] skip: u32,
        #[graphql(default_with = "PAGE")] limit: u32,
    ) -> Result<Vec<Json<Value>>> {
        let session = session(context)?;
        let admin = session.admin::<DataAdmin>()?;
        let all = session.services.pipelines.list(&admin).await.map_err(failed)?;
        Ok(page(all, skip, limit).map(|one| Json(json!(one))).collect())
    }

    /// Own queries, newest first; everyone's for data administrators, without details (GET /record/history of the query
    /// API)
    #[graphql(complexity = "listed(limit, child_complexity)")]
    async fn queries(
        &self,
        context: &Context<'_>,
        #[graphql(default)] skip: u32,
        #[graphql(default = 20)] limit: u32,
    ) -> Result<Vec<Entry>> {
        let session = session(context)?;
        let limit = (limit as usize).min(QUERIES);
        all(session.services.queries.history(&session.caller, skip as usize, limit).await.map_err(failed)?)
    }

    /// Runtime settings: all for administrators, a subset for others (GET /config/global)
    #[graphql(complexity = "called(child_complexity)")]
    async fn settings(&self, context: &Context<'_>) -> Result<Json<Value>> {
        let session = session(context)?;
        Ok(Json(match session.admin::<AnyAdmin>() {
            Ok(admin) => json!(session.services.settings.all(&admin).await.map_err(failed)?),
            Err(_) => {
                let asker = Asker::User(session.caller.clone());
                session.services.settings.shown(&asker).await.map_err(failed)?
            }
        }))
    }
}

#[ComplexObject]
impl Network {
    /// Its members (GET /networks/{network_id}/nodes)
    #[graphql(complexity = "nested(limit, child_complexity)")]
    async fn nodes(
        &self,
        context: &Context<'_>,
        #[graphql(default)] skip: u32,
        #[graphql(default_with = "PAGE")] limit: u32,
    ) -> Result<Vec<Node>> {
        let session = session(context)?;
        let asker = Asker::User(session.caller.clone());
        let id = id(NetworkId::parse(&*self.network_id))?;
        all(page(session.services.networks.nodes(&asker, &id, false).await.map_err(failed)?, skip, limit))
    }
}
