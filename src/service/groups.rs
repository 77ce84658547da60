//! Discovery groups: who may see which sources, at which level.

use serde_json::Value;

use super::Failure;
use super::auth::{As, DataAdmin};
use super::indices::Indices;
use crate::domain::filter::Filter;
use crate::domain::groups::Group;
use crate::domain::ids::GroupId;
use crate::domain::settings::merge;
use crate::ports::Ports;

/// Most users or sources of one group.
const MOST_MEMBERS: usize = 10_000;

/// Manages discovery groups.
#[derive(Debug, Clone)]
pub struct Groups {
    ports: Ports,
    indices: Indices,
}

impl Groups {
    pub(super) fn new(ports: Ports, indices: Indices) -> Self {
        Self { ports, indices }
    }

    /// All groups, by name.
    pub async fn list(&self, _: &As<DataAdmin>) -> Result<Vec<Group>, Failure> {
        Ok(self.ports.store.groups().find(&Filter::all().sorted("groupName")).await?)
    }

    /// One group.
    pub async fn one(&self, _: &As<DataAdmin>, id: &GroupId) -> Result<Group, Failure> {
        let found = self.ports.store.groups().get(id.as_str()).await?;
        found.ok_or_else(|| Failure::not_found("discovery group", id.as_str()))
    }

    /// Creates a group; the id is ours, whatever the body says.
    pub async fn create(&self, _: &As<DataAdmin>, mut body: Value) -> Result<GroupId, Failure> {
        let id = GroupId::from_uuid(self.ports.random.uuid());
        if let Some(fields) = body.as_object_mut() {
            fields.insert("groupId".into(), id.as_str().into());
        }
        let group = self.checked(body).await?;
        self.ports.store.groups().insert(id.as_str(), &group).await?;
        self.indices.refresh_networks().await?;
        Ok(id)
    }

    /// Merges a change into a group.
    pub async fn change(
        &self,
        admin: &As<DataAdmin>,
        id: &GroupId,
        mut change: Value,
    ) -> Result<(), Failure> {
        let mut body = serde_json::to_value(self.one(admin, id).await?).map_err(Failure::internal)?;
        if let Some(fields) = change.as_object_mut() {
            fields.remove("groupId");
        }
        merge(&mut body, &change);
        // `null` removes an optional field; a required one is then missing (specification §2.4).
        if let Some(fields) = body.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let group = self.checked(body).await?;
        let written = self
            .ports
            .store
            .groups()
            .update(id.as_str(), |held| {
                *held = group.clone();
                Ok::<(), Failure>(())
            })
            .await?;
        if written.is_none() {
            return Err(Failure::not_found("discovery group", id.as_str()));
        }
        self.indices.refresh_networks().await
    }

    /// Removes a group.
    pub async fn delete(&self, _: &As<DataAdmin>, id: &GroupId) -> Result<(), Failure> {
        if self.ports.store.groups().delete(id.as_str()).await? {
            self.indices.refresh_networks().await
        } else {
            Err(Failure::not_found("discovery group", id.as_str()))
        }
    }

    /// Validates what a group names: network, users and sources exist; duplicates collapse (specification §6.2).
    async fn checked(&self, body: Value) -> Result<Group, Failure> {
        // A list would be read as the fields in their order, ours among them.
        if !body.is_object() {
            return Err(Failure::Invalid("a discovery group must be a JSON object".into()));
        }
        let mut group: Group =
            serde_json::from_value(body).map_err(|e| Failure::Invalid(format!("discovery group: {e}")))?;
        if group.group_name.trim().is_empty() || group.group_name.len() > 255 {
            return Err(Failure::Invalid("groupName must have 1 to 255 characters".into()));
        }
        if group.assigned_users.len() > MOST_MEMBERS || group.assigned_sources.len() > MOST_MEMBERS {
            return Err(Failure::Invalid(format!("a group holds at most {MOST_MEMBERS} users and sources")));
        }
        group.assigned_users.sort();
        group.assigned_users.dedup();
        group.assigned_sources.sort();
        group.assigned_sources.dedup();
        let store = &self.ports.store;
        if store.networks().get(group.network_id.as_str()).await?.is_none() {
            return Err(Failure::Invalid(format!("networkId: there is no network {}", group.network_id)));
        }
        for user in &group.assigned_users {
            if store.users().get(user.as_str()).await?.is_none() {
                return Err(Failure::Invalid(format!("assignedUsers: there is no user {user}")));
            }
        }
        for source in &group.assigned_sources {
            if store.sources().get(source.as_str()).await?.is_none() {
                return Err(Failure::Invalid(format!("assignedSources: there is no source {source}")));
            }
        }
        Ok(group)
    }
}
