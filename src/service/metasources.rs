//! Meta sources: described, found, and listed in the meta index (specification §10).
//!
//! Changes are made one at a time, under a lock. An upload first notes which ids it is about to add; what is noted is
//! not visible. Taking the note away is the one write that shows all of them, and a note that is met under the lock
//! belongs to a process that ended before that: what it names is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Failure;
use super::alone::alone;
use super::auth::{As, Asker, DataAdmin, Inside};
use super::error::EntryProblem;
use crate::domain::filter::Filter;
use crate::domain::ids::{MetaSourceId, SourceId};
use crate::domain::metasources::MetaSource;
use crate::domain::metasources::index::MetaIndex;
use crate::domain::metasources::query::MetaQuery;
use crate::domain::metasources::read::{self, Problem};
use crate::domain::networks::Network;
use crate::ports::Ports;
use crate::store::{Kept, Room, StoreError};

/// Most entries of one upload.
const MOST_ENTRIES: usize = 1_000;

/// Most problems told of one upload.
const MOST_PROBLEMS: usize = 1_000;

/// The lock under which meta sources change.
const LOCK: &str = "meta sources";

/// Describes data and finds descriptions.
#[derive(Debug, Clone)]
pub struct MetaSources {
    ports: Ports,
    kept: Arc<Kept<MetaSource>>,
}

impl MetaSources {
    pub(super) fn new(ports: Ports) -> Self {
        Self { ports, kept: Arc::new(Kept::new(Room::MetaSources)) }
    }

    /// All meta sources, by name.
    pub async fn list(&self, _: &As<DataAdmin>) -> Result<Vec<Arc<MetaSource>>, Failure> {
        self.visible().await
    }

    /// One meta source.
    pub async fn one(&self, _: &As<DataAdmin>, id: &MetaSourceId) -> Result<Arc<MetaSource>, Failure> {
        self.found(id).await
    }

    /// Creates a meta source; an id that is sent is kept, for descriptions refer to each other by it.
    pub async fn create(&self, _: &As<DataAdmin>, body: &Value) -> Result<MetaSourceId, Failure> {
        let source = read::read(body, &mut || self.ports.random.uuid()).map_err(refused)?;
        self.alone(async {
            self.refers_to_what_is_there(&source).await?;
            match self.ports.store.meta_sources().insert(source.source_id.as_str(), &source).await {
                Err(StoreError::Conflict(_)) => Err(Failure::Conflict(format!(
                    "sourceId: there is a meta source {} already; change or remove it",
                    source.source_id
                ))),
                other => other.map_err(Failure::from),
            }?;
            self.publish().await
        })
        .await?;
        Ok(source.source_id)
    }

    /// Creates all of the entries, or none of them and says what is wrong with which.
    pub async fn upload(&self, _: &As<DataAdmin>, entries: &[Value]) -> Result<(), Failure> {
        if entries.len() > MOST_ENTRIES {
            return Err(Failure::Invalid(format!(
                "an upload has at most {MOST_ENTRIES} entries, this one {}; send it in parts",
                entries.len()
            )));
        }
        let (mut sources, mut problems) = (Vec::new(), Vec::new());
        for (index, entry) in entries.iter().enumerate() {
            match read::read(entry, &mut || self.ports.random.uuid()) {
                Ok(source) => sources.push((index, source)),
                Err(found) => {
                    problems.extend(found.into_iter().map(|Problem { path, reason }| EntryProblem {
                        index,
                        path,
                        reason,
                    }))
                }
            }
        }
        self.alone(self.add(sources, problems)).await
    }

    async fn add(
        &self,
        sources: Vec<(usize, MetaSource)>,
        mut problems: Vec<EntryProblem>,
    ) -> Result<(), Failure> {
        let there: BTreeSet<MetaSourceId> =
            self.visible().await?.iter().map(|source| source.source_id.clone()).collect();
        let mut first: BTreeMap<&MetaSourceId, usize> = BTreeMap::new();
        let mut duplicates = Vec::new();
        for (index, source) in &sources {
            let id = &source.source_id;
            let mut taken = |reason| {
                duplicates.push(EntryProblem { index: *index, path: "sourceId".into(), reason });
            };
            if there.contains(id) {
                taken(format!("there is a meta source {id} already; change or remove it"));
            }
            match first.get(id) {
                Some(other) => taken(format!("entry {other} has the id {id} too")),
                None => {
                    first.insert(id, *index);
                }
            }
        }
        for (index, source) in &sources {
            for (at, id) in source.dataset_ids.iter().enumerate() {
                if !there.contains(id) && !first.contains_key(id) {
                    problems.push(EntryProblem {
                        index: *index,
                        path: format!("datasetIds[{at}]"),
                        reason: format!("there is no meta source {id}, here or in this upload"),
                    });
                }
            }
        }
        let conflict = problems.is_empty();
        problems.extend(duplicates);
        if let Some(one) = problems.first() {
            let path = if one.path.is_empty() { String::new() } else { format!("{}: ", one.path) };
            let more = match problems.len() - 1 {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            let reason = format!("entry {}: {path}{}{more}; nothing was stored", one.index, one.reason);
            problems.sort_by_key(|problem| problem.index);
            problems.truncate(MOST_PROBLEMS);
            return Err(Failure::Entries { conflict, reason, problems });
        }
        let upload = self.ports.random.uuid().to_string();
        let ids: Vec<&MetaSourceId> = sources.iter().map(|(_, source)| &source.source_id).collect();
        let note = json!({"uploadId": upload, "sourceIds": ids});
        self.ports.store.meta_uploads().insert(&upload, &note).await?;
        let (mut added, mut outcome) = (Vec::new(), Ok(()));
        for (_, source) in &sources {
            outcome = self.ports.store.meta_sources().insert(source.source_id.as_str(), source).await;
            if outcome.is_err() {
                break;
            }
            added.push(&source.source_id);
        }
        // Without its note another process has taken this one for ended.
        let whole = outcome.is_ok() && self.ports.store.meta_uploads().delete(&upload).await?;
        if !whole {
            self.undo(&json!({"uploadId": upload, "sourceIds": added})).await?;
            outcome?;
            return Err(Failure::Conflict("the upload took too long and was undone; send it again".into()));
        }
        self.publish().await
    }

    /// Merges a change into a meta source.
    pub async fn change(&self, _: &As<DataAdmin>, id: &MetaSourceId, change: &Value) -> Result<(), Failure> {
        self.alone(async {
            let held = self.found(id).await?;
            let made = read::change(&held, change, &mut || self.ports.random.uuid()).map_err(refused)?;
            self.refers_to_what_is_there(&made).await?;
            self.replace(made).await?;
            self.publish().await
        })
        .await
    }

    /// Removes a meta source, also from those that name it.
    pub async fn delete(&self, _: &As<DataAdmin>, id: &MetaSourceId) -> Result<(), Failure> {
        self.alone(async {
            self.found(id).await?;
            for other in self.visible().await?.iter().filter(|other| other.dataset_ids.contains(id)) {
                let mut other = MetaSource::clone(other);
                other.dataset_ids.retain(|named| named != id);
                self.replace(other).await?;
            }
            self.ports.store.meta_sources().delete(id.as_str()).await?;
            self.publish().await
        })
        .await
    }

    /// Builds the index anew, on request.
    pub async fn reindex(&self, _: &As<DataAdmin>) -> Result<(), Failure> {
        self.alone(self.publish()).await
    }

    /// Builds the index anew, in the nightly round.
    pub async fn refresh(&self, _: &Inside) -> Result<(), Failure> {
        self.alone(self.publish()).await
    }

    /// Takes a source that is gone out of what says its data is there. Idempotent.
    pub async fn disconnect(&self, _: &Inside, source: &SourceId) -> Result<(), Failure> {
        let connected = Filter::equals("connectionId", source.as_str());
        if self.ports.store.meta_sources().count(&connected).await? == 0 {
            return Ok(());
        }
        self.alone(async {
            for mut one in self.ports.store.meta_sources().find(&connected).await? {
                one.connection_id = None;
                self.replace(one).await?;
            }
            Ok(())
        })
        .await
    }

    /// What can be asked of this installation's meta sources.
    pub async fn index(&self, _: &Asker) -> Result<MetaIndex, Failure> {
        for network in self.ports.store.networks().find(&Filter::all()).await? {
            let own = self.ports.store.nodes().get(network.instance_id.as_str()).await?;
            if let Some(index) = own.and_then(|node| node.meta_index) {
                return Ok(index);
            }
        }
        Ok(MetaIndex::default())
    }

    /// The meta sources that meet a query, each with the node that has it.
    pub async fn query(&self, _: &Asker, network: &Network, body: &Value) -> Result<Vec<Value>, Failure> {
        let query = MetaQuery::read(body).map_err(Failure::Invalid)?;
        let all = self.visible().await?;
        let found = all.iter().filter(|source| query.meets(source)).map(|source| {
            let mut shown = source.shown();
            if let Some(fields) = shown.as_object_mut() {
                fields.insert("nodeId".into(), network.instance_id.as_str().into());
            }
            shown
        });
        Ok(found.collect())
    }

    /// Every meta source but those of uploads under way, by name.
    async fn visible(&self) -> Result<Vec<Arc<MetaSource>>, Failure> {
        let mut all =
            self.kept.find(self.ports.store.documents(), &Filter::all().sorted("sourceName")).await?;
        let hidden: BTreeSet<String> =
            self.ports.store.meta_uploads().find(&Filter::all()).await?.iter().flat_map(named).collect();
        all.retain(|source| !hidden.contains(source.source_id.as_str()));
        Ok(all)
    }

    async fn found(&self, id: &MetaSourceId) -> Result<Arc<MetaSource>, Failure> {
        let found = self.kept.get(self.ports.store.documents(), id.as_str()).await?;
        let hidden = self.ports.store.meta_uploads().find(&Filter::all()).await?;
        found
            .filter(|_| !hidden.iter().flat_map(named).any(|named| named == id.as_str()))
            .ok_or_else(|| Failure::not_found("meta source", id.as_str()))
    }

    async fn replace(&self, source: MetaSource) -> Result<(), Failure> {
        let id = source.source_id.clone();
        let written = self
            .ports
            .store
            .meta_sources()
            .update(id.as_str(), |held| {
                *held = source.clone();
                Ok::<(), Failure>(())
            })
            .await?;
        written.map(|_| ()).ok_or_else(|| Failure::not_found("meta source", id.as_str()))
    }

    async fn refers_to_what_is_there(&self, source: &MetaSource) -> Result<(), Failure> {
        for id in &source.dataset_ids {
            if *id != source.source_id && self.ports.store.meta_sources().get(id.as_str()).await?.is_none() {
                return Err(Failure::Invalid(format!("datasetIds: there is no meta source {id}")));
            }
        }
        Ok(())
    }

    /// Writes the index into every network and our node in it.
    async fn publish(&self) -> Result<(), Failure> {
        let all = self.visible().await?;
        let index = MetaIndex::of(all.iter().map(Arc::as_ref));
        let store = &self.ports.store;
        for network in store.networks().find(&Filter::all()).await? {
            let set = |held: &mut Option<MetaIndex>| {
                *held = Some(index.clone());
                Ok::<(), Failure>(())
            };
            store.nodes().update(network.instance_id.as_str(), |node| set(&mut node.meta_index)).await?;
            store.networks().update(network.network_id.as_str(), |n| set(&mut n.meta_index)).await?;
        }
        Ok(())
    }

    /// Runs a change while no other is made, after what an upload has left that did not end.
    async fn alone<T>(&self, change: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let change = async {
            for note in self.ports.store.meta_uploads().find(&Filter::all()).await? {
                self.undo(&note).await?;
                tracing::warn!(%note, "an upload of meta sources that did not end was removed");
            }
            change.await
        };
        alone(&self.ports, LOCK, change).await
    }

    /// Removes what an upload has added, then its note.
    async fn undo(&self, note: &Value) -> Result<(), Failure> {
        for id in named(note) {
            self.ports.store.meta_sources().delete(id).await?;
        }
        let upload = note.get("uploadId").and_then(Value::as_str).unwrap_or_default();
        self.ports.store.meta_uploads().delete(upload).await?;
        Ok(())
    }
}

/// The ids an upload's note names.
fn named(note: &Value) -> impl Iterator<Item = String> {
    let ids = note.get("sourceIds").and_then(Value::as_array).into_iter().flatten();
    ids.filter_map(|id| id.as_str().map(str::to_owned))
}

/// All problems of one meta source, in words.
fn refused(problems: Vec<Problem>) -> Failure {
    let told = problems.into_iter().map(|Problem { path, reason }| match path.as_str() {
        "" => reason,
        path => format!("{path}: {reason}"),
    });
    Failure::Invalid(format!("meta source: {}", told.collect::<Vec<_>>().join("; ")))
}
