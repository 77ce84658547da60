//! How much an answer says: level by level, ranges and their price, small numbers (specification §8.5, §8.6).

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::{asking, filled, patch};
use crate::support::client::Reply;
use crate::support::{Client, Installation, steps};

const LEVELS: [&str; 6] = ["noAccess", "boolean", "range", "count", "list", "detailedList"];

/// What a fresh range answer costs in these tests: a budget of 100 buys two.
const COST: i64 = 40;

/// With HP:0001250 and with HP:0001263.
const SEIZING: usize = 25;
const OTHERS: usize = 3;

/// The fields that say something about subjects at a level.
fn fields(level: &str) -> &'static [&'static str] {
    match level {
        "boolean" => &["exist"],
        "range" => &["exist", "recordRange"],
        "count" => &["exist", "recordCount"],
        "list" | "detailedList" => &["exist", "recordCount", "resultDetails"],
        other => panic!("{other} says nothing"),
    }
}

fn rank(level: &str) -> usize {
    LEVELS.iter().position(|known| *known == level).unwrap()
}

async fn budget(client: &Client) -> i64 {
    client.get("/auth/user-info").await.ok()["budget"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_says_what_its_level_says_and_no_more() {
    let installation = Installation::new();
    let node = installation.serve().set("Appliance.Privacy.RangeCost", &COST.to_string()).start().await;
    let ada = node.client("ada").await;
    let source = filled(&ada, "levels", SEIZING, OTHERS).await;
    let group = steps::grant(&ada, "range", &[&ada.user_id], &[&source]).await;
    let group = format!("/groups/{group}");

    ranges_are_paid_for_once(&ada, &source, &group).await;
    for policy in LEVELS {
        patch(&ada, &group, &json!({"discoveryPolicy": policy})).await;
        for requested in LEVELS[1..].iter().copied().map(Some).chain([None]) {
            cell(&ada, &source, policy, requested).await;
        }
    }
    // Asking for nothing at all is a mistake, and said to be one.
    let nothing =
        Reply::of(ada.query(Method::POST, "/record/").await.json(&asking("HP:0001250", Some("noAccess"))))
            .await;
    assert_eq!(nothing.status, 400, "{}", nothing.body);
    small_numbers_are_hidden(&ada, &source, &group).await;
    node.stop().await;
}

async fn cell(ada: &Client, source: &str, policy: &str, requested: Option<&str>) {
    let what = format!("{requested:?} asked of {policy}");
    let level = requested.filter(|asked| rank(asked) < rank(policy)).unwrap_or(policy);
    let answers = steps::ask(ada, &asking("HP:0001250", requested)).await;
    if level == "noAccess" {
        assert_eq!(answers, [Value::Null; 0], "{what}");
        return;
    }
    let [answer] = &*answers else { panic!("{what}: {answers:?}") };
    let object = answer.as_object().unwrap();
    let said: BTreeSet<&str> = object.keys().map(String::as_str).collect();
    let always = ["sourceId", "sourceName", "sourceOwner", "ownerEmail", "sourceUrl", "state"];
    let expected: BTreeSet<&str> = always.iter().chain(fields(level)).copied().collect();
    assert_eq!(said, expected, "{what}: {answer}");
    assert_eq!((&answer["sourceId"], &answer["state"]), (&json!(source), &json!("ok")), "{what}");
    assert_eq!(answer["sourceOwner"], "Example Registry", "{what}");
    assert_eq!(answer["exist"], true, "{what}");
    if level == "range" {
        let [min, max] = ["min", "max"].map(|end| answer["recordRange"][end].as_u64().unwrap());
        assert!(min <= max && max <= (SEIZING + OTHERS) as u64 && max > 0, "{what}: {answer}");
    }
    if object.contains_key("recordCount") {
        assert_eq!(answer["recordCount"], SEIZING, "{what}");
    }
    if object.contains_key("resultDetails") {
        assert_eq!(steps::ids(answer).len(), SEIZING, "{what}");
        for subject in answer["resultDetails"]["subjects"].as_array().unwrap() {
            let keys: Vec<&String> = subject.as_object().unwrap().keys().collect();
            match level {
                "list" => assert_eq!(keys, ["subjectId"], "{what}"),
                _ => assert_eq!(subject["HPO"], json!(["0001250"]), "{what}"),
            }
            assert!(!keys.iter().any(|key| key.starts_with('_')), "{what}: {subject}");
        }
    }
}

/// A fresh plan costs, the same plan again does not, and who has spent all is told yes or no.
async fn ranges_are_paid_for_once(ada: &Client, source: &str, group: &str) {
    let mut left = budget(ada).await;
    assert_eq!(left, 100);
    let one = asking("HP:0001250", None);
    let first = steps::ask_one(ada, source, &one).await;
    left -= COST;
    assert_eq!(budget(ada).await, left, "a fresh plan");
    // The same plan in other words (§8.6): prefix, repetition, level, an empty filter beside it.
    for again in [
        one.clone(),
        asking("0001250", Some("range")),
        json!({"hpo": [{"terms": ["HP:0001250", "HP:0001250"]}, {"terms": []}], "subject": {"gender": "any"}}),
    ] {
        let answer = steps::ask_one(ada, source, &again).await;
        assert_eq!(answer["recordRange"], first["recordRange"], "{again}");
        assert_eq!(budget(ada).await, left, "{again}");
    }
    let other = asking("HP:0001263", None);
    assert!(steps::ask_one(ada, source, &other).await["recordRange"].is_object());
    left -= COST;
    assert_eq!(budget(ada).await, left, "another plan");

    let third = asking("HP:0000118", None);
    let spent = steps::ask_one(ada, source, &third).await;
    assert_eq!(spent.get("recordRange"), None, "{spent}");
    assert_eq!(spent["exist"], false, "no subject carries the term itself: {spent}");
    assert!(spent["notices"].to_string().contains("budget"), "{spent}");
    assert_eq!(budget(ada).await, left, "an answer that was not given");
    // What was paid for stays readable, and yes or no was always free.
    assert_eq!(steps::ask_one(ada, source, &one).await["recordRange"], first["recordRange"]);
    steps::ask_one(ada, source, &asking("HP:0000118", Some("boolean"))).await;
    assert_eq!(budget(ada).await, left);
    // Who may count is not charged for asking less.
    patch(ada, group, &json!({"discoveryPolicy": "count"})).await;
    assert!(
        steps::ask_one(ada, source, &asking("HP:0000118", Some("range"))).await["recordRange"].is_object()
    );
    assert_eq!(budget(ada).await, left);
    patch(ada, group, &json!({"discoveryPolicy": "range"})).await;
}

/// Fewer than `minimumCount` look like none, at every level (§8.6 *Small counts*).
async fn small_numbers_are_hidden(ada: &Client, source: &str, group: &str) {
    patch(ada, group, &json!({"minimumCount": OTHERS + 1})).await;
    let few = "HP:0001263";
    let none = "HP:0000118";
    let hidden = json!({"min": 0, "max": OTHERS});
    for (policy, requested) in
        [("detailedList", "boolean"), ("detailedList", "count"), ("detailedList", "list"), ("range", "range")]
    {
        patch(ada, group, &json!({"discoveryPolicy": policy})).await;
        let mut said = Vec::new();
        for term in [few, none] {
            let mut answer = steps::ask_one(ada, source, &asking(term, Some(requested))).await;
            if requested == "boolean" {
                assert_eq!(answer["exist"], false, "{answer}");
            } else if policy != "range" || term == few {
                assert_eq!(answer["recordRange"], hidden, "{requested} of {policy}: {answer}");
            }
            assert_eq!(answer.get("recordCount"), None, "{requested} of {policy}: {answer}");
            assert_eq!(answer.get("resultDetails"), None, "{requested} of {policy}: {answer}");
            answer["notices"].take();
            said.push(answer);
        }
        // The last plan may find the budget spent, which says nothing about how many there are.
        if policy != "range" {
            assert_eq!(said[0], said[1], "few and none, {requested} of {policy}");
            assert_eq!(
                seen(ada, &asking(few, Some(requested))).await,
                seen(ada, &asking(none, Some(requested))).await,
                "what HTTP says of few and none, {requested} of {policy}"
            );
        }
    }
    patch(ada, group, &json!({"discoveryPolicy": "list", "listBelowMinimum": true})).await;
    let listed = steps::ask_one(ada, source, &asking(few, None)).await;
    assert_eq!(steps::ids(&listed).len(), OTHERS);
    let enough = steps::ask_one(ada, source, &asking("HP:0001250", Some("count"))).await;
    assert_eq!(enough["recordCount"], SEIZING, "{enough}");
}

/// What a query and its answer look like from outside: statuses and headers, lengths included, ids and times excepted.
async fn seen(client: &Client, builder: &Value) -> Vec<String> {
    let mut seen = Vec::new();
    let mut see = |response: &reqwest::Response| {
        seen.push(response.status().to_string());
        let named =
            response.headers().iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
        seen.extend(named.map(|(name, value)| match name.as_str() {
            "location" => format!("location of {} bytes", value.len()),
            _ => format!("{name}: {value:?}"),
        }));
    };
    let asked = client.query(Method::POST, "/record/").await.json(builder).send().await.unwrap();
    see(&asked);
    let query = asked.json::<Value>().await.unwrap()["queryID"].as_str().unwrap().to_owned();
    steps::answers(client, &query).await;
    let entry = client.query(Method::GET, &format!("/record/history/{query}")).await.send().await.unwrap();
    see(&entry);
    assert!(entry.content_length().is_some_and(|length| length > 100), "{entry:?}");
    seen
}
