//! With `minimumCount` k nothing below the level `list` tells 0 from k − 1: not the answer, its stored size, the
//! budget, what was charged, what is kept of it or told to others.

use std::collections::BTreeMap;

use cv3_backend::domain::filter::Filter;
use cv3_backend::store::Room;
use serde_json::{Value, json};

use super::house::{House, Process, subjects};

const K: usize = 5;

/// What an asker, or whoever reads the store, could compare. Ids and times are masked by as many letters.
#[derive(Debug, PartialEq)]
struct Traces {
    answers: Vec<Value>,
    progress: Value,
    stored: Vec<String>,
    sizes: Vec<usize>,
    budget: i64,
    charges: usize,
    notices: usize,
}

/// Carried by K − 1, by K, and by none at all; with the attribute of the same number. Names are of one length.
const FEW: &str = "0000004";
const ENOUGH: &str = "0000005";
const NONE: &str = "0000000";

fn questions(which: &str, level: Option<&str>) -> Vec<Value> {
    let advanced = level.map_or(json!({}), |level| json!({"granularity": level}));
    vec![
        json!({"hpo": [{"terms": [format!("HP:{which}")]}], "advanced": advanced}),
        json!({"eav": [{"attribute": "group", "relation": "stringIs", "value": which}], "advanced": advanced}),
        json!({"eav": [{"attribute": "group", "relation": "regexContains", "value": format!("^{which}$")}], "advanced": advanced}),
        json!({"eav": [{"attribute": "kind", "relation": "stringIs", "value": "common"},
            {"attribute": "group", "relation": "stringIs", "value": which}], "advanced": advanced}),
    ]
}

async fn traces(process: &Process, question: &Value) -> Traces {
    let mut heard = process.ports.broker.subscribe();
    let id = process.ask(question).await;
    let entry = process.services.queries.entry(None, &id).await.unwrap();
    let mine = Filter::equals("queryId", id.as_str());
    let mut rows = process.stored(Room::Responses, &mine).await;
    rows.extend(process.stored(Room::Audit, &Filter::equals("id", id.as_str())).await);
    assert_eq!(rows.len(), 2);
    let stored: Vec<String> =
        rows.into_iter().map(|(_, body)| masked(body, id.as_str()).to_string()).collect();
    let mut notices = 0;
    while heard.try_recv().is_ok() {
        notices += 1;
    }
    Traces {
        answers: entry["responses"][0]["messageData"].as_array().unwrap().clone(),
        progress: entry["status"].clone(),
        sizes: stored.iter().map(String::len).collect(),
        stored,
        budget: process.budget().await,
        charges: process.charges().await.len(),
        notices,
    }
}

/// The same document with letters in place of its ids and times.
fn masked(mut body: Value, id: &str) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.insert("createdAt".into(), "a time".into());
    }
    serde_json::from_str(&body.to_string().replace(id, &"i".repeat(id.len()))).unwrap()
}

async fn filled() -> (House, Process, cv3_backend::domain::ids::SourceId) {
    let house = House::new();
    let process = house.open().await;
    let everyone = subjects(60, |n| {
        let which = match n {
            0..=3 => FEW,
            4..=8 => ENOUGH,
            _ => "0000009",
        };
        json!({"HPO": [which], "EAV": {"group": which, "kind": "common"}})
    });
    let source = process.source("one", &everyone).await;
    (house, process, source)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_below_list_tells_none_from_few() {
    let (_house, process, source) = filled().await;
    let mut seen: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for policy in ["boolean", "range", "count", "list", "detailedList"] {
        process.grant(policy, K as u64, std::slice::from_ref(&source)).await;
        for requested in [Some("boolean"), Some("range"), Some("count")] {
            // With a budget, and with none left.
            for budget in [100, 0] {
                process.refill(budget).await;
                for (few, none) in questions(FEW, requested).iter().zip(&questions(NONE, requested)) {
                    let what = format!("{requested:?} asked of {policy} with {budget} left: {few}");
                    let [few, none] = [traces(&process, few).await, traces(&process, none).await];
                    assert_eq!(few, none, "{what}");
                    assert_eq!((few.budget, few.charges), (budget, 0), "nothing is drawn: {what}");
                    seen.entry(format!("{policy} {requested:?}")).or_default().extend(few.answers);
                }
            }
        }
    }
    for (cell, answers) in seen {
        assert_eq!(answers.len(), 8);
        let boolean = cell.starts_with("boolean") || cell.contains("boolean");
        for answer in &answers {
            let range = (!boolean).then(|| json!({"min": 0, "max": K - 1}));
            assert_eq!(answer.get("recordRange").cloned(), range, "{cell}: {answer}");
            assert_eq!(
                (&answer["exist"], answer.get("recordCount")),
                (&json!(!boolean), None),
                "{cell}: {answer}"
            );
        }
    }
    // What is compared does differ where there is something to be told.
    process.grant("count", K as u64, &[source]).await;
    let enough = traces(&process, &questions(ENOUGH, None)[0]).await;
    assert_eq!(enough.answers[0]["recordCount"], K, "{enough:?}");
    assert_ne!(enough, traces(&process, &questions(FEW, None)[0]).await);
}

/// All questions that no value answers share a plan. Were it charged, whoever has paid for one could see in the
/// budget whether the next value occurs at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_does_not_tell_whether_a_rare_value_occurs() {
    let (_house, process, source) = filled().await;
    process.grant("range", K as u64, &[source]).await;
    let spent = async |which: &str| {
        let before = process.budget().await;
        process.answer(&questions(which, None)[1]).await;
        before - process.budget().await
    };
    assert_eq!(spent("0000001").await, 0, "a value nobody has");
    assert_eq!(spent("0000002").await, 0, "another nobody has");
    assert_eq!(spent(FEW).await, 0, "one that few have");
    assert_eq!(spent(ENOUGH).await, 5, "one that enough have");
}
