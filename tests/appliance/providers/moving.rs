//! An installation whose issuer becomes another one: accounts follow their people, and nobody is forgotten.

use std::collections::BTreeSet;

use cv3_backend::domain::filter::Filter;
use cv3_backend::store::sqlite::SqliteStore;
use cv3_backend::store::{Room, Store};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::house::{House, fresh};
use super::provider::{CALLBACK, CLIENT, Provider, REALM, SECRET, Server};
use crate::support::node::{PASSWORD, text};
use crate::support::steps;

/// The same person at the provider, with the password they have here; their id there.
async fn known_there(server: &Server, name: &str) -> String {
    let body = json!({"username": name, "email": format!("{name}@example.org"), "firstName": "Some",
        "lastName": "Body", "enabled": true});
    let made = server.admin(Method::POST, "/users", Some(&body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let id = server.user(name).await.unwrap();
    let password = json!({"type": "password", "value": PASSWORD, "temporary": false});
    let set = server.admin(Method::PUT, &format!("/users/{id}/reset-password"), Some(&password)).await;
    assert!(set.status.is_success(), "{}", set.body);
    id
}

/// Ids of the users of the only group, and of all entries.
async fn keyed(house: &House) -> (BTreeSet<String>, BTreeSet<String>) {
    let store: Box<dyn Store> =
        Box::new(SqliteStore::open(&house.installation.data().join("store.db")).unwrap());
    let mut groups = store.groups().find(&Filter::all()).await.unwrap();
    assert_eq!(groups.len(), 1);
    let users = store.users().find(&Filter::all()).await.unwrap().into_iter().filter(|user| !user.internal);
    let group = groups.remove(0).assigned_users.iter().map(ToString::to_string).collect();
    (group, users.map(|user| user.user_id.to_string()).collect())
}

fn set<const N: usize>(ids: [&String; N]) -> BTreeSet<String> {
    ids.into_iter().cloned().collect()
}

pub async fn accounts_follow_their_people_to_another_issuer(provider: &Provider) {
    let server = provider.server();
    let before = House::of(&Provider::BuiltIn).await;
    let names = ["ada", "grace", "left"].map(fresh);
    let [ada, grace, left] = &names;
    for (name, role) in [(ada, "developer"), (grace, "user"), (left, "data-admin")] {
        before.installation.add_user(role, name);
    }
    let node = before.serve().await;
    let client = node.client(ada).await;
    let source = steps::source(&client, "clinic").await;
    let listed = client.get("/users/local").await.ok();
    let id = |name: &String| {
        let found = listed.as_array().unwrap().iter().find(|user| user["username"] == name.as_str());
        text(found.unwrap_or_else(|| panic!("{name} is not in {listed}")), "userId")
    };
    let old = [id(ada), id(grace), id(left)];
    steps::grant(&client, "count", &[&old[0], &old[1], &old[2]], &[&source]).await;
    let network = text(&client.get("/networks/").await.ok()[0], "networkId");
    let endpoint = json!({"endpointPath": "rare", "networkId": network, "beaconAuthMethod": "noAuth",
        "userMapping": old[1]});
    let endpoint = steps::create(&client, "/beacon/", &endpoint).await;
    node.stop().await;

    let new = [known_there(server, ada).await, known_there(server, grace).await];
    let section = json!({"Client": CLIENT, "Realm": REALM, "URL": server.url, "RedirectURLs": [CALLBACK],
        "ClientSecret": SECRET});
    before.installation.configure(json!({"Keycloak": section}));
    let house = House { provider: provider.clone(), installation: before.installation, relay: None };
    let file = house.installation.data().with_file_name("mapping.csv");
    let remap = |lines: &str, more: &[&str]| {
        std::fs::write(&file, lines).unwrap();
        let words = [&["user", "remap", "--json", "--file", file.to_str().unwrap()], more].concat();
        let (done, printed) = tokio::task::block_in_place(|| house.installation.try_tool(&words));
        (done, serde_json::from_str::<Value>(&printed).unwrap_or_default())
    };
    // One by the address that was known here, one by id; one is forgotten.
    let mapping = format!("old,new\n{ada}@example.org,{ada}@example.org\n{},{grace}\n", old[1]);
    let (done, said) = remap(&mapping, &[]);
    assert!(done && said["applied"] == false, "{said}");
    let moves: Vec<_> =
        said["moves"].as_array().unwrap().iter().map(|m| (text(m, "old"), text(m, "new"))).collect();
    assert_eq!(moves, [(old[0].clone(), new[0].clone()), (old[1].clone(), new[1].clone())]);
    assert_eq!((&said["moves"][1]["groups"], &said["moves"][1]["mappings"]), (&json!(1), &json!(1)));
    let unmapped = &said["unmapped"];
    assert_eq!(unmapped.as_array().unwrap().len(), 1, "{unmapped}");
    assert_eq!((&unmapped[0]["userId"], &unmapped[0]["role"]), (&json!(old[2]), &json!("dataAdmin")));
    assert_eq!(
        unmapped[0]["groups"].as_array().unwrap().len(),
        1,
        "who would be orphaned is said: {unmapped}"
    );
    let everyone = set([&old[0], &old[1], &old[2]]);
    assert_eq!(keyed(&house).await, (everyone.clone(), everyone.clone()), "a plan changes nothing");

    for wrong in [
        format!("{mapping}{},nobody-there\n", old[2]),
        format!("{mapping}nobody@example.org,{grace}\n"),
        format!("{mapping}{},{grace}\n", old[2]),
        format!("{mapping}{},{ada}\n", old[1]),
    ] {
        let (done, said) = remap(&wrong, &["--apply"]);
        assert!(!done && !said["wrong"].as_array().unwrap().is_empty(), "{wrong}: {said}");
        assert_eq!(keyed(&house).await, (everyone.clone(), everyone.clone()), "all lines or none");
    }

    let (done, said) = remap(&mapping, &["--apply"]);
    assert!(done && said["applied"] == true, "{said}");
    let after = set([&new[0], &new[1], &old[2]]);
    assert_eq!(keyed(&house).await, (after.clone(), after.clone()), "who is unmapped stays");
    let (done, said) = remap(&mapping, &["--apply"]);
    assert!(done && said["moves"][1]["done"] == true, "{said}");
    assert_eq!(keyed(&house).await, (after.clone(), after));
    {
        let store: Box<dyn Store> =
            Box::new(SqliteStore::open(&house.installation.data().join("store.db")).unwrap());
        let lines =
            store.documents().find(Room::Decisions, &Filter::equals("what", "userRemapped")).await.unwrap();
        let subjects: BTreeSet<String> = lines.iter().map(|line| text(&line.body, "subject")).collect();
        let expected = set([&format!("{} to {}", old[0], new[0]), &format!("{} to {}", old[1], new[1])]);
        assert_eq!((lines.len(), subjects), (2, expected), "once each");
        let endpoint = store.documents().get(Room::Beacon, &endpoint).await.unwrap().unwrap();
        assert_eq!(endpoint.body["userMapping"], new[1].as_str());
    }

    let node = house.serve().await;
    let own = house.who(&house.sign_in(ada).await.access).await.ok();
    assert_eq!((&own["userId"], &own["role"]), (&json!(new[0]), &json!("developer")));
    let seen = house.ask("GET", "/api/sources/", &house.sign_in(grace).await.access, None).await.ok();
    assert_eq!(seen[0]["sourceId"], source.as_str(), "what the group grants");
    node.stop().await;
}
