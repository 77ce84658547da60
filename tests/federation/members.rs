//! Members approved and removed.

use cv3_backend::domain::ids::UserId;
use serde_json::json;

use crate::house::{House, node_id};
use crate::others::Other;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_node_has_no_key_and_comes_back_without_what_was_decided_about_it() {
    let (house, them) = (House::new().await, Other::called("them"));
    let (local, id) = (house.local().await.to_string(), node_id("them"));
    house.receive(&them.asks("request", "1", &local)).await;
    house.approve("1").await.unwrap();
    let (networks, admin) = (&house.services.networks, house.admin());
    let trusting = json!({"authenticationEnabled": true, "userMapping": UserId::ANONYMOUS});
    networks.map_node(&admin, &id, &trusting).await.unwrap();
    assert!(house.members(&local).await[0].authentication_enabled);

    networks.remove_node(&admin, &id).await.unwrap();
    assert!(house.members(&local).await.is_empty());
    let pending = house.pending("them").await.unwrap();
    assert_eq!(
        (pending.public_key, pending.authentication_enabled, pending.user_mapping),
        (None, false, None)
    );
    assert!(house.network(&local).await.unwrap().node_ids.contains(&id), "still a member");

    networks.approve_node(&admin, &id).await.unwrap();
    let back = house.members(&local).await.remove(0);
    assert_eq!(json!(back.public_key), them.node()["publicKey"], "the key it brought with its request");
    assert_eq!((back.authentication_enabled, back.user_mapping), (false, None));
    assert!(house.pending("them").await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_key_nobody_has_is_not_approved_and_local_decisions_of_others_do_not_count() {
    let (house, them) = (House::new().await, Other::called("them"));
    let (local, id) = (house.local().await.to_string(), node_id("them"));
    let mut node = them.node();
    (node["networkId"], node["publicKey"]) = (json!(local), json!(null));
    let keyless = serde_json::from_value(node).unwrap();
    let pending = house.ports.store.pending_nodes();
    pending.put("them", &keyless).await.unwrap();
    let (networks, admin) = (&house.services.networks, house.admin());
    let refused = networks.approve_node(&admin, &id).await.unwrap_err().to_string();
    assert!(refused.contains("no public key"), "{refused}");
    let mut node = them.node();
    node["networkId"] = json!(local);
    pending.put("them", &serde_json::from_value(node).unwrap()).await.unwrap();
    networks.approve_node(&admin, &id).await.unwrap();
    let approved = house.members(&local).await.remove(0);
    assert_eq!((approved.authentication_enabled, approved.user_mapping), (false, None));
}
