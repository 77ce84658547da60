//! Sources, groups, pipelines and settings: made, read, changed, refused, removed (specification §2.4, §6.2).

use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Caller, NOTHING, change_with, filled, patch};
use crate::support::{Client, Installation, eventually, steps};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_live_from_creation_to_removal() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let caller = Caller::of(&node);
    success_has_two_forms(&caller, &ada).await;
    let source = sources(&ada).await;
    groups(&ada, &source).await;
    pipelines(&ada).await;
    settings(&ada).await;
    display_names(&ada).await;
    node.stop().await;
}

fn a_source(name: &str) -> Value {
    json!({"sourceName": name, "displayName": "A source", "owner": "Example Hospital", "sourceType": "internal"})
}

/// `Success` as the contract has it, JSON with the id for who prefers it, and always where the new one is.
async fn success_has_two_forms(caller: &Caller, ada: &Client) {
    let token = ada.token().await;
    let make = async |name: &str, accept: Option<&str>| -> Answer {
        let mut request = caller.request("POST", "/api/sources/", Some(&token)).json(&a_source(name));
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        let answer = caller.send(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    };
    for (at, accept) in [None, Some("*/*"), Some("text/html,application/json;q=0.9")].into_iter().enumerate()
    {
        let answer = make(&format!("text-{at}"), accept).await;
        assert_eq!(answer.body, "Success", "{accept:?}");
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{answer:?}");
        let found =
            caller.send(caller.http.get(answer.header("location").unwrap()).bearer_auth(&token)).await;
        assert_eq!(found.json()["sourceName"], format!("text-{at}"));
    }
    let answer = make("json", Some("application/json, text/plain, */*")).await;
    assert!(answer.header("content-type").unwrap().starts_with("application/json"), "{answer:?}");
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.json(), json!({"status": "Success", "id": id}));
    assert!(answer.header("location").unwrap().ends_with(&format!("/api/sources/{id}")), "{answer:?}");
    // A change makes nothing new.
    let changed = caller.with_body("PATCH", &format!("/api/sources/{id}"), Some(&token), &json!({})).await;
    assert_eq!((&*changed.body, changed.header("location")), ("Success", None));
}

async fn sources(ada: &Client) -> String {
    let mut body = a_source("life");
    // Ids, indices and fields nobody knows are not the client's to set.
    body["sourceId"] = NOTHING.into();
    body["recordIndex"] = json!({"recordCount": 7});
    body["withheld"] = json!(["x"]);
    body["surprise"] = 1.into();
    let id = steps::create(ada, "/sources/", &body).await;
    assert_ne!(id, NOTHING);
    let path = format!("/sources/{id}");
    let made = ada.get(&path).await.ok();
    assert_eq!((&made["sourceId"], &made["displayName"]), (&json!(id), &json!("A source")));
    assert_eq!((&made["recordIndex"]["recordCount"], made.get("surprise")), (&json!(0), None));

    let clash = ada.post("/sources/", &a_source("life")).await;
    assert_eq!(clash.status, 409, "{}", clash.body);
    for bad in [
        json!({"sourceName": "with space"}),
        json!({"sourceName": ""}),
        json!({"sourceName": "x".repeat(65)}),
        json!({"sourceType": "martian"}),
        json!({"sourceType": "beacon"}),
        json!({"sourceName": 7}),
    ] {
        let mut body = a_source("bad");
        body.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        let refused = ada.post("/sources/", &body).await;
        assert_eq!(refused.status, 400, "{bad}: {}", refused.body);
    }
    assert_eq!(ada.post("/sources/", &json!([])).await.status, 400);

    // A change is a merge: absent stays, null removes, what cannot be changed is ignored.
    patch(
        ada,
        &path,
        &json!({"displayName": "Renamed", "sourceId": NOTHING, "sourceUrl": "https://x.example"}),
    )
    .await;
    let changed = ada.get(&path).await.ok();
    assert_eq!((&changed["displayName"], &changed["owner"]), (&json!("Renamed"), &json!("Example Hospital")));
    assert_eq!((&changed["sourceId"], &changed["sourceUrl"]), (&json!(id), &json!("https://x.example")));
    patch(ada, &path, &json!({"sourceUrl": null})).await;
    assert_eq!(ada.get(&path).await.ok().get("sourceUrl"), None);
    assert_eq!(change_with(ada, Method::PATCH, &path, &json!({"sourceName": "a b"})).await.status, 400);
    id
}

async fn groups(ada: &Client, source: &str) {
    let network = ada.get("/networks/").await.ok()[0]["networkId"].clone();
    let whole = json!({
        "groupId": NOTHING, "groupName": "Researchers", "groupDescription": "of one clinic", "networkId": network,
        "discoveryPolicy": "count", "assignedUsers": [ada.user_id, ada.user_id], "assignedSources": [source, source],
    });
    for (field, bad) in [
        ("groupName", json!(" ")),
        ("groupName", json!(null)),
        ("networkId", json!(NOTHING)),
        ("networkId", json!("")),
        ("discoveryPolicy", json!("everything")),
        ("assignedUsers", json!([NOTHING])),
        ("assignedUsers", json!("all")),
        ("assignedSources", json!([source, NOTHING])),
        ("minimumCount", json!(-1)),
    ] {
        let mut body = whole.clone();
        body[field] = bad.clone();
        let refused = ada.post("/groups/", &body).await;
        assert_eq!(refused.status, 400, "{field} {bad}: {}", refused.body);
        assert!(refused.json()["error"].is_string(), "{}", refused.body);
    }
    assert_eq!(ada.get("/groups/").await.ok(), json!([]), "what was refused left nothing behind");

    let id = steps::create(ada, "/groups/", &whole).await;
    let path = format!("/groups/{id}");
    let made = ada.get(&path).await.ok();
    assert_eq!((&made["assignedUsers"], &made["assignedSources"]), (&json!([ada.user_id]), &json!([source])));
    assert_eq!(made["groupId"], json!(id));
    patch(ada, &path, &json!({"discoveryPolicy": "noAccess", "groupId": NOTHING})).await;
    patch(ada, &path, &json!({"groupDescription": null})).await;
    let changed = ada.get(&path).await.ok();
    assert_eq!((&changed["groupId"], &changed["discoveryPolicy"]), (&json!(id), &json!("noAccess")));
    assert_eq!((&changed["groupName"], &changed["groupDescription"]), (&json!("Researchers"), &json!("")));
    let refused = change_with(ada, Method::PATCH, &path, &json!({"assignedSources": [NOTHING]})).await;
    assert_eq!(refused.status, 400, "{}", refused.body);

    // A source that goes leaves the groups it was in.
    let gone = change_with(ada, Method::DELETE, &format!("/sources/{source}"), &json!({})).await;
    assert_eq!(gone.status, 200);
    assert_eq!(ada.get(&format!("/sources/{source}")).await.status, 404);
    assert_eq!(ada.get(&path).await.ok()["assignedSources"], json!([]));
    assert_eq!(change_with(ada, Method::DELETE, &path, &json!({})).await.status, 200);
    assert_eq!(ada.get(&path).await.status, 404);
}

async fn pipelines(ada: &Client) {
    let remap = |pattern: &str| {
        json!({
            "pipelineName": "terms", "pipelineType": "remapPipeline", "directives": [{
                "directiveType": "termSet", "origin": "phenotype", "destination": "hpo",
                "patternSets": [{"patternSetType": "basic", "pattern": pattern, "replacement": "\\1"}]}],
        })
    };
    for bad in [json!([]), json!({}), json!({"pipelineName": "x", "pipelineType": "both"}), remap("(HP")] {
        let refused = ada.post("/pipelines/", &bad).await;
        assert_eq!(refused.status, 400, "{bad}: {}", refused.body);
    }
    let id = steps::create(ada, "/pipelines/", &remap("^HP:(\\d{7})$")).await;
    let path = format!("/pipelines/{id}");
    let made = ada.get(&path).await.ok();
    assert_eq!((&made["pipelineId"], &made["pipelineType"]), (&json!(id), &json!("remapPipeline")));
    patch(ada, &path, &json!({"pipelineName": "other", "pipelineId": NOTHING})).await;
    let changed = ada.get(&path).await.ok();
    assert_eq!((&changed["pipelineName"], &changed["pipelineId"]), (&json!("other"), &json!(id)));
    assert_eq!(changed["directives"], made["directives"]);
    assert_eq!(change_with(ada, Method::PATCH, &path, &json!({"directives": 7})).await.status, 400);
    assert_eq!(change_with(ada, Method::DELETE, &path, &json!({})).await.status, 200);
    assert_eq!(ada.get(&path).await.status, 404);
}

async fn settings(ada: &Client) {
    let before = ada.get("/config/global").await.ok();
    for bad in [
        json!([]),
        json!({"discoverySettings": {"defaultBudget": 101}}),
        json!({"federationSettings": {"defaultTTL": 0}}),
        json!({"federationSettings": {"anonymousAccess": "yes"}}),
        // One bad section spoils the whole change.
        json!({"ownershipSettings": {"name": "X"}, "discoverySettings": {"defaultBudget": -1}}),
    ] {
        let refused = ada.post("/config/global", &bad).await;
        assert_eq!(refused.status, 400, "{bad}: {}", refused.body);
    }
    assert_eq!(ada.get("/config/global").await.ok(), before);
    let change = json!({
        "ownershipSettings": {"name": "Example University", "email": "cv@example.org"},
        "instanceSettings": {"version": "9.9.9"}, "nexusEnabled": true,
    });
    ada.post("/config/global", &change).await.ok();
    let mut expected = before;
    expected["ownershipSettings"]["name"] = "Example University".into();
    expected["ownershipSettings"]["email"] = "cv@example.org".into();
    assert_eq!(ada.get("/config/global").await.ok(), expected, "version and nexusEnabled are read-only");
    assert_eq!(ada.get("/").await.ok()["owner"], "Example University");

    let own = json!({"colorSetting": {"seedColor": "336699", "themeMode": 1}, "capability": {"hpo": true}});
    assert_eq!(ada.get("/config/user").await.ok(), json!({}));
    ada.post("/config/user", &own).await.ok();
    assert_eq!(ada.get("/config/user").await.ok(), own);
    assert_eq!(ada.post("/config/user", &json!("blue")).await.status, 400);
}

/// Display names are an administrator's and survive a fresh index; names of nothing are ignored (§6.5).
async fn display_names(ada: &Client) {
    let source = filled(ada, "named", 4, 4).await;
    let path = format!("/sources/{source}/eav-index");
    let index = ada.get(&path).await.ok();
    assert_eq!(index["attributes"], json!({"admission-ward": "Admission Ward"}));
    assert_eq!(index["mappings"], json!({"admission-ward": ["ward-a", "ward-b"]}));
    let change = json!({
        "attributes": {"admission-ward": "Where", "nothing": "Nothing"}, "values": {"ward-a": "First ward"},
    });
    patch(ada, &path, &change).await;
    let changed = ada.get(&path).await.ok();
    assert_eq!(changed["attributes"], json!({"admission-ward": "Where"}));
    assert_eq!(
        (&changed["values"]["ward-a"], &changed["values"]["ward-b"]),
        (&json!("First ward"), &json!("Ward B"))
    );

    let indexed = async || ada.get(&format!("/sources/{source}")).await.ok()["indexedAt"].clone();
    let since = indexed().await;
    ada.post(&format!("/sources/{source}/index"), &json!({})).await.ok();
    eventually("a fresh index", async || (indexed().await != since).then_some(())).await;
    assert_eq!(ada.get(&path).await.ok(), changed);

    // Marking an attribute as identifying takes it out of the index, its values too.
    patch(ada, &path, &json!({"identifying": {"admission-ward": true}})).await;
    eventually("the attribute to be withheld", async || {
        (ada.get(&path).await.ok() == json!({"attributes": {}, "values": {}, "mappings": {}})).then_some(())
    })
    .await;
    assert_eq!(
        ada.get(&format!("/sources/{source}")).await.ok()["withheldAttributes"],
        json!(["admission-ward"])
    );
}
