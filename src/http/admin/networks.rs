//! `/networks/*` of the admin API: reading for people who are signed in, changes for data administrators.

use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use serde_json::{Value, json};

use super::shapes::SourceShape;
use super::sources::show;
use crate::domain::access::Duty;
use crate::domain::ids::NetworkId;
use crate::http::body::{Doc, Done};
use crate::http::gate::{Data, User};
use crate::http::parts::{meta_index, record_index};
use crate::http::shared::networks::{EavIndexShape, MetaIndexShape, NetworkShape, NodeShape, id};
use crate::service::auth::Asker;
use crate::service::networks::published;
use crate::service::{Failure, Services};
use crate::shapes;

shapes! {
    RequestShape = "auth_request_invite", "A request to join a network, or an invitation into one.", {
        "messageType": "authMessage",
        "messageAttributes": {
            "messageId": "3f0e0a52-4b52-4c05-9b1c-6a1d0f3f9a10", "authType": "request",
            "networkId": "0c7c1b4e-6c3c-4b3e-8a51-0e5b6c1fdb6f", "status": "pending",
            "targetUrl": "https://discovery.example.org"
        },
        "messageData": {
            "node": {
                "nodeId": "1a1f0d3c-2b7f-4a52-9d43-0f6a58a0a2a1", "nodeName": "Example Hospital",
                "nodeUrl": "https://cv3.example.org", "nodeDescription": "", "clientId": "cafevariome"
            },
            "challenge": ["hidden-1", "hidden-2", "hidden-3"]
        },
        "timestamp": 1_767_225_600
    }, more {"messageData": {
        "node": {
            "publicKey": "-----BEGIN PUBLIC KEY-----…", "authenticationEnabled": false, "userMapping": {},
            "recordIndex": (record_index()), "metaIndex": (meta_index())
        },
        "network": {
            "networkId": "0c7c1b4e-6c3c-4b3e-8a51-0e5b6c1fdb6f", "networkName": "Example Network",
            "description": "", "nodeIds": ["1a1f0d3c-2b7f-4a52-9d43-0f6a58a0a2a1"], "visible": false,
            "instanceId": "1a1f0d3c-2b7f-4a52-9d43-0f6a58a0a2a1",
            "recordIndex": (record_index()), "metaIndex": (meta_index())
        }
    }, "reason": "nobody answered within 30 days", "delivery": {
        "state": "waiting", "attempts": 1, "nextAttemptAt": "2026-01-31T12:00:00Z",
        "reason": "the other installation cannot be reached: it answered 503"
    }};
    JoinRequest = "join_request", "Which network of which installation to join.", {
        "networkID": "0c7c1b4e-6c3c-4b3e-8a51-0e5b6c1fdb6f", "baseUrl": "https://discovery.example.org"
    };
    InviteRequest = "invite_request", "Whom to invite.", {"baseUrl": "https://discovery.example.org"};
}

/// A body that need not be there; null then.
pub(super) async fn optional(body: poem::Body) -> Result<Value, Failure> {
    let bytes = body.into_bytes().await.map_err(|e| Failure::Invalid(e.to_string()))?;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|e| Failure::Invalid(format!("the body is no JSON: {e}")))
}

/// Networks and who is in them.
#[derive(Debug)]
pub struct NetworksApi(pub Services);

#[OpenApi]
impl NetworksApi {
    /// Networks the caller is in; all for data administrators
    #[oai(path = "/networks/", method = "get")]
    async fn list(&self, user: User) -> poem::Result<Json<Vec<Doc<NetworkShape>>>> {
        let networks = self.0.networks.visible(&Asker::User(user.0)).await?;
        Ok(Json(networks.iter().map(|network| Doc::of(published(network))).collect()))
    }

    /// Create a network; name, description and visibility are read
    #[oai(path = "/networks/", method = "post")]
    async fn create(&self, admin: Data, body: Json<Doc<NetworkShape>>) -> poem::Result<Done> {
        let id = self.0.networks.create(&admin.0, &body.0.0).await?;
        let path = format!("{}/api/networks/{id}", self.0.options().public_url);
        Ok(Done::created(id, path))
    }

    /// Ask to join a network of another installation
    #[oai(path = "/networks/join", method = "post")]
    async fn join(&self, admin: Data, body: Json<Doc<JoinRequest>>) -> poem::Result<Done> {
        Ok(Done::begun(self.0.networks.join(&admin.0, &body.0.0).await?))
    }

    /// Requests and invitations, sent and received; `status` is `sent`, `pending`, `accepted` or `rejected`
    #[oai(path = "/networks/requests", method = "get")]
    async fn requests(
        &self,
        admin: Data,
        status: Query<Option<String>>,
    ) -> poem::Result<Json<Vec<Doc<RequestShape>>>> {
        let status = status.0.filter(|status| !status.is_empty()).map(|status| {
            serde_json::from_value(status.into())
                .map_err(|_| Failure::Invalid("status must be sent, pending, accepted or rejected".into()))
        });
        let requests = self.0.networks.requests(&admin.0, status.transpose()?).await?;
        Ok(Json(requests.into_iter().map(Doc::of).collect()))
    }

    /// Approve a request or an invitation; the body names the three words: `{"challenge": [w1, w2, w3]}`
    #[oai(path = "/networks/requests/:request_id/approve", method = "post")]
    async fn approve(&self, admin: Data, request_id: Path<String>, body: poem::Body) -> poem::Result<Done> {
        let body = optional(body).await?;
        self.0.networks.approve(&admin.0, &request_id.0, &body).await?;
        Ok(Done::changed())
    }

    /// Deny a request or an invitation
    #[oai(path = "/networks/requests/:request_id/deny", method = "post")]
    async fn deny(&self, admin: Data, request_id: Path<String>) -> poem::Result<Done> {
        self.0.networks.deny(&admin.0, &request_id.0).await?;
        Ok(Done::changed())
    }

    /// One network
    #[oai(path = "/networks/:network_id", method = "get")]
    async fn one(&self, user: User, network_id: Path<String>) -> poem::Result<Json<Doc<NetworkShape>>> {
        let id = id(NetworkId::parse(network_id.0))?;
        Ok(Json(Doc::of(published(&*self.0.networks.one(&Asker::User(user.0), &id).await?))))
    }

    /// Change name, description and visibility of a network, here only
    #[oai(path = "/networks/:network_id", method = "patch")]
    async fn change(
        &self,
        admin: Data,
        network_id: Path<String>,
        body: Json<Doc<NetworkShape>>,
    ) -> poem::Result<Done> {
        self.0.networks.change(&admin.0, &id(NetworkId::parse(network_id.0))?, &body.0.0).await?;
        Ok(Done::changed())
    }

    /// Leave a network; its keys and groups are removed
    #[oai(path = "/networks/:network_id", method = "delete")]
    async fn leave(&self, admin: Data, network_id: Path<String>) -> poem::Result<Done> {
        self.0.networks.leave(&admin.0, &id(NetworkId::parse(network_id.0))?).await?;
        Ok(Done::changed())
    }

    /// Names and values of free attributes in a network
    #[oai(path = "/networks/:network_id/eav-index", method = "get")]
    async fn eav_index(
        &self,
        user: User,
        network_id: Path<String>,
    ) -> poem::Result<Json<Doc<EavIndexShape>>> {
        let id = id(NetworkId::parse(network_id.0))?;
        let network = self.0.networks.one(&Asker::User(user.0), &id).await?;
        let index = network.record_index.as_ref().map(|index| index.eav_index.clone()).unwrap_or_default();
        Ok(Json(Doc::of(json!(index))))
    }

    /// Build the index of a network anew
    #[oai(path = "/networks/:network_id/index", method = "post")]
    async fn index(&self, admin: Data, network_id: Path<String>) -> poem::Result<Done> {
        self.0.networks.index(&admin.0, &id(NetworkId::parse(network_id.0))?).await?;
        Ok(Done::changed())
    }

    /// Invite another installation into a network
    #[oai(path = "/networks/:network_id/invite", method = "post")]
    async fn invite(
        &self,
        admin: Data,
        network_id: Path<String>,
        body: Json<Doc<InviteRequest>>,
    ) -> poem::Result<Done> {
        let network = id(NetworkId::parse(network_id.0))?;
        Ok(Done::begun(self.0.networks.invite(&admin.0, &network, &body.0.0).await?))
    }

    /// Values of meta sources in a network
    #[oai(path = "/networks/:network_id/meta-index", method = "get")]
    async fn meta_index(
        &self,
        user: User,
        network_id: Path<String>,
    ) -> poem::Result<Json<Doc<MetaIndexShape>>> {
        let id = id(NetworkId::parse(network_id.0))?;
        let network = self.0.networks.one(&Asker::User(user.0), &id).await?;
        Ok(Json(Doc::of(network.meta_index.clone().unwrap_or_default())))
    }

    /// Members of a network; `status` is `approved` (default) or `pending`
    #[oai(path = "/networks/:network_id/nodes", method = "get")]
    async fn nodes(
        &self,
        user: User,
        network_id: Path<String>,
        status: Query<Option<String>>,
    ) -> poem::Result<Json<Vec<Doc<NodeShape>>>> {
        let pending = match status.0.unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "approved" => false,
            "pending" => true,
            _ => return Err(Failure::Invalid("status must be approved or pending".into()).into()),
        };
        let id = id(NetworkId::parse(network_id.0))?;
        let nodes = self.0.networks.nodes(&Asker::User(user.0), &id, pending).await?;
        Ok(Json(nodes.into_iter().map(Doc::of).collect()))
    }

    /// Sources shared in a network
    #[oai(path = "/networks/:network_id/sources", method = "get")]
    async fn sources(
        &self,
        user: User,
        network_id: Path<String>,
    ) -> poem::Result<Json<Vec<Doc<SourceShape>>>> {
        let full = user.0.may(Duty::Data);
        let asker = Asker::User(user.0);
        let shared = self.0.networks.shared(&asker, &id(NetworkId::parse(network_id.0))?).await?;
        let sources = self.0.sources.visible(&asker).await?;
        let here = sources.iter().filter(|source| shared.contains(&source.source_id));
        Ok(Json(here.map(|source| show(source, full)).collect()))
    }
}
