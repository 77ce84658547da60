//! Numbers that are given out once in a database, whoever asks: lives of documents and sources.
//!
//! A process takes a block at a time. Numbers of one process grow; between processes they only differ.

use std::ops::Range;

use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ReturnDocument;
use mongodb::{Collection, Database};
use tokio::sync::Mutex;

use super::{body, error};
use crate::store::StoreError;

/// The collection that counts.
const COLLECTION: &str = "store.numbers";
/// Numbers a process takes at once.
const BLOCK: i64 = 256;
const TRIES: usize = 8;

/// The process's share of the numbers.
#[derive(Debug)]
pub(super) struct Numbers {
    database: Database,
    block: Mutex<Range<i64>>,
}

impl Numbers {
    pub fn new(database: &Database) -> Self {
        Self { database: database.clone(), block: Mutex::new(0..0) }
    }

    /// A number nobody has got and nobody will get.
    pub async fn next(&self) -> Result<i64, StoreError> {
        let mut block = self.block.lock().await;
        if let Some(number) = block.next() {
            return Ok(number);
        }
        let end = self.take().await?.saturating_add(1);
        *block = end.saturating_sub(BLOCK)..end;
        block.next().ok_or_else(|| StoreError::engine("a block of numbers is empty"))
    }

    /// The revision a new document starts with: no other life of it has or will have revisions near it, so that a
    /// conditional write never meets a namesake made later.
    pub async fn first_revision(&self) -> Result<i64, StoreError> {
        let life = self.next().await?;
        life.checked_mul(body::FIRST_OWN)
            .ok_or_else(|| StoreError::engine(format!("{COLLECTION} has counted to its end")))
    }

    async fn take(&self) -> Result<i64, StoreError> {
        let options =
            mongodb::options::CollectionOptions::builder().write_concern(super::concern(true)).build();
        let collection: Collection<Document> = self.database.collection_with_options(COLLECTION, options);
        for _ in 0..TRIES {
            let counted = collection
                .find_one_and_update(doc! { "_id": "lives" }, doc! { "$inc": { "last": BLOCK } })
                .upsert(true)
                .return_document(ReturnDocument::After)
                .await;
            match counted {
                // Two processes may make the counter at the same time.
                Err(failed) if error::duplicate(&failed).is_some() => {}
                Err(failed) => return Err(failed.into()),
                Ok(counted) => {
                    return match counted.as_ref().and_then(|counter| counter.get("last")) {
                        Some(Bson::Int64(last)) => Ok(*last),
                        Some(Bson::Int32(last)) => Ok(i64::from(*last)),
                        _ => Err(StoreError::Corrupt {
                            room: COLLECTION,
                            reason: "the document `lives` has no integer `last`".into(),
                        }),
                    };
                }
            }
        }
        Err(StoreError::Unavailable(format!("{COLLECTION} of MongoDB is being made by another process")))
    }
}
