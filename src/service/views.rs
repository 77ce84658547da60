//! Index parts of the visible version of each source, opened once and shared by queries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Failure;
use crate::domain::ids::SourceId;
use crate::domain::sources::{Manifest, PartRef};
use crate::engine::{Part, SourceView};
use crate::ports::Ports;

/// Opened sources kept at most; the least recently used goes first.
const MOST_OPEN: usize = 256;

#[derive(Debug)]
struct Open {
    version: (u64, u64),
    view: Arc<SourceView>,
    used: u64,
}

/// What open indices take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub sources: u64,
    pub subjects: u64,
    pub parts: u64,
    /// Bytes of mapped files: the system holds of them what it sees fit.
    pub mapped: u64,
    /// Bytes that say which subjects of older parts are hidden.
    pub hidden: u64,
}

/// Opens and keeps views.
#[derive(Debug, Clone)]
pub struct Views {
    ports: Ports,
    open: Arc<Mutex<(u64, HashMap<SourceId, Open>)>>,
    /// By blob: every part that any view holds.
    shared: Arc<Mutex<HashMap<String, Weak<Part>>>>,
}

impl Views {
    pub(super) fn new(ports: Ports) -> Self {
        Self { ports, open: Arc::default(), shared: Arc::default() }
    }

    /// The visible version of a source with its manifest; a source nothing was committed to is an empty view,
    /// unless another program left subjects of it: then it is not available until they are indexed.
    pub(super) async fn current(&self, source: &SourceId) -> Result<(Manifest, Arc<SourceView>), Failure> {
        match self.read(source).await {
            // A commit may remove the parts of the manifest read just before it; its own manifest has others.
            Err(_) => self.read(source).await,
            found => found,
        }
    }

    async fn read(&self, source: &SourceId) -> Result<(Manifest, Arc<SourceView>), Failure> {
        let subjects = self.ports.store.subjects();
        let manifest = subjects.manifest(source).await?;
        let unread = manifest.is_none();
        let manifest = manifest.unwrap_or_else(|| Manifest::empty(source.clone()));
        let version = (manifest.data_version, manifest.build);
        if let Some(view) = self.held(source, version) {
            return Ok((manifest, view));
        }
        // Subjects of another program without an index are not nobody.
        if unread && subjects.adopted(source).await? {
            let why = "what another program stored is not indexed yet; a database manager does so by itself, unless it is \
                       read only"
                .into();
            return Err(Failure::Unavailable("the index of this source", why));
        }
        let parts = self.parts(&manifest.parts).await?;
        let view =
            tokio::task::spawn_blocking(move || SourceView::open(parts)).await.map_err(Failure::internal)?;
        let view = Arc::new(view);
        self.keep(source, version, view.clone());
        Ok((manifest, view))
    }

    /// Opens parts, oldest first. One that is open already, for another version of its source, is shared: it was
    /// checked, and remembers what was asked of it.
    pub(super) async fn parts(&self, parts: &[PartRef]) -> Result<Vec<Arc<Part>>, Failure> {
        let mut opened = Vec::with_capacity(parts.len());
        for part in parts {
            let shared = self
                .shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&part.blob)
                .and_then(Weak::upgrade);
            opened.push(match shared {
                Some(part) => part,
                None => self.open_part(part).await?,
            });
        }
        Ok(opened)
    }

    async fn open_part(&self, part: &PartRef) -> Result<Arc<Part>, Failure> {
        let Some(path) = self.ports.blobs.open(&part.blob).await? else {
            return Err(Failure::Unavailable("the index of this source", "an index part is missing".into()));
        };
        let opened =
            tokio::task::spawn_blocking(move || Part::open(&path)).await.map_err(Failure::internal)?;
        let opened = Arc::new(opened.map_err(Failure::internal)?);
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, part| part.strong_count() > 0);
        shared.insert(part.blob.clone(), Arc::downgrade(&opened));
        Ok(opened)
    }

    /// What is open now.
    pub(super) fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for part in
            self.shared.lock().unwrap_or_else(PoisonError::into_inner).values().filter_map(Weak::upgrade)
        {
            memory.parts += 1;
            memory.mapped += part.size() as u64;
        }
        for held in self.open.lock().unwrap_or_else(PoisonError::into_inner).1.values() {
            memory.sources += 1;
            memory.subjects += held.view.record_count();
            memory.hidden += held.view.hidden_bytes() as u64;
        }
        memory
    }

    fn held(&self, source: &SourceId, version: (u64, u64)) -> Option<Arc<SourceView>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.0 += 1;
        let now = open.0;
        let held = open.1.get_mut(source).filter(|held| held.version == version)?;
        held.used = now;
        Some(held.view.clone())
    }

    /// Keeps the view of a version (number and build).
    pub(super) fn keep(&self, source: &SourceId, version: (u64, u64), view: Arc<SourceView>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let now = open.0;
        open.1.insert(source.clone(), Open { version, view, used: now });
        if open.1.len() > MOST_OPEN {
            let oldest = open.1.iter().min_by_key(|(_, held)| held.used).map(|(id, _)| id.clone());
            if let Some(oldest) = oldest {
                open.1.remove(&oldest);
            }
        }
    }
}
