//! Networks made, changed and left, and requests decided about, over HTTP (specification §9.4, §15).

use cv3_backend::store::sqlite::SqliteStore;
use cv3_backend::store::{Room, Store};
use reqwest::Method;
use serde_json::{Value, json};

use super::{NOTHING, change_with, patch};
use crate::support::{Client, Installation, steps};

async fn delete(client: &Client, path: &str) -> u16 {
    change_with(client, Method::DELETE, path, &json!({})).await.status.as_u16()
}

async fn refused(client: &Client, path: &str, body: &Value, status: u16) {
    let answer = client.post(path, body).await;
    assert_eq!(answer.status.as_u16(), status, "{path} {body}: {}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_lives_from_creation_with_its_key_to_the_end_of_both() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    for bad in [
        json!({}),
        json!([]),
        json!({"networkName": ""}),
        json!({"networkName": 7}),
        json!({"networkName": "x".repeat(256)}),
        json!({"networkName": "x", "description": "x".repeat(4_001)}),
        json!({"networkName": "x", "visible": "yes"}),
    ] {
        refused(&ada, "/networks/", &bad, 400).await;
    }
    assert_eq!(ada.get("/networks/").await.ok().as_array().unwrap().len(), 1, "nothing half-made is left");

    let body = json!({"networkName": "Rare", "visible": true, "networkId": NOTHING, "state": "creating"});
    let id = steps::create(&ada, "/networks/", &body).await;
    let path = format!("/networks/{id}");
    let made = ada.get(&path).await.ok();
    assert_eq!((&made["networkName"], &made["visible"]), (&json!("Rare"), &json!(true)));
    assert!(id != NOTHING && made.get("state").is_none() && made.get("createdAt").is_none(), "{made}");
    let nodes = ada.get(&format!("{path}/nodes")).await.ok();
    assert_eq!(nodes[0]["nodeId"], made["instanceId"]);
    assert!(nodes[0]["publicKey"].as_str().unwrap().starts_with("-----BEGIN PUBLIC KEY-----"), "{nodes}");
    assert_eq!(ada.get(&format!("{path}/nodes?status=pending")).await.ok(), json!([]));
    assert_eq!(ada.get(&format!("{path}/nodes?status=other")).await.status, 400);

    patch(&ada, &path, &json!({"description": "of diseases", "visible": false, "instanceId": NOTHING})).await;
    let changed = ada.get(&path).await.ok();
    assert_eq!((&changed["description"], &changed["visible"]), (&json!("of diseases"), &json!(false)));
    assert_eq!((&changed["instanceId"], &changed["networkName"]), (&made["instanceId"], &json!("Rare")));
    let long = json!({"networkName": "x".repeat(256)});
    assert_eq!(change_with(&ada, Method::PATCH, &path, &long).await.status, 400);

    let source = steps::source(&ada, "shared").await;
    assert_eq!(ada.get(&format!("{path}/sources")).await.ok(), json!([]));
    let group = json!({
        "groupName": "g", "networkId": id, "discoveryPolicy": "count", "assignedUsers": [ada.user_id],
        "assignedSources": [source],
    });
    let group = steps::create(&ada, "/groups/", &group).await;
    assert_eq!(ada.get(&format!("{path}/sources")).await.ok()[0]["sourceId"], source.as_str());
    ada.post(&format!("{path}/index"), &json!({})).await.ok();

    assert_eq!(delete(&ada, &path).await, 200);
    assert_eq!(delete(&ada, &path).await, 404);
    assert_eq!(ada.get(&path).await.status, 404);
    assert_eq!(ada.get(&format!("/groups/{group}")).await.status, 404, "groups go with their network");
    for (path, body) in [
        (format!("{path}/index"), json!({})),
        (format!("{path}/invite"), json!({"baseUrl": "https://a.example.org"})),
        (format!("/nodes/{NOTHING}/approve"), json!({})),
        (format!("/nodes/{NOTHING}/remove"), json!({})),
        (format!("/nodes/{NOTHING}/mapping"), json!({})),
        (format!("/networks/requests/{NOTHING}/approve"), json!({})),
        (format!("/networks/requests/{NOTHING}/deny"), json!({})),
    ] {
        refused(&ada, &path, &body, 404).await;
    }
    node.stop().await;
}

/// Row 13 of specification §15, and that nothing is kept of what could not be sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_13_a_loopback_address_joins_and_invites_nobody() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let network = ada.get("/networks/").await.ok()[0]["networkId"].as_str().unwrap().to_owned();
    let joining = json!({"networkID": NOTHING, "baseUrl": "https://a.example.org"});
    let invite = format!("/networks/{network}/invite");
    refused(&ada, "/networks/join", &joining, 400).await;
    refused(&ada, &invite, &json!({"baseUrl": "https://a.example.org"}), 400).await;
    let address = json!({"instanceSettings": {"url": "https://cv3.example.org"}});
    ada.post("/config/global", &address).await.ok();
    // Now the gateway is what is missing.
    refused(&ada, "/networks/join", &joining, 503).await;
    for bad in [
        json!({"networkID": NOTHING, "baseUrl": "a.example.org"}),
        json!({"networkID": "x", "baseUrl": "https://a"}),
    ] {
        refused(&ada, "/networks/join", &bad, 400).await;
    }
    let member = json!({"networkID": network, "baseUrl": "https://a.example.org"});
    refused(&ada, "/networks/join", &member, 409).await;
    assert_eq!(ada.get("/networks/requests").await.ok(), json!([]));
    node.stop().await;
}

/// A public key that nobody has the other half of.
const KEY: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArTYXcAItbpEcjrYDlHbC\n\
qzCZNUKYl0uUTe86Z/rjvCz2/qYMbxB0xZNy3vAcyAENXS9DHzO0JQBoMAt/fyZM\n\
34B6lA3QUODhr0J8eNk828o6slv1UogwWNbugnZSm1VEh6zCXf++Bu63No1JTm4A\n\
zR3VT4mVhQeiPx5Iy/PpXgArese1pB3oLSBAlb6SkKB5SKj4P5vbWrMfKsTkIzCe\n\
4bc7xw2rG03yLRc0yfdmWYfyPfhNZpzGjRbKOYZOsmStxspQP+59yZ7uXYgXzRO9\n\
aGNC15D6RMCqWdT4lTQzysCEXjdbhfA98VmBK2qbZmaIPg+w+2kBf8kVw9GWUcRg\n\
1QIDAQAB\n\
-----END PUBLIC KEY-----\n\
";

/// A request as it was received, stored as the original spells its status.
fn received(network: &str, id: &str, sender: &str) -> Value {
    json!({
        "id": format!("in-{id}"), "messageId": id, "direction": "in", "status": "Pending",
        "networkId": network, "receivedAt": "2026-01-31T12:00:00Z", "messageType": "authMessage",
        "messageAttributes": {
            "messageId": id, "authType": "request", "networkId": network, "status": "sent",
            "targetUrl": "https://cv3.example.org",
        },
        "messageData": {
            "node": {
                "nodeId": sender, "nodeName": "Other", "nodeUrl": "https://b.example.org",
                "clientId": "b", "nodeDescription": "", "publicKey": KEY,
                "authenticationEnabled": true, "userMapping": "00000000-0000-4000-8000-000000000000",
            },
            "challenge": ["baba", "kilo", "zumi"],
        },
        "timestamp": 1_769_860_800,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_7_and_15_pending_requests_are_seen_and_their_words_checked() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let network = ada.get("/networks/").await.ok()[0]["networkId"].as_str().unwrap().to_owned();
    node.stop().await;
    let store = SqliteStore::open(&installation.data().join("store.db")).unwrap();
    for (id, sender) in [("r1", "node-1"), ("r2", "node-2"), ("r3", "node-3")] {
        let request = received(&network, id, sender);
        store.documents().insert(Room::Messages, &format!("in-{id}"), &request).await.unwrap();
    }
    drop(store);

    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let listed = ada.get("/networks/requests").await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!(listed[0]["messageAttributes"]["status"], "pending");
    assert_eq!(listed[0]["messageData"]["challenge"], json!(["hidden-1", "hidden-2", "hidden-3"]));
    assert_eq!(ada.get("/dashboard/statistics").await.ok()["request_count"], 3);

    let approve = |id: &str| format!("/networks/requests/{id}/approve");
    refused(&ada, &approve("r1"), &json!({}), 422).await;
    for _ in 0..5 {
        refused(&ada, &approve("r1"), &json!({"challenge": ["baba", "kilo", "zuma"]}), 422).await;
    }
    let right = json!({"challenge": ["ZUMI", " baba", "Kilo"]});
    refused(&ada, &approve("r1"), &right, 409).await;
    refused(&ada, "/networks/requests/r1/deny", &json!({}), 409).await;
    ada.post(&approve("r2"), &right).await.ok();
    refused(&ada, &approve("r2"), &right, 409).await;
    // Its sender cannot be told without a gateway, which is tried again.
    let accepted = ada.get("/networks/requests?status=Accepted").await.ok();
    assert_eq!(accepted[0]["messageAttributes"]["messageId"], "r2", "{accepted}");
    assert_eq!(
        (&accepted[0]["delivery"]["state"], &accepted[0]["delivery"]["attempts"]),
        (&json!("waiting"), &json!(1))
    );
    assert_eq!(ada.get("/networks/requests?status=open").await.status, 400);
    ada.post("/networks/requests/r3/deny", &json!({})).await.ok();
    assert_eq!(ada.get("/dashboard/statistics").await.ok()["request_count"], 0);

    let path = format!("/networks/{network}");
    let ids = |nodes: &Value| -> Vec<String> {
        nodes.as_array().unwrap().iter().map(|n| n["nodeId"].as_str().unwrap().to_owned()).collect()
    };
    let nodes = ada.get(&format!("{path}/nodes")).await.ok();
    let them = nodes.as_array().unwrap().iter().find(|n| n["nodeId"] == "node-2").unwrap();
    assert_eq!(
        (&them["authenticationEnabled"], them.get("userMapping")),
        (&json!(false), None),
        "local decisions"
    );
    assert!(!ids(&nodes).iter().any(|id| id == "node-1" || id == "node-3"), "{nodes}");

    let mapping = json!({"userMapping": ada.user_id, "authenticationEnabled": true});
    ada.post("/nodes/node-2/mapping", &mapping).await.ok();
    refused(&ada, "/nodes/node-2/mapping", &json!({"userMapping": NOTHING}), 400).await;
    refused(&ada, "/nodes/node-2/mapping", &json!({"authenticationEnabled": 1}), 400).await;
    ada.post("/nodes/node-2/remove", &json!({})).await.ok();
    let pending = ada.get(&format!("{path}/nodes?status=pending")).await.ok();
    assert_eq!(ids(&pending), ["node-2"]);
    assert_eq!((pending[0].get("publicKey"), pending[0].get("userMapping")), (None, None), "{pending}");
    assert!(ada.get(&path).await.ok()["nodeIds"].as_array().unwrap().contains(&json!("node-2")));
    ada.post("/nodes/node-2/approve", &json!({})).await.ok();
    refused(&ada, "/nodes/node-2/approve", &json!({}), 409).await;
    let nodes = ada.get(&format!("{path}/nodes")).await.ok();
    let them = nodes.as_array().unwrap().iter().find(|n| n["nodeId"] == "node-2").unwrap();
    assert_eq!((&them["publicKey"], &them["authenticationEnabled"]), (&json!(KEY), &json!(false)));
    let own = ada.get(&path).await.ok()["instanceId"].as_str().unwrap().to_owned();
    refused(&ada, &format!("/nodes/{own}/remove"), &json!({}), 409).await;
    node.stop().await;
}
