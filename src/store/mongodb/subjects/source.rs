//! A source's document in `manifests`: found, made, committed to, removed.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::{Bson, Document, doc};

use super::layout::{self, LIFE, MANIFESTS, SUBJECT_ID, integer, number};
use crate::domain::ids::SourceId;
use crate::domain::sources::Manifest;
use crate::store::StoreError;
use crate::store::mongodb::value::{to_bson, to_json};
use crate::store::mongodb::{Base, error};

/// How often a conditional write is tried against others.
const TRIES: usize = 64;

/// What there is of a source.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// No manifest: nothing, or what the original left.
    Adopted,
    Live(Box<Source>),
    /// Being removed.
    Leaving,
}

impl Found {
    pub fn live(self) -> Option<Source> {
        match self {
            Self::Live(source) => Some(*source),
            Self::Adopted | Self::Leaving => None,
        }
    }
}

/// A source that something was staged for or committed to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    pub id: SourceId,
    pub life: i64,
    pub data_version: u64,
    pub replaced_at: u64,
    /// Changes up to this one may be in the base.
    pub level: u64,
    /// Changes up to this one are in the base alone.
    pub folded: u64,
    /// There are notes about deletions.
    pub has_gone: bool,
    /// Where each change lies that is not folded.
    pub slots: BTreeMap<u64, i64>,
    manifest: Option<Bson>,
}

impl Source {
    /// The manifest, with how far the source is really folded; none until the first commit.
    pub fn manifest(&self) -> Result<Option<Manifest>, StoreError> {
        let Some(stored) = &self.manifest else { return Ok(None) };
        let mut manifest: Manifest =
            serde_json::from_value(to_json(stored.clone())).map_err(|e| corrupt(&self.id, e))?;
        manifest.folded = self.folded;
        Ok(Some(manifest))
    }

    /// The collection of a change, if something was staged for it.
    pub fn change(&self, n: u64) -> Option<String> {
        self.slots.get(&n).map(|slot| layout::change(&self.id, n, *slot))
    }

    /// Fails unless the change is still to be committed.
    pub fn refuse_committed(&self, n: u64) -> Result<(), StoreError> {
        if n <= self.data_version {
            return Err(StoreError::Conflict(format!(
                "change {n} of source {} is committed already (version {})",
                self.id, self.data_version
            )));
        }
        Ok(())
    }

    /// What finds the document while it is this life's.
    pub fn selector(&self) -> Document {
        doc! { "_id": self.id.as_str(), "life": self.life, "leaving": { "$ne": true } }
    }
}

fn corrupt(source: &SourceId, reason: impl ToString) -> StoreError {
    StoreError::Corrupt { room: MANIFESTS, reason: format!("source {source}: {}", reason.to_string()) }
}

pub(super) fn manifests(base: &Base) -> Collection<Document> {
    base.collection(MANIFESTS, true)
}

fn read(id: &SourceId, mut stored: Document) -> Result<Found, StoreError> {
    if stored.get_bool("leaving").unwrap_or(false) {
        return Ok(Found::Leaving);
    }
    let count = |field| u64::try_from(number(&stored, field)).map_err(|e| corrupt(id, e));
    let mut slots = BTreeMap::new();
    if let Ok(stored) = stored.get_document("slots") {
        for n in stored.keys() {
            slots.insert(n.parse().map_err(|e| corrupt(id, e))?, number(stored, n));
        }
    }
    Ok(Found::Live(Box::new(Source {
        id: id.clone(),
        life: number(&stored, "life"),
        data_version: count("dataVersion")?,
        replaced_at: count("replacedAt")?,
        level: count("level")?,
        folded: count("folded")?,
        has_gone: stored.get_bool("hasGone").unwrap_or(false),
        slots,
        manifest: stored.remove("manifest"),
    })))
}

/// Looks a source up.
pub(super) async fn find(base: &Base, id: &SourceId) -> Result<Found, StoreError> {
    match manifests(base).find_one(doc! { "_id": id.as_str() }).await? {
        Some(stored) => read(id, stored),
        None => Ok(Found::Adopted),
    }
}

/// The source, made if there is none; a removal that was cut off is finished first.
pub(super) async fn find_or_add(base: &Base, id: &SourceId) -> Result<Source, StoreError> {
    for _ in 0..TRIES {
        match find(base, id).await? {
            Found::Live(source) => return Ok(*source),
            Found::Leaving => finish_removal(base, id).await?,
            Found::Adopted => {
                let new = doc! {
                    "_id": id.as_str(), "life": base.numbers.next().await?, "dataVersion": 0_i64, "replacedAt": 0_i64,
                    "level": 0_i64, "folded": 0_i64, "slots": {},
                };
                match manifests(base).insert_one(new).await {
                    Err(failed) if error::duplicate(&failed).is_none() => return Err(failed.into()),
                    _ => {}
                }
            }
        }
    }
    Err(StoreError::Unavailable(format!("source {id} is being made and removed by other processes")))
}

/// Makes a manifest the visible one.
pub(super) async fn commit(base: &Base, expected: u64, manifest: &Manifest) -> Result<(), StoreError> {
    let id = &manifest.source_id;
    let conflict = |at: u64| {
        StoreError::Conflict(format!(
            "source {id} is at version {at}, not {expected}, and cannot become {}",
            manifest.data_version
        ))
    };
    let source = match find(base, id).await? {
        Found::Live(source) => *source,
        _ if expected > 0 => return Err(conflict(0)),
        _ => find_or_add(base, id).await?,
    };
    if source.data_version != expected || manifest.data_version < expected {
        return Err(conflict(source.data_version));
    }
    let body = serde_json::to_value(manifest).map_err(StoreError::engine)?;
    let mut which = source.selector();
    which.insert("dataVersion", integer(expected)?);
    // `folded` and `level` are the folds' own: only they know what the base has.
    let change = doc! { "$set": {
        "manifest": to_bson(&body),
        "dataVersion": integer(manifest.data_version)?,
        "replacedAt": integer(manifest.replaced_at)?,
    } };
    if manifests(base).update_one(which, change).await?.matched_count == 0 {
        let now = find(base, id).await?.live().map_or(0, |source| source.data_version);
        return Err(conflict(now));
    }
    Ok(())
}

/// Sources with a manifest, and those the original left.
pub(super) async fn all(base: &Base) -> Result<Vec<SourceId>, StoreError> {
    let known: Vec<Document> = manifests(base)
        .find(Document::new())
        .projection(doc! { "_id": 1, "leaving": 1 })
        .await?
        .try_collect()
        .await?;
    let mut sources = Vec::new();
    let mut leaving = Vec::new();
    for stored in known {
        let id = SourceId::parse(stored.get_str("_id").unwrap_or_default())
            .map_err(|e| StoreError::Corrupt { room: MANIFESTS, reason: e.to_string() })?;
        let list = if stored.get_bool("leaving").unwrap_or(false) { &mut leaving } else { &mut sources };
        list.push(id);
    }
    for name in base.database.list_collection_names().await? {
        let Some(id) = layout::source_of(&name) else { continue };
        if sources.contains(&id) || leaving.contains(&id) {
            continue;
        }
        let subject = doc! { SUBJECT_ID: { "$type": "string" }, LIFE: { "$exists": false } };
        if base.collection::<Document>(&name, false).find_one(subject).await?.is_some() {
            sources.push(id);
        }
    }
    Ok(sources)
}

/// Removes a source: from the first write on nothing of it can be found.
pub(super) async fn remove(base: &Base, id: &SourceId) -> Result<(), StoreError> {
    let forget = doc! { "$set": { "leaving": true }, "$unset": { "manifest": "" } };
    for _ in 0..TRIES {
        match manifests(base).update_one(doc! { "_id": id.as_str() }, forget.clone()).upsert(true).await {
            Err(failed) if error::duplicate(&failed).is_some() => {}
            Err(failed) => return Err(failed.into()),
            Ok(_) => return finish_removal(base, id).await,
        }
    }
    Err(StoreError::Unavailable(format!("source {id} is being made and removed by other processes")))
}

/// Drops the collections of a source that is leaving, then its document.
async fn finish_removal(base: &Base, id: &SourceId) -> Result<(), StoreError> {
    let own_base = layout::base(id);
    for name in base.database.list_collection_names().await? {
        // Slots and lives are never used again: no collection listed here can belong to a source made meanwhile.
        if layout::change_of(id, &name).is_some() || layout::is_gone_of(id, &name) {
            base.collection::<Document>(&name, true).drop().await?;
        }
    }
    // The base's name is; a source can be made again only once the document is away.
    if matches!(find(base, id).await?, Found::Leaving) {
        base.collection::<Document>(&own_base, true).drop().await?;
        base.indexes.forget(&own_base);
        manifests(base).delete_one(doc! { "_id": id.as_str(), "leaving": true }).await?;
    }
    Ok(())
}

/// Drops changes that are folded or were discarded, where a process died before it did.
pub(super) async fn sweep(base: &Base, id: &SourceId) -> Result<(), StoreError> {
    let names = base.database.list_collection_names().await?;
    // Read after the list: a slot is noted before its collection is made.
    let Some(source) = find(base, id).await?.live() else { return Ok(()) };
    for name in names {
        let Some((n, slot)) = layout::change_of(id, &name) else { continue };
        if source.slots.get(&n) != Some(&slot) {
            base.collection::<Document>(&name, false).drop().await?;
        }
    }
    Ok(())
}
