//! Services in processes of their own share one data folder and work as one installation.

use serde_json::json;

use crate::oracle::made_packets;
use crate::support::{Client, Installation, steps};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_are_one_installation() {
    let installation = Installation::new();
    // What a process is follows from the name it is called with; several services together have the front door.
    let workers = installation.serve().services("database-manager,query-compiler,scheduler").start().await;
    let admin = installation.called("cv3-backend-admin").start().await;
    let query = installation.called("cv3-backend-query").start().await;
    let names = |addresses: &std::collections::BTreeMap<String, String>| {
        addresses.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&workers.addresses), ["front"]);
    assert_eq!(names(&admin.addresses), ["admin"]);
    assert_eq!(names(&query.addresses), ["query"]);

    let base = |address: &String| format!("http://{address}");
    let (api, asked) = (base(&admin.addresses["admin"]), base(&query.addresses["query"]));
    let client = Client::sign_in(&installation.base(), api, asked, "ada").await;
    let packets = made_packets(120);
    let bytes: Vec<u8> = packets.iter().flat_map(|(_, packet)| format!("{packet}\n").into_bytes()).collect();
    let source = steps::source(&client, "spread over processes").await;
    let pipeline = steps::file_pipeline(&client, "").await;
    let file = steps::upload_in(&client, &source, "packets.jsonl", &bytes, &[2, 1, 2, 3]).await;
    steps::read_in(&client, &source, &pipeline, &[file]).await;
    steps::indexed(&client, &source, packets.len()).await;
    steps::grant(&client, "list", &[&client.user_id], &[&source]).await;

    let answer = steps::ask_one(&client, &source, &json!({"hpo": [{"terms": ["HP:0001250"]}]})).await;
    let mut expected: Vec<&str> = Vec::new();
    for (_, packet) in &packets {
        let features = packet["phenotypicFeatures"].as_array().unwrap();
        if features.iter().any(|f| f["type"]["id"] == "HP:0001250" && f["excluded"] != true) {
            expected.push(packet["id"].as_str().unwrap());
        }
    }
    assert!(!expected.is_empty());
    assert_eq!(steps::ids(&answer), expected);

    // A token of the operator's tool is good for every process too.
    let token = installation.tool(&["token", "--user", "ada"], "");
    let url = format!("http://{}/sources/", query.addresses["query"]);
    let listed = client.http.get(url).bearer_auth(token.trim()).send().await.unwrap();
    assert_eq!(listed.status(), 200);

    // Each stops alone and in order, the others go on.
    query.stop().await;
    assert!(client.get("/sources/").await.status.is_success());
    admin.stop().await;
    workers.stop().await;
}
