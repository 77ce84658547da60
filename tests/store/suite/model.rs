//! Random histories of one source against a naive model of the trait's words.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use cv3_backend::domain::ids::SourceId;
use cv3_backend::domain::sources::Manifest;
use cv3_backend::store::{Change, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::{all, conflicts, manifest, source, subject};
use crate::Engine;

const IDS: [&str; 7] = ["a", "b", "B", "ab", "é", "0", "z z"];

#[derive(Debug, Clone)]
enum Act {
    /// Ids by position; `true` upserts.
    Stage(Vec<(usize, bool)>),
    Commit {
        replace: bool,
    },
    /// Commits against a version that is not the visible one.
    CommitWrongly,
    Discard,
    DiscardCommitted,
    Fold(u64),
    Drop,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let batch = prop::collection::vec((0..IDS.len(), prop::bool::weighted(0.7)), 0..6);
    let act = prop_oneof![
        6 => batch.prop_map(Act::Stage),
        4 => prop::bool::weighted(0.2).prop_map(|replace| Act::Commit { replace }),
        1 => Just(Act::CommitWrongly),
        1 => Just(Act::Discard),
        1 => Just(Act::DiscardCommitted),
        3 => (0_u64..8).prop_map(Act::Fold),
        1 => Just(Act::Drop),
    ];
    prop::collection::vec(act, 1..24)
}

/// A subject's mark, or `None` where the change deletes it.
type Changes = BTreeMap<&'static str, Option<u64>>;

#[derive(Debug, Default)]
struct Model {
    /// What each change held, committed ones only; index 0 is change 1.
    committed: Vec<Changes>,
    staged: Changes,
    replaced_at: u64,
    folded: u64,
}

impl Model {
    fn version(&self) -> u64 {
        self.committed.len() as u64
    }

    /// The rule of the trait at the visible version, change by change.
    fn visible(&self) -> BTreeMap<&'static str, u64> {
        let mut seen = BTreeMap::new();
        for (at, changes) in self.committed.iter().enumerate() {
            if (at as u64) + 1 < self.replaced_at {
                continue;
            }
            for (id, mark) in changes {
                match mark {
                    Some(mark) => seen.insert(*id, *mark),
                    None => seen.remove(id),
                };
            }
        }
        seen
    }
}

async fn act(store: &dyn Store, s: &SourceId, model: &mut Model, act: Act, mark: u64) {
    let subjects = store.subjects();
    let (version, next) = (model.version(), model.version() + 1);
    let read = subjects.manifest(s).await.unwrap();
    let known = read.unwrap_or_else(|| manifest(s, 0));
    match act {
        Act::Stage(batch) => {
            let mut changes = Vec::new();
            for (id, upsert) in batch {
                let id = IDS[id];
                changes.push(if upsert {
                    Change::Upsert(subject(id, mark))
                } else {
                    Change::Delete(id.to_owned())
                });
                model.staged.insert(id, upsert.then_some(mark));
            }
            subjects.stage(s, next, changes).await.unwrap();
        }
        Act::Commit { replace } => {
            let mut after = Manifest { data_version: next, record_count: mark, ..known };
            if replace {
                after.replaced_at = next;
                model.replaced_at = next;
            }
            subjects.commit(version, &after).await.unwrap();
            model.committed.push(std::mem::take(&mut model.staged));
        }
        Act::CommitWrongly => {
            assert!(conflicts(&subjects.commit(version + 1, &manifest(s, version + 2)).await));
        }
        Act::Discard => {
            subjects.discard(s, next).await.unwrap();
            model.staged.clear();
        }
        Act::DiscardCommitted if version > 0 => assert!(conflicts(&subjects.discard(s, version).await)),
        Act::DiscardCommitted => {}
        Act::Fold(n) => {
            subjects.fold(s, n).await.unwrap();
            model.folded = model.folded.max(n.min(version));
        }
        Act::Drop => {
            subjects.drop_source(s).await.unwrap();
            *model = Model::default();
        }
    }
}

async fn compare(store: &dyn Store, s: &SourceId, model: &Model) {
    let subjects = store.subjects();
    let version = model.version();
    let expected: Vec<(String, String)> =
        model.visible().into_iter().map(|(id, mark)| (id.to_owned(), mark.to_string())).collect();
    for page in [1, 2, 100] {
        assert_eq!(all(store, s, version, page).await, expected, "pages of {page}");
    }
    let ids: Vec<String> = IDS.iter().map(|id| (*id).to_owned()).collect();
    let mut got: Vec<_> = subjects.get_many(s, version, &ids).await.unwrap();
    got.sort_by(|a, b| a.subject_id.cmp(&b.subject_id));
    assert_eq!(got.into_iter().map(|s| (s.subject_id, s.ordo.concat())).collect::<Vec<_>>(), expected);

    let mut staged = subjects.staged(s, version + 1, &ids).await.unwrap();
    staged.sort_by(|a, b| a.subject_id.cmp(&b.subject_id));
    let set = model.staged.iter().filter_map(|(id, mark)| mark.map(|mark| subject(id, mark)));
    assert_eq!(staged, set.collect::<Vec<_>>());
    let change = model.staged.iter().map(|(id, mark)| match mark {
        Some(mark) => Change::Upsert(subject(id, *mark)),
        None => Change::Delete((*id).to_owned()),
    });
    assert_eq!(subjects.scan_change(s, version + 1, None, 100).await.unwrap(), change.collect::<Vec<_>>());

    let stored = subjects.manifest(s).await.unwrap();
    let numbers = stored.map(|m| (m.data_version, m.folded, m.replaced_at));
    let wanted = (version > 0).then_some((version, model.folded, model.replaced_at));
    assert_eq!(numbers, wanted);
}

pub async fn generations_agree_with_a_model(engine: &impl Engine) {
    let store = engine.open().unwrap();
    let histories = AtomicU32::new(0);
    let runtime = tokio::runtime::Handle::current();
    let config = Config { cases: engine.histories(), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&acts(), |history| {
            runtime.block_on(async {
                let s = source(&format!("history {}", histories.fetch_add(1, Ordering::Relaxed)));
                let mut model = Model::default();
                for (mark, next) in history.into_iter().enumerate() {
                    act(&*store, &s, &mut model, next, mark as u64).await;
                    compare(&*store, &s, &model).await;
                }
            });
            Ok::<(), TestCaseError>(())
        })
    });
    outcome.unwrap();
}
