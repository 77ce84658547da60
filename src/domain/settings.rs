//! Runtime settings, one document per section in the room `instance.config` (specification §6.1, §6.2).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::sources::Capability;

/// The merged view of `GET /config/global`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemConfig {
    pub instance_settings: InstanceSettings,
    pub ownership_settings: OwnershipSettings,
    pub discovery_settings: DiscoverySettings,
    pub federation_settings: FederationSettings,
    pub beacon_settings: BeaconSettings,
    pub nexus_enabled: bool,
}

/// Who this installation says it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceSettings {
    pub name: String,
    pub url: String,
    pub description: String,
    pub version: String,
    pub alternative_url: String,
}

impl Default for InstanceSettings {
    fn default() -> Self {
        Self {
            name: "Cafe Variome V3".into(),
            url: String::new(),
            description: String::new(),
            version: env!("CARGO_PKG_VERSION").into(),
            alternative_url: String::new(),
        }
    }
}

/// Who runs it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnershipSettings {
    pub address: String,
    pub email: String,
    pub name: String,
    pub description: String,
    pub logo: String,
    pub url: String,
    pub organization_id: String,
}

/// What front ends show by default, and the budget new users get.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DiscoverySettings {
    pub endpoints: TermEndpoints,
    pub capability: Capability,
    pub default_budget: i64,
}

impl Default for DiscoverySettings {
    fn default() -> Self {
        let on = Capability {
            subject: true,
            genes: true,
            hpo: true,
            ordo: true,
            snomed: true,
            variant: true,
            source: true,
            eav: true,
            ..Capability::default()
        };
        Self { endpoints: TermEndpoints::default(), capability: on, default_budget: 100 }
    }
}

/// Base addresses of term services; empty = the built-in engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TermEndpoints {
    pub genes: String,
    pub hpo: String,
    pub ordo: String,
    pub snomed: String,
    pub medicine: String,
    pub reactome: String,
    pub neo4j: String,
}

/// How far strangers are let in; everything off by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FederationSettings {
    pub allow_non_client_authenticated: bool,
    pub auto_user_registration: bool,
    pub anonymous_access: bool,
    #[serde(rename = "defaultTTL")]
    pub default_ttl: u32,
}

impl Default for FederationSettings {
    fn default() -> Self {
        Self {
            allow_non_client_authenticated: false,
            auto_user_registration: false,
            anonymous_access: false,
            default_ttl: 3,
        }
    }
}

/// What the Beacon endpoints say of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BeaconSettings {
    pub welcome_url: String,
    pub alternative_url: String,
    pub beacon_id: String,
    pub api_version: String,
    pub description: String,
    pub environment: String,
    pub create_date_time: String,
    pub update_date_time: String,
}

impl Default for BeaconSettings {
    fn default() -> Self {
        Self {
            welcome_url: String::new(),
            alternative_url: String::new(),
            beacon_id: String::new(),
            api_version: "v2.0".into(),
            description: String::new(),
            environment: "prod".into(),
            create_date_time: String::new(),
            update_date_time: String::new(),
        }
    }
}

/// Whether all requests are refused just now (specification §2.4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    pub maintenance: bool,
    /// What those who come are told; empty = the usual words.
    #[serde(default)]
    pub message: String,
}

/// Most characters of a maintenance message.
const MOST_MESSAGE: usize = 1_000;

impl Maintenance {
    /// Whether the message can be shown.
    pub fn check(&self) -> Result<(), &'static str> {
        let shown = |c: char| !c.is_control() || c == '\n';
        match self.message.chars().count() <= MOST_MESSAGE && self.message.chars().all(shown) {
            true => Ok(()),
            false => Err("message must have at most 1000 printable characters"),
        }
    }

    /// What is told instead of an answer; `None` = requests are answered.
    pub fn told(&self) -> Option<&str> {
        let words = if self.message.trim().is_empty() {
            "this installation is being maintained; try again later"
        } else {
            self.message.trim()
        };
        self.maintenance.then_some(words)
    }
}

/// Sections by their wire name and the id of their document in `instance.config`.
pub const SECTIONS: [(&str, &str); 5] = [
    ("instanceSettings", "InstanceConfig"),
    ("ownershipSettings", "OwnershipConfig"),
    ("discoverySettings", "DiscoveryConfig"),
    ("federationSettings", "FederationConfig"),
    ("beaconSettings", "BeaconConfig"),
];

/// Merges a partial document into a stored one, field by field; objects merge, everything else is replaced.
pub fn merge(stored: &mut Value, change: &Value) {
    match (stored, change) {
        (Value::Object(stored), Value::Object(change)) => merge_object(stored, change),
        (stored, change) => *stored = change.clone(),
    }
}

fn merge_object(stored: &mut Map<String, Value>, change: &Map<String, Value>) {
    for (key, value) in change {
        match stored.get_mut(key) {
            Some(held) => merge(held, value),
            None => {
                stored.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_partial_change_keeps_the_other_fields() {
        let mut stored = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(&mut stored, &json!({"a": {"c": 3}, "d": []}));
        assert_eq!(stored, json!({"a": {"b": 1, "c": 3}, "d": []}));
    }
}
