//! A process that ends before any of the writes of a decision leaves what another one takes up.

use crate::NETWORK;
use crate::faulty::Fate;
use crate::house::{House, status};
use crate::others::Other;

/// The second write is the one that makes the node a member.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_let_in_and_not_stored_is_stored_by_doing_it_again() {
    for again in [true, false] {
        let (house, them) = (House::new().await, Other::called("them"));
        let local = house.local().await.to_string();
        house.receive(&them.asks("request", "1", &local)).await;
        house.faults.after(1, Fate::Fails);
        house.approve("1").await.unwrap_err();
        assert!(house.faults.heal());
        let request = house.request().await;
        assert_eq!((status(&request), request["delivery"]["state"].as_str()), ("accepted", Some("storing")));
        assert!(house.members(&local).await.is_empty() && house.peers.sent().is_empty());
        match again {
            true => house.approve("1").await.unwrap(),
            false => house.pursue_after(2).await,
        }
        assert_eq!(house.members(&local).await.len(), 1);
        let sent = house.peers.sent();
        assert_eq!(sent.len(), 1, "told once, after it was stored");
        assert_eq!(house.request().await["delivery"]["state"], "delivered");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_that_cannot_be_carried_out_any_more_is_taken_back() {
    let (house, them) = (House::new().await, Other::called("them"));
    house.receive(&them.asks("invite", "1", NETWORK)).await;
    house.faults.after(1, Fate::Fails);
    house.approve("1").await.unwrap_err();
    assert!(house.faults.heal());
    // Meanwhile the network was entered as another node.
    let entered = serde_json::json!({"networkId": NETWORK, "networkName": "Theirs", "instanceId": "another"});
    house.ports.store.networks().insert(NETWORK, &serde_json::from_value(entered).unwrap()).await.unwrap();
    house.pursue_after(2).await;
    let request = house.request().await;
    let reason = format!("this installation is in the network {NETWORK} already");
    assert_eq!((status(&request), request["reason"].as_str()), ("rejected", Some(reason.as_str())));
    assert!(request.get("delivery").is_none() && house.peers.sent().is_empty());
    assert_eq!(house.network(NETWORK).await.unwrap().instance_id.as_str(), "another");
    assert!(house.has_key(NETWORK).await);
}

/// Everything that entering or letting in leaves, however often it was interrupted.
async fn check_carried_out(house: &House, network: &str) {
    house.clock.advance(std::time::Duration::from_secs(11 * 60));
    house.tend().await;
    house.pursue_after(60).await;
    house.pursue_after(60).await;
    if status(&house.request().await) == "pending" {
        house.approve("1").await.unwrap();
    }
    let held = house.network(network).await.unwrap();
    assert!(!held.is_unfinished() && held.node_ids.len() == 2, "{held:?}");
    assert!(held.node_ids.contains(&held.instance_id));
    assert_eq!(house.members(network).await.len(), 1);
    let us = house.ports.store.nodes().get(held.instance_id.as_str()).await.unwrap().unwrap();
    assert!(us.public_key.is_some() && house.has_key(network).await);
    let request = house.request().await;
    assert_eq!((status(&request), request["delivery"]["state"].as_str()), ("accepted", Some("delivered")));
    let told = house.peers.sent().pop().unwrap().message();
    assert_eq!(told["messageData"]["node"]["nodeId"], held.instance_id.as_str());
    assert_eq!(told["messageData"]["node"]["publicKey"].as_str(), us.public_key.as_deref());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letting_in_is_carried_out_whenever_the_process_ends() {
    let mut writes = 0;
    loop {
        let (house, them) = (House::new().await, Other::called("them"));
        let local = house.local().await.to_string();
        house.receive(&them.asks("request", "1", &local)).await;
        house.faults.after(writes, Fate::Ends);
        let _ended = house.approve("1").await;
        let met = house.faults.heal();
        check_carried_out(&house, &local).await;
        if !met {
            break;
        }
        writes += 1;
    }
    assert!(writes >= 4, "{writes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_an_invitation_is_carried_out_whenever_the_process_ends() {
    let mut writes = 0;
    loop {
        let (house, them) = (House::new().await, Other::called("them"));
        house.receive(&them.asks("invite", "1", NETWORK)).await;
        house.faults.after(writes, Fate::Ends);
        let _ended = house.approve("1").await;
        let met = house.faults.heal();
        check_carried_out(&house, NETWORK).await;
        if !met {
            break;
        }
        writes += 1;
    }
    assert!(writes >= 6, "{writes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entering_is_carried_out_whenever_the_process_ends() {
    let mut writes = 0;
    loop {
        let (house, them) = (House::new().await, Other::called("them"));
        let id = house.join().await.unwrap();
        house.peers.answer_with(them.signed(&them.approval(&id)));
        house.clock.advance(std::time::Duration::from_secs(61 * 60));
        house.faults.after(writes, Fate::Ends);
        let _ended = house.services.networks.pursue(&house.services.auth.inside()).await;
        let met = house.faults.heal();
        house.clock.advance(std::time::Duration::from_secs(11 * 60));
        house.tend().await;
        house.pursue_after(61).await;
        let held = house.network(NETWORK).await.unwrap();
        assert!(!held.is_unfinished() && held.node_ids.len() == 2, "{held:?}");
        assert_eq!(house.members(NETWORK).await.len(), 1);
        assert_eq!(status(&house.request().await), "accepted");
        if !met {
            break;
        }
        writes += 1;
    }
    assert!(writes >= 6, "{writes}");
}
