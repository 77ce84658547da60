//! Accounts of this installation, joined from the issuer and the local entries.

use std::time::Duration;

use serde_json::{Value, json};

use super::Failure;
use super::auth::{As, Caller, SystemAdmin, user_key};
use crate::broker::Notice;
use crate::domain::access::Duty;
use crate::domain::filter::Filter;
use crate::domain::ids::UserId;
use crate::domain::users::{Profile, Role, UserInfo};
use crate::identity::{IdentityError, NewAccount};
use crate::ports::Ports;

/// Size of users' keys (specification §3.3).
const USER_KEY_BITS: usize = 4096;

/// Reads and manages accounts.
#[derive(Debug, Clone)]
pub struct Users {
    ports: Ports,
}

impl Users {
    pub(super) fn new(ports: Ports) -> Self {
        Self { ports }
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
        let mut shown = Vec::new();
        for user in self.ports.store.users().find(&Filter::all()).await? {
            // The internal anonymous user can be put into groups but is no account (specification §5.5).
            let profile = if user.internal {
                Profile { username: "anonymous".into(), ..Profile::default() }
            } else {
                self.ports.identity.profile(&user.user_id).await?.unwrap_or_default()
            };
            let key = !user.internal && self.ports.secrets.has_key(&user_key(&user.user_id)).await?;
            let mut body = published(&user, &profile, key);
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
            shown.push(body);
        }
        Ok(shown)
    }

    /// Creates an account at the issuer, its local entry and its key; a failure later undoes what was done before.
    pub async fn create(
        &self,
        admin: &As<SystemAdmin>,
        profile: Profile,
        role: Role,
        password: Option<&str>,
    ) -> Result<UserId, Failure> {
        if !crate::domain::access::may_grant(admin.caller().user().role, role) {
            return Err(Failure::Forbidden("you may give only roles you hold".into()));
        }
        create(&self.ports, profile, role, super::setup::DEFAULT_BUDGET, password).await
    }

    /// Changes the caller's own display settings.
    pub async fn change_settings(&self, caller: &Caller, settings: &Value) -> Result<(), Failure> {
        if !settings.is_object() || settings.to_string().len() > 65_536 {
            return Err(Failure::Invalid("user settings must be a JSON object of at most 64 KiB".into()));
        }
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
        let mut skip = 0;
        loop {
            let page = self.ports.identity.profiles(skip, 500).await?;
            if page.is_empty() {
                return Err(Failure::not_found("user", name));
            }
            skip += page.len();
            let wanted = page.into_iter().find(|(id, p)| {
                p.username.eq_ignore_ascii_case(name)
                    || p.email.eq_ignore_ascii_case(name)
                    || id.as_str() == name
            });
            if let Some((id, _)) = wanted {
                return Ok(id);
            }
        }
    }
}

/// Creates account, entry and key; used by user management and by the first set-up.
///
/// One at a time, so that an account without an entry is what a process that ended in between left of it: it stands in
/// the way of nobody who makes an account of that name.
pub(super) async fn create(
    ports: &Ports,
    profile: Profile,
    role: Role,
    budget: i64,
    password: Option<&str>,
) -> Result<UserId, Failure> {
    let holder = ports.random.uuid().to_string();
    let mut waits = 600;
    while ports.broker.lock("accounts", &holder, CREATION).await?.is_none() {
        if waits == 0 {
            return Err(Failure::Timeout("waiting for another account to be made".into()));
        }
        waits -= 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut making = std::pin::pin!(create_alone(ports, profile, role, budget, password));
    let mut renewal = tokio::time::interval(CREATION / 5);
    let made = loop {
        tokio::select! {
            made = &mut making => break made,
            _ = renewal.tick() => {
                ports.broker.lock("accounts", &holder, CREATION).await?;
            }
        }
    };
    ports.broker.unlock("accounts", &holder).await?;
    made
}

/// How long the lock of a process that ended is in the way of others; renewed while an account is made.
const CREATION: Duration = Duration::from_secs(10);

/// Removes an account of ours under one of these names that never got its entry.
async fn remove_unfinished(ports: &Ports, profile: &Profile) -> Result<(), Failure> {
    let Some(issuer) = ports.identity.issuer() else { return Ok(()) };
    for name in [&profile.username, &profile.email] {
        if let Some(id) = issuer.find(name).await?
            && ports.store.users().get(id.as_str()).await?.is_none()
        {
            ports.secrets.delete_key(&user_key(&id)).await?;
            ports.identity.delete(&id).await?;
            tracing::warn!(user = %id, "an account that was never finished was removed");
        }
    }
    Ok(())
}

async fn create_alone(
    ports: &Ports,
    profile: Profile,
    role: Role,
    budget: i64,
    password: Option<&str>,
) -> Result<UserId, Failure> {
    remove_unfinished(ports, &profile).await?;
    let account = NewAccount { profile };
    let made = match ports.identity.issuer() {
        Some(issuer) => issuer.create_account(account, password).await,
        None => ports.identity.create(account).await,
    };
    let id = made.map_err(|error| match error {
        // Here the issuer refuses a name or password that was typed, not a sign-in.
        IdentityError::Rejected(reason) => Failure::Invalid(reason),
        other => other.into(),
    })?;
    let entry = UserInfo {
        user_id: id.clone(),
        role,
        active: true,
        budget,
        internal: false,
        settings: None,
        created_at: Some(ports.clock.now()),
    };
    abort_if_asked();
    let made = async {
        ports.secrets.create_key(&user_key(&id), USER_KEY_BITS).await?;
        ports.store.users().insert(id.as_str(), &entry).await?;
        Ok::<(), Failure>(())
    };
    if let Err(failure) = made.await {
        ports.secrets.delete_key(&user_key(&id)).await?;
        ports.identity.delete(&id).await?;
        return Err(failure);
    }
    changed(ports, &id).await?;
    Ok(id)
}

/// Tells every process that an account is not as it was.
async fn changed(ports: &Ports, id: &UserId) -> Result<(), Failure> {
    ports.broker.publish(Notice { topic: "user".into(), subject: id.to_string() }).await?;
    Ok(())
}

/// Lets the tests kill the process between account and entry; never in a release build.
fn abort_if_asked() {
    if cfg!(debug_assertions) && std::env::var_os("CV3_FAULT_ABORT_ON_ACCOUNT").is_some() {
        std::process::abort();
    }
}

fn published(user: &UserInfo, profile: &Profile, allow_login: bool) -> Value {
    json!({
        "userId": user.user_id, "email": profile.email, "username": profile.username,
        "firstName": profile.first_name, "lastName": profile.last_name, "affiliation": profile.affiliation,
        "role": user.role, "active": user.active, "allowLogin": allow_login, "budget": user.budget,
    })
}
