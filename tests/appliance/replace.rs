//! Replacing what a source holds: with all of the files, or not at all.

use reqwest::Method;
use serde_json::json;

use crate::support::{Installation, steps};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_unreadable_file_leaves_a_source_as_it_was() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let source = steps::source(&ada, "replaced").await;
    steps::grant(&ada, "count", &[&ada.user_id], &[&source]).await;
    let pipeline = steps::file_pipeline(&ada, "").await;
    let packet = |id: &str| json!({"id": id, "subject": {"id": id}}).to_string().into_bytes();
    let first = steps::upload(&ada, &source, "first.json", packet("first")).await;
    let second = steps::upload(&ada, &source, "second.json", packet("second")).await;
    steps::read_in(&ada, &source, &pipeline, &[first, second]).await;
    steps::indexed(&ada, &source, 2).await;

    let good = steps::upload(&ada, &source, "good.json", packet("good")).await;
    let bad = steps::upload(&ada, &source, "bad.json", b"{\"id\": \"cut".to_vec()).await;
    let ids = [good, bad];
    let body = json!({"pipelineID": pipeline, "dataFileIDs": ids, "mode": "replace"});
    let asked = ada.api(Method::POST, &format!("/source/{source}/ingest")).await.json(&body);
    let answer = asked.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    let files = steps::settled(&ada, &source, &ids).await;
    let error = |name: &str| {
        let file = files.iter().find(|file| file["filename"] == name);
        file.unwrap_or_else(|| panic!("{files:?}"))["error"].as_str().unwrap_or_default().to_owned()
    };
    assert!(error("good.json").contains("nothing was replaced, because bad.json"), "{files:?}");
    let own = error("bad.json");
    assert!(!own.is_empty() && !own.contains("nothing was replaced"), "{own}");
    let held = steps::ask_one(&ada, &source, &json!({"sources": {"sources": [source]}})).await;
    assert_eq!(held["recordCount"], 2, "{held}");
    node.stop().await;
}
