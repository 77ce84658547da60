//! A small pool of reading connections on blocking threads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connection;
use crate::store::StoreError;

/// Connections that are opened when first needed and kept.
#[derive(Debug)]
pub(super) struct Readers {
    file: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    places: Arc<Semaphore>,
}

impl Readers {
    /// A pool of at most so many connections.
    pub fn new(file: &Path, most: usize) -> Self {
        Self { file: file.to_path_buf(), idle: Arc::default(), places: Arc::new(Semaphore::new(most)) }
    }

    /// Runs a read in one snapshot of the data.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let closed = || StoreError::Unavailable("the store is being closed".to_owned());
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| closed())?;
        let (file, idle) = (self.file.clone(), Arc::clone(&self.idle));
        let read = tokio::task::spawn_blocking(move || {
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = kept.map_or_else(|| connection::reader(&file), Ok)?;
            // Dropped, it rolls back; a connection whose read failed half way is still usable.
            let snapshot = connection.unchecked_transaction()?;
            let result = work(&snapshot);
            drop(snapshot);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(place);
            result
        });
        match read.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(defect) => std::panic::resume_unwind(defect),
                Err(_) => Err(closed()),
            },
        }
    }
}
