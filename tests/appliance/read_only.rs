//! `Appliance.ReadOnly`: queries are answered, what they are answered from does not change.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Installation, steps};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_installation_answers_and_changes_nothing() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let source = steps::source(&ada, "kept").await;
    steps::grant(&ada, "count", &[&ada.user_id], &[&source]).await;
    let pipeline = steps::file_pipeline(&ada, "").await;
    let packet = json!({"id": "one", "subject": {"id": "one"}}).to_string().into_bytes();
    let file = steps::upload(&ada, &source, "one.json", packet).await;
    steps::read_in(&ada, &source, &pipeline, &[file]).await;
    steps::indexed(&ada, &source, 1).await;
    node.stop().await;

    let node = installation.serve().set("Appliance.ReadOnly", "true").start().await;
    // Signing in works.
    let ada = node.client("ada").await;
    let changes = [
        (Method::POST, "/sources/".to_owned()),
        (Method::PATCH, format!("/sources/{source}")),
        (Method::DELETE, format!("/sources/{source}")),
        (Method::POST, format!("/sources/{source}/index")),
        (Method::POST, format!("/source/{source}/ingest")),
        (Method::POST, "/groups/".to_owned()),
        (Method::POST, "/pipelines/".to_owned()),
        (Method::POST, "/config/global".to_owned()),
        (Method::POST, "/meta/sources/upload".to_owned()),
        (Method::POST, "/users/".to_owned()),
        (Method::POST, "/access-requests/".to_owned()),
    ];
    for (method, path) in changes {
        let answer = ada.api(method.clone(), &path).await.json(&json!({})).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{method} {path}");
        let body: serde_json::Value = answer.json().await.unwrap();
        let error = body["error"].as_str().unwrap();
        assert!(error.contains("read only") && error.contains("Appliance.ReadOnly"), "{error}");
    }
    let asked = ada.query(Method::POST, "/meta/query").await.json(&json!({})).send().await.unwrap();
    assert_eq!(asked.status(), StatusCode::OK);
    let sources = ada.get("/sources/").await.ok();
    assert!(sources.to_string().contains(&source), "{sources}");
    let answer = steps::ask_one(&ada, &source, &json!({"sources": {"sources": [source]}})).await;
    assert_eq!(answer["recordCount"], 1, "{answer}");

    let ready: serde_json::Value =
        reqwest::get(format!("{}/readyz", installation.base())).await.unwrap().json().await.unwrap();
    assert_eq!(ready["readOnly"], true, "{ready}");
    node.stop().await;
}
