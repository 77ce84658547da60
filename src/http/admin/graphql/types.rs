//! Resources as GraphQL types. Each is read from the body that REST answers with, so that both say the same.

use async_graphql::{Error, InputObject, Json, MaybeUndefined, SimpleObject};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A resource from its published body.
pub fn of<T: DeserializeOwned>(published: Value) -> Result<T, Error> {
    serde_json::from_value(published).map_err(|problem| {
        tracing::error!(%problem, "a published body does not fit its GraphQL type");
        Error::new("internal error")
    })
}

/// All of a list.
pub fn all<T: DeserializeOwned>(published: impl IntoIterator<Item = Value>) -> Result<Vec<T>, Error> {
    published.into_iter().map(of).collect()
}

/// The fields that are given, as the body of a change: `null` removes.
pub fn merged(input: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(input).map_err(|_| Error::new("internal error"))
}

/// The fields that are given, as the body of something new.
pub fn body(input: &impl Serialize) -> Result<Value, Error> {
    let mut body = merged(input)?;
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    Ok(body)
}

/// An account.
#[derive(Debug, Default, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    pub user_id: String,
    pub username: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub affiliation: String,
    /// user, dataAdmin, serverAdmin or developer
    pub role: String,
    pub active: bool,
    /// Whether the user has a key and so may sign in here
    pub allow_login: bool,
    /// Privacy budget left, 0 to 100
    pub budget: i64,
}

/// A data source.
#[derive(Debug, Default, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    pub source_id: String,
    pub source_name: String,
    pub display_name: String,
    pub source_description: String,
    pub source_type: String,
    pub owner: String,
    pub owner_email: String,
    pub online: bool,
    pub source_url: Option<String>,
    pub index_url: Option<String>,
    pub beacon_auth_method: Option<String>,
    /// RFC 3339; null before the first index
    pub indexed_at: Option<String>,
    pub record_index: RecordIndex,
}

/// What a source can be asked for.
#[derive(Debug, Default, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", default)]
pub struct RecordIndex {
    /// Subjects in the source
    pub record_count: u64,
    pub capability: Option<Json<Value>>,
    pub eav_index: Option<Json<Value>>,
}

/// A logical group of installations.
#[derive(Debug, Default, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", default)]
#[graphql(complex)]
pub struct Network {
    pub network_id: String,
    pub network_name: String,
    pub description: String,
    pub node_ids: Vec<String>,
    pub visible: bool,
    pub instance_id: String,
}

/// A member of a network.
#[derive(Debug, Default, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", default)]
pub struct Node {
    pub node_id: String,
    pub node_name: String,
    pub node_url: String,
    pub node_description: String,
    pub client_id: String,
    pub public_key: Option<String>,
}

/// A grant: these users see these sources at this level.
#[derive(Debug, Default, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", default)]
pub struct Group {
    pub group_id: String,
    pub group_name: String,
    pub group_description: String,
    pub network_id: String,
    /// noAccess, boolean, range, count, list or detailedList
    pub discovery_policy: String,
    pub assigned_users: Vec<String>,
    pub assigned_sources: Vec<String>,
    pub minimum_count: u64,
    pub list_below_minimum: bool,
}

/// A stored query with its answers.
#[derive(Debug, Deserialize, SimpleObject)]
pub struct Entry {
    /// The message as it was asked
    pub query: Json<Value>,
    /// One message per node
    pub responses: Json<Value>,
    /// How far it is: state, expected, received, failures
    pub status: Option<Json<Value>>,
}

/// A source as wanted; what is absent stays or has its default, `null` in a change removes.
#[derive(Debug, InputObject, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceInput {
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub source_name: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub display_name: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub source_description: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub source_type: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub owner: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub owner_email: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub online: MaybeUndefined<bool>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub source_url: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub index_url: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub beacon_auth_method: MaybeUndefined<String>,
}

/// A discovery group as wanted; what is absent stays or has its default, `null` in a change removes.
#[derive(Debug, InputObject, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupInput {
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub group_name: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub group_description: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub network_id: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub discovery_policy: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub assigned_users: MaybeUndefined<Vec<String>>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub assigned_sources: MaybeUndefined<Vec<String>>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub minimum_count: MaybeUndefined<u64>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub list_below_minimum: MaybeUndefined<bool>,
}

/// An account as wanted; what is absent stays or has its default, `null` in a change removes.
#[derive(Debug, InputObject, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserInput {
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub username: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub email: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub first_name: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub last_name: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub affiliation: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub role: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub active: MaybeUndefined<bool>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub allow_login: MaybeUndefined<bool>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub budget: MaybeUndefined<i64>,
}
