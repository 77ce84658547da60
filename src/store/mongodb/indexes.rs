//! Indexes of the rooms and of subjects, made where they are missing and never taken away.
//!
//! A room's indexes are looked at before its first write, and at the start where its collection exists. An index that
//! cannot be made, since an adopted collection has duplicates or the user may not, is a warning: the program works
//! without, and the operator is told which collection and field.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, IndexModel};
use tokio::sync::OnceCell;

use super::{Base, error};
use crate::store::{Room, StoreError};

/// What a room's indexes can be relied upon for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ready {
    /// The server keeps ids apart.
    pub unique_id: bool,
}

/// What this process has looked at.
#[derive(Debug)]
pub(super) struct Indexes {
    rooms: HashMap<Room, OnceCell<Ready>>,
    /// Collections of subjects.
    subjects: Mutex<BTreeSet<String>>,
}

impl Indexes {
    pub fn new() -> Self {
        let rooms = Room::ALL.iter().map(|room| (*room, OnceCell::new())).collect();
        Self { rooms, subjects: Mutex::default() }
    }

    /// Makes the room's indexes once.
    pub async fn of_room(&self, base: &Base, room: Room) -> Result<Ready, StoreError> {
        let Some(cell) = self.rooms.get(&room) else { return Ok(Ready { unique_id: false }) };
        cell.get_or_try_init(|| make(base, room)).await.copied()
    }

    /// Makes the index of a collection of subjects once.
    pub async fn of_subjects(&self, base: &Base, collection: &str) -> Result<(), StoreError> {
        let known = || self.subjects.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known().contains(collection) {
            return Ok(());
        }
        let documents = base.collection::<Document>(collection, false);
        let existing = existing(&documents).await?;
        id_index(&documents, &existing, "subjectId").await?;
        known().insert(collection.to_owned());
        Ok(())
    }

    /// Forgets a collection that is dropped.
    pub fn forget(&self, collection: &str) {
        self.subjects.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(collection);
    }
}

/// Makes the indexes of the rooms that are there.
pub(super) async fn add_missing(base: &Base) -> Result<(), StoreError> {
    let names = match base.database.list_collection_names().await {
        Err(failed) if error::is_refusal(&failed) => Vec::new(),
        other => other?,
    };
    for room in Room::ALL.iter().filter(|room| names.iter().any(|name| name == room.collection())) {
        base.indexes.of_room(base, *room).await?;
    }
    Ok(())
}

/// The name of the index that keeps a field unique.
pub(super) fn unique_index(field: &str) -> String {
    format!("{field}_unique")
}

async fn make(base: &Base, room: Room) -> Result<Ready, StoreError> {
    let collection = base.collection::<Document>(room.collection(), false);
    let existing = existing(&collection).await?;
    let id = room.id_field();
    let unique_id = id_index(&collection, &existing, id).await?;
    for field in room.unique() {
        // Sparse: a document without the field takes nothing from others.
        let options = IndexOptions::builder().name(unique_index(field)).unique(true).sparse(true).build();
        add(&collection, &existing, doc! { *field: 1 }, options).await?;
    }
    for field in room.indexed() {
        // The id is there so that a page in the default order needs no sorting.
        let options = IndexOptions::builder().name(format!("{field}_{id}")).build();
        add(&collection, &existing, doc! { *field: 1, id: 1 }, options).await?;
    }
    Ok(Ready { unique_id })
}

/// An index on the id, unique unless what is there forbids it.
async fn id_index(
    collection: &Collection<Document>,
    existing: &[IndexModel],
    field: &str,
) -> Result<bool, StoreError> {
    let unique = IndexOptions::builder().name(unique_index(field)).unique(true).build();
    if add(collection, existing, doc! { field: 1 }, unique).await? {
        return Ok(true);
    }
    let plain = IndexOptions::builder().name(format!("{field}_plain")).build();
    add(collection, existing, doc! { field: 1 }, plain).await?;
    Ok(false)
}

async fn existing(collection: &Collection<Document>) -> Result<Vec<IndexModel>, StoreError> {
    let listed = match collection.list_indexes().await {
        Ok(cursor) => cursor.try_collect().await,
        Err(failed) => Err(failed),
    };
    match listed {
        Ok(models) => Ok(models),
        // A collection that does not exist has no indexes; a user who may not look may not make any either.
        Err(failed) if error::is_absent(&failed) || error::is_refusal(&failed) => Ok(Vec::new()),
        Err(failed) => Err(failed.into()),
    }
}

/// Makes an index unless there is one that does the same; `false` if it cannot be made.
async fn add(
    collection: &Collection<Document>,
    existing: &[IndexModel],
    keys: Document,
    options: IndexOptions,
) -> Result<bool, StoreError> {
    let unique = options.unique == Some(true);
    let does_the_same = |index: &&IndexModel| {
        let is_unique = index.options.as_ref().and_then(|options| options.unique) == Some(true);
        same_keys(&index.keys, &keys) && (is_unique || !unique)
    };
    if existing.iter().any(|index| does_the_same(&index)) {
        return Ok(true);
    }
    let fields = keys.keys().cloned().collect::<Vec<_>>().join(", ");
    let model = IndexModel::builder().keys(keys).options(options).build();
    let Err(failed) = collection.create_index(model).await else { return Ok(true) };
    let refused = error::is_refusal(&failed);
    let reason = match (error::duplicate(&failed), StoreError::from(failed.clone())) {
        (Some(_), _) => {
            "documents share a value that must be unique, find and remove the surplus ones".to_owned()
        }
        (None, gone @ StoreError::Unavailable(_)) if !refused => return Err(gone),
        (None, other) => other.to_string(),
    };
    tracing::warn!(collection = collection.name(), %fields, unique, %reason, "an index cannot be made in MongoDB");
    Ok(false)
}

/// Whether two indexes have the same fields in the same order and direction, however the numbers are typed.
fn same_keys(one: &Document, other: &Document) -> bool {
    let direction = |value: &Bson| match value {
        Bson::Int32(n) => Some(f64::from(*n)),
        Bson::Int64(n) => i32::try_from(*n).ok().map(f64::from),
        Bson::Double(n) => Some(*n),
        _ => None,
    };
    let read = |keys: &Document| -> Vec<(String, Option<f64>)> {
        keys.iter().map(|(key, value)| (key.clone(), direction(value))).collect()
    };
    read(one) == read(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_index_is_known_however_it_is_written() {
        assert!(same_keys(&doc! { "a": 1, "b": -1 }, &doc! { "a": 1.0, "b": -1_i64 }));
        assert!(!same_keys(&doc! { "a": 1, "b": 1 }, &doc! { "b": 1, "a": 1 }));
        assert!(!same_keys(&doc! { "a": "text" }, &doc! { "a": 1 }));
    }
}
