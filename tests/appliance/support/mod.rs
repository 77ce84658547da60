//! What every end-to-end test uses: a node on a folder and port of its own, a signed-in client, the steps of the
//! usual way from a file to an answer, seeded dice, and the shared data where it is present.
//!
//! Everything waits with a deadline of [`PATIENCE`] and panics with what it waited for; a node that is dropped while
//! a test fails prints the end of its log.

pub mod client;
pub mod dice;
pub mod node;
pub mod pages;
pub mod shared;
pub mod steps;

use std::time::{Duration, Instant};

pub use client::Client;
pub use dice::Dice;
pub use node::{Installation, Node};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Asks again until there is a value; panics with `what` when patience is at its end.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let since = Instant::now();
    loop {
        if let Some(value) = ask().await {
            return value;
        }
        assert!(since.elapsed() < PATIENCE, "waited {} s for {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}
