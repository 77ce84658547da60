//! Everyone minus all but one: what negative relations give to whom (`docs/security.md`, *Differencing*).

use cv3_backend::domain::groups::Permit;
use cv3_backend::domain::queries::{Granularity, RecordRange};
use cv3_backend::engine::privacy::{EPSILON, Noise, Shaped, shape};
use serde_json::Value;

use super::attack::{SOURCES, attack, chance};
use super::registry::{SIZE, answers, both, eav};

/// Of subject s119's neighbours by age and attribute, who is in Rome: none or the one in question.
fn few() -> Value {
    let group = both(&eav("a0", "stringIs", "y"), &eav("visits", "numericEquals", 0));
    both(&group, &serde_json::json!({"subject": {"age": {"min": 79, "max": 79}}}))
}

fn shaped(n: u64, level: Granularity, minimum_count: u64) -> Shaped {
    let permit = Permit { level, minimum_count, list_below_minimum: false };
    let noise = Noise {
        key: b"a key of the tests",
        acting: "mallory",
        source_id: "s",
        data_version: 1,
        plan: [0; 32],
        epsilon: EPSILON,
    };
    shape(n, SIZE, level, &permit, &noise)
}

/// Whoever may count can subtract, `minimumCount` or not: that is what a count grant is.
#[test]
fn counts_can_be_subtracted() {
    let minimum = 5;
    let attribute = answers(&[
        eav("site", "stringIs", "Rome"),
        eav("site", "regexContains", ".*"),
        eav("site", "stringIsNot", "Rome"),
    ]);
    let [is, any, is_not] = &*attribute else { unreachable!() };
    for state in [0, 1] {
        let counts =
            [any, is_not].map(|answer| shaped(answer.states[state], Granularity::Count, minimum).count);
        assert_eq!(counts[0].unwrap() - counts[1].unwrap(), is.states[state]);
    }
    // A hidden number, too: the group is small, everyone else is not.
    let group = answers(&[few()]);
    assert!(group[0].states[1] < minimum, "{group:?}");
    let hidden = shaped(group[0].states[1], Granularity::Count, minimum);
    assert_eq!((hidden.count, hidden.range), (None, Some(RecordRange { min: 0, max: minimum - 1 })));
    let mut right = 0;
    for source in 0..u64::from(SOURCES) {
        let state = (chance(source) & 1) as usize;
        let [any, is_not] = [any, is_not]
            .map(|answer| shaped(answer.states[state], Granularity::Count, minimum).count.unwrap());
        let guess = usize::from(any - is_not == is.states[1]);
        right += u32::from(guess == state);
    }
    println!("differencing at count: guessed {:.4}", f64::from(right) / f64::from(SOURCES));
    assert_eq!(right, SOURCES);
}

/// With range answers each of the numbers to be subtracted has noise of its own and is paid for.
#[test]
fn ranges_cannot_be_subtracted_beyond_what_they_cost() {
    let all = answers(&[
        eav("site", "regexContains", ".*"),
        eav("site", "stringIsNot", "Rome"),
        eav("site", "stringIs", "Rome"),
        eav("site", "regexDoesNotContain", "^R"),
        eav("site", "stringIsNot", "Oslo"),
        eav("site", "stringIs", "Oslo"),
    ]);
    assert!(all[1].plan == all[3].plan, "the same exclusion in other words");
    for (outcome, (asked, paid)) in attack(SOURCES, &all, &[2, 4, 6]).iter().zip([(2, 2), (4, 3), (6, 5)]) {
        assert_eq!(outcome.charges, paid);
        outcome.holds(&format!("differencing at range, {asked} asked"));
    }
}
