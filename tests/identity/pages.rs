//! The sign-in pages: what protects them, and that they say what went wrong.

use poem::http::Method;

use crate::world::{CALLBACK, PASSWORD, World, form};

#[tokio::test]
async fn the_page_cannot_be_framed_or_scripted_and_may_lead_to_the_application_only() {
    let world = World::new().await;
    let page = world.get(&world.auth(&[])).await;
    let policy = page.head.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(policy.contains("form-action 'self' https://fe.example.org;"), "{policy}");
    assert_eq!(page.head.header("cache-control"), Some("no-store"));
    assert!(!page.body.contains("<script"));
    for field in ["login", "password"] {
        assert!(page.body.contains(&format!("<label for=\"{field}\">")), "every field has its label");
    }
}

#[tokio::test]
async fn a_post_without_the_pages_token_signs_nobody_in() {
    let world = World::new().await;
    let at = world.auth(&[]);
    let csrf = world.get(&at).await.hidden("csrf");
    let fields = |csrf: &str| form(&[("csrf", csrf), ("login", "alice"), ("password", PASSWORD)]);
    let foreign = [("origin", "https://evil.example.org")];
    for (headers, body) in [(&[][..], fields("")), (&[], fields("x")), (&foreign, fields(&csrf))] {
        let refused = world.send(Method::POST, &at, headers, Some(body)).await;
        assert_eq!(refused.status, 403);
        assert!(!world.cookies().contains_key("cv3-session"));
    }
    world.forget_cookies();
    assert_eq!(world.send(Method::POST, &at, &[], Some(fields(&csrf))).await.status, 403);
}

#[tokio::test]
async fn what_was_typed_is_kept_and_escaped_but_never_the_password() {
    let world = World::new().await;
    let shown = world.fill_in(&world.auth(&[]), "\"><script>alert(1)</script>", "wrong horse battery").await;
    assert_eq!(shown.status, 400);
    assert!(shown.body.contains("role=\"alert\">The user name or the password is not right."));
    assert!(shown.body.contains("&quot;&gt;&lt;script&gt;") && !shown.body.contains("<script"));
    assert!(!shown.body.contains("wrong horse battery"));
}

#[tokio::test]
async fn a_one_time_password_leads_through_the_change_page_to_the_application() {
    let world = World::new().await;
    let once = world.issuer.set_one_time_password(&world.alice).await.unwrap();
    let at = world.auth(&[]);
    let page = world.fill_in(&at, "alice", &once).await;
    assert!(page.body.contains("Choose a password"));
    assert!(!world.cookies().contains_key("cv3-session"));
    let (csrf, pending) = (page.hidden("csrf"), page.hidden("pending"));
    let change = async |password: &str, again: &str| {
        let fields = [("csrf", &*csrf), ("pending", &*pending), ("password", password), ("again", again)];
        world.post(&at, &fields).await
    };
    assert!(change("my very own words", "my very own world").await.body.contains("two passwords differ"));
    assert!(change("short", "short").await.body.contains("at least 12 characters"));
    let done = change("my very own words", "my very own words").await;
    assert!(done.location().starts_with(CALLBACK));
    assert_eq!(world.redeem(&done.sent("code").unwrap(), &[]).await.status, 200);
}

#[tokio::test]
async fn over_tls_cookies_are_secure_and_bound_to_the_host() {
    let world = World::at("https://node.example.org/").await;
    let answer = world.fill_in(&world.auth(&[]), "alice", PASSWORD).await;
    let cookie = answer.head.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-cv3-session="));
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=28800; Secure"), "{cookie}");
}

#[tokio::test]
async fn signing_in_again_ends_the_session_before() {
    let world = World::new().await;
    world.code(&[]).await;
    let before = world.cookies()["cv3-session"].clone();
    world.code(&[("prompt", "login")]).await;
    assert_ne!(world.cookies()["cv3-session"], before);
    assert!(world.issuer.session(&before).await.unwrap().is_none());
}

#[tokio::test]
async fn a_parameter_given_twice_is_refused_on_the_page() {
    let world = World::new().await;
    let answer = world.get(&format!("{}&state=2", world.auth(&[]))).await;
    assert_eq!(answer.status, 400);
    assert!(answer.head.header("location").is_none());
}
