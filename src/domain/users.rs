//! Accounts as this installation stores them; names and e-mail belong to the issuer (specification §5.3, §5.5).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids::UserId;

/// One per user per installation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    #[default]
    User,
    DataAdmin,
    ServerAdmin,
    Developer,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::User, Self::DataAdmin, Self::ServerAdmin, Self::Developer];

    /// Whether a holder of this role also holds the other: developers hold all four, everyone holds `user`.
    pub fn holds(self, other: Self) -> bool {
        self == other || self == Self::Developer || other == Self::User
    }
}

/// The document of the room `user.info`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserInfo {
    pub user_id: UserId,
    #[serde(default)]
    pub role: Role,
    #[serde(default)]
    pub active: bool,
    /// Privacy budget left, 0 to 100.
    #[serde(default)]
    pub budget: i64,
    /// A permission carrier without a person, e.g. `anonymous`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub internal: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<DateTime<Utc>>,
}

/// What the issuer knows of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    pub username: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub affiliation: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_developer_holds_every_role_and_a_data_admin_does_not_manage_users() {
        assert!(Role::ALL.into_iter().all(|role| Role::Developer.holds(role)));
        assert!(!Role::DataAdmin.holds(Role::ServerAdmin));
        assert!(Role::DataAdmin.holds(Role::User));
    }
}
