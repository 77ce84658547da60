//! The schema and what is written into it.

use cv3_backend::domain::filter::{Condition, Filter};
use cv3_backend::store::postgresql::PostgresStore;
use cv3_backend::store::{Room, Store, StoreError};
use serde_json::{Value, json};

use super::Fresh;
use crate::suite::{conflicts, source, upserts};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_format_is_refused_and_named() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.store().await;
    store.documents().insert(Room::Users, "u", &json!({"userId": "u"})).await.unwrap();
    drop(store);
    let newer = json!({"id": "StoreFormat", "format": 4711, "program": "47.11.0"}).to_string();
    let sql = "UPDATE doc_instance_config SET body = $1 WHERE id = 'StoreFormat'";
    assert_eq!(fresh.session().await.execute(sql, &[&newer]).await.unwrap(), 1);
    // Nothing is made before it is refused, though something is missing.
    fresh.session().await.batch_execute("DROP TABLE doc_log_internal").await.unwrap();
    let refusal = PostgresStore::open(&fresh.settings).await.unwrap_err().to_string();
    assert!(refusal.contains("47.11.0") && refusal.contains("4711"), "{refusal}");
    let there = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'doc_log_internal'";
    assert_eq!(fresh.number(there).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_note_of_the_format_is_no_document() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.store().await;
    let (documents, id) = (store.documents(), "StoreFormat");
    assert_eq!(documents.get(Room::Config, id).await.unwrap(), None);
    assert_eq!(documents.revision(Room::Config, id).await.unwrap(), None);
    assert!(conflicts(&documents.put(Room::Config, id, &json!({})).await));
    assert!(conflicts(&documents.insert(Room::Config, id, &json!({})).await));
    assert!(conflicts(&documents.replace(Room::Config, id, 1, &json!({})).await));
    assert!(!documents.delete(Room::Config, id).await.unwrap());
    assert_eq!(documents.delete_where(Room::Config, &Filter::all()).await.unwrap(), 0);
    assert_eq!(fresh.number("SELECT count(*) FROM doc_instance_config WHERE id = 'StoreFormat'").await, 1);
    documents.put(Room::Users, id, &json!({})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_processes_may_start_at_once_on_an_empty_database() {
    let Some(fresh) = Fresh::new() else { return };
    let starts: Vec<_> = (0..6)
        .map(|_| {
            let settings = fresh.settings.clone();
            tokio::spawn(async move { PostgresStore::open(&settings).await.map(drop) })
        })
        .collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()";
    assert_eq!(fresh.number(tables).await, i64::try_from(Room::ALL.len()).unwrap() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_made_and_what_is_there_stays() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.store().await;
    store.documents().insert(Room::Queries, "q", &json!({"userId": "u"})).await.unwrap();
    drop(store);
    let lost = "DROP TABLE doc_mail_outbox; DROP INDEX doc_query_queries__userid; CREATE TABLE theirs ()";
    fresh.session().await.batch_execute(lost).await.unwrap();
    let store = fresh.store().await;
    assert!(store.documents().get(Room::Queries, "q").await.unwrap().is_some());
    store.documents().insert(Room::Outbox, "m", &json!({})).await.unwrap();
    let index = "SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema() \
                 AND indexname = 'doc_query_queries__userid'";
    assert_eq!(fresh.number(index).await, 1);
    assert_eq!(fresh.number("SELECT count(*) FROM theirs").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_became_unique_and_is_there_twice_is_told_at_the_start() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.store().await;
    let drop_index = "DROP INDEX doc_issuer_accounts__unique_email";
    fresh.session().await.batch_execute(drop_index).await.unwrap();
    for (id, name) in [("1", "ada"), ("2", "bob")] {
        let account = json!({"username": name, "email": "same@example.org"});
        store.documents().insert(Room::Accounts, id, &account).await.unwrap();
    }
    let error = PostgresStore::open(&fresh.settings).await.unwrap_err().to_string();
    assert!(error.contains("doc_issuer_accounts__unique_email") && !error.contains("same@"), "{error}");
}

/// What the planner does once it may not read whole tables.
async fn plan(fresh: &Fresh, sql: &str) -> String {
    let session = fresh.session().await;
    session.batch_execute("SET enable_seqscan = off; SET enable_bitmapscan = off").await.unwrap();
    let rows = session.query(&format!("EXPLAIN {sql}"), &[]).await.unwrap();
    rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexed_fields_are_found_and_sorted_by_their_index() {
    let Some(fresh) = Fresh::new() else { return };
    drop(fresh.store().await);
    let field = |name: &str| format!("((lookup ->> '{name}') COLLATE \"C\")");
    let (user, at) = (field("userId"), field("createdAt"));
    let from = "SELECT id, revision, body FROM doc_query_queries WHERE true";
    let found = plan(&fresh, &format!("{from} AND {user} = 'su' ORDER BY id")).await;
    assert!(found.contains("doc_query_queries__userid") && !found.contains("Sort"), "{found}");
    let old =
        plan(&fresh, &format!("{from} AND ({at} >= 's' AND {at} < 's2026') ORDER BY {at} NULLS FIRST, id"))
            .await;
    assert!(old.contains("doc_query_queries__createdat") && !old.contains("Sort"), "{old}");
    let newest = plan(&fresh, &format!("{from} ORDER BY {at} DESC NULLS LAST, id LIMIT 10")).await;
    // Equal moments alone are sorted by id.
    assert!(newest.contains("Backward using doc_query_queries__createdat"), "{newest}");
    assert!(newest.contains("Incremental Sort"), "{newest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_and_texts_come_back_as_they_were_written() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.store().await;
    let documents = store.documents();
    // As text, since some of these are equal as values and none may change.
    let written = r#"{"a":1.0,"b":1,"c":18446744073709551615,"d":-0.0,"e":1e300,"f":5e-324,"g":"\u0000\u0001","h\u0000":{"\u0000":["\u0000"]}}"#;
    let body: Value = serde_json::from_str(written).unwrap();
    let id = "with \0 and \u{1}\u{2}";
    documents.put(Room::Queries, id, &body).await.unwrap();
    let stored = documents.get(Room::Queries, id).await.unwrap().unwrap();
    assert_eq!((stored.id.as_str(), stored.body.to_string()), (id, body.to_string()));
    for (name, value) in [
        ("c", json!(18_446_744_073_709_551_615_u64)),
        ("d", json!(0)),
        ("e", json!(1e300)),
        ("g", json!("\0\u{1}")),
    ] {
        let found = documents.find(Room::Queries, &Filter::equals(name, value)).await.unwrap();
        assert_eq!(found.len(), 1, "{name}");
    }
    for (condition, there) in [
        (Condition::AtLeast("g", json!("")), true),
        (Condition::Below("g", json!("\0")), false),
        (Condition::Below("g", json!("\u{1}")), true),
        (Condition::Below("c", json!(u64::MAX)), false),
        (Condition::AtLeast("c", json!(u64::MAX - 1)), true),
        (Condition::Below("d", json!(-1)), false),
        (Condition::AtLeast("f", json!(0)), true),
    ] {
        let filter = Filter::all().and(condition.clone());
        assert_eq!(documents.count(Room::Queries, &filter).await.unwrap() == 1, there, "{condition:?}");
    }
    assert!(documents.delete(Room::Queries, id).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_is_that_of_bytes_whatever_the_database_s_language() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.store().await;
    for name in ["b", "a", "B", "é", "z", "_", "a b", "ab"] {
        store.documents().insert(Room::Queries, name, &json!({"name": name})).await.unwrap();
    }
    let ids = |found: Vec<(String, u64)>| found.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let expected = ["B", "_", "a", "a b", "ab", "b", "z", "é"];
    for filter in [Filter::all(), Filter::all().sorted("name")] {
        assert_eq!(ids(store.documents().revisions(Room::Queries, &filter).await.unwrap()), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_values_of_indexed_fields_are_kept_apart_and_found() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.store().await;
    let documents = store.documents();
    // No repetition that could be compressed into an index.
    let noise = |seed: u64| {
        let numbers = (0..2_000_u64).scan(seed, |state, _| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Some(format!("{:08x}", *state >> 32))
        });
        numbers.collect::<String>()
    };
    for seed in 0..3 {
        let account = json!({"username": noise(seed), "email": format!("{seed}@example.org")});
        documents.insert(Room::Accounts, &seed.to_string(), &account).await.unwrap();
    }
    let again = json!({"username": noise(1), "email": "x@example.org"});
    assert!(conflicts(&documents.insert(Room::Accounts, "x", &again).await));
    let found = documents.find(Room::Accounts, &Filter::equals("username", noise(2))).await.unwrap();
    assert_eq!(found.iter().map(|stored| stored.id.as_str()).collect::<Vec<_>>(), ["2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_callers_than_connections_wait_for_their_turn() {
    let Some(mut fresh) = Fresh::new() else { return };
    fresh.settings.max_connections = 2;
    let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(fresh.store().await);
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..60 {
        let store = store.clone();
        tasks.spawn(async move {
            let s = source(&format!("s{}", i % 3));
            store.documents().insert(Room::Log, &i.to_string(), &json!({})).await?;
            store.subjects().stage(&s, 1, upserts([i.to_string().as_str()], 1)).await?;
            store.subjects().scan_change(&s, 1, None, 10).await?;
            Ok::<(), StoreError>(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap().unwrap();
    }
    assert_eq!(store.documents().count(Room::Log, &Filter::all()).await.unwrap(), 60);
}
