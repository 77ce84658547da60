//! `Appliance.PostgreSQL`: the third store.

use crate::config::{
    findings::Findings,
    tree::section,
    values::{DatabaseTls, Port, Secret, ServerName, is_loopback_host},
};

section! {
    /// PostgreSQL as the store.
    pub struct PostgreSql {
        /// Host, or a full `postgres://` address.
        "Host" host: ServerName = "localhost".into(), restart;
        /// Port; not used when `Host` is an address.
        "Port" port: Port = Port::new(5432), restart;
        /// User.
        "User" user: String = "cafevariome".to_owned(), restart;
        /// Password of the user.
        "Password" password: Secret<String> = Secret::default(), restart;
        /// Database.
        "Database" database: String = "cafevariome".to_owned(), restart;
        /// Connections that one process may use for heavy work such as ingestion.
        "MaxJobs" max_jobs: u32 = 40;
        /// How the connection is protected.
        "TLS" tls: DatabaseTls = DatabaseTls::Prefer, restart;
    }
}

impl PostgreSql {
    pub(super) fn validate(&self, findings: &mut Findings) {
        let at = |key: &str| format!("Appliance.PostgreSQL.{key}");
        findings.need(&at("Host"), !self.host.expose().is_empty(), "expected a host");
        findings.need(&at("Database"), !self.database.is_empty(), "expected a database name");
        let sane = (1..=10_000).contains(&self.max_jobs);
        findings.need(&at("MaxJobs"), sane, "expected a number from 1 to 10000");
        if self.password.is_empty() && !self.host.has_credentials() {
            findings.warn(&at("Password"), "the database is used without a password");
        }
        let near = !self.host.is_uri() && self.host.hosts().all(is_loopback_host);
        if self.tls == DatabaseTls::Disable && !near {
            findings.warn(&at("TLS"), "documents travel unencrypted: use prefer or require");
        }
    }
}
