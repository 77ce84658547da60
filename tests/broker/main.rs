//! What every broker promises, and what only one of them does.
//!
//! Lives here: the promises (`suite`), one rig per broker and its tests (`sqlite`, `redis`), what holds between processes
//! (`processes`) and the servers that tests find or start (`servers`). Where no server is given, tests say so and do
//! nothing. To add an adapter: implement `Rig` for it and name it in one more `every_promise!`.

#![cfg(test)]
mod processes;
mod redis;
mod servers;
mod sqlite;
mod suite;

use std::sync::Arc;
use std::time::Duration;

use cv3_backend::broker::Broker;

/// One installation of a broker whose time the test moves.
pub trait Rig {
    /// One more broker of the installation, as another process would open it.
    fn open(&self) -> Arc<dyn Broker>;
    /// Lets time pass for all of them.
    fn advance(&self, by: Duration);
}
