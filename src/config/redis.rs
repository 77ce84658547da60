//! `Redis`: the broker of the original, spec §3.1.

use super::{
    findings::Findings,
    tree::section,
    values::{Port, Secret, ServerName, is_loopback_host},
};

section! {
    /// Redis as the broker: jobs, cache, counters, notices and locks (spec §3.1).
    pub struct Redis {
        /// Host; for a cluster several may be given, separated by commas. Instead an address such as
        /// `rediss://user@redis.example.org:6380` may be given.
        "Host" host: ServerName = "localhost".into(), restart;
        /// Port.
        "Port" port: Port = Port::new(6379), restart;
        /// Whether the server is a Redis Cluster.
        "Cluster" cluster: bool = false, restart;
        /// User; empty means the default user. It needs `~cv3b:* &cv3b:* +@all -@admin -@dangerous +info` there, no more.
        "User" user: String = String::new(), restart;
        /// Password; empty means no authentication.
        "Password" password: Secret<String> = Secret::default(), restart;
        /// Whether the connection is encrypted. The server's certificate is checked by the system's authorities and those of
        /// `Appliance.Outbound.CertificateAuthorities`.
        "TLS" tls: bool = false, restart;
    }
}

impl Redis {
    pub(super) fn validate(&self, findings: &mut Findings) {
        findings.need("Redis.Host", !self.host.expose().is_empty(), "expected a host");
        findings.need(
            "Redis.Password",
            self.user.is_empty() || !self.password.is_empty() || self.host.has_credentials(),
            "expected a password, because Redis.User is given",
        );
        let near = self.host.hosts().all(is_loopback_host) && !self.host.is_uri();
        if self.password.is_empty() && !self.host.has_credentials() && !near {
            findings.warn("Redis.Password", "the server is used over the network without a password");
        }
    }
}
