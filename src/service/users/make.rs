//! Making accounts: at the issuer, here, and their key; what fails is undone.

use std::future::Future;

use serde_json::json;

use super::keys::{drop_key, make_key};
use super::{Users, changed};
use crate::domain::access::may_grant;
use crate::domain::ids::UserId;
use crate::domain::users::{NewUser, Profile, Role, UserInfo};
use crate::identity::{IdentityError, Invitation, NewAccount};
use crate::ports::Ports;
use crate::service::Failure;
use crate::service::alone::alone as one_at_a_time;
use crate::service::auth::{As, SystemAdmin};
use crate::service::mail::{Event, Recipient, notify};
use crate::store::StoreError;

/// An account that may be used now.
#[derive(Clone, PartialEq, Eq)]
pub struct Made {
    pub user_id: UserId,
    /// To be handed over, where the issuer does not write to people itself.
    pub one_time_password: Option<String>,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// How somebody who is known at the provider gets in.
#[derive(Clone, PartialEq, Eq)]
pub enum Way {
    /// As before: the account was there already and keeps its password.
    AsBefore,
    /// The provider wrote to them.
    Mailed,
    /// To be handed over.
    OneTimePassword(String),
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AsBefore => "AsBefore",
            Self::Mailed => "Mailed",
            Self::OneTimePassword(_) => "OneTimePassword(…)",
        })
    }
}

/// An account of the provider that may be used here now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    pub user_id: UserId,
    pub username: String,
    pub way: Way,
}

impl Users {
    /// Lets somebody in by hand: an account that the provider has under this user name or e-mail as it is, else a new
    /// one (specification §4.2).
    pub async fn bring_in(
        &self,
        admin: &As<SystemAdmin>,
        profile: Profile,
        role: Role,
    ) -> Result<Admitted, Failure> {
        may_give(admin, role)?;
        let budget = self.default_budget().await?;
        alone(&self.ports, async {
            let held = match self.ports.identity.by_username(&profile.username).await? {
                Some(id) => Some(id),
                None => self.ports.identity.by_email(&profile.email).await?,
            };
            admit(&self.ports, held, profile, role, budget).await
        })
        .await
    }

    /// Lets in whom the provider calls so, for providers whose accounts are not managed from here.
    pub async fn bring_in_subject(
        &self,
        admin: &As<SystemAdmin>,
        subject: &str,
        role: Role,
    ) -> Result<UserId, Failure> {
        may_give(admin, role)?;
        let budget = self.default_budget().await?;
        alone(&self.ports, async {
            let id = self.ports.identity.by_subject(subject).await.map_err(refused)?;
            if self.ports.identity.profile(&id).await?.is_none() {
                return Err(Failure::not_found("user", subject));
            }
            attach(&self.ports, &id, role, budget).await?;
            Ok(id)
        })
        .await
    }

    /// A new one-time password, for the operator's tool.
    pub async fn one_time_password(&self, _: &As<SystemAdmin>, id: &UserId) -> Result<String, Failure> {
        Ok(self.ports.identity.one_time_password(id).await?)
    }

    /// Creates an account with a password, or with none yet, for the operator's tool.
    pub async fn create(
        &self,
        admin: &As<SystemAdmin>,
        profile: Profile,
        role: Role,
        password: Option<&str>,
    ) -> Result<UserId, Failure> {
        may_give(admin, role)?;
        let budget = self.default_budget().await?;
        create(&self.ports, profile, role, budget, password).await
    }

    /// Creates an account and lets its owner choose a password.
    pub async fn add(&self, admin: &As<SystemAdmin>, new: NewUser) -> Result<Made, Failure> {
        may_give(admin, new.role)?;
        let budget = match new.budget {
            Some(budget) => budget,
            None => self.default_budget().await?,
        };
        let made = alone(&self.ports, async {
            let id = create_alone(&self.ports, &new, budget, None).await?;
            self.invited(id).await
        })
        .await?;
        self.record(admin, "userCreated", made.user_id.as_str()).await?;
        let facts = json!({"userId": made.user_id});
        let to = vec![Recipient::User(made.user_id.clone())];
        notify(&self.ports, Event::AccountCreated, to, facts).await?;
        Ok(made)
    }

    /// An active account that may sign in for somebody who was let in: a new one, or that of the same e-mail address
    /// (specification §5.4). Done again it changes nothing.
    pub(in crate::service) async fn admit(
        &self,
        admin: &As<SystemAdmin>,
        profile: Profile,
    ) -> Result<Made, Failure> {
        let budget = self.default_budget().await?;
        alone(&self.ports, async {
            let held = self.ports.identity.by_email(&profile.email).await?;
            let entry = match &held {
                Some(id) => self.ports.store.users().get(id.as_str()).await?,
                None => None,
            };
            match held {
                // With our own issuer an account without an entry is what was left of one that was never finished.
                Some(id) if entry.is_some() || self.ports.identity.issuer().is_none() => {
                    may_give(admin, entry.map(|entry| entry.role).unwrap_or_default())?;
                    make_key(&self.ports, &id).await?;
                    self.write(&id, budget, |entry| entry.active = true).await?;
                    changed(&self.ports, &id).await?;
                    Ok(Made { user_id: id, one_time_password: None })
                }
                _ => {
                    may_give(admin, Role::User)?;
                    let new = NewUser {
                        profile,
                        role: Role::User,
                        active: true,
                        allow_login: true,
                        budget: Some(budget),
                    };
                    let id = create_alone(&self.ports, &new, budget, None).await?;
                    self.invited(id).await
                }
            }
        })
        .await
    }

    async fn invited(&self, id: UserId) -> Result<Made, Failure> {
        let one_time_password = match invite(&self.ports, &id).await? {
            Invitation::Mailed => None,
            Invitation::OneTimePassword(password) => Some(password),
        };
        Ok(Made { user_id: id, one_time_password })
    }

    pub(super) async fn default_budget(&self) -> Result<i64, Failure> {
        Ok(self.settings.current().await?.discovery_settings.default_budget)
    }

    /// Makes the key with which details are sealed and signing in is permitted; a no-op where there is one.
    pub(super) async fn make_key(&self, id: &UserId) -> Result<(), Failure> {
        make_key(&self.ports, id).await
    }
}

/// The role-granting rule (specification §5.5): a role one could not give is not to be touched either.
pub(super) fn may_give(admin: &As<SystemAdmin>, role: Role) -> Result<(), Failure> {
    if may_grant(admin.caller().user().role, role) {
        return Ok(());
    }
    Err(Failure::Forbidden(
        "you may give only roles you hold, and change only users who have such a role".into(),
    ))
}

/// Does something about accounts while no other process does.
///
/// One at a time, so that an account without an entry is what a process that ended in between left of it, which stands
/// in the way of nobody who makes an account of that name; and so that the last developer is not taken twice at once.
pub(super) async fn alone<T>(
    ports: &Ports,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    one_at_a_time(ports, "accounts", work).await
}

/// Lets in the account of exactly this user name, made if there is none; used by the first set-up (specification §4.1).
pub(in crate::service) async fn admit_named(
    ports: &Ports,
    profile: Profile,
    role: Role,
    budget: i64,
) -> Result<Admitted, Failure> {
    alone(ports, async {
        let held = ports.identity.by_username(&profile.username).await?;
        admit(ports, held, profile, role, budget).await
    })
    .await
}

/// An account the provider has is left as it is; a new one is invited, and taken back if that fails.
async fn admit(
    ports: &Ports,
    held: Option<UserId>,
    profile: Profile,
    role: Role,
    budget: i64,
) -> Result<Admitted, Failure> {
    if let Some(user_id) = held {
        attach(ports, &user_id, role, budget).await?;
        let username = ports.identity.profile(&user_id).await?.map_or(profile.username, |held| held.username);
        return Ok(Admitted { user_id, username, way: Way::AsBefore });
    }
    let username = profile.username.clone();
    let new = NewUser { profile, role, active: true, allow_login: true, budget: Some(budget) };
    let user_id = create_alone(ports, &new, budget, None).await?;
    let way = match invite(ports, &user_id).await? {
        Invitation::Mailed => Way::Mailed,
        Invitation::OneTimePassword(password) => Way::OneTimePassword(password),
    };
    Ok(Admitted { user_id, username, way })
}

/// Gives an account of the provider its entry and key here; a role that holds the new one stays.
async fn attach(ports: &Ports, id: &UserId, role: Role, budget: i64) -> Result<(), Failure> {
    make_key(ports, id).await?;
    let change = |entry: &mut UserInfo| {
        if !entry.role.holds(role) {
            entry.role = role;
        }
        entry.active = true;
        Ok::<(), StoreError>(())
    };
    if ports.store.users().update(id.as_str(), change).await?.is_none() {
        let created_at = Some(ports.clock.now());
        let entry = UserInfo { role, active: true, budget, created_at, ..UserInfo::absent(id.clone()) };
        ports.store.users().insert(id.as_str(), &entry).await?;
    }
    changed(ports, id).await
}

/// Invites who was just made; what fails is undone.
async fn invite(ports: &Ports, id: &UserId) -> Result<Invitation, Failure> {
    match ports.identity.invite(id).await {
        Ok(invitation) => Ok(invitation),
        Err(failure) => {
            ports.store.users().delete(id.as_str()).await?;
            undo(ports, id).await?;
            Err(failure.into())
        }
    }
}

/// Creates account, entry and key; used by the operator's tool and by the first set-up.
pub(in crate::service) async fn create(
    ports: &Ports,
    profile: Profile,
    role: Role,
    budget: i64,
    password: Option<&str>,
) -> Result<UserId, Failure> {
    let new = NewUser { profile, role, active: true, allow_login: true, budget: Some(budget) };
    alone(ports, create_alone(ports, &new, budget, password)).await
}

/// Removes an account of ours under one of these names that never got its entry.
async fn remove_unfinished(ports: &Ports, profile: &Profile) -> Result<(), Failure> {
    let Some(issuer) = ports.identity.issuer() else { return Ok(()) };
    for name in [&profile.username, &profile.email] {
        if let Some(id) = issuer.find(name).await?
            && ports.store.users().get(id.as_str()).await?.is_none()
        {
            undo(ports, &id).await?;
            tracing::warn!(user = %id, "an account that was never finished was removed");
        }
    }
    Ok(())
}

/// Takes back key and account of somebody without an entry.
async fn undo(ports: &Ports, id: &UserId) -> Result<(), Failure> {
    drop_key(ports, id).await?;
    ports.identity.delete(id).await?;
    Ok(())
}

async fn create_alone(
    ports: &Ports,
    new: &NewUser,
    budget: i64,
    password: Option<&str>,
) -> Result<UserId, Failure> {
    remove_unfinished(ports, &new.profile).await?;
    let account = NewAccount { profile: new.profile.clone() };
    let made = match ports.identity.issuer() {
        Some(issuer) => issuer.create_account(account, password).await,
        None => ports.identity.create(account).await,
    };
    let id = made.map_err(refused)?;
    let entry = UserInfo {
        role: new.role,
        active: new.active,
        budget,
        created_at: Some(ports.clock.now()),
        ..UserInfo::absent(id.clone())
    };
    abort_if_asked();
    let made = async {
        if new.allow_login {
            make_key(ports, &id).await?;
        }
        ports.store.users().insert(id.as_str(), &entry).await?;
        Ok::<(), Failure>(())
    };
    if let Err(failure) = made.await {
        undo(ports, &id).await?;
        return Err(failure);
    }
    changed(ports, &id).await?;
    Ok(id)
}

/// What the issuer refuses here is a name or password that was typed, not a sign-in.
pub(super) fn refused(error: IdentityError) -> Failure {
    match error {
        IdentityError::Rejected(reason) => Failure::Invalid(reason),
        other => other.into(),
    }
}

/// Lets the tests kill the process between account and entry; never in a release build.
fn abort_if_asked() {
    if cfg!(debug_assertions) && std::env::var_os("CV3_FAULT_ABORT_ON_ACCOUNT").is_some() {
        std::process::abort();
    }
}
