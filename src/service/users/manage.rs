//! Changing and removing accounts (specification §5.3), never the last developer's (§5.5).
//!
//! What takes something away takes effect at once: with it every process forgets the account, and its sessions end.

use serde_json::json;

use super::keys::drop_key;
use super::make::{alone, may_give, refused};
use super::{Users, changed};
use crate::domain::filter::Filter;
use crate::domain::ids::UserId;
use crate::domain::users::{Profile, Role, UserChange, UserInfo};
use crate::service::Failure;
use crate::service::auth::{As, SystemAdmin, user_key};
use crate::store::{Room, StoreError};

/// Somebody to be changed, whom the administrator may change.
struct Target {
    entry: Option<UserInfo>,
    /// `None` = the issuer knows them no more.
    profile: Option<Profile>,
}

impl Target {
    fn role(&self) -> Role {
        self.entry.as_ref().map(|entry| entry.role).unwrap_or_default()
    }
}

impl Users {
    /// Merges a change into a user: names and address go to the issuer, the rest is kept here.
    pub async fn change(
        &self,
        admin: &As<SystemAdmin>,
        id: &UserId,
        change: UserChange,
    ) -> Result<(), Failure> {
        alone(&self.ports, async {
            let target = self.target(admin, id).await?;
            let role = change.role.filter(|role| *role != target.role());
            if let Some(role) = role {
                may_give(admin, role)?;
            }
            let stops = change.active == Some(false);
            if stops || role.is_some() {
                self.spare_last_developer(id).await?;
            }
            // What can be refused comes first.
            if let Some(profile) = change.of_profile(&target.profile.clone().unwrap_or_default()) {
                if target.profile.is_none() {
                    let reason = "the identity provider does not know this user any more: names and e-mail cannot be changed";
                    return Err(Failure::Unprocessable(reason.into()));
                }
                self.ports.identity.update(id, &profile).await.map_err(refused)?;
            }
            if change.role.is_some() || change.active.is_some() || change.budget.is_some() {
                let budget = self.default_budget().await?;
                self.write(id, budget, |entry| {
                    entry.role = change.role.unwrap_or(entry.role);
                    entry.active = change.active.unwrap_or(entry.active);
                    entry.budget = change.budget.unwrap_or(entry.budget);
                })
                .await?;
            }
            self.settle(id, stops || role.is_some()).await
        })
        .await?;
        self.record(admin, "userChanged", id.as_str()).await
    }

    /// Lets a user query, or not.
    pub async fn set_active(
        &self,
        admin: &As<SystemAdmin>,
        id: &UserId,
        active: bool,
    ) -> Result<(), Failure> {
        alone(&self.ports, async {
            self.target(admin, id).await?;
            if !active {
                self.spare_last_developer(id).await?;
            }
            let budget = self.default_budget().await?;
            self.write(id, budget, |entry| entry.active = active).await?;
            self.settle(id, !active).await
        })
        .await?;
        self.record(admin, if active { "userActivated" } else { "userDeactivated" }, id.as_str()).await
    }

    /// Lets a user sign in here once they are active: makes their key.
    pub async fn permit_login(&self, admin: &As<SystemAdmin>, id: &UserId) -> Result<(), Failure> {
        alone(&self.ports, async {
            self.target(admin, id).await?;
            self.make_key(id).await?;
            let budget = self.default_budget().await?;
            self.write(id, budget, |_| {}).await?;
            self.settle(id, false).await
        })
        .await?;
        self.record(admin, "loginPermitted", id.as_str()).await
    }

    /// Takes a user's key: they cannot sign in, and what was sealed for them cannot be read any more.
    pub async fn revoke_login(&self, admin: &As<SystemAdmin>, id: &UserId) -> Result<(), Failure> {
        alone(&self.ports, async {
            self.target(admin, id).await?;
            self.spare_last_developer(id).await?;
            drop_key(&self.ports, id).await?;
            self.settle(id, true).await
        })
        .await?;
        self.record(admin, "loginRevoked", id.as_str()).await
    }

    /// Removes a user with their key, their place in groups, their queries, and, where the issuer is ours, the account;
    /// the account of a realm that others share stays (specification §5.3). The entry goes last, so that whoever is
    /// interrupted can ask again.
    pub async fn delete(&self, admin: &As<SystemAdmin>, id: &UserId) -> Result<(), Failure> {
        alone(&self.ports, async {
            let target = self.target(admin, id).await?;
            if target.entry.is_none() && self.ports.identity.issuer().is_none() {
                return Err(Failure::not_found("user", id.as_str()));
            }
            self.spare_last_developer(id).await?;
            if target.entry.is_some() {
                let off = |entry: &mut UserInfo| {
                    entry.active = false;
                    Ok::<(), StoreError>(())
                };
                self.ports.store.users().update(id.as_str(), off).await?;
            }
            drop_key(&self.ports, id).await?;
            self.settle(id, true).await?;
            let groups = self.ports.store.groups();
            for group in groups.find(&Filter::contains("assignedUsers", id.as_str())).await? {
                let without = |group: &mut crate::domain::groups::Group| {
                    group.assigned_users.retain(|user| user != id);
                    Ok::<(), StoreError>(())
                };
                groups.update(group.group_id.as_str(), without).await?;
            }
            self.queries.remove_of(id).await?;
            if self.ports.identity.issuer().is_some() {
                self.ports.identity.delete(id).await?;
            }
            self.ports.store.users().delete(id.as_str()).await?;
            self.settle(id, false).await
        })
        .await?;
        self.record(admin, "userDeleted", id.as_str()).await
    }

    /// Keeps who decided what about whom.
    pub(in crate::service) async fn record(
        &self,
        admin: &As<SystemAdmin>,
        what: &'static str,
        subject: &str,
    ) -> Result<(), Failure> {
        let id = self.ports.random.uuid().to_string();
        let by = admin.caller().id();
        tracing::info!(%by, what, subject, "an account was decided about");
        let line = json!({
            "id": id, "createdAt": self.ports.clock.now(), "userId": by, "what": what, "subject": subject,
        });
        Ok(self.ports.store.documents().insert(Room::Decisions, &id, &line).await?)
    }

    /// The user, if there is one whom the administrator may touch.
    async fn target(&self, admin: &As<SystemAdmin>, id: &UserId) -> Result<Target, Failure> {
        // Who waited for another change may have been what it was about. The operator at the machine has no entry.
        let own = admin.caller().user();
        if !own.internal {
            let now = self.ports.store.users().get(own.user_id.as_str()).await?;
            if !now.is_some_and(|now| now.active && now.role == own.role) {
                return Err(Failure::Forbidden("your account was changed meanwhile; sign in again".into()));
            }
        }
        let entry = self.ports.store.users().get(id.as_str()).await?.filter(|entry| !entry.internal);
        let profile = self.ports.identity.profile(id).await?;
        if entry.is_none() && profile.is_none() {
            return Err(Failure::not_found("user", id.as_str()));
        }
        let target = Target { entry, profile };
        may_give(admin, target.role())?;
        Ok(target)
    }

    /// Changes the entry; who had none gets one, inactive until the change says otherwise.
    pub(super) async fn write(
        &self,
        id: &UserId,
        budget: i64,
        change: impl Fn(&mut UserInfo),
    ) -> Result<(), Failure> {
        let rule = |entry: &mut UserInfo| {
            change(entry);
            Ok::<(), Failure>(())
        };
        if self.ports.store.users().update(id.as_str(), rule).await?.is_some() {
            return Ok(());
        }
        let created_at = Some(self.ports.clock.now());
        let mut entry = UserInfo { budget, created_at, ..UserInfo::absent(id.clone()) };
        change(&mut entry);
        Ok(self.ports.store.users().insert(id.as_str(), &entry).await?)
    }

    /// Makes a change known to every process, and ends sessions where something was taken away.
    async fn settle(&self, id: &UserId, ended: bool) -> Result<(), Failure> {
        changed(&self.ports, id).await?;
        if ended {
            self.ports.identity.end_sessions(id).await?;
        }
        Ok(())
    }

    /// Refuses when this is the only one left who can put everything right again.
    async fn spare_last_developer(&self, id: &UserId) -> Result<(), Failure> {
        let developers = self.ports.store.users().find(&Filter::equals("role", "developer")).await?;
        let mut is_one = false;
        for developer in developers.into_iter().filter(|user| user.active && !user.internal) {
            let there = self.ports.secrets.has_key(&user_key(&developer.user_id)).await?
                && self.ports.identity.profile(&developer.user_id).await?.is_some();
            match developer.user_id == *id {
                true => is_one = there,
                false if there => return Ok(()),
                false => {}
            }
        }
        if is_one {
            return Err(Failure::Conflict(
                "this is the last active developer who can sign in; make another one first".into(),
            ));
        }
        Ok(())
    }
}
