//! `/nexus/*`: the registry of Cafe Variome V2 installations. Nothing is here unless it is switched on.

use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;

use super::shapes::{
    NewInstallationShape, NewNetworkShape, NexusCredentialShape, NexusInstallationShape, NexusNetworkShape,
    NexusRequestShape,
};
use crate::http::body::{Doc, Done};
use crate::http::gate::Nexus;
use crate::service::Services;

/// The API of the registry.
#[derive(Debug)]
pub struct NexusApi(pub Services);

#[OpenApi]
impl NexusApi {
    /// All credentials of realms, without their secrets
    #[oai(path = "/nexus/credentials", method = "get")]
    async fn credentials(&self, admin: Nexus) -> poem::Result<Json<Vec<Doc<NexusCredentialShape>>>> {
        Ok(Json(self.0.nexus.credentials(&admin.0).await?.into_iter().map(Doc::of).collect()))
    }

    /// Add the credential of a realm; the only answer with its secret
    #[oai(path = "/nexus/credentials", method = "post")]
    async fn add_credential(
        &self,
        admin: Nexus,
        body: Json<Doc<NexusCredentialShape>>,
    ) -> poem::Result<Json<Doc<NexusCredentialShape>>> {
        Ok(Json(Doc::of(self.0.nexus.add_credential(&admin.0, &body.0.0).await?)))
    }

    /// Change the credential of a realm; its installations are told by mail
    #[oai(path = "/nexus/credentials/:realm", method = "patch")]
    async fn change_credential(
        &self,
        admin: Nexus,
        realm: Path<String>,
        body: Json<Doc<NexusCredentialShape>>,
    ) -> poem::Result<Json<Doc<NexusCredentialShape>>> {
        Ok(Json(Doc::of(self.0.nexus.change_credential(&admin.0, &realm.0, &body.0.0).await?)))
    }

    /// Remove the credential of a realm; its installations are told by mail
    #[oai(path = "/nexus/credentials/:realm", method = "delete")]
    async fn remove_credential(&self, admin: Nexus, realm: Path<String>) -> poem::Result<Done> {
        self.0.nexus.remove_credential(&admin.0, &realm.0).await?;
        Ok(Done::changed())
    }

    /// All installations
    #[oai(path = "/nexus/installations", method = "get")]
    async fn installations(&self, admin: Nexus) -> poem::Result<Json<Vec<Doc<NexusInstallationShape>>>> {
        Ok(Json(self.0.nexus.installations(&admin.0).await?.into_iter().map(Doc::of).collect()))
    }

    /// Add an installation; its administrator is told by mail
    #[oai(path = "/nexus/installations", method = "post")]
    async fn add_installation(
        &self,
        admin: Nexus,
        body: Json<Doc<NewInstallationShape>>,
    ) -> poem::Result<Json<Doc<NexusInstallationShape>>> {
        Ok(Json(Doc::of(self.0.nexus.add_installation(&admin.0, &body.0.0).await?)))
    }

    /// Change an installation
    #[oai(path = "/nexus/installations/:installation_key", method = "patch")]
    async fn change_installation(
        &self,
        admin: Nexus,
        installation_key: Path<String>,
        body: Json<Doc<NexusInstallationShape>>,
    ) -> poem::Result<Json<Doc<NexusInstallationShape>>> {
        let changed = self.0.nexus.change_installation(&admin.0, &installation_key.0, &body.0.0).await?;
        Ok(Json(Doc::of(changed)))
    }

    /// Remove an installation, also from its networks
    #[oai(path = "/nexus/installations/:installation_key", method = "delete")]
    async fn remove_installation(&self, admin: Nexus, installation_key: Path<String>) -> poem::Result<Done> {
        self.0.nexus.remove_installation(&admin.0, &installation_key.0).await?;
        Ok(Done::changed())
    }

    /// All networks
    #[oai(path = "/nexus/networks", method = "get")]
    async fn networks(&self, admin: Nexus) -> poem::Result<Json<Vec<Doc<NexusNetworkShape>>>> {
        Ok(Json(self.0.nexus.networks(&admin.0).await?.into_iter().map(Doc::of).collect()))
    }

    /// Add an empty network
    #[oai(path = "/nexus/networks", method = "post")]
    async fn add_network(
        &self,
        admin: Nexus,
        body: Json<Doc<NewNetworkShape>>,
    ) -> poem::Result<Json<Doc<NexusNetworkShape>>> {
        Ok(Json(Doc::of(self.0.nexus.add_network(&admin.0, &body.0.0).await?)))
    }

    /// Change a network
    #[oai(path = "/nexus/networks/:network_key", method = "patch")]
    async fn change_network(
        &self,
        admin: Nexus,
        network_key: Path<String>,
        body: Json<Doc<NexusNetworkShape>>,
    ) -> poem::Result<Json<Doc<NexusNetworkShape>>> {
        Ok(Json(Doc::of(self.0.nexus.change_network(&admin.0, &network_key.0, &body.0.0).await?)))
    }

    /// Remove a network
    #[oai(path = "/nexus/networks/:network_key", method = "delete")]
    async fn remove_network(&self, admin: Nexus, network_key: Path<String>) -> poem::Result<Done> {
        self.0.nexus.remove_network(&admin.0, &network_key.0).await?;
        Ok(Done::changed())
    }

    /// All requests to join a network
    #[oai(path = "/nexus/requests", method = "get")]
    async fn requests(&self, admin: Nexus) -> poem::Result<Json<Vec<Doc<NexusRequestShape>>>> {
        Ok(Json(self.0.nexus.requests(&admin.0, false).await?.into_iter().map(Doc::of).collect()))
    }

    /// Requests to join a network that nobody decided
    #[oai(path = "/nexus/requests/pending", method = "get")]
    async fn pending(&self, admin: Nexus) -> poem::Result<Json<Vec<Doc<NexusRequestShape>>>> {
        Ok(Json(self.0.nexus.requests(&admin.0, true).await?.into_iter().map(Doc::of).collect()))
    }

    /// Let an installation into the network it asked for
    #[oai(path = "/nexus/requests/:request_token/accept", method = "post")]
    async fn accept(&self, admin: Nexus, request_token: Path<String>) -> poem::Result<Done> {
        self.0.nexus.accept(&admin.0, &request_token.0).await?;
        Ok(Done::changed())
    }

    /// Turn a request to join a network down
    #[oai(path = "/nexus/requests/:request_token/deny", method = "post")]
    async fn deny(&self, admin: Nexus, request_token: Path<String>) -> poem::Result<Done> {
        self.0.nexus.deny(&admin.0, &request_token.0).await?;
        Ok(Done::changed())
    }
}
