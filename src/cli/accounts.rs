//! `user list|role|permit|revoke|activate|deactivate|remove`: accounts managed without a browser.

use clap::Subcommand;
use serde_json::{Value, json};

use super::output::{Output, table};
use super::users::RoleName;
use crate::appliance::wiring::Wired;
use crate::domain::users::UserChange;
use crate::service::auth::SystemAdmin;

/// What to do with an account that is there.
#[derive(Debug, Subcommand)]
pub enum Manage {
    /// List everyone the identity provider knows, with what they may do here
    List,
    /// Give an account a role
    Role {
        /// User name, e-mail or id
        user: String,
        role: RoleName,
    },
    /// Let somebody sign in and query here, with an account or still without
    Permit {
        /// User name, e-mail or id
        user: String,
    },
    /// Take somebody's key: they cannot sign in, and what was sealed for them cannot be read any more
    Revoke {
        /// User name, e-mail or id
        user: String,
    },
    /// Let an account query
    Activate {
        /// User name, e-mail or id
        user: String,
    },
    /// Let an account neither sign in nor query
    Deactivate {
        /// User name, e-mail or id
        user: String,
    },
    /// Remove an account with its key, its queries and its place in groups
    Remove {
        /// User name, e-mail or id
        user: String,
    },
}

impl Manage {
    /// Runs the command.
    pub async fn run(self, wired: &Wired, output: &Output) -> anyhow::Result<()> {
        let admin = wired.services.auth.operator::<SystemAdmin>();
        let users = &wired.services.users;
        let (user, done) = match &self {
            Self::List => {
                let all = users.all(&admin).await?;
                return output.result(&json!(all), || listed(&all));
            }
            Self::Role { user, .. } => (user, "has a new role"),
            Self::Permit { user } => (user, "may sign in and query"),
            Self::Revoke { user } => (user, "may not sign in any more"),
            Self::Activate { user } => (user, "may query"),
            Self::Deactivate { user } => (user, "may neither sign in nor query"),
            Self::Remove { user } => (user, "is removed"),
        };
        let id = users.find(&admin, user).await?;
        match &self {
            Self::List => {}
            Self::Role { role, .. } => {
                let change = UserChange { role: Some((*role).into()), ..UserChange::default() };
                users.change(&admin, &id, change).await?;
            }
            Self::Permit { .. } => {
                output.say("making the account's key …");
                users.permit_login(&admin, &id).await?;
                users.set_active(&admin, &id, true).await?;
            }
            Self::Revoke { .. } => users.revoke_login(&admin, &id).await?,
            Self::Activate { .. } => users.set_active(&admin, &id, true).await?,
            Self::Deactivate { .. } => users.set_active(&admin, &id, false).await?,
            Self::Remove { .. } => users.delete(&admin, &id).await?,
        }
        output.result(&json!({"userId": id, "status": "Success"}), || format!("{user} {done}"))
    }
}

fn listed(all: &[Value]) -> String {
    let mut rows =
        vec![["user", "e-mail", "role", "active", "may sign in", "id"].map(str::to_owned).to_vec()];
    let word =
        |user: &Value, field: &str| user.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let flag = |user: &Value, field: &str| {
        let set = user.get(field).and_then(Value::as_bool).unwrap_or_default();
        if set { "yes" } else { "no" }.to_owned()
    };
    rows.extend(all.iter().map(|user| {
        vec![
            word(user, "username"),
            word(user, "email"),
            word(user, "role"),
            flag(user, "active"),
            flag(user, "allowLogin"),
            word(user, "userId"),
        ]
    }));
    table(&rows)
}
