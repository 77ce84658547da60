//! Changes before they are committed.

use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};

use super::layout::{self, SUBJECT, integer};
use super::source::{self, Source};
use crate::domain::ids::SourceId;
use crate::store::mongodb::{Base, bulk};
use crate::store::{Change, StoreError};

/// How often a slot is asked for against others.
const TRIES: usize = 64;

/// Adds a batch to a change that is not committed.
pub(super) async fn stage(base: &Base, id: &SourceId, n: u64, batch: Vec<Change>) -> Result<(), StoreError> {
    let documents =
        tokio::task::spawn_blocking(move || documents(batch)).await.map_err(StoreError::engine)??;
    for part in bulk::batches(documents, |(_, raw)| raw.as_bytes().len()) {
        // Asked before each: between two of them the change may have been committed, or the source removed.
        let collection = slot(base, id, n).await?;
        write(base, &collection, part).await?;
    }
    Ok(())
}

/// A change as a document, with its subject's id.
type State = (String, RawDocumentBuf);

/// The batch in the order of ids, the last of equals kept.
fn documents(batch: Vec<Change>) -> Result<Vec<State>, StoreError> {
    let mut states = Vec::with_capacity(batch.len());
    for change in batch {
        let (id, document) = match change {
            Change::Upsert(subject) => {
                let stored = layout::stored(&subject)?;
                (subject.subject_id.clone(), doc! { "_id": subject.subject_id, SUBJECT: stored })
            }
            Change::Delete(id) => (id.clone(), doc! { "_id": id }),
        };
        states.push((id, RawDocumentBuf::try_from(&document).map_err(StoreError::engine)?));
    }
    states.reverse();
    states.sort_by(|a, b| a.0.cmp(&b.0));
    states.dedup_by(|later, kept| later.0 == kept.0);
    Ok(states)
}

/// The collection of a change; its slot is noted before anything is written there.
async fn slot(base: &Base, id: &SourceId, n: u64) -> Result<String, StoreError> {
    for _ in 0..TRIES {
        let source = source::find_or_add(base, id).await?;
        source.refuse_committed(n)?;
        if let Some(collection) = source.change(n) {
            return Ok(collection);
        }
        let field = format!("slots.{n}");
        let mut which = source.selector();
        which.insert(&field, doc! { "$exists": false });
        which.insert("dataVersion", doc! { "$lt": integer(n)? });
        let noted = doc! { "$set": { &field: base.numbers.next().await? } };
        source::manifests(base).update_one(which, noted).await?;
    }
    Err(StoreError::Unavailable(format!("change {n} of source {id} is being made by other processes")))
}

async fn write(base: &Base, collection: &str, part: Vec<State>) -> Result<(), StoreError> {
    // Durable: the server may fail between this and the commit, which must not make a part visible.
    let raw = base.collection::<RawDocumentBuf>(collection, true);
    let taken = bulk::taken(raw.insert_many(part.iter().map(|(_, raw)| raw)).ordered(false).await)?;
    if taken.is_empty() {
        return Ok(());
    }
    // Staged before: the last wins.
    let mut updates = Vec::with_capacity(taken.len());
    for (id, raw) in taken.into_iter().filter_map(|at| part.get(at)) {
        let document = Document::try_from(raw.clone()).map_err(StoreError::engine)?;
        updates.push(doc! { "q": { "_id": id }, "u": Bson::Document(document), "upsert": true });
    }
    bulk::update(base, collection, updates).await
}

/// Forgets a change that is not committed.
pub(super) async fn discard(base: &Base, id: &SourceId, n: u64) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        let Some(source) = source::find(base, id).await?.live() else { return Ok(()) };
        source.refuse_committed(n)?;
        let Some(collection) = source.change(n) else { return Ok(()) };
        if forget(base, &source, n).await? {
            // Nobody finds it any more, whatever a straggler still writes there.
            return Ok(base.collection::<Document>(&collection, false).drop().await?);
        }
    }
    Err(StoreError::Unavailable(format!("change {n} of source {id} is being changed by other processes")))
}

/// Takes the slot away unless the change is committed meanwhile.
async fn forget(base: &Base, source: &Source, n: u64) -> Result<bool, StoreError> {
    let Some(slot) = source.slots.get(&n) else { return Ok(false) };
    let field = format!("slots.{n}");
    let mut which = source.selector();
    which.insert(&field, *slot);
    which.insert("dataVersion", doc! { "$lt": integer(n)? });
    let gone = source::manifests(base).update_one(which, doc! { "$unset": { &field: "" } }).await?;
    Ok(gone.matched_count > 0)
}
