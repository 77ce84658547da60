//! `/nodes/*`: local decisions about members of networks.

use poem_openapi::OpenApi;
use poem_openapi::param::Path;

use super::networks::optional;
use crate::domain::ids::NodeId;
use crate::http::body::Done;
use crate::http::gate::Data;
use crate::http::shared::networks::id;
use crate::service::Services;

/// Members of networks.
#[derive(Debug)]
pub struct NodesApi(pub Services);

#[OpenApi]
impl NodesApi {
    /// Approve a node: queries and synchronisation with it begin
    #[oai(path = "/nodes/:node_id/approve", method = "post")]
    async fn approve(&self, admin: Data, node_id: Path<String>) -> poem::Result<Done> {
        self.0.networks.approve_node(&admin.0, &id(NodeId::parse(node_id.0))?).await?;
        Ok(Done::changed())
    }

    /// Decide whose permissions people of a node have
    #[oai(path = "/nodes/:node_id/mapping", method = "post")]
    async fn mapping(&self, admin: Data, node_id: Path<String>, body: poem::Body) -> poem::Result<Done> {
        let body = optional(body).await?;
        self.0.networks.map_node(&admin.0, &id(NodeId::parse(node_id.0))?, &body).await?;
        Ok(Done::changed())
    }

    /// Take a node's approval back; it stays a member
    #[oai(path = "/nodes/:node_id/remove", method = "post")]
    async fn remove(&self, admin: Data, node_id: Path<String>) -> poem::Result<Done> {
        self.0.networks.remove_node(&admin.0, &id(NodeId::parse(node_id.0))?).await?;
        Ok(Done::changed())
    }
}
