//! The store's behaviour as its trait documents it: one suite, run on every engine.
//!
//! Lives here: `suite` (functions over a store) and, in `engines`, which engines run it; `sqlite` and `kill` hold what
//! only the embedded engine has, `mongodb` what only MongoDB, `postgresql` what only PostgreSQL. Does not: how an engine
//! works inside (unit tests beside it). To add a test: a function in `suite/` and its name in `every_test`. To add an engine: an `Engine` and one line.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking; the lints spare only functions marked as tests, not those they call"
)]

#[macro_use]
mod suite;
mod kill;
mod mongodb;
mod postgresql;
mod sqlite;

use cv3_backend::store::{Store, StoreError};

/// Where a test's data are; each `open` is one more process on the same data.
pub trait Engine {
    fn open(&self) -> Result<Box<dyn Store>, StoreError>;

    /// How many random histories are compared with the model; fewer where each step is a way to a server and back.
    fn histories(&self) -> u32 {
        150
    }
}

macro_rules! run_on {
    ($engine:ident, $new:expr; $($name:ident),* $(,)?) => {
        mod $engine {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    // No engine: its server is not there, and its module has said so.
                    let Some(engine) = $new else { return };
                    crate::suite::$name(&engine).await;
                }
            )*
        }
    };
}

mod engines {
    every_test!(run_on, sqlite, Some(crate::sqlite::Folder::new()));
    every_test!(run_on, mongodb, crate::mongodb::Fresh::new());
    every_test!(run_on, postgresql, crate::postgresql::Fresh::new());
}
