//! The code flow, refreshing, silent sign-in and signing out.

use cv3_backend::identity::{Identity, IdentityError};
use cv3_backend::store::{Documents, Room};
use poem::http::Method;

use crate::world::{BASE, CALLBACK, CHALLENGE, OIDC, PASSWORD, World, claims, form};

#[tokio::test]
async fn a_code_becomes_tokens_that_say_who_signed_in() {
    let world = World::new().await;
    let answer = world.fill_in(&world.auth(&[]), "ALICE@example.org", PASSWORD).await;
    assert_eq!(answer.status, 303);
    assert!(answer.location().starts_with(&format!("{CALLBACK}?code=")));
    assert_eq!(answer.sent("state").as_deref(), Some("st4te"));
    assert_eq!(answer.sent("iss").unwrap(), "http%3A%2F%2F127.0.0.1%3A5080%2Frealms%2Fcafe_variome");

    let tokens = world.redeem(&answer.sent("code").unwrap(), &[]).await;
    assert_eq!((tokens.status.as_u16(), tokens.json()["expires_in"].as_u64()), (200, Some(300)));
    assert_eq!(tokens.head.header("cache-control"), Some("no-store"));
    let access = claims(&tokens.text("access_token"));
    assert_eq!(access["iss"], format!("{BASE}/realms/cafe_variome"));
    assert_eq!(
        (&access["typ"], &access["aud"], &access["azp"]),
        (&"Bearer".into(), &"cafevariome".into(), &"cafevariome".into())
    );
    assert_eq!(access["preferred_username"], "alice");
    assert_eq!(access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap(), 300);
    let id = claims(&tokens.text("id_token"));
    assert_eq!((&id["nonce"], &id["typ"]), (&"n0nce".into(), &"ID".into()));

    let verified = world.issuer.verify(&tokens.text("access_token")).await.unwrap();
    assert_eq!(verified.user_id, world.alice);
    assert_eq!(verified.profile.affiliation, "Registry");
    assert!(!verified.service_account);
}

#[tokio::test]
async fn no_bearers_secret_is_stored() {
    let world = World::new().await;
    let code = world.code(&[]).await;
    let tokens = world.redeem(&code, &[]).await;
    let stored = world.store.dump();
    for bearer in [code, tokens.text("refresh_token"), world.cookies()["cv3-session"].clone()] {
        let (id, secret) = bearer.split_once('.').unwrap();
        assert!(stored.contains(id) && !stored.contains(secret));
    }
    assert!(!stored.contains(PASSWORD) && !stored.contains(&tokens.text("access_token")));
}

#[rstest::rstest]
#[case(&[("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXj")])]
#[case(&[("code_verifier", "")])]
#[case(&[("code_verifier", CHALLENGE)])]
#[case(&[("redirect_uri", "https://fe.example.org/callback.html")])]
#[case(&[("client_id", "cv3-cli")])]
#[tokio::test]
async fn a_code_is_refused_and_burnt_when_anything_differs(#[case] changes: &[(&str, &str)]) {
    let world = World::new().await;
    let code = world.code(&[]).await;
    let refused = world.redeem(&code, changes).await;
    assert_eq!((refused.status.as_u16(), refused.text("error").as_str()), (400, "invalid_grant"));
    assert_eq!(world.redeem(&code, &[]).await.status, 400, "the code is used up");
}

#[rstest::rstest]
#[case(59, 200)]
#[case(60, 400)]
#[tokio::test]
async fn a_code_lives_for_sixty_seconds(#[case] seconds: u64, #[case] status: u16) {
    let world = World::new().await;
    let code = world.code(&[]).await;
    world.wait(seconds);
    assert_eq!(world.redeem(&code, &[]).await.status.as_u16(), status);
}

#[tokio::test]
async fn a_replayed_code_ends_what_its_first_use_got() {
    let world = World::new().await;
    let code = world.code(&[]).await;
    let tokens = world.redeem(&code, &[]).await;
    assert_eq!(world.redeem(&code, &[]).await.text("error"), "invalid_grant");
    assert_eq!(world.refresh(&tokens.text("refresh_token")).await.status, 400);
}

#[tokio::test]
async fn of_two_simultaneous_uses_of_a_code_none_keeps_tokens() {
    let world = World::new().await;
    let code = world.code(&[]).await;
    let (a, b) = tokio::join!(world.redeem(&code, &[]), world.redeem(&code, &[]));
    let granted: Vec<_> = [a, b].into_iter().filter(|answer| answer.status == 200).collect();
    assert!(granted.len() <= 1);
    for tokens in granted {
        assert_eq!(world.refresh(&tokens.text("refresh_token")).await.status, 400);
    }
}

#[tokio::test]
async fn a_code_without_challenge_is_only_for_this_backend_itself() {
    let world = World::new().await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let public = world.code(&without).await;
    assert_eq!(world.redeem(&public, &[("code_verifier", "")]).await.text("error"), "invalid_grant");
    let downgraded = world.code(&without).await;
    assert_eq!(world.redeem(&downgraded, &[]).await.text("error"), "invalid_grant");

    let code = world.code(&without).await;
    let tokens = world.issuer.exchange_code(&code, CALLBACK, None).await.unwrap();
    assert_eq!(world.issuer.verify(&tokens.access_token).await.unwrap().user_id, world.alice);
    let challenged = world.code(&[]).await;
    let refused = world.issuer.exchange_code(&challenged, CALLBACK, None).await;
    assert!(matches!(refused, Err(IdentityError::Rejected(_))));

    let secret = world.issuer.client_secret().await.unwrap();
    let code = world.code(&without).await;
    let proved = world.redeem(&code, &[("code_verifier", ""), ("client_secret", &secret)]).await;
    assert_eq!(proved.status, 200);
}

#[tokio::test]
async fn refresh_tokens_rotate_and_reuse_ends_the_family() {
    let world = World::new().await;
    let first = world.tokens().await.text("refresh_token");
    let second = world.refresh(&first).await.text("refresh_token");
    let third = world.issuer.refresh(&second).await.unwrap();
    assert_ne!(second, third.refresh_token);
    assert_eq!(world.refresh(&first).await.text("error"), "invalid_grant");
    assert_eq!(world.refresh(&third.refresh_token).await.text("error"), "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_is_bound_to_its_client_and_its_session() {
    let world = World::new().await;
    let token = world.tokens().await.text("refresh_token");
    let other = [("grant_type", "refresh_token"), ("client_id", "cv3-cli"), ("refresh_token", &*token)];
    assert_eq!(world.post(&format!("{OIDC}/token"), &other).await.text("error"), "invalid_grant");
    let next = world.refresh(&token).await.text("refresh_token");
    world.wait(8 * 60 * 60);
    assert_eq!(world.refresh(&next).await.text("error"), "invalid_grant");
    world.wait(1);
    assert!(world.issuer.sweep().await.unwrap() >= 3);
    assert_eq!(world.store.len(Room::Grants), 0);
}

#[tokio::test]
async fn what_outlives_its_session_by_a_race_is_worth_nothing() {
    let world = World::new().await;
    let refresh = world.tokens().await.text("refresh_token");
    let code = world.code(&[]).await;
    let session = world.cookies()["cv3-session"].split('.').next().unwrap().to_owned();
    assert!(world.store.delete(Room::Grants, &format!("session:{session}")).await.unwrap());
    assert_eq!(world.redeem(&code, &[]).await.text("error"), "invalid_grant");
    assert_eq!(world.refresh(&refresh).await.text("error"), "invalid_grant");
}

#[tokio::test]
async fn a_session_signs_in_silently_until_it_ends() {
    let world = World::new().await;
    let silent = world.auth(&[("prompt", "none"), ("response_mode", "fragment")]);
    let refused = world.get(&silent).await;
    assert!(refused.location().starts_with(&format!("{CALLBACK}#error=login_required")));
    world.code(&[]).await;
    let code = world.get(&silent).await.sent("code").unwrap();
    assert_eq!(world.redeem(&code, &[]).await.status, 200);
    assert!(world.get(&world.auth(&[])).await.sent("code").is_some());
    assert_eq!(world.get(&world.auth(&[("prompt", "login")])).await.status, 200);
    world.wait(100);
    assert_eq!(world.get(&world.auth(&[("max_age", "99")])).await.status, 200);
    world.wait(8 * 60 * 60);
    assert_eq!(world.get(&silent).await.sent("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn signing_out_ends_session_and_tokens_at_once() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    let back = "https://fe.example.org/bye";
    let address = format!(
        "{OIDC}/logout?{}",
        form(&[
            ("id_token_hint", &tokens.text("id_token")),
            ("post_logout_redirect_uri", back),
            ("state", "s1")
        ])
    );
    let out = world.get(&address).await;
    assert_eq!(out.location(), format!("{back}?state=s1"));
    assert!(!world.cookies().contains_key("cv3-session"));
    assert!(world.issuer.verify(&tokens.text("access_token")).await.is_err());
    assert_eq!(world.refresh(&tokens.text("refresh_token")).await.status, 400);
}

#[tokio::test]
async fn nobody_is_signed_out_by_a_link_alone() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    let asked = world.get(&format!("{OIDC}/logout")).await;
    assert!(asked.body.contains("<strong>alice</strong>"));
    let forged = world.post(&format!("{OIDC}/logout"), &[("csrf", "x")]).await;
    assert!(forged.body.contains("<strong>alice</strong>"));
    assert!(world.issuer.verify(&tokens.text("access_token")).await.is_ok());
    world.post(&format!("{OIDC}/logout"), &[("csrf", &asked.hidden("csrf"))]).await;
    assert!(world.issuer.verify(&tokens.text("access_token")).await.is_err());
    let elsewhere = form(&[("post_logout_redirect_uri", "https://evil.example.org/")]);
    assert_eq!(world.get(&format!("{OIDC}/logout?{elsewhere}")).await.status, 400);
}

#[tokio::test]
async fn a_refresh_token_signs_out_by_the_back_channel() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    let refresh = tokens.text("refresh_token");
    let fields = [("client_id", "cafevariome"), ("refresh_token", refresh.as_str())];
    assert_eq!(world.post(&format!("{OIDC}/logout"), &fields).await.status, 204);
    assert!(world.issuer.verify(&tokens.text("access_token")).await.is_err());
    assert_eq!(world.get(&world.auth(&[])).await.status, 200, "the session is gone too");
}

#[tokio::test]
async fn the_command_line_signs_in_on_a_loopback_port_with_pkce_only() {
    let world = World::new().await;
    let cli = [("client_id", "cv3-cli"), ("redirect_uri", "http://127.0.0.1:45123/callback")];
    let code = world.code(&cli).await;
    let tokens = world.redeem(&code, &cli).await;
    assert_eq!(claims(&tokens.text("access_token"))["azp"], "cv3-cli");
    assert!(world.issuer.verify(&tokens.text("access_token")).await.is_ok());
    let bare = [cli[0], cli[1], ("code_challenge", ""), ("code_challenge_method", "")];
    assert_eq!(world.get(&world.auth(&bare)).await.sent("error").as_deref(), Some("invalid_request"));
}

#[rstest::rstest]
#[case(&[("redirect_uri", "https://evil.example.org/callback.html")])]
#[case(&[("redirect_uri", "https://fe.example.org/discover/callback.html?next=1")])]
#[case(&[("redirect_uri", "http://127.0.0.1:1/callback")])]
#[case(&[("redirect_uri", "")])]
#[case(&[("client_id", "other")])]
#[case(&[("client_id", "")])]
#[tokio::test]
async fn an_unknown_client_or_address_is_never_redirected_to(#[case] changes: &[(&str, &str)]) {
    let world = World::new().await;
    let answer = world.get(&world.auth(changes)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.head.header("location").is_none());
}

#[rstest::rstest]
#[case(&[("response_type", "token")], "unsupported_response_type")]
#[case(&[("code_challenge_method", "plain")], "invalid_request")]
#[case(&[("code_challenge_method", "")], "invalid_request")]
#[case(&[("code_challenge", "short")], "invalid_request")]
#[case(&[("prompt", "none login")], "invalid_request")]
#[case(&[("request", "eyJ")], "invalid_request")]
#[tokio::test]
async fn a_wrong_request_is_sent_back_with_its_state(#[case] changes: &[(&str, &str)], #[case] error: &str) {
    let world = World::new().await;
    let answer = world.get(&world.auth(changes)).await;
    assert_eq!(answer.sent("error").as_deref(), Some(error));
    assert_eq!(answer.sent("state").as_deref(), Some("st4te"));
}

#[tokio::test]
async fn the_token_endpoint_refuses_in_json() {
    let world = World::new().await;
    let token = format!("{OIDC}/token");
    let error = |fields: &[(&str, &str)]| {
        let (body, token, world) = (form(fields), token.clone(), &world);
        async move {
            let answer = world.send(Method::POST, &token, &[], Some(body)).await;
            (answer.status.as_u16(), answer.text("error"))
        }
    };
    assert_eq!(error(&[("client_id", "cafevariome")]).await, (400, "invalid_request".into()));
    assert_eq!(error(&[("client_id", "other"), ("grant_type", "x")]).await, (401, "invalid_client".into()));
    let password = [("client_id", "cafevariome"), ("grant_type", "password")];
    assert_eq!(error(&password).await, (400, "unsupported_grant_type".into()));
    let wrong = [("client_id", "cafevariome"), ("client_secret", "x"), ("grant_type", "refresh_token")];
    assert_eq!(error(&wrong).await, (401, "invalid_client".into()));
    let long = "x".repeat(20_000);
    assert_eq!(error(&[("client_id", &long)]).await, (400, "invalid_request".into()));
    assert_eq!(world.get(&token).await.status, 405);
    assert_eq!(world.get(&token.replace("cafe_variome", "other")).await.status, 404);
}

#[tokio::test]
async fn introspection_needs_the_clients_secret() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    let access = tokens.text("access_token");
    let at = format!("{OIDC}/token/introspect");
    let bare = world.post(&at, &[("client_id", "cafevariome"), ("token", &access)]).await;
    assert_eq!((bare.status.as_u16(), bare.text("error").as_str()), (401, "invalid_client"));
    let secret = world.issuer.client_secret().await.unwrap();
    let fields =
        |token: &str| form(&[("client_id", "cafevariome"), ("client_secret", &secret), ("token", token)]);
    let ask = async |token: &str| world.send(Method::POST, &at, &[], Some(fields(token))).await.json();
    let said = ask(&access).await;
    assert_eq!((&said["active"], &said["sub"]), (&true.into(), &world.alice.as_str().into()));
    assert_eq!(ask(&tokens.text("refresh_token")).await["typ"], "Refresh");
    assert_eq!(ask(&tokens.text("id_token")).await["active"], false);
    assert_eq!(ask("nonsense").await["active"], false);
    world.issuer.end_sessions(&world.alice).await.unwrap();
    assert_eq!(ask(&access).await["active"], false);
}

#[tokio::test]
async fn userinfo_and_discovery_say_what_is_true() {
    let world = World::new().await;
    let access = world.tokens().await.text("access_token");
    let bearer = format!("Bearer {access}");
    let at = format!("{OIDC}/userinfo");
    let said = world.send(Method::GET, &at, &[("authorization", &bearer)], None).await;
    assert_eq!(
        (said.text("email"), said.text("affiliation")),
        ("alice@example.org".into(), "Registry".into())
    );
    assert_eq!(world.get(&at).await.status, 401);
    let found = world.get("/realms/cafe_variome/.well-known/openid-configuration").await;
    for endpoint in ["token_endpoint", "userinfo_endpoint", "end_session_endpoint", "jwks_uri"] {
        let path = found.text(endpoint).strip_prefix(BASE).unwrap().to_owned();
        assert_ne!(world.get(&path).await.status, 404, "{path}");
    }
    let keys = world.get(&format!("{OIDC}/certs")).await.json();
    assert_eq!(keys["keys"][0]["alg"], "RS256");
    assert!(keys["keys"][0].get("d").is_none());
}

#[tokio::test]
async fn only_front_ends_may_read_answers_across_origins() {
    let world = World::new().await;
    let ask = async |origin: &str, path: &str| {
        let answer = world.send(Method::OPTIONS, path, &[("origin", origin)], None).await;
        answer.head.header("access-control-allow-origin").map(str::to_owned)
    };
    let token = format!("{OIDC}/token");
    assert_eq!(ask("https://fe.example.org", &token).await.as_deref(), Some("https://fe.example.org"));
    assert_eq!(ask("https://evil.example.org", &token).await, None);
    assert_eq!(ask("null", &token).await, None);
    assert_eq!(ask("https://fe.example.org", &format!("{OIDC}/auth")).await, None);
    assert_eq!(ask("https://fe.example.org", &format!("{OIDC}/token/introspect")).await, None);
}
