//! What every answer bears, and which are compressed.

use reqwest::{Client, StatusCode};
use serde_json::json;

use super::{Pair, address, header, with_tls};
use crate::support::Installation;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_says_what_it_is_not_for() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let base = installation.base();
    let realm = "/realms/cafe_variome";
    for (path, status) in [
        ("/", 200),
        ("/healthz", 200),
        ("/nothing/here", 404),
        ("/api/", 200),
        ("/api/config/keycloak", 200),
        ("/api/sources/", 401),
        ("/query/nothing", 404),
        ("/docs", 200),
        ("/docs/admin.json", 200),
        ("/setup", 200),
        (&format!("{realm}/.well-known/openid-configuration"), 200),
        (&format!("{realm}/protocol/openid-connect/auth"), 400),
        ("/nexus/x", 404),
    ] {
        let answer = Client::new().get(format!("{base}{path}")).send().await.unwrap();
        let seen = answer.status().as_u16();
        // A page of a finished set-up is told to be gone, however that is said.
        assert!(seen == status || path == "/setup", "{path}: {seen}");
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"), "{path}");
        let policy =
            header(&answer, "content-security-policy").unwrap_or_else(|| panic!("{path} has no policy"));
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(header(&answer, "referrer-policy").is_some(), "{path}");
        assert!(header(&answer, "cache-control").is_some(), "{path}");
        // Plain HTTP to nobody's proxy.
        assert_eq!(header(&answer, "strict-transport-security"), None, "{path}");
    }
    let answer = Client::new().get(format!("{base}/api/config/keycloak")).send().await.unwrap();
    assert_eq!(header(&answer, "cache-control"), Some("no-store"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_trusted_proxy_with_tls_browsers_are_told_to_use_nothing_else() {
    let installation = Installation::new();
    for (proxies, expected) in [("[]", None), (r#"["127.0.0.0/8"]"#, Some("max-age=31536000"))] {
        let node = installation.serve().set("Appliance.PublicURL", "https://cv.example.org");
        let node = node.set("Appliance.TrustedProxies", proxies).start().await;
        let answer = reqwest::get(format!("{}/healthz", installation.base())).await.unwrap();
        assert_eq!(header(&answer, "strict-transport-security"), expected);
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_the_same_for_everybody_is_compressed_and_nothing_else_ever() {
    let installation = Installation::new();
    let pair = Pair::made(&installation, "tls", "30");
    let node = with_tls(&installation, &pair).set("Appliance.HSTSDays", "0").start().await;
    let base = address(&installation);
    let http = pair.client();
    let ask =
        |path: &str| http.get(format!("{base}{path}")).header("accept-encoding", "gzip, br, zstd, deflate");
    for path in ["/docs/swagger-ui.js", "/docs/swagger-ui.css", "/docs/admin.json", "/docs/query.json"] {
        let plain = http.get(format!("{base}{path}")).send().await.unwrap();
        assert_eq!(header(&plain, "content-encoding"), None, "{path}");
        let plain = plain.bytes().await.unwrap();
        let packed = ask(path).send().await.unwrap();
        assert_eq!(header(&packed, "content-encoding"), Some("gzip"), "{path}");
        assert_eq!(header(&packed, "vary"), Some("Accept-Encoding"), "{path}");
        let tag = header(&packed, "etag").unwrap().to_owned();
        let packed = packed.bytes().await.unwrap();
        let mut unpacked = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*packed), &mut unpacked).unwrap();
        assert!(unpacked == plain && packed.len() * 2 < plain.len(), "{path}: {} bytes", packed.len());
        let known = ask(path).header("if-none-match", tag).send().await.unwrap();
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED, "{path}");
    }
    // Whoever gets data, tokens or a form gets them in their own length.
    let token = installation.tool(&["token", "--user", "ada"], "");
    let authorized = "client_id=cafevariome&response_type=code&scope=openid&state=";
    let authorized = format!("{authorized}{}", "attacker-chosen-".repeat(200));
    let large: Vec<String> = (0..200).map(|n| format!("HP:{n:07}")).collect();
    let query = json!({"query": {"components": {"hpo": [{"terms": large}]}}});
    for (path, body) in [
        ("/api/users/", None),
        ("/api/auth/user-info", None),
        ("/query/record/history/", None),
        (&format!("/realms/cafe_variome/protocol/openid-connect/auth?{authorized}"), None),
        ("/realms/cafe_variome/.well-known/openid-configuration", None),
        ("/setup", None),
        ("/api/graphql", Some(json!({"query": "{ __schema { types { name description } } }"}))),
        ("/query/record/", Some(query)),
    ] {
        let request = match &body {
            Some(body) => http.post(format!("{base}{path}")).json(body),
            None => http.get(format!("{base}{path}")),
        };
        let answer =
            request.header("accept-encoding", "gzip, br").bearer_auth(token.trim()).send().await.unwrap();
        assert_eq!(header(&answer, "content-encoding"), None, "{path}: {}", answer.status());
        assert_eq!(header(&answer, "strict-transport-security"), None, "{path}: 0 days say nothing");
    }
    node.stop().await;
}
