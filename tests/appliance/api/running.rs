//! Running an installation: maintenance, clean-up, reports of front ends, numbers (specification §2.4, §6.7, §14.3).

use serde_json::{Value, json};

use super::{Answer, Caller};
use crate::support::{Client, Installation, eventually, steps};

const RUN: &str = "e4619679-f5d9-4eff-9f79-bbded6130bb1";

/// A new secret as the fleet tool would be given it.
pub fn secret(installation: &Installation) -> String {
    let printed = installation.tool(&["rotate-secret", "assistant", "--json"], "");
    let printed: Value = serde_json::from_str(&printed).unwrap();
    printed["assistantSecret"].as_str().unwrap().to_owned()
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_maintenance_every_service_says_so() {
    let installation = Installation::new();
    let secret = secret(&installation);
    let node = installation.serve().start().await;
    let caller = Caller::of(&node);
    let token = node.client("ada").await.token().await;
    let switch = async |bearer: &str, at: Option<String>, body: Value| -> Answer {
        let mut request = caller.request("POST", "/query/config/maintenance", Some(bearer)).json(&body);
        if let Some(at) = at {
            request = request.header("x-timestamp", at);
        }
        caller.send(request).await
    };
    let on = json!({"maintenance": true, "message": "back at 22:00"});
    let at = |seconds: i64| Some((now() + seconds).to_string());
    switch("wrong", at(0), on.clone()).await.refused(401, "another secret");
    switch(&token, at(0), on.clone()).await.refused(403, "a user's token");
    for late in [None, Some("soon".to_owned()), at(-320), at(320)] {
        switch(&secret, late.clone(), on.clone()).await.refused(400, &format!("{late:?}"));
    }
    for bad in
        [json!({}), json!({"maintenance": "yes"}), json!({"maintenance": true, "message": "x".repeat(1_001)})]
    {
        switch(&secret, at(0), bad.clone()).await.refused(400, &bad.to_string());
    }
    assert_eq!(caller.get("/api/sources/", Some(&token)).await.status, 200);

    assert_eq!(switch(&secret, at(-250), on).await.body, "Success");
    for path in
        ["/api/sources/", "/api/config/keycloak", "/query/sources/", "/query/nothing", "/federation/x"]
    {
        let refused = caller.get(path, Some(&token)).await;
        refused.refused(503, path);
        assert_eq!(refused.json(), json!({"error": "back at 22:00", "code": "maintenance"}), "{path}");
    }
    for path in ["/api/", "/query/"] {
        let answer = caller.get(path, None).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("maintenance")), "{path}");
    }
    assert_eq!(caller.get("/healthz", None).await.status, 200);
    assert_eq!(switch(&secret, at(0), json!({"maintenance": false})).await.status, 200);
    assert_eq!(caller.get("/api/sources/", Some(&token)).await.status, 200);

    // By hand, from another process.
    installation.tool(&["maintenance", "on"], "");
    eventually("maintenance", async || {
        (caller.get("/api/sources/", Some(&token)).await.status == 503).then_some(())
    })
    .await;
    installation.tool(&["maintenance", "off"], "");
    eventually("its end", async || {
        (caller.get("/api/sources/", Some(&token)).await.status == 200).then_some(())
    })
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_are_kept_counted_and_never_part_of_our_log() {
    let installation = Installation::new();
    let secret = secret(&installation);
    let node = installation.serve().start().await;
    let caller = Caller::of(&node);
    let ada = node.client("ada").await;
    reports(&caller).await;
    numbers(&caller, &ada, &secret).await;
    assert!(!node.log().contains("forged"), "a stranger's words in our log");
    node.stop().await;
}

async fn reports(caller: &Caller) {
    let report = |error: &str| json!({"error": error, "timestamp": "2026-01-31T12:00:00+01:00", "uuid": RUN});
    let send = async |path: &str, body: Value| caller.with_body("POST", path, None, &body).await;
    for path in ["/api/log/error", "/query/log/error", "/query/log/info"] {
        let answer = send(path, report("it broke\n2026-01-31 ERROR forged")).await;
        assert_eq!((answer.status, &*answer.body), (200, "Success"), "{path}: {answer:?}");
    }
    send("/api/log/error", report("")).await.refused(400, "an empty text");
    send("/api/log/error", report(&"x".repeat(17 << 10))).await.refused(413, "17 KiB");
    for (field, bad) in [("timestamp", "yesterday"), ("uuid", "7\nforged")] {
        let mut body = report("it broke");
        body[field] = bad.into();
        send("/api/log/info", body).await.refused(400, field);
    }
    // The limit is met within a minute's worth of requests.
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(send("/query/log/info", report("again")).await.status);
    }
    assert_eq!(statuses.first(), Some(&200));
    assert!(statuses.contains(&429), "{statuses:?}");
}

async fn numbers(caller: &Caller, ada: &Client, secret: &str) {
    let source = steps::source(ada, "one").await;
    steps::grant(ada, "count", &[&ada.user_id], &[&source]).await;
    steps::ask(ada, &json!({})).await;
    let shown = ada.get("/dashboard/statistics").await.ok();
    for (count, expected) in
        [("source_count", 1), ("user_count", 1), ("network_count", 1), ("request_count", 0)]
    {
        assert_eq!(shown[count], expected, "{count}: {shown}");
    }
    assert_eq!(shown["sources"], json!({source: {"display_name": "one", "record_count": 0}}));
    assert_eq!(
        (&shown["analytics"]["error_count"], &shown["analytics"]["query_count"]),
        (&json!(2), &json!(1))
    );
    assert!(shown["space"]["available"].as_f64().is_some_and(|free| free > 0.0), "{shown}");
    let networks = ada.get("/dashboard/statistics/network").await.ok();
    assert_eq!(
        (&networks[0]["networkName"], &networks[0]["nodeCount"]),
        (&json!("Local"), &json!(1)),
        "{networks}"
    );

    let count = async |days: &str| {
        caller.get(&format!("/api/dashboard/statistics/query-count{days}"), Some(secret)).await
    };
    for (days, length) in [("", 14), ("?days=3", 3), ("?days=0", 1)] {
        let counts = count(days).await.json();
        let counts = counts.as_object().unwrap();
        assert_eq!(counts.len(), length, "{days}: {counts:?}");
        assert_eq!(counts.values().next_back(), Some(&json!(1)), "{counts:?}");
        assert_eq!(counts.values().filter_map(Value::as_u64).sum::<u64>(), 1, "{counts:?}");
    }
    for days in ["?days=-1", "?days=x", "?days=100000"] {
        count(days).await.refused(400, days);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clean_up_removes_what_refers_to_nothing() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let source = steps::source(&ada, "one").await;
    let group = steps::grant(&ada, "count", &[&ada.user_id], &[&source]).await;
    // What no use case leaves behind, but another program may.
    let store = rusqlite::Connection::open(installation.data().join("store.db")).unwrap();
    store.busy_timeout(crate::support::PATIENCE).unwrap();
    let broken = "UPDATE doc_network_groups SET revision = revision + 1, body =
        json_insert(body, '$.assignedUsers[#]', 'nobody', '$.assignedSources[#]', 'nothing')";
    assert_eq!(store.execute(broken, []).unwrap(), 1);
    drop(store);
    assert!(ada.get(&format!("/groups/{group}")).await.body.contains("nobody"));
    ada.post("/config/cleanup", &json!({})).await.ok();
    eventually("the group to be mended", async || {
        let shown = ada.get(&format!("/groups/{group}")).await.ok();
        let mended =
            shown["assignedUsers"] == json!([ada.user_id]) && shown["assignedSources"] == json!([source]);
        mended.then_some(())
    })
    .await;
    node.stop().await;
}
