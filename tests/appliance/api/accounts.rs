//! User management: who may change whom, what takes effect at once, and that nobody can lock the installation out
//! (specification §5.3, §5.5).

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Caller, NOTHING, change_with, filled, patch};
use crate::support::client::Reply;
use crate::support::{Client, Installation, steps};

/// The reserved user that carries anonymous permissions.
const ANONYMOUS: &str = "00000000-0000-4000-8000-000000000000";

fn bob(over: Value) -> Value {
    let mut body = json!({
        "userId": NOTHING, "username": "bob", "email": "bob@example.org", "firstName": "Bob", "lastName": "B",
        "affiliation": "Example Org", "role": "dataAdmin", "active": true, "allowLogin": true, "budget": 40,
    });
    body.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    body
}

async fn delete(client: &Client, path: &str) -> Reply {
    change_with(client, Method::DELETE, path, &json!({})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_live_from_creation_to_removal() {
    let installation = Installation::new();
    installation.add_user("serverAdmin", "sam");
    installation.add_user("user", "eve");
    let node = installation.serve().start().await;
    let caller = Caller::of(&node);
    let (ada, sam, eve) = (node.client("ada").await, node.client("sam").await, node.client("eve").await);
    let bob = made_and_read(&ada).await;
    the_granting_rule(&sam, &bob).await;
    changed(&ada, &bob).await;
    the_last_developer_stays(&ada, &sam).await;
    people_see_themselves(&eve, &bob).await;

    // A new role, a deactivation and a revocation take effect at once, although a token was good a moment ago.
    let path = format!("/users/{}", eve.user_id);
    let mut eve = eve;
    for (method, rest, body, undone) in [
        (Method::PATCH, "", json!({"role": "dataAdmin"}), None),
        (Method::POST, "/deactivate", json!({}), Some("/activate")),
        (Method::POST, "/revoke-login", json!({}), Some("/permit-login")),
    ] {
        let token = eve.token().await;
        assert_eq!(caller.get("/api/auth/user-info", Some(&token)).await.status, 200, "before {rest}");
        // Whoever administrates data already has a token for uploads, which is good no longer either.
        let upload = if rest.is_empty() { None } else { Some(steps::upload_token(&eve).await) };
        change_with(&ada, method, &format!("{path}{rest}"), &body).await.ok();
        caller.get("/api/auth/user-info", Some(&token)).await.refused(401, rest);
        if let Some(upload) = upload {
            let chunk =
                format!("/api/sources/{NOTHING}/upload?resumableChunkNumber=1&resumableTotalChunks=1");
            caller.get(&chunk, Some(&upload)).await.refused(403, rest);
        }
        let shown = ada.get(&path).await.ok();
        assert_eq!(shown["active"], rest != "/deactivate", "{shown}");
        assert_eq!(shown["allowLogin"], rest != "/revoke-login", "{shown}");
        if let Some(undone) = undone {
            ada.post(&format!("{path}{undone}"), &json!({})).await.ok();
        }
        eve = node.client("eve").await;
    }
    assert_eq!(ada.get(&path).await.ok()["role"], "dataAdmin");
    removed(&installation, &caller, &ada, &eve).await;
    node.stop().await;
}

async fn made_and_read(ada: &Client) -> String {
    for (bad, status) in [
        (json!({"role": "king"}), 400),
        (json!({"budget": 101}), 400),
        (json!({"email": "nobody"}), 400),
        (json!({"firstName": "x".repeat(256)}), 400),
        (json!({"username": "two words"}), 400),
        (json!({"active": "yes"}), 400),
        (json!({"email": "ada@example.org"}), 409),
        (json!({"username": "ADA"}), 409),
    ] {
        let refused = ada.post("/users/", &bob(bad.clone())).await;
        assert_eq!(refused.status, status, "{bad}: {}", refused.body);
    }
    let made = ada.post("/users/", &bob(json!({}))).await.ok();
    let id = made["id"].as_str().unwrap().to_owned();
    assert_ne!(id, NOTHING);
    assert!(made["oneTimePassword"].as_str().is_some_and(|password| password.len() > 20), "{made}");
    let expected = bob(json!({"userId": id}));
    assert_eq!(ada.get(&format!("/users/{id}")).await.ok(), expected);
    let all = ada.get("/users/").await.ok();
    let all = all.as_array().unwrap();
    assert!(all.contains(&expected) && all.len() == 4, "{all:?}");
    assert!(all.iter().all(|user| user["userId"] != ANONYMOUS), "{all:?}");
    for (method, rest) in [(Method::GET, ""), (Method::DELETE, ""), (Method::POST, "/deactivate")] {
        let answer = change_with(ada, method, &format!("/users/{ANONYMOUS}{rest}"), &json!({})).await;
        assert_eq!(answer.status, 404, "the anonymous user {rest}: {}", answer.body);
    }
    id
}

/// A server administrator neither makes a data administrator nor touches one.
async fn the_granting_rule(sam: &Client, bob_id: &str) {
    let fresh = json!({"username": "new", "email": "new@example.org"});
    for role in ["dataAdmin", "developer"] {
        let mut body = bob(fresh.clone());
        body["role"] = role.into();
        assert_eq!(sam.post("/users/", &body).await.status, 403, "{role}");
        let own =
            change_with(sam, Method::PATCH, &format!("/users/{}", sam.user_id), &json!({"role": role})).await;
        assert_eq!(own.status, 403, "{role}: {}", own.body);
    }
    for (method, rest) in [
        (Method::PATCH, ""),
        (Method::DELETE, ""),
        (Method::POST, "/activate"),
        (Method::POST, "/deactivate"),
        (Method::POST, "/permit-login"),
        (Method::POST, "/revoke-login"),
    ] {
        let path = format!("/users/{bob_id}{rest}");
        let refused = change_with(sam, method.clone(), &path, &json!({"lastName": "Taken"})).await;
        assert_eq!(refused.status, 403, "{method} {rest}: {}", refused.body);
    }
    assert_eq!(sam.get(&format!("/users/{bob_id}")).await.ok()["lastName"], "B");
}

async fn changed(ada: &Client, id: &str) {
    let path = format!("/users/{id}");
    let change = json!({"userId": NOTHING, "username": "robert", "lastName": "Builder", "affiliation": null,
        "role": "user", "budget": 7, "email": "Robert@Example.org"});
    patch(ada, &path, &change).await;
    let expected =
        bob(json!({"userId": id, "lastName": "Builder", "affiliation": "", "role": "user", "budget": 7,
        "email": "robert@example.org"}));
    assert_eq!(ada.get(&path).await.ok(), expected);
    // What the issuer refuses changes nothing here either.
    let refused =
        change_with(ada, Method::PATCH, &path, &json!({"email": "ada@example.org", "budget": 1})).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert_eq!(ada.get(&path).await.ok(), expected);
}

async fn the_last_developer_stays(ada: &Client, sam: &Client) {
    let path = format!("/users/{}", ada.user_id);
    let attempts = [
        (Method::PATCH, "", json!({"role": "user"})),
        (Method::PATCH, "", json!({"active": false})),
        (Method::POST, "/deactivate", json!({})),
        (Method::POST, "/revoke-login", json!({})),
        (Method::DELETE, "", json!({})),
    ];
    // A developer without a key, or who is not active, puts nothing right.
    for over in [json!({"allowLogin": false}), json!({"active": false})] {
        let mut body = bob(json!({"role": "developer", "username": "", "email": "dev@example.org"}));
        body.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        let other = steps::create(ada, "/users/", &body).await;
        for (method, rest, body) in &attempts {
            let refused = change_with(ada, method.clone(), &format!("{path}{rest}"), body).await;
            assert_eq!(refused.status, 409, "{over}: {method} {rest}: {}", refused.body);
            assert_eq!(sam.post(&format!("{path}/deactivate"), &json!({})).await.status, 403);
        }
        assert_eq!(delete(ada, &format!("/users/{other}")).await.status, 200);
    }
    let mine = ada.get(&path).await.ok();
    assert_eq!(
        (&mine["role"], &mine["active"], &mine["allowLogin"]),
        (&json!("developer"), &json!(true), &json!(true))
    );
}

async fn people_see_themselves(eve: &Client, other: &str) {
    assert_eq!(eve.get(&format!("/users/{}", eve.user_id)).await.ok()["username"], "eve");
    for id in [other, NOTHING] {
        assert_eq!(eve.get(&format!("/users/{id}")).await.status, 403, "{id}");
    }
}

/// Whoever is removed leaves groups and history, and the address is free again.
async fn removed(installation: &Installation, caller: &Caller, ada: &Client, eve: &Client) {
    let source = filled(ada, "one", 2, 1).await;
    let group = steps::grant(ada, "list", &[&ada.user_id, &eve.user_id], &[&source]).await;
    let asked = Reply::of(eve.query(Method::POST, "/record/").await.json(&json!({}))).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED);
    let query = asked.json()["queryID"].as_str().unwrap().to_owned();
    steps::answers(eve, &query).await;
    let kept = || {
        let store = rusqlite::Connection::open(installation.data().join("store.db")).unwrap();
        let of_query = format!("%{query}%");
        ["query_details", "query_responses", "query_queries"].map(|room| {
            let sql = format!("SELECT count(*) FROM doc_{room} WHERE body LIKE ?1");
            store.query_row(&sql, [&of_query], |row| row.get::<_, i64>(0)).unwrap()
        })
    };
    assert_eq!(kept(), [1, 1, 1], "a page of subjects, the answer, the query");
    let token = eve.token().await;
    let path = format!("/users/{}", eve.user_id);
    delete(ada, &path).await.ok();
    caller.get("/api/auth/user-info", Some(&token)).await.refused(401, "removed");
    assert_eq!(ada.get(&path).await.status, 404);
    assert_eq!(delete(ada, &path).await.status, 404);
    assert_eq!(ada.get(&format!("/groups/{group}")).await.ok()["assignedUsers"], json!([ada.user_id]));
    assert_eq!(kept(), [0, 0, 0]);
    let message = Reply::of(ada.query(Method::GET, &format!("/record/{query}")).await).await;
    assert_eq!(message.status, 404, "{}", message.body);
    let again =
        bob(json!({"username": "eve", "email": "eve@example.org", "role": "user", "allowLogin": false}));
    let again = steps::create(ada, "/users/", &again).await;
    assert_ne!(again, eve.user_id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_developers_who_take_each_other_away_one_stays() {
    let installation = Installation::new();
    installation.add_user("developer", "dan");
    let node = installation.serve().start().await;
    let (ada, dan) = (node.client("ada").await, node.client("dan").await);
    let path = |client: &Client| format!("/users/{}/deactivate", client.user_id);
    let (of_dan, of_ada) = (path(&dan), path(&ada));
    let nothing = json!({});
    let (one, other) = tokio::join!(ada.post(&of_dan, &nothing), dan.post(&of_ada, &nothing));
    let done = [&one, &other].iter().filter(|reply| reply.status == 200).count();
    assert_eq!(done, 1, "{one:?} {other:?}");
    let stays = if one.status == 200 { &ada } else { &dan };
    let all = stays.get("/users/").await.ok();
    let active = all.as_array().unwrap().iter().filter(|user| user["active"] == true).count();
    assert_eq!(active, 1, "{all}");
    node.stop().await;
}
