//! Cafe Variome V3 compatible backend: the library the one binary and its tests link.

pub mod appliance;
pub mod blobs;
pub mod broker;
pub mod cli;
pub mod config;
pub mod domain;
pub mod engine;
pub mod http;
pub mod identity;
pub mod ingest;
pub mod mail;
pub mod outbound;
pub mod peers;
pub mod ports;
pub mod secrets;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod terms;
pub mod trace;
pub mod worker;
