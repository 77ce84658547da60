//! Settings that are read and have no effect in this release; start, `doctor` and nothing else say so.

use super::{InstanceConfig, show::at, tree::tree};

/// Settings and sections without effect. One that gets an effect leaves the list.
const NO_EFFECT: [&str; 12] = [
    "Appliance.AllowDemo",
    "Appliance.Engine",
    "Appliance.Federation.TrustedIssuers",
    "Appliance.Instance",
    "Appliance.Limits.NodeSeconds",
    "Appliance.Peers",
    "Appliance.Retention.LogDays",
    "Appliance.Workers.MetaQuery",
    "Data.ChunkSize",
    "Data.UploadPath",
    "Legacy.NexusMode.AccessTokenEnabled",
    "Legacy.Query",
];

/// As above, with further words on what holds instead.
const NO_EFFECT_BUT: [(&str, &str); 1] = [("Logging.Name", " but as the source of what is sent to Splunk")];

/// One sentence for each setting that differs from its default to no effect.
pub fn without_effect(config: &InstanceConfig) -> Vec<String> {
    let (given, untouched) = (written(config), written(&InstanceConfig::default()));
    let listed = NO_EFFECT.iter().map(|path| (*path, "")).chain(NO_EFFECT_BUT);
    listed
        .flat_map(|(listed, instead)| {
            let inside = move |path: &str| {
                path.strip_prefix(listed).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            tree().values.iter().filter(move |known| inside(&known.path)).map(move |known| (known, instead))
        })
        .filter(|(known, _)| match at(&given, &known.path) {
            Some(value) => *value != *at(&untouched, &known.path).unwrap_or(&known.default),
            None => false,
        })
        .map(|(known, instead)| format!("{} has no effect in this release{instead}", known.path))
        .collect()
}

fn written(config: &InstanceConfig) -> serde_json::Value {
    serde_json::to_value(config).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_setting_exists() {
        for listed in NO_EFFECT.iter().copied().chain(NO_EFFECT_BUT.map(|(path, _)| path)) {
            assert!(
                tree().nodes.contains_key(listed) || tree().values.iter().any(|known| known.path == listed),
                "{listed}"
            );
        }
    }

    #[test]
    fn defaults_are_no_reason_to_warn() {
        assert_eq!(without_effect(&InstanceConfig::default()), Vec::<String>::new());
    }

    #[test]
    fn a_setting_without_effect_is_named_and_one_with_effect_is_not() {
        let mut config = InstanceConfig::default();
        config.data.chunk_size = 3;
        config.appliance.limits.node = crate::config::values::Seconds::new(7);
        config.appliance.limits.source = crate::config::values::Seconds::new(7);
        let said = without_effect(&config);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said.iter().any(|line| line.starts_with("Data.ChunkSize has no effect")), "{said:?}");
        assert!(said.iter().any(|line| line.starts_with("Appliance.Limits.NodeSeconds has no")), "{said:?}");
    }
}
