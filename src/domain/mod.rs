//! Pure types and rules, by field term. Nothing here waits, reads a clock or fails on a wire.
//!
//! Lives here: what a source, a subject, a pipeline, a query *is*, and which combinations are legal.
//! Does not: HTTP shapes (`http`), rows and BSON (`store`), the record query executor (`engine`), file formats (`ingest`).
//! To add a term: one file of its name here, the same name in `service`, `http` and a room in `store`.

pub mod access;
pub mod access_requests;
pub mod attributes;
pub mod beacon;
pub mod clock;
pub mod error;
pub mod federation;
pub mod filter;
pub mod groups;
pub mod ids;
pub mod logs;
pub mod metasources;
pub mod networks;
pub mod nexus;
pub mod pipelines;
pub mod queries;
pub mod readable;
pub mod settings;
pub mod sources;
pub mod subjects;
pub mod users;
