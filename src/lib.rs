//! Cafe Variome V3 compatible backend: the library the one binary and its tests link.

pub mod config;
pub mod domain;
pub mod engine;
pub mod ingest;
pub mod store;
pub mod terms;
