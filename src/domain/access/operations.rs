//! Every operation of both APIs and whom it admits (specification §5.6). The gates under `http/` enforce it, the
//! documents under `/docs` show it, and a test calls every operation as every kind of caller and compares.
//!
//! To add an operation: its row here; without one no test passes.

use super::{Duty, may};
use crate::domain::users::Role;

/// The API that an operation belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    Admin,
    Query,
}

impl Api {
    /// Its name in the documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Query => "query",
        }
    }
}

/// Whom an operation admits. Where a role is not named, which resources it then sees is up to the use case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Everyone; a token is not looked at.
    Public,
    /// Whoever holds an id that cannot be guessed; a token that is sent must be good.
    Holder,
    /// Any local user, and callers without a token where anonymous access is on.
    Anonymous,
    /// Any local user.
    User,
    /// Local users whose role carries the duty.
    Duty(Duty),
    /// Local users whose role carries the duty, and any local user for their own entry.
    Own(Duty),
    /// Whoever holds an upload token, and local users who may administer data.
    Upload,
    /// The fleet tool, by the secret it shares with the installation.
    Secret,
}

impl Permission {
    /// Whether a local user with this role is admitted to resources that are not their own.
    pub fn admits(self, role: Role) -> bool {
        match self {
            Self::Public | Self::Holder | Self::Anonymous | Self::User => true,
            Self::Duty(duty) | Self::Own(duty) => may(role, duty),
            Self::Upload => may(role, Duty::Data),
            Self::Secret => false,
        }
    }

    /// In words, for the documents.
    pub fn describe(self) -> String {
        let roles = |prefix: &str, suffix: &str| {
            let names: Vec<_> =
                Role::ALL.into_iter().filter(|role| self.admits(*role)).map(Role::name).collect();
            format!("{prefix}{}{suffix}", names.join(", "))
        };
        match self {
            Self::Public => "everyone".into(),
            Self::Holder => "whoever has the id; what belongs to a user, only that user".into(),
            Self::Anonymous => "signed-in users; others where anonymous access is on".into(),
            Self::User => "signed-in users".into(),
            Self::Duty(_) => roles("", ""),
            Self::Own(_) => roles("", "; every signed-in user for their own entry"),
            Self::Upload => roles("an upload token, or ", ""),
            Self::Secret => "the secret shared with the fleet tool".into(),
        }
    }
}

/// An operation and whom it admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    pub api: Api,
    /// In capitals.
    pub method: &'static str,
    /// As the published documents spell it, with parameters in braces.
    pub path: &'static str,
    pub permission: Permission,
}

impl Operation {
    /// The row of an operation.
    pub fn find(api: Api, method: &str, path: &str) -> Option<&'static Self> {
        OPERATIONS.iter().find(|row| row.api == api && row.method == method && row.path == path)
    }
}

/// The address of the table that an address of an API is, its ids named; `None` where nothing is served.
pub fn route(api: Api, path: &str) -> Option<&'static str> {
    let asked = path.trim_end_matches('/');
    let fits = |row: &&Operation| {
        let known = row.path.trim_end_matches('/');
        row.api == api
            && asked.split('/').count() == known.split('/').count()
            && asked
                .split('/')
                .zip(known.split('/'))
                .all(|(asked, known)| known.starts_with('{') || asked == known)
    };
    // `/users/local` is no user's address.
    let nearest = OPERATIONS.iter().filter(fits).min_by_key(|row| row.path.matches('{').count());
    nearest.map(|row| row.path)
}

/// The methods served at an address of an API, whatever its ids and however it ends.
pub fn methods(api: Api, path: &str) -> impl Iterator<Item = &'static str> {
    let path = route(api, path);
    OPERATIONS.iter().filter(move |row| row.api == api && Some(row.path) == path).map(|row| row.method)
}

const fn row(api: Api, method: &'static str, path: &'static str, permission: Permission) -> Operation {
    Operation { api, method, path, permission }
}

use Permission::{Anonymous, Holder, Public, Secret, Upload, User};

const DATA: Permission = Permission::Duty(Duty::Data);
const SYSTEM: Permission = Permission::Duty(Duty::System);
const ADMINS: Permission = Permission::Duty(Duty::Statistics);
const OWN: Permission = Permission::Own(Duty::System);

/// The table.
pub const OPERATIONS: &[Operation] = &[
    row(Api::Admin, "GET", "/", Public),
    row(Api::Admin, "GET", "/access-requests/", SYSTEM),
    row(Api::Admin, "POST", "/access-requests/", Public),
    row(Api::Admin, "GET", "/access-requests/{request_id}", SYSTEM),
    row(Api::Admin, "POST", "/access-requests/{request_id}/approve", SYSTEM),
    row(Api::Admin, "POST", "/access-requests/{request_id}/deny", SYSTEM),
    row(Api::Admin, "POST", "/auth/token", Public),
    row(Api::Admin, "GET", "/auth/user-info", User),
    row(Api::Admin, "GET", "/beacon/", DATA),
    row(Api::Admin, "POST", "/beacon/", DATA),
    row(Api::Admin, "GET", "/beacon/{beacon_id}", DATA),
    row(Api::Admin, "PATCH", "/beacon/{beacon_id}", DATA),
    row(Api::Admin, "DELETE", "/beacon/{beacon_id}", DATA),
    row(Api::Admin, "POST", "/beacon/{beacon_id}/auth-key", DATA),
    row(Api::Admin, "POST", "/beacon/{beacon_id}/rotate-key", DATA),
    row(Api::Admin, "POST", "/config/cleanup", SYSTEM),
    row(Api::Admin, "GET", "/config/global", User),
    // Each section has a duty of its own besides.
    row(Api::Admin, "POST", "/config/global", ADMINS),
    row(Api::Admin, "GET", "/config/keycloak", Public),
    row(Api::Admin, "POST", "/config/maintenance", Secret),
    row(Api::Admin, "GET", "/config/user", User),
    row(Api::Admin, "POST", "/config/user", User),
    row(Api::Admin, "GET", "/dashboard/statistics", ADMINS),
    row(Api::Admin, "GET", "/dashboard/statistics/network", ADMINS),
    row(Api::Admin, "GET", "/dashboard/statistics/query-count", Secret),
    row(Api::Admin, "GET", "/datafiles/{datafile_id}", DATA),
    row(Api::Admin, "DELETE", "/datafiles/{datafile_id}", DATA),
    row(Api::Admin, "GET", "/datafiles/{datafile_id}/rejects", DATA),
    row(Api::Admin, "GET", "/datafiles/{datafile_id}/sample", DATA),
    row(Api::Admin, "GET", "/groups/", DATA),
    row(Api::Admin, "POST", "/groups/", DATA),
    row(Api::Admin, "GET", "/groups/{group_id}", DATA),
    row(Api::Admin, "PATCH", "/groups/{group_id}", DATA),
    row(Api::Admin, "DELETE", "/groups/{group_id}", DATA),
    row(Api::Admin, "POST", "/log/error", Public),
    row(Api::Admin, "POST", "/log/info", Public),
    row(Api::Admin, "GET", "/meta/index", User),
    row(Api::Admin, "GET", "/meta/sources", DATA),
    row(Api::Admin, "POST", "/meta/sources", DATA),
    row(Api::Admin, "POST", "/meta/sources/index", DATA),
    row(Api::Admin, "POST", "/meta/sources/upload", DATA),
    row(Api::Admin, "GET", "/meta/sources/{source_id}", DATA),
    row(Api::Admin, "PATCH", "/meta/sources/{source_id}", DATA),
    row(Api::Admin, "DELETE", "/meta/sources/{source_id}", DATA),
    row(Api::Admin, "GET", "/networks/", User),
    row(Api::Admin, "POST", "/networks/", DATA),
    row(Api::Admin, "POST", "/networks/join", DATA),
    row(Api::Admin, "GET", "/networks/requests", DATA),
    row(Api::Admin, "POST", "/networks/requests/{request_id}/approve", DATA),
    row(Api::Admin, "POST", "/networks/requests/{request_id}/deny", DATA),
    row(Api::Admin, "GET", "/networks/{network_id}", User),
    row(Api::Admin, "PATCH", "/networks/{network_id}", DATA),
    row(Api::Admin, "DELETE", "/networks/{network_id}", DATA),
    row(Api::Admin, "GET", "/networks/{network_id}/eav-index", User),
    row(Api::Admin, "POST", "/networks/{network_id}/index", DATA),
    row(Api::Admin, "POST", "/networks/{network_id}/invite", DATA),
    row(Api::Admin, "GET", "/networks/{network_id}/meta-index", User),
    row(Api::Admin, "GET", "/networks/{network_id}/nodes", User),
    row(Api::Admin, "GET", "/networks/{network_id}/sources", User),
    row(Api::Admin, "POST", "/nodes/{node_id}/approve", DATA),
    row(Api::Admin, "POST", "/nodes/{node_id}/mapping", DATA),
    row(Api::Admin, "POST", "/nodes/{node_id}/remove", DATA),
    row(Api::Admin, "GET", "/nexus/credentials", SYSTEM),
    row(Api::Admin, "POST", "/nexus/credentials", SYSTEM),
    row(Api::Admin, "PATCH", "/nexus/credentials/{realm}", SYSTEM),
    row(Api::Admin, "DELETE", "/nexus/credentials/{realm}", SYSTEM),
    row(Api::Admin, "GET", "/nexus/installations", SYSTEM),
    row(Api::Admin, "POST", "/nexus/installations", SYSTEM),
    row(Api::Admin, "PATCH", "/nexus/installations/{installation_key}", SYSTEM),
    row(Api::Admin, "DELETE", "/nexus/installations/{installation_key}", SYSTEM),
    row(Api::Admin, "GET", "/nexus/networks", SYSTEM),
    row(Api::Admin, "POST", "/nexus/networks", SYSTEM),
    row(Api::Admin, "PATCH", "/nexus/networks/{network_key}", SYSTEM),
    row(Api::Admin, "DELETE", "/nexus/networks/{network_key}", SYSTEM),
    row(Api::Admin, "GET", "/nexus/requests", SYSTEM),
    row(Api::Admin, "GET", "/nexus/requests/pending", SYSTEM),
    row(Api::Admin, "POST", "/nexus/requests/{request_token}/accept", SYSTEM),
    row(Api::Admin, "POST", "/nexus/requests/{request_token}/deny", SYSTEM),
    row(Api::Admin, "GET", "/pipelines/", DATA),
    row(Api::Admin, "POST", "/pipelines/", DATA),
    row(Api::Admin, "GET", "/pipelines/attributes", DATA),
    row(Api::Admin, "GET", "/pipelines/{pipeline_id}", DATA),
    row(Api::Admin, "PATCH", "/pipelines/{pipeline_id}", DATA),
    row(Api::Admin, "DELETE", "/pipelines/{pipeline_id}", DATA),
    row(Api::Admin, "GET", "/source/{source_id}/datafiles", DATA),
    row(Api::Admin, "POST", "/source/{source_id}/ingest", DATA),
    row(Api::Admin, "POST", "/source/{source_id}/remap", DATA),
    row(Api::Admin, "GET", "/sources/", User),
    row(Api::Admin, "POST", "/sources/", DATA),
    row(Api::Admin, "GET", "/sources/upload-token", DATA),
    row(Api::Admin, "GET", "/sources/{source_id}", User),
    row(Api::Admin, "PATCH", "/sources/{source_id}", DATA),
    row(Api::Admin, "DELETE", "/sources/{source_id}", DATA),
    row(Api::Admin, "GET", "/sources/{source_id}/eav-index", User),
    row(Api::Admin, "PATCH", "/sources/{source_id}/eav-index", DATA),
    row(Api::Admin, "POST", "/sources/{source_id}/index", DATA),
    row(Api::Admin, "GET", "/sources/{source_id}/upload", Upload),
    row(Api::Admin, "POST", "/sources/{source_id}/upload", Upload),
    row(Api::Admin, "GET", "/users/", SYSTEM),
    row(Api::Admin, "POST", "/users/", SYSTEM),
    row(Api::Admin, "GET", "/users/local", ADMINS),
    row(Api::Admin, "GET", "/users/{user_id}", OWN),
    row(Api::Admin, "PATCH", "/users/{user_id}", SYSTEM),
    row(Api::Admin, "DELETE", "/users/{user_id}", SYSTEM),
    row(Api::Admin, "POST", "/users/{user_id}/activate", SYSTEM),
    row(Api::Admin, "POST", "/users/{user_id}/deactivate", SYSTEM),
    row(Api::Admin, "POST", "/users/{user_id}/permit-login", SYSTEM),
    row(Api::Admin, "POST", "/users/{user_id}/revoke-login", SYSTEM),
    row(Api::Query, "GET", "/", Public),
    row(Api::Query, "POST", "/auth/token", Public),
    row(Api::Query, "GET", "/auth/user-info", User),
    row(Api::Query, "GET", "/beacon/{beacon_path}/", Public),
    row(Api::Query, "GET", "/beacon/{beacon_path}/configuration", Public),
    row(Api::Query, "GET", "/beacon/{beacon_path}/entry_types", Public),
    row(Api::Query, "GET", "/beacon/{beacon_path}/info", Public),
    row(Api::Query, "GET", "/beacon/{beacon_path}/map", Public),
    row(Api::Query, "GET", "/beacon/{beacon_path}/service-info", Public),
    row(Api::Query, "GET", "/config/global", Anonymous),
    row(Api::Query, "GET", "/config/keycloak", Public),
    row(Api::Query, "POST", "/config/maintenance", Secret),
    row(Api::Query, "GET", "/config/user", User),
    row(Api::Query, "POST", "/config/user", User),
    row(Api::Query, "POST", "/log/error", Public),
    row(Api::Query, "POST", "/log/info", Public),
    row(Api::Query, "GET", "/meta/index", Anonymous),
    row(Api::Query, "POST", "/meta/query", Anonymous),
    row(Api::Query, "GET", "/networks/", Anonymous),
    row(Api::Query, "GET", "/networks/{network_id}", Anonymous),
    row(Api::Query, "GET", "/networks/{network_id}/eav-index", Anonymous),
    row(Api::Query, "GET", "/networks/{network_id}/meta-index", Anonymous),
    row(Api::Query, "GET", "/networks/{network_id}/nodes", Anonymous),
    row(Api::Query, "POST", "/record/", Anonymous),
    row(Api::Query, "GET", "/record/history", User),
    row(Api::Query, "GET", "/record/history/{query_id}", Holder),
    row(Api::Query, "GET", "/record/history/{query_id}/subjects", User),
    row(Api::Query, "GET", "/record/{query_id}", User),
    row(Api::Query, "GET", "/record/{query_id}/events", Holder),
    row(Api::Query, "GET", "/sources/", Anonymous),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(Api::Admin, "/sources/7", &["GET", "PATCH", "DELETE"])]
    #[case(Api::Admin, "/sources", &["GET", "POST"])]
    #[case(Api::Admin, "/", &["GET"])]
    #[case(Api::Admin, "/users/local", &["GET"])]
    #[case(Api::Query, "/sources/", &["GET"])]
    #[case(Api::Query, "/config/cleanup", &[])]
    fn the_methods_of_an_address(#[case] api: Api, #[case] path: &str, #[case] expected: &[&str]) {
        assert_eq!(methods(api, path).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn no_operation_has_two_rows() {
        for (place, row) in OPERATIONS.iter().enumerate() {
            let first = OPERATIONS
                .iter()
                .position(|other| (other.api, other.method, other.path) == (row.api, row.method, row.path));
            assert_eq!(first, Some(place), "{row:?}");
        }
    }
}
