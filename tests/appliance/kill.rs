//! `kill -9` at any moment of an ingestion: a source answers as before it or as after it, never in between, nothing
//! acknowledged is lost, and a file that ends the process is given up.

use std::time::Duration;

use cv3_backend::terms::TermFile;
use serde_json::{Value, json};

use crate::oracle::{Ask, Filter, Person, Scan, made_packets};
use crate::support::client::Reply;
use crate::support::{Client, Dice, Installation, Node, eventually, steps};

const ROUNDS: usize = 10;

/// Subjects before an ingestion, and after it.
const BEFORE: usize = 40;
const AFTER: usize = 1_500;

fn lines(packets: &[(String, Value)]) -> Vec<u8> {
    packets.iter().flat_map(|(_, packet)| format!("{packet}\n").into_bytes()).collect()
}

fn ask() -> Ask {
    Ask { filters: vec![Filter::exactly("0001250")], required: Vec::new() }
}

/// What a source answers before and after its second file.
struct Versions {
    before: Vec<String>,
    after: Vec<String>,
}

impl Versions {
    fn of(packets: &[(String, Value)]) -> Self {
        let terms = TermFile::embedded().unwrap();
        let read =
            |(_, packet): &(String, Value)| Person::read(packet["id"].as_str().unwrap(), packet, &terms);
        let people: Vec<Person> = packets.iter().map(read).collect();
        let answer = |people: &[Person]| Scan::new(people, &terms).answer(&ask());
        Self { before: answer(&people[..BEFORE]), after: answer(&people) }
    }

    /// Which version a source answers with; panics if it is neither.
    async fn seen(&self, client: &Client, source: &str) -> usize {
        let everyone = steps::ask_one(client, source, &json!({"sources": {"sources": [source]}})).await;
        let count = everyone["recordCount"].as_u64().unwrap_or_else(|| panic!("{everyone}"));
        let some = steps::ask_one(client, source, &ask().builder("list")).await;
        let ids = steps::ids(&some);
        match usize::try_from(count).unwrap() {
            // Between the two questions the ingestion may have ended.
            BEFORE if ids == self.before || ids == self.after => BEFORE,
            AFTER if ids == self.after => AFTER,
            other => panic!("{other} subjects, {} of them with the term: neither version", ids.len()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_a_source_is_old_or_new() {
    let packets = made_packets(AFTER);
    let versions = Versions::of(&packets);
    assert!(!versions.before.is_empty() && versions.before != versions.after);
    let installation = Installation::new();
    let mut node = installation.serve().start().await;
    let client = node.client("ada").await;
    let pipeline = steps::file_pipeline(&client, "").await;
    let mut sources = Vec::new();
    for number in 0..ROUNDS {
        let source = steps::source(&client, &format!("source {number}")).await;
        let first = steps::upload(&client, &source, "first.jsonl", lines(&packets[..BEFORE])).await;
        let second = steps::upload(&client, &source, "second.jsonl", lines(&packets[BEFORE..])).await;
        steps::ingest(&client, &source, &pipeline, std::slice::from_ref(&first)).await.ok();
        sources.push((source, first, second));
    }
    for (source, first, _) in &sources {
        assert_eq!(steps::settled(&client, source, std::slice::from_ref(first)).await[0]["state"], "done");
        steps::indexed(&client, source, BEFORE).await;
    }
    let all: Vec<&str> = sources.iter().map(|(source, ..)| source.as_str()).collect();
    steps::grant(&client, "list", &[&client.user_id], &all).await;

    let mut dice = Dice::seeded("moments of kill -9", 20_260_102);
    let (mut interrupted, mut acknowledged) = (0, Vec::new());
    for (round, (source, _, second)) in sources.iter().enumerate() {
        steps::ingest(&client, source, &pipeline, std::slice::from_ref(second)).await.ok();
        acknowledged.push(steps::source(&client, &format!("acknowledged in round {round}")).await);
        let moment = u64::try_from(dice.below(if round % 2 == 0 { 200 } else { 1_500 })).unwrap();
        tokio::time::sleep(Duration::from_millis(moment)).await;
        node.kill();
        node = installation.serve().start().await;
        let file = file(&client, source, second).await;
        let seen = versions.seen(&client, source).await;
        println!("killed {moment} ms after the request: the file is {}, {seen} subjects", file["state"]);
        interrupted += usize::from(file["state"] == "ingesting");
        assert!(file["state"] != "done" || seen == AFTER, "the file is done and its subjects are not there");
        for id in &acknowledged {
            assert!(client.get(&format!("/sources/{id}")).await.status.is_success(), "source {id} is lost");
        }
    }
    let mut outcomes = Vec::new();
    for (source, _, second) in &sources {
        let file = steps::settled(&client, source, std::slice::from_ref(second)).await.remove(0);
        let seen = versions.seen(&client, source).await;
        match file["state"].as_str() {
            Some("done") => assert_eq!(seen, AFTER, "{file}"),
            Some("failed") => {
                assert_eq!(seen, BEFORE, "{file}");
                assert!(file["error"].as_str().is_some_and(|error| !error.is_empty()), "{file}");
            }
            _ => panic!("neither done nor failed: {file}"),
        }
        outcomes.push(file["state"].as_str().unwrap().to_owned());
    }
    println!("{ROUNDS} kills, {interrupted} of them within a job; the jobs ended {outcomes:?}");
    assert!(interrupted > 0, "every kill came too early or too late to show anything");
    node.stop().await;
}

async fn file(client: &Client, source: &str, id: &str) -> Value {
    let listed = steps::files(client, source).await;
    listed.into_iter().find(|file| file["dataFileId"] == id).unwrap_or_else(|| panic!("file {id} is lost"))
}

/// The process that parses `poison.json` ends at once; a debug build only.
fn poisoned(installation: &Installation) -> Node {
    installation.serve().env("CV3_FAULT_ABORT_ON_FILE", "poison.json").spawn()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_ends_the_process_is_given_up_after_three_starts() {
    let packets = made_packets(12);
    let installation = Installation::new();
    let mut node = poisoned(&installation);
    node.answers().await;
    let client = node.client("ada").await;
    let pipeline = steps::file_pipeline(&client, "").await;
    let source = steps::source(&client, "poisoned").await;
    let good = steps::upload(&client, &source, "good.jsonl", lines(&packets[..6])).await;
    steps::read_in(&client, &source, &pipeline, &[good]).await;
    steps::grant(&client, "count", &[&client.user_id], &[&source]).await;
    let poison = steps::upload(&client, &source, "poison.json", packets[6].1.to_string().into_bytes()).await;
    // The job that ends the process may begin before the answer is out.
    let asked = client.api(reqwest::Method::POST, &format!("/source/{source}/ingest")).await;
    let asked = asked.json(&json!({"pipelineID": pipeline, "dataFileIDs": [poison]}));
    if let Some(answer) = Reply::maybe(asked).await {
        answer.ok();
    }

    let mut ends = 0;
    let path = format!("/source/{source}/datafiles?all=true");
    let file = loop {
        let verdict = eventually("the poisoned file to be given up", || async {
            let listed = Reply::maybe(client.api(reqwest::Method::GET, &path).await).await?.ok();
            let file = listed.as_array()?.iter().find(|file| file["dataFileId"] == poison.as_str())?.clone();
            (file["state"] == "failed").then_some(file)
        });
        tokio::select! {
            file = verdict => break file,
            status = node.ends() => assert!(!status.success()),
        }
        ends += 1;
        assert!(ends <= 3, "the process ended a fourth time");
        node = poisoned(&installation);
        node.answers_or_ends().await;
    };
    println!("the process ended {ends} times, then: {}", file["error"]);
    assert_eq!(ends, 3);
    assert!(file["error"].as_str().is_some_and(|error| error.contains('3')), "{file}");

    let count = |answer: Value| answer["recordCount"].as_u64();
    assert_eq!(count(steps::ask_one(&client, &source, &json!({})).await), Some(6));
    let more = steps::upload(&client, &source, "more.jsonl", lines(&packets[6..])).await;
    steps::read_in(&client, &source, &pipeline, &[more]).await;
    assert_eq!(count(steps::ask_one(&client, &source, &json!({})).await), Some(12));
    node.stop().await;
}
