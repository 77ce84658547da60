//! Tokens that were made, changed or used by somebody they were not meant for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cv3_backend::identity::Identity;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::world::{World, claims};

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The header of our own tokens.
fn header(token: &str) -> Value {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice(&header).unwrap()
}

/// A token with our real signature, whatever it says.
fn signed(world: &World, header: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(world.secrets.sign_now(text.as_bytes()));
    format!("{text}.{signature}")
}

#[tokio::test]
async fn a_token_changed_anywhere_is_refused() {
    let world = World::new().await;
    let token = world.tokens().await.text("access_token");
    assert!(world.issuer.verify(&token).await.is_ok());
    let step = token.len() / 60;
    for place in (0..token.len()).step_by(step) {
        let old = token.as_bytes()[place];
        let new = if old == b'A' { 'B' } else { 'A' };
        let mut changed = token.clone();
        changed.replace_range(place..=place, &new.to_string());
        assert!(world.issuer.verify(&changed).await.is_err(), "position {place}");
    }
    for cut in ["", ".", "..", "...", &token[..token.len() - 1], &format!("{token}."), &"x".repeat(9_000)] {
        assert!(world.issuer.verify(cut).await.is_err());
    }
}

#[tokio::test]
async fn the_token_does_not_choose_its_algorithm() {
    let world = World::new().await;
    let token = world.tokens().await.text("access_token");
    let (head, body) = (header(&token), claims(&token));
    let with_alg = |alg: &str| {
        let mut head = head.clone();
        head["alg"] = alg.into();
        head
    };
    let none = format!("{}.{}.", encode(&with_alg("none")), encode(&body));
    assert!(world.issuer.verify(&none).await.is_err());

    // The classic confusion: the public key as the secret of a MAC.
    let text = format!("{}.{}", encode(&with_alg("HS256")), encode(&body));
    let mut mac = Hmac::<Sha256>::new_from_slice(world.secrets.pem().as_bytes()).unwrap();
    mac.update(text.as_bytes());
    let forged = format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
    assert!(world.issuer.verify(&forged).await.is_err());

    for alg in ["RS512", "PS256", "rs256"] {
        assert!(world.issuer.verify(&signed(&world, &with_alg(alg), &body)).await.is_err(), "{alg}");
    }
}

#[rstest::rstest]
#[case("kid", json!("other"))]
#[case("kid", Value::Null)]
#[case("typ", json!("at+jwt"))]
#[case("crit", json!(["b64"]))]
#[tokio::test]
async fn a_header_that_is_not_ours_is_refused(#[case] field: &str, #[case] value: Value) {
    let world = World::new().await;
    let token = world.tokens().await.text("access_token");
    let mut head = header(&token);
    assert!(world.issuer.verify(&signed(&world, &head, &claims(&token))).await.is_ok());
    head[field] = value;
    assert!(world.issuer.verify(&signed(&world, &head, &claims(&token))).await.is_err());
}

#[rstest::rstest]
#[case(json!({ "iss": "http://127.0.0.1:5080/realms/other" }), false)]
#[case(json!({ "iss": "https://evil.example.org/realms/cafe_variome" }), false)]
#[case(json!({ "aud": "other", "azp": "other" }), false)]
#[case(json!({ "aud": ["other", "cafevariome"], "azp": "other" }), true)]
#[case(json!({ "aud": "account", "azp": "cafevariome" }), true)]
#[case(json!({ "typ": "ID" }), false)]
#[case(json!({ "typ": "Refresh" }), false)]
#[case(json!({ "typ": null }), false)]
#[case(json!({ "sub": "" }), false)]
#[case(json!({ "sub": "00000000-0000-4000-8000-000000000000" }), false)]
#[case(json!({ "sid": "0123456789abcdef0123456789abcdef" }), false)]
#[case(json!({ "exp": null }), false)]
#[case(json!({ "exp": 1_699_999_971 }), true)]
#[case(json!({ "exp": 1_699_999_970 }), false)]
#[case(json!({ "iat": 1_700_000_030 }), true)]
#[case(json!({ "iat": 1_700_000_031 }), false)]
#[case(json!({ "nbf": 1_700_000_031 }), false)]
#[tokio::test]
async fn every_claim_counts_even_with_a_right_signature(#[case] changes: Value, #[case] fine: bool) {
    let world = World::new().await;
    let token = world.tokens().await.text("access_token");
    let mut body = claims(&token);
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    assert_eq!(world.issuer.verify(&signed(&world, &header(&token), &body)).await.is_ok(), fine);
}

#[tokio::test]
async fn id_and_refresh_tokens_are_no_access_tokens() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    assert!(world.issuer.verify(&tokens.text("id_token")).await.is_err());
    assert!(world.issuer.verify(&tokens.text("refresh_token")).await.is_err());
}

#[tokio::test]
async fn an_access_token_lives_five_minutes_and_the_leeway() {
    let world = World::new().await;
    let token = world.tokens().await.text("access_token");
    world.wait(329);
    assert!(world.issuer.verify(&token).await.is_ok());
    world.wait(1);
    assert!(world.issuer.verify(&token).await.is_err());
}
