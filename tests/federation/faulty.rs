//! A store whose writes fail when they are told to.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cv3_backend::domain::filter::Filter;
use cv3_backend::store::{Documents, Room, Store, StoreError, Stored, Subjects};
use serde_json::Value;

/// What happens to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Done,
    Fails,
    /// It fails, and so does every later one: what a process leaves that ended before it.
    Ends,
}

type Meanwhile = Box<dyn FnOnce(Arc<dyn Store>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A store in front of another one.
pub struct Faulty {
    inner: Arc<dyn Store>,
    fates: Mutex<VecDeque<Fate>>,
    /// What another process does between a read and the first conditional write after it in a room.
    meanwhile: Mutex<Option<(Room, Meanwhile)>>,
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

impl Faulty {
    pub fn over(inner: Arc<dyn Store>) -> Self {
        Self { inner, fates: Mutex::default(), meanwhile: Mutex::default() }
    }

    /// After so many writes one has this fate.
    pub fn after(&self, writes: usize, fate: Fate) {
        let mut fates: VecDeque<_> = std::iter::repeat_n(Fate::Done, writes).collect();
        fates.push_back(fate);
        *self.fates.lock().unwrap() = fates;
    }

    /// All writes are done again; answers whether the fate was met.
    pub fn heal(&self) -> bool {
        let mut fates = self.fates.lock().unwrap();
        let met = fates.is_empty() || fates.front() == Some(&Fate::Ends);
        fates.clear();
        met
    }

    pub fn meanwhile<F: Future<Output = ()> + Send + 'static>(
        &self,
        room: Room,
        does: impl FnOnce(Arc<dyn Store>) -> F + Send + 'static,
    ) {
        *self.meanwhile.lock().unwrap() = Some((room, Box::new(|store| Box::pin(does(store)))));
    }

    fn write(&self) -> Result<(), StoreError> {
        let mut fates = self.fates.lock().unwrap();
        let fate = match fates.front() {
            Some(Fate::Ends) => Fate::Ends,
            _ => fates.pop_front().unwrap_or(Fate::Done),
        };
        match fate {
            Fate::Done => Ok(()),
            Fate::Fails | Fate::Ends => Err(StoreError::Unavailable("it was told to fail".into())),
        }
    }
}

#[async_trait]
impl Store for Faulty {
    fn documents(&self) -> &dyn Documents {
        self
    }

    fn subjects(&self) -> &dyn Subjects {
        self.inner.subjects()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}

#[async_trait]
impl Documents for Faulty {
    async fn get(&self, room: Room, id: &str) -> Result<Option<Stored>, StoreError> {
        self.inner.documents().get(room, id).await
    }

    async fn find(&self, room: Room, filter: &Filter) -> Result<Vec<Stored>, StoreError> {
        self.inner.documents().find(room, filter).await
    }

    async fn count(&self, room: Room, filter: &Filter) -> Result<u64, StoreError> {
        self.inner.documents().count(room, filter).await
    }

    async fn insert(&self, room: Room, id: &str, body: &Value) -> Result<(), StoreError> {
        self.write()?;
        self.inner.documents().insert(room, id, body).await
    }

    async fn replace(&self, room: Room, id: &str, expected: u64, body: &Value) -> Result<u64, StoreError> {
        let meanwhile = self.meanwhile.lock().unwrap().take_if(|(of, _)| *of == room);
        if let Some((_, does)) = meanwhile {
            does(self.inner.clone()).await;
        }
        self.write()?;
        self.inner.documents().replace(room, id, expected, body).await
    }

    async fn put(&self, room: Room, id: &str, body: &Value) -> Result<(), StoreError> {
        self.write()?;
        self.inner.documents().put(room, id, body).await
    }

    async fn delete(&self, room: Room, id: &str) -> Result<bool, StoreError> {
        self.write()?;
        self.inner.documents().delete(room, id).await
    }

    async fn delete_where(&self, room: Room, filter: &Filter) -> Result<u64, StoreError> {
        self.write()?;
        self.inner.documents().delete_where(room, filter).await
    }
}
