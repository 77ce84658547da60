//! `MongoDB`: the store of the original, spec §3.1.

use super::{
    findings::Findings,
    tree::section,
    values::{Port, Secret, ServerName},
};

section! {
    /// MongoDB as the store; an existing database of the original is adopted (spec §3.1).
    pub struct MongoDb {
        /// Host, several separated by commas (a replica set), or a full `mongodb://` address.
        "Host" host: ServerName = "localhost".into(), restart;
        /// Port; not used when `Host` is an address or names its ports.
        "Port" port: Port = Port::new(27017), restart;
        /// User; empty means no authentication.
        "User" user: String = "cafevariome".to_owned(), restart;
        /// Password of the user; a missing one means the published default, `cafevariome`.
        "Password" password: Secret<String> = "cafevariome".into(), restart;
        /// Database that holds the collections.
        "Database" database: String = "cafevariome".to_owned(), restart;
        /// Connections that one process may use for heavy work such as ingestion; other requests use further ones.
        "MaxJobs" max_jobs: u32 = 40, restart;
        /// Database that knows the user; absent means `Database`, then `admin`.
        "AuthSource" auth_source: Option<String> = None, restart;
    }
}

impl MongoDb {
    /// Gives user and password to sign in with: none without a user, or when `Host` is an address with its own.
    pub fn credentials(&self) -> Option<(&str, &Secret<String>)> {
        let given = !self.user.is_empty() && !self.host.has_credentials();
        given.then_some((self.user.as_str(), &self.password))
    }

    /// Gives the databases that may know the user, in the order in which they are tried (spec §3.1).
    pub fn auth_sources(&self) -> Vec<&str> {
        let first = self.auth_source.as_deref().unwrap_or(&self.database);
        if first == "admin" { vec![first] } else { vec![first, "admin"] }
    }

    pub(super) fn validate(&self, findings: &mut Findings) {
        findings.need("MongoDB.Host", !self.host.expose().is_empty(), "expected a host");
        // The server's own rule for names; a longer or stranger one fails on the first write.
        let named = !self.database.is_empty()
            && self.database.len() < 64
            && !self.database.contains(['/', '\\', '.', ' ', '"', '$', '\0']);
        findings.need(
            "MongoDB.Database",
            named,
            "expected a database name of at most 63 bytes without / \\ . \" $ or space",
        );
        findings.need(
            "MongoDB.MaxJobs",
            (1..=10_000).contains(&self.max_jobs),
            "expected a number from 1 to 10000",
        );
        let open = !self.host.has_credentials() && (self.user.is_empty() || self.password.is_empty());
        if open {
            findings.warn("MongoDB.Password", "the database is used without a password");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_the_address_win_and_no_user_means_none() {
        assert_eq!(
            MongoDb::default().credentials().map(|(user, _)| user.to_owned()),
            Some("cafevariome".into())
        );
        let mongodb = MongoDb { user: String::new(), ..MongoDb::default() };
        assert_eq!(mongodb.credentials(), None);
        let mongodb = MongoDb { host: "mongodb://me:secret@db".into(), ..MongoDb::default() };
        assert_eq!(mongodb.credentials(), None);
    }

    #[test]
    fn the_database_is_asked_before_admin() {
        assert_eq!(MongoDb::default().auth_sources(), ["cafevariome", "admin"]);
        let mongodb = MongoDb { auth_source: Some("admin".to_owned()), ..MongoDb::default() };
        assert_eq!(mongodb.auth_sources(), ["admin"]);
    }
}
