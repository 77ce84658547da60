//! `/beacon/*`: networks exposed as Beacons.

use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;

use super::shapes::BeaconEndpointShape;
use crate::domain::ids::BeaconId;
use crate::http::body::{Doc, Done};
use crate::http::gate::Data;
use crate::http::shared::networks::id;
use crate::service::Services;

/// The API of Beacon endpoints.
#[derive(Debug)]
pub struct BeaconApi(pub Services);

#[OpenApi]
impl BeaconApi {
    /// All Beacon endpoints
    #[oai(path = "/beacon/", method = "get")]
    async fn list(&self, admin: Data) -> poem::Result<Json<Vec<Doc<BeaconEndpointShape>>>> {
        Ok(Json(self.0.beacon.list(&admin.0).await?.into_iter().map(Doc::of).collect()))
    }

    /// Create a Beacon endpoint; its key is made here and has to be asked for
    #[oai(path = "/beacon/", method = "post")]
    async fn create(&self, admin: Data, body: Json<Doc<BeaconEndpointShape>>) -> poem::Result<Done> {
        let id = self.0.beacon.create(&admin.0, body.0.0).await?;
        let path = format!("{}/api/beacon/{id}", self.0.options().public_url);
        Ok(Done::created(id, path))
    }

    /// One Beacon endpoint
    #[oai(path = "/beacon/:beacon_id", method = "get")]
    async fn one(
        &self,
        admin: Data,
        beacon_id: Path<String>,
    ) -> poem::Result<Json<Doc<BeaconEndpointShape>>> {
        Ok(Json(Doc::of(self.0.beacon.one(&admin.0, &id(BeaconId::parse(beacon_id.0))?).await?)))
    }

    /// Change a Beacon endpoint
    #[oai(path = "/beacon/:beacon_id", method = "patch")]
    async fn change(
        &self,
        admin: Data,
        beacon_id: Path<String>,
        body: Json<Doc<BeaconEndpointShape>>,
    ) -> poem::Result<Done> {
        self.0.beacon.change(&admin.0, &id(BeaconId::parse(beacon_id.0))?, body.0.0).await?;
        Ok(Done::changed())
    }

    /// Remove a Beacon endpoint with its key
    #[oai(path = "/beacon/:beacon_id", method = "delete")]
    async fn delete(&self, admin: Data, beacon_id: Path<String>) -> poem::Result<Done> {
        self.0.beacon.delete(&admin.0, &id(BeaconId::parse(beacon_id.0))?).await?;
        Ok(Done::changed())
    }

    /// Make another key for a Beacon endpoint; it is mailed to the caller
    #[oai(path = "/beacon/:beacon_id/rotate-key", method = "post")]
    async fn rotate_key(&self, admin: Data, beacon_id: Path<String>) -> poem::Result<Done> {
        let address = self.0.beacon.rotate_key(&admin.0, &id(BeaconId::parse(beacon_id.0))?).await?;
        Ok(Done::changed().with("key", Some(format!("mailed to {address}"))))
    }

    /// Have a copy of the key of a Beacon endpoint mailed to the caller
    #[oai(path = "/beacon/:beacon_id/auth-key", method = "post")]
    async fn auth_key(&self, admin: Data, beacon_id: Path<String>) -> poem::Result<Done> {
        let address = self.0.beacon.mail_copy(&admin.0, &id(BeaconId::parse(beacon_id.0))?).await?;
        Ok(Done::changed().with("key", Some(format!("mailed to {address}"))))
    }
}
