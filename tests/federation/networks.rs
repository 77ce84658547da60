//! Networks made and left.

use cv3_backend::domain::filter::Filter;
use cv3_backend::domain::ids::NetworkId;
use serde_json::json;

use crate::NETWORK;
use crate::faulty::Fate;
use crate::house::House;
use crate::others::Other;

fn half() -> cv3_backend::domain::networks::Network {
    let half = json!({
        "networkId": NETWORK, "networkName": "Half", "instanceId": "n", "state": "creating",
        "createdAt": "2026-01-31T11:00:00Z",
    });
    serde_json::from_value(half).unwrap()
}

/// Row 6 of specification §15.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_6_a_half_made_network_is_hidden_and_removed_and_missing_keys_are_made() {
    let house = House::new().await;
    let half = half();
    house.ports.store.networks().insert(NETWORK, &half).await.unwrap();
    house.ports.secrets.put(&format!("network/{NETWORK}"), b"{}", None).await.unwrap();
    assert!(house.services.networks.index(&house.admin(), &half.network_id).await.is_err());

    house.tend().await;
    assert!(house.network(NETWORK).await.is_none() && !house.has_key(NETWORK).await);
    let nodes = house.ports.store.nodes().find(&Filter::all()).await.unwrap();
    assert!(nodes.iter().all(|node| node.public_key.is_some()) && nodes.len() == 1, "{nodes:?}");
}

/// Row 6 of specification §15: whichever write fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_6_a_network_whose_creation_fails_half_way_is_undone() {
    let house = House::new().await;
    house.tend().await;
    let before = (house.keys().await, house.ports.store.nodes().find(&Filter::all()).await.unwrap().len());
    let create =
        async || house.services.networks.create(&house.admin(), &json!({"networkName": "New"})).await;
    let mut failed = 0;
    loop {
        house.faults.after(failed, Fate::Fails);
        let made = create().await;
        let met = house.faults.heal();
        if made.is_ok() {
            assert!(!met, "no write failed");
            break;
        }
        failed += 1;
        let nodes = house.ports.store.nodes().find(&Filter::all()).await.unwrap().len();
        assert_eq!((house.keys().await, nodes), before, "after write {failed}");
        assert_eq!(house.ports.store.networks().count(&Filter::all()).await.unwrap(), 1);
    }
    assert!(failed >= 4, "network, node, membership, index and state are written: {failed}");

    // Where the undoing fails as well, time does it.
    for writes in 0..failed {
        house.faults.after(writes, Fate::Ends);
        create().await.unwrap_err();
        assert!(house.faults.heal());
    }
    house.clock.advance(std::time::Duration::from_secs(11 * 60));
    house.tend().await;
    assert_eq!(house.keys().await.len(), 2);
    assert_eq!(house.ports.store.networks().count(&Filter::all()).await.unwrap(), 2);
    assert_eq!(house.ports.store.nodes().count(&Filter::all()).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_made_network_does_not_count_as_another_one() {
    let house = House::new().await;
    let local = house.local().await;
    house.ports.store.networks().insert(NETWORK, &half()).await.unwrap();
    let refused = house.services.networks.leave(&house.admin(), &local).await.unwrap_err().to_string();
    assert_eq!(refused, "this is the only network; make or join another one first");
    assert!(house.network(local.as_str()).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_networks_are_not_both_left_at_once() {
    let house = House::new().await;
    let one = house.local().await;
    let networks = &house.services.networks;
    let other = networks.create(&house.admin(), &json!({"networkName": "Other"})).await.unwrap();
    let admin = house.admin();
    let (first, second) = tokio::join!(networks.leave(&admin, &one), networks.leave(&admin, &other));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    assert_eq!(house.ports.store.networks().count(&Filter::all()).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_told_that_we_leave_and_a_silent_one_is_no_obstacle() {
    let house = House::new().await;
    let local = house.local().await;
    for (message, name) in [("1", "first"), ("2", "second")] {
        let them = Other::called(name).at(&format!("https://{name}.example.org"));
        house.receive(&them.asks("request", message, local.as_str())).await;
        house.approve(message).await.unwrap();
    }
    let us = house.network(local.as_str()).await.unwrap().instance_id;
    house.services.networks.create(&house.admin(), &json!({"networkName": "Other"})).await.unwrap();
    house.peers.sent();
    house.peers.silent.lock().unwrap().push("https://first".into());
    house.services.networks.leave(&house.admin(), &local).await.unwrap();
    let sent = house.peers.sent();
    assert_eq!((sent.len(), sent[0].url.as_str()), (1, "https://second.example.org/federation/"));
    let message = sent[0].message();
    assert_eq!((sent[0].kind().as_str(), &message["messageAttributes"]["nodeId"]), ("leave", &json!(us)));
    assert!(house.network(local.as_str()).await.is_none() && !house.has_key(local.as_str()).await);
    assert!(house.members(local.as_str()).await.is_empty() && house.requests().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_nothing_needs_are_dropped_and_those_of_others_stay() {
    let house = House::new().await;
    house.join().await.unwrap();
    let theirs = format!("network/{NETWORK}/them/somebody");
    for name in ["network/nowhere", theirs.as_str()] {
        house.ports.secrets.put(name, b"{}", None).await.unwrap();
    }
    house.tend().await;
    let local = house.local().await;
    let mut expected = vec![format!("network/{NETWORK}"), theirs, format!("network/{local}")];
    expected.sort();
    let mut keys = house.keys().await;
    keys.sort();
    assert_eq!(keys, expected);
    assert!(NetworkId::parse("nowhere").is_ok(), "it could be one of a network");
}
