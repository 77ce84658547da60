//! What a node says of itself: in files, and to collectors, which may be away without anybody waiting for them.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use poem::http::StatusCode;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::{IntoResponse, Request, Response, Route, Server, endpoint};
use serde_json::{Value, json};

use crate::support::{Installation, eventually};

/// What came to a collector: path, authorisation, body.
type Came = (String, String, String);

/// A fake collector: a web server that keeps what it takes and refuses what it is told to refuse.
#[derive(Clone)]
struct FakeCollector {
    address: String,
    status: Arc<AtomicU16>,
    came: Arc<Mutex<Vec<Came>>>,
    refused: Arc<AtomicU16>,
}

impl FakeCollector {
    async fn start(status: u16) -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
        let address = format!("http://{}", acceptor.local_addr()[0].as_socket_addr().unwrap());
        let fake =
            Self { address, status: Arc::new(status.into()), came: Arc::default(), refused: Arc::default() };
        let serving = fake.clone();
        let app = Route::new().at("/*", endpoint::make(move |request| serving.clone().take(request)));
        tokio::spawn(Server::new_with_acceptor(acceptor).run(app));
        fake
    }

    async fn take(self, mut request: Request) -> poem::Result<Response> {
        let status = self.status.load(Ordering::Relaxed);
        let (path, sign_in) =
            (request.uri().path().to_owned(), request.header("authorization").unwrap_or("").to_owned());
        let body = request.take_body().into_string().await?;
        if status < 300 {
            self.came.lock().unwrap().push((path, sign_in, body));
        } else {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        Ok(StatusCode::from_u16(status).unwrap().into_response())
    }

    fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }
}

/// The lines Loki was given, with their labels.
fn streams(came: &[Came]) -> Vec<(Value, Value)> {
    let bodies = came.iter().map(|(_, _, body)| serde_json::from_str::<Value>(body).unwrap());
    let streams = bodies.flat_map(|body| body["streams"].as_array().unwrap().clone());
    streams
        .flat_map(|stream| {
            let values = stream["values"].as_array().unwrap().clone();
            values.into_iter().map(move |value| {
                assert!(value[0].as_str().unwrap().parse::<i64>().unwrap() > 1_600_000_000_000_000_000);
                (stream["stream"].clone(), serde_json::from_str(value[1].as_str().unwrap()).unwrap())
            })
        })
        .collect()
}

async fn ask(base: &str) {
    assert!(reqwest::get(format!("{base}/api/config/keycloak")).await.unwrap().status().is_success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_and_its_requests_have_log_files_of_their_own_that_rotate() {
    let installation = Installation::new();
    installation.configure(json!({"Logging": {"MaxBytes": 2000, "BackupCount": 2}}));
    let node = installation.serve().start().await;
    for _ in 0..40 {
        ask(&installation.base()).await;
    }
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traced = reqwest::Client::new().get(format!("{}/api/config/keycloak", installation.base()));
    traced.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01")).send().await.unwrap();
    node.stop().await;
    let logs = installation.data().join("logs");
    let read = |name: &str| std::fs::read_to_string(logs.join(name)).unwrap();
    let requests = read("cv3-backend.access.log");
    assert!(requests.contains("answered") && requests.contains("/config/keycloak"), "{requests}");
    assert!(!requests.contains("starting"));
    assert!(requests.lines().last().unwrap().contains(trace), "{requests}");
    let main = ["", ".1", ".2"].map(|n| std::fs::read_to_string(logs.join(format!("cv3-backend.log{n}"))));
    let main: String = main.into_iter().filter_map(Result::ok).collect();
    assert!(main.contains("starting") && !main.contains("answered"), "{main}");
    assert!(read("cv3-backend.access.log.1").len() <= 2000);
    assert!(
        logs.join("cv3-backend.access.log.2").exists() && !logs.join("cv3-backend.access.log.3").exists()
    );
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(logs.clone()), mode(logs.join("cv3-backend.access.log"))], [0o700, 0o600]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collectors_get_every_line_even_if_they_were_away_at_first() {
    let (loki, splunk) = (FakeCollector::start(503).await, FakeCollector::start(204).await);
    let logging = json!({
        "Name": "North",
        "Loki": {
            "Enabled": true,
            "Endpoint": loki.address,
            "Tags": {"site": "north"},
            "Auth": {"Enabled": true, "Username": "me", "Password": "loki-secret"},
        },
        "SplunkHEC": {"Enabled": true, "HecEndpoint": format!("{}/services/collector/event", splunk.address), "Token": "hec-secret"},
    });
    let installation = Installation::new();
    installation.configure(json!({"Logging": logging}));
    let node = installation.serve().start().await;
    let base = installation.base();
    eventually("Loki to have refused", || async { (loki.refused.load(Ordering::Relaxed) > 0).then_some(()) })
        .await;
    eventually("the complaint", || async { node.log().contains("logs cannot be sent").then_some(()) }).await;
    // Nobody waits for a collector that is away.
    for _ in 0..5 {
        ask(&base).await;
    }
    loki.status.store(204, Ordering::Relaxed);
    let answered = || async {
        let told = streams(&loki.came());
        let lines = told.iter().filter(|(_, line)| {
            line["span"]["path"] == "/api/config/keycloak" || line["span"]["path"] == "/config/keycloak"
        });
        (lines.count() >= 5).then_some(told.clone())
    };
    let told = eventually("the requests at Loki", answered).await;
    assert!(told.iter().any(|(_, line)| line["fields"]["message"] == "starting"), "what came first was kept");
    for (labels, line) in &told {
        assert_eq!(labels["site"], "north");
        assert_eq!(labels["level"], line["level"].as_str().unwrap().to_ascii_lowercase());
        assert!(labels["service"].as_str().is_some_and(|service| !service.is_empty()));
    }
    assert!(told.iter().any(|(labels, _)| labels["service"] == "admin"));
    let came = loki.came();
    // RFC 7617: user and password, joined by a colon, in Base64.
    assert!(
        came.iter()
            .all(|(path, sign_in, _)| path == "/loki/api/v1/push" && sign_in == "Basic bWU6bG9raS1zZWNyZXQ=")
    );
    eventually("what was missed to be said", || async {
        node.log().contains("logs are sent again").then_some(())
    })
    .await;

    let events = splunk.came();
    assert!(
        events
            .iter()
            .all(|(path, sign_in, _)| path == "/services/collector/event" && sign_in == "Splunk hec-secret")
    );
    let events: Vec<Value> = events
        .iter()
        .flat_map(|(_, _, body)| body.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(events.iter().all(|event| event["source"] == "North" && event["time"].as_f64().unwrap() > 1.6e9));
    assert!(events.iter().any(|event| event["event"]["fields"]["message"] == "answered"));
    let everything = [format!("{came:?}"), format!("{events:?}"), node.log()].concat();
    for secret in ["loki-secret", "hec-secret"] {
        assert!(!everything.replace("Splunk hec-secret", "").contains(secret), "{secret} was logged");
    }

    // The last lines of a process are sent before it ends.
    node.stop().await;
    let last = streams(&loki.came());
    assert!(
        last.iter().any(|(_, line)| line["fields"]["message"].as_str().is_some_and(|m| m.contains("stop"))),
        "{last:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_comes_and_goes_with_the_configuration() {
    let loki = FakeCollector::start(204).await;
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let base = installation.base();
    ask(&base).await;
    installation.configure(json!({"Logging": {"Loki": {"Enabled": true, "Endpoint": loki.address}}}));
    node.hang_up();
    eventually("lines at Loki", || async {
        ask(&base).await;
        (!loki.came().is_empty()).then_some(())
    })
    .await;
    installation.configure(json!({"Logging": {"Level": "DEBUG"}}));
    node.hang_up();
    // Once the configuration is read again nothing new comes; what waited before may.
    eventually("the configuration to be read", || async {
        (node.log().matches("configuration read again").count() >= 2).then_some(())
    })
    .await;
    let (before, mark) = (loki.came().len(), "/api/config/none-of-this-name");
    reqwest::get(format!("{base}{mark}")).await.unwrap();
    node.stop().await;
    let after = loki.came();
    assert!(
        !after.iter().any(|(_, _, body)| body.contains("none-of-this-name")),
        "{} then {}",
        before,
        after.len()
    );
}
