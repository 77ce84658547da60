//! Networks exposed as Beacons: endpoints, their keys, and what they say of themselves (specification §6.2, §11.1).

use cv3_backend::secrets::Secrets;
use cv3_backend::secrets::local::{LocalSecrets, MasterKey};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Caller, NOTHING, change_with, patch};
use crate::support::{Client, Installation, steps};

fn endpoint(path: &str, network: &Value) -> Value {
    json!({
        "endpointId": NOTHING, "endpointPath": path, "networkId": network, "beaconAuthMethod": "authKey",
        "userMapping": null, "beaconAuthKey": "chosen by the client", "surprise": 1,
    })
}

/// The key of an endpoint as the keystore has it, while nothing runs.
async fn key(installation: &Installation, id: &str) -> Option<String> {
    let folder = installation.data().join("secrets");
    let master = MasterKey::Generated { path: folder.join("key") };
    let secrets = LocalSecrets::open(&folder.join("keystore"), master).unwrap();
    let found = secrets.get(&format!("beacon/{id}")).await.unwrap()?;
    Some(String::from_utf8(found.value).unwrap())
}

/// What waits to be mailed, in order.
pub(super) fn outbox(installation: &Installation) -> Vec<Value> {
    let store = rusqlite::Connection::open(installation.data().join("store.db")).unwrap();
    let mut bodies =
        store.prepare("SELECT body FROM doc_mail_outbox ORDER BY json_extract(body, '$.createdAt')").unwrap();
    let bodies = bodies.query_map([], |row| row.get::<_, String>(0)).unwrap();
    bodies.map(|body| serde_json::from_str(&body.unwrap()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_live_from_creation_to_removal() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let network = ada.get("/networks/").await.ok()[0]["networkId"].clone();
    let id = steps::create(&ada, "/beacon/", &endpoint("rare-diseases", &network)).await;
    assert_ne!(id, NOTHING);
    let path = format!("/beacon/{id}");
    let expected = json!({
        "endpointId": id, "endpointPath": "rare-diseases", "networkId": network,
        "beaconAuthMethod": "authKey", "userMapping": {},
    });
    assert_eq!(ada.get(&path).await.ok(), expected);
    assert_eq!(ada.get("/beacon/").await.ok(), json!([expected]));

    refusals(&ada, &network, &path).await;

    // A change is a merge, except that a mapping is one value.
    for mapping in [json!(ada.user_id), json!({"outside": ada.user_id}), json!({"other": ada.user_id})] {
        patch(&ada, &path, &json!({"userMapping": mapping, "endpointId": NOTHING, "beaconAuthKey": "x"}))
            .await;
        let mut expected = expected.clone();
        expected["userMapping"] = mapping;
        assert_eq!(ada.get(&path).await.ok(), expected);
    }
    patch(&ada, &path, &json!({"userMapping": null, "endpointPath": "rare", "beaconAuthMethod": "noAuth"}))
        .await;
    let changed = ada.get(&path).await.ok();
    assert_eq!(
        [&changed["userMapping"], &changed["endpointPath"], &changed["beaconAuthMethod"]],
        [&json!({}), &json!("rare"), &json!("noAuth")]
    );
    // Its old path is free again.
    let other = steps::create(&ada, "/beacon/", &endpoint("rare-diseases", &network)).await;
    let taken = change_with(&ada, Method::PATCH, &path, &json!({"endpointPath": "rare-diseases"})).await;
    assert_eq!(taken.status, 409, "{}", taken.body);

    change_with(&ada, Method::DELETE, &path, &json!({})).await.ok();
    for gone in [
        ada.get(&path).await,
        change_with(&ada, Method::PATCH, &path, &json!({"endpointPath": "new"})).await,
        change_with(&ada, Method::DELETE, &path, &json!({})).await,
        ada.post(&format!("{path}/rotate-key"), &json!({})).await,
        ada.post(&format!("{path}/auth-key"), &json!({})).await,
    ] {
        assert_eq!(gone.status, 404, "{}", gone.body);
    }
    node.stop().await;
    assert_eq!(key(&installation, &id).await, None, "the key goes with its endpoint");
    assert!(key(&installation, &other).await.is_some());
    assert_eq!(outbox(&installation), Vec::<Value>::new(), "nobody asked for a key");
}

async fn refusals(ada: &Client, network: &Value, path: &str) {
    let clash = ada.post("/beacon/", &endpoint("rare-diseases", network)).await;
    assert_eq!(clash.status, 409, "{}", clash.body);
    let many: serde_json::Map<_, _> = (0..1_001).map(|n| (n.to_string(), json!(ada.user_id))).collect();
    for (field, bad) in [
        ("endpointPath", json!("")),
        ("endpointPath", json!("a/b")),
        ("endpointPath", json!("..")),
        ("endpointPath", json!("info")),
        ("endpointPath", json!("x".repeat(65))),
        ("endpointPath", json!(7)),
        ("networkId", json!(NOTHING)),
        ("networkId", json!(null)),
        ("beaconAuthMethod", json!("password")),
        ("userMapping", json!(NOTHING)),
        ("userMapping", json!({"outside": NOTHING})),
        ("userMapping", json!({"": ada.user_id})),
        ("userMapping", json!([ada.user_id])),
        ("userMapping", json!(many)),
    ] {
        let mut body = endpoint("bad", network);
        body[field] = bad.clone();
        let refused = ada.post("/beacon/", &body).await;
        assert_eq!(refused.status, 400, "{field} {bad}: {}", refused.body);
        let refused = change_with(ada, Method::PATCH, path, &json!({field: bad})).await;
        assert_eq!(refused.status, 400, "{field} {bad}: {}", refused.body);
    }
    for body in [json!([]), json!("endpoint"), json!(7)] {
        assert_eq!(ada.post("/beacon/", &body).await.status, 400, "{body}");
        assert_eq!(change_with(ada, Method::PATCH, path, &body).await.status, 400, "{body}");
    }
    let huge = json!({"endpointPath": "x".repeat(3 << 20)});
    assert_eq!(ada.post("/beacon/", &huge).await.status, 413);
    assert_eq!(ada.get("/beacon/").await.ok().as_array().unwrap().len(), 1, "what was refused left nothing");
}

/// A key is made here, is mailed to who asks for it, and is in no answer and no document.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_mailed_and_never_shown() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let network = ada.get("/networks/").await.ok()[0]["networkId"].clone();
    let id = steps::create(&ada, "/beacon/", &endpoint("keyed", &network)).await;
    let path = format!("/beacon/{id}");
    let mut shown = Vec::new();
    let mut asked = async |rest: &str| {
        let answer = ada.post(&format!("{path}{rest}"), &json!({})).await;
        shown.push(answer.body.clone());
        assert_eq!(answer.ok(), json!({"status": "Success", "key": "mailed to ada@example.org"}), "{rest}");
    };
    asked("/auth-key").await;
    node.stop().await;
    let first = key(&installation, &id).await.unwrap();
    assert!(first.len() == 43 && first != "chosen by the client", "32 bytes as text");

    let node = installation.serve().start().await;
    asked("/auth-key").await;
    asked("/rotate-key").await;
    shown.push(ada.get(&path).await.body);
    shown.push(ada.get("/beacon/").await.body);
    let log = node.log();
    node.stop().await;
    let second = key(&installation, &id).await.unwrap();
    assert!(second.len() == 43 && second != first);

    let mails = outbox(&installation);
    let events: Vec<_> = mails.iter().map(|mail| mail["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["beaconKeyRequested", "beaconKeyRequested", "beaconKeyRotated"]);
    for mail in &mails {
        assert_eq!(mail["to"], json!([{"user": ada.user_id}]));
        assert_eq!(mail["secret"], format!("beacon/{id}"), "where the sender reads the key");
        assert_eq!(mail["facts"], json!({"endpointId": id, "endpointPath": "keyed"}));
    }
    shown.push(log);
    shown.push(json!(mails).to_string());
    for key in [first, second] {
        assert!(shown.iter().all(|text| !text.contains(&key)), "a key is shown");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_beacon_says_what_it_is_to_everyone() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let caller = Caller::of(&node);
    let ada = node.client("ada").await;
    let network = ada.get("/networks/").await.ok()[0]["networkId"].clone();
    steps::create(&ada, "/beacon/", &endpoint("rare", &network)).await;
    let settings = json!({
        "beaconSettings": {"beaconId": "org.example.cafe", "environment": "Testing", "description": "Two clinics"},
        "ownershipSettings": {"name": "Example University", "organizationId": "org.example"},
    });
    ada.post("/config/global", &settings).await.ok();
    let read = async |rest: &str| -> Answer { caller.get(&format!("/query/beacon/{rest}"), None).await };

    let info = read("rare/info").await.json();
    assert_eq!(read("rare").await.json(), info);
    assert_eq!(read("rare/").await.json(), info);
    assert_eq!(
        [&info["meta"]["beaconId"], &info["response"]["id"], &info["response"]["environment"]],
        [&json!("org.example.cafe"), &json!("org.example.cafe"), &json!("test")]
    );
    assert_eq!(info["response"]["organization"]["name"], "Example University");
    let service = read("rare/service-info").await.json();
    assert_eq!(
        service["type"],
        json!({"group": "org.ga4gh", "artifact": "beacon", "version": "2.0"}),
        "{service}"
    );
    let configuration = read("rare/configuration").await.json();
    assert_eq!(configuration["response"]["securityAttributes"]["securityLevels"], json!(["CONTROLLED"]));
    let types = read("rare/entry_types").await.json();
    assert_eq!(configuration["response"]["entryTypes"], types["response"]["entryTypes"]);
    // Where the map leads is no question answered yet, and says so.
    let map = read("rare/map").await.json();
    for (kind, set) in map["response"]["endpointSets"].as_object().unwrap() {
        let address = set["rootUrl"].as_str().unwrap();
        assert!(address.starts_with(&format!("{}/query/beacon/rare/", caller.base)), "{set}");
        for method in ["GET", "POST"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            caller.send(caller.http.request(method, address)).await.refused(501, kind);
        }
    }

    for rest in ["", "/info", "/service-info", "/configuration", "/entry_types", "/map"] {
        for path in ["nothing", "RARE", "a%2fb", "%00", &"x".repeat(5_000)] {
            read(&format!("{path}{rest}")).await.refused(404, &format!("{path}{rest}"));
        }
    }
    read("rare/anything").await.refused(404, "an address no Beacon has");
    node.stop().await;
}
