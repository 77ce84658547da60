//! Connections: made when they are needed, shared, bounded, and thrown away once they are closed.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::schema::quoted;
use super::settings::{CONNECT, Settings};
use super::tls::Connector;
use crate::store::StoreError;

/// How long a call waits for a connection that others use.
const WAIT: Duration = Duration::from_secs(10);

/// What each session is told. JIT would compile for seconds what runs for milliseconds; a server that does not wait
/// for its log by itself does so for us; what hangs is ended, waiting for a lock included.
const SESSION: &str = "SET jit = off; SET statement_timeout = '60s'; SET lock_timeout = '30s'; \
                       SET idle_in_transaction_session_timeout = '60s'; SET client_min_messages = warning; \
                       SET default_transaction_isolation = 'read committed'; \
                       SELECT set_config('synchronous_commit', 'on', false) \
                       WHERE current_setting('synchronous_commit') = 'off'";

/// What both halves of the store stand on.
pub(super) struct Base {
    pool: Pool,
    heavy: Semaphore,
    /// The name of the schema.
    pub schema: String,
    most: usize,
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The pool's own words repeat the settings.
        f.debug_struct("Base").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Base {
    /// Makes the pool; nothing is connected yet.
    pub fn new(settings: &Settings) -> Result<Self, StoreError> {
        let most = usize::try_from(settings.max_connections.max(2)).unwrap_or(2);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(settings.config()?, Connector::new(settings)?, recycling);
        let session = format!("SET search_path = {}; {SESSION}", quoted(&settings.schema));
        let pool = Pool::builder(manager)
            .max_size(most)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(CONNECT.saturating_mul(2)))
            .runtime(Runtime::Tokio1)
            .post_create(Hook::async_fn(move |client, _| {
                let session = session.clone();
                Box::pin(async move { client.batch_execute(&session).await.map_err(HookError::Backend) })
            }))
            .build()
            .map_err(StoreError::engine)?;
        // At least half of the connections are left to short work.
        Ok(Self { pool, heavy: Semaphore::new((most / 2).max(1)), schema: settings.schema.clone(), most })
    }

    /// A session for one call. Whoever holds one never asks for a second.
    pub async fn session(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|failed| match failed {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error.into(),
            PoolError::Timeout(TimeoutType::Wait) => StoreError::Unavailable(format!(
                "all {} connections of this process to PostgreSQL are in use, try again or raise \
                 Appliance.PostgreSQL.MaxConnections",
                self.most
            )),
            PoolError::Timeout(_) => StoreError::Unavailable(
                "PostgreSQL does not answer, check that it runs and that Appliance.PostgreSQL.Host and Appliance.PostgreSQL.Port name it"
                    .to_owned(),
            ),
            other => StoreError::engine(other),
        })
    }

    /// Waits until one of the connections that heavy work may use is free.
    pub async fn heavy(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        self.heavy.acquire().await.map_err(StoreError::engine)
    }
}
