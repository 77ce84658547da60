//! A small pool of reading connections, used on the blocking pool.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{engine, schema};
use crate::broker::BrokerError;

const CONNECTIONS: usize = 2;

/// The reading side.
#[derive(Debug)]
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

impl Readers {
    /// Opens the connections.
    pub fn open(path: &Path) -> Result<Self, BrokerError> {
        let idle = (0..CONNECTIONS).map(|_| schema::connect_reader(path)).collect::<Result<_, _>>()?;
        Ok(Self { idle: Arc::new(Mutex::new(idle)), free: Arc::new(Semaphore::new(CONNECTIONS)) })
    }

    /// Runs the work on a connection that nobody else uses meanwhile.
    pub async fn read<T, F>(&self, work: F) -> Result<T, BrokerError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let gone = || BrokerError::Unavailable("its readers have ended; restart the process".to_owned());
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| gone())?;
        let idle = Arc::clone(&self.idle);
        tokio::task::spawn_blocking(move || {
            let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop().ok_or_else(gone)?;
            let outcome = work(&connection).map_err(engine);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
            outcome
        })
        .await
        .map_err(|_| gone())?
    }
}
