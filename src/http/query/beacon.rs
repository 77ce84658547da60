//! `/beacon/{beacon_path}/*`: what a Beacon says of itself (specification §11.1); open to everyone.

mod framework;

use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;

use crate::http::body::Doc;
use crate::service::Services;
use crate::shapes;

shapes! {
    InfoShape = "beacon_info", "What this Beacon is and who runs it.", (framework::info(&framework::example()));
    ServiceInfoShape = "service_info", "The same in the form of GA4GH Service Info.",
        (framework::service_info(&framework::example()));
    ConfigurationShape = "beacon_configuration", "How mature and how open this Beacon is, and which entries it has.",
        (framework::configuration(&framework::example()));
    EntryTypesShape = "beacon_entry_types", "Which kinds of entries this Beacon has.",
        (framework::entry_types(&framework::example()));
    MapShape = "beacon_map", "Where this Beacon is asked for each kind of entry.", (framework::map(&framework::example()));
}

/// The API of Beacons.
#[derive(Debug)]
pub struct BeaconApi(pub Services);

#[OpenApi]
impl BeaconApi {
    /// What a Beacon is and who runs it
    #[oai(path = "/beacon/:beacon_path", method = "get")]
    async fn root(&self, beacon_path: Path<String>) -> poem::Result<Json<Doc<InfoShape>>> {
        Ok(Json(Doc::of(framework::info(&self.0.beacon.describe(&beacon_path.0).await?))))
    }

    /// What a Beacon is and who runs it
    #[oai(path = "/beacon/:beacon_path/info", method = "get")]
    async fn info(&self, beacon_path: Path<String>) -> poem::Result<Json<Doc<InfoShape>>> {
        Ok(Json(Doc::of(framework::info(&self.0.beacon.describe(&beacon_path.0).await?))))
    }

    /// The same in the form of GA4GH Service Info
    #[oai(path = "/beacon/:beacon_path/service-info", method = "get")]
    async fn service_info(&self, beacon_path: Path<String>) -> poem::Result<Json<Doc<ServiceInfoShape>>> {
        Ok(Json(Doc::of(framework::service_info(&self.0.beacon.describe(&beacon_path.0).await?))))
    }

    /// How mature and how open a Beacon is, and which entries it has
    #[oai(path = "/beacon/:beacon_path/configuration", method = "get")]
    async fn configuration(&self, beacon_path: Path<String>) -> poem::Result<Json<Doc<ConfigurationShape>>> {
        Ok(Json(Doc::of(framework::configuration(&self.0.beacon.describe(&beacon_path.0).await?))))
    }

    /// Which kinds of entries a Beacon has
    #[oai(path = "/beacon/:beacon_path/entry_types", method = "get")]
    async fn entry_types(&self, beacon_path: Path<String>) -> poem::Result<Json<Doc<EntryTypesShape>>> {
        Ok(Json(Doc::of(framework::entry_types(&self.0.beacon.describe(&beacon_path.0).await?))))
    }

    /// Where a Beacon is asked for each kind of entry
    #[oai(path = "/beacon/:beacon_path/map", method = "get")]
    async fn map(&self, beacon_path: Path<String>) -> poem::Result<Json<Doc<MapShape>>> {
        Ok(Json(Doc::of(framework::map(&self.0.beacon.describe(&beacon_path.0).await?))))
    }
}
