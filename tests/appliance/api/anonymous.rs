//! Callers without a token: shut out unless the settings let them in, and never told more than a count.

use serde_json::json;

use super::{Caller, anonymous_access, asking, filled};
use crate::support::{Client, Installation, eventually, steps};

/// The user whose groups strangers have (specification §5.5).
const ANONYMOUS: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_let_in_by_the_switch_alone_and_told_a_count_at_most() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let caller = Caller::of(&node);
    let shown = filled(&ada, "shown", 6, 0).await;
    let hidden = steps::source(&ada, "hidden").await;
    steps::grant(&ada, "detailedList", &[ANONYMOUS], &[&shown]).await;

    let refused = async || {
        for path in ["/query/sources/", "/query/networks/", "/query/config/global", "/query/meta/index"] {
            caller.get(path, None).await.refused(401, path);
        }
        caller.with_body("POST", "/query/record/", None, &json!({})).await.refused(401, "asking");
        caller.with_body("POST", "/query/meta/query", None, &json!({})).await.refused(401, "meta query");
    };
    refused().await;
    anonymous_access(&ada, true).await;
    let_in(&caller, &ada, [&shown, &hidden]).await;
    anonymous_access(&ada, false).await;
    refused().await;
    node.stop().await;
}

async fn let_in(caller: &Caller, ada: &Client, [shown, hidden]: [&str; 2]) {
    let sources = caller.get("/query/sources/", None).await.json();
    let ids: Vec<_> = sources.as_array().unwrap().iter().map(|source| &source["sourceId"]).collect();
    assert_eq!(ids, [&json!(shown)], "not {hidden}");
    assert_eq!(caller.get("/query/networks/", None).await.json().as_array().unwrap().len(), 1);
    let settings = caller.get("/query/config/global", None).await.json();
    assert_eq!(settings["federationSettings"], json!({"anonymousAccess": true}));
    assert_eq!(settings.get("beaconSettings"), None);
    // A token that is sent must be good, and nothing else is opened.
    caller.get("/query/sources/", Some("bad")).await.refused(401, "a bad token");
    for path in [
        "/query/record/history",
        "/query/auth/user-info",
        "/api/sources/",
        "/api/config/global",
        "/api/meta/index",
    ] {
        caller.get(path, None).await.refused(401, path);
    }

    let mine = ask(caller, &json!({"subject": {"gender": "any"}})).await;
    caller.get(&format!("/query/record/{mine}"), None).await.refused(401, "the message needs an account");
    for level in [None, Some("detailedList"), Some("boolean")] {
        let query = ask(caller, &asking("HP:0001250", level)).await;
        let path = format!("/query/record/history/{query}");
        let entry = eventually("a stranger's answer", || async {
            let entry = caller.get(&path, None).await.json();
            (entry["status"]["state"] == "complete").then_some(entry)
        })
        .await;
        assert_eq!(entry["query"]["messageAttributes"]["userId"], ANONYMOUS);
        let answer = &entry["responses"][0]["messageData"][0];
        assert_eq!(answer["exist"], true, "{level:?}: {answer}");
        assert_eq!(
            answer.get("recordCount"),
            (level != Some("boolean")).then_some(&json!(6)),
            "{level:?}: {answer}"
        );
        assert_eq!(answer.get("resultDetails"), None, "{level:?}: {answer}");
        // Whoever holds the id may read it, with or without an account (§5.6).
        let token = ada.token().await;
        assert_eq!(caller.get(&path, Some(&token)).await.json()["query"], entry["query"]);
    }
    let accounts = ada.get("/users/local").await.ok();
    let anonymous = accounts.as_array().unwrap().iter().find(|user| user["userId"] == ANONYMOUS).unwrap();
    assert_eq!((&anonymous["internal"], &anonymous["allowLogin"]), (&json!(true), &json!(false)));
}

async fn ask(caller: &Caller, builder: &serde_json::Value) -> String {
    let asked = caller.with_body("POST", "/query/record/", None, builder).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    asked.json()["queryID"].as_str().unwrap().to_owned()
}
