//! Strangers ask for an account; administrators decide (specification §5.4).

use serde_json::{Value, json};

use super::{Caller, NOTHING};
use crate::support::Installation;

fn request(name: &str) -> Value {
    json!({
        "requestId": NOTHING, "firstName": name, "lastName": "Doe", "email": format!("{name}@example.org"),
        "affiliation": "Example Org", "justification": "We look for\npatients like ours",
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_asks_and_is_let_in_or_turned_down() {
    let installation = Installation::new();
    installation.add_user("serverAdmin", "sam");
    let node = installation.serve().start().await;
    let caller = Caller::of(&node);
    let (ada, sam) = (node.client("ada").await, node.client("sam").await);
    let submit = async |body: Value| caller.with_body("POST", "/api/access-requests/", None, &body).await;
    for (field, bad) in [
        ("email", json!("nobody")),
        ("email", json!("a@example.org\r\nBcc: b@example.org")),
        ("firstName", json!("")),
        ("justification", json!("x".repeat(5_000))),
        ("lastName", json!(null)),
    ] {
        let mut body = request("bad");
        body[field] = bad;
        submit(body).await.refused(400, field);
    }
    assert_eq!(sam.get("/access-requests/").await.ok(), json!([]), "what was refused left nothing behind");

    let place = async |name: &str| {
        let answer = submit(request(name)).await;
        assert_eq!((answer.status, &*answer.body), (200, "Success"), "{answer:?}");
        answer.header("location").unwrap().rsplit_once("/api").unwrap().1.to_owned()
    };
    let (john, jane) = (place("john").await, place("jane").await);
    let listed = sam.get("/access-requests/").await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    let shown = sam.get(&john).await.ok();
    assert_eq!((&shown["email"], &shown["firstName"]), (&json!("john@example.org"), &json!("john")));
    assert_ne!(shown["requestId"], NOTHING);

    sam.post(&format!("{jane}/deny"), &json!({})).await.ok();
    for rest in ["/deny", "/approve"] {
        assert_eq!(sam.post(&format!("{jane}{rest}"), &json!({})).await.status, 404, "{rest}");
    }
    let made = sam.post(&format!("{john}/approve"), &json!({})).await.ok();
    assert!(made["oneTimePassword"].is_string(), "{made}");
    let user = sam.get(&format!("/users/{}", made["id"].as_str().unwrap())).await.ok();
    assert_eq!(
        [&user["username"], &user["role"], &user["active"], &user["allowLogin"], &user["budget"]],
        [&json!("john@example.org"), &json!("user"), &json!(true), &json!(true), &json!(100)]
    );
    assert_eq!(sam.get("/access-requests/").await.ok(), json!([]));

    // An address that has an account is let in with it, and only by who could give its role.
    let path = format!("/users/{}", user["userId"].as_str().unwrap());
    ada.post(&format!("{path}/deactivate"), &json!({})).await.ok();
    let again = place("john").await;
    let attached = sam.post(&format!("{again}/approve"), &json!({})).await.ok();
    assert_eq!((&attached["id"], attached.get("oneTimePassword")), (&user["userId"], None));
    assert_eq!(sam.get(&path).await.ok(), user);
    let developers = place("ada").await;
    assert_eq!(sam.post(&format!("{developers}/approve"), &json!({})).await.status, 403);
    assert_eq!(sam.get(&developers).await.status, 200, "a request that was not decided stays");

    // Nobody's mailbox is filled by others.
    place("john").await;
    submit(request("john")).await.refused(429, "the fourth in a day");
    node.stop().await;
    mail(&installation, made["oneTimePassword"].as_str().unwrap());
}

/// What waits to be sent says who and what, and holds no password.
fn mail(installation: &Installation, password: &str) {
    let store = rusqlite::Connection::open(installation.data().join("store.db")).unwrap();
    let mut bodies =
        store.prepare("SELECT body FROM doc_mail_outbox ORDER BY json_extract(body, '$.createdAt')").unwrap();
    let bodies = bodies.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let bodies: Vec<String> = bodies.collect::<Result<_, _>>().unwrap();
    let mails: Vec<Value> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let count = |event: &str| mails.iter().filter(|mail| mail["event"] == event).count();
    let counts = ["accessRequestSubmitted", "accessRequestApproved", "accessRequestDenied"].map(count);
    assert_eq!(counts, [5, 2, 1], "{mails:#?}");
    assert_eq!(mails[0]["to"], json!([{"address": "john@example.org"}, "systemAdmins"]));
    assert_eq!(mails[0]["facts"]["justification"], "We look for\npatients like ours");
    assert!(bodies.iter().all(|body| !body.contains(password)));
}
