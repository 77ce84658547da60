//! Documents kept as they were read, for those that are large and looked at by every request.
//!
//! The store is asked each time for the revision, so what is answered is as current as any read; only reading and
//! parsing the body is saved.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Collection, Documents, Room, StoreError};
use crate::domain::filter::Filter;

/// Documents kept at most; with more, all are forgotten.
const MOST: usize = 1_024;

/// The documents of one room that were asked for lately.
#[derive(Debug)]
pub struct Kept<T> {
    room: Room,
    held: Mutex<HashMap<String, (u64, Arc<T>)>>,
}

impl<T: Serialize + DeserializeOwned> Kept<T> {
    /// Nothing kept yet.
    pub fn new(room: Room) -> Self {
        Self { room, held: Mutex::default() }
    }

    /// The document, if there is one.
    pub async fn get(&self, documents: &dyn Documents, id: &str) -> Result<Option<Arc<T>>, StoreError> {
        let Some(revision) = documents.revision(self.room, id).await? else { return Ok(None) };
        self.at(documents, id, revision).await
    }

    /// Documents that meet the filter, in its order.
    pub async fn find(&self, documents: &dyn Documents, filter: &Filter) -> Result<Vec<Arc<T>>, StoreError> {
        let mut found = Vec::new();
        for (id, revision) in documents.revisions(self.room, filter).await? {
            found.extend(self.at(documents, &id, revision).await?);
        }
        Ok(found)
    }

    async fn at(
        &self,
        documents: &dyn Documents,
        id: &str,
        revision: u64,
    ) -> Result<Option<Arc<T>>, StoreError> {
        let held = self.lock().get(id).filter(|(kept, _)| *kept == revision).map(|(_, held)| held.clone());
        if held.is_some() {
            return Ok(held);
        }
        let Some(stored) = documents.get(self.room, id).await? else { return Ok(None) };
        let revision = stored.revision;
        let document = Arc::new(Collection::new(documents, self.room).read(stored.body)?);
        let mut held = self.lock();
        if held.len() >= MOST {
            held.clear();
        }
        held.insert(id.to_owned(), (revision, Arc::clone(&document)));
        Ok(Some(document))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (u64, Arc<T>)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
