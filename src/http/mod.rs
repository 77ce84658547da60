//! The web edge: extract, obtain a proof, call one use case, render.
//!
//! Lives here: one folder per service, what they share (`shared`), gates, errors, middleware, the front door.
//! Does not: rules (`domain`), use cases (`service`).
//! To add an endpoint: a method in the file of its field term under the service's folder; its gate is its first
//! parameter; its body is described in that folder's `shapes.rs`.

pub mod admin;
pub mod body;
pub mod docs;
pub mod error;
pub mod exporter;
pub mod fixed;
pub mod front;
pub mod front_ends;
pub mod gate;
pub mod headers;
pub mod layers;
pub mod pages;
pub mod parts;
pub mod query;
pub mod redirect;
pub mod setup;
pub mod shared;
pub mod unbuilt;
pub mod unread;

use poem::endpoint::BoxEndpoint;

/// A service's root endpoint.
pub type Root = BoxEndpoint<'static, poem::Response>;
