//! `Metrics`: what Prometheus may read, spec §3.1 and §14.1.

use super::{findings::Findings, tree::section, values::Secret};

section! {
    /// Metrics (spec §3.1).
    pub struct Metrics {
        /// The Prometheus exporter.
        "Prometheus" prometheus: Prometheus = Prometheus::default();
    }
}

section! {
    /// The Prometheus exporter (spec §14.1).
    pub struct Prometheus {
        /// Whether metrics are served.
        "Enabled" enabled: bool = false, restart;
        /// Path under which they are served.
        "Path" path: String = "/metrics".to_owned(), restart;
        /// Key that a reader must send as bearer token; empty means none.
        "Key" key: Secret<String> = Secret::default();
    }
}

impl Prometheus {
    /// Gives the path with exactly one slash in front and none behind.
    pub fn route(&self) -> String {
        format!("/{}", self.path.trim().trim_matches('/'))
    }
}

impl super::InstanceConfig {
    /// How metrics are served, if they are.
    pub fn exporter(&self) -> Option<&Prometheus> {
        self.metrics.as_ref().map(|metrics| &metrics.prometheus).filter(|prometheus| prometheus.enabled)
    }
}

impl Metrics {
    pub(super) fn validate(&self, findings: &mut Findings) {
        let path = self.prometheus.path.trim();
        let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.~".contains(c));
        let steps = path.split('/').any(|part| part == "..");
        findings.need("Metrics.Prometheus.Path", plain && !steps, "expected a path such as /metrics");
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("metrics", "/metrics")]
    #[case("//metrics/", "/metrics")]
    #[case("/a/b", "/a/b")]
    #[case("", "/")]
    fn the_path_has_one_slash_in_front(#[case] written: &str, #[case] route: &str) {
        let prometheus = Prometheus { path: written.to_owned(), ..Prometheus::default() };
        assert_eq!(prometheus.route(), route);
    }
}
