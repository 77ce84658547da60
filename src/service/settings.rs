//! Runtime settings: one document per section, merged per field, announced to every service (specification §6.2).

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use serde_json::{Map, Value, json};

use super::Failure;
use super::auth::{AnyAdmin, As, Asker, Caller};
use crate::broker::Notice;
use crate::domain::access::Duty;
use crate::domain::settings::{SECTIONS, SystemConfig, merge};
use crate::ports::Ports;

/// How long a copy is used before the store is asked again; notices end it earlier.
const FRESH: Duration = Duration::from_secs(2);

/// Reads and changes runtime settings.
#[derive(Debug, Clone)]
pub struct Settings {
    ports: Ports,
    held: Arc<ArcSwapOption<(Instant, SystemConfig)>>,
}

impl Settings {
    pub(super) fn new(ports: Ports) -> Self {
        Self { ports, held: Arc::new(ArcSwapOption::empty()) }
    }

    /// The settings in force; at most two seconds old.
    pub(super) async fn current(&self) -> Result<SystemConfig, Failure> {
        if let Some(held) = self.held.load_full().filter(|held| held.0.elapsed() < FRESH) {
            return Ok(held.1.clone());
        }
        let settings: SystemConfig =
            serde_json::from_value(self.stored().await?).map_err(Failure::internal)?;
        self.held.store(Some(Arc::new((Instant::now(), settings.clone()))));
        Ok(settings)
    }

    async fn stored(&self) -> Result<Value, Failure> {
        let mut all = serde_json::to_value(SystemConfig::default()).map_err(Failure::internal)?;
        for (section, id) in SECTIONS {
            if let Some(mut document) = self.ports.store.config().get(id).await? {
                if let Some(fields) = document.as_object_mut() {
                    fields.remove("id");
                }
                merge(&mut all, &json!({ section: document }));
            }
        }
        merge(&mut all, &json!({"instanceSettings": {"version": env!("CARGO_PKG_VERSION")}}));
        Ok(all)
    }

    /// What everyone may know of this installation (`GET /`).
    pub async fn identity(&self) -> Result<SystemConfig, Failure> {
        self.current().await
    }

    /// All settings, for administrators.
    pub async fn all(&self, _: &As<AnyAdmin>) -> Result<SystemConfig, Failure> {
        self.current().await
    }

    /// The subset of specification §6.3, for everyone else who may ask.
    pub async fn shown(&self, _: &Asker) -> Result<Value, Failure> {
        let all = serde_json::to_value(self.current().await?).map_err(Failure::internal)?;
        let pick = |path: &str, keys: &[&str]| -> Value {
            let from = all.get(path);
            let fields: Map<String, Value> = keys
                .iter()
                .filter_map(|key| from.and_then(|f| f.get(*key)).map(|v| ((*key).to_owned(), v.clone())))
                .collect();
            Value::Object(fields)
        };
        Ok(json!({
            "instanceSettings": pick("instanceSettings", &["name", "url", "description", "version", "alternativeUrl"]),
            "ownershipSettings": all.get("ownershipSettings"),
            "discoverySettings": pick("discoverySettings", &["endpoints", "capability", "defaultBudget"]),
            "federationSettings": pick("federationSettings", &["anonymousAccess"]),
            "nexusEnabled": all.get("nexusEnabled"),
        }))
    }

    /// Merges a partial change; each section needs its own duty (specification §5.6). All or nothing.
    pub async fn change(&self, caller: &Caller, change: &Value) -> Result<(), Failure> {
        let Some(sections) = change.as_object() else {
            return Err(Failure::Invalid("settings must be an object of sections".into()));
        };
        for section in sections.keys() {
            let duty = match section.as_str() {
                "instanceSettings" | "ownershipSettings" | "beaconSettings" => Duty::System,
                "discoverySettings" | "federationSettings" => Duty::Data,
                _ => continue,
            };
            if !caller.may(duty) {
                return Err(Failure::Forbidden(format!("your role does not allow changing {section}")));
            }
        }
        let mut merged = self.stored().await?;
        merge(&mut merged, change);
        let checked: SystemConfig =
            serde_json::from_value(merged).map_err(|e| Failure::Invalid(format!("settings: {e}")))?;
        if !(0..=100).contains(&checked.discovery_settings.default_budget) {
            return Err(Failure::Invalid(
                "discoverySettings.defaultBudget must lie between 0 and 100".into(),
            ));
        }
        if checked.federation_settings.default_ttl == 0 {
            return Err(Failure::Invalid("federationSettings.defaultTTL must be at least 1".into()));
        }
        let checked = serde_json::to_value(checked).map_err(Failure::internal)?;
        for (section, id) in SECTIONS {
            if !sections.contains_key(section) {
                continue;
            }
            let mut document = checked.get(section).cloned().unwrap_or(Value::Null);
            if let Some(fields) = document.as_object_mut() {
                fields.insert("id".into(), id.into());
            }
            self.ports.store.config().put(id, &document).await?;
        }
        self.forget();
        self.ports.broker.publish(Notice { topic: "settings".into(), subject: String::new() }).await?;
        Ok(())
    }

    /// Drops the copy in memory; called when a notice says that settings changed.
    pub fn forget(&self) {
        self.held.store(None);
    }
}
