//! Mail that arrives: a real server takes it (`tests/services/smtp`), from events of the administration.
//!
//! Where `CV3_TEST_SERVICES` names no mail server, a test says so and does nothing.

use serde_json::{Value, json};

use crate::support::node::text;
use crate::support::{Client, Installation, eventually, steps};

/// The mail server of the tests.
struct Server(Value);

impl Server {
    fn find() -> Option<Self> {
        let services = std::env::var_os("CV3_TEST_SERVICES").and_then(|file| std::fs::read(file).ok());
        let services: Value = serde_json::from_slice(&services.unwrap_or_default()).unwrap_or_default();
        let found = services.get("smtp").cloned();
        match &found {
            Some(found) => println!("mail: a real server, aiosmtpd {}", text(found, "version")),
            None => println!("mail: skipped, tests/services/up has started no mail server"),
        }
        found.map(Self)
    }

    /// The section that uses it.
    fn section(&self, kind: &str, more: &Value) -> Value {
        let mut smtp = json!({"Host": "localhost", "Port": self.0["ports"][kind]});
        smtp.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"Email": {"From": {"Address": "cv@example.org", "Name": "Discovery"}, "SMTP": smtp}})
    }

    /// What it decided about an address, in order.
    fn decided(&self, address: &str) -> Vec<Value> {
        let lines = std::fs::read_to_string(text(&self.0, "received")).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["to"][0] == address).collect()
    }

    /// Waits for a message to an address.
    async fn message(&self, address: &str) -> Value {
        let arrived = || async { self.decided(address).into_iter().find(|line| line["data"].is_string()) };
        eventually(&format!("a message to {address}"), arrived).await
    }
}

/// An address that no other test uses.
fn fresh(name: &str) -> String {
    format!("{name}-{}@example.org", uuid::Uuid::new_v4())
}

async fn ask_for_access(client: &Client, email: &str) {
    let body = json!({"firstName": "Jane", "lastName": "Doe\r\nBcc: all@example.org", "email": email,
        "affiliation": "<b>Example</b>", "justification": "We look for patients like ours"});
    let refused = client.post("/access-requests/", &body).await;
    assert_eq!(refused.status, 400, "a line break is no part of a name: {}", refused.body);
    let mut body = body;
    body["lastName"] = "Doe".into();
    client.post("/access-requests/", &body).await.ok();
}

fn listed(installation: &Installation) -> Vec<Value> {
    let printed: Value = serde_json::from_str(&installation.tool(&["mail", "list", "--json"], "")).unwrap();
    printed["mails"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_written_to_alone_and_what_was_refused_is_shown() {
    let Some(server) = Server::find() else { return };
    let installation = Installation::empty();
    installation.configure(server.section("plain", &json!({})));
    let admin = fresh("admin");
    let words =
        ["user", "add", "--role", "developer", "--email", &admin, "--username", "ada", "--password-stdin"];
    installation.tool(&words, &format!("{}\n", crate::support::node::PASSWORD));
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;

    let jane = fresh("jane");
    ask_for_access(&ada, &jane).await;
    let to_jane = server.message(&jane).await;
    let to_admin = server.message(&admin).await;
    assert_eq!((&to_jane["from"], &to_jane["tls"]), (&json!("cv@example.org"), &json!(false)));
    let (to_jane, to_admin) = (text(&to_jane, "data"), text(&to_admin, "data"));
    assert!(!to_jane.contains(&admin), "the applicant does not learn who decides: {to_jane}");
    assert!(to_admin.contains(&jane) && to_admin.contains("Justification"), "{to_admin}");
    assert!(
        to_admin.contains("&lt;b&gt;Example&lt;/b&gt;"),
        "what a stranger typed is no markup: {to_admin}"
    );
    assert!(to_jane.contains("Auto-Submitted: auto-generated"), "{to_jane}");

    let (refused, later) = (fresh("refused"), fresh("later"));
    ask_for_access(&ada, &refused).await;
    ask_for_access(&ada, &later).await;
    server.message(&later).await;
    let answers: Vec<String> =
        server.decided(&later).iter().map(|line| text(line, "answer")[..3].into()).collect();
    assert_eq!(answers, ["451", "250"], "what was put off is tried again");
    let failed = |mails: Vec<Value>| mails.into_iter().find(|mail| mail["state"] == "failed");
    let failed = eventually("the refusal", || async { failed(listed(&installation)) }).await;
    assert!(failed.to_string().contains("550"), "{failed}");
    let statistics = ada.get("/dashboard/statistics").await.ok();
    assert!(statistics.to_string().contains("mail"), "{statistics}");

    // A key leaves by mail alone.
    let network = text(&ada.get("/networks/").await.ok()[0], "networkId");
    let endpoint = json!({"endpointPath": "rare", "networkId": network, "beaconAuthMethod": "authKey",
        "userMapping": ada.user_id});
    let endpoint = steps::create(&ada, "/beacon/", &endpoint).await;
    ada.post(&format!("/beacon/{endpoint}/rotate-key"), &json!({})).await.ok();
    let keyed = || async {
        server
            .decided(&admin)
            .into_iter()
            .find(|line| line["data"].as_str().is_some_and(|data| data.contains("Beacon")))
    };
    eventually("the key", keyed).await;
    assert!(installation.try_tool(&["mail", "test", "--to", &fresh("me")]).0);
    assert!(!installation.try_tool(&["mail", "test", "--to", &fresh("refused")]).0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_wants_encryption_and_a_sign_in_gets_both_if_it_is_trusted() {
    let Some(server) = Server::find() else { return };
    let installation = Installation::new();
    let sign_in = json!({"TLS": "starttls",
        "Authentication": {"Required": true, "Username": server.0["user"], "Password": server.0["password"]}});
    installation.configure(server.section("auth", &sign_in));
    let jane = fresh("jane");

    let node = installation.serve().start().await;
    ask_for_access(&node.client("ada").await, &jane).await;
    let tried =
        |mails: Vec<Value>| mails.into_iter().find(|mail| mail["attempts"].as_u64().is_some_and(|n| n > 0));
    let tried = eventually("an attempt", || async { tried(listed(&installation)) }).await;
    assert_eq!(tried["state"], "waiting", "a certificate of nobody we know: {tried}");
    assert!(server.decided(&jane).is_empty());
    node.stop().await;

    let node = installation.serve().env("SSL_CERT_FILE", &text(&server.0, "authority")).start().await;
    let message = server.message(&jane).await;
    assert_eq!((&message["tls"], &message["user"]), (&json!(true), &server.0["user"]));
    node.stop().await;
}
