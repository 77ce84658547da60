//! The running node against the published CV3 documents.
//!
//! Lives here: reading the published documents and judging a value by their schemas (`published`), operations by path
//! and method (`operations`), requests and real answers by shape (`answers`), our own documents against a table of what
//! is published (`facts`).
//! Does not: what an answer means (`tests/appliance`). The published documents are shared between projects and no
//! part of this one: without them each test prints that it was skipped.
//! To add an endpoint: its request or answer in `answers`; its operation is found by itself.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking; the lints spare only functions marked as tests, not those they call"
)]

mod answers;
mod facts;
mod operations;
mod published;
#[expect(dead_code, unused_imports, reason = "shared with the end-to-end tests, which use all of it")]
#[path = "../appliance/support/mod.rs"]
mod support;
