//! Accounts of this installation, joined from the issuer and the local entries.
//!
//! Lives here: reading them, and the caller's own. `keys` are what they sign in with, `make` makes accounts, `manage` changes and removes them, `remap`
//! gives them other ids.

pub(super) mod keys;
mod make;
mod manage;
pub mod remap;

use std::collections::{HashMap, HashSet};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::Failure;
use super::auth::{As, Caller, SystemAdmin, user_key};
use super::queries::Queries;
use super::settings::Settings;
use crate::broker::Notice;
use crate::domain::access::Duty;
use crate::domain::filter::Filter;
use crate::domain::ids::UserId;
use crate::domain::users::{Profile, UserInfo, read_settings};
use crate::identity::IdentityError;
use crate::ports::Ports;

pub use make::{Admitted, Made, Way};
pub(super) use make::{admit_named, create};

/// People asked of the issuer at once.
const PAGE: usize = 500;

/// Users that are asked about by themselves rather than looked for in the issuer's list.
const FEW: usize = 8;

/// Pages of the issuer's list that are looked through for the users of this installation: a realm may have many more
/// people than that.
const MOST_PAGES: usize = 20;

/// Calls under way at once.
const AT_ONCE: usize = 8;

/// Reads and manages accounts.
#[derive(Debug, Clone)]
pub struct Users {
    ports: Ports,
    settings: Settings,
    queries: Queries,
}

impl Users {
    pub(super) fn new(ports: Ports, settings: Settings, queries: Queries) -> Self {
        Self { ports, settings, queries }
    }

    /// Everyone the issuer knows, by user name, with what is stored of them here (specification §5.3).
    pub async fn all(&self, _: &As<SystemAdmin>) -> Result<Vec<Value>, Failure> {
        let entries = self.ports.store.users().find(&Filter::all()).await?;
        let entries: HashMap<UserId, UserInfo> =
            entries.into_iter().map(|entry| (entry.user_id.clone(), entry)).collect();
        let mut shown = Vec::new();
        loop {
            let page = self.ports.identity.profiles(shown.len(), PAGE).await?;
            if page.is_empty() {
                return Ok(shown);
            }
            for (id, profile) in page {
                shown.push(self.joined(&id, entries.get(&id), &profile).await?);
            }
        }
    }

    /// One user: one's own, or anyone for who manages users.
    pub async fn one(&self, caller: &Caller, id: &UserId) -> Result<Value, Failure> {
        if caller.id() == id {
            return self.own(caller).await;
        }
        if !caller.may(Duty::System) {
            return Err(Failure::Forbidden("your role does not allow this".into()));
        }
        let entry = self.ports.store.users().get(id.as_str()).await?;
        let profile = self.ports.identity.profile(id).await?;
        match (&entry, profile) {
            (Some(entry), _) if entry.internal => Err(Failure::not_found("user", id.as_str())),
            (None, None) => Err(Failure::not_found("user", id.as_str())),
            (_, profile) => self.joined(id, entry.as_ref(), &profile.unwrap_or_default()).await,
        }
    }

    /// As published; who has no entry here may do nothing.
    async fn joined(
        &self,
        id: &UserId,
        entry: Option<&UserInfo>,
        profile: &Profile,
    ) -> Result<Value, Failure> {
        match entry {
            Some(entry) => {
                let key = self.ports.secrets.has_key(&user_key(id)).await?;
                Ok(published(entry, profile, key))
            }
            None => Ok(published(&UserInfo::absent(id.clone()), profile, false)),
        }
    }

    /// Removes codes, sessions and tokens that ended, where we issue them ourselves; answers how many.
    pub async fn expire_sign_ins(&self, _: &super::auth::Inside) -> Result<u64, Failure> {
        match self.ports.identity.issuer() {
            Some(issuer) => Ok(issuer.sweep().await?),
            None => Ok(0),
        }
    }

    /// The caller's own account as published.
    pub async fn own(&self, caller: &Caller) -> Result<Value, Failure> {
        // Read anew: a budget goes down with every range answer.
        let user = self.ports.store.users().get(caller.id().as_str()).await?;
        Ok(published(user.as_ref().unwrap_or(caller.user()), caller.profile(), true))
    }

    /// Users with a local entry; data administrators get the reduced form of specification §5.6.
    pub async fn local(&self, caller: &Caller) -> Result<Vec<Value>, Failure> {
        let reduced = if caller.may(Duty::System) {
            false
        } else if caller.may(Duty::Data) {
            true
        } else {
            return Err(Failure::Forbidden("your role does not allow this".into()));
        };
        let users = self.ports.store.users().find(&Filter::all()).await?;
        let mut profiles = self.profiles_of(&users).await?;
        let keyed = self.keyed(&users).await?;
        let mut shown = Vec::new();
        for (user, key) in users.iter().zip(keyed) {
            let profile = profiles.remove(&user.user_id).unwrap_or_default();
            let mut body = published(user, &profile, key);
            if reduced && let Some(fields) = body.as_object_mut() {
                for (field, empty) in [("email", json!("")), ("affiliation", json!("")), ("budget", json!(0))]
                {
                    fields.insert(field.into(), empty);
                }
            }
            if user.internal
                && let Some(fields) = body.as_object_mut()
            {
                fields.insert("internal".into(), true.into());
            }
            shown.push((profile.username, body));
        }
        // As the issuer orders its people; who has no name there comes first.
        shown.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(shown.into_iter().map(|(_, body)| body).collect())
    }

    /// What the issuer knows of these users. Few are asked about by themselves; of many, pages of its list are read as long
    /// as that costs fewer calls than asking about each that is still missing.
    async fn profiles_of(&self, users: &[UserInfo]) -> Result<HashMap<UserId, Profile>, Failure> {
        let mut found = HashMap::new();
        // The internal anonymous user can be put into groups but is no account (specification §5.5).
        let internal = users.iter().filter(|user| user.internal);
        found.extend(internal.map(|user| {
            (user.user_id.clone(), Profile { username: "anonymous".into(), ..Profile::default() })
        }));
        let mut missing: HashSet<UserId> =
            users.iter().filter(|user| !user.internal).map(|user| user.user_id.clone()).collect();
        let (mut read, mut pages) = (0, 0);
        while missing.len() > FEW && pages < MOST_PAGES {
            let page = match self.ports.identity.profiles(read, PAGE).await {
                Ok(page) => page,
                // Who only signs people in has no list.
                Err(IdentityError::Unsupported(_)) => break,
                Err(error) => return Err(error.into()),
            };
            if page.is_empty() {
                break;
            }
            (read, pages) = (read + page.len(), pages + 1);
            found.extend(page.into_iter().filter(|(id, _)| missing.remove(id)));
        }
        let asked = stream::iter(missing).map(|id| async move {
            let profile = self.ports.identity.profile(&id).await?;
            Ok::<_, Failure>(profile.map(|profile| (id, profile)))
        });
        let asked: Vec<_> = asked.buffer_unordered(AT_ONCE).try_collect().await?;
        found.extend(asked.into_iter().flatten());
        Ok(found)
    }

    /// Whether each of these users has a key.
    async fn keyed(&self, users: &[UserInfo]) -> Result<Vec<bool>, Failure> {
        let names: Vec<_> =
            users.iter().map(|user| (!user.internal).then(|| user_key(&user.user_id))).collect();
        let asked = stream::iter(names).map(|name| async move {
            Ok::<_, Failure>(match name {
                Some(name) => self.ports.secrets.has_key(&name).await?,
                None => false,
            })
        });
        asked.buffered(AT_ONCE).try_collect().await
    }

    /// Changes the caller's own display settings.
    pub async fn change_settings(&self, caller: &Caller, settings: &Value) -> Result<(), Failure> {
        let settings = read_settings(settings).map_err(|error| Failure::Invalid(error.to_string()))?;
        self.ports
            .store
            .users()
            .update(caller.id().as_str(), |user| {
                user.settings = Some(settings.clone());
                Ok::<(), Failure>(())
            })
            .await?;
        changed(&self.ports, caller.id()).await
    }

    /// The user's id by user name or e-mail, for the operator's tool.
    pub async fn find(&self, _: &As<SystemAdmin>, name: &str) -> Result<UserId, Failure> {
        let identity = &self.ports.identity;
        let known = |found| match found {
            // Where accounts are not managed from here, they are found by their id only.
            Err(IdentityError::Unsupported(_)) => Ok(None),
            other => other,
        };
        if let Some(id) = known(identity.by_username(name).await)? {
            return Ok(id);
        }
        if let Some(id) = known(identity.by_email(name).await)? {
            return Ok(id);
        }
        let unknown = || Failure::not_found("user", name);
        let id = UserId::parse(name).map_err(|_| unknown())?;
        identity.profile(&id).await?.map(|_| id).ok_or_else(unknown)
    }
}

/// Tells every process that an account is not as it was.
pub(super) async fn changed(ports: &Ports, id: &UserId) -> Result<(), Failure> {
    ports.broker.publish(Notice { topic: "user".into(), subject: id.to_string() }).await?;
    Ok(())
}

fn published(user: &UserInfo, profile: &Profile, allow_login: bool) -> Value {
    json!({
        "userId": user.user_id, "email": profile.email, "username": profile.username,
        "firstName": profile.first_name, "lastName": profile.last_name, "affiliation": profile.affiliation,
        "role": user.role, "active": user.active, "allowLogin": allow_login, "budget": user.budget,
    })
}
