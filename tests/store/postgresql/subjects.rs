//! What is left of states in the tables of sources, and who is in whose way.

use cv3_backend::domain::sources::Manifest;
use cv3_backend::store::{Change, Store, StoreError, Subjects};

use super::Fresh;
use crate::suite::{add, all, deletions, manifest, pairs, source, subject, upserts};

/// The states of the one source there is.
async fn states(fresh: &Fresh) -> i64 {
    let key = fresh.number("SELECT key FROM subject_sources").await;
    fresh.number(&format!("SELECT count(*) FROM subjects_{key}")).await
}

const TABLES: &str =
    "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE 'subjects\\_%'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folded_and_dropped_states_leave_the_database() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.store().await;
    let (s, ids) = (source("s"), ["a", "b", "c", "d"]);
    add(&store, &s, upserts(ids, 1), false).await;
    add(&store, &s, upserts(ids, 2), false).await;
    add(&store, &s, deletions(["a", "b"]), false).await;
    assert_eq!(states(&fresh).await, 10);
    store.subjects().fold(&s, 2).await.unwrap();
    assert_eq!(states(&fresh).await, 6);
    store.subjects().fold(&s, 3).await.unwrap();
    assert_eq!(states(&fresh).await, 2);
    add(&store, &s, upserts(["z"], 4), true).await;
    store.subjects().fold(&s, 4).await.unwrap();
    assert_eq!(states(&fresh).await, 1);
    store.subjects().stage(&s, 5, upserts(["y"], 5)).await.unwrap();
    store.subjects().discard(&s, 5).await.unwrap();
    assert_eq!(states(&fresh).await, 1);
    assert_eq!(fresh.number(TABLES).await, 1);
    store.subjects().drop_source(&s).await.unwrap();
    assert_eq!(fresh.number(TABLES).await, 0);
    assert_eq!(fresh.number("SELECT count(*) FROM subject_sources").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_more_than_a_slice_are_folded_replaced_and_discarded_whole() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.store().await;
    let s = source("s");
    // Two and a half slices, and one whose size is that of a slice.
    let ids: Vec<String> = (0..12_500).map(|i| format!("{:05}", (i * 7_919) % 12_500)).collect();
    let named = |from: usize, to: usize| ids[from..to].iter().map(String::as_str);
    add(&store, &s, upserts(named(0, 12_500), 1), false).await;
    add(&store, &s, upserts(named(0, 5_000), 2), false).await;
    add(&store, &s, [upserts(named(2_000, 12_000), 3), deletions(named(0, 2_000))].concat(), false).await;
    assert_eq!(states(&fresh).await, 29_500);
    let before = all(&store, &s, 3, 4_000).await;
    assert_eq!(before.len(), 10_500);
    store.subjects().fold(&s, 3).await.unwrap();
    assert_eq!(states(&fresh).await, 10_500);
    assert!(all(&store, &s, 3, 4_000).await == before);
    store.subjects().stage(&s, 4, upserts(named(0, 12_500), 4)).await.unwrap();
    store.subjects().discard(&s, 4).await.unwrap();
    assert_eq!(states(&fresh).await, 10_500);
    add(&store, &s, upserts(named(0, 3), 5), true).await;
    store.subjects().fold(&s, 4).await.unwrap();
    assert_eq!(states(&fresh).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_staged_change_is_seen_by_nobody_even_as_states_of_the_table() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.store().await;
    let s = source("s");
    add(&store, &s, upserts(["a"], 1), false).await;
    store.subjects().stage(&s, 2, [upserts(["a", "b"], 2), deletions(["a"])].concat()).await.unwrap();
    assert_eq!(states(&fresh).await, 3);
    for version in [1, 2, 9] {
        assert_eq!(all(&store, &s, version, 10).await, pairs(&[("a", 1)]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_keeps_its_version_while_it_is_replaced_and_the_source_removed() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.store().await;
    let s = source("s");
    let ids: Vec<String> = (0..4_000).map(|i| format!("{i:05}")).collect();
    let named = || ids.iter().map(String::as_str);
    add(&store, &s, upserts(named(), 1), false).await;
    let store = std::sync::Arc::new(store);
    let reader = tokio::spawn({
        let (store, s) = (store.clone(), s.clone());
        async move {
            // Each answer is one version: all of one mark, or nothing once the source is gone.
            loop {
                let page = store.subjects().scan(&s, u64::MAX >> 1, None, 4_000).await.unwrap();
                let Some(first) = page.first() else { return };
                assert_eq!(page.len(), 4_000);
                assert!(page.iter().all(|subject| subject.ordo == first.ordo));
            }
        }
    });
    for mark in 2..8 {
        let version = add(&*store, &s, upserts(named(), mark), true).await.data_version;
        store.subjects().fold(&s, version).await.unwrap();
    }
    store.subjects().drop_source(&s).await.unwrap();
    reader.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_source_that_is_removed_and_made_again_has_nothing_of_before() {
    let Some(fresh) = Fresh::new() else { return };
    let store = std::sync::Arc::new(fresh.store().await);
    let s = source("s");
    let mut tasks = tokio::task::JoinSet::new();
    // Whatever overtakes what: nothing fails but by a conflict or as unavailable, and no table is left over.
    for round in 0..40_u64 {
        let (store, s) = (store.clone(), s.clone());
        tasks.spawn(async move {
            let subjects = store.subjects();
            match round % 5 {
                0 => subjects.drop_source(&s).await,
                1 => subjects.fold(&s, 9).await,
                2 => subjects.scan(&s, 9, None, 100).await.map(drop),
                _ => match subjects.stage(&s, 1, upserts(["a", "b"], round)).await {
                    Ok(()) => subjects.commit(0, &manifest(&s, 1)).await,
                    failed => failed,
                },
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        match task.unwrap() {
            Ok(()) | Err(StoreError::Conflict(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    let sources = fresh.number("SELECT count(*) FROM subject_sources").await;
    assert_eq!(fresh.number(TABLES).await, sources);
    store.subjects().drop_source(&s).await.unwrap();
    assert!(all(&*store, &s, 1, 10).await.is_empty());
    add(&*store, &s, upserts(["c"], 7), false).await;
    assert_eq!(all(&*store, &s, 1, 10).await, pairs(&[("c", 7)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_with_characters_postgresql_has_not_are_kept() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.store().await;
    let s = source("s");
    let mut odd = ["\0", "a\0", "a\0b", "a\u{1}", "a\u{1}\u{1}", "a", "\u{2}"].map(str::to_owned);
    let changes = odd.iter().map(|id| Change::Upsert(subject(id, 1))).collect();
    add(&store, &s, changes, false).await;
    odd.sort_unstable();
    for page in [1, 3, 10] {
        let found = all(&store, &s, 1, page).await;
        assert_eq!(found.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), odd);
    }
    assert_eq!(store.subjects().get_many(&s, 1, &odd).await.unwrap().len(), odd.len());
    add(&store, &s, vec![Change::Delete("a\0".to_owned())], false).await;
    assert_eq!(
        store.subjects().scan_change(&s, 2, None, 10).await.unwrap(),
        [Change::Delete("a\0".to_owned())]
    );
    assert_eq!(all(&store, &s, 2, 10).await.len(), odd.len() - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folded_change_cannot_be_scanned_for_itself() {
    let Some(fresh) = Fresh::new() else { return };
    let store = fresh.store().await;
    let (subjects, s): (&dyn Subjects, _) = (store.subjects(), source("s"));
    add(&store, &s, upserts(["a"], 1), false).await;
    subjects.fold(&s, 1).await.unwrap();
    let scanned = subjects.scan_change(&s, 1, None, 10).await;
    assert!(matches!(scanned, Err(StoreError::Conflict(_))), "{scanned:?}");
    let folded: Manifest = subjects.manifest(&s).await.unwrap().unwrap();
    assert_eq!(folded.folded, 1);
}
