//! The admin API (`contract/admin.json`).

pub mod datafiles;
pub mod groups;
pub mod metasources;
pub mod pipelines;
pub mod shapes;
pub mod sources;
pub mod uploads;
pub mod users;

use std::time::Instant;

use poem_openapi::OpenApiService;

use super::shared::auth::AuthApi;
use super::shared::config::{ChangeConfigApi, ConfigApi};
use super::shared::networks::NetworksApi;
use super::shared::root::RootApi;
use crate::service::Services;

type Apis = (
    (RootApi, AuthApi, ConfigApi, ChangeConfigApi, NetworksApi),
    (
        sources::SourcesApi,
        uploads::UploadsApi,
        datafiles::DataFilesApi,
        pipelines::PipelinesApi,
        groups::GroupsApi,
        metasources::MetaSourcesApi,
        users::UsersApi,
    ),
);

/// The API with its document.
pub fn api(services: &Services) -> OpenApiService<Apis, ()> {
    let s = || services.clone();
    let shared = (
        RootApi { services: s(), started: Instant::now() },
        AuthApi(s()),
        ConfigApi(s()),
        ChangeConfigApi(s()),
        NetworksApi(s()),
    );
    let own = (
        sources::SourcesApi(s()),
        uploads::UploadsApi(s()),
        datafiles::DataFilesApi(s()),
        pipelines::PipelinesApi(s()),
        groups::GroupsApi(s()),
        metasources::MetaSourcesApi(s()),
        users::UsersApi(s()),
    );
    OpenApiService::new((shared, own), "Cafe Variome V3 Admin API", env!("CARGO_PKG_VERSION"))
        .description("Manage what this installation holds and who may discover it.")
}
