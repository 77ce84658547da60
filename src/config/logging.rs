//! `Logging`: what is written where, spec §3.1 and §14.2.

use std::collections::BTreeMap;

use super::{
    findings::Findings,
    tree::section,
    values::{Level, Secret, Size, WebUrl},
};

section! {
    /// Logs (spec §3.1).
    pub struct Logging {
        /// Name under which this installation logs.
        "Name" name: String = "Cafe Variome V3".to_owned();
        /// Least level that is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL.
        "Level" level: Level = Level::Info;
        /// A log file is rotated above this size; 0 means never.
        "MaxBytes" max_bytes: Size = Size::new(10 << 20);
        /// Rotated files that are kept; the oldest are removed.
        "BackupCount" backup_count: u32 = 20;
        /// Splunk's HTTP event collector.
        "SplunkHEC" splunk_hec: SplunkHec = SplunkHec::default();
        /// Grafana Loki.
        "Loki" loki: Loki = Loki::default();
    }
}

section! {
    /// Splunk's HTTP event collector (spec §14.2).
    pub struct SplunkHec {
        /// Whether logs are sent there.
        "Enabled" enabled: bool = false;
        /// Address of the collector.
        "HecEndpoint" hec_endpoint: WebUrl = WebUrl::default();
        /// Token of the collector.
        "Token" token: Secret<String> = Secret::default();
    }
}

section! {
    /// Grafana Loki (spec §14.2).
    pub struct Loki {
        /// Whether logs are sent there.
        "Enabled" enabled: bool = false;
        /// Address of the push interface.
        "Endpoint" endpoint: WebUrl = WebUrl::default();
        /// Labels added to service and level.
        "Tags" tags: BTreeMap<String, String> = BTreeMap::new();
        /// Signing in.
        "Auth" auth: LokiAuth = LokiAuth::default();
    }
}

section! {
    /// Signing in at Loki.
    pub struct LokiAuth {
        /// Whether Loki wants it.
        "Enabled" enabled: bool = false;
        /// User name.
        "Username" username: String = String::new();
        /// Password.
        "Password" password: Secret<String> = Secret::default();
    }
}

impl Logging {
    pub(super) fn validate(&self, findings: &mut Findings) {
        let few = self.backup_count <= 10_000;
        findings.need("Logging.BackupCount", few, "expected a number from 0 to 10000");
        if self.splunk_hec.enabled {
            let because = "because Logging.SplunkHEC.Enabled is true";
            let addressed = !self.splunk_hec.hec_endpoint.is_empty();
            findings.need(
                "Logging.SplunkHEC.HecEndpoint",
                addressed,
                &format!("expected an address, {because}"),
            );
            let token = !self.splunk_hec.token.is_empty();
            findings.need("Logging.SplunkHEC.Token", token, &format!("expected a token, {because}"));
        }
        if self.loki.enabled {
            let addressed = !self.loki.endpoint.is_empty();
            let expected = "expected an address, because Logging.Loki.Enabled is true";
            findings.need("Logging.Loki.Endpoint", addressed, expected);
            let named = !self.loki.auth.enabled || !self.loki.auth.username.is_empty();
            let expected = "expected a user name, because Logging.Loki.Auth.Enabled is true";
            findings.need("Logging.Loki.Auth.Username", named, expected);
        }
    }
}
