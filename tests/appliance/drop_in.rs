//! The program in the place of the original: its configuration file, its variables, its database, nothing edited.
//!
//! Documents are written by hand in the original's shapes (specification §6). Keycloak is a real one:
//! the stand-in does not show people who were made beside us. Where a server is missing, the test says so and does nothing.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{DateTime, Document, doc};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::providers::house::{House, fresh};
use crate::providers::provider::{CALLBACK, CLIENT, Provider, REALM, SECRET};
use crate::redis::{found, sweep};
use crate::support::node::{PASSWORD, text};
use crate::support::{Client, Node, steps};
use crate::vault::Vault;

const SOURCE: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const NETWORK: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const GROUP: &str = "16fd2706-8baf-433b-82eb-8c7fada847da";

/// The sample file of the original as an operator has filled it in: comments, ports in quotation marks.
fn file(mongodb: &Value, database: &str, redis: &Value, provider: &Provider, vault: &Value) -> Value {
    let address = text(mongodb, "url");
    let (host, port) =
        address.trim_start_matches("mongodb://").trim_end_matches('/').rsplit_once(':').unwrap();
    let port = port.split('/').next().unwrap();
    let keycloak = format!("{}/", provider.server().url);
    json!({
        "_comment": "Production, see the operations handbook",
        // This server asks nobody who he is; the original's documentation allows any name then.
        "MongoDB": {"Host": host, "Port": port, "User": "cafevariome", "Password": "cafevariome",
            "Database": database, "MaxJobs": 40, "_comment": "one database a site"},
        "Redis": {"Host": redis["host"], "Port": redis["port"].to_string(), "Cluster": false,
            "User": redis["user"], "Password": redis["password"]},
        "Keycloak": {"Client": CLIENT, "Realm": REALM, "URL": keycloak, "BackendURL": keycloak,
            "RedirectURLs": [CALLBACK, CALLBACK.replace("callback", "callback-silent")]},
        "Vault": {"Host": vault["Host"], "TransitPath": vault["TransitPath"], "KV2Path": vault["KV2Path"],
            "KV2Prefix": "cv3"},
        "CORS": {"AllowOrigin": ["*"], "AllowMethods": ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
            "AllowHeaders": ["Content-Type", "Authorization", "Network-Id"]},
        "Metrics": {"Prometheus": {"Enabled": false, "Path": "/metrics", "Key": ""}},
        "Email": {"From": {"Address": "admin@example.org", "Name": "Admin"}, "Sender": "noreply@example.org",
            "SMTP": {"Host": "localhost", "Port": 25,
                "Authentication": {"Required": false, "Username": "", "Password": ""}}},
        "Legacy": {"NexusMode": {"Enabled": false, "AccessTokenEnabled": true}, "Query": true},
        "Logging": {"Name": "Cafe Variome V3", "Level": "INFO", "MaxBytes": 10_485_760, "BackupCount": 20,
            "SplunkHEC": {"Enabled": false, "HecEndpoint": "", "Token": ""},
            "Loki": {"Enabled": false, "Endpoint": "", "Tags": {},
                "Auth": {"Enabled": false, "Username": "", "Password": ""}}},
        "Data": {"UploadPath": "data_source/", "ValidFileFormats": ["vcf", "csv"], "ChunkSize": 1024},
    })
}

/// One subject as the original stores it: no demographics of ours, a field nobody knows.
fn subject(n: i32) -> Document {
    let hpo: Vec<&str> = if n % 3 == 0 { vec!["0001250", "0001263"] } else { vec!["0004322"] };
    doc! {
        "_id": ObjectId::new(), "subjectId": format!("P{n:03}"), "HPO": hpo, "ORDO": ["558"],
        "EAV": { "gender": if n % 2 == 0 { "male" } else { "female" }, "age": n % 90, "site": "north" },
        "imported": DateTime::from_millis(1_700_000_000_000),
    }
}

async fn fill(database: &mongodb::Database, user: &str, instance: &str) {
    let put = async |name: &str, documents: Vec<Document>| {
        database.collection::<Document>(name).insert_many(documents).await.unwrap();
    };
    put(
        "user.info",
        vec![doc! {
            "_id": ObjectId::new(), "userId": user, "role": "developer", "active": true, "budget": 100,
        }],
    )
    .await;
    put(
        "instance.config",
        vec![
            doc! { "id": "InstanceConfig", "instanceId": instance, "name": "Northern Registry",
            "url": "https://north.example.org", "description": "d", "version": "3.0.1" },
            doc! { "id": "DiscoveryConfig", "defaultBudget": 50 },
            doc! { "id": "FederationConfig", "anonymousAccess": false, "autoUserRegistration": false },
        ],
    )
    .await;
    put("sources", vec![doc! {
        "_id": ObjectId::new(), "sourceId": SOURCE, "sourceName": "north", "displayName": "North",
        "sourceDescription": "Those we see", "owner": "Ada", "ownerEmail": "ada@example.org", "online": true,
        "sourceType": "internal", "theirs": { "batch": 7 },
    }])
    .await;
    put(&format!("sources.{SOURCE}"), (0..300).map(subject).collect()).await;
    put(
        "network.networks",
        vec![doc! {
            "_id": ObjectId::new(), "networkId": NETWORK, "networkName": "Rare", "description": "d",
            "instanceId": instance, "visible": true, "nodeIds": [instance],
        }],
    )
    .await;
    put("network.groups", vec![doc! {
        "_id": ObjectId::new(), "groupId": GROUP, "groupName": "Clinicians", "groupDescription": "d",
        "networkId": NETWORK, "discoveryPolicy": "list", "assignedUsers": [user], "assignedSources": [SOURCE],
    }])
    .await;
}

/// Who is at Keycloak already, with [`PASSWORD`]: the id.
async fn somebody(provider: &Provider, name: &str) -> String {
    let account = json!({
        "username": name, "email": format!("{name}@example.org"), "enabled": true, "emailVerified": true,
        "firstName": "Ada", "lastName": "Example",
        "credentials": [{"type": "password", "value": PASSWORD, "temporary": false}],
    });
    let made = provider.server().admin(Method::POST, "/users", Some(&account)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    provider.server().user(name).await.unwrap()
}

async fn sign_in(house: &House, name: &str) -> Client {
    let code = house.code(name, PASSWORD).await.unwrap();
    let base = house.installation.base();
    Client::of(format!("{base}/api"), format!("{base}/query"), &house.redeem(&code).await.ok()).await
}

async fn started(house: &House, vault: &Value) -> Node {
    let launch = house.installation.serve();
    let launch =
        launch.env("VAULT_ROLE_ID", &text(vault, "RoleID")).env("VAULT_SECRET_ID", &text(vault, "SecretID"));
    let launch = launch.env("KEYCLOAK_CLIENT_SECRET", SECRET);
    launch.env("ADMIN_EMAIL", "head@example.org").env("ADMIN_AFFILIATION", "Hospital").start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_of_the_original_is_taken_over_as_it_is() {
    let (Some(mongodb), Some(redis), Some(vault)) = (found("mongodb"), found("redis"), Vault::find()) else {
        return;
    };
    let Some(provider) = Provider::keycloak() else { return };
    println!("taken over with {provider}");
    let word = |name: &str| redis[name].as_str().unwrap();
    sweep(&format!("redis://{}:{}@{}:{}/0", word("user"), word("password"), word("host"), redis["port"]));
    let (section, house) = (vault.section().await, House::of(&provider).await);
    let database = format!("cv3_test_{}", uuid::Uuid::new_v4().simple());
    house.installation.configure(file(&mongodb, &database, &redis, &provider, &section));
    let client = mongodb::Client::with_uri_str(text(&mongodb, "url")).await.unwrap();
    let held = client.database(&database);
    let name = fresh("ada");
    let id = somebody(&provider, &name).await;
    vault.key(&section, &id).await;
    fill(&held, &id, "1b4e28ba-2fa1-11d2-883f-0016d3cca427").await;
    let theirs: Document = held.collection("sources").find_one(doc! {}).await.unwrap().unwrap();

    let node = started(&house, &section).await;
    let ada = sign_in(&house, &name).await;
    assert_eq!(ada.user_id, id);
    let own = ada.get("/auth/user-info").await.ok();
    assert_eq!((&own["role"], &own["budget"]), (&"developer".into(), &100.into()), "{own}");
    let config = ada.get("/config/global").await.ok();
    assert_eq!(config["instanceSettings"]["name"], "Northern Registry", "{config}");
    assert_eq!(config["discoverySettings"]["defaultBudget"], 50, "{config}");
    let sources = ada.get("/sources/").await.ok();
    let kept = sources.as_array().unwrap().iter().find(|source| source["sourceId"] == SOURCE).unwrap();
    assert_eq!((&kept["displayName"], &kept["online"]), (&"North".into(), &true.into()), "{kept}");
    assert_eq!(ada.get("/groups/").await.ok().as_array().unwrap().len(), 1);

    // Nothing has been ingested by us: what the original left is found. Before it is indexed nobody is told of nobody.
    let early = steps::ask_one(&ada, SOURCE, &json!({"hpo": [{"terms": ["HP:0001250"]}]})).await;
    assert!(early["state"] != "ok" || !steps::ids(&early).is_empty(), "{early}");
    steps::indexed(&ada, SOURCE, 300).await;
    let answer = steps::ask_one(&ada, SOURCE, &json!({"hpo": [{"terms": ["HP:0001250"]}]})).await;
    let expected: Vec<String> = (0..300).filter(|n| n % 3 == 0).map(|n| format!("P{n:03}")).collect();
    assert_eq!(steps::ids(&answer), expected);
    let by_age = json!({"hpo": [{"terms": ["HP:0001250"]}], "subject": {"age": {"min": 0, "max": 9}, "gender": "male"}});
    let few = steps::ids(&steps::ask_one(&ada, SOURCE, &by_age).await);
    let expected = (0..300).filter(|n| n % 6 == 0 && n % 90 <= 9).map(|n| format!("P{n:03}"));
    assert_eq!(few, expected.collect::<Vec<_>>());

    let renamed = ada
        .api(Method::PATCH, &format!("/sources/{SOURCE}"))
        .await
        .json(&json!({"displayName": "Far North"}));
    assert!(renamed.send().await.unwrap().status().is_success());
    node.stop().await;
    let ours: Document = held.collection("sources").find_one(doc! {}).await.unwrap().unwrap();
    for field in ["_id", "sourceId", "sourceName", "theirs", "owner"] {
        assert_eq!(ours.get(field), theirs.get(field), "{field}");
    }
    assert_eq!(ours.get_str("displayName").unwrap(), "Far North");
    let subjects = held.collection::<Document>(&format!("sources.{SOURCE}"));
    assert_eq!(subjects.count_documents(doc! { "imported": { "$type": "date" } }).await.unwrap(), 300);

    // A second start finds nothing to do, and everything in its place.
    let node = started(&house, &section).await;
    let again = sign_in(&house, &name).await;
    let local = again.get("/users/local").await.ok();
    assert!(local.as_array().unwrap().iter().any(|user| user["userId"] == id), "{local}");
    let found = steps::ask_one(&again, SOURCE, &json!({"ordo": [{"terms": ["ORPHA:558"]}]})).await;
    assert_eq!(steps::ids(&found).len(), 300);
    node.stop().await;
    held.drop().await.unwrap();
}
