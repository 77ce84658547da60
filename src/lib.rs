//! Cafe Variome V3 compatible backend: the library the one binary and its tests link.

pub mod blobs;
pub mod broker;
pub mod domain;
pub mod identity;
pub mod secrets;
pub mod store;
