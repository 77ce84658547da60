//! Whether what is kept in different places fits together, and making it fit again (specification §4.2, `check` and
//! `repair`).
//!
//! Nothing here removes a subject of a source that is there, or an account. What a repair removes leads nowhere, and is
//! known to be ours: a key in a store that others use too only if it was noted when it was made here, a collection of
//! subjects only if something here wrote into it. `leftovers` are secrets, Beacon endpoints and the registry of V2.

mod leftovers;

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;

use super::Failure;
use super::auth::{As, Inside, SystemAdmin, user_key};
use super::networks::Networks;
use super::settings::Settings;
use super::sources::Sources;
use super::users::keys::{drop_named, is_ours};
use crate::domain::filter::Filter;
use crate::domain::ids::{SourceId, UserId};
use crate::domain::users::UserInfo;
use crate::ports::Ports;

/// People asked of the issuer at once.
const PAGE: usize = 500;

/// What does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Problem {
    /// An active entry whose person the identity provider does not know.
    EntryWithoutPerson,
    /// A key of nobody.
    KeyWithoutUser,
    /// A group that names users or sources which are gone.
    GroupMember,
    /// A node of a network that is gone, or was never finished.
    NodeWithoutNetwork,
    /// Subjects, files or uploads of a source that is gone.
    DataWithoutSource,
    /// An index part that the files lack, so that queries cannot be answered from it.
    IndexPartMissing,
    /// The key pair of a network that is gone.
    NetworkKeyUnused,
    /// A secret whose document is gone.
    SecretUnused,
    /// A Beacon endpoint of a network that is gone.
    BeaconWithoutNetwork,
    /// A network of V2 installations that names some which are gone.
    NexusMember,
    /// A request of a V2 installation, or for a network, that is gone.
    NexusRequest,
}

/// One thing that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub problem: Problem,
    /// The id of what it is about.
    pub id: String,
    /// What a repair does about it.
    pub remedy: &'static str,
}

impl Finding {
    /// In a sentence.
    pub fn describe(&self) -> String {
        let id = &self.id;
        match self.problem {
            Problem::EntryWithoutPerson => {
                format!("the account {id} is active here and unknown to the identity provider")
            }
            Problem::KeyWithoutUser => format!("there is a key {id} and no such account"),
            Problem::GroupMember => format!("the discovery group {id} names users or sources that are gone"),
            Problem::NodeWithoutNetwork => format!("the node {id} belongs to no network"),
            Problem::DataWithoutSource => format!("there are data of the source {id}, which is gone"),
            Problem::IndexPartMissing => format!("a part of the index of source {id} is missing"),
            Problem::NetworkKeyUnused => format!("there is a key pair of the network {id}, which is gone"),
            Problem::SecretUnused => format!("there is a secret {id}, and what it was for is gone"),
            Problem::BeaconWithoutNetwork => {
                format!("the Beacon endpoint {id} exposes a network that is gone")
            }
            Problem::NexusMember => format!("the V2 network {id} names installations that are gone"),
            Problem::NexusRequest => {
                format!("the V2 request {id} is of an installation, or for a network, that is gone")
            }
        }
    }
}

/// What a check saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What does not fit.
    pub findings: Vec<Finding>,
    /// Keys that look like those of accounts, belong to none here, and are not known to be ours: they stay.
    pub strangers: Vec<String>,
}

/// Checks and repairs.
#[derive(Debug, Clone)]
pub struct Integrity {
    ports: Ports,
    settings: Settings,
    sources: Sources,
    networks: Networks,
}

impl Integrity {
    pub(super) fn new(ports: Ports, settings: Settings, sources: Sources, networks: Networks) -> Self {
        Self { ports, settings, sources, networks }
    }

    /// Everything that does not fit; changes nothing.
    pub async fn check(&self, _: &As<SystemAdmin>) -> Result<Seen, Failure> {
        let Seen { mut findings, strangers } = self.accounts().await?;
        let note = |problem, ids: Vec<String>, remedy| {
            ids.into_iter().map(move |id| Finding { problem, id, remedy }).collect::<Vec<_>>()
        };
        findings.extend(note(
            Problem::GroupMember,
            self.settings.dangling().await?,
            "takes them out of the group",
        ));
        let nodes = self.settings.strays().await?;
        findings.extend(note(Problem::NodeWithoutNetwork, nodes, "removes the node"));
        findings.extend(self.sources().await?);
        findings.extend(self.leftovers().await?);
        Ok(Seen { findings, strangers })
    }

    /// Repairs what `check` found.
    pub async fn repair(
        &self,
        _: &As<SystemAdmin>,
        inside: &Inside,
        findings: &[Finding],
    ) -> Result<(), Failure> {
        for finding in findings {
            match finding.problem {
                Problem::EntryWithoutPerson => self.deactivate(&finding.id).await?,
                Problem::KeyWithoutUser => drop_named(&self.ports, &finding.id).await?,
                Problem::DataWithoutSource => {
                    let id = SourceId::parse(&finding.id).map_err(Failure::internal)?;
                    self.sources.drop_data(inside, &id).await?;
                }
                Problem::IndexPartMissing => {
                    let id = SourceId::parse(&finding.id).map_err(Failure::internal)?;
                    self.sources.request_index_job(&id).await?;
                }
                Problem::GroupMember | Problem::NodeWithoutNetwork => {}
                _ => self.clear(finding).await?,
            }
        }
        if findings.iter().any(|f| matches!(f.problem, Problem::GroupMember | Problem::NodeWithoutNetwork)) {
            self.settings.mend(inside).await?;
        }
        Ok(())
    }

    async fn accounts(&self) -> Result<Seen, Failure> {
        // In the order opposite to that in which they are made, so that an account being made is not found wanting.
        let keys = self.ports.secrets.keys().await?;
        let entries = self.ports.store.users().find(&Filter::all()).await?;
        let mut people = HashSet::new();
        loop {
            let page = self.ports.identity.profiles(people.len(), PAGE).await?;
            if page.is_empty() {
                break;
            }
            people.extend(page.into_iter().map(|(id, _)| id));
        }
        let lost = |entry: &&UserInfo| entry.active && !entry.internal && !people.contains(&entry.user_id);
        let mut findings: Vec<_> = entries
            .iter()
            .filter(lost)
            .map(|entry| Finding {
                problem: Problem::EntryWithoutPerson,
                id: entry.user_id.to_string(),
                remedy: "deactivates the account",
            })
            .collect();
        // A key whose person is known is no leftover: who was an account here may become one again.
        let known: BTreeSet<String> =
            entries.iter().map(|entry| &entry.user_id).chain(&people).map(user_key).collect();
        let hashed = |name: &str| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
        let of_users = |name: &String| {
            name.strip_prefix("u-").is_some_and(hashed) || uuid::Uuid::parse_str(name).is_ok()
        };
        let mut strangers = Vec::new();
        for id in keys.into_iter().filter(|name| of_users(name) && !known.contains(name)) {
            if !is_ours(&self.ports, &id).await? {
                strangers.push(id);
                continue;
            }
            let remedy = "deletes the key; what was encrypted with it cannot be read any more";
            findings.push(Finding { problem: Problem::KeyWithoutUser, id, remedy });
        }
        Ok(Seen { findings, strangers })
    }

    async fn sources(&self) -> Result<Vec<Finding>, Failure> {
        let store = &self.ports.store;
        let with_subjects: BTreeSet<SourceId> = store.subjects().sources().await?.into_iter().collect();
        let mut holding = with_subjects.clone();
        let all = Filter::all();
        holding.extend(store.datafiles().find(&all).await?.into_iter().map(|file| file.source_id));
        let named = |upload: serde_json::Value| SourceId::parse(upload.get("sourceId")?.as_str()?).ok();
        holding.extend(store.uploads().find(&all).await?.into_iter().filter_map(named));
        // Read after what they hold: a source is made before anything of it.
        let sources: BTreeSet<SourceId> =
            store.sources().find(&all).await?.into_iter().map(|source| source.source_id).collect();
        let mut findings = Vec::new();
        for id in holding.difference(&sources) {
            // What the original left without a source may be all there is of it.
            if !(with_subjects.contains(id) && store.subjects().adopted(id).await?) {
                let remedy = "removes what is left of the source";
                findings.push(Finding { problem: Problem::DataWithoutSource, id: id.to_string(), remedy });
            }
        }
        for id in holding.intersection(&sources) {
            let parts =
                store.subjects().manifest(id).await?.map(|manifest| manifest.parts).unwrap_or_default();
            for part in parts {
                if self.ports.blobs.size(&part.blob).await?.is_none() {
                    findings.push(Finding {
                        problem: Problem::IndexPartMissing,
                        id: id.to_string(),
                        remedy: "has the index made anew from the subjects",
                    });
                    break;
                }
            }
        }
        Ok(findings)
    }

    async fn deactivate(&self, id: &str) -> Result<(), Failure> {
        let id = UserId::parse(id).map_err(Failure::internal)?;
        let off = |user: &mut UserInfo| {
            user.active = false;
            Ok::<(), Failure>(())
        };
        self.ports.store.users().update(id.as_str(), off).await?;
        super::users::changed(&self.ports, &id).await
    }
}
