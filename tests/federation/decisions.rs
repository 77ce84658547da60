//! Deciding about those who ask and those who invite.

use cv3_backend::service::Options;
use serde_json::{Value, json};

use crate::house::{House, status, words};
use crate::others::{Other, answer};
use crate::{NETWORK, THEM};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_followed_and_what_is_answered_is_stored_before() {
    let (house, them) = (House::new().await, Other::called("them"));
    house.receive(&them.asks("invite", "i", NETWORK)).await;
    house.approve("i").await.unwrap();

    let network = house.network(NETWORK).await.unwrap();
    assert_eq!((network.network_name.as_str(), network.description.as_str()), ("Theirs", "of others"));
    assert!(!network.is_unfinished() && !network.visible && network.node_ids.len() == 2);
    let members = house.members(NETWORK).await;
    assert_eq!((members.len(), members[0].node_id.as_str()), (1, "them"));
    assert!(!members[0].authentication_enabled && members[0].user_mapping.is_none(), "local decisions");

    let sent = house.peers.sent();
    assert_eq!((sent.len(), sent[0].url.as_str()), (1, "https://them.example.org/federation/"));
    assert!(sent[0].network_there, "stored first");
    let message = sent[0].message();
    assert_eq!(
        message["messageAttributes"],
        json!({"messageId": "i", "networkId": NETWORK, "authType": "response", "approved": true})
    );
    assert_eq!(message["messageData"]["node"]["nodeId"], network.instance_id.as_str());
    assert!(message["messageData"].get("network").is_none());
    assert!(house.has_key(NETWORK).await);
    let request = house.request().await;
    assert_eq!((status(&request), &request["delivery"]["state"]), ("accepted", &json!("delivered")));
    assert_eq!(house.approve("i").await.unwrap_err().to_string(), "the request i is decided already");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_from_one_who_is_not_there_changes_nothing() {
    let (house, them) = (House::new().await, Other::called("them"));
    house.receive(&them.asks("invite", "i", NETWORK)).await;
    house.peers.are_well(false);
    house.approve("i").await.unwrap_err();
    assert!(house.peers.sent().is_empty() && house.network(NETWORK).await.is_none());
    assert!(status(&house.request().await) == "pending" && !house.has_key(NETWORK).await);
    house.peers.are_well(true);
    house.approve("i").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_that_cannot_be_followed_leaves_the_key_of_a_request_of_ours() {
    let (house, them) = (House::new().await, Other::called("them"));
    house.join().await.unwrap();
    house.receive(&them.asks("invite", "i", NETWORK)).await;
    house.peers.are_well(false);
    house.approve("i").await.unwrap_err();
    assert!(house.has_key(NETWORK).await);
    // Also where it describes a network that cannot be.
    house.peers.are_well(true);
    let mut nameless = them.asks("invite", "n", NETWORK);
    nameless["messageData"]["network"]["networkName"] = json!("x".repeat(256));
    house.receive(&nameless).await;
    house.approve("n").await.unwrap_err();
    assert!(house.has_key(NETWORK).await && house.network(NETWORK).await.is_none());
    house.tend().await;
    assert!(house.has_key(NETWORK).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_enters_by_an_invitation_closes_the_request_of_its_own_and_keeps_the_key() {
    let (house, them) = (House::new().await, Other::called("them"));
    let own = house.join().await.unwrap();
    house.receive(&them.asks("invite", "i", NETWORK)).await;
    house.approve("i").await.unwrap();
    let requests = house.requests().await;
    let own = requests.iter().find(|request| request["messageAttributes"]["messageId"] == own.as_str());
    assert_eq!(
        (status(own.unwrap()), &own.unwrap()["reason"]),
        ("rejected", &json!("this installation entered the network by an invitation"))
    );
    // One of a release that closed none expires, and takes no key that the network needs.
    let mut old = them.asks("request", "old", NETWORK);
    (old["direction"], old["id"], old["status"]) = (json!("out"), json!("out-old"), json!("sent"));
    old["receivedAt"] = json!("2025-01-31T12:00:00Z");
    house.receive(&old).await;
    house.tend().await;
    let requests = house.requests().await;
    let old = requests.iter().find(|request| request["messageAttributes"]["messageId"] == "old");
    assert_eq!(status(old.unwrap()), "rejected");
    assert!(house.has_key(NETWORK).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_let_in_is_announced_to_the_others_and_told() {
    let house = House::new().await;
    let local = house.local().await.to_string();
    let first = Other::called("first").at("https://first.example.org");
    let second = Other::called("second");
    house.receive(&first.asks("request", "1", &local)).await;
    house.receive(&second.asks("request", "2", &local)).await;
    house.approve("1").await.unwrap();
    house.peers.sent();
    // Of two administrators one decides.
    let (one, other) = tokio::join!(house.approve("2"), house.approve("2"));
    assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
    let sent = house.peers.sent();
    let to_first: Vec<_> = sent.iter().filter(|sent| sent.url.starts_with("https://first")).collect();
    assert!(to_first.iter().all(|sent| sent.kind() == "join") && !to_first.is_empty());
    let join = to_first[0].message();
    assert_eq!(join["messageData"]["node"]["nodeId"], "second");
    assert_eq!(join["messageData"]["node"]["authenticationEnabled"], false);
    let told = sent.iter().find(|sent| sent.url.starts_with(THEM)).unwrap().message();
    assert_eq!(told["messageAttributes"]["approved"], true);
    assert_eq!(told["messageData"]["network"]["networkId"], local.as_str());
    let network = house.network(&local).await.unwrap();
    assert_eq!(network.node_ids.len(), 3, "{:?}", network.node_ids);
    assert_eq!(house.members(&local).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_calls_itself_as_another_node_does_is_not_let_in() {
    let house = House::new().await;
    let local = house.local().await.to_string();
    house.tend().await;
    let us = house.network(&local).await.unwrap().instance_id;
    let elsewhere = house
        .services
        .networks
        .create(&house.admin(), &json!({"networkName": "Elsewhere"}))
        .await
        .unwrap()
        .to_string();
    house.receive(&Other::called("known").asks("request", "1", &elsewhere)).await;
    house.approve("1").await.unwrap();
    for (message, name) in [("2", us.as_str()), ("3", "known")] {
        house.receive(&Other::called(name).asks("request", message, &local)).await;
        let refused = house.approve(message).await.unwrap_err().to_string();
        assert_eq!(refused, format!("the node {name} is known already as another one; deny it"));
    }
    // With another key in the network it is in.
    house.receive(&Other::called("known").asks("request", "4", &elsewhere)).await;
    house.approve("4").await.unwrap_err();
    assert_eq!((house.members(&local).await.len(), house.members(&elsewhere).await.len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_need_not_be_given_where_the_setting_says_so() {
    let house = House::with(Options { require_challenge: false, ..Options::default() }).await;
    let local = house.local().await.to_string();
    house.receive(&Other::called("them").asks("request", "1", &local)).await;
    house.services.networks.approve(&house.admin(), "1", &Value::Null).await.unwrap();
    assert_eq!(house.members(&local).await.len(), 1);

    let house = House::new().await;
    let local = house.local().await.to_string();
    house.receive(&Other::called("them").asks("request", "1", &local)).await;
    house.services.networks.approve(&house.admin(), "1", &Value::Null).await.unwrap_err();
    assert!(house.members(&local).await.is_empty());
    house.services.networks.approve(&house.admin(), "1", &words()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_turned_down_or_held_for_30_days_is_told() {
    let house = House::new().await;
    let local = house.local().await.to_string();
    for (message, name) in [("1", "first"), ("2", "second")] {
        house.receive(&Other::called(name).asks("request", message, &local)).await;
    }
    house.services.networks.deny(&house.admin(), "1").await.unwrap();
    let told = house.peers.sent();
    let message = told[0].message();
    assert_eq!((told.len(), &message["messageAttributes"]["approved"]), (1, &json!(false)));
    assert_eq!(message["messageAttributes"]["messageId"], "1");
    assert!(message.get("messageData").is_none());

    house.clock.advance(std::time::Duration::from_secs(31 * 86_400));
    house.tend().await;
    house.pursue_after(2).await;
    let told = house.peers.sent();
    assert_eq!((told.len(), told[0].message()["messageAttributes"]["messageId"].as_str()), (1, Some("2")));
    assert!(house.requests().await.iter().all(|request| status(request) == "rejected"));
    assert!(house.members(&local).await.is_empty());
    // Without a voice in the network nobody can be told.
    house.receive(&Other::called("them").asks("invite", "i", NETWORK)).await;
    house.services.networks.deny(&house.admin(), "i").await.unwrap();
    house.peers.answer_with(answer(200, ""));
    assert!(house.peers.sent().is_empty() && !house.has_key(NETWORK).await);
}
