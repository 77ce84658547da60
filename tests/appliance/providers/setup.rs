//! The first account where somebody else keeps passwords (specification §4.1, §15 row 16).

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::house::House;
use super::provider::{CALLBACK, CLIENT, Provider, Visit};
use crate::support::eventually;
use crate::support::node::{PASSWORD, text};
use crate::support::pages::{Browser, Page};

/// Opens the page with the code and answers what it says in the end.
async fn set_up(house: &House) -> Page {
    let file = house.installation.data().join("setup-code");
    let code = eventually("the set-up code", || async { std::fs::read_to_string(&file).ok() }).await;
    let mut browser = Browser::new();
    let url = format!("{}/setup", house.installation.base());
    let form = browser.get(&url).await;
    assert!(form.body.contains("cafevariome_admin"), "{}", form.body);
    assert!(!form.body.contains("type=\"password\""), "{}", form.body);
    let fields = [
        ("csrf", form.hidden("csrf")),
        ("code", code.trim().to_owned()),
        ("email", "first@example.org".into()),
        ("firstName", "Grace".into()),
        ("lastName", "Example".into()),
        ("affiliation", "Hospital".into()),
    ];
    let done = browser.post(&url, &fields.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    done
}

pub async fn the_first_account_is_the_clients_admin(provider: &Provider) {
    let server = provider.server();
    if let Some(id) = server.user("cafevariome_admin").await {
        server.admin(Method::DELETE, &format!("/users/{id}"), None).await;
    }
    let house = House::of(provider).await;
    let node = house.serve().await;
    let done = set_up(&house).await;
    // Nobody sits at a terminal here and the provider has no mail.
    assert!(done.body.contains("user reset-password --user cafevariome_admin"), "{}", done.body);
    let once = house.tool(&["user", "reset-password", "--user", "cafevariome_admin", "--json"], "").await;
    let once = text(&serde_json::from_str::<Value>(&once).unwrap(), "oneTimePassword");
    assert!(!node.log().contains(&once));
    let visit = Visit::new(server, CLIENT, CALLBACK, "the first visit");
    assert!(visit.code("cafevariome_admin", &once, PASSWORD).await.is_some());
    let first = house.sign_in("cafevariome_admin").await;
    let own = house.who(&first.access).await.ok();
    assert_eq!((&own["role"], &own["affiliation"]), (&"developer".into(), &"Hospital".into()));
    node.stop().await;

    // Another installation of the realm takes the account as it is.
    let second = House::of(provider).await;
    let node = second.serve().await;
    let done = set_up(&second).await;
    assert!(done.body.contains("with the password it has"), "{}", done.body);
    let own = second.who(&second.sign_in("cafevariome_admin").await.access).await.ok();
    assert_eq!((&own["role"], &own["userId"]), (&"developer".into(), &own["userId"]));
    node.stop().await;
}
