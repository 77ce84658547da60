//! What administrators are told by mail: of requests and members, of failed jobs, and of what is away.

use std::time::Duration;

use cv3_backend::broker::{JobState, NewJob, Queue, Verdict};
use cv3_backend::domain::filter::Filter;
use cv3_backend::store::Room;
use serde_json::{Value, json};

use crate::NETWORK;
use crate::house::House;
use crate::others::{Other, answer};

/// Every mail in the outbox: what it is about, to whom, and its facts.
async fn mails(house: &House) -> Vec<Value> {
    let all = house.ports.store.documents().find(Room::Outbox, &Filter::all()).await.unwrap();
    let mut all: Vec<Value> = all.into_iter().map(|stored| stored.body).collect();
    all.sort_by_key(|mail| mail["createdAt"].to_string());
    all
}

async fn events(house: &House) -> Vec<String> {
    mails(house).await.iter().map(|mail| mail["event"].as_str().unwrap().to_owned()).collect()
}

async fn look(house: &House) {
    house.services.networks.tell_admins(&house.services.auth.inside()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_told_when_it_comes_and_when_it_is_decided_each_once_and_without_its_words() {
    let (house, them) = (House::new().await, Other::called("them"));
    house.receive(&them.asks("request", "1", house.local().await.as_str())).await;
    for _ in 0..3 {
        look(&house).await;
    }
    assert_eq!(events(&house).await, ["networkRequestReceived"]);
    house.approve("1").await.unwrap();
    for _ in 0..3 {
        house.clock.advance(Duration::from_secs(60));
        look(&house).await;
    }
    let mails = mails(&house).await;
    assert_eq!(events(&house).await, ["networkRequestReceived", "networkRequestDecided"]);
    for mail in &mails {
        assert_eq!(mail["to"], json!(["dataAdmins"]), "{mail}");
        let told = mail.to_string();
        for word in ["zebra", "apple", "cabin"] {
            assert!(!told.contains(word), "the words come from the other administrator: {told}");
        }
    }
    assert_eq!(
        (&mails[0]["facts"]["kind"], &mails[0]["facts"]["network"], &mails[0]["facts"]["address"]),
        (&json!("request"), &json!("Local"), &json!("https://them.example.org"))
    );
    assert_eq!(mails[1]["facts"]["status"], "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_our_own_request_is_told() {
    for approved in [true, false] {
        let (house, them) = (House::new().await, Other::called("them"));
        house.join().await.unwrap();
        look(&house).await;
        assert!(events(&house).await.is_empty(), "who asked knows it");
        let id = house.request().await["messageAttributes"]["messageId"].as_str().unwrap().to_owned();
        house.peers.answer_with(match approved {
            true => them.signed(&them.approval(&id)),
            false => answer(200, them.response(&id, false, None).to_string()),
        });
        // Days later, as people decide.
        house.pursue_after(3 * 24 * 60).await;
        for _ in 0..2 {
            look(&house).await;
        }
        let mails = mails(&house).await;
        assert_eq!(mails.len(), 1, "{mails:?}");
        let facts = &mails[0]["facts"];
        let status = if approved { "accepted" } else { "rejected" };
        assert_eq!((&facts["direction"], &facts["status"]), (&json!("out"), &json!(status)), "{facts}");
        assert_eq!(facts["network"], if approved { "Theirs" } else { NETWORK }, "{facts}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decided_before_anybody_looked_is_no_news() {
    let (house, them) = (House::new().await, Other::called("them"));
    let mut old = them.asks("request", "1", house.local().await.as_str());
    old["status"] = "Accepted".into();
    old["receivedAt"] = "2025-01-31T12:00:00Z".into();
    house.receive(&old).await;
    look(&house).await;
    assert!(events(&house).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_waits_is_told_and_one_that_was_removed_here_is_not() {
    let (house, them) = (House::new().await, Other::called("them"));
    let mut node = them.node();
    node["networkId"] = house.local().await.as_str().into();
    let waiting: cv3_backend::domain::networks::Node = serde_json::from_value(node).unwrap();
    let removed = cv3_backend::domain::networks::Node {
        node_id: crate::house::node_id("removed"),
        public_key: None,
        ..waiting.clone()
    };
    for node in [&waiting, &removed] {
        house.ports.store.pending_nodes().put(node.node_id.as_str(), node).await.unwrap();
    }
    for _ in 0..2 {
        look(&house).await;
    }
    let mails = mails(&house).await;
    assert_eq!(
        (events(&house).await, &mails[0]["facts"]["network"]),
        (vec!["nodePending".into()], &json!("Local"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_fill_no_mailbox() {
    let (house, them) = (House::new().await, Other::called("them"));
    let local = house.local().await;
    for number in 0..25 {
        house.receive(&them.asks("request", &number.to_string(), local.as_str())).await;
    }
    look(&house).await;
    let told = mails(&house).await;
    assert_eq!(told.len(), 10);
    assert_eq!(told.iter().filter(|mail| mail["facts"]["last"] == true).count(), 1, "the last one says so");
    // After an hour others are told of again.
    house.clock.advance(Duration::from_secs(3_601));
    house.receive(&them.asks("request", "later", local.as_str())).await;
    look(&house).await;
    assert_eq!(mails(&house).await.len(), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_once_and_its_end_once_also_by_another_process() {
    let house = House::new().await;
    let inside = house.services.auth.inside();
    let other =
        cv3_backend::service::Services::new(house.ports.clone(), cv3_backend::service::Options::default());
    let well = [("store", Ok(())), ("secrets", Ok(())), ("identity", Ok(()))];
    let sealed = [("store", Ok(())), ("secrets", Err("Vault is sealed".to_owned())), ("identity", Ok(()))];
    for minute in 0..60 {
        // The processes take turns.
        let services = if minute % 3 == 0 { &other } else { &house.services };
        let seen = if (5..40).contains(&minute) { &sealed } else { &well };
        services.mail.watch(&inside, seen).await.unwrap();
        house.clock.advance(Duration::from_secs(60));
    }
    let told = mails(&house).await;
    assert_eq!(events(&house).await, ["dependencyAway", "dependencyBack"]);
    assert_eq!(told[0]["facts"]["complaint"], "Vault is sealed");
    assert_eq!(told[0]["facts"]["since"], "2026-01-31 12:05 UTC");
    assert_eq!(
        (&told[0]["createdAt"], &told[1]["createdAt"]),
        (&json!("2026-01-31T12:15:00Z"), &json!("2026-01-31T12:40:00Z"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_identity_provider_is_away_addresses_are_those_it_said_before() {
    let house = House::new().await;
    let admin = house.services.auth.operator::<cv3_backend::service::auth::SystemAdmin>();
    let inside = house.services.auth.inside();
    let profile = cv3_backend::domain::users::Profile {
        username: "ada".into(),
        email: "ada@example.org".into(),
        ..Default::default()
    };
    let role = cv3_backend::domain::users::Role::Developer;
    house.services.users.create(&admin, profile, role, Some("seventeen quiet herons")).await.unwrap();
    house.services.mail.watch(&inside, &[("identity", Ok(()))]).await.unwrap();
    for _ in 0..12 {
        house.services.mail.watch(&inside, &[("identity", Err("nobody answers".into()))]).await.unwrap();
        house.clock.advance(Duration::from_secs(60));
    }
    let told = mails(&house).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["to"], json!([{"address": "ada@example.org"}]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_given_up_is_told_once() {
    let house = House::new().await;
    let broker = &house.ports.broker;
    let new = NewJob {
        queue: Queue::DatabaseManager,
        kind: "ingest".into(),
        key: Some("clinic".into()),
        payload: json!({}),
    };
    broker.enqueue(new).await.unwrap();
    let job = broker.take(Queue::DatabaseManager, "w").await.unwrap().unwrap();
    broker.finish(&job.job_id, "w", Verdict::Failed("no rows".into())).await.unwrap();
    let failed = broker.jobs(JobState::Failed, 10).await.unwrap().remove(0);
    for _ in 0..3 {
        house.services.mail.job_failed(&house.services.auth.inside(), &failed, "no rows").await.unwrap();
    }
    let told = mails(&house).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["to"], json!(["systemAdmins", "installation"]));
    assert_eq!(
        (&told[0]["facts"]["kind"], &told[0]["facts"]["reason"]),
        (&json!("ingest"), &json!("no rows"))
    );
}
