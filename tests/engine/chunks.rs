//! Sources beyond one chunk of 262,144 subjects, where every container kind, code width and column form occurs.

use std::collections::BTreeMap;

use cv3_backend::domain::queries::{Builder, Granularity};
use cv3_backend::domain::subjects::Subject;
use cv3_backend::engine::{Plan, Scope, execute_on};
use serde_json::{Value, json};

use super::source::{Change, view};
use super::world::World;

/// Whether subject n is expected.
type Holds = Box<dyn Fn(usize) -> bool>;

const SIZE: usize = 264_000;

/// Subject n, so that every answer can be counted by arithmetic.
fn subject(n: usize) -> Subject {
    let mut document = json!({
        "subjectId": format!("{n:07}"),
        "HPO": [format!("{:07}", n % 2), format!("{:07}", 100 + n % 5_000)],
        "EAV": {"narrow": n % 200, "middle": n % 1_000, "wide": n, "text": format!("t{}", n % 300)},
        "_demo": {"age": n % 90}
    });
    if n.is_multiple_of(1_000) {
        document["EAV"]["rare"] = json!(n);
    }
    serde_json::from_value(document).unwrap()
}

/// The terms that subjects 0 to `count` − 1 of each 5,000 have.
fn many(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{:07}", 100 + n)).collect()
}

#[test]
fn answers_beyond_one_chunk_are_exact() {
    let base = Change {
        subjects: (0..SIZE).map(|n| (format!("{n:07}"), subject(n))).collect(),
        ..Change::default()
    };
    // Every tenth subject is removed later, and the last one changes.
    let last = SIZE - 2;
    let later = Change {
        subjects: BTreeMap::from([(format!("{last:07}"), Subject::new(format!("{last:07}")))]),
        removed: (0..SIZE).filter(|n| n % 10 == 9).map(|n| format!("{n:07}")).collect(),
    };
    let view = view(&[base, later]);
    let there = |n: &usize| n % 10 != 9 && *n != last;
    let eav = |attribute: &str, relation: &str, value: Value| json!({"eav": [{"attribute": attribute, "relation": relation, "value": value}]});
    let cases: Vec<(Value, Holds)> = vec![
        (json!({"hpo": [{"terms": ["0000001"]}]}), Box::new(|n| n % 2 == 1)),
        (json!({"hpo": [{"terms": ["0000107", "0000108"]}]}), Box::new(|n| matches!(n % 5_000, 7 | 8))),
        (
            json!({"hpo": [{"terms": ["0000001", "0000107", "0000108"], "minimumMatch": 2}]}),
            Box::new(|n| n % 5_000 == 7),
        ),
        // Unions of many keys: the third time they come from what is kept.
        (json!({"hpo": [{"terms": many(40)}]}), Box::new(|n| n % 5_000 < 40)),
        (
            json!({"hpo": [{"terms": many(40)}], "eav": [{"attribute": "rare", "relation": "numericGreaterThan", "value": 5}]}),
            Box::new(|n: usize| n % 5_000 < 40 && n.is_multiple_of(1_000) && n > 5),
        ),
        (eav("narrow", "numericLessThan", json!(150)), Box::new(|n| n % 200 < 150)),
        (eav("narrow", "numericEquals", json!(7)), Box::new(|n| n % 200 == 7)),
        (eav("middle", "numericGreaterThan", json!(900)), Box::new(|n| n % 1_000 > 900)),
        (eav("middle", "numericNotEquals", json!(3)), Box::new(|n| n % 1_000 != 3)),
        (eav("wide", "numericGreaterThanOrEqual", json!(200_000)), Box::new(|n| n >= 200_000)),
        (eav("wide", "numericEquals", json!(262_144)), Box::new(|n| n == 262_144)),
        (
            eav("rare", "numericGreaterThan", json!(100_000)),
            Box::new(|n: usize| n.is_multiple_of(1_000) && n > 100_000),
        ),
        (eav("text", "regexContains", json!("^t1?7$")), Box::new(|n| matches!(n % 300, 7 | 17))),
        (eav("text", "regexDoesNotContain", json!("7")), Box::new(|n| !(n % 300).to_string().contains('7'))),
        (
            json!({"hpo": [{"terms": ["0000107"]}], "subject": {"age": {"min": 20, "max": 60}}}),
            Box::new(|n| n % 5_000 == 7 && (20..=60).contains(&(n % 90))),
        ),
    ];
    for (builder, holds) in cases {
        let scope = Scope { level: Granularity::List, ..Scope::default() };
        let plan = Plan::make(&Builder::read(&builder).unwrap(), &view, &World::default(), &scope);
        let expected: Vec<String> =
            (0..SIZE).filter(there).filter(|n| holds(*n)).map(|n| format!("{n:07}")).collect();
        for threads in [1, 2, 1, 2] {
            let hits = execute_on(&plan, &view, threads).unwrap();
            assert_eq!(hits.len(), expected.len() as u64, "{builder}");
            assert!(hits.into_ids().eq(expected.iter().cloned()), "{builder} on {threads} threads");
        }
    }
}
