//! Accounts as this installation stores them; names and e-mail belong to the issuer (specification §5.3, §5.5).

mod settings;

pub use settings::read_settings;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

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

    /// As stored and as the API spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::DataAdmin => "dataAdmin",
            Self::ServerAdmin => "serverAdmin",
            Self::Developer => "developer",
        }
    }

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

impl UserInfo {
    /// Somebody the issuer knows and this installation does not (specification §5.3).
    pub fn absent(user_id: UserId) -> Self {
        Self {
            user_id,
            role: Role::User,
            active: false,
            budget: 0,
            internal: false,
            settings: None,
            created_at: None,
        }
    }
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

/// A change of an account: what of it belongs here and what to the issuer (specification §5.3). Absent = unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserChange {
    pub role: Option<Role>,
    pub active: Option<bool>,
    pub budget: Option<i64>,
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub affiliation: Option<String>,
}

/// A new account as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    pub profile: Profile,
    pub role: Role,
    pub active: bool,
    /// Whether the user may sign in here, i.e. gets a key.
    pub allow_login: bool,
    /// `None` = the default of the settings.
    pub budget: Option<i64>,
}

/// A field of a user that cannot be accepted.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{field} {expected}")]
pub struct InvalidUser {
    pub field: &'static str,
    pub expected: &'static str,
}

/// The privacy budget's bounds.
const BUDGET: std::ops::RangeInclusive<i64> = 0..=100;

/// The published resource, field by field; `null` and absent are the same.
struct Body<'a>(&'a Map<String, Value>);

impl<'a> Body<'a> {
    fn of(body: &'a Value) -> Result<Self, InvalidUser> {
        body.as_object().map(Self).ok_or(InvalidUser { field: "the user", expected: "must be a JSON object" })
    }

    fn field<T>(
        &self,
        field: &'static str,
        expected: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, InvalidUser> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or(InvalidUser { field, expected }),
        }
    }

    fn text(&self, field: &'static str) -> Result<Option<String>, InvalidUser> {
        self.field(field, "must be a text", |value| value.as_str().map(str::to_owned))
    }

    fn flag(&self, field: &'static str) -> Result<Option<bool>, InvalidUser> {
        self.field(field, "must be true or false", Value::as_bool)
    }

    fn role(&self) -> Result<Option<Role>, InvalidUser> {
        self.field("role", "must be user, dataAdmin, serverAdmin or developer", |value| {
            Role::deserialize(value).ok()
        })
    }

    fn budget(&self) -> Result<Option<i64>, InvalidUser> {
        self.field("budget", "must be a whole number from 0 to 100", |value| {
            value.as_i64().filter(|budget| BUDGET.contains(budget))
        })
    }
}

impl UserChange {
    /// Reads a change; `userId` and `username` never change, `allowLogin` has operations of its own.
    pub fn read(body: &Value) -> Result<Self, InvalidUser> {
        let body = Body::of(body)?;
        // What is cleared with `null` and may be empty becomes empty.
        let cleared = |field: &'static str| match body.0.get(field) {
            Some(Value::Null) => Ok(Some(String::new())),
            _ => body.text(field),
        };
        Ok(Self {
            role: body.role()?,
            active: body.flag("active")?,
            budget: body.budget()?,
            email: body.text("email")?,
            first_name: cleared("firstName")?,
            last_name: cleared("lastName")?,
            affiliation: cleared("affiliation")?,
        })
    }

    /// Lays the change over what the issuer knows; `None` if nothing of that changes.
    pub fn of_profile(&self, old: &Profile) -> Option<Profile> {
        let new = |change: &Option<String>, old: &str| change.clone().unwrap_or_else(|| old.to_owned());
        let changed = Profile {
            username: old.username.clone(),
            email: new(&self.email, &old.email),
            first_name: new(&self.first_name, &old.first_name),
            last_name: new(&self.last_name, &old.last_name),
            affiliation: new(&self.affiliation, &old.affiliation),
        };
        (changed != *old).then_some(changed)
    }
}

impl NewUser {
    /// Reads a new account; active and with a key unless the body says otherwise, a plain user unless it names a role.
    pub fn read(body: &Value) -> Result<Self, InvalidUser> {
        let body = Body::of(body)?;
        let text = |field| body.text(field).map(Option::unwrap_or_default);
        Ok(Self {
            profile: Profile {
                username: text("username")?,
                email: text("email")?,
                first_name: text("firstName")?,
                last_name: text("lastName")?,
                affiliation: text("affiliation")?,
            },
            role: body.role()?.unwrap_or_default(),
            active: body.flag("active")?.unwrap_or(true),
            allow_login: body.flag("allowLogin")?.unwrap_or(true),
            budget: body.budget()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[rstest::rstest]
    #[case(json!([]), "the user")]
    #[case(json!({"role": "king"}), "role")]
    #[case(json!({"active": "yes"}), "active")]
    #[case(json!({"budget": 101}), "budget")]
    #[case(json!({"budget": -1}), "budget")]
    #[case(json!({"budget": 1.5}), "budget")]
    #[case(json!({"email": 7}), "email")]
    fn a_field_of_the_wrong_kind_is_named(#[case] body: Value, #[case] field: &str) {
        assert_eq!(UserChange::read(&body).unwrap_err().field, field);
        assert_eq!(NewUser::read(&body).unwrap_err().field, field);
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name_and_never_the_user_name() {
        let old = Profile { username: "jd".into(), first_name: "J".into(), ..Profile::default() };
        let read = |body| UserChange::read(&body).unwrap().of_profile(&old);
        assert_eq!(read(json!({"username": "other", "userId": "x", "role": "user"})), None);
        assert_eq!(
            read(json!({"lastName": "Doe"})).unwrap(),
            Profile { last_name: "Doe".into(), ..old.clone() }
        );
        assert_eq!(read(json!({"firstName": null})).unwrap().first_name, "");
    }

    #[test]
    fn a_developer_holds_every_role_and_a_data_admin_does_not_manage_users() {
        assert!(Role::ALL.into_iter().all(|role| Role::Developer.holds(role)));
        assert!(!Role::DataAdmin.holds(Role::ServerAdmin));
        assert!(Role::DataAdmin.holds(Role::User));
    }
}
