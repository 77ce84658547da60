//! Several processes on the same data, and the same data later.

use std::sync::Arc;

use cv3_backend::domain::filter::Filter;
use cv3_backend::store::{Room, Store, StoreError};
use serde_json::json;

use super::{add, all, conflicts, manifest, pairs, source, upserts};
use crate::Engine;

pub async fn what_is_written_is_there_after_reopening(engine: &impl Engine) {
    let s = source("s");
    let (body, kept);
    {
        let store = engine.open().unwrap();
        for &room in Room::ALL {
            store.documents().insert(room, "a", &json!({"room": room.collection()})).await.unwrap();
        }
        store.documents().put(Room::Config, "a", &json!({"v": 2})).await.unwrap();
        body = store.documents().get(Room::Config, "a").await.unwrap();
        add(&*store, &s, upserts(["a", "b"], 1), false).await;
        store.subjects().fold(&s, 1).await.unwrap();
        add(&*store, &s, upserts(["b"], 2), false).await;
        store.subjects().stage(&s, 3, upserts(["c"], 3)).await.unwrap();
        kept = store.subjects().manifest(&s).await.unwrap();
    }
    let store = engine.open().unwrap();
    for &room in Room::ALL {
        assert_eq!(store.documents().count(room, &Filter::all()).await.unwrap(), 1);
    }
    assert_eq!(store.documents().get(Room::Config, "a").await.unwrap(), body);
    assert_eq!(store.subjects().manifest(&s).await.unwrap(), kept);
    assert_eq!(all(&*store, &s, 2, 10).await, pairs(&[("a", 1), ("b", 2)]));
    store.subjects().commit(2, &manifest(&s, 3)).await.unwrap();
    assert_eq!(all(&*store, &s, 3, 10).await, pairs(&[("a", 1), ("b", 2), ("c", 3)]));
}

pub async fn two_instances_see_each_other_s_writes(engine: &impl Engine) {
    let (one, two) = (engine.open().unwrap(), engine.open().unwrap());
    let s = source("s");
    one.documents().insert(Room::Sources, "a", &json!({"sourceName": "x"})).await.unwrap();
    assert!(two.documents().get(Room::Sources, "a").await.unwrap().is_some());
    assert!(conflicts(&two.documents().insert(Room::Sources, "b", &json!({"sourceName": "x"})).await));
    one.subjects().stage(&s, 1, upserts(["a"], 1)).await.unwrap();
    two.subjects().stage(&s, 1, upserts(["b"], 1)).await.unwrap();
    two.subjects().commit(0, &manifest(&s, 1)).await.unwrap();
    assert!(conflicts(&one.subjects().commit(0, &manifest(&s, 1)).await));
    assert_eq!(all(&*one, &s, 1, 10).await, pairs(&[("a", 1), ("b", 1)]));
    drop(two);
    one.documents().delete(Room::Sources, "a").await.unwrap();
}

pub async fn two_instances_count_to_the_same_number(engine: &impl Engine) {
    let stores: Vec<Arc<dyn Store>> = vec![engine.open().unwrap().into(), engine.open().unwrap().into()];
    for (room, id) in [(Room::Config, "n"), (Room::Queries, "n")] {
        stores[0].documents().insert(room, id, &json!({"n": 0})).await.unwrap();
    }
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let store = stores[task % 2].clone();
        let room = if task < 4 { Room::Config } else { Room::Queries };
        tasks.spawn(async move {
            let mut won = 0;
            while won < 10 {
                let stored = store.documents().get(room, "n").await.unwrap().unwrap();
                let next = json!({"n": stored.body["n"].as_u64().unwrap() + 1});
                match store.documents().replace(room, "n", stored.revision, &next).await {
                    Ok(_) => won += 1,
                    Err(StoreError::Conflict(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    for room in [Room::Config, Room::Queries] {
        let stored = stores[1].documents().get(room, "n").await.unwrap().unwrap();
        assert_eq!(stored.body, json!({"n": 40}));
    }
}

pub async fn two_instances_fold_the_same_source(engine: &impl Engine) {
    let (one, two) = (engine.open().unwrap(), engine.open().unwrap());
    let s = source("s");
    let ids: Vec<String> = (0..6_000).map(|i| format!("{i:05}")).collect();
    for mark in 1..=3 {
        let step = usize::try_from(mark).unwrap();
        add(&*one, &s, upserts(ids.iter().step_by(step).map(String::as_str), mark), false).await;
    }
    let expected = all(&*one, &s, 3, 2_000).await;
    let (a, b) = tokio::join!(one.subjects().fold(&s, 3), two.subjects().fold(&s, 2));
    a.unwrap();
    b.unwrap();
    assert!(all(&*two, &s, 3, 2_000).await == expected);
    assert_eq!(two.subjects().manifest(&s).await.unwrap().unwrap().folded, 3);
}
