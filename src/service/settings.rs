//! Runtime settings: one document per section, merged per field, announced to every service (specification §6.2).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use serde_json::{Map, Value, json};

use super::auth::{AnyAdmin, As, Asker, Assistant, Caller, Inside, SystemAdmin};
use super::mail::{Event, everyone, notify};
use super::{Failure, Live};
use crate::broker::{NewJob, Notice, Queue};
use crate::domain::access::Duty;
use crate::domain::federation::Exchange;
use crate::domain::filter::Filter;
use crate::domain::groups::Group;
use crate::domain::ids::{JobId, NodeId, SourceId, UserId};
use crate::domain::settings::{Maintenance, SECTIONS, SystemConfig, merge};
use crate::ports::Ports;

/// How long a copy is used before the store is asked again; notices end it earlier.
const FRESH: Duration = Duration::from_secs(2);

/// How far the assistant's clock may differ from ours, in seconds (specification §5.6).
const CLOCKS: u64 = 300;

/// Longer than it takes from a network's first node to the network itself.
const FOUNDING: Duration = Duration::from_secs(5);

/// The largest section of the settings, in bytes.
const MOST_SECTION: usize = 64 << 10;

/// The document that says whether the installation is in maintenance.
const MAINTENANCE: &str = "Maintenance";

/// Reads and changes runtime settings.
#[derive(Debug, Clone)]
pub struct Settings {
    ports: Ports,
    options: Live,
    held: Arc<ArcSwapOption<(Instant, SystemConfig)>>,
    maintenance: Arc<ArcSwapOption<(Instant, Maintenance)>>,
}

impl Settings {
    pub(super) fn new(ports: Ports, options: Live) -> Self {
        Self { ports, options, held: Arc::default(), maintenance: Arc::default() }
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
        let ours = json!({
            "instanceSettings": {"version": env!("CARGO_PKG_VERSION")}, "nexusEnabled": self.options.now().nexus,
        });
        merge(&mut all, &ours);
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
        for section in sections.keys() {
            if checked.get(section).is_some_and(|section| section.to_string().len() > MOST_SECTION) {
                return Err(Failure::Invalid(format!("{section} has at most {MOST_SECTION} bytes")));
            }
        }
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

    /// Whether requests are refused just now, and what those who come are told; at most two seconds old.
    pub async fn maintenance(&self) -> Result<Maintenance, Failure> {
        if let Some(held) = self.maintenance.load_full().filter(|held| held.0.elapsed() < FRESH) {
            return Ok(held.1.clone());
        }
        let stored = self.ports.store.config().get(MAINTENANCE).await?;
        let maintenance: Maintenance = match stored {
            Some(stored) => serde_json::from_value(stored).map_err(Failure::internal)?,
            None => Maintenance::default(),
        };
        self.maintenance.store(Some(Arc::new((Instant::now(), maintenance.clone()))));
        Ok(maintenance)
    }

    /// Puts the installation into maintenance or out of it, for the assistant, whose request is not to be repeated
    /// by others later.
    pub async fn maintain(
        &self,
        _: &Assistant,
        sent_at: i64,
        maintenance: Maintenance,
    ) -> Result<(), Failure> {
        if self.ports.clock.now().timestamp().abs_diff(sent_at) > CLOCKS {
            return Err(Failure::Invalid(format!(
                "X-Timestamp must be the time of the request in seconds since 1970; it differs from ours by more than {CLOCKS} s"
            )));
        }
        self.put_maintenance(maintenance).await
    }

    /// The same for the operator's tool.
    pub async fn maintain_by_hand(
        &self,
        _: &As<SystemAdmin>,
        maintenance: Maintenance,
    ) -> Result<(), Failure> {
        self.put_maintenance(maintenance).await
    }

    async fn put_maintenance(&self, maintenance: Maintenance) -> Result<(), Failure> {
        maintenance.check().map_err(|reason| Failure::Invalid(reason.into()))?;
        let mut document = serde_json::to_value(&maintenance).map_err(Failure::internal)?;
        if let Some(fields) = document.as_object_mut() {
            fields.insert("id".into(), MAINTENANCE.into());
        }
        self.ports.store.config().put(MAINTENANCE, &document).await?;
        tracing::warn!(on = maintenance.maintenance, "maintenance was switched");
        self.forget();
        self.ports.broker.publish(Notice { topic: "settings".into(), subject: String::new() }).await?;
        Ok(())
    }

    /// Has the nightly clean-up done now; answers its job.
    pub async fn clean_up(&self, admin: &As<SystemAdmin>) -> Result<JobId, Failure> {
        let job = NewJob {
            queue: Queue::DatabaseManager,
            kind: "cleanup".into(),
            key: Some("cleanup".into()),
            payload: json!({"requestedBy": admin.caller().id()}),
        };
        Ok(self.ports.broker.enqueue(job).await?)
    }

    /// Removes references that lead nowhere, and mail that waited too long; administrators are told of the former.
    pub async fn mend(&self, inside: &Inside) -> Result<(), Failure> {
        super::mail::expire(&self.ports, inside).await?;
        let members = self.drop_dangling_members().await?;
        let nodes = self.drop_stray_nodes().await?;
        if members + nodes > 0 {
            tracing::warn!(members, nodes, "references to nothing were removed");
            let facts = json!({"groupMembers": members, "nodes": nodes});
            notify(&self.ports, Event::CleanupFoundInconsistencies, everyone(), facts).await?;
        }
        Ok(())
    }

    /// Takes users and sources that are not there any more out of groups.
    async fn drop_dangling_members(&self) -> Result<usize, Failure> {
        let mut dropped = 0;
        for (group, gone_users, gone_sources) in self.gone_members().await? {
            dropped += gone_users.len() + gone_sources.len();
            let without = |held: &mut Group| {
                held.assigned_users.retain(|id| !gone_users.contains(id));
                held.assigned_sources.retain(|id| !gone_sources.contains(id));
                Ok::<(), Failure>(())
            };
            self.ports.store.groups().update(&group, without).await?;
        }
        Ok(dropped)
    }

    /// Groups that name users or sources which are not there any more.
    pub(super) async fn dangling(&self) -> Result<Vec<String>, Failure> {
        Ok(self.gone_members().await?.into_iter().map(|(group, ..)| group).collect())
    }

    async fn gone_members(&self) -> Result<Vec<(String, Vec<UserId>, Vec<SourceId>)>, Failure> {
        let store = &self.ports.store;
        let groups = store.groups().find(&Filter::all()).await?;
        // Read after the groups: what a group names was there before it.
        let users: BTreeSet<_> =
            store.users().find(&Filter::all()).await?.into_iter().map(|user| user.user_id).collect();
        let sources: BTreeSet<_> =
            store.sources().find(&Filter::all()).await?.into_iter().map(|source| source.source_id).collect();
        let gone = groups.into_iter().map(|group| {
            let gone_users: Vec<_> =
                group.assigned_users.into_iter().filter(|id| !users.contains(id)).collect();
            let gone_sources: Vec<_> =
                group.assigned_sources.into_iter().filter(|id| !sources.contains(id)).collect();
            (group.group_id.to_string(), gone_users, gone_sources)
        });
        Ok(gone.filter(|(_, users, sources)| !users.is_empty() || !sources.is_empty()).collect())
    }

    /// Nodes of networks that are not there. A node is written before its network, so one that lacks it is looked at
    /// again after a while.
    async fn drop_stray_nodes(&self) -> Result<usize, Failure> {
        let mut dropped = 0;
        for node in self.strays().await? {
            dropped += usize::from(self.ports.store.nodes().delete(&node).await?);
        }
        Ok(dropped)
    }

    /// Nodes that are found without their network at two looks.
    pub(super) async fn strays(&self) -> Result<Vec<String>, Failure> {
        let strays = self.stray_nodes().await?;
        if strays.is_empty() {
            return Ok(Vec::new());
        }
        tokio::time::sleep(FOUNDING).await;
        Ok(self.stray_nodes().await?.intersection(&strays).map(NodeId::to_string).collect())
    }

    async fn stray_nodes(&self) -> Result<BTreeSet<NodeId>, Failure> {
        let nodes = self.ports.store.nodes().find(&Filter::all()).await?;
        // Read after the nodes, and the requests first: a request that is answered leaves a network behind.
        let joining = self.ports.store.messages().find(&Filter::all()).await?;
        let networks = self.ports.store.networks().find(&Filter::all()).await?;
        let mut known: BTreeSet<_> = networks.into_iter().map(|network| network.network_id).collect();
        known.extend(joining.into_iter().filter(Exchange::is_open).map(|request| request.network_id));
        let stray = nodes.into_iter().filter(|node| !known.contains(&node.network_id));
        Ok(stray.map(|node| node.node_id).collect())
    }

    /// Drops the copy in memory; called when a notice says that settings changed.
    pub fn forget(&self) {
        self.held.store(None);
        self.maintenance.store(None);
    }
}
