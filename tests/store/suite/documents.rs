//! Documents one at a time: presence, revisions, uniqueness, conditional writes.

use cv3_backend::domain::filter::Filter;
use cv3_backend::domain::ids::UserId;
use cv3_backend::domain::users::{Role, UserInfo};
use cv3_backend::store::{Kept, Room, StoreError};
use serde_json::{Value, json};

use super::conflicts;
use crate::Engine;

pub async fn an_open_store_answers(engine: &impl Engine) {
    engine.open().unwrap().ping().await.unwrap();
}

pub async fn absence_is_not_an_error(engine: &impl Engine) {
    let store = engine.open().unwrap();
    for &room in Room::ALL {
        assert_eq!(store.documents().get(room, "none").await.unwrap(), None);
        assert!(store.documents().find(room, &Filter::all()).await.unwrap().is_empty());
        assert_eq!(store.documents().count(room, &Filter::all()).await.unwrap(), 0);
        assert!(!store.documents().delete(room, "none").await.unwrap());
        assert_eq!(store.documents().delete_where(room, &Filter::all()).await.unwrap(), 0);
    }
}

pub async fn a_document_comes_back_as_it_was_written(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let body = json!({"text": "ünïcode \" ' \\ \u{0}", "n": 1.5, "big": 9_007_199_254_740_993_i64, "null": null,
                      "nested": {"a.b": [1, {"$c": true}]}, "empty": {}});
    for (id, room) in
        [("plain", Room::Pipelines), ("ü/ \"'%_", Room::Queries), (&*"x".repeat(255), Room::Log)]
    {
        store.documents().insert(room, id, &body).await.unwrap();
        let stored = store.documents().get(room, id).await.unwrap().unwrap();
        assert_eq!((stored.id.as_str(), &stored.body), (id, &body));
        assert!(store.documents().delete(room, id).await.unwrap());
        assert_eq!(store.documents().get(room, id).await.unwrap(), None);
    }
}

pub async fn an_id_that_is_taken_is_a_conflict(engine: &impl Engine) {
    let store = engine.open().unwrap();
    store.documents().insert(Room::Groups, "a", &json!({"v": 1})).await.unwrap();
    assert!(conflicts(&store.documents().insert(Room::Groups, "a", &json!({"v": 2})).await));
    store.documents().insert(Room::Groups, "A", &json!({"v": 3})).await.unwrap();
    assert_eq!(store.documents().get(Room::Groups, "a").await.unwrap().unwrap().body, json!({"v": 1}));
}

pub async fn a_unique_field_that_is_taken_is_a_conflict(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let documents = store.documents();
    let account = |username: &str, email: &str| json!({"username": username, "email": email});
    documents.insert(Room::Accounts, "1", &account("ada", "ada@example.org")).await.unwrap();
    documents.insert(Room::Accounts, "2", &account("bob", "bob@example.org")).await.unwrap();
    let taken = documents.insert(Room::Accounts, "3", &account("ada", "c@example.org")).await;
    assert!(conflicts(&taken) && taken.unwrap_err().to_string().contains("username"));
    assert!(conflicts(&documents.put(Room::Accounts, "3", &account("cyd", "bob@example.org")).await));
    assert!(conflicts(&documents.put(Room::Accounts, "2", &account("ada", "bob@example.org")).await));
    let two = documents.get(Room::Accounts, "2").await.unwrap().unwrap();
    let renamed =
        documents.replace(Room::Accounts, "2", two.revision, &account("ada", "x@example.org")).await;
    assert!(conflicts(&renamed));
    assert_eq!(documents.count(Room::Accounts, &Filter::all()).await.unwrap(), 2);
    // Freed values may be taken again, and a document may keep its own.
    documents.put(Room::Accounts, "2", &account("bob", "new@example.org")).await.unwrap();
    documents.delete(Room::Accounts, "1").await.unwrap();
    documents.insert(Room::Accounts, "3", &account("ada", "ada@example.org")).await.unwrap();
}

pub async fn documents_without_a_unique_field_do_not_conflict(engine: &impl Engine) {
    let store = engine.open().unwrap();
    for id in ["1", "2"] {
        store.documents().insert(Room::Sources, id, &json!({})).await.unwrap();
    }
}

pub async fn rooms_do_not_see_each_other(engine: &impl Engine) {
    let store = engine.open().unwrap();
    for &room in Room::ALL {
        store.documents().insert(room, "same", &json!({"room": room.collection()})).await.unwrap();
    }
    for &room in Room::ALL {
        let found = store.documents().find(room, &Filter::all()).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].body, json!({"room": room.collection()}));
    }
}

pub async fn a_replacement_needs_the_expected_revision(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let documents = store.documents();
    assert!(conflicts(&documents.replace(Room::Nodes, "a", 1, &json!(1)).await));
    documents.insert(Room::Nodes, "a", &json!({"v": 1})).await.unwrap();
    let first = documents.get(Room::Nodes, "a").await.unwrap().unwrap().revision;
    let second = documents.replace(Room::Nodes, "a", first, &json!({"v": 2})).await.unwrap();
    for stale in [0, first, second + 1, u64::MAX] {
        assert!(conflicts(&documents.replace(Room::Nodes, "a", stale, &json!({"v": 3})).await), "{stale}");
    }
    let stored = documents.get(Room::Nodes, "a").await.unwrap().unwrap();
    assert_eq!((stored.revision, stored.body), (second, json!({"v": 2})));
}

pub async fn a_revision_grows_with_every_write_even_past_a_removal(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let documents = store.documents();
    let mut last = 0;
    for round in 0..3 {
        for write in 0..3 {
            documents.put(Room::Config, "a", &json!({"round": round, "write": write})).await.unwrap();
            let now = documents.get(Room::Config, "a").await.unwrap().unwrap().revision;
            assert!(now > last, "{now} after {last}");
            last = now;
        }
        if round == 0 {
            documents.delete(Room::Config, "a").await.unwrap();
        } else {
            documents.delete_where(Room::Config, &Filter::all()).await.unwrap();
        }
    }
}

/// What is kept as parsed is never older than the store, whoever wrote, and goes where the document goes.
pub async fn kept_documents_are_as_current_as_the_store(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let documents = store.documents();
    let kept: Kept<serde_json::Value> = Kept::new(Room::Nodes);
    assert!(kept.get(documents, "a").await.unwrap().is_none());
    let mut revision = 0;
    for round in 0..3 {
        documents.put(Room::Nodes, "a", &json!({"nodeId": "a", "round": round})).await.unwrap();
        documents.put(Room::Nodes, &format!("b{round}"), &json!({"nodeId": "b", "round": 0})).await.unwrap();
        for _ in 0..2 {
            let a = kept.get(documents, "a").await.unwrap().unwrap();
            assert_eq!(a["round"], json!(round));
        }
        let now = documents.revision(Room::Nodes, "a").await.unwrap().unwrap();
        assert_eq!(now, documents.get(Room::Nodes, "a").await.unwrap().unwrap().revision);
        assert!(now > revision);
        revision = now;
        let all = kept.find(documents, &Filter::equals("round", round)).await.unwrap();
        assert!(all.iter().all(|found| found["round"] == json!(round)) && !all.is_empty());
        assert_eq!(kept.find(documents, &Filter::all()).await.unwrap().len(), round + 2);
    }
    let ids = documents.revisions(Room::Nodes, &Filter::all().newest_first("round")).await.unwrap();
    let ids: Vec<&str> = ids.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["a", "b0", "b1", "b2"]);
    documents.delete(Room::Nodes, "a").await.unwrap();
    assert!(kept.get(documents, "a").await.unwrap().is_none());
    assert_eq!(documents.revision(Room::Nodes, "a").await.unwrap(), None);
}

pub async fn one_of_many_conditional_writers_wins_each_revision(engine: &impl Engine) {
    let store: std::sync::Arc<dyn cv3_backend::store::Store> = engine.open().unwrap().into();
    store.documents().insert(Room::Queries, "n", &json!({"n": 0})).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut won = 0;
            while won < 10 {
                let stored = store.documents().get(Room::Queries, "n").await.unwrap().unwrap();
                let next = json!({"n": stored.body["n"].as_u64().unwrap() + 1});
                match store.documents().replace(Room::Queries, "n", stored.revision, &next).await {
                    Ok(revision) => {
                        assert!(revision > stored.revision);
                        won += 1;
                    }
                    Err(StoreError::Conflict(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    let stored = store.documents().get(Room::Queries, "n").await.unwrap().unwrap();
    assert_eq!(stored.body, json!({"n": 160}));
}

pub async fn a_failing_write_leaves_its_neighbours_alone(engine: &impl Engine) {
    let store: std::sync::Arc<dyn cv3_backend::store::Store> = engine.open().unwrap().into();
    store.documents().insert(Room::Log, "taken", &json!({})).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..300 {
        let store = store.clone();
        tasks.spawn(async move {
            let id = if i % 3 == 0 { "taken".to_owned() } else { format!("free{i}") };
            let answer = store.documents().insert(Room::Log, &id, &json!({"i": i})).await;
            assert_eq!(conflicts(&answer), i % 3 == 0);
            assert_eq!(answer.is_ok(), i % 3 != 0);
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert_eq!(store.documents().count(Room::Log, &Filter::all()).await.unwrap(), 201);
}

fn stored_user() -> Value {
    json!({"userId": "u", "role": "user", "active": true, "budget": 10, "theirs": {"a": [1]}, "settings": {"x": 1}})
}

pub async fn an_update_keeps_the_fields_its_type_does_not_know(engine: &impl Engine) {
    let store = engine.open().unwrap();
    store.documents().insert(Room::Users, "u", &stored_user()).await.unwrap();
    let changed = store
        .users()
        .update("u", |user: &mut UserInfo| {
            user.role = Role::DataAdmin;
            user.settings = None;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(changed.role, Role::DataAdmin);
    let body = store.documents().get(Room::Users, "u").await.unwrap().unwrap().body;
    assert_eq!(
        body,
        json!({"userId": "u", "role": "dataAdmin", "active": true, "budget": 10, "theirs": {"a": [1]}})
    );
}

pub async fn an_update_survives_contention_and_reports_refusal(engine: &impl Engine) {
    let store = engine.open().unwrap();
    assert!(store.users().update("u", |_| Ok::<_, StoreError>(())).await.unwrap().is_none());
    store.documents().insert(Room::Users, "u", &stored_user()).await.unwrap();
    let mut calls = 0;
    let refused = store
        .users()
        .update("u", |_| {
            calls += 1;
            Err(StoreError::Unavailable("the rule refuses".to_owned()))
        })
        .await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    assert_eq!(calls, 1);
    let spend = || async {
        let users = store.users();
        let spent = users.update("u", |user| {
            user.budget -= 1;
            Ok::<_, StoreError>(())
        });
        spent.await.unwrap().unwrap();
    };
    tokio::join!(spend(), spend(), spend(), spend());
    let user = store.users().get(UserId::parse("u").unwrap().as_str()).await.unwrap().unwrap();
    assert_eq!(user.budget, 6);
}

pub async fn a_write_whose_caller_left_is_carried_out(engine: &impl Engine) {
    let store = engine.open().unwrap();
    for i in 0..50 {
        let id = i.to_string();
        let body = json!({});
        let mut write = store.documents().insert(Room::Audit, &id, &body);
        // One poll hands the write over; then the caller is gone.
        let waker = std::task::Waker::noop();
        let _ = write.as_mut().poll(&mut std::task::Context::from_waker(waker));
    }
    store.documents().insert(Room::Audit, "last", &json!({})).await.unwrap();
    // Carried out, but not in the order in which they were handed over.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while store.documents().count(Room::Audit, &Filter::all()).await.unwrap() < 51 {
        assert!(std::time::Instant::now() < deadline, "a write got lost");
        tokio::task::yield_now().await;
    }
}
