//! Documents: one collection a room, under the room's own name.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::{Bson, Document, doc};
use serde_json::Value;

use super::body::{self, REVISION, selector};
use super::{Base, carry_out, error, filter, format, indexes};
use crate::domain::filter::Filter;
use crate::store::{Documents, Room, StoreError, Stored};

/// How often a write that must succeed is tried against others.
const TRIES: usize = 64;

/// The documents' half of the store.
#[derive(Debug)]
pub(super) struct MongoDocuments {
    base: Arc<Base>,
}

impl MongoDocuments {
    pub fn new(base: Arc<Base>) -> Self {
        Self { base }
    }

    /// Documents that meet the filter in its order, all fields or those needed for the head.
    async fn listed(
        &self,
        room: Room,
        filter: &Filter,
        head_only: bool,
    ) -> Result<Vec<Document>, StoreError> {
        if filter.limit == Some(0) {
            // To MongoDB 0 means all.
            return Ok(Vec::new());
        }
        let collection = rooms(&self.base, room);
        let mut find = collection
            .find(filter::conditions(room, filter)?)
            .sort(filter::order(room, filter)?)
            .skip(u64::try_from(filter.skip).unwrap_or(u64::MAX).min(i64::MAX as u64))
            .allow_disk_use(true);
        if let Some(limit) = filter.limit {
            find = find.limit(i64::try_from(limit).unwrap_or(i64::MAX));
        }
        if head_only {
            find = find.projection(doc! { room.id_field(): 1, REVISION: 1 });
        }
        Ok(find.await?.try_collect().await?)
    }
}

fn rooms(base: &Base, room: Room) -> Collection<Document> {
    base.collection(room.collection(), room.durable())
}

/// The note of the format is no document.
fn hidden(room: Room, id: &str) -> bool {
    room == Room::Config && id == format::DOCUMENT
}

async fn revision(base: &Base, room: Room, id: &str) -> Result<Option<u64>, StoreError> {
    if hidden(room, id) {
        return Ok(None);
    }
    let found = rooms(base, room)
        .find_one(selector(room, id))
        .projection(doc! { room.id_field(): 1, REVISION: 1 })
        .await?;
    let head = found.map(|found| body::head(room, &found)).transpose()?.flatten();
    Ok(head.map(|(_, revision)| revision))
}

/// What a write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Done,
    /// The id is taken, or the revision is another.
    Overtaken,
}

/// Tells a taken id from another unique field that is taken, which is a conflict to be told.
fn taken(room: Room, id: &str, failed: mongodb::error::Error) -> Result<Written, StoreError> {
    let Some(words) = error::duplicate(&failed) else { return Err(failed.into()) };
    let of_field = |field: &&&str| {
        words.contains(&format!("index: {} ", indexes::unique_index(field)))
            || words.contains(&format!("dup key: {{ {field}:"))
    };
    match room.unique().iter().find(of_field) {
        Some(field) => Err(StoreError::Conflict(format!(
            "{} {id}: another document has the same {field}",
            room.collection()
        ))),
        None => Ok(Written::Overtaken),
    }
}

async fn insert(base: &Base, room: Room, id: &str, body: &Value) -> Result<Written, StoreError> {
    let ready = base.indexes.of_room(base, room).await?;
    let collection = rooms(base, room);
    // The server keeps our own ids apart by `_id`; a document of the original has another there.
    if !ready.unique_id && collection.find_one(selector(room, id)).await?.is_some() {
        return Ok(Written::Overtaken);
    }
    let mut document = body::document(room, id, body, base.numbers.first_revision().await?);
    document.insert("_id", id);
    match collection.insert_one(document).await {
        Ok(_) => Ok(Written::Done),
        Err(failed) => taken(room, id, failed),
    }
}

async fn replace(
    base: &Base,
    room: Room,
    id: &str,
    expected: u64,
    body: &Value,
) -> Result<Written, StoreError> {
    // A revision beyond MongoDB's integers cannot be the stored one.
    let Some(next) = i64::try_from(expected).ok().and_then(|expected| expected.checked_add(1)) else {
        return Ok(Written::Overtaken);
    };
    if hidden(room, id) {
        return Ok(Written::Overtaken);
    }
    base.indexes.of_room(base, room).await?;
    let collection = rooms(base, room);
    let unchanged: Bson =
        if expected == 0 { doc! { "$exists": false }.into() } else { Bson::Int64(next.saturating_sub(1)) };
    let mut which = selector(room, id);
    which.insert(REVISION, unchanged);
    let mut document = body::document(room, id, body, next);
    if next <= body::FIRST_OWN {
        let Some(before) = collection.find_one(which.clone()).await? else { return Ok(Written::Overtaken) };
        body::keep_types(&before, &mut document);
    }
    match collection.replace_one(which, document).await {
        Ok(result) if result.matched_count > 0 => Ok(Written::Done),
        Ok(_) => Ok(Written::Overtaken),
        Err(failed) => taken(room, id, failed),
    }
}

#[async_trait]
impl Documents for MongoDocuments {
    async fn get(&self, room: Room, id: &str) -> Result<Option<Stored>, StoreError> {
        if hidden(room, id) {
            return Ok(None);
        }
        let found = rooms(&self.base, room).find_one(selector(room, id)).await?;
        Ok(found.map(|found| body::read(room, found)).transpose()?.flatten())
    }

    async fn find(&self, room: Room, filter: &Filter) -> Result<Vec<Stored>, StoreError> {
        let found = self.listed(room, filter, false).await?;
        found.into_iter().filter_map(|found| body::read(room, found).transpose()).collect()
    }

    async fn revision(&self, room: Room, id: &str) -> Result<Option<u64>, StoreError> {
        revision(&self.base, room, id).await
    }

    async fn revisions(&self, room: Room, filter: &Filter) -> Result<Vec<(String, u64)>, StoreError> {
        let found = self.listed(room, filter, true).await?;
        found.iter().filter_map(|found| body::head(room, found).transpose()).collect()
    }

    async fn count(&self, room: Room, filter: &Filter) -> Result<u64, StoreError> {
        Ok(rooms(&self.base, room).count_documents(filter::conditions(room, filter)?).await?)
    }

    async fn insert(&self, room: Room, id: &str, body: &Value) -> Result<(), StoreError> {
        let (base, id, body) = (self.base.clone(), id.to_owned(), body.clone());
        carry_out(async move {
            match insert(&base, room, &id, &body).await? {
                Written::Done => Ok(()),
                Written::Overtaken => Err(StoreError::Conflict(format!("{} {id} exists", room.collection()))),
            }
        })
        .await
    }

    async fn replace(&self, room: Room, id: &str, expected: u64, body: &Value) -> Result<u64, StoreError> {
        let (base, id, body) = (self.base.clone(), id.to_owned(), body.clone());
        carry_out(async move {
            match replace(&base, room, &id, expected, &body).await? {
                Written::Done => Ok(expected.saturating_add(1)),
                Written::Overtaken => Err(StoreError::Conflict(format!(
                    "{} {id} is not at revision {expected} any more",
                    room.collection()
                ))),
            }
        })
        .await
    }

    async fn put(&self, room: Room, id: &str, body: &Value) -> Result<(), StoreError> {
        let (base, id, body) = (self.base.clone(), id.to_owned(), body.clone());
        carry_out(async move {
            for _ in 0..TRIES {
                let written = match revision(&base, room, &id).await? {
                    Some(revision) => replace(&base, room, &id, revision, &body).await?,
                    None => insert(&base, room, &id, &body).await?,
                };
                if written == Written::Done {
                    return Ok(());
                }
            }
            Err(StoreError::Conflict(format!("{} {id} is being changed too often", room.collection())))
        })
        .await
    }

    async fn delete(&self, room: Room, id: &str) -> Result<bool, StoreError> {
        if hidden(room, id) {
            return Ok(false);
        }
        let (base, which) = (self.base.clone(), selector(room, id));
        // All that have the id: an adopted collection may have it twice.
        carry_out(async move { Ok(rooms(&base, room).delete_many(which).await?.deleted_count > 0) }).await
    }

    async fn delete_where(&self, room: Room, filter: &Filter) -> Result<u64, StoreError> {
        let (base, which) = (self.base.clone(), filter::conditions(room, filter)?);
        carry_out(async move { Ok(rooms(&base, room).delete_many(which).await?.deleted_count) }).await
    }
}
