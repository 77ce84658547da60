//! SIGHUP puts the configuration as it is now in force; one that cannot be used changes nothing.

use serde_json::json;

use crate::support::{Installation, eventually};

/// What the node answers a page of the origin about who may read it.
async fn allowed(base: &str, origin: &str) -> Option<String> {
    let request = reqwest::Client::new().get(format!("{base}/api/config/keycloak")).header("Origin", origin);
    let answer = request.send().await.unwrap();
    let allowed = answer.headers().get("Access-Control-Allow-Origin")?;
    Some(allowed.to_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_configuration_takes_effect_without_a_restart_and_a_bad_one_changes_nothing() {
    const ORIGIN: &str = "https://front.example.org";
    let installation = Installation::new();
    installation.configure(json!({"CORS": {"AllowOrigin": ["https://other.example.org"]}}));
    let node = installation.serve().start().await;
    let base = installation.base();
    assert_eq!(allowed(&base, ORIGIN).await, None);

    installation.configure(json!({"CORS": {"AllowOrigin": [ORIGIN]}}));
    node.hang_up();
    eventually("the new origin to be allowed", || async { allowed(&base, ORIGIN).await }).await;

    installation.misconfigure("{\"CORS\": ");
    node.hang_up();
    eventually("the complaint", || async { node.log().contains("the old values stay").then_some(()) }).await;
    assert_eq!(allowed(&base, ORIGIN).await.as_deref(), Some(ORIGIN));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_level_of_the_log_is_taken_up_and_settings_that_cannot_be_are_named() {
    let installation = Installation::new();
    installation.configure(json!({"Logging": {"Level": "WARNING"}, "Data": {"ChunkSize": 5}}));
    let node = installation.serve().start().await;
    let base = installation.base();
    let ask = || async { reqwest::get(format!("{base}/api/config/keycloak")).await.unwrap() };
    ask().await;
    assert!(!node.log().contains("answered"), "{}", node.log());
    assert!(node.log().contains("Data.ChunkSize has no effect in this release"), "{}", node.log());

    let proxies = json!(["10.0.0.0/8"]);
    installation.configure(json!({"Logging": {"Level": "INFO"}, "Appliance": {"TrustedProxies": proxies}}));
    node.hang_up();
    eventually("requests in the log", || async {
        ask().await;
        node.log().contains("answered").then_some(())
    })
    .await;
    let later = node.log();
    assert!(later.contains("takes effect at the next start") && later.contains("Appliance.TrustedProxies"));
    node.stop().await;
}
