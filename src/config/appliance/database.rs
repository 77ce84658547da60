//! `Appliance.PostgreSQL`: the third store.

use crate::config::{
    findings::Findings,
    tree::section,
    values::{DatabaseTls, Port, Secret, ServerName, is_loopback_host},
};

section! {
    /// PostgreSQL as the store.
    pub struct PostgreSql {
        /// Host, several separated by commas (the one that can be written to is used), the folder of a socket, or a full
        /// `postgres://` address.
        "Host" host: ServerName = "localhost".into(), restart;
        /// Port; not used when `Host` is an address or names its ports.
        "Port" port: Port = Port::new(5432), restart;
        /// User; one that owns the schema, or may make it, is enough.
        "User" user: String = "cafevariome".to_owned(), restart;
        /// Password of the user; empty means none.
        "Password" password: Secret<String> = Secret::default(), restart;
        /// Database, encoded in UTF-8.
        "Database" database: String = "cafevariome".to_owned(), restart;
        /// Schema that holds the tables; made if it is missing.
        "Schema" schema: String = "cv3".to_owned(), restart;
        /// Connections of one process; half of them at most are used for heavy work such as ingestion.
        "MaxConnections" max_connections: u32 = 12, restart;
        /// How the connection is protected: `prefer` encrypts if the server can, `require` always, neither looks at the
        /// server's certificate; `verify-full` has it checked for the host, by the system's authorities and those of
        /// `Appliance.Outbound.CertificateAuthorities`.
        "TLS" tls: DatabaseTls = DatabaseTls::Prefer, restart;
    }
}

impl PostgreSql {
    pub(super) fn validate(&self, findings: &mut Findings) {
        let at = |key: &str| format!("Appliance.PostgreSQL.{key}");
        findings.need(&at("Host"), !self.host.expose().is_empty(), "expected a host");
        findings.need(&at("Database"), !self.database.is_empty(), "expected a database name");
        // Longer names are cut by the server, and those of its own are refused.
        let named = !self.schema.is_empty() && self.schema.len() < 64 && !self.schema.starts_with("pg_");
        findings.need(
            &at("Schema"),
            named && !self.schema.contains('\0'),
            "expected a name of at most 63 bytes that does not begin with pg_",
        );
        let sane = (2..=10_000).contains(&self.max_connections);
        findings.need(&at("MaxConnections"), sane, "expected a number from 2 to 10000");
        if self.password.is_empty() && !self.host.has_credentials() {
            findings.warn(&at("Password"), "the database is used without a password");
        }
        let near = !self.host.is_uri() && self.host.hosts().all(is_loopback_host);
        match self.tls {
            _ if near => {}
            DatabaseTls::Disable => {
                findings.warn(&at("TLS"), "documents travel unencrypted: use verify-full")
            }
            DatabaseTls::Prefer | DatabaseTls::Require => {
                findings.warn(&at("TLS"), "the server's certificate is not checked: use verify-full");
            }
            DatabaseTls::VerifyFull => {}
        }
    }
}
