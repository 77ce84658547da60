//! Networks as the query API shows them, and the shapes both APIs share.

use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use serde_json::json;

use crate::domain::ids::NetworkId;
use crate::http::body::Doc;
use crate::http::gate::Anyone;
use crate::http::parts::{meta_index, record_index};
use crate::service::networks::published;
use crate::service::{Failure, Services};
use crate::shapes;

shapes! {
    NetworkShape = "discovery_network", "A logical group of installations.", {
        "networkId": "0c7c1b4e-6c3c-4b3e-8a51-0e5b6c1fdb6f", "networkName": "Local",
        "description": "This installation alone", "nodeIds": ["1a1f0d3c-2b7f-4a52-9d43-0f6a58a0a2a1"],
        "visible": false, "instanceId": "1a1f0d3c-2b7f-4a52-9d43-0f6a58a0a2a1"
    }, more {"recordIndex": (record_index()), "metaIndex": (meta_index())};
    NodeShape = "node", "A member of a network.", {
        "nodeId": "1a1f0d3c-2b7f-4a52-9d43-0f6a58a0a2a1", "nodeName": "This installation",
        "nodeUrl": "http://127.0.0.1:5080", "nodeDescription": "", "clientId": "cafevariome"
    }, more {
        "publicKey": "-----BEGIN PUBLIC KEY-----…", "authenticationEnabled": false, "userMapping": {},
        "recordIndex": (record_index()), "metaIndex": (meta_index())
    };
    EavIndexShape = "eav_index", "Names and values of free attributes.", {
        "attributes": {"visits-to-hospital": "Visits To Hospital"}, "values": {"ward-b": "Ward B"},
        "mappings": {"site": ["ward-b"]}
    };
    MetaIndexShape = "meta_index", "Values that meta sources have and can be asked for.", (meta_index());
}

/// Networks and their members.
#[derive(Debug)]
pub struct NetworksApi(pub Services);

/// An id from a path.
pub(crate) fn id<T>(parsed: Result<T, crate::domain::ids::InvalidId>) -> Result<T, Failure> {
    parsed.map_err(|e| Failure::Invalid(e.to_string()))
}

#[OpenApi]
impl NetworksApi {
    /// Networks the caller is in; all for data administrators
    #[oai(path = "/networks/", method = "get")]
    async fn list(&self, asker: Anyone) -> poem::Result<Json<Vec<Doc<NetworkShape>>>> {
        let networks = self.0.networks.visible(&asker.0).await?;
        Ok(Json(networks.iter().map(|network| Doc::of(published(network))).collect()))
    }

    /// One network
    #[oai(path = "/networks/:network_id", method = "get")]
    async fn one(&self, asker: Anyone, network_id: Path<String>) -> poem::Result<Json<Doc<NetworkShape>>> {
        Ok(Json(Doc::of(published(
            &*self.0.networks.one(&asker.0, &id(NetworkId::parse(network_id.0))?).await?,
        ))))
    }

    /// Names and values of free attributes in a network
    #[oai(path = "/networks/:network_id/eav-index", method = "get")]
    async fn eav_index(
        &self,
        asker: Anyone,
        network_id: Path<String>,
    ) -> poem::Result<Json<Doc<EavIndexShape>>> {
        let network = self.0.networks.one(&asker.0, &id(NetworkId::parse(network_id.0))?).await?;
        let index = network.record_index.as_ref().map(|index| index.eav_index.clone()).unwrap_or_default();
        Ok(Json(Doc::of(json!(index))))
    }

    /// Values of meta sources in a network
    #[oai(path = "/networks/:network_id/meta-index", method = "get")]
    async fn meta_index(
        &self,
        asker: Anyone,
        network_id: Path<String>,
    ) -> poem::Result<Json<Doc<MetaIndexShape>>> {
        let network = self.0.networks.one(&asker.0, &id(NetworkId::parse(network_id.0))?).await?;
        Ok(Json(Doc::of(network.meta_index.clone().unwrap_or_default())))
    }

    /// Approved members of a network
    #[oai(path = "/networks/:network_id/nodes", method = "get")]
    async fn nodes(
        &self,
        asker: Anyone,
        network_id: Path<String>,
    ) -> poem::Result<Json<Vec<Doc<NodeShape>>>> {
        let nodes = self.0.networks.nodes(&asker.0, &id(NetworkId::parse(network_id.0))?, false).await?;
        Ok(Json(nodes.into_iter().map(Doc::of).collect()))
    }
}
