//! The built-in issuer as front ends meet it: through its addresses, with a clock that is moved by hand.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what these tests share fails as a test does: by panicking"
)]

mod accounts;
mod fakes;
mod flow;
mod forged;
mod pages;
mod setup;
mod throttling;
mod world;
