//! The query API (`contract/query.json`).

pub mod events;
pub mod metasources;
pub mod record;
pub mod sources;

use std::time::Instant;

use poem_openapi::OpenApiService;

use super::shared::auth::AuthApi;
use super::shared::config::{ConfigApi, GlobalConfigApi};
use super::shared::networks::NetworksApi;
use super::shared::root::RootApi;
use crate::service::Services;

type Apis = (
    (RootApi, AuthApi, ConfigApi, GlobalConfigApi, NetworksApi),
    (record::RecordApi, events::EventsApi, sources::SourcesApi, metasources::MetaSourcesApi),
);

/// The API with its document.
pub fn api(services: &Services) -> OpenApiService<Apis, ()> {
    let s = || services.clone();
    let shared = (
        RootApi { services: s(), started: Instant::now() },
        AuthApi(s()),
        ConfigApi(s()),
        GlobalConfigApi(s()),
        NetworksApi(s()),
    );
    let own = (
        record::RecordApi(s()),
        events::EventsApi::new(s()),
        sources::SourcesApi(s()),
        metasources::MetaSourcesApi(s()),
    );
    OpenApiService::new((shared, own), "Cafe Variome V3 Query API", env!("CARGO_PKG_VERSION"))
        .description("Ask whether sources hold subjects like yours.")
}
