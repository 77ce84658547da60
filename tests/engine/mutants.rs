//! Engines that are broken on purpose, each in one place. The generated pairs must tell every one of them from the
//! oracle; else they would not notice the same defect in the product either.

use cv3_backend::domain::queries::Builder;
use cv3_backend::domain::sources::Capability;
use cv3_backend::engine::keys::{Column, Key};
use cv3_backend::engine::plan::{Group, Predicate, Test};
use cv3_backend::engine::{Plan, Scope};

use super::case::{Case, Ready, Verdict, compare, run};
use super::source::{Change, view};
use super::{generate, kept, rules, shrink};

/// What is broken.
#[derive(Clone, Copy)]
enum Defect {
    Plan(fn(&mut Plan)),
    Question(fn(&mut Builder)),
    Scope(fn(&mut Scope)),
    View(fn(&mut Vec<Change>)),
}
use Defect::{Plan as InPlan, Question as InQuestion, Scope as InScope, View as InView};

const MUTANTS: [(&str, Defect); 24] = [
    ("minimumMatch is one too high", InPlan(|plan| thresholds(plan, |least| *least += 1))),
    ("minimumMatch is one too low", InPlan(|plan| thresholds(plan, |least| *least -= 1))),
    (
        "a group of a filter is lost",
        InPlan(|plan| {
            within(plan, |groups| {
                if groups.len() > 1 {
                    groups.pop();
                }
            })
        }),
    ),
    ("a key of a group is lost", InPlan(|plan| groups(plan, |group| _ = group.keys.pop()))),
    ("a foreign key is in a group", InPlan(|plan| groups(plan, |group| group.keys = vec![0]))),
    (
        "a value of a column is lost",
        InPlan(|plan| {
            tests(plan, |test| {
                if let Test::Texts(texts) = test {
                    texts.pop();
                }
            })
        }),
    ),
    (
        "truth values are turned round",
        InPlan(|plan| {
            tests(plan, |test| {
                if let Test::Bools(bools) = test {
                    bools.iter_mut().for_each(|is| *is = !*is);
                }
            })
        }),
    ),
    ("a lower bound is excluded", InPlan(|plan| intervals(plan, |[low, _]| *low = low.next_up()))),
    ("an upper bound is excluded", InPlan(|plan| intervals(plan, |[_, high]| *high = high.next_down()))),
    (
        "a negative relation is positive",
        InPlan(|plan| {
            plan.predicates.iter_mut().for_each(|predicate| {
                if let Predicate::Without { column, test } = predicate {
                    let group = Group { keys: Vec::new(), tests: vec![(column.clone(), test.clone())] };
                    *predicate = Predicate::Within { at_least: 1, groups: vec![group] };
                }
            });
        }),
    ),
    (
        "a positive relation is negative",
        InPlan(|plan| {
            plan.predicates.iter_mut().for_each(|predicate| {
                let Predicate::Within { groups, .. } = predicate else { return };
                if let [Group { keys, tests }] = groups.as_slice()
                    && let ([], [(column @ Column::Eav(_), test)]) = (keys.as_slice(), tests.as_slice())
                {
                    *predicate = Predicate::Without { column: column.clone(), test: test.clone() };
                }
            });
        }),
    ),
    ("a condition is forgotten", InPlan(|plan| _ = plan.predicates.pop())),
    (
        "conditions are ORed",
        InPlan(|plan| {
            let all = plan.predicates.iter().filter_map(|predicate| match predicate {
                Predicate::Within { groups, .. } => Some(groups.clone()),
                Predicate::Without { .. } => None,
            });
            let groups: Vec<Group> = all.flatten().collect();
            if plan.predicates.len() > 1 && !groups.is_empty() {
                plan.predicates = vec![Predicate::Within { at_least: 1, groups }];
            }
        }),
    ),
    (
        "a missing frequency is no frequency",
        InPlan(|plan| {
            let without = plan.keys.clone();
            groups(plan, |group| {
                group.keys.retain(|key| !matches!(without.get(*key as usize), Some(Key::NoFrequency { .. })));
            });
        }),
    ),
    ("soft match ignores requirements", InQuestion(|builder| builder.required = Capability::default())),
    ("there is no soft match", InQuestion(|builder| builder.required = rules::everything())),
    (
        "a similarity at the threshold is too low",
        InQuestion(|builder| {
            let filters = builder.hpo.iter_mut().chain(&mut builder.ordo);
            filters.filter(|filter| filter.similarity < 1.0).for_each(|filter| {
                filter.similarity = filter.similarity.next_up();
            });
        }),
    ),
    (
        "descendants are forgotten",
        InQuestion(|builder| {
            let filters = builder.hpo.iter_mut().chain(&mut builder.ordo);
            filters.for_each(|filter| filter.include_descendants = false);
        }),
    ),
    (
        "terms are not mapped",
        InQuestion(|builder| {
            builder.hpo.iter_mut().chain(&mut builder.ordo).for_each(|filter| filter.cross = false);
        }),
    ),
    (
        "stored frequencies go before local ones",
        InQuestion(|builder| {
            builder.variant.iter_mut().for_each(|filter| filter.use_local_af = false);
        }),
    ),
    ("withheld attributes answer", InScope(|scope| scope.withheld.clear())),
    (
        "tombstones are forgotten",
        InView(|changes| changes.iter_mut().for_each(|change| change.removed.clear())),
    ),
    ("the oldest version of a subject counts", InView(|changes| changes.reverse())),
    ("the last change is not read", InView(|changes| _ = changes.pop())),
];

fn within(plan: &mut Plan, mut change: impl FnMut(&mut Vec<Group>)) {
    for predicate in &mut plan.predicates {
        if let Predicate::Within { groups, .. } = predicate {
            change(groups);
        }
    }
}

fn groups(plan: &mut Plan, mut change: impl FnMut(&mut Group)) {
    within(plan, |groups| groups.iter_mut().filter(|group| group.keys.len() > 1).for_each(&mut change));
}

fn thresholds(plan: &mut Plan, change: fn(&mut usize)) {
    for predicate in &mut plan.predicates {
        if let Predicate::Within { at_least, .. } = predicate
            && *at_least > 1
        {
            change(at_least);
        }
    }
}

fn tests(plan: &mut Plan, mut change: impl FnMut(&mut Test)) {
    for predicate in &mut plan.predicates {
        match predicate {
            Predicate::Within { groups, .. } => {
                groups.iter_mut().flat_map(|group| &mut group.tests).for_each(|(_, test)| change(test));
            }
            Predicate::Without { test, .. } => change(test),
        }
    }
}

fn intervals(plan: &mut Plan, change: fn(&mut [f64; 2])) {
    tests(plan, |test| {
        if let Test::Numbers(intervals) = test {
            intervals.iter_mut().for_each(change);
        }
    });
}

impl Defect {
    fn answer(self, ready: &Ready<'_>, builder: &Builder, scope: &Scope) -> Vec<String> {
        let terms = ready.terms.as_ref();
        match self {
            InPlan(change) => {
                let mut plan = Plan::make(builder, &ready.view, terms, scope);
                change(&mut plan);
                run(&plan, &ready.view)
            }
            InQuestion(change) => {
                let mut builder = builder.clone();
                change(&mut builder);
                run(&Plan::make(&builder, &ready.view, terms, scope), &ready.view)
            }
            InScope(change) => {
                let mut scope = scope.clone();
                change(&mut scope);
                run(&Plan::make(builder, &ready.view, terms, &scope), &ready.view)
            }
            InView(change) => {
                let mut changes = ready.source.changes.clone();
                change(&mut changes);
                let view = view(&changes);
                run(&Plan::make(builder, &view, terms, scope), &view)
            }
        }
    }
}

/// Sources looked at until every mutant is caught; small ones, so that a mutant costs little.
const SEEDS: std::ops::Range<u64> = 7_000..7_400;
/// Questions per source.
const QUESTIONS: usize = 20;

/// The first generated case that tells the mutant from the oracle, and how many pairs were asked.
fn caught(defect: Defect) -> Option<(Case, usize)> {
    let engine = |ready: &Ready<'_>, builder: &Builder, scope: &Scope| defect.answer(ready, builder, scope);
    let mut pairs = 0;
    for seed in SEEDS.filter(|seed| seed % 20 != 19) {
        let (source, vocabulary, mut dice) = generate::source(seed);
        let ready = Ready::new(&source).unwrap();
        for _ in 0..QUESTIONS {
            let (mut asked, _) = generate::asked(&mut dice, &vocabulary);
            asked.rules = None;
            pairs += 1;
            if let Verdict::Differ { what, .. } = compare(&ready, &asked, &engine) {
                let about = format!("seed {seed}: {what}");
                drop(ready);
                return Some((Case { about, source, asked }, pairs));
            }
        }
    }
    None
}

#[test]
fn every_deliberate_defect_is_caught() {
    let mut missed = Vec::new();
    for (name, defect) in MUTANTS {
        match caught(defect) {
            Some((_, pairs)) => println!("{name}: caught by pair {pairs}"),
            None => missed.push(name),
        }
    }
    assert!(missed.is_empty(), "no pair tells these from the oracle: {missed:?}");
}

/// A failure becomes a document of a few subjects and one filter, is written, read again, and still fails, while
/// the product passes it.
#[test]
fn a_caught_defect_is_shrunk_and_kept() {
    for name in ["an upper bound is excluded", "tombstones are forgotten", "minimumMatch is one too low"] {
        let (_, defect) = MUTANTS.into_iter().find(|(other, _)| *other == name).unwrap();
        let engine =
            |ready: &Ready<'_>, builder: &Builder, scope: &Scope| defect.answer(ready, builder, scope);
        let (case, _) = caught(defect).unwrap();
        let small = shrink::shrink(&case, |case| case.ask(&engine).differs());
        let folder = tempfile::tempdir().unwrap();
        let kept = kept::read(&kept::write(&small, folder.path(), "case"));
        assert_eq!(kept, small);
        assert!(kept.ask(&engine).differs(), "{name}: the kept case no longer fails");
        assert!(matches!(kept.ask(&super::case::engine), Verdict::Agree(_)), "{name}: the product fails too");
        let subjects: usize = kept.source.changes.iter().map(|change| change.subjects.len()).sum();
        let question = kept.asked.question.as_object().unwrap();
        let filters: usize = question.values().map(|family| family.as_array().map_or(1, Vec::len)).sum();
        println!("{name}: {}", serde_json::to_string(&kept).unwrap());
        assert!(subjects <= 2 && filters <= 1, "{name}: {subjects} subjects, {filters} filters are left");
    }
}
