//! The budget over several processes on one store: never more than it, nothing twice, nothing for free.

use std::collections::BTreeMap;
use std::sync::Arc;

use cv3_backend::domain::filter::Filter;
use cv3_backend::service::Options;
use cv3_backend::store::Room;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::house::{House, Process, subjects};

/// A budget of 100 at 5 a draw.
const DRAWS: usize = 20;

fn older_than(age: usize) -> Value {
    json!({"subject": {"age": {"min": age, "max": 100}}})
}

/// Two processes and as many tasks as there are questions, each question asked of both at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_together_spend_no_more_than_the_budget() {
    let house = House::new();
    let processes = [Arc::new(house.open().await), Arc::new(house.open().await)];
    let first = &processes[0];
    let sources = [
        first.source("one", &subjects(90, |_| json!({}))).await,
        first.source("two", &subjects(90, |_| json!({}))).await,
    ];
    first.grant("range", 0, &sources).await;
    let mut asking = JoinSet::new();
    for age in 1..=25 {
        for process in &processes {
            let process = Arc::clone(process);
            asking.spawn(async move { (age, process.answers(&older_than(age)).await) });
        }
    }
    let mut given: BTreeMap<(usize, String), Value> = BTreeMap::new();
    while let Some(answered) = asking.join_next().await {
        let (age, answers) = answered.unwrap();
        for (source, answer) in answers {
            assert_eq!(answer["state"], "ok", "{answer}");
            assert_eq!(answer["exist"], true, "{answer}");
            if let Some(range) = answer.get("recordRange") {
                let before = given.insert((age, source), range.clone());
                assert!(before.is_none_or(|before| before == *range), "the same question has one interval");
            } else {
                assert!(answer["notices"].to_string().contains("budget"), "{answer}");
            }
        }
    }
    let charges = first.charges().await.len();
    println!("{} ranges given, {charges} paid, {} left", given.len(), first.budget().await);
    assert_eq!(given.len(), charges, "every range given was paid for, and nothing else was");
    assert!(charges <= DRAWS, "{charges} draws of {DRAWS}");
    assert_eq!(first.budget().await, 100 - 5 * charges as i64, "nothing is charged twice or lost");
    only_yes_or_no_is_left(&processes, given).await;
}

/// Spends what is left; then every process says yes or no, with a notice, except to what was paid for.
async fn only_yes_or_no_is_left(processes: &[Arc<Process>; 2], mut given: BTreeMap<(usize, String), Value>) {
    for age in 30..30 + DRAWS {
        for (source, answer) in processes[age % 2].answers(&older_than(age)).await {
            if let Some(range) = answer.get("recordRange") {
                given.insert((age, source), range.clone());
            }
        }
    }
    assert_eq!(given.len(), DRAWS);
    for process in processes {
        assert_eq!(process.budget().await, 0);
        for ((age, source), range) in &given {
            let again = &process.answers(&older_than(*age)).await[source];
            assert_eq!(again["recordRange"], *range, "what was paid for stays readable");
        }
        for answer in process.answers(&older_than(77)).await.values() {
            assert_eq!((answer.get("recordRange"), &answer["exist"]), (None, &json!(true)), "{answer}");
            assert_eq!(
                answer["notices"][0],
                "your privacy budget is spent: this source answers yes or no only"
            );
        }
    }
    assert_eq!(processes[0].charges().await.len(), DRAWS);
}

/// Between the charge and its note, and between the note and the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_costs_the_asker_and_never_gives_a_fresh_draw() {
    let house = House::new();
    let process = house.open().await;
    let source = process.source("one", &subjects(90, |_| json!({}))).await;
    process.grant("range", 0, &[source]).await;
    let before = process.answer(&older_than(40)).await;
    assert_eq!(process.budget().await, 95);
    let documents = process.ports.store.documents();

    // The process ended after the answer was charged and before that was noted.
    let charge = process.charges().await.remove(0);
    assert!(documents.delete(Room::Charges, &charge).await.unwrap());
    let again = house.open().await.answer(&older_than(40)).await;
    assert_eq!(again["recordRange"], before["recordRange"]);
    assert_eq!(process.budget().await, 90);
    assert_eq!(process.charges().await, [charge]);

    // The process ended before the answer was stored: the job runs again.
    let id = process.ask(&older_than(40)).await;
    let mine = Filter::equals("queryId", id.as_str());
    let (response, first) = process.stored(Room::Responses, &mine).await.remove(0);
    assert!(documents.delete(Room::Responses, &response).await.unwrap());
    process.services.queries.run(&process.services.auth.inside(), &id, true).await.unwrap();
    let (_, second) = process.stored(Room::Responses, &mine).await.remove(0);
    assert_eq!(first["answers"], second["answers"]);
    assert_eq!(process.budget().await, 90);
}

/// What makes another draw is paid anew: new data, though it be the same, and another ε.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_draw_is_paid_for() {
    let house = House::new();
    let process = house.open().await;
    let everyone = subjects(90, |_| json!({}));
    let source = process.source("one", &everyone).await;
    process.grant("range", 0, std::slice::from_ref(&source)).await;
    let mut ranges = Vec::new();
    for round in 0..12i64 {
        ranges.push(process.answer(&older_than(40)).await["recordRange"].clone());
        assert_eq!(process.budget().await, 100 - 5 * (round + 1));
        process.answer(&older_than(40)).await;
        assert_eq!(process.budget().await, 100 - 5 * (round + 1), "asking again is free");
        if round % 2 == 0 {
            process.commit(&source, &everyone).await;
        } else {
            process.services.reload(Options { epsilon: 0.15 + round as f64 / 1e3, ..Options::default() });
        }
    }
    ranges.dedup();
    assert!(ranges.len() > 6, "these are fresh draws: {ranges:?}");
    // An index that is built again is the same data: same interval, no charge.
    let left = process.budget().await;
    let before = process.answer(&older_than(40)).await["recordRange"].clone();
    let paid = process.budget().await;
    process.services.indices.rebuild(&process.services.auth.inside(), &source).await.unwrap();
    assert_eq!(process.answer(&older_than(40)).await["recordRange"], before);
    assert_eq!((process.budget().await, paid), (left - 5, left - 5));
}
