//! A small registry in two states that differ in one subject, and what questions find in each.

use std::sync::Arc;

use cv3_backend::domain::queries::{Builder, Granularity};
use cv3_backend::domain::subjects::Subject;
use cv3_backend::engine::{Part, PartBuilder, Plan, Scope, SourceView, execute};
use cv3_backend::terms::Ontology;
use serde_json::{Value, json};

use super::attack::Answer;
use super::world::World;

/// Subjects; the last is the one in question.
pub const SIZE: u64 = 120;
pub const SITES: [&str; 3] = ["Rome", "Oslo", "Bonn"];

/// HP:0000002 is 0.6 similar to HP:0000001; nothing lies between 0.5 and 0.5000001.
pub fn world() -> World {
    let pair = |a: &str, b: &str| ((Ontology::Hpo, a.to_owned(), b.to_owned()), 0.6);
    World { similar: [pair("0000001", "0000002"), pair("0000002", "0000001")].into(), ..World::default() }
}

/// The registry with the person in question having HP:0000001 and living in Rome, or neither.
///
/// All values occur in both states, and everyone has the twenty attributes `a0` to `a19`.
pub fn state(has: bool) -> SourceView {
    let subjects: Vec<Subject> = (0..SIZE)
        .map(|n| {
            let last = n + 1 == SIZE;
            let (term, site) = match (last, has) {
                (true, true) => ("0000001", SITES[0]),
                (true, false) => ("0000009", SITES[1]),
                (false, _) => (["0000001", "0000002", "0000009"][n as usize % 3], SITES[n as usize / 3 % 3]),
            };
            let sex = ["male", "female"][n as usize % 2];
            let mut attributes = json!({"site": site, "visits": n % 7 * 2});
            for number in 0..20 {
                attributes[format!("a{number}")] = ["x", "y"][n as usize % 2].into();
            }
            serde_json::from_value(json!({
                "subjectId": format!("s{n:03}"), "HPO": [term], "EAV": attributes,
                "_demo": {"age": n % 60 + 20, "gender": sex}
            }))
            .unwrap()
        })
        .collect();
    view_of(&subjects)
}

/// Subjects, ascending by id, as a view.
pub fn view_of(subjects: &[Subject]) -> SourceView {
    SourceView::open(vec![Arc::new(Part::from_bytes(part_of(subjects)).unwrap())])
}

/// Subjects, ascending by id, as an index part.
pub fn part_of(subjects: &[Subject]) -> Vec<u8> {
    let mut builder = PartBuilder::new("world 1");
    subjects.iter().for_each(|subject| builder.add(subject).unwrap());
    let mut bytes = Vec::new();
    builder.finish(&mut bytes).unwrap();
    bytes
}

/// Digest of the plan of a question and how many it finds.
pub fn ask(view: &SourceView, question: &Value) -> ([u8; 32], u64) {
    let builder = Builder::read(question).unwrap();
    let scope = Scope { level: Granularity::Range, ..Scope::default() };
    let plan = Plan::make(&builder, view, &world(), &scope);
    (plan.digest(), execute(&plan, view).unwrap().len())
}

/// The range answers to questions in the two states.
pub fn answers(questions: &[Value]) -> Vec<Answer> {
    let states = [state(false), state(true)];
    let answer = |question: &Value| {
        let [(plan, without), (same, with)] = [&states[0], &states[1]].map(|view| ask(view, question));
        assert!(plan == same, "the states are told apart by the plan of {question}");
        Answer { plan, states: [without, with], record_count: SIZE }
    };
    questions.iter().map(answer).collect()
}

pub fn eav(attribute: &str, relation: &str, value: impl Into<Value>) -> Value {
    json!({"eav": [{"attribute": attribute, "relation": relation, "value": value.into()}]})
}

/// A question with all conditions of both.
pub fn both(one: &Value, other: &Value) -> Value {
    let mut both = one.clone();
    for (family, filters) in other.as_object().unwrap() {
        match (both.get_mut(family).and_then(Value::as_array_mut), filters.as_array()) {
            (Some(held), Some(more)) => held.extend(more.iter().cloned()),
            _ => both[family] = filters.clone(),
        }
    }
    both
}
