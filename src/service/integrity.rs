//! Whether what is kept in different places fits together, and making it fit again (specification §4.2, `check` and
//! `repair`).
//!
//! Nothing here removes a subject of a source that is there, or an account. What a repair removes leads nowhere.

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;

use super::Failure;
use super::auth::{As, Inside, SystemAdmin, user_key};
use super::settings::Settings;
use super::sources::Sources;
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
        }
    }
}

/// Checks and repairs.
#[derive(Debug, Clone)]
pub struct Integrity {
    ports: Ports,
    settings: Settings,
    sources: Sources,
}

impl Integrity {
    pub(super) fn new(ports: Ports, settings: Settings, sources: Sources) -> Self {
        Self { ports, settings, sources }
    }

    /// Everything that does not fit; changes nothing.
    pub async fn check(&self, _: &As<SystemAdmin>) -> Result<Vec<Finding>, Failure> {
        let mut findings = self.accounts().await?;
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
        Ok(findings)
    }

    /// Repairs what `check` finds; answers what that was.
    pub async fn repair(&self, admin: &As<SystemAdmin>, inside: &Inside) -> Result<Vec<Finding>, Failure> {
        let findings = self.check(admin).await?;
        for finding in &findings {
            match finding.problem {
                Problem::EntryWithoutPerson => self.deactivate(&finding.id).await?,
                Problem::KeyWithoutUser => drop(self.ports.secrets.delete_key(&finding.id).await?),
                Problem::DataWithoutSource => {
                    let id = SourceId::parse(&finding.id).map_err(Failure::internal)?;
                    self.sources.drop_data(inside, &id).await?;
                }
                Problem::IndexPartMissing => {
                    let id = SourceId::parse(&finding.id).map_err(Failure::internal)?;
                    self.sources.request_index_job(&id).await?;
                }
                Problem::GroupMember | Problem::NodeWithoutNetwork => {}
            }
        }
        if findings.iter().any(|f| matches!(f.problem, Problem::GroupMember | Problem::NodeWithoutNetwork)) {
            self.settings.mend(inside).await?;
        }
        Ok(findings)
    }

    async fn accounts(&self) -> Result<Vec<Finding>, Failure> {
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
        let of_users = |name: &String| name.starts_with("u-") || uuid::Uuid::parse_str(name).is_ok();
        findings.extend(keys.into_iter().filter(|name| of_users(name) && !known.contains(name)).map(|id| {
            Finding {
                problem: Problem::KeyWithoutUser,
                id,
                remedy: "deletes the key; what was encrypted with it cannot be read any more",
            }
        }));
        Ok(findings)
    }

    async fn sources(&self) -> Result<Vec<Finding>, Failure> {
        let store = &self.ports.store;
        let mut holding: BTreeSet<SourceId> = store.subjects().sources().await?.into_iter().collect();
        let all = Filter::all();
        holding.extend(store.datafiles().find(&all).await?.into_iter().map(|file| file.source_id));
        let named = |upload: serde_json::Value| SourceId::parse(upload.get("sourceId")?.as_str()?).ok();
        holding.extend(store.uploads().find(&all).await?.into_iter().filter_map(named));
        // Read after what they hold: a source is made before anything of it.
        let sources: BTreeSet<SourceId> =
            store.sources().find(&all).await?.into_iter().map(|source| source.source_id).collect();
        let mut findings: Vec<_> = holding
            .difference(&sources)
            .map(|id| Finding {
                problem: Problem::DataWithoutSource,
                id: id.to_string(),
                remedy: "removes what is left of the source",
            })
            .collect();
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
