//! What every broker promises, and what only the embedded one does.
//!
//! To add an adapter: implement `Rig` for it and name it in one more `every_promise!`.

#![cfg(test)]

mod processes;
mod suite;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cv3_backend::broker::Broker;
use cv3_backend::broker::sqlite::SqliteBroker;
use cv3_backend::domain::clock::{Clock, FixedClock, SystemClock};

/// One installation of a broker whose time the test moves.
pub trait Rig {
    /// One more broker of the installation, as another process would open it.
    fn open(&self) -> Arc<dyn Broker>;
    /// Lets time pass for all of them.
    fn advance(&self, by: Duration);
}

struct Sqlite {
    data: tempfile::TempDir,
    clock: Arc<FixedClock>,
}

impl Sqlite {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        Self { data, clock: Arc::new(FixedClock::at(SystemClock.now())) }
    }
}

fn open_in(data: &Path, clock: Arc<dyn Clock>) -> SqliteBroker {
    SqliteBroker::open(&data.join("jobs.db"), &data.join("run"), clock).unwrap()
}

impl Rig for Sqlite {
    fn open(&self) -> Arc<dyn Broker> {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        Arc::new(open_in(self.data.path(), clock))
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

mod sqlite {
    use super::*;

    suite::every_promise!(Sqlite::new());

    #[test]
    fn a_file_of_a_newer_release_is_refused_and_left_as_it_is() {
        let rig = Sqlite::new();
        drop(rig.open());
        let file = rig.data.path().join("jobs.db");
        let other = rusqlite::Connection::open(&file).unwrap();
        other.pragma_update(None, "user_version", 99).unwrap();
        drop(other);
        let error = SqliteBroker::open(&file, &rig.data.path().join("run"), rig.clock.clone()).unwrap_err();
        assert!(error.to_string().contains("layout 99"), "{error}");
        let other = rusqlite::Connection::open(&file).unwrap();
        let version: i64 = other.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version, 99);
    }

    #[tokio::test]
    async fn what_is_too_large_or_too_deep_is_refused() {
        let rig = Sqlite::new();
        let broker = rig.open();
        let mut deep = serde_json::Value::Null;
        for _ in 0..200 {
            deep = serde_json::Value::Array(vec![deep]);
        }
        assert!(broker.enqueue(suite::job(None, deep)).await.is_err());
        let large = serde_json::Value::String("x".repeat(17 * 1024 * 1024));
        assert!(broker.enqueue(suite::job(None, large)).await.is_err());
        assert!(broker.cache_put(&"k".repeat(2_000), b"", Duration::from_secs(1)).await.is_err());
        assert!(broker.take(cv3_backend::broker::Queue::QueryMeta, "w").await.unwrap().is_none());
    }
}
