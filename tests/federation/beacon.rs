//! Beacon endpoints that two change at once.

use cv3_backend::domain::beacon::Endpoint;
use cv3_backend::store::{Room, Store, StoreError};
use serde_json::json;
use std::sync::Arc;

use crate::house::House;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_changes_at_once_each_keeps_what_the_other_changed() {
    let house = House::new().await;
    let (beacon, admin) = (&house.services.beacon, house.admin());
    let endpoint =
        json!({"endpointPath": "rare", "networkId": house.local().await, "beaconAuthMethod": "authKey"});
    let id = beacon.create(&admin, endpoint).await.unwrap();
    let held = id.clone();
    house.faults.meanwhile(Room::Beacon, |store: Arc<dyn Store>| async move {
        let rename = |endpoint: &mut Endpoint| {
            endpoint.endpoint_path = "renamed".into();
            Ok::<(), StoreError>(())
        };
        store.beacon().update(held.as_str(), rename).await.unwrap();
    });
    beacon.change(&admin, &id, json!({"beaconAuthMethod": "noAuth"})).await.unwrap();
    let after = json!(beacon.one(&admin, &id).await.unwrap());
    assert_eq!(
        (&after["endpointPath"], &after["beaconAuthMethod"]),
        (&json!("renamed"), &json!("noAuth")),
        "{after}"
    );
}
