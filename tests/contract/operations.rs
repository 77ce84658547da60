//! Operations by path and method: what is served is spelled as published, or is a known addition.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::published::Published;
use crate::support::Installation;

/// Served beside the published operations (specification §7.1, §8.7, §10.5, §11.1 and design: resumable uploads,
/// event streams, meta queries, Beacon paths without an operation).
const ADDITIONS: [&str; 10] = [
    "admin get /datafiles/{datafile_id}",
    "admin get /datafiles/{datafile_id}/rejects",
    "admin get /sources/{source_id}/upload",
    "query get /",
    "query get /beacon/{beacon_path}/entry_types",
    "query get /beacon/{beacon_path}/map",
    "query get /meta/index",
    "query get /record/history/{query_id}/subjects",
    "query get /record/{query_id}/events",
    "query post /meta/query",
];

/// Published for the query API only because path files are shared; never served there (specification §5.6).
pub const SHARED_FILES: [&str; 6] = [
    "query post /config/global",
    "query post /config/cleanup",
    "query post /networks/",
    "query patch /networks/{network_id}",
    "query delete /networks/{network_id}",
    "query post /sources/",
];

fn operations(service: &str, document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            let methods =
                methods.filter(|name| ["get", "post", "put", "patch", "delete"].contains(&name.as_str()));
            methods.map(move |method| format!("{service} {method} {path}"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_served_is_spelled_as_published() {
    let (Some(admin), Some(query)) = (Published::open("admin.json"), Published::open("query.json")) else {
        return;
    };
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let (mut published, mut served) = (BTreeSet::new(), BTreeSet::new());
    for (service, document) in [("admin", &admin.0), ("query", &query.0)] {
        published.extend(operations(service, document));
        let url = format!("{}/docs/{service}.json", installation.base());
        let own: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        served.extend(operations(service, &own));
    }
    let added: Vec<&String> = served.difference(&published).collect();
    assert_eq!(added, ADDITIONS, "served but not published");
    for shared in SHARED_FILES {
        assert!(published.contains(shared) && !served.contains(shared), "{shared}");
    }
    let missing = published.difference(&served).filter(|line| !SHARED_FILES.contains(&line.as_str()));
    let missing: Vec<&String> = missing.collect();
    println!("published operations served: {}", published.intersection(&served).count());
    assert_eq!(missing, [""; 0], "published and not served");
    node.stop().await;
}
