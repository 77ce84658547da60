//! Many writes in one command; each of them may be repeated, and one that finds something newer is passed over.

use std::collections::BTreeSet;

use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::results::InsertManyResult;

use super::{Base, error};
use crate::store::StoreError;

/// Most documents of one command.
pub(super) const MOST_DOCUMENTS: usize = 1_000;
/// Most bytes of one command; the server's own limit is 48 MB.
pub(super) const MOST_BYTES: usize = 8 << 20;

/// Updates as the command `update` takes them, in no particular order.
pub(super) async fn update(base: &Base, collection: &str, updates: Vec<Document>) -> Result<(), StoreError> {
    run(base, doc! { "update": collection, "updates": updates, "ordered": false }).await
}

/// Deletions as the command `delete` takes them.
pub(super) async fn delete(base: &Base, collection: &str, deletes: Vec<Document>) -> Result<(), StoreError> {
    run(base, doc! { "delete": collection, "deletes": deletes, "ordered": false }).await
}

async fn run(base: &Base, mut command: Document) -> Result<(), StoreError> {
    // What follows relies on it: a change is dropped once it is copied.
    command.insert("writeConcern", doc! { "w": "majority", "j": true });
    let answer = base.database.run_command(command).await?;
    let Ok(failures) = answer.get_array("writeErrors") else { return Ok(()) };
    for failed in failures.iter().filter_map(Bson::as_document) {
        let code = match failed.get("code") {
            Some(Bson::Int32(code)) => *code,
            Some(Bson::Int64(code)) => i32::try_from(*code).unwrap_or_default(),
            _ => 0,
        };
        if !error::is_duplicate(code) {
            return Err(error::coded(code, failed.get_str("errmsg").unwrap_or_default()));
        }
    }
    Ok(())
}

/// The positions of documents that an unordered insertion left out, since they are there.
pub(super) fn taken(inserted: Result<InsertManyResult, Error>) -> Result<BTreeSet<usize>, StoreError> {
    let Err(failed) = inserted else { return Ok(BTreeSet::new()) };
    let ErrorKind::InsertMany(partly) = failed.kind.as_ref() else { return Err(failed.into()) };
    let failures = partly.write_errors.as_deref().unwrap_or_default();
    let taken = failures.iter().all(|failure| error::is_duplicate(failure.code));
    if !taken || failures.is_empty() || partly.write_concern_error.is_some() {
        return Err(failed.into());
    }
    Ok(failures.iter().map(|failure| failure.index).collect())
}

/// Splits what has sizes into runs that fit one command.
pub(super) fn batches<T>(all: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut batches = Vec::new();
    let (mut batch, mut bytes) = (Vec::new(), 0_usize);
    for one in all {
        let more = size(&one);
        if !batch.is_empty() && (batch.len() >= MOST_DOCUMENTS || bytes.saturating_add(more) > MOST_BYTES) {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes = bytes.saturating_add(more);
        batch.push(one);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_so_many_documents_and_bytes_at_most() {
        let sizes: Vec<usize> = vec![MOST_BYTES / 2, MOST_BYTES / 2, 1, MOST_BYTES * 2, 3];
        let split: Vec<usize> = batches(sizes, |size| *size).iter().map(Vec::len).collect();
        assert_eq!(split, [2, 1, 1, 1]);
        let split: Vec<usize> = batches(vec![0; 2_001], |_| 0).iter().map(Vec::len).collect();
        assert_eq!(split, [1_000, 1_000, 1]);
    }
}
