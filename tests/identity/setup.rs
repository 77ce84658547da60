//! The first account, from the code in a file to the page that says it is done.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use cv3_backend::domain::clock::{FixedClock, SystemRandom};
use cv3_backend::domain::users::Profile;
use cv3_backend::http::setup::{
    CodeLocation, CreateFirst, CreateFirstError, FirstAccount, Made, Setup, SetupError, routes,
};
use poem::http::{Method, StatusCode};
use poem::{Endpoint, Request};

use crate::world::{PASSWORD, form};

/// Takes any account whose user name is not `taken`.
#[derive(Debug, Default)]
struct FakeFloor {
    made: AtomicBool,
}

#[async_trait]
impl CreateFirst for FakeFloor {
    async fn needed(&self) -> Result<bool, CreateFirstError> {
        Ok(!self.made.load(Ordering::SeqCst))
    }

    async fn create(&self, account: FirstAccount) -> Result<Made, CreateFirstError> {
        if account.profile.username == "taken" {
            return Err(CreateFirstError::Refused("another account has this user name".to_owned()));
        }
        assert!(!self.made.swap(true, Ordering::SeqCst), "only one account may be the first");
        Ok(Made::WithPassword)
    }
}

fn setup(folder: &Path) -> (Arc<Setup>, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::at(DateTime::from_timestamp(1_700_000_000, 0).unwrap()));
    let setup = Setup::new(Arc::new(FakeFloor::default()), clock.clone(), Arc::new(SystemRandom), folder);
    (Arc::new(setup.without_terminal()), clock)
}

fn account(username: &str) -> FirstAccount {
    let profile = Profile { username: username.into(), ..Profile::default() };
    FirstAccount { profile, password: PASSWORD.into() }
}

fn code_in(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("setup-code")).unwrap()
}

#[tokio::test]
async fn the_code_is_in_a_private_file_until_it_is_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (setup, _) = setup(folder.path());
    let path = folder.path().join("setup-code");
    std::fs::write(&path, "left over, readable by all").unwrap();
    assert_eq!(setup.open().await.unwrap(), Some(CodeLocation::File(path.clone())));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let code = code_in(folder.path());
    assert!(!format!("{setup:?}").contains(code.trim()));
    assert!(setup.open().await.unwrap().is_some());
    assert_eq!(code, code_in(folder.path()), "a usable code is kept");
    setup.finish(&code, account("alice")).await.unwrap();
    assert!(!path.exists());
    assert_eq!(setup.open().await.unwrap(), None);
    assert!(matches!(setup.finish(&code, account("bob")).await, Err(SetupError::Done)));
}

#[tokio::test]
async fn a_refused_account_leaves_the_code_usable() {
    let folder = tempfile::tempdir().unwrap();
    let (setup, _) = setup(folder.path());
    setup.open().await.unwrap();
    let code = code_in(folder.path());
    for _ in 0..6 {
        assert!(matches!(setup.finish(&code, account("taken")).await, Err(SetupError::Refused(_))));
    }
    setup.finish(&code, account("alice")).await.unwrap();
}

#[tokio::test]
async fn five_wrong_tries_spend_the_code_and_a_new_one_comes_after_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let (setup, clock) = setup(folder.path());
    setup.open().await.unwrap();
    let code = code_in(folder.path());
    for left in (0..5).rev() {
        let wrong = setup.finish("00000-00000-00000-00000-000000", account("alice")).await;
        assert!(matches!(wrong, Err(SetupError::WrongCode(n)) if n == left));
    }
    assert!(matches!(setup.finish(&code, account("alice")).await, Err(SetupError::NoCode)));
    setup.open().await.unwrap();
    assert!(matches!(setup.finish(&code, account("alice")).await, Err(SetupError::NoCode)));
    clock.advance(Duration::from_secs(60));
    setup.open().await.unwrap();
    assert_ne!(code_in(folder.path()), code);
    assert!(matches!(setup.finish(&code, account("alice")).await, Err(SetupError::WrongCode(4))));
    setup.finish(&code_in(folder.path()), account("alice")).await.unwrap();
}

#[tokio::test]
async fn two_people_finishing_at_once_make_one_account() {
    let folder = tempfile::tempdir().unwrap();
    let (setup, _) = setup(folder.path());
    setup.open().await.unwrap();
    let code = code_in(folder.path());
    let (a, b) = tokio::join!(setup.finish(&code, account("alice")), setup.finish(&code, account("bob")));
    assert!(a.is_ok() != b.is_ok());
}

#[tokio::test]
async fn the_page_makes_the_account_and_is_gone_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let (setup, _) = setup(folder.path());
    let route = routes(setup, Arc::new(SystemRandom), false);
    let visit = async || {
        let mut answer = route.get_response(Request::builder().uri_str("/setup").finish()).await;
        let cookie = answer.header("set-cookie").map(|c| c.split(';').next().unwrap().to_owned());
        (answer.status(), cookie.unwrap_or_default(), answer.take_body().into_string().await.unwrap())
    };
    let (status, cookie, page) = visit().await;
    assert_eq!(status, 200);
    assert!(!page.contains(&*folder.path().to_string_lossy()), "no path of the machine is shown");
    let code = code_in(folder.path());
    assert!(!page.contains(code.trim()));
    let csrf = cookie.split_once('=').unwrap().1.to_owned();
    let post = async |changes: &[(&str, &str)]| {
        let mut fields = vec![
            ("csrf", csrf.as_str()),
            ("code", &code),
            ("username", "alice"),
            ("email", "alice@example.org"),
            ("firstName", "A"),
            ("lastName", "E"),
            ("password", PASSWORD),
            ("again", PASSWORD),
        ];
        for (name, value) in changes {
            fields.iter_mut().filter(|(known, _)| known == name).for_each(|field| field.1 = value);
        }
        let request = Request::builder().method(Method::POST).uri_str("/setup").header("cookie", &cookie);
        let request = request.content_type("application/x-www-form-urlencoded").body(form(&fields));
        let mut answer = route.get_response(request).await;
        (answer.status(), answer.take_body().into_string().await.unwrap())
    };
    assert_eq!(post(&[("csrf", "forged")]).await.0, 403);
    let (status, page) = post(&[("again", "something else")]).await;
    assert_eq!(status, 400);
    assert!(page.contains("The two passwords differ") && page.contains("value=\"alice\""));
    assert!(!page.contains(PASSWORD));
    assert!(post(&[("code", "wrong")]).await.1.contains("tries left: 4"));
    assert!(post(&[("username", "taken")]).await.1.contains("Another account has this user name"));
    let (status, page) = post(&[]).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains("<strong>alice</strong>"));
    assert_eq!(visit().await.0, 404);
    assert_eq!(post(&[]).await.0, 404);
}
