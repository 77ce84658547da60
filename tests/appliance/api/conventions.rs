//! What holds for every request: the first set-up, ids, origins, path spellings, services this release does not have.

use serde_json::json;

use super::{Answer, Caller, NOTHING};
use crate::support::{Installation, steps};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_without_an_account_asks_to_be_set_up() {
    let installation = Installation::empty();
    let node = installation.serve().start().await;
    let caller = Caller::of(&node);
    for (method, path) in [
        ("GET", "/api/sources/"),
        ("GET", "/api/config/keycloak"),
        ("POST", "/api/auth/token"),
        ("POST", "/query/record/"),
        ("GET", "/query/nothing"),
    ] {
        let answer = caller.with_body(method, path, Some("bad"), &json!({})).await;
        answer.refused(503, path);
        assert_eq!(answer.json()["code"], "setupRequired", "{path}");
    }
    for path in ["/api/", "/query/"] {
        let answer = caller.get(path, None).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("setupRequired")), "{path}");
    }
    assert_eq!(caller.get("/healthz", None).await.status, 200);
    assert_eq!(caller.get("/setup", None).await.status, 200);

    installation.add_user("developer", "ada");
    caller.get("/api/sources/", None).await.refused(401, "after the first account");
    assert_eq!(caller.get("/api/", None).await.json()["status"], "OK");
    let ready = caller.get("/readyz", None).await;
    assert_eq!((ready.status, &ready.json()["status"]), (200, &json!("ready")));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_are_not_part_of_this_release_say_so_by_name() {
    let installation = Installation::new();
    let names = ["network", "nexus", "terms", "performance"];
    let launch = installation.serve().services(&names.join(",")).set("Appliance.ServicePorts", "true");
    let node = launch.start().await;
    let caller = Caller::of(&node);
    for name in names {
        for (method, path) in [("GET", "/"), ("POST", "/anything/at/all")] {
            let base = format!("http://{}", node.addresses[name]);
            let own = Caller { http: caller.http.clone(), base };
            let answer = own.send(own.request(method, path, None)).await;
            answer.refused(501, name);
            assert!(answer.json()["error"].as_str().unwrap().contains(name), "{answer:?}");
        }
    }
    for (path, name) in [("/terms/x", "terms"), ("/federation/", "network"), ("/nexus/x", "nexus")] {
        let answer = caller.get(path, None).await;
        answer.refused(501, path);
        assert!(answer.json()["error"].as_str().unwrap().contains(name), "{answer:?}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_and_spellings_are_the_same_everywhere() {
    let installation = Installation::new();
    let listed = "https://front.example.org";
    let node = installation.serve().set("CORS.AllowOrigin", &format!("[\"{listed}\"]")).start().await;
    let caller = Caller::of(&node);
    let ada = node.client("ada").await;
    let token = ada.token().await;
    let source = steps::source(&ada, "spelled").await;
    let network = ada.get("/networks/").await.ok()[0]["networkId"].as_str().unwrap().to_owned();

    request_ids(&caller).await;
    origins(&caller, listed).await;
    spellings(&caller, &token, &source).await;
    networks(&caller, &token, &network).await;
    refusals(&caller, &token).await;
    node.stop().await;
}

async fn request_ids(caller: &Caller) {
    for (given, kept) in [("abc-123", true), ("", false), ("no spaces", false), (&*"x".repeat(65), false)] {
        let request = caller.request("GET", "/api/", None).header("x-request-id", given);
        let answer = caller.send(request).await;
        let id = answer.header("x-request-id").unwrap();
        assert_eq!(id == given, kept, "{given:?} was answered {id}");
        assert!(!id.is_empty() && !id.contains(' '), "{id}");
    }
    let [one, two] = [caller.get("/api/", None).await, caller.get("/query/nothing", None).await];
    assert_ne!(one.header("x-request-id").unwrap(), two.header("x-request-id").unwrap());
    assert_eq!(one.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(one.header("cache-control"), Some("no-store"));
}

async fn origins(caller: &Caller, listed: &str) {
    for path in
        ["/api/sources/", "/api/groups/x", "/query/record/", "/query/record/x/events", "/query/nothing"]
    {
        let ask = async |method, origin: &str| -> Answer {
            let request = caller.request(method, path, None).header("origin", origin);
            caller.send(request.header("access-control-request-method", "POST")).await
        };
        let asked = ask("OPTIONS", listed).await;
        assert_eq!((asked.status, &*asked.body), (204, ""), "{path}: {asked:?}");
        assert_eq!(asked.header("access-control-allow-origin"), Some(listed), "{path}");
        let allowed =
            |name: &str| asked.header(name).unwrap().split(", ").map(str::to_lowercase).collect::<Vec<_>>();
        let methods = allowed("access-control-allow-methods");
        assert!(
            ["get", "post", "patch", "delete"].iter().all(|m| methods.contains(&(*m).to_owned())),
            "{methods:?}"
        );
        let headers = allowed("access-control-allow-headers");
        let wanted = ["content-type", "authorization", "network-id"];
        assert!(wanted.iter().all(|h| headers.contains(&(*h).to_owned())), "{headers:?}");
        let exposed = allowed("access-control-expose-headers");
        assert!(exposed.contains(&"location".to_owned()), "{exposed:?}");
        let other = ask("OPTIONS", "https://other.example.org").await;
        assert_eq!(other.header("access-control-allow-origin"), None, "{path}");
        // A refusal, too, must be readable for the page that caused it.
        assert_eq!(ask("GET", listed).await.header("access-control-allow-origin"), Some(listed), "{path}");
    }
}

async fn spellings(caller: &Caller, token: &str, source: &str) {
    let pairs = [
        ["/api/sources", "/api/sources/"],
        ["/api/source", "/api/source/"],
        ["/api/groups", "/api/groups/"],
        ["/api/pipelines", "/api/pipelines/"],
        ["/api/networks", "/api/networks/"],
        ["/api/users", "/api/users/"],
        ["/api/users/local", "/api/users/local/"],
        ["/api/access-requests", "/api/access-requests/"],
        ["/api/config/global", "/api/config/global/"],
        ["/query/sources", "/query/sources/"],
        ["/query/networks", "/query/networks/"],
        ["/query/record/history", "/query/record/history/"],
    ];
    for pair in pairs {
        let [plain, slashed] =
            [caller.get(pair[0], Some(token)).await, caller.get(pair[1], Some(token)).await];
        assert_eq!((plain.status, slashed.status), (200, 200), "{pair:?}");
        assert_eq!(plain.body, slashed.body, "{pair:?}");
    }
    for rest in ["", "/", "/eav-index", "/datafiles", "/datafiles/", "/datafiles?all=true"] {
        let one = caller.get(&format!("/api/source/{source}{rest}"), Some(token)).await;
        let many = caller.get(&format!("/api/sources/{source}{rest}"), Some(token)).await;
        assert_eq!((one.status, many.status, &one.body), (200, 200, &many.body), "{rest}");
    }
    for rest in ["ingest", "remap"] {
        for path in [format!("/api/source/{NOTHING}/{rest}"), format!("/api/sources/{NOTHING}/{rest}/")] {
            let body = json!({"pipelineId": NOTHING, "dataFileIds": [NOTHING]});
            caller.with_body("POST", &path, Some(token), &body).await.refused(404, &path);
        }
    }
    for path in ["/query/record", "/query/record/"] {
        assert_eq!(caller.with_body("POST", path, Some(token), &json!({})).await.status, 202, "{path}");
    }
}

/// The header chooses the network of a query (specification §2.4).
async fn networks(caller: &Caller, token: &str, network: &str) {
    for (named, status) in [(network, 202), (NOTHING, 404), ("", 202)] {
        let request = caller.request("POST", "/query/record/", Some(token)).header("network-id", named);
        let answer = caller.send(request.json(&json!({}))).await;
        assert_eq!(answer.status, status, "{named:?}: {answer:?}");
        if status == 202 {
            let query = answer.json()["queryID"].as_str().unwrap().to_owned();
            let location = answer.header("location").unwrap();
            assert!(location.ends_with(&format!("/query/record/history/{query}")), "{location}");
            let message = caller.get(&format!("/query/record/{query}"), Some(token)).await.json();
            assert_eq!(message["messageAttributes"]["networkId"], network);
        }
    }
}

async fn refusals(caller: &Caller, token: &str) {
    for (method, path, status) in [
        ("GET", "/api/nothing", 404),
        ("GET", "/query/nothing/at/all", 404),
        ("GET", "/nothing", 404),
        ("PUT", "/api/sources/", 405),
        // Present in the published query document only because path files are shared (§5.6).
        ("POST", "/query/sources/", 405),
        ("POST", "/query/networks/", 405),
        ("PATCH", "/query/networks/x", 405),
        ("DELETE", "/query/networks/x", 405),
        ("POST", "/query/config/global", 405),
        ("POST", "/query/config/cleanup", 405),
    ] {
        caller
            .with_body(method, path, Some(token), &json!({}))
            .await
            .refused(status, &format!("{method} {path}"));
    }
    for header in ["Basic YTpi", "Bearer", "Bearer  ", token] {
        let request = caller.request("GET", "/api/config/user", None).header("authorization", header);
        caller.send(request).await.refused(401, header);
    }
    let long = "x".repeat(3 << 20);
    let answer = caller.with_body("POST", "/api/groups/", Some(token), &json!({"groupName": long})).await;
    answer.refused(413, "a body of 3 MiB");
}

/// Sends parts of a conversation with pauses between them, then reads to the end.
async fn converse(node: &crate::support::Node, parts: &[&str]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(&node.addresses["front"]).await.unwrap();
    for part in parts {
        stream.write_all(part.as_bytes()).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    }
    let mut answer = String::new();
    tokio::time::timeout(crate::support::PATIENCE, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_before_the_end_of_the_body_leaves_the_connection_usable_or_closes_it_aloud() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let head = |bytes: usize| {
        format!(
            "POST /api/pipelines/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n"
        )
    };
    let rest = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let both = converse(&node, &[&head(8), "{\"a\"", ": 1}", rest]).await;
    assert!(both.starts_with("HTTP/1.1 401") && both.contains("HTTP/1.1 200"), "{both}");
    let one = converse(&node, &[&head(8), "{\"a\""]).await;
    assert!(one.starts_with("HTTP/1.1 401") && one.contains("connection: close"), "{one}");
    node.stop().await;
}
