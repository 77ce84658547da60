//! Subjects of the original, and what readers and folds do to each other over collections.

use cv3_backend::store::Change;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, doc};
use serde_json::json;

use super::Fresh;
use crate::Engine;
use crate::suite::{add, all, deletions, manifest, pairs, source, subject, upserts};

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
    assert!(subjects.adopted(&s).await.unwrap());
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
    assert!(!subjects.adopted(&s).await.unwrap(), "something here wrote into it");
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
