//! Guessing passwords: slowed, never locked, and telling nothing.

use cv3_backend::identity::builtin::SignInError;
use poem::http::Method;

use crate::world::{PASSWORD, World, form};

#[tokio::test]
async fn failures_delay_the_next_attempt_and_time_ends_the_delay() {
    let world = World::new().await;
    for _ in 0..3 {
        assert!(matches!(world.issuer.sign_in("alice", "wrong", None).await, Err(SignInError::Wrong)));
    }
    assert!(matches!(world.issuer.sign_in("alice", PASSWORD, None).await, Err(SignInError::Wait(1))));
    for _ in 0..20 {
        world.wait(60);
        assert!(matches!(world.issuer.sign_in("alice", "wrong", None).await, Err(SignInError::Wrong)));
    }
    assert!(matches!(world.issuer.sign_in("alice", PASSWORD, None).await, Err(SignInError::Wait(60))));
    world.wait(60);
    assert!(world.issuer.sign_in("alice", PASSWORD, None).await.is_ok());
    assert!(world.issuer.sign_in("alice", PASSWORD, None).await.is_ok());
}

#[tokio::test]
async fn an_unknown_account_costs_and_says_the_same_as_a_wrong_password() {
    let world = World::new().await;
    let mut seen = Vec::new();
    for login in ["alice", "nobody", "nobody@example.org", ""] {
        let before = world.issuer.hashes_computed();
        let error = world.issuer.sign_in(login, "wrong horse battery", None).await.err().unwrap();
        seen.push((error.to_string(), world.issuer.hashes_computed() - before));
    }
    assert!(seen.iter().all(|one| *one == seen[0] && one.1 == 1), "{seen:?}");
}

#[tokio::test]
async fn a_delayed_attempt_costs_no_hash() {
    let world = World::new().await;
    for _ in 0..3 {
        let _ = world.issuer.sign_in("alice", "wrong", None).await;
    }
    let before = world.issuer.hashes_computed();
    assert!(world.issuer.sign_in("alice", "wrong", None).await.is_err());
    assert_eq!(world.issuer.hashes_computed(), before);
}

#[tokio::test]
async fn guesses_sent_at_once_count_one_by_one() {
    let world = World::new().await;
    let guess = || world.issuer.sign_in("alice", "wrong", None);
    let all = tokio::join!(guess(), guess(), guess(), guess(), guess(), guess());
    let outcomes = [all.0, all.1, all.2, all.3, all.4, all.5];
    let waits = outcomes.iter().filter(|outcome| matches!(outcome, Err(SignInError::Wait(_)))).count();
    assert_eq!(waits, 3);
}

#[tokio::test]
async fn the_page_says_how_long_to_wait_and_counts_by_address() {
    let world = World::new().await;
    let at = world.auth(&[]);
    let csrf = world.get(&at).await.hidden("csrf");
    let guess = async |login: &str, address: &str| {
        let body = form(&[("csrf", &csrf), ("login", login), ("password", "wrong")]);
        world.send(Method::POST, &at, &[("x-test-address", address)], Some(body)).await
    };
    for n in 0..20 {
        assert_eq!(guess(&format!("user{n}"), "192.0.2.1").await.status, 400);
    }
    let refused = guess("alice", "192.0.2.1").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.head.header("retry-after"), Some("1"));
    assert!(refused.body.contains("Too many failed attempts: wait 1 s and"));
    assert_eq!(guess("alice", "192.0.2.2").await.status, 400);
}
