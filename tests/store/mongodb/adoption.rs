//! Documents of the original, and ours in its shape.

use cv3_backend::domain::filter::{Condition, Filter};
use cv3_backend::domain::users::{Role, UserInfo};
use cv3_backend::store::{Room, StoreError};
use mongodb::IndexModel;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Binary, DateTime, Document, doc, spec::BinarySubtype};
use serde_json::json;

use super::Fresh;
use crate::Engine;
use crate::suite::{add, conflicts, source, upserts};

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
