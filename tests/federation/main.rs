//! What is said to other installations, and what is made of their answers: by the real use cases over the embedded parts.
//!
//! Lives here: `house` (an installation in a temporary folder, whose store can be made to fail), `others` (a fake of
//! other installations, because none can be had here: it records what is sent and answers from a script), and the tests
//! by what they are about.
//! Does not: the same over HTTP (`tests/appliance/api/networks.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod beacon;
mod decisions;
mod deliveries;
mod faulty;
mod house;
mod interrupted;
mod mails;
mod members;
mod networks;
mod others;
mod requests;

const NETWORK: &str = "0c7c1b4e-6c3c-4b3e-8a51-0e5b6c1fdb6f";

/// Where the other installation is.
const THEM: &str = "https://them.example.org";
