//! Descriptions of data: uploaded, changed, listed in the index, found, removed (specification §10).

use reqwest::Method;
use serde_json::{Value, json};

use super::{Caller, NOTHING, anonymous_access, change_with, patch};
use crate::support::client::Reply;
use crate::support::{Client, Installation, eventually, shared, steps};

const COHORT: &str = "2b0f0b0e-6f5e-4f4c-8f2e-0c9a3a1b7d01";
const DATASET: &str = "2b0f0b0e-6f5e-4f4c-8f2e-0c9a3a1b7d02";
const COLLECTION: &str = "2b0f0b0e-6f5e-4f4c-8f2e-0c9a3a1b7d03";

/// One of each type, made for this test.
fn examples() -> Value {
    serde_json::from_str(include_str!("metasources.json")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn meta_sources_live_from_upload_to_removal() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let caller = Caller::of(&node);
    let network = ada.get("/networks/").await.ok()[0].clone();
    assert_eq!(ada.get("/meta/index").await.ok()["availableTypes"], json!([]));

    refused_as_a_whole(&ada).await;
    ada.post("/meta/sources/upload", &examples()).await.ok();
    let listed = ada.get("/meta/sources").await.ok();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["sourceName"].as_str()).collect();
    assert!(names.len() == 8 && names.is_sorted(), "{names:?}");
    indices(&ada, &network).await;
    found(&ada, &network).await;
    strangers(&caller, &ada).await;
    duplicates(&ada).await;
    one_by_one(&ada).await;
    connected(&ada).await;
    node.stop().await;
}

/// One bad entry keeps all others out, and each problem says where it is.
async fn refused_as_a_whole(ada: &Client) {
    let mut entries = examples();
    entries[0]["cohortDetails"]["country"] = "Greece".into();
    entries[3]["datasetIds"] = json!([DATASET, NOTHING]);
    entries[5] = json!(7);
    entries[6]["publisher"].as_object_mut().unwrap().remove("name");
    let refused = ada.post("/meta/sources/upload", &entries).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    let body = refused.json();
    let at: Vec<_> = body["errors"].as_array().unwrap().iter().map(|e| (&e["index"], &e["path"])).collect();
    let expected = [(0, "cohortDetails.country"), (3, "datasetIds[1]"), (5, ""), (6, "publisher.name")]
        .map(|(index, path)| (json!(index), json!(path)));
    assert_eq!(at, expected.iter().map(|(index, path)| (index, path)).collect::<Vec<_>>());
    assert!(body["errors"].as_array().unwrap().iter().all(|e| e["reason"].is_string()), "{body}");
    assert!(body["error"].as_str().unwrap().contains("nothing was stored"), "{body}");
    assert_eq!(ada.get("/meta/sources").await.ok(), json!([]));
    let many = Value::from(vec![entries[7].clone(); 1_001]);
    assert_eq!(ada.post("/meta/sources/upload", &many).await.status, 400);
    assert_eq!(ada.post("/meta/sources/upload", &entries[7]).await.status, 400, "not a list");
}

async fn indices(ada: &Client, network: &Value) {
    let index = ada.get("/meta/index").await.ok();
    assert_eq!(index["availableTypes"].as_array().unwrap().len(), 8, "{index}");
    assert_eq!(index["customFields"], json!({"Consortium": ["Walkers"], "Sites": ["North", "South"]}));
    assert_eq!(
        index["cohort"],
        json!({"availableTypes": ["multiSite"], "availableCountries": ["GB"], "diseases": ["controlGroup", "pd"],
            "bioSamples": ["csf", "dna"], "images": ["datScan", "mri"], "cognitiveData": ["longitudinal"]})
    );
    assert_eq!(index["dataset"]["availableCountries"], json!(["FR", "GR"]));
    assert_eq!(index["dataCollection"]["keywords"], json!(["archive"]));
    let path = format!("/networks/{}", network["networkId"].as_str().unwrap());
    assert_eq!(ada.get(&path).await.ok()["metaIndex"], index);
    assert_eq!(ada.get(&format!("{path}/nodes")).await.ok()[0]["metaIndex"], index);
    for request in [
        ada.api(Method::GET, &format!("{path}/meta-index")).await,
        ada.query(Method::GET, &format!("{path}/meta-index")).await,
        ada.query(Method::GET, "/meta/index").await,
    ] {
        assert_eq!(Reply::of(request).await.ok(), index);
    }
    assert_eq!(ada.post("/meta/sources/index", &json!({})).await.status, 200);
    assert_eq!(ada.get("/meta/index").await.ok(), index);
}

async fn ask(ada: &Client, query: &Value) -> Value {
    Reply::of(ada.query(Method::POST, "/meta/query").await.json(query)).await.ok()
}

async fn found(ada: &Client, network: &Value) {
    for (query, expected) in [
        (json!({"types": ["all"], "text": "walking"}), 8),
        (json!({"types": ["bioBank", "registry"]}), 2),
        (json!({"text": "gait leicester"}), 1),
        (json!({"cohort": {"diseases": ["pd"]}, "dataset": {"diseases": ["pd"]}}), 2),
        (json!({"minSubjects": 300, "age": {}}), 2),
        (json!({"age": {"min": 35, "max": 45}}), 1),
        (json!({"customFields": {"Sites": ["South"]}}), 1),
        (json!({"dataset": {"availableCountries": ["EL"]}}), 1),
        (json!({"types": ["cohort"], "publisherTypes": ["agency"]}), 0),
    ] {
        let answer = ask(ada, &query).await;
        assert_eq!(answer.as_array().unwrap().len(), expected, "{query}: {answer}");
        assert!(
            answer.as_array().unwrap().iter().all(|one| one["nodeId"] == network["instanceId"]),
            "{answer}"
        );
    }
    let refused =
        Reply::of(ada.query(Method::POST, "/meta/query").await.json(&json!({"types": ["x"]}))).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    let elsewhere =
        ada.query(Method::POST, "/meta/query").await.header("network-id", NOTHING).json(&json!({}));
    assert_eq!(Reply::of(elsewhere).await.status, 404);
}

/// The switch opens descriptions to who has no account, and no group is needed to read them.
async fn strangers(caller: &Caller, ada: &Client) {
    let ask = async || caller.with_body("POST", "/query/meta/query", None, &json!({})).await;
    ask().await.refused(401, "switched off");
    anonymous_access(ada, true).await;
    assert_eq!(ask().await.json().as_array().unwrap().len(), 8);
    assert_eq!(caller.get("/query/meta/index", None).await.json(), ada.get("/meta/index").await.ok());
    caller.get("/api/meta/index", None).await.refused(401, "of the admin API");
    caller.get("/api/meta/sources", None).await.refused(401, "of the admin API");
    anonymous_access(ada, false).await;
    ask().await.refused(401, "switched off again");
}

async fn duplicates(ada: &Client) {
    let mut entries = examples();
    let again = ada.post("/meta/sources/upload", &entries).await;
    assert_eq!(again.status, 409, "{}", again.body);
    let body = again.json();
    let named: Vec<_> = body["errors"].as_array().unwrap().iter().map(|e| e["index"].clone()).collect();
    assert_eq!(named, [0, 1, 2, 3].map(Value::from));
    assert!(body["error"].as_str().unwrap().contains(COHORT), "{body}");
    // The same id twice in one upload.
    for entry in [0, 1] {
        entries[entry]["sourceId"] = "2b0f0b0e-6f5e-4f4c-8f2e-0c9a3a1b7d09".into();
    }
    let twins = json!([entries[0], entries[1]]);
    assert_eq!(ada.post("/meta/sources/upload", &twins).await.status, 409);
    assert_eq!(ada.post("/meta/sources", &examples()[1]).await.status, 409);
    assert_eq!(ada.get("/meta/sources").await.ok().as_array().unwrap().len(), 8);
}

async fn one_by_one(ada: &Client) {
    let mut body = examples()[7].clone();
    body["surprise"] = 1.into();
    let id = steps::create(ada, "/meta/sources", &body).await;
    let path = format!("/meta/sources/{id}");
    let made = ada.get(&path).await.ok();
    assert_eq!((&made["sourceId"], &made["language"], made.get("surprise")), (&json!(id), &json!(""), None));
    patch(ada, &path, &json!({"language": "uk", "sourceId": NOTHING, "customFields": {"New": "value"}}))
        .await;
    let changed = ada.get(&path).await.ok();
    assert_eq!((&changed["sourceId"], &changed["language"]), (&json!(id), &json!("uk")));
    assert_eq!(ada.get("/meta/index").await.ok()["customFields"]["New"], json!(["value"]));
    for bad in [json!({"language": "english"}), json!({"publisher": null}), json!([])] {
        assert_eq!(change_with(ada, Method::PATCH, &path, &bad).await.status, 400, "{bad}");
    }
    assert_eq!(change_with(ada, Method::DELETE, &path, &json!({})).await.status, 200);
    assert_eq!(ada.get(&path).await.status, 404);
    assert_eq!(ada.get("/meta/index").await.ok()["customFields"].get("New"), None);

    // Who names a dataset that goes no longer does.
    let path = format!("/meta/sources/{COHORT}");
    let refused = change_with(ada, Method::PATCH, &path, &json!({"datasetIds": [NOTHING]})).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(ada.get(&path).await.ok()["datasetIds"], json!([DATASET]));
    change_with(ada, Method::DELETE, &format!("/meta/sources/{DATASET}"), &json!({})).await.ok();
    assert_eq!(ada.get(&path).await.ok().get("datasetIds"), None);
    assert_eq!(ada.get("/meta/index").await.ok().get("dataset"), None);
}

/// A source that goes is no longer said to hold the data.
async fn connected(ada: &Client) {
    let source = steps::source(ada, "described").await;
    let path = format!("/meta/sources/{COLLECTION}");
    assert_eq!(ada.get(&path).await.ok()["connectionId"], "6c3968af-3d29-4f81-8747-b2337c1cc01b");
    patch(ada, &path, &json!({"dataCollectionDetails": {"connectionId": source}})).await;
    assert_eq!(ada.get(&path).await.ok()["connectionId"], json!(source));
    change_with(ada, Method::DELETE, &format!("/sources/{source}"), &json!({})).await.ok();
    eventually("the connection to be cut", || async {
        (ada.get(&path).await.ok()["connectionId"] == "").then_some(())
    })
    .await;
}

/// Uploads that operators of the original have; two of them describe the same dataset under one id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_real_upload_is_taken() {
    let Some(folder) = shared::folder("contract/meta-sources", "the made examples of all types") else {
        return;
    };
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    let samples: Vec<Value> =
        files.iter().map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect();
    assert!(samples.len() >= 8, "{files:?}");

    let installation = Installation::new();
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    // Once all together where ids allow it, then each by itself, after those it names.
    let mut ids = std::collections::BTreeSet::new();
    let together: Vec<&Value> = samples
        .iter()
        .filter(|s| s["sourceId"].as_str().is_none_or(|id| ids.insert(id.to_owned())))
        .collect();
    ada.post("/meta/sources/upload", &json!(together)).await.ok();
    let mut taken = together.len();
    for sample in &samples {
        let id = sample["sourceId"].as_str();
        if let Some(id) = id {
            change_with(&ada, Method::DELETE, &format!("/meta/sources/{id}"), &json!({})).await.ok();
            taken -= 1;
        }
        let named: Vec<String> =
            sample["datasetIds"].as_array().into_iter().flatten().map(|id| id.to_string()).collect();
        let there = ada.get("/meta/sources").await.ok().to_string();
        assert!(named.iter().all(|id| there.contains(id.as_str())), "{sample}");
        let reply = ada.post("/meta/sources/upload", &json!([sample])).await;
        assert_eq!(reply.status, 200, "{sample}: {}", reply.body);
        taken += 1;
        if let Some(id) = id {
            kept(sample, &ada.get(&format!("/meta/sources/{id}")).await.ok());
        }
    }
    assert_eq!(ada.get("/meta/sources").await.ok().as_array().unwrap().len(), taken);
    println!("{} real uploads taken, {taken} meta sources there", samples.len());
    node.stop().await;
}

/// Everything of a sample is there, under the published names and codes.
fn kept(sample: &Value, made: &Value) {
    for (field, value) in sample.as_object().unwrap() {
        let name = if field == "collectedTypes" { "cohortCollectedTypes" } else { field };
        if name == "sourceType" {
            continue;
        }
        let expected: Value = serde_json::from_str(&value.to_string().replace("\"UK\"", "\"GB\"")).unwrap();
        assert_eq!(made[name], expected, "{field} of {sample}");
    }
}
