//! Mail that arrives: a real server takes it (`tests/services/smtp`), from events of the administration.
//!
//! Where `CV3_TEST_SERVICES` names no mail server, a test says so and does nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use cv3_backend::domain::clock::{Clock, SystemClock};
use cv3_backend::store::sqlite::SqliteStore;
use cv3_backend::store::{Room, Store};
use serde_json::{Value, json};

use crate::support::node::text;
use crate::support::{Client, Dice, Installation, eventually, steps};

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

    /// How many messages came to each of these addresses.
    fn times(&self, addresses: &[String]) -> Vec<usize> {
        let lines = std::fs::read_to_string(text(&self.0, "received")).unwrap();
        let mut came: BTreeMap<String, usize> = BTreeMap::new();
        // The last line may be one that is being written.
        for line in lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if line["data"].is_string() {
                *came.entry(line["to"][0].as_str().unwrap_or_default().to_owned()).or_default() += 1;
            }
        }
        addresses.iter().map(|address| came.get(address).copied().unwrap_or_default()).collect()
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authorities_of_the_configuration_are_trusted_for_mail_too_and_no_others() {
    let Some(server) = Server::find() else { return };
    let installation = Installation::empty();
    // An authority of somebody else, which is as good as none.
    let stranger = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outbound/keys/throw-away-authority.pem");
    let ours = text(&server.0, "authority");
    for (kind, tls) in [("starttls", "starttls"), ("tls", "tls")] {
        for (authority, trusted) in [(stranger, false), (ours.as_str(), true)] {
            let mut config = server.section(kind, &json!({"TLS": tls}));
            config["Appliance"]["Outbound"]["CertificateAuthorities"] = authority.into();
            installation.configure(config);
            let me = fresh("me");
            let (taken, _, said) = installation.try_tool_with(&["mail", "test", "--to", &me], &[]);
            assert_eq!(taken, trusted, "{kind} with {authority}: {said}");
            assert!(trusted || said.to_lowercase().contains("certificate"), "{said}");
            let decided = server.decided(&me);
            assert_eq!(decided.len(), usize::from(trusted), "{decided:?}");
            assert!(decided.iter().all(|line| line["tls"] == true), "{decided:?}");
        }
    }
}

/// Puts a mail to each of so many new addresses into the outbox of an installation that does not run.
async fn fill_outbox(installation: &Installation, number: usize) -> Vec<String> {
    let store = SqliteStore::open(&installation.data().join("store.db")).unwrap();
    let mut addresses = Vec::new();
    for _ in 0..number {
        let (id, address) = (uuid::Uuid::new_v4().to_string(), fresh("many"));
        let now = SystemClock.now();
        let mail = json!({"id": id, "event": "test", "to": [{"address": address}], "facts": {},
            "state": "waiting", "attempts": 0, "createdAt": now});
        store.documents().put(Room::Outbox, &id, &mail).await.unwrap();
        addresses.push(address);
    }
    addresses
}

/// Waits until nothing waits in the outbox any more; answers how often each address was written to.
async fn all_sent(server: &Server, installation: &Installation, addresses: &[String]) -> Vec<usize> {
    let waiting = |mails: &[Value]| mails.iter().any(|mail| mail["state"] == "waiting");
    eventually("every mail", || async { (!waiting(&listed(installation))).then_some(()) }).await;
    server.times(addresses)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_one_outbox_and_send_nothing_twice() {
    let Some(server) = Server::find() else { return };
    let installation = Installation::new();
    installation.configure(server.section("plain", &json!({})));
    let addresses = fill_outbox(&installation, 24).await;
    let (one, two) = tokio::join!(
        installation.called("one-scheduler").start(),
        installation.called("two-scheduler").start()
    );
    let sent = all_sent(&server, &installation, &addresses).await;
    assert_eq!(sent, vec![1; addresses.len()]);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_sending_no_mail_is_lost_and_each_kill_repeats_one_at_most() {
    let Some(server) = Server::find() else { return };
    let installation = Installation::new();
    installation.configure(server.section("plain", &json!({})));
    let addresses = fill_outbox(&installation, 60).await;
    let written = || server.times(&addresses).iter().filter(|times| **times > 0).count();
    let mut dice = Dice::seeded("moments of kill -9 while mail is sent", 20_260_131);
    let mut kills = 0;
    for round in 0..4 {
        let before = written();
        let node = installation.called(&format!("{round}-scheduler")).start().await;
        // Wait until it sends, which it does at once although its predecessor held the lock when it died.
        eventually("a message", || async { (written() > before).then_some(()) }).await;
        tokio::time::sleep(Duration::from_millis(u64::try_from(dice.below(60)).unwrap())).await;
        node.kill();
        kills += usize::from(written() < addresses.len());
    }
    let node = installation.called("last-scheduler").start().await;
    let sent = all_sent(&server, &installation, &addresses).await;
    node.stop().await;
    assert!(kills > 0, "every kill came after the last mail");
    let twice: usize = sent.iter().map(|times| times.saturating_sub(1)).sum();
    println!("{kills} kills while {} mails were sent; {twice} sent again", addresses.len());
    assert!(sent.iter().all(|times| *times >= 1), "a mail is lost: {sent:?}");
    assert!(twice <= kills, "{twice} repetitions after {kills} kills: {sent:?}");
}
