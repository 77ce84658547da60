//! Committed changes into the base; every step may be repeated, by whichever process.

use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};

use super::layout::{self, CHANGE, KNOWN, LIFE, SUBJECT, SUBJECT_ID, integer};
use super::source::{self, Source};
use crate::domain::ids::SourceId;
use crate::store::StoreError;
use crate::store::mongodb::{Base, bulk};

/// Folds the committed changes up to `n`.
pub(super) async fn fold(base: &Base, id: &SourceId, n: u64) -> Result<(), StoreError> {
    let mut worked = false;
    while let Some(source) = source::find(base, id).await?.live() {
        let target = n.min(source.data_version);
        if target <= source.folded {
            break;
        }
        worked = true;
        if source.level < target {
            // Before anything moves: readers look at least so far from here on.
            let raise = doc! { "$max": { "level": integer(target)? } };
            source::manifests(base).update_one(source.selector(), raise).await?;
            continue;
        }
        if source.folded < source.replaced_at {
            purge(base, &source).await?;
        }
        one(base, &source, source.folded.saturating_add(1)).await?;
    }
    if worked { source::sweep(base, id).await } else { Ok(()) }
}

/// Removes what a replacing change hides from the base.
async fn purge(base: &Base, source: &Source) -> Result<(), StoreError> {
    let hidden = doc! { "$or": [
        { LIFE: { "$ne": source.life } },
        { CHANGE: { "$lt": integer(source.replaced_at)? } },
    ] };
    base.collection::<Document>(&layout::base(&source.id), true).delete_many(hidden).await?;
    Ok(())
}

/// Copies one change, notes it as folded, and only then drops it.
async fn one(base: &Base, source: &Source, n: u64) -> Result<(), StoreError> {
    let change = source.change(n);
    let mut deleted = false;
    // A change before a replacing one is seen by nobody.
    if let Some(change) = change.as_ref().filter(|_| n >= source.replaced_at) {
        deleted = copy(base, source, n, change).await?;
    }
    let mut which = source.selector();
    which.insert("folded", integer(source.folded)?);
    let mut set = doc! { "folded": integer(n)? };
    if deleted {
        set.insert("hasGone", true);
    }
    let done = doc! { "$set": set, "$unset": { format!("slots.{n}"): "" } };
    source::manifests(base).update_one(which, done).await?;
    if let Some(change) = change {
        // Whoever noted it: it is folded.
        let folded = source::find(base, &source.id).await?.live().is_none_or(|now| now.folded >= n);
        if folded {
            base.collection::<Document>(&change, false).drop().await?;
        }
    }
    Ok(())
}

/// Copies the documents of a change into the base; whether there were deletions among them.
async fn copy(base: &Base, source: &Source, n: u64, change: &str) -> Result<bool, StoreError> {
    let own_base = layout::base(&source.id);
    base.indexes.of_subjects(base, &own_base).await?;
    let documents = base.collection::<Document>(change, false);
    let subjects = base.collection::<Document>(&own_base, false);
    let is_new = subjects.find_one(Document::new()).projection(doc! { "_id": 1 }).await?.is_none();
    let (mut after, mut deleted) = (None::<String>, false);
    loop {
        let rest = after.take().map_or_else(Document::new, |after| doc! { "_id": { "$gt": after } });
        let most = i64::try_from(bulk::MOST_DOCUMENTS).unwrap_or(i64::MAX);
        let page: Vec<Document> =
            documents.find(rest).sort(doc! { "_id": 1 }).limit(most).await?.try_collect().await?;
        let Some(last) = page.last() else { return Ok(deleted) };
        after = Some(layout_id(last)?);
        let whole = page.len() >= bulk::MOST_DOCUMENTS;
        let (mut set, mut gone) = (Vec::new(), Vec::new());
        for mut state in page {
            let id = layout_id(&state)?;
            match state.remove(SUBJECT) {
                Some(Bson::Document(subject)) => set.push((id, subject)),
                _ => gone.push(id),
            }
        }
        if !gone.is_empty() {
            deleted = true;
            remove(base, source, n, gone).await?;
        }
        for mut batch in bulk::batches(set, |(_, subject)| subject.to_vec().map_or(0, |bytes| bytes.len())) {
            if is_new {
                batch = insert(base, source, n, batch).await?;
            }
            let updates = batch.into_iter().map(|(id, subject)| upsert(source, n, &id, subject));
            let updates = updates.collect::<Result<Vec<_>, _>>()?;
            if !updates.is_empty() {
                bulk::update(base, &own_base, updates).await?;
            }
        }
        if !whole {
            return Ok(deleted);
        }
    }
}

fn layout_id(state: &Document) -> Result<String, StoreError> {
    state.get_str("_id").map(str::to_owned).map_err(StoreError::engine)
}

/// Those subjects of the base that are not newer than change `n`.
fn not_newer(source: &Source, n: u64, ids: impl Into<Bson>) -> Result<Document, StoreError> {
    let older = doc! { "$or": [{ LIFE: { "$ne": source.life } }, { CHANGE: { "$lte": integer(n)? } }] };
    Ok(doc! { "$and": [{ SUBJECT_ID: ids.into() }, older] })
}

/// Adds subjects to a base that was empty; gives back those that are there by now.
async fn insert(
    base: &Base,
    source: &Source,
    n: u64,
    batch: Vec<(String, Document)>,
) -> Result<Vec<(String, Document)>, StoreError> {
    let n = integer(n)?;
    let new = batch.iter().map(|(id, subject)| {
        let mut stored = doc! { "_id": id };
        stored.extend(subject.clone());
        stored.insert(CHANGE, n);
        stored.insert(LIFE, source.life);
        stored
    });
    let subjects = base.collection::<Document>(&layout::base(&source.id), true);
    let taken = bulk::taken(subjects.insert_many(new).ordered(false).await)?;
    Ok(batch.into_iter().enumerate().filter(|(at, _)| taken.contains(at)).map(|(_, one)| one).collect())
}

/// A subject laid over what the base has of it; fields the domain does not know stay.
fn upsert(source: &Source, n: u64, id: &str, subject: Document) -> Result<Document, StoreError> {
    let mut unset = Document::new();
    for field in KNOWN.iter().filter(|field| !subject.contains_key(**field)) {
        unset.insert(*field, "");
    }
    let mut set = subject;
    set.remove(SUBJECT_ID);
    set.insert(CHANGE, integer(n)?);
    set.insert(LIFE, source.life);
    let which = not_newer(source, n, id)?;
    let mut change = doc! { "$set": set, "$setOnInsert": { "_id": id, SUBJECT_ID: id } };
    if !unset.is_empty() {
        change.insert("$unset", unset);
    }
    Ok(doc! { "q": which, "u": change, "upsert": true })
}

/// Notes deletions, then carries them out.
async fn remove(base: &Base, source: &Source, n: u64, ids: Vec<String>) -> Result<(), StoreError> {
    let n_stored = integer(n)?;
    let notes = ids
        .iter()
        .map(|id| doc! { "q": { "_id": id }, "u": { "$max": { CHANGE: n_stored } }, "upsert": true })
        .collect();
    bulk::update(base, &layout::gone(&source.id, source.life), notes).await?;
    let which = not_newer(source, n, doc! { "$in": ids })?;
    bulk::delete(base, &layout::base(&source.id), vec![doc! { "q": which, "limit": 0 }]).await
}
