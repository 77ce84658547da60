//! The registry of V2 installations: credentials, installations, networks and requests (specification §12).

use cv3_backend::secrets::Secrets;
use cv3_backend::secrets::local::{LocalSecrets, MasterKey};
use cv3_backend::store::sqlite::SqliteStore;
use cv3_backend::store::{Collection, Room, Store};
use reqwest::Method;
use serde_json::{Value, json};

use super::beacon::outbox;
use super::{Caller, NOTHING, change_with};
use crate::support::node::text;
use crate::support::{Client, Installation, Node};

/// A node with the registry, and its system administrator.
async fn registry(installation: &Installation) -> (Node, Client) {
    let node = installation.serve().set("Legacy.NexusMode.Enabled", "true").start().await;
    let sam = node.client("sam").await;
    (node, sam)
}

/// Its secrets, while nothing runs.
fn keystore(installation: &Installation) -> LocalSecrets {
    let folder = installation.data().join("secrets");
    LocalSecrets::open(&folder.join("keystore"), MasterKey::Generated { path: folder.join("key") }).unwrap()
}

fn with_sam() -> Installation {
    let installation = Installation::empty();
    installation.add_user("developer", "ada");
    installation.add_user("serverAdmin", "sam");
    installation
}

async fn change(client: &Client, path: &str, body: &Value) -> Value {
    change_with(client, Method::PATCH, path, body).await.ok()
}

async fn remove(client: &Client, path: &str) -> u16 {
    change_with(client, Method::DELETE, path, &json!({})).await.status.as_u16()
}

fn site(name: &str) -> Value {
    json!({"installationName": name, "baseUrl": "https://cv2.example.org", "email": format!("{name}@example.org")})
}

/// Every address of the registry, and no answer that tells it from an address that was never there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_it_is_off_there_is_nothing_whoever_asks() {
    let installation = with_sam();
    let node = installation.serve().start().await;
    let (caller, sam) = (Caller::of(&node), node.client("sam").await);
    let token = sam.token().await;
    assert_eq!(sam.get("/config/global").await.ok()["nexusEnabled"], false);
    for (method, path) in [
        ("GET", "credentials"),
        ("POST", "credentials"),
        ("PATCH", "credentials/x"),
        ("DELETE", "credentials/x"),
        ("GET", "installations"),
        ("POST", "installations"),
        ("PATCH", "installations/x"),
        ("DELETE", "installations/x"),
        ("GET", "networks"),
        ("POST", "networks"),
        ("PATCH", "networks/1"),
        ("DELETE", "networks/1"),
        ("GET", "requests"),
        ("GET", "requests/pending"),
        ("POST", "requests/x/accept"),
        ("POST", "requests/x/deny"),
    ] {
        for token in [None, Some("bad"), Some(&*token)] {
            let path = format!("/api/nexus/{path}");
            let answer = caller.with_body(method, &path, token, &json!({"networkName": "x"})).await;
            answer.refused(404, &format!("{method} {path}"));
        }
    }
    node.stop().await;
    let (node, sam) = registry(&installation).await;
    assert_eq!(sam.get("/config/global").await.ok()["nexusEnabled"], true);
    assert_eq!(sam.get("/nexus/networks").await.ok(), json!([]), "what was refused left nothing behind");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_keep_their_secrets() {
    let installation = with_sam();
    let (node, sam) = registry(&installation).await;
    let secret = "of the other realm";
    for bad in [
        json!({"realm": "a/b", "clientId": "nexus"}),
        json!({"realm": "..", "clientId": "nexus"}),
        json!({"realm": "r".repeat(256), "clientId": "nexus"}),
        json!({"realm": "other", "clientId": ""}),
        json!({"realm": "other", "clientId": 7}),
        json!({"realm": "other", "clientId": "nexus", "clientSecret": secret}),
        json!({"realm": "other", "clientId": "nexus", "clientSecret": "x".repeat(1_025)}),
        json!([]),
    ] {
        let refused = sam.post("/nexus/credentials", &bad).await;
        assert_eq!(refused.status, 400, "{bad}: {}", refused.body);
    }
    let secret = secret.replace(' ', "-");
    let given = json!({"realm": "other", "clientId": "nexus", "clientSecret": secret});
    assert_eq!(sam.post("/nexus/credentials", &given).await.ok(), given);
    assert_eq!(sam.post("/nexus/credentials", &given).await.status, 409);
    let made = sam.post("/nexus/credentials", &json!({"realm": "third", "clientId": "nexus"})).await.ok();
    assert_eq!(text(&made, "clientSecret").len(), 43, "one is made where none is sent");
    let shown = json!([{"realm": "other", "clientId": "nexus"}, {"realm": "third", "clientId": "nexus"}]);
    assert_eq!(sam.get("/nexus/credentials").await.ok(), shown);

    let mut there = site("there");
    there["realm"] = "other".into();
    sam.post("/nexus/installations", &there).await.ok();
    let fresh = "another-secret";
    let changed =
        change(&sam, "/nexus/credentials/other", &json!({"clientSecret": fresh, "realm": "x"})).await;
    assert_eq!(changed, json!({"realm": "other", "clientId": "nexus"}));
    let changed = change(&sam, "/nexus/credentials/third", &json!({"clientId": "second"})).await;
    assert_eq!(changed, json!({"realm": "third", "clientId": "second"}));
    let refused =
        change_with(&sam, Method::PATCH, "/nexus/credentials/other", &json!({"clientId": "a b"})).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(remove(&sam, "/nexus/credentials/third").await, 200);
    assert_eq!(remove(&sam, "/nexus/credentials/third").await, 404);
    let gone = change_with(&sam, Method::PATCH, "/nexus/credentials/third", &json!({"clientId": "x"})).await;
    assert_eq!(gone.status, 404);
    let log = node.log();
    node.stop().await;

    let secrets = keystore(&installation);
    let held = secrets.get("nexus/credentials/other").await.unwrap().unwrap();
    assert_eq!(held.value, fresh.as_bytes());
    assert_eq!(
        secrets.list("nexus/credentials/").await.unwrap(),
        ["nexus/credentials/other"],
        "a secret goes with its owner"
    );
    // Whom a change concerns is told, without the secret.
    let mails = outbox(&installation);
    let events: Vec<_> = mails.iter().map(|mail| mail["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["nexusInstallationCreated", "nexusCredentialChanged"]);
    assert!(mails.iter().all(|mail| mail["to"] == json!([{"address": "there@example.org"}])), "{mails:#?}");
    let said = json!(mails).to_string() + &log;
    assert!(!said.contains(&secret) && !said.contains(fresh));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn installations_and_networks_live_from_creation_to_removal() {
    let installation = with_sam();
    let (node, sam) = registry(&installation).await;
    for (field, bad) in [
        ("installationName", json!("")),
        ("installationName", json!("<b>")),
        ("installationName", json!("x".repeat(256))),
        ("baseUrl", json!("ftp://cv2.example.org")),
        ("baseUrl", json!(format!("https://{}", "x".repeat(255)))),
        ("email", json!("nobody")),
        ("email", json!("a@example.org\r\nBcc: b@example.org")),
        ("realm", json!("unknown")),
        ("realm", json!("../x")),
    ] {
        let mut body = site("bad");
        body[field] = bad.clone();
        let refused = sam.post("/nexus/installations", &body).await;
        assert_eq!(refused.status, 400, "{field} {bad}: {}", refused.body);
    }
    let (one, two) = (
        sam.post("/nexus/installations", &site("one")).await.ok(),
        sam.post("/nexus/installations", &site("two")).await.ok(),
    );
    let (key, other) = (text(&one, "installationKey"), text(&two, "installationKey"));
    assert!(key.len() == 32 && key != other && key.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
    assert!(text(&one, "notice").contains("no client was made"), "{one}");
    let path = format!("/nexus/installations/{key}");
    let changed =
        change(&sam, &path, &json!({"installationStatus": "offline", "installationKey": "x"})).await;
    let expected = json!({
        "installationKey": key, "installationName": "one", "baseUrl": "https://cv2.example.org/", "clientId": "",
        "installationStatus": "offline", "realm": "cafe_variome",
    });
    assert_eq!(changed, expected);
    assert_eq!(sam.get("/nexus/installations").await.ok()[0], expected);
    assert_eq!(change(&sam, &path, &expected).await, expected, "what is answered can be sent back");
    for bad in
        [json!({"installationStatus": "ill"}), json!({"baseUrl": "x"}), json!({"clientId": "a b"}), json!([])]
    {
        assert_eq!(change_with(&sam, Method::PATCH, &path, &bad).await.status, 400, "{bad}");
    }

    for bad in [json!({}), json!({"networkName": "a_b"}), json!({"networkName": "x".repeat(256)}), json!([])]
    {
        assert_eq!(sam.post("/nexus/networks", &bad).await.status, 400, "{bad}");
    }
    let huge = json!({"networkName": "x".repeat(3 << 20)});
    assert_eq!(sam.post("/nexus/networks", &huge).await.status, 413);
    let made = sam.post("/nexus/networks", &json!({"networkName": "rare", "networkKey": 99})).await.ok();
    assert_eq!(
        made,
        json!({"networkKey": 1, "networkName": "rare", "networkThreshold": 0, "networkStatus": "online", "installations": []})
    );
    assert_eq!(sam.post("/nexus/networks", &json!({"networkName": "rare"})).await.status, 409);
    let second = sam.post("/nexus/networks", &json!({"networkName": "second"})).await.ok();
    assert_eq!(second["networkKey"], 2, "a name that is taken costs no key");
    let change_all = json!({
        "networkThreshold": 5, "networkStatus": "offline", "installations": [key, other, key], "clientId": "c",
        "networkKey": 9,
    });
    let changed = change(&sam, "/nexus/networks/1", &change_all).await;
    assert_eq!(
        (&changed["networkKey"], &changed["networkThreshold"], &changed["clientId"]),
        (&json!(1), &json!(5), &json!("c"))
    );
    assert_eq!(changed["installations"].as_array().unwrap().len(), 2);
    for (bad, status) in [
        (json!({"networkThreshold": -1}), 400),
        (json!({"networkStatus": 1}), 400),
        (json!({"installations": [NOTHING]}), 400),
        (json!({"installations": vec!["x"; 3]}), 400),
        (json!({"networkName": "second"}), 409),
        (json!([]), 400),
    ] {
        let refused = change_with(&sam, Method::PATCH, "/nexus/networks/1", &bad).await;
        assert_eq!(refused.status, status, "{bad}: {}", refused.body);
    }
    assert_eq!(sam.get("/nexus/networks").await.ok(), json!([changed, second]));

    assert_eq!(remove(&sam, &path).await, 200);
    assert_eq!(remove(&sam, &path).await, 404);
    assert_eq!(change_with(&sam, Method::PATCH, &path, &json!({})).await.status, 404);
    assert_eq!(
        sam.get("/nexus/networks").await.ok()[0]["installations"],
        json!([other]),
        "it is in no network"
    );
    assert_eq!(remove(&sam, "/nexus/networks/2").await, 200);
    for absent in ["2", "x", "-1", "99999999999", NOTHING] {
        assert_eq!(remove(&sam, &format!("/nexus/networks/{absent}")).await, 404, "{absent}");
    }
    let third = sam.post("/nexus/networks", &json!({"networkName": "second"})).await.ok();
    assert_eq!(third["networkKey"], 3, "a key is never given again");
    node.stop().await;
    // Each is told its key by reference; that of an installation that is gone leads to nothing.
    let mails = outbox(&installation);
    assert_eq!(
        (&mails[1]["facts"]["installationName"], &mails[1]["to"]),
        (&json!("two"), &json!([{"address": "two@example.org"}]))
    );
    assert!(!json!(mails).to_string().contains(&key) && !json!(mails).to_string().contains(&other));
    let secrets = keystore(&installation);
    assert_eq!(secrets.get(mails[0]["secret"].as_str().unwrap()).await.unwrap(), None);
    let told = secrets.get(mails[1]["secret"].as_str().unwrap()).await.unwrap().unwrap();
    assert_eq!(told.value, other.as_bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_decided_once() {
    let installation = with_sam();
    let (node, sam) = registry(&installation).await;
    let key = text(&sam.post("/nexus/installations", &site("asker")).await.ok(), "installationKey");
    sam.post("/nexus/networks", &json!({"networkName": "rare"})).await.ok();
    node.stop().await;
    let request = |token: &str, network: i32| {
        json!({"networkKey": network, "installationKey": key, "token": token, "email": "a@example.org",
            "justification": "We hold matching data", "ipAddress": "2001:db8::7", "status": "pending"})
    };
    let (first, second, lost) = (request("t1", 1), request("t2", 1), request("t3", 7));
    {
        let store = SqliteStore::open(&installation.data().join("store.db")).unwrap();
        let room: Collection<'_, Value> = Collection::new(store.documents(), Room::NexusRequests);
        for one in [&first, &second, &lost] {
            room.insert(one["token"].as_str().unwrap(), one).await.unwrap();
        }
    }

    let (node, sam) = registry(&installation).await;
    let all = json!([first, second, lost]);
    assert_eq!(sam.get("/nexus/requests").await.ok(), all);
    assert_eq!(sam.get("/nexus/requests/pending").await.ok(), all);
    let decide = async |token: &str, how: &str| {
        sam.post(&format!("/nexus/requests/{token}/{how}"), &json!({})).await.status.as_u16()
    };
    assert_eq!(decide("t1", "accept").await, 200);
    assert_eq!(decide("t1", "accept").await, 200, "again");
    assert_eq!(decide("t1", "deny").await, 409);
    assert_eq!(decide("t2", "deny").await, 200);
    assert_eq!(decide("t2", "accept").await, 409);
    assert_eq!(decide("t3", "accept").await, 422, "there is no such network");
    assert_eq!(decide("t4", "accept").await, 404);
    assert_eq!(decide("t4", "deny").await, 404);
    assert_eq!(sam.get("/nexus/networks").await.ok()[0]["installations"], json!([key]));
    assert_eq!(sam.get("/nexus/requests/pending").await.ok(), json!([lost]));
    let listed = sam.get("/nexus/requests").await.ok();
    let states: Vec<_> =
        listed.as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["accepted", "denied", "pending"]);
    assert_eq!(remove(&sam, &format!("/nexus/installations/{key}")).await, 200);
    assert_eq!(sam.get("/nexus/requests").await.ok(), json!([]), "nobody is left who asks");
    node.stop().await;
}
