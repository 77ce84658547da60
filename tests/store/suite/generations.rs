//! Subjects: staging, commits, folding, what each version shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cv3_backend::domain::sources::{Manifest, PartRef};
use cv3_backend::domain::subjects::{
    EavValue, Gender, GeneAlleles, Mutation, Scalar, Subject, Term, Variant,
};
use cv3_backend::store::{Change, Store};

use super::{add, all, conflicts, deletions, manifest, pairs, source, subject, upserts};
use crate::Engine;

fn strings(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

pub async fn a_source_nothing_was_committed_to_is_empty(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    assert_eq!(subjects.manifest(&s).await.unwrap(), None);
    assert!(subjects.scan(&s, 0, None, 10).await.unwrap().is_empty());
    assert!(subjects.get_many(&s, 7, &strings(&["a"])).await.unwrap().is_empty());
    assert!(subjects.staged(&s, 1, &strings(&["a"])).await.unwrap().is_empty());
    assert!(subjects.scan_change(&s, 1, None, 10).await.unwrap().is_empty());
    subjects.discard(&s, 1).await.unwrap();
    subjects.fold(&s, 3).await.unwrap();
    subjects.drop_source(&s).await.unwrap();
    assert_eq!(subjects.manifest(&s).await.unwrap(), None);
}

pub async fn staged_changes_are_invisible_until_committed(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    subjects.stage(&s, 1, upserts(["a", "b"], 1)).await.unwrap();
    assert_eq!(subjects.manifest(&s).await.unwrap(), None);
    for version in [0, 1, 9] {
        assert!(all(&*store, &s, version, 10).await.is_empty());
        assert!(subjects.get_many(&s, version, &strings(&["a"])).await.unwrap().is_empty());
    }
    assert_eq!(subjects.staged(&s, 1, &strings(&["a", "c"])).await.unwrap(), [subject("a", 1)]);
    let mut first = manifest(&s, 1);
    first.record_count = 2;
    first.parts.push(PartRef { blob: "b".into(), bytes: 3, subjects: 2, from: 1, to: 1 });
    subjects.commit(0, &first).await.unwrap();
    assert_eq!(subjects.manifest(&s).await.unwrap(), Some(first));
    assert_eq!(all(&*store, &s, 1, 10).await, pairs(&[("a", 1), ("b", 1)]));
    assert_eq!(subjects.get_many(&s, 1, &strings(&["b", "c"])).await.unwrap(), [subject("b", 1)]);
    subjects.stage(&s, 2, upserts(["b", "c"], 2)).await.unwrap();
    for version in [1, 2] {
        assert_eq!(all(&*store, &s, version, 10).await, pairs(&[("a", 1), ("b", 1)]));
        assert_eq!(subjects.get_many(&s, version, &strings(&["b", "c"])).await.unwrap(), [subject("b", 1)]);
    }
}

pub async fn the_last_of_a_subject_staged_twice_wins(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    let mut batch = upserts(["a", "b", "c"], 1);
    batch.extend(upserts(["a"], 2));
    batch.extend(deletions(["b"]));
    batch.extend(upserts(["a"], 3));
    subjects.stage(&s, 1, batch).await.unwrap();
    assert_eq!(subjects.staged(&s, 1, &strings(&["a", "b"])).await.unwrap(), [subject("a", 3)]);
    subjects.stage(&s, 1, upserts(["b", "c"], 4)).await.unwrap();
    subjects.stage(&s, 1, deletions(["c"])).await.unwrap();
    subjects.commit(0, &manifest(&s, 1)).await.unwrap();
    assert_eq!(all(&*store, &s, 1, 10).await, pairs(&[("a", 3), ("b", 4)]));
}

pub async fn a_subject_staged_again_after_it_was_asked_for_is_the_newer_one(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    add(&*store, &s, upserts(["a", "b"], 1), false).await;
    for mark in 2..6 {
        subjects.stage(&s, 3, upserts(["b", "c"], mark)).await.unwrap();
        subjects.stage(&s, 2, upserts(["c", "d"], 9)).await.unwrap();
        let staged = subjects.staged(&s, 3, &strings(&["a", "b"])).await.unwrap();
        assert_eq!(staged, [subject("b", mark)]);
        assert_eq!(subjects.scan_change(&s, 3, None, 10).await.unwrap(), upserts(["b", "c"], mark));
    }
    subjects.stage(&s, 3, upserts(["c"], 7)).await.unwrap();
    subjects.stage(&s, 4, upserts(["e"], 8)).await.unwrap();
    // A commit may pass over a number; what was staged under it is part of what is committed.
    subjects.commit(1, &manifest(&s, 3)).await.unwrap();
    assert_eq!(all(&*store, &s, 3, 2).await, pairs(&[("a", 1), ("b", 5), ("c", 7), ("d", 9)]));
    subjects.discard(&s, 4).await.unwrap();
    assert!(subjects.staged(&s, 4, &strings(&["e"])).await.unwrap().is_empty());
    subjects.stage(&s, 4, upserts(["f"], 8)).await.unwrap();
    subjects.commit(3, &manifest(&s, 4)).await.unwrap();
    subjects.fold(&s, 4).await.unwrap();
    assert_eq!(all(&*store, &s, 4, 2).await, pairs(&[("a", 1), ("b", 5), ("c", 7), ("d", 9), ("f", 8)]));
}

pub async fn a_change_is_scanned_with_its_deletions(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    add(&*store, &s, upserts(["a", "b", "c"], 1), false).await;
    subjects.stage(&s, 2, upserts(["d", "B"], 2)).await.unwrap();
    subjects.stage(&s, 2, deletions(["b"])).await.unwrap();
    let whole = vec![
        Change::Upsert(subject("B", 2)),
        Change::Delete("b".to_owned()),
        Change::Upsert(subject("d", 2)),
    ];
    for committed in [false, true] {
        if committed {
            subjects.commit(1, &manifest(&s, 2)).await.unwrap();
        }
        assert_eq!(subjects.scan_change(&s, 2, None, 10).await.unwrap(), whole);
        assert_eq!(subjects.scan_change(&s, 2, None, 1).await.unwrap(), whole[..1]);
        assert_eq!(subjects.scan_change(&s, 2, Some("B"), 1).await.unwrap(), whole[1..2]);
        assert_eq!(subjects.scan_change(&s, 2, Some("c"), 5).await.unwrap(), whole[2..]);
        assert!(subjects.scan_change(&s, 2, Some("d"), 5).await.unwrap().is_empty());
    }
}

pub async fn a_large_change_is_scanned_in_order_too(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    // Multiplying by an odd number permutes the 16-bit numbers.
    let ids: Vec<String> =
        (0..u16::MAX).step_by(2).map(|i| format!("{:05}", i.wrapping_mul(40_503))).collect();
    add(&*store, &s, upserts(["12", "none"], 1), false).await;
    for part in ids.chunks(5_000) {
        let (gone, set) = part.split_at(100);
        subjects.stage(&s, 2, upserts(set.iter().map(String::as_str), 2)).await.unwrap();
        subjects.stage(&s, 2, deletions(gone.iter().map(String::as_str))).await.unwrap();
    }
    let (mut found, mut deleted, mut after) = (Vec::new(), 0, None);
    loop {
        let page = subjects.scan_change(&s, 2, after.as_deref(), 4_000).await.unwrap();
        let Some(last) = page.last() else { break };
        let id = |change: &Change| match change {
            Change::Upsert(subject) => subject.subject_id.clone(),
            Change::Delete(id) => id.clone(),
        };
        after = Some(id(last));
        deleted += page.iter().filter(|change| matches!(change, Change::Delete(_))).count();
        found.extend(page.iter().map(id));
    }
    let mut expected = ids.clone();
    expected.sort_unstable();
    assert!(found == expected, "{} of {} subjects, or out of order", found.len(), expected.len());
    assert_eq!(deleted, 100 * ids.chunks(5_000).count());
}

pub async fn a_commit_needs_the_expected_version(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    assert!(conflicts(&subjects.commit(1, &manifest(&s, 2)).await));
    assert_eq!(subjects.manifest(&s).await.unwrap(), None);
    subjects.commit(0, &manifest(&s, 1)).await.unwrap();
    for (expected, version) in [(0, 1), (0, 2), (2, 3)] {
        assert!(conflicts(&subjects.commit(expected, &manifest(&s, version)).await));
    }
    // A new build of the same version is a commit too.
    let rebuilt = Manifest { build: 7, ..manifest(&s, 1) };
    subjects.commit(1, &rebuilt).await.unwrap();
    assert_eq!(subjects.manifest(&s).await.unwrap(), Some(rebuilt));
    let next = manifest(&s, 2);
    let race = tokio::join!(subjects.commit(1, &next), subjects.commit(1, &next), subjects.commit(1, &next));
    let won = [race.0, race.1, race.2].into_iter().filter(|answer| !conflicts(answer)).count();
    assert_eq!(won, 1);
}

pub async fn a_later_change_hides_an_earlier_one(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let s = source("s");
    add(&*store, &s, upserts(["a", "b", "c"], 1), false).await;
    add(&*store, &s, [upserts(["b", "d"], 2), deletions(["c", "none"])].concat(), false).await;
    add(&*store, &s, upserts(["c"], 3), false).await;
    assert_eq!(all(&*store, &s, 1, 2).await, pairs(&[("a", 1), ("b", 1), ("c", 1)]));
    assert_eq!(all(&*store, &s, 2, 2).await, pairs(&[("a", 1), ("b", 2), ("d", 2)]));
    assert_eq!(all(&*store, &s, 3, 2).await, pairs(&[("a", 1), ("b", 2), ("c", 3), ("d", 2)]));
    assert!(store.subjects().get_many(&s, 2, &strings(&["c", "none"])).await.unwrap().is_empty());
}

pub async fn a_replacing_change_hides_everything_before_it(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    add(&*store, &s, upserts(["a", "b"], 1), false).await;
    subjects.fold(&s, 1).await.unwrap();
    add(&*store, &s, upserts(["c"], 2), false).await;
    let third = add(&*store, &s, [upserts(["b", "d"], 3), deletions(["e"])].concat(), true).await;
    let expected = pairs(&[("b", 3), ("d", 3)]);
    assert_eq!(all(&*store, &s, 3, 10).await, expected);
    assert!(subjects.get_many(&s, 3, &strings(&["a", "c"])).await.unwrap().is_empty());
    add(&*store, &s, upserts(["a"], 4), false).await;
    for n in [2, 3, 4] {
        subjects.fold(&s, n).await.unwrap();
        assert_eq!(all(&*store, &s, 4, 10).await, pairs(&[("a", 4), ("b", 3), ("d", 3)]));
    }
    assert_eq!(third.replaced_at, 3);
}

pub async fn a_discarded_change_is_gone_and_a_committed_one_stays(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    add(&*store, &s, upserts(["a"], 1), false).await;
    subjects.stage(&s, 2, upserts(["a", "b"], 2)).await.unwrap();
    subjects.discard(&s, 2).await.unwrap();
    assert!(subjects.staged(&s, 2, &strings(&["a", "b"])).await.unwrap().is_empty());
    assert!(subjects.scan_change(&s, 2, None, 10).await.unwrap().is_empty());
    assert!(conflicts(&subjects.discard(&s, 1).await));
    add(&*store, &s, upserts(["c"], 3), false).await;
    assert_eq!(all(&*store, &s, 2, 10).await, pairs(&[("a", 1), ("c", 3)]));
    subjects.fold(&s, 2).await.unwrap();
    assert!(conflicts(&subjects.discard(&s, 2).await));
    assert_eq!(all(&*store, &s, 2, 10).await, pairs(&[("a", 1), ("c", 3)]));
}

pub async fn a_committed_change_takes_no_more_subjects(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let s = source("s");
    add(&*store, &s, upserts(["a"], 1), false).await;
    assert!(conflicts(&store.subjects().stage(&s, 1, upserts(["b"], 1)).await));
    assert_eq!(all(&*store, &s, 1, 10).await, pairs(&[("a", 1)]));
}

pub async fn folding_changes_nothing_a_reader_sees(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    add(&*store, &s, upserts(["a", "b", "c"], 1), false).await;
    add(&*store, &s, [upserts(["b"], 2), deletions(["c"])].concat(), false).await;
    add(&*store, &s, [upserts(["c", "d"], 3), deletions(["a"])].concat(), false).await;
    let expected = pairs(&[("b", 2), ("c", 3), ("d", 3)]);
    for n in [1, 1, 2, 3, 2, 3] {
        subjects.fold(&s, n).await.unwrap();
        assert_eq!(all(&*store, &s, 3, 2).await, expected);
        let got = subjects.get_many(&s, 3, &strings(&["a", "b", "c", "d"])).await.unwrap();
        assert_eq!(got.len(), 3);
    }
    assert_eq!(subjects.manifest(&s).await.unwrap().unwrap().folded, 3);
}

pub async fn folding_reaches_only_what_is_committed(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    add(&*store, &s, upserts(["a"], 1), false).await;
    subjects.stage(&s, 2, upserts(["a", "b"], 2)).await.unwrap();
    subjects.fold(&s, 2).await.unwrap();
    assert_eq!(subjects.manifest(&s).await.unwrap().unwrap().folded, 1);
    assert_eq!(all(&*store, &s, 1, 10).await, pairs(&[("a", 1)]));
    assert_eq!(subjects.staged(&s, 2, &strings(&["b"])).await.unwrap(), [subject("b", 2)]);
}

pub async fn a_manifest_never_goes_back_behind_what_is_folded(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    let read_before_the_fold = add(&*store, &s, upserts(["a"], 1), false).await;
    subjects.fold(&s, 1).await.unwrap();
    let second = Manifest { data_version: 2, ..read_before_the_fold };
    assert_eq!(second.folded, 0);
    subjects.stage(&s, 2, upserts(["b"], 2)).await.unwrap();
    subjects.commit(1, &second).await.unwrap();
    assert_eq!(subjects.manifest(&s).await.unwrap(), Some(Manifest { folded: 1, ..second }));
    assert_eq!(all(&*store, &s, 2, 10).await, pairs(&[("a", 1), ("b", 2)]));
}

pub async fn subjects_come_in_byte_order_page_by_page(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let s = source("s");
    let mut ids = ["b", "a", "B", "é", "e", "ab", "1", "10", "9", "\u{1F600}", "\u{FFFD}", "a b", "Z", "~"];
    add(&*store, &s, upserts(ids.iter().copied().skip(7), 1), false).await;
    add(&*store, &s, upserts(ids.iter().copied().take(7), 1), false).await;
    ids.sort_unstable_by_key(|id| id.as_bytes());
    let expected: Vec<_> = ids.iter().map(|id| (*id, 1)).collect();
    for page in [1, 3, 7, 14, 100] {
        assert_eq!(all(&*store, &s, 2, page).await, pairs(&expected));
    }
    let page = store.subjects().scan(&s, 2, Some("a0"), 1).await.unwrap();
    assert_eq!(page, [subject("ab", 1)]);
    assert!(store.subjects().scan(&s, 2, None, 0).await.unwrap().is_empty());
}

pub async fn subjects_asked_for_twice_are_answered_once(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    subjects.stage(&s, 1, upserts(["a"], 1)).await.unwrap();
    assert_eq!(subjects.staged(&s, 1, &strings(&["a", "a"])).await.unwrap().len(), 1);
    subjects.commit(0, &manifest(&s, 1)).await.unwrap();
    assert_eq!(subjects.get_many(&s, 1, &strings(&["a", "b", "a"])).await.unwrap().len(), 1);
    let many: Vec<String> = (0..5_000).map(|i| format!("none{i}")).chain(["a".to_owned()]).collect();
    assert_eq!(subjects.get_many(&s, 1, &many).await.unwrap(), [subject("a", 1)]);
}

pub async fn a_dropped_source_leaves_nothing_behind(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (subjects, s) = (store.subjects(), source("s"));
    add(&*store, &s, upserts(["a", "b"], 1), false).await;
    add(&*store, &s, upserts(["c"], 2), false).await;
    subjects.stage(&s, 3, upserts(["d"], 3)).await.unwrap();
    let staged = source("only staged");
    subjects.stage(&staged, 1, upserts(["e"], 1)).await.unwrap();
    let mut sources = subjects.sources().await.unwrap();
    sources.sort();
    assert_eq!(sources, [staged.clone(), s.clone()]);
    subjects.drop_source(&s).await.unwrap();
    assert_eq!(subjects.sources().await.unwrap(), [staged]);
    assert_eq!(subjects.manifest(&s).await.unwrap(), None);
    assert!(all(&*store, &s, 2, 10).await.is_empty());
    assert!(subjects.staged(&s, 3, &strings(&["d"])).await.unwrap().is_empty());
    add(&*store, &s, upserts(["b"], 9), false).await;
    assert_eq!(all(&*store, &s, 3, 10).await, pairs(&[("b", 9)]));
}

pub async fn sources_do_not_see_each_other(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let (one, two) = (source("one"), source("two"));
    add(&*store, &one, upserts(["a", "b"], 1), false).await;
    add(&*store, &two, upserts(["b", "c"], 2), false).await;
    add(&*store, &two, deletions(["b"]), true).await;
    store.subjects().fold(&two, 2).await.unwrap();
    assert_eq!(all(&*store, &one, 1, 10).await, pairs(&[("a", 1), ("b", 1)]));
    store.subjects().drop_source(&two).await.unwrap();
    assert_eq!(all(&*store, &one, 1, 10).await, pairs(&[("a", 1), ("b", 1)]));
}

pub async fn whole_subjects_come_back_as_they_were_staged(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let s = source("s");
    let mut whole = Subject::new("K7 'quoted\" ü");
    whole.hpo =
        vec![Term::Present("0001250".into()), Term::excluded("0002315"), Term::qualified("0004322", 12)];
    whole.alleles = vec![GeneAlleles { gene: "APOE".into(), alleles: vec!["e3".into(), "e4".into()] }];
    whole.variant = vec![Variant {
        gene: "TTN".into(),
        mutation: Mutation::Missense,
        af: Some(0.25),
        allele_count: Some(2),
    }];
    whole.eav.insert("a.b $c".into(), EavValue::Many(vec!["x".into(), Scalar::Bool(true)]));
    whole.demo.gender = Some(Gender::Female);
    whole.given.explicit.age = Some(7.5);
    add(&*store, &s, vec![Change::Upsert(whole.clone())], false).await;
    store.subjects().fold(&s, 1).await.unwrap();
    assert_eq!(store.subjects().scan(&s, 1, None, 10).await.unwrap(), [whole.clone()]);
    assert_eq!(store.subjects().get_many(&s, 1, &[whole.subject_id.clone()]).await.unwrap(), [whole]);
}

pub async fn readers_beside_a_fold_miss_and_repeat_nothing(engine: &impl Engine) {
    let store: Arc<dyn Store> = engine.open().unwrap().into();
    let s = source("s");
    let ids: Vec<String> = (0..12_000).map(|i| format!("{i:06}")).collect();
    let named = |step: usize| ids.iter().step_by(step).map(String::as_str);
    for batch in named(1).collect::<Vec<_>>().chunks(4_000) {
        store.subjects().stage(&s, 1, upserts(batch.iter().copied(), 1)).await.unwrap();
    }
    store.subjects().commit(0, &manifest(&s, 1)).await.unwrap();
    add(&*store, &s, upserts(named(2), 2), false).await;
    add(&*store, &s, [deletions(named(3)), upserts(["new"], 3)].concat(), false).await;
    add(&*store, &s, upserts(named(5), 4), false).await;
    let expected = all(&*store, &s, 4, 5_000).await;
    let folding = Arc::new(AtomicBool::new(true));
    let reader = tokio::spawn({
        let (store, s, folding, expected) = (store.clone(), s.clone(), folding.clone(), expected.clone());
        async move {
            let sample: Vec<String> = (0..12_000).step_by(7).map(|i| format!("{i:06}")).collect();
            let there = expected.iter().filter(|(id, _)| sample.contains(id)).count();
            let mut rounds = 0;
            while folding.load(Ordering::Acquire) || rounds < 2 {
                assert!(all(&*store, &s, 4, 1_000).await == expected, "a scan beside the fold differs");
                assert_eq!(store.subjects().get_many(&s, 4, &sample).await.unwrap().len(), there);
                rounds += 1;
            }
        }
    });
    for n in 1..=4 {
        store.subjects().fold(&s, n).await.unwrap();
    }
    folding.store(false, Ordering::Release);
    reader.await.unwrap();
    assert_eq!(store.subjects().manifest(&s).await.unwrap().unwrap().folded, 4);
}
