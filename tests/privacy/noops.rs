//! Asking for the same in other words, for nearly the same, for the parts of it: each within one budget.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::attack::{Answer, SOURCES, attack};
use super::registry::{SITES, answers, both, eav};

fn hpo() -> Value {
    json!({"hpo": [{"terms": ["HP:0000001"]}]})
}

fn with(key: &str, value: Value) -> Value {
    let mut question = hpo();
    question[key] = value;
    question
}

/// What is typed differently and means the same by the form of the builder alone.
fn syntactic() -> Vec<Value> {
    let exact = json!({"terms": ["0000001"]});
    vec![
        hpo(),
        json!({"hpo": [exact]}),
        json!({"hpo": [{"terms": ["HP:0000001", "HP:0000001"]}]}),
        json!({"hpo": [{"terms": ["HP:0000001"], "similarity": 1, "minimumMatch": 1, "useOrphaNet": false}]}),
        json!({"hpo": [exact, exact]}),
        json!({"hpo": [exact, {"terms": []}]}),
        with("subject", json!({"gender": "any", "age": {"min": 0, "max": 100}, "affectedOnly": false})),
        with("subject", json!({"familyType": {"singleton": false, "trio": false, "family": false}})),
        with("advanced", json!({"granularity": "range"})),
        with("sources", json!({"sources": []})),
        with("variant", json!([{"genes": [], "reactome": [], "mutation": []}])),
        with("eav", json!([])),
    ]
}

/// Filters in every order.
fn reordered() -> Vec<Value> {
    let filters = [
        eav("site", "stringIsNot", "Bonn")["eav"][0].clone(),
        eav("visits", "numericLessThan", 6)["eav"][0].clone(),
        eav("a1", "stringIs", "y")["eav"][0].clone(),
    ];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let terms = [["HP:0000001", "HP:0000002"], ["HP:0000002", "HP:0000001"]];
    let question = |order: [usize; 3], terms: &[&str; 2]| {
        let eav: Vec<_> = order.iter().map(|at| filters[*at].clone()).collect();
        json!({"hpo": [{"terms": terms}], "eav": eav})
    };
    orders
        .into_iter()
        .flat_map(|order| terms.iter().map(move |terms| (order, terms)))
        .map(|(o, t)| question(o, t))
        .collect()
}

/// What means the same only because of the values and terms there are.
fn semantic() -> Vec<Vec<Value>> {
    let near = |similarity: f64| json!({"hpo": [{"terms": ["HP:0000001"], "similarity": similarity}]});
    let site = |relation: &str, value: &str| both(&hpo(), &eav("site", relation, value));
    let visits = |relation: &str, value: f64| both(&hpo(), &eav("visits", relation, value));
    vec![
        vec![near(0.5), near(0.500_000_1), near(0.55), near(0.6)],
        vec![
            site("stringIs", "Rome"),
            site("regexContains", "Rome"),
            site("regexContains", "^R"),
            site("regexContains", "(?i)rom"),
            both(&site("stringIs", "Rome"), &eav("site", "regexContains", ".*")),
            both(&site("stringIs", "Rome"), &eav("site", "regexContains", "o")),
        ],
        vec![site("regexContains", ".*"), site("regexContains", "^.+$"), site("regexContains", "o|e|x")],
        vec![
            visits("numericLessThan", 6.0),
            visits("numericLessThanOrEqual", 5.0),
            visits("numericLessThanOrEqual", 4.0),
            both(&visits("numericLessThan", 6.0), &eav("visits", "numericLessThan", 9)),
            both(&visits("numericLessThan", 6.0), &eav("visits", "numericGreaterThan", -1)),
        ],
        vec![
            both(&site("stringIsNot", "Oslo"), &eav("site", "stringIsNot", "Bonn")),
            site("regexDoesNotContain", "^(Oslo|Bonn)$"),
            both(&site("stringIsNot", "Bonn"), &eav("site", "stringIsNot", "Oslo")),
        ],
        // No attribute of this name, no such data: ignored, and said to be.
        vec![
            hpo(),
            both(&hpo(), &eav("nothing", "stringIs", "x")),
            with("snomed", json!([{"terms": ["123456789"]}])),
        ],
    ]
}

fn one_draw(attacked: &str, questions: &[Value]) {
    let all = answers(questions);
    let plans: BTreeSet<[u8; 32]> = all.iter().map(|answer| answer.plan).collect();
    for (question, answer) in questions.iter().zip(&all) {
        assert!(answer.plan == all[0].plan, "{question} is another plan than {}", questions[0]);
        assert_eq!(answer.states, all[0].states, "{question}");
    }
    assert_eq!(plans.len(), 1);
    assert_eq!(all[0].states[0] + 1, all[0].states[1], "the question is about the subject in question");
    let outcomes = attack(SOURCES, &all, &[all.len()]);
    assert_eq!(outcomes[0].charges, 1, "one question is paid for once");
    outcomes[0].holds(attacked);
}

#[test]
fn the_same_in_other_words_is_one_draw() {
    one_draw("syntactic no-ops", &syntactic());
}

#[test]
fn the_same_in_another_order_is_one_draw() {
    one_draw("re-ordering", &reordered());
}

#[test]
fn the_same_for_what_the_source_has_is_one_draw() {
    for questions in semantic() {
        one_draw("semantic no-ops", &questions);
    }
}

/// A filter everyone passes is another question: were it none, equal intervals would say that everyone passes it.
/// Each costs, and twenty are what a budget buys.
#[test]
fn filters_that_everyone_passes_cost_and_tell_no_more_than_they_cost() {
    let everyone = |number: usize| both(&hpo(), &eav(&format!("a{number}"), "regexContains", ".*"));
    let questions: Vec<Value> = (0..20).map(everyone).collect();
    let all = answers(&questions);
    assert!(
        all.iter().all(|answer| answer.states == all[0].states && answer.states[0] + 1 == answer.states[1])
    );
    let outcomes = attack(SOURCES, &all, &[1, 5, 20]);
    for (outcome, many) in outcomes.iter().zip([1, 5, 20]) {
        assert_eq!(outcome.charges, many);
        outcome.holds(&format!("filters that everyone passes, {many}"));
    }
}

/// The whole, then its parts by site, by sex, by attribute: a subject is in one part of each.
#[test]
fn disjoint_parts_tell_no_more_than_they_cost() {
    let mut questions: Vec<Value> = vec![hpo()];
    questions.extend(SITES.map(|site| both(&hpo(), &eav("site", "stringIs", site))));
    questions.extend(["male", "female"].map(|sex| with("subject", json!({"gender": sex}))));
    for number in 0..7 {
        questions
            .extend(["x", "y"].map(|value| both(&hpo(), &eav(&format!("a{number}"), "stringIs", value))));
    }
    questions.truncate(20);
    let all = answers(&questions);
    let [without, with] =
        [0, 1].map(|state| all[1..4].iter().map(|part: &Answer| part.states[state]).sum::<u64>());
    assert_eq!([without, with], all[0].states, "the parts are the whole");
    let outcomes = attack(SOURCES, &all, &[1, 5, 20]);
    for (outcome, many) in outcomes.iter().zip([1, 5, 20]) {
        assert_eq!(outcome.charges, many);
        outcome.holds(&format!("the whole and disjoint parts, {many}"));
    }
}
