//! The embedded broker.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cv3_backend::broker::Broker;
use cv3_backend::broker::sqlite::SqliteBroker;
use cv3_backend::domain::clock::{Clock, FixedClock, SystemClock};

use crate::{Rig, suite};

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

pub fn open_in(data: &Path, clock: Arc<dyn Clock>) -> SqliteBroker {
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

suite::every_promise!(Some(Sqlite::new()));

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
