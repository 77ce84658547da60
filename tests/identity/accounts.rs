//! Accounts through the port, and what becomes of sessions when they change.

use cv3_backend::domain::ids::UserId;
use cv3_backend::domain::users::Profile;
use cv3_backend::identity::builtin::{SignInError, SignedIn};
use cv3_backend::identity::{Identity, IdentityError, NewAccount};

use crate::world::{PASSWORD, World};

fn person(username: &str, email: &str) -> NewAccount {
    NewAccount { profile: Profile { username: username.into(), email: email.into(), ..Profile::default() } }
}

#[rstest::rstest]
#[case("ALICE", "new@example.org", "user name")]
#[case("bob", "ALICE@EXAMPLE.ORG", "e-mail address")]
#[tokio::test]
async fn names_are_unique_in_any_case(#[case] username: &str, #[case] email: &str, #[case] what: &str) {
    let world = World::new().await;
    let refused = world.issuer.create(person(username, email)).await.unwrap_err();
    assert!(matches!(&refused, IdentityError::Conflict(text) if text.contains(what)), "{refused}");
}

#[tokio::test]
async fn people_are_listed_by_user_name_in_pages() {
    let world = World::new().await;
    for name in ["zoe", "bob"] {
        world.issuer.create(person(name, &format!("{name}@example.org"))).await.unwrap();
    }
    let names = async |skip, limit| {
        let page = world.issuer.profiles(skip, limit).await.unwrap();
        page.into_iter().map(|(_, profile)| profile.username).collect::<Vec<_>>()
    };
    assert_eq!(names(0, 10).await, ["alice", "bob", "zoe"]);
    assert_eq!(names(1, 1).await, ["bob"]);
}

#[tokio::test]
async fn an_update_keeps_the_user_name_and_the_password() {
    let world = World::new().await;
    let bob = world.issuer.create(person("bob", "bob@example.org")).await.unwrap();
    let new = Profile { username: "mallory".into(), email: "A@example.org".into(), ..Profile::default() };
    world.issuer.update(&world.alice, &new).await.unwrap();
    let kept = world.issuer.profile(&world.alice).await.unwrap().unwrap();
    assert_eq!((kept.username.as_str(), kept.email.as_str()), ("alice", "a@example.org"));
    assert!(world.issuer.sign_in("a@example.org", PASSWORD, None).await.is_ok());
    assert!(matches!(world.issuer.update(&bob, &new).await, Err(IdentityError::Conflict(_))));
    let nobody = UserId::parse("nobody").unwrap();
    assert!(matches!(world.issuer.update(&nobody, &new).await, Err(IdentityError::NoUser)));
    assert_eq!(world.issuer.profile(&nobody).await.unwrap(), None);
}

#[tokio::test]
async fn removal_ends_everything_at_once() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    assert!(world.issuer.delete(&world.alice).await.unwrap());
    assert!(!world.issuer.delete(&world.alice).await.unwrap());
    assert!(world.issuer.verify(&tokens.text("access_token")).await.is_err());
    assert_eq!(world.refresh(&tokens.text("refresh_token")).await.status, 400);
    assert_eq!(world.get(&world.auth(&[("prompt", "none")])).await.sent("error").unwrap(), "login_required");
    assert!(matches!(world.issuer.sign_in("alice", PASSWORD, None).await, Err(SignInError::Wrong)));
}

#[tokio::test]
async fn a_disabled_account_is_out_until_it_is_enabled() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    let waiting = world.code(&[("prompt", "login")]).await;
    world.issuer.set_enabled(&world.alice, false).await.unwrap();
    assert!(world.issuer.verify(&tokens.text("access_token")).await.is_err());
    assert_eq!(world.redeem(&waiting, &[]).await.status, 400);
    assert_eq!(world.get(&world.auth(&[("prompt", "none")])).await.sent("error").unwrap(), "login_required");
    assert!(matches!(world.issuer.sign_in("alice", PASSWORD, None).await, Err(SignInError::Wrong)));
    world.issuer.set_enabled(&world.alice, true).await.unwrap();
    assert!(world.issuer.sign_in("alice", PASSWORD, None).await.is_ok());
}

#[tokio::test]
async fn a_new_password_ends_older_sessions() {
    let world = World::new().await;
    let token = world.tokens().await.text("access_token");
    let short = world.issuer.set_password(&world.alice, "too short").await.unwrap_err();
    assert_eq!(short.to_string(), "the password must have at least 12 characters; this one has 9");
    world.issuer.set_password(&world.alice, "another horse battery").await.unwrap();
    assert!(world.issuer.verify(&token).await.is_err());
    assert!(world.issuer.sign_in("alice", PASSWORD, None).await.is_err());
    assert!(world.issuer.sign_in("alice", "another horse battery", None).await.is_ok());
}

#[tokio::test]
async fn a_one_time_password_must_be_changed_and_works_once() {
    let world = World::new().await;
    let once = world.issuer.set_one_time_password(&world.alice).await.unwrap();
    let Ok(SignedIn::MustChange(pending)) = world.issuer.sign_in("alice", &once, None).await else {
        panic!("the password must be changed")
    };
    for bad in ["short", &once, "alice@example.org"] {
        let refused = world.issuer.change_password(&pending, bad).await;
        assert!(matches!(refused, Err(SignInError::Unacceptable(_))), "{bad}");
    }
    let cookie = world.issuer.change_password(&pending, "my very own words").await.unwrap();
    assert!(world.issuer.session(&cookie).await.unwrap().is_some());
    let again = world.issuer.change_password(&pending, "my second own words").await;
    assert!(matches!(again, Err(SignInError::TooLate)));
    assert!(world.issuer.sign_in("alice", &once, None).await.is_err());
    assert!(matches!(
        world.issuer.sign_in("alice", "my very own words", None).await,
        Ok(SignedIn::Session(_))
    ));
}

#[tokio::test]
async fn a_one_time_password_and_its_change_expire() {
    let world = World::new().await;
    let once = world.issuer.set_one_time_password(&world.alice).await.unwrap();
    let Ok(SignedIn::MustChange(pending)) = world.issuer.sign_in("alice", &once, None).await else {
        panic!("the password must be changed")
    };
    world.wait(10 * 60);
    assert!(matches!(world.issuer.change_password(&pending, PASSWORD).await, Err(SignInError::TooLate)));
    world.wait(7 * 24 * 60 * 60);
    assert!(matches!(world.issuer.sign_in("alice", &once, None).await, Err(SignInError::OneTimeExpired)));
}

#[tokio::test]
async fn an_account_without_a_password_cannot_sign_in() {
    let world = World::new().await;
    world.issuer.create(person("bob", "bob@example.org")).await.unwrap();
    for password in ["", " ", "bob@example.org"] {
        assert!(matches!(world.issuer.sign_in("bob", password, None).await, Err(SignInError::Wrong)));
    }
}

#[tokio::test]
async fn the_issuer_is_ready_once_its_key_is_there() {
    let world = World::new().await;
    assert!(matches!(world.issuer.ping().await, Err(IdentityError::Unavailable(_))));
    world.issuer.key_set().await.unwrap();
    world.issuer.ping().await.unwrap();
    assert_eq!(world.issuer.info().realm, "cafe_variome");
    assert!(world.issuer.issuer().is_some());
}
