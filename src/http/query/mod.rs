//! The query API (`contract/query.json`).

pub mod beacon;
pub mod events;
pub mod metasources;
pub mod record;
pub mod sources;

use std::time::Instant;

use poem::endpoint::make_sync;
use poem::error::MethodNotAllowedError;
use poem::{Endpoint, Route};
use poem_openapi::OpenApiService;

use super::shared::auth::AuthApi;
use super::shared::config::{ConfigApi, GlobalConfigApi};
use super::shared::logs::LogApi;
use super::shared::networks::NetworksApi;
use super::shared::root::RootApi;
use super::unbuilt::Unbuilt;
use crate::service::Services;

type Apis = (
    (RootApi, AuthApi, ConfigApi, GlobalConfigApi, NetworksApi, LogApi),
    (
        record::RecordApi,
        events::EventsApi,
        sources::SourcesApi,
        metasources::MetaSourcesApi,
        beacon::BeaconApi,
    ),
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
        LogApi(s()),
    );
    let own = (
        record::RecordApi(s()),
        events::EventsApi::new(s()),
        sources::SourcesApi(s()),
        metasources::MetaSourcesApi(s()),
        beacon::BeaconApi(s()),
    );
    OpenApiService::new((shared, own), "Cafe Variome V3 Query API", env!("CARGO_PKG_VERSION"))
        .description("Ask whether sources hold subjects like yours.")
}

/// Adds the addresses that the published document shares with the admin API and that are not served here
/// (specification §5.6): 405, where the API itself knows no method of theirs and would answer 404.
pub fn without_shared(routes: Route) -> Route {
    fn refusal() -> impl Endpoint {
        make_sync(|_| Err::<(), _>(poem::Error::from(MethodNotAllowedError)))
    }
    routes.at("/config/cleanup", refusal())
}

/// Adds the addresses where Beacons are to be asked and are not yet: 501, so that who read `map` learns why.
pub fn without_entries(mut routes: Route) -> Route {
    for entries in ["individuals", "dataset", "datasets", "study"] {
        routes = routes.at(format!("/beacon/:beacon_path/{entries}"), Unbuilt("beacon query"));
    }
    routes
}
