//! Queries read again by those who may, and followed while they run (specification §8.7, §8.9).

use std::time::Duration;

use serde_json::{Value, json};

use super::{Caller, NOTHING, asking, filled};
use crate::support::client::Reply;
use crate::support::{Client, Installation, PATIENCE, steps};

/// Streams one caller may hold in these tests.
const STREAMS: usize = 2;

/// One server-sent event.
#[derive(Debug, Default, PartialEq)]
struct Event {
    kind: String,
    id: String,
    data: String,
}

/// A stream of events being read.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    /// Opens the stream of a query; `Err` is the status of a refusal.
    async fn open(
        caller: &Caller,
        query: &str,
        token: Option<&str>,
        last: Option<&str>,
    ) -> Result<Self, u16> {
        let mut request = caller.request("GET", &format!("/query/record/{query}/events"), token);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        if response.status() != 200 {
            return Err(response.status().as_u16());
        }
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        Ok(Self { response, text: String::new() })
    }

    /// The next event, or `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.clone().split_once("\n\n") {
                self.text = rest.to_owned();
                let mut event = Event::default();
                for line in block.lines() {
                    match line.split_once(':') {
                        Some(("event", value)) => event.kind = value.trim().to_owned(),
                        Some(("id", value)) => event.id = value.trim().to_owned(),
                        Some(("data", value)) => event.data.push_str(value.trim()),
                        _ => {}
                    }
                }
                // Comments keep the connection open.
                if event != Event::default() {
                    return Some(event);
                }
                continue;
            }
            let more = tokio::time::timeout(PATIENCE, self.response.chunk())
                .await
                .expect("an event in time")
                .unwrap();
            self.text.push_str(&String::from_utf8(more?.to_vec()).unwrap().replace('\r', ""));
        }
    }

    async fn rest(mut self) -> Vec<Event> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            all.push(event);
        }
        all
    }
}

async fn begun(client: &Client, builder: &Value) -> String {
    let asked = Reply::of(client.query(reqwest::Method::POST, "/record/").await.json(builder)).await;
    assert_eq!(asked.status, 202, "{}", asked.body);
    asked.json()["queryID"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_is_followed_and_read_again_by_those_who_may() {
    let installation = Installation::new();
    installation.add_user("user", "bob");
    installation.add_user("user", "eve");
    let launch = installation.serve().services("admin,query,database-manager,scheduler");
    let node = launch.set("Appliance.Limits.EventStreamsPerCaller", &STREAMS.to_string()).start().await;
    let (ada, bob, eve) = (node.client("ada").await, node.client("bob").await, node.client("eve").await);
    let caller = Caller::of(&node);
    let source = filled(&ada, "followed", 4, 1).await;
    steps::grant(&ada, "detailedList", &[&bob.user_id, &ada.user_id], &[&source]).await;

    // Nobody answers queries yet, so what is followed stays open.
    let query = begun(&bob, &asking("HP:0001250", None)).await;
    let token = bob.token().await;
    let mut first = Stream::open(&caller, &query, Some(&token), None).await.unwrap();
    let event = first.next().await.unwrap();
    assert_eq!((&*event.kind, &*event.id), ("status", "0-status"));
    let status: Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(status, json!({"state": "running", "expected": 1, "received": 0, "failures": []}));
    let second = Stream::open(&caller, &query, Some(&token), None).await.unwrap();
    assert_eq!(Stream::open(&caller, &query, Some(&token), None).await.err(), Some(429));
    // The limit is each caller's own, and a stream that was closed no longer counts.
    drop(second);
    let again = async || Stream::open(&caller, &query, Some(&token), None).await.ok();
    let second = crate::support::eventually("the place of a closed stream", again).await;
    strangers_see_nothing(&caller, &query, &eve.token().await).await;

    let compiler = installation.called("cv3-backend-query-compiler").spawn();
    let events = first.rest().await;
    let kinds: Vec<&str> = events.iter().map(|event| &*event.kind).collect();
    assert_eq!(kinds, ["response", "status", "done"], "{events:?}");
    let response: Value = serde_json::from_str(&events[0].data).unwrap();
    assert_eq!(response["messageData"][0]["recordCount"], 4, "{response}");
    let done: Value = serde_json::from_str(&events[2].data).unwrap();
    assert_eq!(done, json!({"state": "complete", "expected": 1, "received": 1, "failures": []}));
    let also = second.rest().await;
    assert_eq!(also.last().map(|event| &*event.kind), Some("done"), "{also:?}");

    // Who comes back after the response is not told it again; who comes back before it is.
    let resumed =
        Stream::open(&caller, &query, Some(&token), Some(&events[0].id)).await.unwrap().rest().await;
    assert_eq!(
        resumed.iter().map(|event| &*event.kind).collect::<Vec<_>>(),
        ["status", "done"],
        "{resumed:?}"
    );
    let missed = Stream::open(&caller, &query, Some(&token), Some("0-status")).await.unwrap().rest().await;
    assert_eq!(missed[0], events[0]);

    histories(&caller, [&ada, &bob, &eve], &query).await;
    compiler.stop().await;
    node.stop().await;
}

async fn strangers_see_nothing(caller: &Caller, query: &str, eve: &str) {
    for token in [None, Some(eve)] {
        assert_eq!(Stream::open(caller, query, token, None).await.err(), Some(404));
        caller.get(&format!("/query/record/history/{query}"), token).await.refused(404, "the entry");
    }
    assert_eq!(Stream::open(caller, query, Some("bad"), None).await.err(), Some(401));
    assert_eq!(Stream::open(caller, NOTHING, Some(eve), None).await.err(), Some(404));
    caller.get(&format!("/query/record/{query}"), Some(eve)).await.refused(404, "the message");
}

/// Own queries in full; those of others without subjects and for data administrators only.
async fn histories(caller: &Caller, [ada, bob, eve]: [&Client; 3], query: &str) {
    let list = async |client: &Client, page: &str| {
        let path = format!("/record/history{page}");
        let listed = Reply::of(client.query(reqwest::Method::GET, &path).await).await.ok();
        listed.as_array().unwrap().clone()
    };
    let id = |entry: &Value| entry["query"]["messageAttributes"]["messageId"].as_str().unwrap().to_owned();
    // Creation times are compared in the list below.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = begun(bob, &asking("HP:0001263", None)).await;
    steps::answers(bob, &second).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let adas = begun(ada, &asking("HP:0001250", Some("boolean"))).await;
    steps::answers(ada, &adas).await;

    let own = list(bob, "").await;
    assert_eq!(own.iter().map(id).collect::<Vec<_>>(), [second.clone(), query.to_owned()]);
    let mine = &own[1]["responses"][0]["messageData"][0];
    assert_eq!(steps::ids(mine).len(), 4);
    assert_eq!(own[1]["query"]["messageData"], asking("HP:0001250", None));
    assert_eq!(list(bob, "?limit=1").await.iter().map(id).collect::<Vec<_>>(), std::slice::from_ref(&second));
    assert_eq!(list(bob, "?skip=1&limit=1").await.iter().map(id).collect::<Vec<_>>(), [query.to_owned()]);
    assert_eq!(list(eve, "").await, [Value::Null; 0]);

    let all = list(ada, "").await;
    assert_eq!(all.iter().map(id).collect::<Vec<_>>(), [adas, second, query.to_owned()]);
    let others = &all[2]["responses"][0]["messageData"][0];
    assert_eq!((&others["recordCount"], others.get("resultDetails")), (&json!(4), None));
    let token = ada.token().await;
    caller.get(&format!("/query/record/history/{query}"), Some(&token)).await.refused(404, "another's entry");
    let message = caller.get(&format!("/query/record/{query}"), Some(&token)).await;
    assert_eq!((message.status, message.json()), (200, own[1]["query"].clone()));
}

/// Lines of the subjects behind a query.
async fn lines(caller: &Caller, path: &str, token: &str) -> Vec<Value> {
    let answer = caller.get(path, Some(token)).await;
    assert_eq!(
        (answer.status, answer.headers["content-type"].to_str().unwrap()),
        (200, "application/x-ndjson")
    );
    answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_subjects_behind_an_answer_are_read_line_by_line_by_their_owner_alone() {
    let installation = Installation::new();
    installation.add_user("user", "bob");
    let node = installation.serve().start().await;
    let (ada, bob) = (node.client("ada").await, node.client("bob").await);
    let caller = Caller::of(&node);
    // More than a page of 1,000, and than the 10,000 an entry shows.
    let large = filled(&ada, "large", 10_250, 1).await;
    let small = filled(&ada, "small", 3, 1).await;
    steps::grant(&ada, "detailedList", &[&ada.user_id, &bob.user_id], &[&large]).await;
    steps::grant(&ada, "list", &[&ada.user_id], &[&small]).await;
    let query = begun(&ada, &asking("HP:0001250", None)).await;
    let answers = steps::answers(&ada, &query).await;
    let of = |source: &str| answers.iter().find(|answer| answer["sourceId"] == source).unwrap();
    let shown = of(&large)["resultDetails"]["subjects"].as_array().unwrap();
    assert_eq!((shown.len(), &of(&large)["recordCount"]), (10_000, &json!(10_250)));
    assert!(of(&large)["notices"][0].as_str().unwrap().contains("first 10000 of 10250 subjects"));
    assert_eq!(of(&small)["resultDetails"]["subjects"].as_array().unwrap().len(), 3);

    let path = format!("/query/record/history/{query}/subjects");
    let token = ada.token().await;
    let all = lines(&caller, &path, &token).await;
    let expected: Vec<String> = (0..10_250).map(|n| format!("large-{n:03}")).collect();
    let found: Vec<&str> = all
        .iter()
        .filter(|line| line["sourceId"] == large)
        .map(|line| line["subject"]["subjectId"].as_str().unwrap())
        .collect();
    let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(shown.first(), all.iter().find(|line| line["sourceId"] == large).map(|line| &line["subject"]));
    let few = lines(&caller, &format!("{path}?sourceId={small}"), &token).await;
    assert_eq!(few.len(), 3);
    assert_eq!(few[0]["subject"], json!({"subjectId": "small-000"}), "at list the id alone");

    caller.get(&path, None).await.refused(401, "nobody");
    caller.get(&path, Some(&bob.token().await)).await.refused(404, "of someone else");
    caller
        .get(&format!("/query/record/history/{NOTHING}/subjects"), Some(&token))
        .await
        .refused(404, "no query");
    assert!(
        lines(&caller, &format!("{path}?sourceId={NOTHING}"), &token).await.is_empty(),
        "a source not asked"
    );
    node.stop().await;
}
