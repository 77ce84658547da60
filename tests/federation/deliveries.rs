//! Answers that cannot be delivered at once.

use serde_json::{Value, json};

use crate::NETWORK;
use crate::house::House;
use crate::others::{Other, answer};

async fn delivery(house: &House) -> Value {
    house.request().await["delivery"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_could_not_be_delivered_is_tried_again_with_growing_pauses() {
    let house = House::new().await;
    let local = house.local().await.to_string();
    house.receive(&Other::called("them").asks("request", "1", &local)).await;
    house.peers.are_well(false);
    house.approve("1").await.unwrap();
    assert_eq!(house.members(&local).await.len(), 1, "let in whether it can be told or not");
    assert_eq!(
        delivery(&house).await,
        json!({
            "state": "waiting", "attempts": 1, "nextAttemptAt": "2026-01-31T12:01:00Z",
            "reason": "the other installation cannot be reached: it answered 503 when it was asked how it is",
        })
    );
    assert!(!house.services.networks.has_due(&house.services.auth.inside()).await.unwrap());
    house.pursue_after(0).await;
    assert_eq!(delivery(&house).await["attempts"], 1, "not due");

    house.pursue_after(2).await;
    let second = delivery(&house).await;
    assert_eq!((&second["attempts"], &second["nextAttemptAt"]), (&json!(2), &json!("2026-01-31T12:04:00Z")));
    // It is there again, and refuses: not delivered either.
    house.peers.are_well(true);
    house.peers.answer_with(answer(202, ""));
    house.pursue_after(3).await;
    let third = delivery(&house).await;
    assert_eq!(
        (&third["attempts"], &third["reason"], &third["nextAttemptAt"]),
        (
            &json!(3),
            &json!("the other installation cannot be reached: it answered 202"),
            &json!("2026-01-31T12:09:00Z")
        )
    );
    house.peers.answer_with(answer(200, "Success"));
    house.peers.sent();
    house.pursue_after(5).await;
    assert_eq!(delivery(&house).await, json!({"state": "delivered", "attempts": 4}));
    let sent = house.peers.sent();
    assert_eq!((sent.len(), sent[0].message()["messageAttributes"]["messageId"].as_str()), (1, Some("1")));
    house.pursue_after(100_000).await;
    assert!(house.peers.sent().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_30_days_nobody_is_told_any_more() {
    let (house, them) = (House::new().await, Other::called("them"));
    house.receive(&them.asks("invite", "i", NETWORK)).await;
    house.peers.answer_with(answer(500, ""));
    house.approve("i").await.unwrap();
    assert_eq!(delivery(&house).await["state"], "waiting");
    house.pursue_after(31 * 24 * 60).await;
    let failed = delivery(&house).await;
    assert_eq!((&failed["state"], failed.get("nextAttemptAt")), (&json!("failed"), None));
    house.peers.sent();
    house.pursue_after(31 * 24 * 60).await;
    assert!(house.peers.sent().is_empty());
    assert!(house.network(NETWORK).await.is_some(), "what was decided stays, for somebody to decide again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_one_holds_up_nobody() {
    let house = House::new().await;
    let local = house.local().await.to_string();
    let silent = Other::called("silent").at("https://silent.example.org");
    house.receive(&silent.asks("request", "1", &local)).await;
    house.receive(&Other::called("them").asks("request", "2", &local)).await;
    house.peers.are_well(false);
    house.approve("1").await.unwrap();
    house.approve("2").await.unwrap();
    house.peers.are_well(true);
    house.peers.silent.lock().unwrap().push(silent.url);
    house.pursue_after(2).await;
    let states: Vec<_> =
        house.requests().await.iter().map(|request| request["delivery"]["state"].clone()).collect();
    assert!(states.contains(&json!("waiting")) && states.contains(&json!("delivered")), "{states:?}");
}
