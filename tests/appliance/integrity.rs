//! `check`, `repair` and the accounts' commands: what an operator does when something is wrong and no page can help.

use std::collections::BTreeSet;

use cv3_backend::domain::ids::SourceId;
use cv3_backend::domain::subjects::Subject;
use cv3_backend::secrets::Secrets;
use cv3_backend::secrets::local::{LocalSecrets, MasterKey};
use cv3_backend::store::sqlite::SqliteStore;
use cv3_backend::store::{Change, Documents, Room, Store};
use serde_json::{Value, json};

use crate::support::{Installation, steps};

/// Ids of what the test leaves behind.
const GONE: &str = "7b0c7b38-6e0e-4a0e-9a0a-1d5d1c8f0000";

fn checked(installation: &Installation) -> (bool, BTreeSet<(String, String)>) {
    let (fits, printed) = installation.try_tool(&["check", "--json"]);
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let text = |finding: &Value, field: &str| finding[field].as_str().unwrap().to_owned();
    let findings = printed["findings"].as_array().unwrap();
    (fits, findings.iter().map(|finding| (text(finding, "problem"), text(finding, "id"))).collect())
}

/// Puts a field of a stored document to another value.
async fn spoil(documents: &dyn Documents, room: Room, id: &str, field: &str, value: Value) {
    let mut stored = documents.get(room, id).await.unwrap().unwrap().body;
    stored[field] = value;
    documents.put(room, id, &stored).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_found_named_and_mended() {
    let installation = Installation::new();
    installation.add_user("user", "lost");
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    let lost = node.client("lost").await.user_id;
    let source = steps::source(&ada, "clinic").await;
    let reader = steps::file_pipeline(&ada, "subjectId").await;
    let subjects = json!([{"subjectId": "A", "HPO": ["0001250"]}]).to_string().into_bytes();
    let file = steps::upload(&ada, &source, "subjects.json", subjects).await;
    steps::read_in(&ada, &source, &reader, &[file]).await;
    steps::indexed(&ada, &source, 1).await;
    let group = steps::grant(&ada, "count", &[&ada.user_id], &[&source]).await;
    node.stop().await;
    assert_eq!(
        checked(&installation),
        (true, BTreeSet::new()),
        "an installation that was stopped fits together"
    );

    let store = SqliteStore::open(&installation.data().join("store.db")).unwrap();
    let documents = store.documents();
    assert!(documents.delete(Room::Accounts, &lost).await.unwrap());
    spoil(documents, Room::Groups, &group, "assignedUsers", json!([ada.user_id, GONE])).await;
    let network =
        documents.find(Room::Nodes, &cv3_backend::domain::filter::Filter::all()).await.unwrap().remove(0);
    let mut stray = network.body;
    stray["nodeId"] = GONE.into();
    stray["networkId"] = GONE.into();
    documents.put(Room::Nodes, GONE, &stray).await.unwrap();
    let left = SourceId::parse(GONE).unwrap();
    store.subjects().stage(&left, 1, vec![Change::Upsert(Subject::new("B"))]).await.unwrap();
    let parts = store.subjects().manifest(&SourceId::parse(&*source).unwrap()).await.unwrap().unwrap().parts;
    let blob = &parts[0].blob;
    std::fs::remove_file(found_below(&installation.data().join("blobs"), blob)).unwrap();
    let folder = installation.data().join("secrets");
    let master = MasterKey::Generated { path: folder.join("key") };
    let secrets = LocalSecrets::open(&folder.join("keystore"), master).unwrap();
    secrets.create_key(GONE, 2048).await.unwrap();
    // Secrets of what is gone, and some that nobody here would give such a name.
    let of_beacon = format!("beacon/{GONE}");
    let of_installation = format!("nexus/installations/{}", "0a".repeat(32));
    for name in [&of_beacon, &of_installation, "nexus/credentials/gone", &format!("network/{GONE}")] {
        secrets.put(name, b"{}", None).await.unwrap();
    }
    let others =
        ["beacon/of-somebody-else", "nexus/credentials/a/b", "network/of-somebody-else", "something/else"];
    for name in others {
        secrets.put(name, b"theirs", None).await.unwrap();
    }
    let lost_endpoint = "7b0c7b38-6e0e-4a0e-9a0a-1d5d1c8f0001";
    let endpoint = json!({"endpointId": lost_endpoint, "endpointPath": "lost", "networkId": GONE,
        "beaconAuthMethod": "noAuth", "userMapping": ada.user_id});
    documents.put(Room::Beacon, lost_endpoint, &endpoint).await.unwrap();
    let registered = json!({"networkKey": 7, "networkName": "V2", "networkThreshold": 0, "networkStatus": "online",
        "installations": ["gone"]});
    documents.put(Room::NexusNetworks, "7", &registered).await.unwrap();
    let token = "0c7a9f2be1d64a0f8f5ad3c1b2e4f607";
    let request = json!({"networkKey": 7, "installationKey": "gone", "token": token, "email": "a@example.org",
        "justification": "", "ipAddress": "", "status": "pending"});
    documents.put(Room::NexusRequests, token, &request).await.unwrap();
    let fingerprint = "a664e86b7fc49377";

    let expected: BTreeSet<(String, String)> = [
        ("dataWithoutSource", GONE),
        ("entryWithoutPerson", &*lost),
        ("groupMember", &*group),
        ("indexPartMissing", &*source),
        ("keyWithoutUser", GONE),
        ("nodeWithoutNetwork", GONE),
        ("networkKeyUnused", GONE),
        ("secretUnused", &*of_beacon),
        ("secretUnused", &*of_installation),
        ("secretUnused", "nexus/credentials/gone"),
        ("beaconWithoutNetwork", lost_endpoint),
        ("nexusMember", "7"),
        ("nexusRequest", fingerprint),
    ]
    .map(|(problem, id)| (problem.to_owned(), id.to_owned()))
    .into();
    assert_eq!(checked(&installation), (false, expected.clone()));
    assert_eq!(checked(&installation), (false, expected), "a check changes nothing");
    let (mended, printed, said) = installation.try_tool_with(&["repair"], &[]);
    assert!(mended, "{printed}");
    assert!(said.contains(&of_beacon) && said.contains(lost_endpoint), "what is removed is listed: {said}");
    assert!(!said.contains(token) && !printed.contains(token), "a token is as good as a key");
    for name in others {
        assert!(secrets.get(name).await.unwrap().is_some(), "{name} is not ours");
    }
    for name in [&of_beacon, &of_installation, "nexus/credentials/gone", &format!("network/{GONE}")] {
        assert!(secrets.get(name).await.unwrap().is_none(), "{name} is left");
    }
    let network = documents.get(Room::NexusNetworks, "7").await.unwrap().unwrap();
    assert_eq!(network.body["installations"], json!([]));
    assert!(documents.get(Room::NexusRequests, token).await.unwrap().is_none());
    assert!(documents.get(Room::Beacon, lost_endpoint).await.unwrap().is_none());

    // The index is made anew by a running installation.
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    crate::support::eventually("the index", || async { checked(&installation).0.then_some(()) }).await;
    let groups = ada.get(&format!("/groups/{group}")).await.ok();
    assert_eq!(groups["assignedUsers"], json!([ada.user_id]));
    let asked = installation.tool(&["query", "--hpo", "HP:0001250", "--user", "ada", "--json"], "");
    let entry: Value = serde_json::from_str(&asked).unwrap();
    assert_eq!(entry["responses"][0]["messageData"][0]["recordCount"], 1, "{entry}");
    node.stop().await;
}

/// The file of a name anywhere below a folder.
fn found_below(folder: &std::path::Path, name: &str) -> std::path::PathBuf {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let here = files.into_iter().find(|path| path.to_string_lossy().ends_with(name));
    here.unwrap_or_else(|| {
        let mut below = folders.iter().map(|folder| found_below(folder, name)).filter(|path| path.exists());
        below.next().unwrap_or_default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_managed_without_a_browser() {
    let installation = Installation::new();
    installation.add_user("user", "grace");
    let tool = |words: &[&str]| {
        let words: Vec<&str> = ["user"].iter().chain(words).copied().chain(["--json"]).collect();
        installation.try_tool(&words)
    };
    let grace = || {
        let (_, printed) = tool(&["list"]);
        let all: Value = serde_json::from_str(&printed).unwrap();
        let found = all.as_array().unwrap().iter().find(|user| user["username"] == "grace").cloned();
        found.map(|user| (user["role"].clone(), user["active"].clone(), user["allowLogin"].clone()))
    };
    assert_eq!(grace(), Some((json!("user"), json!(true), json!(true))));
    for (words, expected) in [
        (["role", "grace", "data-admin"].as_slice(), ("dataAdmin", true, true)),
        (&["deactivate", "grace@example.org"], ("dataAdmin", false, true)),
        (&["revoke", "grace"], ("dataAdmin", false, false)),
        (&["permit", "grace"], ("dataAdmin", true, true)),
    ] {
        assert!(tool(words).0, "{words:?}");
        let (role, active, login) = expected;
        assert_eq!(grace(), Some((json!(role), json!(active), json!(login))), "{words:?}");
    }
    for words in [
        ["role", "ada", "user"].as_slice(),
        &["deactivate", "ada"],
        &["revoke", "ada"],
        &["remove", "ada"],
        &["activate", "nobody"],
        &["role", "grace", "king"],
    ] {
        assert!(!tool(words).0, "{words:?} has to be refused");
    }
    assert!(tool(&["remove", "grace"]).0);
    assert_eq!(grace(), None);
}
