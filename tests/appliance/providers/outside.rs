//! What is promised where somebody else signs people in.

use std::io::Write;
use std::process::{Command, Stdio};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::house::{House, fresh};
use super::provider::{CALLBACK, CLIENT, Provider, REALM, SECRET, Server, Visit};
use crate::support::client::Reply;
use crate::support::eventually;
use crate::support::node::{PASSWORD, binary, text};

const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;

/// A person the realm knows and no installation does; the id and the user name.
async fn stranger(server: &Server) -> (String, String) {
    let name = fresh("stranger");
    let body = json!({
        "username": name, "email": format!("{name}@example.org"), "firstName": "Some", "lastName": "Stranger",
        "enabled": true, "attributes": {"affiliation": ["Elsewhere"], "phone": ["1234"]},
    });
    let made = server.admin(Method::POST, "/users", Some(&body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let id = server.user(&name).await.unwrap();
    let password = json!({"type": "password", "value": PASSWORD, "temporary": false});
    let set = server.admin(Method::PUT, &format!("/users/{id}/reset-password"), Some(&password)).await;
    assert!(set.status.is_success(), "{}", set.body);
    (id, name)
}

pub async fn a_stranger_waits_for_approval(provider: &Provider) {
    let house = House::of(provider).await;
    let ada = house.account("developer", "ada").await;
    let node = house.serve().await;
    let admin = house.sign_in(&ada).await.access;
    let (id, name) = stranger(provider.server()).await;
    let redeemed = async || {
        let code = house.code(&name, PASSWORD).await.unwrap();
        house.redeem(&code).await
    };

    let refused = redeemed().await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    let local = house.ask("GET", "/api/users/local", &admin, None).await.ok();
    assert!(
        local.as_array().unwrap().iter().all(|user| user["userId"] != json!(id)),
        "nothing was noted: {local}"
    );

    let on = json!({"federationSettings": {"autoUserRegistration": true}});
    house.ask("POST", "/api/config/global", &admin, Some(&on)).await.ok();
    for _ in 0..2 {
        let waiting = redeemed().await;
        assert_eq!(waiting.status, StatusCode::FORBIDDEN, "{}", waiting.body);
    }
    let local = house.ask("GET", "/api/users/local", &admin, None).await.ok();
    let entry = local.as_array().unwrap().iter().find(|user| user["userId"] == json!(id)).unwrap();
    assert_eq!(
        (&entry["active"], &entry["allowLogin"], &entry["role"]),
        (&json!(false), &json!(false), &json!("user"))
    );
    assert_eq!((&entry["username"], &entry["affiliation"]), (&json!(name), &json!("Elsewhere")));

    // Only both together let somebody in.
    house.ask("POST", &format!("/api/users/{id}/activate"), &admin, Some(&json!({}))).await.ok();
    assert_eq!(redeemed().await.status, StatusCode::FORBIDDEN);
    house.ask("POST", &format!("/api/users/{id}/permit-login"), &admin, Some(&json!({}))).await.ok();
    redeemed().await.ok();

    // Somebody the realm knows is let in by their request, and keeps their password (§5.4).
    let (_, known) = stranger(provider.server()).await;
    let request = json!({
        "email": format!("{known}@example.org"), "firstName": "Some", "lastName": "Stranger",
        "affiliation": "Elsewhere", "justification": "research",
    });
    house.post("/api/access-requests/", &request).await.ok();
    let open = house.ask("GET", "/api/access-requests/", &admin, None).await.ok();
    let request = open.as_array().unwrap().iter().find(|r| r["email"] == request["email"]).unwrap();
    let path = format!("/api/access-requests/{}/approve", text(request, "requestId"));
    house.ask("POST", &path, &admin, Some(&json!({}))).await.ok();
    house.sign_in(&known).await;
    node.stop().await;
}

pub async fn a_token_is_asked_about_once_in_a_while(provider: &Provider) {
    let house = House::of(provider).await;
    let ada = house.account("developer", "ada").await;
    let node = house.serve().await;
    let tokens = house.sign_in(&ada).await;
    let before = house.relay().introspections();
    assert!(before > 0, "the provider is asked");
    for _ in 0..8 {
        house.who(&tokens.access).await.ok();
        house.ask("GET", "/query/sources/", &tokens.access, None).await.ok();
    }
    assert_eq!(house.relay().introspections(), before, "a good token is known for 30 s");
    // A bad one too, for a shorter while.
    for _ in 0..3 {
        assert_eq!(house.who("never-seen").await.status, UNAUTHORIZED);
    }
    assert_eq!(house.relay().introspections(), before + 1);
    // What is no token at all is nobody asked about.
    assert_eq!(house.who(&"x".repeat(20_000)).await.status, UNAUTHORIZED);
    assert_eq!(house.relay().introspections(), before + 1);
    node.stop().await;
}

/// A token got at the provider by another client.
async fn token_of(server: &Server, client: &str, name: &str) -> Value {
    let visit = Visit::new(server, client, CALLBACK, client);
    let code = visit.code(name, PASSWORD, PASSWORD).await.unwrap();
    server.token(&visit, &code).await
}

pub async fn foreign_expired_and_service_tokens_are_refused(provider: &Provider) {
    for validation in ["introspect", "local"] {
        let house = House::with(provider, |section| section["Validation"] = validation.into()).await;
        let server = provider.server();
        let ada = house.account("developer", "ada").await;
        let node = house.serve().await;
        house.sign_in(&ada).await;

        let foreign = text(&token_of(server, "elsewhere", &ada).await, "access_token");
        let refused = house.who(&foreign).await;
        assert_eq!(refused.status, UNAUTHORIZED, "{validation}: {}", refused.body);

        let partner = server.service_token("partner", "throw-away-secret-of-the-partner").await;
        assert_eq!(house.who(&partner).await.status, UNAUTHORIZED, "{validation}: for somebody else");
        let own = server.service_token(CLIENT, SECRET).await;
        let refused = house.who(&own).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{validation}: {}", refused.body);

        // Another client whose tokens are for us too; they live three seconds.
        let brief = token_of(server, "brief", &ada).await;
        if let Some(id) = brief["id_token"].as_str() {
            assert_eq!(house.who(id).await.status, UNAUTHORIZED, "{validation}: an ID token");
        }
        let brief = text(&brief, "access_token");
        if validation == "introspect" {
            house.becomes(&brief, UNAUTHORIZED).await;
        }
        node.stop().await;
    }
}

pub async fn new_keys_are_found_where_signatures_are_checked_here(provider: &Provider) {
    let house = House::with(provider, |section| section["Validation"] = "local".into()).await;
    let ada = house.account("developer", "ada").await;
    let node = house.serve().await;
    let before = house.sign_in(&ada).await;
    assert_eq!(house.who(&before.access).await.status, 200);
    assert_eq!(house.relay().introspections(), 0, "nobody is asked");
    provider.server().rotate_keys(&fresh("key")).await;
    let after = house.sign_in(&ada).await;
    let key = |token: &str| token.split('.').next().map(str::to_owned);
    assert_ne!(key(&before.access), key(&after.access), "the provider signs with the new key");
    assert_eq!(house.who(&before.access).await.status, 200, "the old key is still published");
    // A token of the same session that was signed by nobody the provider knows.
    let (signed, _) = after.access.rsplit_once('.').unwrap();
    let (_, signature) = before.access.rsplit_once('.').unwrap();
    assert_eq!(house.who(&format!("{signed}.{signature}")).await.status, UNAUTHORIZED);
    node.stop().await;
}

pub async fn a_provider_that_is_down_is_said_and_comes_back(provider: &Provider) {
    let house = House::of(provider).await;
    let ada = house.account("developer", "ada").await;
    let node = house.serve().await;
    let known = house.sign_in(&ada).await;
    let code = house.code(&ada, PASSWORD).await.unwrap();
    let fresh = house.redeem(&code).await.ok();
    let renewed = text(&fresh, "refresh_token");
    let unseen = text(&token_of(provider.server(), "brief", &ada).await, "access_token");
    let ready =
        || async { reqwest::get(format!("{}/readyz", house.installation.base())).await.unwrap().status() };

    house.relay().cut();
    for reply in [
        house.who(&unseen).await,
        house.refresh(&renewed).await,
        house.post("/api/auth/token", &json!({"grant_type": "authorization_code", "code": "x"})).await,
        house.ask("GET", "/api/users/", &known.access, None).await,
    ] {
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.body);
        assert!(!reply.body.contains("127.0.0.1"), "the log says where, the answer does not: {}", reply.body);
    }
    assert_eq!(house.who(&known.access).await.status, 200, "what was told of a token holds for its 30 s");
    eventually("the node to be not ready", || async { (ready().await == 503).then_some(()) }).await;
    let public = reqwest::get(format!("{}/api/config/keycloak", house.installation.base())).await.unwrap();
    assert_eq!(public.status(), 200, "public addresses go on");

    house.relay().mend();
    eventually("the provider to be found again", || async {
        (house.refresh(&renewed).await.status == 200).then_some(())
    })
    .await;
    eventually("the node to be ready", || async { (ready().await == 200).then_some(()) }).await;
    house.sign_in(&ada).await;
    node.stop().await;
}

/// Runs the tool, whatever comes of it; answers whether it succeeded and what it said.
fn tool(house: &House, args: &[&str], input: &str) -> (bool, String) {
    let data = house.installation.data();
    let mut tool = Command::new(binary());
    tool.args(args).arg("--data").arg(&data).arg("--config").arg(data.parent().unwrap().join("config.json"));
    tool.stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .current_dir(data.parent().unwrap());
    tokio::task::block_in_place(|| {
        let mut child = tool.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    })
}

pub async fn another_client_secret_is_taken_up_without_a_restart(provider: &Provider) {
    let server = provider.server();
    let client = fresh("turning");
    server.make_client(&client, "the-first-secret-of-this-client").await;
    let house = House::of(provider).await;
    house.account("developer", "ada").await;
    // Another client and its secret in the configuration: it works, and replaces the one that was kept.
    house.reconfigure(|section| {
        section["Client"] = client.clone().into();
        section["ClientSecret"] = "the-first-secret-of-this-client".into();
    });
    let base = house.installation.base();
    let node = house.serve().await;
    let ready = || async { Reply::of(reqwest::Client::new().get(format!("{base}/readyz"))).await };
    assert_eq!(ready().await.status, 200);
    // A code that is none: refused as such while our own client is accepted.
    let tried = || async {
        house
            .post("/api/auth/token", &json!({"grant_type": "refresh_token", "refresh_token": "x"}))
            .await
            .status
    };
    assert_eq!(tried().await, StatusCode::UNAUTHORIZED);

    server.change_secret(&client, "the-second-secret-of-this-client").await;
    assert_eq!(tried().await, StatusCode::SERVICE_UNAVAILABLE);
    let (done, said) = tool(&house, &["rotate-secret", "keycloak"], "a-wrong-guess\n");
    assert!(!done && said.contains("does not work") && !said.contains("a-wrong-guess"), "{said}");
    assert_eq!(tried().await, StatusCode::SERVICE_UNAVAILABLE, "the wrong one was not kept");
    let (done, said) = tool(&house, &["rotate-secret", "keycloak"], "the-second-secret-of-this-client\n");
    assert!(done && !said.contains("the-second"), "{said}");
    assert_eq!(tried().await, StatusCode::UNAUTHORIZED, "the running process uses the new one");
    node.stop().await;

    // The one in the configuration is the first one still, and is not used: it does not work (§4.1).
    let node = house.serve().await;
    assert_eq!(ready().await.status, 200);
    assert_eq!(tried().await, StatusCode::UNAUTHORIZED);
    assert!(node.log().contains("does not work and is not used"), "{}", node.log());
    for secret in ["the-first-secret", "the-second-secret", "a-wrong-guess"] {
        assert!(!node.log().contains(secret));
    }
    node.stop().await;
}

pub async fn the_doctor_names_what_the_client_lacks(provider: &Provider) {
    let house = House::of(provider).await;
    house.account("developer", "ada").await;
    let (healthy, said) = tool(&house, &["doctor"], "");
    assert!(healthy && !said.contains("lacks"), "{said}");

    let server = provider.server();
    let client = fresh("powerless");
    server.make_client(&client, "a-secret-without-any-power").await;
    let bare = House::with(provider, |section| {
        section["Client"] = client.clone().into();
        section["ClientSecret"] = "a-secret-without-any-power".into();
    })
    .await;
    let (healthy, said) = tool(&bare, &["doctor"], "");
    assert!(!healthy, "{said}");
    for line in [
        "FAIL identity provider: the service account lacks the role view-users of the client realm-management",
        "FAIL identity provider: the service account lacks the role manage-users",
        "ok   identity provider: the service account lacks the role read-token",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    // Older Keycloaks (26.4) introspect tokens for every client; there no mapper is missing.
    let active = server.calls_active(&client, "a-secret-without-any-power").await;
    assert_eq!(said.contains("a mapper of the kind Audience"), !active, "{said}");
    let (done, said) = tool(&bare, &["user", "add", "--email", "x@example.org"], "");
    assert!(!done && said.contains("give its service account the role view-users"), "{said}");

    let wrong = House::with(provider, |section| section["ClientSecret"] = "wrong".into()).await;
    let (healthy, said) = tool(&wrong, &["doctor"], "");
    assert!(!healthy && said.contains("refuses our client"), "{said}");
}

pub async fn attributes_of_others_stay(provider: &Provider) {
    let house = House::of(provider).await;
    let ada = house.account("developer", "ada").await;
    let node = house.serve().await;
    let admin = house.sign_in(&ada).await.access;
    let (id, name) = stranger(provider.server()).await;
    let change = json!({"lastName": "Changed", "affiliation": "Hospital"});
    house.ask("PATCH", &format!("/api/users/{id}"), &admin, Some(&change)).await.ok();
    let kept = provider.server().admin(Method::GET, &format!("/users/{id}"), None).await.ok();
    assert_eq!((&kept["username"], &kept["lastName"]), (&json!(name), &json!("Changed")));
    assert_eq!(kept["attributes"], json!({"affiliation": ["Hospital"], "phone": ["1234"]}));
    node.stop().await;
}

/// The server taken for a provider that is not Keycloak.
pub async fn another_provider_signs_people_in_and_nothing_more(provider: &Provider) {
    let server = provider.server();
    let house = House::of(provider).await;
    let issuer = format!("{}/realms/{REALM}", server.url);
    house.reconfigure_all(|config| config["Appliance"]["Issuer"] = issuer.clone().into());
    let (subject, name) = stranger(server).await;
    let add = ["user", "add", "--role", "developer", "--email", "x@example.org", "--json"];
    let (done, said) = tool(&house, &add, "");
    assert!(!done && said.contains("--subject"), "{said}");
    let (done, said) = tool(&house, &[&add[..], &["--subject", &subject]].concat(), "");
    assert!(done, "{said}");
    let id = text(&serde_json::from_str(&said[said.find('{').unwrap()..]).unwrap(), "userId");
    assert_ne!(id, subject);

    let node = house.serve().await;
    let tokens = house.sign_in(&name).await;
    let own = house.who(&tokens.access).await.ok();
    assert_eq!(
        (&own["userId"], &own["username"], &own["role"]),
        (&json!(id), &json!(name), &json!("developer"))
    );
    let told = reqwest::get(format!("{}/api/config/keycloak", house.installation.base())).await.unwrap();
    let told: Value = serde_json::from_str(&told.text().await.unwrap()).unwrap();
    assert_eq!((&told["url"], &told["realm"]), (&json!(issuer), &json!("")));

    let made = json!({"username": "x", "email": "x@example.org", "firstName": "X", "lastName": "X"});
    for reply in [
        house.ask("GET", "/api/users/", &tokens.access, None).await,
        house.ask("POST", "/api/users/", &tokens.access, Some(&made)).await,
        house
            .ask("PATCH", &format!("/api/users/{id}"), &tokens.access, Some(&json!({"firstName": "X"})))
            .await,
    ] {
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", reply.body);
        assert!(reply.body.contains("accounts are managed at the identity provider"), "{}", reply.body);
    }
    // Roles and permissions are ours and can be given.
    let local = house.ask("GET", "/api/users/local", &tokens.access, None).await.ok();
    assert!(local.as_array().unwrap().iter().any(|user| user["username"] == json!(name)), "{local}");
    node.stop().await;
}

pub async fn many_accounts_are_listed_with_few_calls(provider: &Provider) {
    let house = House::of(provider).await;
    let ada = house.account("developer", "ada").await;
    let node = house.serve().await;
    let token = house.sign_in(&ada).await.access;
    let mut names = vec![ada];
    // Above what is asked about one by one.
    for number in 0..12 {
        let name = fresh(&format!("many-{number}"));
        let body = serde_json::json!({"username": name, "email": format!("{name}@example.org"),
            "firstName": "Many", "lastName": "Example", "allowLogin": false});
        house.ask("POST", "/api/users/", &token, Some(&body)).await.ok();
        names.push(name);
    }
    let before = house.relay().people();
    let listed = house.ask("GET", "/api/users/local", &token, None).await.ok();
    let calls = house.relay().people() - before;
    for name in &names {
        let shown = listed.as_array().unwrap().iter().find(|user| user["username"] == name.as_str());
        let shown = shown.unwrap_or_else(|| panic!("{name} is missing: {listed}"));
        assert_eq!(shown["email"], format!("{name}@example.org"));
    }
    assert!((1..=4).contains(&calls), "{} accounts cost {calls} calls", names.len());
    node.stop().await;
}
