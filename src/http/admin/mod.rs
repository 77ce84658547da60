//! The admin API (`contract/admin.json`).

pub mod access_requests;
pub mod beacon;
pub mod dashboard;
pub mod datafiles;
pub mod graphql;
pub mod groups;
pub mod metasources;
pub mod networks;
pub mod nexus;
pub mod nodes;
pub mod pipelines;
pub mod shapes;
pub mod sources;
pub mod uploads;
pub mod users;

use std::time::Instant;

use poem_openapi::OpenApiService;

use super::shared::auth::AuthApi;
use super::shared::config::{ChangeConfigApi, ConfigApi};
use super::shared::logs::LogApi;
use super::shared::root::RootApi;
use crate::service::Services;

type Apis = (
    (RootApi, AuthApi, ConfigApi, ChangeConfigApi, LogApi),
    (
        sources::SourcesApi,
        uploads::UploadsApi,
        datafiles::DataFilesApi,
        pipelines::PipelinesApi,
        groups::GroupsApi,
        beacon::BeaconApi,
        nexus::NexusApi,
        metasources::MetaSourcesApi,
        users::UsersApi,
        access_requests::AccessRequestsApi,
        dashboard::DashboardApi,
        networks::NetworksApi,
        nodes::NodesApi,
    ),
);

/// The API with its document.
pub fn api(services: &Services) -> OpenApiService<Apis, ()> {
    let s = || services.clone();
    let started = Instant::now();
    let shared =
        (RootApi { services: s(), started }, AuthApi(s()), ConfigApi(s()), ChangeConfigApi(s()), LogApi(s()));
    let own = (
        sources::SourcesApi(s()),
        uploads::UploadsApi(s()),
        datafiles::DataFilesApi(s()),
        pipelines::PipelinesApi(s()),
        groups::GroupsApi(s()),
        beacon::BeaconApi(s()),
        nexus::NexusApi(s()),
        metasources::MetaSourcesApi(s()),
        users::UsersApi(s()),
        access_requests::AccessRequestsApi(s()),
        dashboard::DashboardApi { services: s(), started },
        networks::NetworksApi(s()),
        nodes::NodesApi(s()),
    );
    OpenApiService::new((shared, own), "Cafe Variome V3 Admin API", env!("CARGO_PKG_VERSION"))
        .description("Manage what this installation holds and who may discover it.")
}
