//! Accounts and tokens: the first set-up, the whole code flow, refreshing, signing out.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::client::Reply;
use crate::support::node::{PASSWORD, text};
use crate::support::pages::{Browser, CodeRequest, form};
use crate::support::{Installation, eventually};

/// Exchanges a code the way a front end does.
async fn redeem(base: &str, asked: &CodeRequest, code: &str) -> Reply {
    let body = json!({
        "grant_type": "authorization_code", "code": code,
        "redirect_uri": asked.redirect_uri, "code_verifier": asked.verifier,
    });
    Reply::of(reqwest::Client::new().post(format!("{base}/api/auth/token")).json(&body)).await
}

async fn refresh(base: &str, token: &str) -> Reply {
    let body = json!({"grant_type": "refresh_token", "refresh_token": token});
    Reply::of(reqwest::Client::new().post(format!("{base}/api/auth/token")).json(&body)).await
}

async fn who(base: &str, token: &str) -> Reply {
    Reply::of(reqwest::Client::new().get(format!("{base}/api/auth/user-info")).bearer_auth(token)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_signs_in_stays_and_signs_out() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let base = installation.base();
    let mut browser = Browser::new();

    let asked = CodeRequest::new(&base, "the first visit");
    let refused = asked.fill_in(&mut browser, "ada", "not the password").await;
    assert_eq!((refused.status, refused.location), (StatusCode::BAD_REQUEST, None));
    let code = asked.code(&mut browser, "ada", PASSWORD).await;
    let tokens = redeem(&base, &asked, &code).await.ok();
    let access = text(&tokens, "access_token");
    assert_eq!(who(&base, &access).await.ok()["username"], "ada");
    assert_eq!(who(&base, "forged").await.status, StatusCode::UNAUTHORIZED);

    // A session gives further codes without a page; none is good for another's proof key.
    let again = CodeRequest::new(&base, "the second visit");
    let code = browser.get(&again.url).await.sent("code").unwrap();
    assert_eq!(redeem(&base, &asked, &code).await.status, StatusCode::UNAUTHORIZED);

    let renewed = refresh(&base, &text(&tokens, "refresh_token")).await.ok();
    assert_eq!(who(&base, &text(&renewed, "access_token")).await.ok()["username"], "ada");

    let logout = format!("{base}/realms/cafe_variome/protocol/openid-connect/logout");
    let page = browser.get(&logout).await;
    assert_eq!(page.status, StatusCode::OK);
    let csrf = page.hidden("csrf");
    let forged = browser.post(&logout, &[("csrf", &"A".repeat(43))]).await;
    assert!(forged.body.contains("name=\"csrf\""), "asked again instead of signing out: {}", forged.body);
    assert_eq!(browser.post(&logout, &[("csrf", &csrf)]).await.status, StatusCode::OK);
    let after = refresh(&base, &text(&renewed, "refresh_token")).await;
    assert_eq!(after.status, StatusCode::UNAUTHORIZED, "{}", after.body);
    let third = CodeRequest::new(&base, "the third visit");
    let page = browser.get(&third.url).await;
    assert_eq!((page.status, page.sent("code")), (StatusCode::OK, None), "the page instead of a code");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_works_once() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let base = installation.base();
    let asked = CodeRequest::new(&base, "a code worth stealing");
    let code = asked.code(&mut Browser::new(), "ada", PASSWORD).await;
    let tokens = redeem(&base, &asked, &code).await.ok();
    assert_eq!(redeem(&base, &asked, &code).await.status, StatusCode::UNAUTHORIZED);
    // Whoever came second may be the owner: what the first got is void too (RFC 6749 §4.1.2).
    assert_eq!(refresh(&base, &text(&tokens, "refresh_token")).await.status, StatusCode::UNAUTHORIZED);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_folder_is_set_up_with_the_code_in_it() {
    let installation = Installation::empty();
    let node = installation.serve().start().await;
    let base = installation.base();
    let http = reqwest::Client::new();
    for path in ["/api/sources/", "/api/auth/user-info", "/query/networks/", "/query/record/history"] {
        let reply = Reply::of(http.get(format!("{base}{path}"))).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", reply.body);
        assert_eq!(reply.json()["code"], "setupRequired", "{path}: {}", reply.body);
    }
    let file = installation.data().join("setup-code");
    let code = eventually("the set-up code", || async { std::fs::read_to_string(&file).ok() }).await;
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    // The operator reads the file first and opens the page then.
    let mut browser = Browser::new();
    let url = format!("{base}/setup");
    let csrf = browser.get(&url).await.hidden("csrf");
    let fields = |code: &str| {
        [
            ("csrf", csrf.clone()),
            ("code", code.to_owned()),
            ("username", "grace".into()),
            ("email", "grace@example.org".into()),
            ("firstName", "Grace".into()),
            ("lastName", "Example".into()),
            ("affiliation", String::new()),
            ("password", PASSWORD.into()),
            ("again", PASSWORD.into()),
        ]
    };
    let wrong = fields("AAAA-BBBB-CCCC");
    let wrong = browser.post(&url, &wrong.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{}", wrong.body);
    let right = fields(code.trim());
    let right = browser.post(&url, &right.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    assert_eq!(right.status, StatusCode::OK, "{}", right.body);
    assert!(!file.exists(), "the code is used up");
    assert_eq!(browser.get(&url).await.status, StatusCode::NOT_FOUND);

    let client = node.client("grace").await;
    assert_eq!(client.get("/auth/user-info").await.ok()["role"], "developer");
    assert_eq!(client.get("/sources/").await.ok(), Value::Array(Vec::new()));
    assert_eq!(Reply::of(http.get(format!("{base}/api/sources/"))).await.status, StatusCode::UNAUTHORIZED);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_return_address_that_is_not_listed_is_never_sent_to() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let query = form(&[
        ("client_id", "cafevariome"),
        ("response_type", "code"),
        ("scope", "openid"),
        ("redirect_uri", "https://elsewhere.example.org/callback.html"),
    ]);
    let url = format!("{}/realms/cafe_variome/protocol/openid-connect/auth?{query}", installation.base());
    let page = Browser::new().get(&url).await;
    assert_eq!((page.status, page.location), (StatusCode::BAD_REQUEST, None));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_whose_making_was_cut_off_can_be_made_again() {
    let installation = Installation::empty();
    let mut making = std::process::Command::new(crate::support::node::binary());
    making.args(["user", "add", "--role", "developer", "--email", "ada@example.org", "--username", "ada"]);
    making.arg("--password-stdin").arg("--data").arg(installation.data());
    making.env("CV3_FAULT_ABORT_ON_ACCOUNT", "1").stdin(std::process::Stdio::piped());
    making.stderr(std::process::Stdio::piped()).current_dir(installation.data().parent().unwrap());
    let mut making = making.spawn().unwrap();
    let password = format!("{}\n", PASSWORD);
    std::io::Write::write_all(&mut making.stdin.take().unwrap(), password.as_bytes()).unwrap();
    let ended = making.wait_with_output().unwrap();
    assert!(!ended.status.success(), "a release build does not let itself be killed");

    installation.add_user("developer", "ada");
    let node = installation.serve().start().await;
    let ada = node.client("ada").await;
    assert_eq!(ada.get("/sources/").await.ok(), json!([]));
    node.stop().await;
}
