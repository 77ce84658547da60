//! What only MongoDB has: a database per test on a server that `tests/services/up` started, adoption, sign-in, a
//! server that goes and comes back.
//!
//! Where `CV3_TEST_SERVICES` names no such server, a test says so and does nothing.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cv3_backend::domain::filter::{Condition, Filter};
use cv3_backend::domain::users::{Role, UserInfo};
use cv3_backend::store::mongodb::{MongoStore, Settings};
use cv3_backend::store::{Change, Room, Store, StoreError};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc, spec::BinarySubtype};
use mongodb::{Client, Collection, Database, IndexModel};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::Engine;
use crate::suite::{add, all, conflicts, deletions, manifest, pairs, source, subject, upserts};

/// What the server of the tests is.
struct Server(Value);

impl Server {
    fn find() -> Option<Self> {
        static SAID: Once = Once::new();
        let services = std::env::var_os("CV3_TEST_SERVICES").and_then(|file| std::fs::read(file).ok());
        let services: Value = serde_json::from_slice(&services.unwrap_or_default()).unwrap_or_default();
        let found = services.get("mongodb").cloned();
        SAID.call_once(|| match &found {
            Some(found) => println!("store: {}", found["version"].as_str().unwrap()),
            None => println!("store on MongoDB: skipped, tests/services/up has started no server"),
        });
        found.map(Self)
    }
}

/// An empty database that goes with the test.
pub struct Fresh {
    settings: Settings,
}

impl Fresh {
    pub fn new() -> Option<Self> {
        Server::find().map(|server| Self::on(server.0["url"].as_str().unwrap()))
    }

    fn on(url: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let database = format!("cv3_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Self {
            settings: Settings {
                host: url.to_owned(),
                port: 0,
                user: None,
                auth_sources: Vec::new(),
                database,
                max_jobs: 4,
            },
        }
    }

    async fn database(&self) -> Database {
        Client::with_uri_str(&self.settings.host).await.unwrap().database(&self.settings.database)
    }

    async fn collection(&self, name: &str) -> Collection<Document> {
        self.database().await.collection(name)
    }
}

impl Engine for Fresh {
    fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        let store = block_in_place(|| Handle::current().block_on(MongoStore::open(&self.settings)))?;
        Ok(Box::new(store))
    }

    fn histories(&self) -> u32 {
        25
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let dropped = async { self.database().await.drop().await };
        let dropped = block_in_place(|| Handle::current().block_on(dropped));
        if let Err(error) = dropped {
            println!("the database {} was not dropped: {error}", self.settings.database);
        }
    }
}

fn user(id: &str) -> Document {
    doc! {
        "_id": ObjectId::new(), "userId": id, "role": "user", "active": true, "budget": 100,
        "createdAt": DateTime::from_millis(1_700_000_000_000), "theirs": { "id": ObjectId::new(), "when": DateTime::from_millis(5) },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_of_the_original_are_read_updated_and_keep_what_we_do_not_know() {
    let Some(fresh) = Fresh::new() else { return };
    let users = fresh.collection("user.info").await;
    let before = user("ada");
    users.insert_many([before.clone(), user("bob")]).await.unwrap();
    let store = fresh.open().unwrap();
    assert_eq!(store.documents().count(Room::Users, &Filter::all()).await.unwrap(), 2);
    let stored = store.documents().get(Room::Users, "ada").await.unwrap().unwrap();
    assert_eq!((stored.id.as_str(), stored.revision), ("ada", 0));
    assert_eq!(stored.body["createdAt"], json!("2023-11-14T22:13:20Z"));
    assert!(stored.body.get("_id").is_none());
    assert_eq!(store.documents().revision(Room::Users, "ada").await.unwrap(), Some(0));

    // Ids are taken, whichever `_id` a document has.
    assert!(conflicts(&store.documents().insert(Room::Users, "ada", &json!({"userId": "ada"})).await));
    for role in [Role::DataAdmin, Role::Developer] {
        let rule = |user: &mut UserInfo| {
            user.role = role;
            Ok::<_, StoreError>(())
        };
        store.users().update("ada", rule).await.unwrap().unwrap();
    }
    assert!(conflicts(&store.documents().replace(Room::Users, "ada", 0, &stored.body).await));
    let after = users.find_one(doc! { "userId": "ada" }).await.unwrap().unwrap();
    // `_id`, the types of what did not change, and unknown fields are as they were.
    for field in ["_id", "userId", "active", "budget", "theirs", "createdAt"] {
        assert_eq!(after.get(field), before.get(field), "{field}");
    }
    assert_eq!(after.get_str("role").unwrap(), "developer");
    assert_eq!(store.documents().revision(Room::Users, "ada").await.unwrap(), Some(2));
    store.documents().put(Room::Users, "bob", &json!({"userId": "bob", "role": "user"})).await.unwrap();
    assert!(store.documents().delete(Room::Users, "bob").await.unwrap());
    assert_eq!(users.count_documents(doc! {}).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ours_have_the_shape_of_the_original() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.open().unwrap();
    let body = json!({"sourceId": "s", "sourceName": "x", "recordIndex": {"recordCount": 3}, "online": true});
    store.documents().insert(Room::Sources, "s", &body).await.unwrap();
    let mut stored = fresh.collection("sources").await.find_one(doc! {}).await.unwrap().unwrap();
    stored.retain_ours();
    assert_eq!(
        stored,
        doc! { "online": true, "recordIndex": { "recordCount": 3 }, "sourceId": "s", "sourceName": "x" }
    );
    add(&*store, &source("s"), upserts(["a"], 1), false).await;
    store.subjects().fold(&source("s"), 1).await.unwrap();
    let mut stored = fresh.collection("sources.s").await.find_one(doc! {}).await.unwrap().unwrap();
    stored.retain_ours();
    assert_eq!(stored, doc! { "ORDO": ["1"], "subjectId": "a" });
}

/// Takes the engine's own fields away and sorts the rest.
trait RetainOurs {
    fn retain_ours(&mut self);
}

impl RetainOurs for Document {
    fn retain_ours(&mut self) {
        let mut fields: Vec<_> =
            std::mem::take(self).into_iter().filter(|(key, _)| !key.starts_with('_')).collect();
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        self.extend(fields);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_of_the_original_are_filtered_and_sorted_like_texts() {
    let Some(fresh) = Fresh::new() else { return };
    let log = fresh.collection("log.internal").await;
    let entry =
        |id: &str, millis| doc! { "id": id, "level": "error", "createdAt": DateTime::from_millis(millis) };
    log.insert_many([entry("old", 0), entry("new", 1_700_000_000_000)]).await.unwrap();
    let store = fresh.open().unwrap();
    let ids = async |condition| {
        let found = store.documents().find(Room::Log, &Filter::all().and(condition)).await.unwrap();
        found.into_iter().map(|stored| stored.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Condition::Below("createdAt", json!("2001-01-01T00:00:00Z"))).await, ["old"]);
    assert_eq!(ids(Condition::AtLeast("createdAt", json!("2001-01-01T00:00:00Z"))).await, ["new"]);
    assert_eq!(ids(Condition::Equals("createdAt", json!("1970-01-01T00:00:00Z"))).await, ["old"]);
    let old = Filter::all().and(Condition::Below("createdAt", json!("2001-01-01T00:00:00Z")));
    assert_eq!(store.documents().delete_where(Room::Log, &old).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_of_any_size_come_back_as_they_were_written() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.open().unwrap();
    let body = json!({"id": "n", "whole": 1, "real": 1.0, "max": u64::MAX, "min": i64::MIN, "tiny": 5e-324,
                      "third": 1.0 / 3.0, "date": "2026-01-01T00:00:00Z", "_id": "mine", "_rev": "mine", "a.$": 1});
    store.documents().insert(Room::Config, "n", &body).await.unwrap();
    let stored = store.documents().get(Room::Config, "n").await.unwrap().unwrap();
    assert_eq!(stored.body.to_string(), body.to_string());
    let keys = fresh.collection("instance.config").await.find_one(doc! { "id": "n" }).await.unwrap().unwrap();
    assert!(keys.contains_key("a%2E$") && keys.get_str("date").is_ok(), "{keys}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_that_were_adopted_are_a_warning_and_no_further_ones_are_made() {
    let Some(fresh) = Fresh::new() else { return };
    let sources = fresh.collection("sources").await;
    let doubled = || doc! { "sourceId": "s", "sourceName": "same" };
    sources.insert_many([doubled(), doubled()]).await.unwrap();
    let store = fresh.open().unwrap();
    assert_eq!(store.documents().find(Room::Sources, &Filter::all()).await.unwrap().len(), 2);
    assert!(conflicts(&store.documents().insert(Room::Sources, "s", &json!({"sourceId": "s"})).await));
    store.documents().insert(Room::Sources, "t", &json!({"sourceId": "t"})).await.unwrap();
    assert!(store.documents().delete(Room::Sources, "s").await.unwrap());
    assert_eq!(store.documents().get(Room::Sources, "s").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_are_made_once_and_those_of_the_original_are_used() {
    let Some(fresh) = Fresh::new() else { return };
    let users = fresh.collection("user.info").await;
    users.insert_one(user("ada")).await.unwrap();
    let options = mongodb::options::IndexOptions::builder().unique(true).build();
    users
        .create_index(IndexModel::builder().keys(doc! { "userId": 1 }).options(options).build())
        .await
        .unwrap();
    for _ in 0..2 {
        let store = fresh.open().unwrap();
        store.documents().insert(Room::Queries, "q", &json!({"queryId": "q"})).await.ok();
        drop(store);
        assert_eq!(users.list_index_names().await.unwrap(), ["_id_", "userId_1"]);
        let mut names = fresh.collection("query.queries").await.list_index_names().await.unwrap();
        names.sort();
        assert_eq!(names, ["_id_", "createdAt_queryId", "queryId_unique", "userId_queryId"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_format_is_refused_and_named() {
    let Some(fresh) = Fresh::new() else { return };
    drop(fresh.open().unwrap());
    let config = fresh.collection("instance.config").await;
    let newer = doc! { "$set": { "format": 4711, "program": "47.11.0" } };
    assert_eq!(config.update_one(doc! { "id": "StoreFormat" }, newer).await.unwrap().matched_count, 1);
    let refusal = fresh.open().unwrap_err().to_string();
    assert!(refusal.contains("4711") && refusal.contains("47.11.0"), "{refusal}");
    assert!(refusal.contains(&fresh.settings.database), "{refusal}");
}

fn adopted(id: &str) -> Document {
    doc! {
        "_id": ObjectId::new(), "subjectId": id, "HPO": ["0001250", { "0004322": 12 }], "ORDO": ["0"],
        "EAV": { "site%2Ename": "a", "seen": DateTime::from_millis(0), "n": 3_i64 }, "theirs": { "x": 1 },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subjects_of_the_original_are_version_0_and_keep_what_we_do_not_know() {
    let Some(fresh) = Fresh::new() else { return };
    let s = source("0f8fad5b-d9cb-469f-a165-70867728950e");
    let base = fresh.collection(&format!("sources.{}", s.as_str())).await;
    base.insert_many(["a", "b", "c", "d"].map(adopted)).await.unwrap();
    base.insert_one(doc! { "note": "no subject" }).await.unwrap();
    let store = fresh.open().unwrap();
    let subjects = store.subjects();
    assert_eq!(subjects.sources().await.unwrap(), std::slice::from_ref(&s));
    assert_eq!(subjects.manifest(&s).await.unwrap(), None);
    for page in [1, 2, 10] {
        assert_eq!(all(&*store, &s, 0, page).await, pairs(&[("a", 0), ("b", 0), ("c", 0), ("d", 0)]));
    }
    let got = subjects.get_many(&s, 0, &["b".into(), "none".into()]).await.unwrap();
    assert_eq!(got.len(), 1);
    assert_eq!(serde_json::to_value(&got[0].hpo).unwrap(), json!(["0001250", {"0004322": 12}]));
    assert_eq!(
        serde_json::to_value(&got[0].eav).unwrap(),
        json!({"n": 3, "seen": "1970-01-01T00:00:00Z", "site.name": "a"})
    );

    add(&*store, &s, [upserts(["b", "e"], 1), deletions(["c"])].concat(), false).await;
    let expected = pairs(&[("a", 0), ("b", 1), ("d", 0), ("e", 1)]);
    for _ in 0..2 {
        assert_eq!(all(&*store, &s, 1, 2).await, expected);
        subjects.fold(&s, 1).await.unwrap();
    }
    let b = base.find_one(doc! { "subjectId": "b" }).await.unwrap().unwrap();
    assert!(b.get_object_id("_id").is_ok(), "{b}");
    assert_eq!(b.get_document("theirs").unwrap(), &doc! { "x": 1 });
    assert_eq!(b.get_array("ORDO").unwrap(), &vec![Bson::from("1")]);
    assert!(!b.contains_key("HPO") && !b.contains_key("EAV"), "{b}");
    assert_eq!(base.count_documents(doc! { "subjectId": { "$exists": true } }).await.unwrap(), 4);
    assert_eq!(subjects.sources().await.unwrap(), std::slice::from_ref(&s));

    add(&*store, &s, upserts(["z"], 2), true).await;
    assert_eq!(all(&*store, &s, 2, 2).await, pairs(&[("z", 2)]));
    subjects.fold(&s, 2).await.unwrap();
    assert_eq!(all(&*store, &s, 2, 2).await, pairs(&[("z", 2)]));
    assert_eq!(base.count_documents(doc! {}).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adopted_duplicates_of_a_subject_are_one() {
    let Some(fresh) = Fresh::new() else { return };
    let s = source("s");
    let base = fresh.collection("sources.s").await;
    base.insert_many(["a", "b", "b", "b", "c"].map(adopted)).await.unwrap();
    let store = fresh.open().unwrap();
    for page in [1, 2, 3, 10] {
        assert_eq!(
            all(&*store, &s, 0, page).await,
            pairs(&[("a", 0), ("b", 0), ("c", 0)]),
            "pages of {page}"
        );
    }
    add(&*store, &s, upserts(["b"], 1), false).await;
    store.subjects().fold(&s, 1).await.unwrap();
    for page in [1, 2, 3, 10] {
        assert_eq!(
            all(&*store, &s, 1, page).await,
            pairs(&[("a", 0), ("b", 1), ("c", 0)]),
            "pages of {page}"
        );
    }
    let got = store.subjects().get_many(&s, 1, &["b".into()]).await.unwrap();
    assert_eq!(got, [subject("b", 1)]);
    add(&*store, &s, deletions(["b"]), false).await;
    store.subjects().fold(&s, 2).await.unwrap();
    assert_eq!(base.count_documents(doc! { "subjectId": "b" }).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folded_discarded_and_removed_changes_leave_no_collection() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    let database = fresh.database().await;
    let names = async || {
        let mut names = database.list_collection_names().await.unwrap();
        names.retain(|name| ["changes.", "gone.", "sources.s"].iter().any(|start| name.starts_with(start)));
        names.len()
    };
    add(&*store, &s, upserts(["a", "b"], 1), false).await;
    add(&*store, &s, upserts(["a"], 2), false).await;
    subjects.stage(&s, 3, upserts(["c"], 3)).await.unwrap();
    assert_eq!(names().await, 3);
    subjects.discard(&s, 3).await.unwrap();
    assert_eq!(names().await, 2);
    subjects.fold(&s, 2).await.unwrap();
    assert_eq!(names().await, 1);
    add(&*store, &s, deletions(["a"]), false).await;
    subjects.fold(&s, 3).await.unwrap();
    assert_eq!(names().await, 2);
    subjects.drop_source(&s).await.unwrap();
    assert_eq!(names().await, 0);
    assert_eq!(database.collection::<Document>("manifests").count_documents(doc! {}).await.unwrap(), 0);
}

/// A fold that slept while others went on writes late: copies of a change that is folded, dropped or removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_straggling_fold_writes_is_not_seen() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    add(&*store, &s, upserts(["a", "b"], 1), false).await;
    subjects.fold(&s, 1).await.unwrap();
    let base = fresh.collection("sources.s").await;
    let late = base.find_one(doc! { "subjectId": "a" }).await.unwrap().unwrap();
    add(&*store, &s, deletions(["a"]), false).await;
    subjects.fold(&s, 2).await.unwrap();
    base.insert_one(&late).await.unwrap();
    for page in [1, 10] {
        assert_eq!(all(&*store, &s, 2, page).await, pairs(&[("b", 1)]));
    }
    assert!(subjects.get_many(&s, 2, &["a".into()]).await.unwrap().is_empty());
    add(&*store, &s, upserts(["a"], 3), false).await;
    for _ in 0..2 {
        assert_eq!(all(&*store, &s, 3, 10).await, pairs(&[("a", 3), ("b", 1)]));
        subjects.fold(&s, 3).await.unwrap();
    }
    // After the source is gone, its subjects are nobody's, and not those of a source made under its name.
    subjects.drop_source(&s).await.unwrap();
    base.insert_one(&late).await.unwrap();
    assert!(subjects.sources().await.unwrap().is_empty());
    assert!(all(&*store, &s, 0, 10).await.is_empty());
    add(&*store, &s, upserts(["c"], 4), false).await;
    for _ in 0..2 {
        assert_eq!(all(&*store, &s, 1, 10).await, pairs(&[("c", 4)]));
        subjects.fold(&s, 1).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fold_and_a_removal_cut_short_are_finished_by_the_next() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    add(&*store, &s, upserts(["a", "b", "c"], 1), false).await;
    add(&*store, &s, [upserts(["b"], 2), deletions(["c"])].concat(), false).await;
    let manifests = fresh.collection("manifests").await;
    // The level is raised and a part is copied; then the process dies.
    let life = manifests.find_one(doc! {}).await.unwrap().unwrap().get_i64("life").unwrap();
    manifests.update_one(doc! {}, doc! { "$set": { "level": 2_i64 } }).await.unwrap();
    let half = doc! { "_id": "b", "subjectId": "b", "ORDO": ["1"], "_c": 1_i64, "_l": life };
    fresh.collection("sources.s").await.insert_one(half).await.unwrap();
    let expected = pairs(&[("a", 1), ("b", 2)]);
    assert_eq!(all(&*store, &s, 1, 1).await, expected);
    subjects.fold(&s, 2).await.unwrap();
    assert_eq!(all(&*store, &s, 2, 1).await, expected);
    // A removal that got no further than its first write.
    manifests.update_one(doc! {}, doc! { "$set": { "leaving": true } }).await.unwrap();
    assert_eq!(subjects.manifest(&s).await.unwrap(), None);
    assert!(subjects.sources().await.unwrap().is_empty());
    assert!(all(&*store, &s, 2, 10).await.is_empty());
    subjects.stage(&s, 1, vec![Change::Upsert(subject("z", 9))]).await.unwrap();
    subjects.commit(0, &manifest(&s, 1)).await.unwrap();
    assert_eq!(all(&*store, &s, 1, 10).await, pairs(&[("z", 9)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_named_without_the_password() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = Settings {
        host: "127.0.0.1".to_owned(),
        port: nobody,
        user: Some(("ada".to_owned(), "hush".to_owned())),
        auth_sources: vec!["admin".to_owned()],
        database: "cafevariome".to_owned(),
        max_jobs: 1,
    };
    let error = MongoStore::open(&settings).await.unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, StoreError::Unavailable(_)), "{words}");
    assert!(words.contains("MongoDB") && !words.contains("hush"), "{words}");
}

/// A server of the test's own, which may be killed.
struct Own {
    command: Vec<String>,
    data: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

impl Own {
    fn start() -> Option<Self> {
        let command = Server::find()?.0["command"].as_array().cloned();
        let Some(command) = command else {
            println!("store on MongoDB: skipped, the server is not ours to start and stop");
            return None;
        };
        let command = command.iter().map(|word| word.as_str().unwrap().to_owned()).collect();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut own = Self { command, data: tempfile::tempdir().unwrap(), port, child: None };
        own.run(&[]);
        Some(own)
    }

    fn run(&mut self, more: &[&str]) {
        let data = self.data.path().to_str().unwrap();
        let words =
            self.command.iter().map(|w| w.replace("@port", &self.port.to_string()).replace("@data", data));
        let words: Vec<String> = words.chain(more.iter().map(ToString::to_string)).collect();
        let child = Command::new(&words[0])
            .args(&words[1..])
            .current_dir(data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "the server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// As `kill -9` does.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// As its operator does.
    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let asked = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
            assert!(asked.success());
            child.wait().unwrap();
        }
    }

    fn settings(&self, user: Option<(&str, &str)>, sources: &[&str]) -> Settings {
        Settings {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: user.map(|(name, password)| (name.to_owned(), password.to_owned())),
            auth_sources: sources.iter().map(ToString::to_string).collect(),
            database: "cafevariome".to_owned(),
            max_jobs: 2,
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Repeats what is unavailable while a server comes back.
async fn eventually<T>(mut ask: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(StoreError::Unavailable(words)) => assert!(Instant::now() < deadline, "{words}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_comes_back_is_used_again() {
    let Some(mut own) = Own::start() else { return };
    let store = MongoStore::open(&own.settings(None, &[])).await.unwrap();
    let (documents, s) = (store.documents(), source("s"));
    documents.insert(Room::Users, "before", &json!({"userId": "before"})).await.unwrap();
    add(&store, &s, upserts(["a", "b"], 1), false).await;
    own.kill();
    let failed = [
        documents.get(Room::Users, "before").await.map(drop),
        documents.insert(Room::Users, "while", &json!({"userId": "while"})).await,
        store.subjects().scan(&s, 1, None, 10).await.map(drop),
        store.subjects().fold(&s, 1).await,
        store.ping().await,
    ];
    for answer in failed {
        assert!(
            matches!(&answer, Err(StoreError::Unavailable(words)) if words.contains("MongoDB")),
            "{answer:?}"
        );
    }
    own.run(&[]);
    eventually(async || store.ping().await).await;
    // What was acknowledged is there.
    let kept = eventually(async || documents.get(Room::Users, "before").await).await;
    assert!(kept.is_some());
    assert_eq!(all(&store, &s, 1, 10).await, pairs(&[("a", 1), ("b", 1)]));
    store.subjects().fold(&s, 1).await.unwrap();
    documents.insert(Room::Users, "after", &json!({"userId": "after"})).await.unwrap();
    assert_eq!(all(&store, &s, 1, 10).await, pairs(&[("a", 1), ("b", 1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_signs_in_is_looked_for_in_the_database_then_in_admin() {
    let Some(mut own) = Own::start() else { return };
    // A server that knows nobody lets everybody in, and whoever is configured with it.
    let open = own.settings(Some(("anybody", "hush")), &["cafevariome", "admin"]);
    let store = MongoStore::open(&open).await.unwrap();
    store.documents().insert(Room::Users, "u", &json!({"userId": "u"})).await.unwrap();
    drop(store);
    let client = Client::with_uri_str(format!("mongodb://127.0.0.1:{}", own.port)).await.unwrap();
    for (database, name, password) in [("cafevariome", "there", "hush:@/%"), ("admin", "central", "hush")] {
        let make = doc! {
            "createUser": name, "pwd": password, "roles": [{ "role": "readWrite", "db": "cafevariome" }],
        };
        client.database(database).run_command(make).await.unwrap();
    }
    own.stop();
    own.run(&["--auth"]);
    for (name, password) in [("there", "hush:@/%"), ("central", "hush")] {
        let settings = own.settings(Some((name, password)), &["cafevariome", "admin"]);
        let store = MongoStore::open(&settings).await.unwrap();
        assert!(store.documents().get(Room::Users, "u").await.unwrap().is_some(), "{name}");
    }
    let address = Settings {
        host: format!("mongodb://central:hush@127.0.0.1:{}/?authSource=admin", own.port),
        ..own.settings(None, &[])
    };
    MongoStore::open(&address).await.unwrap().ping().await.unwrap();
    for (user, sources) in [
        (Some(("there", "hushhush")), &["cafevariome", "admin"][..]),
        (Some(("central", "hush")), &["cafevariome"][..]),
        (None, &[][..]),
    ] {
        let error = MongoStore::open(&own.settings(user, sources)).await.unwrap_err();
        let words = error.to_string();
        assert!(matches!(error, StoreError::Unavailable(_)), "{words}");
        assert!(words.contains("MongoDB.User") && !words.contains("hush"), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binary_values_of_the_original_are_read_as_text() {
    let Some(fresh) = Fresh::new() else { return };
    let uuid = Binary { subtype: BinarySubtype::Uuid, bytes: vec![0x22; 16] };
    let counter = fresh.collection("counter").await;
    counter.insert_one(doc! { "id": "c", "uuid": uuid, "value": 7_i64 }).await.unwrap();
    let store = fresh.open().unwrap();
    let body = store.documents().get(Room::Counter, "c").await.unwrap().unwrap().body;
    assert_eq!(body, json!({"id": "c", "uuid": "22222222-2222-2222-2222-222222222222", "value": 7}));
}
