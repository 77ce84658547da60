//! What several services serve: sign-in, settings, identity, the built-in issuer.

pub mod auth;
pub mod config;
pub mod issuer;
pub mod logs;
pub mod networks;
pub mod root;
