//! The configuration: one struct mirroring `etc/instance_config.json` (spec §3), a file per section.
//!
//! Here: finding the file, merging defaults < file < environment < flags, checking the whole, and the texts made
//! from the same description (`reference`, `schema`, `show`). Not here: settings that administrators change at run
//! time (`service/settings.rs`), nor any use of a value.
//!
//! To add a setting: a line with doc comment in the `tree::section!` of its section, a check in that section's
//! `validate`, a sample in `etc/instance_config.full.json`, then `CV3_REGENERATE=1 cargo test config::` for
//! `docs/settings.md`. Nothing else knows the keys.

pub mod appliance;
pub mod cors;
pub mod data;
mod effect;
pub mod email;
pub mod env;
pub mod findings;
pub mod keycloak;
mod layers;
pub mod legacy;
mod load;
mod locate;
pub mod logging;
pub mod metrics;
pub mod mongodb;
pub mod redis;
pub mod reference;
pub mod reload;
pub mod schema;
pub mod show;
pub mod tree;
pub mod validate;
pub mod values;
pub mod vault;

pub use self::{
    effect::without_effect,
    env::{Mode, Process},
    findings::{ConfigErrors, Findings, Origin, Problem},
    load::{Flags, Loaded, Sources},
    reference::reference_markdown,
    reload::restart_needed,
    schema::json_schema,
    show::{Report, Shown, check, show},
    validate::Surroundings,
};

tree::section! {
    /// The whole file. A section that is `None` selects the embedded adapter (design: Absent means embedded).
    pub struct InstanceConfig {
        /// MongoDB as the store; absent means the embedded store.
        "MongoDB" mongodb: Option<mongodb::MongoDb> = None;
        /// Redis as the broker; absent means the embedded broker.
        "Redis" redis: Option<redis::Redis> = None;
        /// Keycloak as the identity provider; absent means the built-in issuer.
        "Keycloak" keycloak: Option<keycloak::Keycloak> = None;
        /// HashiCorp Vault as the keeper of secrets; absent means the embedded keystore.
        "Vault" vault: Option<vault::Vault> = None;
        /// Which web pages may call the interfaces.
        "CORS" cors: cors::Cors = cors::Cors::default();
        /// Metrics; absent means that none are served.
        "Metrics" metrics: Option<metrics::Metrics> = None;
        /// Mail over SMTP; absent means that mail stays in the outbox.
        "Email" email: Option<email::Email> = None;
        /// Cafe Variome V2.
        "Legacy" legacy: legacy::Legacy = legacy::Legacy::default();
        /// Logs.
        "Logging" logging: logging::Logging = logging::Logging::default();
        /// Uploaded files.
        "Data" data: data::Data = data::Data::default();
        /// Our own settings, which the original does not know.
        "Appliance" appliance: appliance::Appliance = appliance::Appliance::default();
    }
}

#[cfg(test)]
mod tests;
