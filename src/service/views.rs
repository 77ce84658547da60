//! Index parts of the visible version of each source, opened once and shared by queries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Failure;
use crate::domain::ids::SourceId;
use crate::domain::sources::Manifest;
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

/// Opens and keeps views.
#[derive(Debug, Clone)]
pub struct Views {
    ports: Ports,
    open: Arc<Mutex<(u64, HashMap<SourceId, Open>)>>,
}

impl Views {
    pub(super) fn new(ports: Ports) -> Self {
        Self { ports, open: Arc::default() }
    }

    /// The visible version of a source with its manifest; a source nothing was committed to is an empty view.
    pub(super) async fn current(&self, source: &SourceId) -> Result<(Manifest, Arc<SourceView>), Failure> {
        match self.read(source).await {
            // A commit may remove the parts of the manifest read just before it; its own manifest has others.
            Err(_) => self.read(source).await,
            found => found,
        }
    }

    async fn read(&self, source: &SourceId) -> Result<(Manifest, Arc<SourceView>), Failure> {
        let manifest = self.ports.store.subjects().manifest(source).await?;
        let manifest = manifest.unwrap_or_else(|| Manifest::empty(source.clone()));
        let version = (manifest.data_version, manifest.build);
        if let Some(view) = self.held(source, version) {
            return Ok((manifest, view));
        }
        let mut files = Vec::new();
        for part in &manifest.parts {
            let Some(path) = self.ports.blobs.open(&part.blob).await? else {
                return Err(Failure::Unavailable(
                    "the index of this source",
                    "an index part is missing".into(),
                ));
            };
            files.push(path);
        }
        let view = tokio::task::spawn_blocking(move || {
            let parts = files.iter().map(|f| Part::open(f).map(Arc::new)).collect::<Result<Vec<_>, _>>();
            parts.map(SourceView::open)
        })
        .await
        .map_err(Failure::internal)?
        .map_err(Failure::internal)?;
        let view = Arc::new(view);
        self.keep(source, version, view.clone());
        Ok((manifest, view))
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
