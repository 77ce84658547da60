//! The first account where somebody else keeps passwords (specification §4.1, §15 row 16).

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::house::{House, fresh};
use super::provider::{CALLBACK, CLIENT, Provider, SECRET, Server, Visit};
use crate::support::eventually;
use crate::support::node::{PASSWORD, text};
use crate::support::pages::{Browser, Page};

/// The account that both tests make; a realm has one of that name.
const ADMIN: &str = "cafevariome_admin";

static TURN: Mutex<()> = Mutex::const_new(());

async fn without_admin(server: &Server) {
    if let Some(id) = server.user(ADMIN).await {
        server.admin(Method::DELETE, &format!("/users/{id}"), None).await;
    }
}

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
    let _turn = TURN.lock().await;
    without_admin(server).await;
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

/// Specification §4.1: without a terminal, from the environment, and again.
pub async fn installing_without_a_terminal_makes_the_first_account_once(provider: &Provider) {
    let server = provider.server();
    let _turn = TURN.lock().await;
    without_admin(server).await;
    let house = House::of(provider).await;
    let install = |env: &[(&str, &str)]| {
        let words = ["install", "--non-interactive", "--json"];
        tokio::task::block_in_place(|| house.installation.try_tool_with(&words, env))
    };
    let (done, _, said) = install(&[]);
    assert!(!done && said.contains("ADMIN_EMAIL"), "{said}");
    assert_eq!(server.user(ADMIN).await, None, "nobody was named, so nobody is made");

    let named = [("ADMIN_EMAIL", "first@example.org"), ("ADMIN_AFFILIATION", "Hospital")];
    let (done, printed, said) = install(&named);
    assert!(done, "{said}");
    let made: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(made["username"], ADMIN, "{made}");
    let once = text(&made, "oneTimePassword");
    assert!(!said.contains(&once), "a password is no message: {said}");
    let id = server.user(ADMIN).await.unwrap();
    let person = server.admin(Method::GET, &format!("/users/{id}"), None).await.ok();
    assert_eq!(
        (&person["email"], &person["attributes"]["affiliation"], &person["requiredActions"]),
        (&json!("first@example.org"), &json!(["Hospital"]), &json!(["UPDATE_PASSWORD"]))
    );

    // The secret of the client is kept from here on, and a second run finds everything done.
    house.reconfigure(|section| drop(section.as_object_mut().unwrap().remove("ClientSecret")));
    let listed = house.tool(&["user", "list", "--json"], "").await;
    for env in [named.as_slice(), &[("ADMIN_EMAIL", "other@example.org")], &[]] {
        let (done, printed, said) = install(env);
        assert!(done, "{said}");
        let printed: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(printed, json!({"installed": true, "already": true}));
    }
    assert_eq!(house.tool(&["user", "list", "--json"], "").await, listed);
    assert_eq!(server.admin(Method::GET, &format!("/users/{id}"), None).await.ok(), person);

    let node = house.serve().await;
    let visit = Visit::new(server, CLIENT, CALLBACK, "the first visit");
    assert!(visit.code(ADMIN, &once, PASSWORD).await.is_some());
    let own = house.who(&house.sign_in(ADMIN).await.access).await.ok();
    assert_eq!((&own["role"], &own["affiliation"]), (&json!("developer"), &json!("Hospital")));
    node.stop().await;

    // A client that may not do what is needed is said before anything is made.
    let (client, secret) = (fresh("bare"), "throw-away-secret-of-a-bare-client");
    server.make_client(&client, secret).await;
    let bare = House::with(provider, |section| {
        section["Client"] = client.clone().into();
        section["ClientSecret"] = secret.into();
    })
    .await;
    let (done, _, said) = tokio::task::block_in_place(|| {
        bare.installation.try_tool_with(&["install", "--non-interactive"], &named)
    });
    assert!(!done && said.contains("view-users"), "{said}");
    assert_eq!(server.user(&format!("{client}_admin")).await, None);
}

pub async fn a_start_makes_the_first_account_that_the_environment_names(provider: &Provider) {
    let server = provider.server();
    let _turn = TURN.lock().await;
    without_admin(server).await;
    let house = House::of(provider).await;
    let start = || {
        let launch = house.installation.serve().env("ADMIN_EMAIL", "first@example.org");
        launch.env("ADMIN_AFFILIATION", "Hospital").env("KEYCLOAK_CLIENT_SECRET", SECRET)
    };
    let node = start().start().await;
    let listed = || house.tool(&["user", "list", "--json"], "");
    eventually("the first account", || async { listed().await.contains("developer").then_some(()) }).await;
    let id = server.user(ADMIN).await.unwrap();
    let person = server.admin(Method::GET, &format!("/users/{id}"), None).await.ok();
    assert_eq!(
        (&person["email"], &person["attributes"]["affiliation"]),
        (&json!("first@example.org"), &json!(["Hospital"]))
    );
    let once = house.tool(&["user", "reset-password", "--user", ADMIN, "--json"], "").await;
    let once = text(&serde_json::from_str::<Value>(&once).unwrap(), "oneTimePassword");
    let visit = Visit::new(server, CLIENT, CALLBACK, "the first visit");
    assert!(visit.code(ADMIN, &once, PASSWORD).await.is_some());
    let own = house.who(&house.sign_in(ADMIN).await.access).await.ok();
    assert_eq!((&own["role"], &own["affiliation"]), (&json!("developer"), &json!("Hospital")));
    node.stop().await;

    // A second start finds an administrator and makes none.
    let before = listed().await;
    let node = start().start().await;
    assert_eq!(house.who(&house.sign_in(ADMIN).await.access).await.status, StatusCode::OK);
    assert_eq!(listed().await, before);
    node.stop().await;
}
