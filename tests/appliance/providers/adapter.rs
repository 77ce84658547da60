//! The port itself, opened in this process: what no service of this release uses yet, and what needs a clock of our own.

use std::sync::Arc;
use std::time::Duration;

use cv3_backend::broker::sqlite::SqliteBroker;
use cv3_backend::domain::clock::{Clock, FixedClock, SystemClock, SystemRandom};
use cv3_backend::domain::ids::UserId;
use cv3_backend::domain::users::Profile;
use cv3_backend::identity::keycloak::{Doors, Keycloak, Kind, Settings};
use cv3_backend::identity::{Identity, IdentityError, NewAccount, NewClient};
use cv3_backend::outbound::Outbound;
use cv3_backend::secrets::local::{LocalSecrets, MasterKey};
use cv3_backend::store::sqlite::SqliteStore;
use serde_json::Value;

use super::house::fresh;
use super::provider::{CALLBACK, CLIENT, Provider, REALM, SECRET, Server, Visit};
use super::relay::Relay;
use crate::support::node::{PASSWORD, text};

/// The adapter over embedded stores of its own and a clock that is moved by hand.
struct Port {
    port: Keycloak,
    clock: Arc<FixedClock>,
    _folder: tempfile::TempDir,
}

fn open(kind: Kind, local: bool) -> Port {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let clock = Arc::new(FixedClock::at(SystemClock.now()));
    let master = MasterKey::Generated { path: at.join("key") };
    let doors = Doors {
        http: Outbound::new(None).unwrap(),
        store: Arc::new(SqliteStore::open(&at.join("store.db")).unwrap()),
        broker: Arc::new(SqliteBroker::open(&at.join("jobs.db"), &at.join("run"), clock.clone()).unwrap()),
        secrets: Arc::new(LocalSecrets::open(&at.join("keystore"), master).unwrap()),
        clock: clock.clone(),
        random: Arc::new(SystemRandom),
    };
    let settings = Settings { kind, client_id: CLIENT.into(), client_secret: Some(SECRET.into()), local };
    Port { port: Keycloak::new(doors, settings), clock, _folder: folder }
}

fn realm(url: &str, backend_url: &str) -> Kind {
    Kind::Keycloak { url: url.into(), backend_url: backend_url.into(), realm: REALM.into() }
}

fn at(server: &Server) -> Port {
    open(realm(&server.url, &server.url), false)
}

/// A new person with [`PASSWORD`], and a token for them.
async fn person(server: &Server, port: &Keycloak) -> (UserId, String, String) {
    let name = fresh("eve");
    let profile = Profile {
        username: name.clone(),
        email: format!("{name}@example.org"),
        first_name: "Eve".into(),
        last_name: "Example".into(),
        affiliation: "Registry".into(),
    };
    let id = port.create(NewAccount { profile }).await.unwrap();
    let once = port.one_time_password(&id).await.unwrap();
    let visit = Visit::new(server, CLIENT, CALLBACK, &name);
    let code = visit.code(&name, &once, PASSWORD).await.unwrap();
    let tokens = port.exchange_code(&code, CALLBACK, Some(&visit.verifier)).await.unwrap();
    (id, name, tokens.access_token)
}

pub async fn clients_of_others_are_made_and_removed(provider: &Provider) {
    let server = provider.server();
    let home = at(server);
    let port = &home.port;
    let client =
        NewClient { client_id: fresh("cv2"), name: "A CV2 installation".into(), redirect_urls: Vec::new() };
    let made = port.create_client(client.clone()).await.unwrap();
    assert_eq!(made.client_id, client.client_id);
    assert!(!format!("{made:?}").contains(&made.secret));
    // The secret is the one the provider knows.
    assert!(!server.service_token(&made.client_id, &made.secret).await.is_empty());
    assert!(matches!(port.create_client(client.clone()).await, Err(IdentityError::Conflict(_))));
    for odd in ["", "two words", "a/b", &"x".repeat(101)] {
        let odd = NewClient { client_id: odd.into(), ..client.clone() };
        assert!(matches!(port.create_client(odd).await, Err(IdentityError::Rejected(_))));
    }
    assert!(port.delete_client(&client.client_id).await.unwrap());
    assert!(!port.delete_client(&client.client_id).await.unwrap());
    assert!(matches!(port.delete_client(CLIENT).await, Err(IdentityError::Conflict(_))), "our own stays");
}

pub async fn a_token_is_exchanged_for_a_partner_and_not_for_others(provider: &Provider) {
    let server = provider.server();
    let home = at(server);
    let port = &home.port;
    let (id, _, token) = person(server, port).await;
    let exchanged = port.exchange_token(&token, "partner").await.unwrap();
    let payload = exchanged.access_token.split('.').nth(1).unwrap();
    let payload = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload).unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(
        (payload["sub"].as_str(), payload["aud"].as_str()),
        (Some(id.as_str()), Some("partner")),
        "{payload}"
    );
    let refused = port.exchange_token(&token, "nobody-knows-them").await.unwrap_err();
    assert!(
        matches!(&refused, IdentityError::Unsupported(text) if text.contains("standard token exchange")),
        "{refused}"
    );
    let refused = port.exchange_token("no-token", "partner").await.unwrap_err();
    assert!(!matches!(refused, IdentityError::Unavailable(_)), "{refused}");
}

pub async fn lists_come_in_pages_ordered_by_name(provider: &Provider) {
    let home = at(provider.server());
    let port = &home.port;
    let mut names = Vec::new();
    for name in ["zoe", "Kim", "abe"] {
        let name = fresh(name);
        let profile =
            Profile { username: name.clone(), email: format!("{name}@example.org"), ..Profile::default() };
        names.push((port.create(NewAccount { profile }).await.unwrap(), name));
    }
    let (mut all, mut skip) = (Vec::new(), 0);
    loop {
        let page = port.profiles(skip, 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        skip += page.len();
        all.extend(page);
    }
    // Other tests make people meanwhile, who may push one over the edge of a page: twice is no harm, missing is.
    for (id, _) in &names {
        assert!(all.iter().any(|(other, _)| other == id));
    }
    let (id, name) = &names[1];
    assert_eq!(
        port.by_email(&format!(" {}@EXAMPLE.org ", name.to_lowercase())).await.unwrap().as_ref(),
        Some(id)
    );
    assert_eq!(port.by_username(&name.to_uppercase()).await.unwrap().as_ref(), Some(id));
    // Part of an address is none.
    assert_eq!(port.by_email("@example.org").await.unwrap(), None);
    let unknown = UserId::parse("../users").unwrap();
    assert_eq!(port.profile(&unknown).await.unwrap(), None);
    assert!(matches!(
        port.update(&unknown, &port.profile(id).await.unwrap().unwrap()).await,
        Err(IdentityError::NoUser)
    ));
    for (id, _) in names {
        assert!(port.delete(&id).await.unwrap());
        assert!(!port.delete(&id).await.unwrap());
    }
}

pub async fn our_own_account_may_have_an_address(provider: &Provider) {
    let server = provider.server();
    let home = at(server);
    let port = &home.port;
    let found = server.admin(reqwest::Method::GET, &format!("/clients?clientId={CLIENT}"), None).await.ok();
    let client = text(&found[0], "id");
    let path = format!("/clients/{client}/service-account-user");
    let mut own = server.admin(reqwest::Method::GET, &path, None).await.ok();
    let at = format!("/users/{}", text(&own, "id"));
    for (email, expected) in [(fresh("own") + "@example.org", true), (String::new(), false)] {
        own["email"] = email.clone().into();
        let changed = server.admin(reqwest::Method::PUT, &at, Some(&own)).await;
        assert!(changed.status.is_success(), "{}", changed.body);
        assert_eq!(port.own_address().await.unwrap(), expected.then_some(email));
    }
}

pub async fn an_unknown_key_is_looked_for_once_a_minute(provider: &Provider) {
    let server = provider.server();
    let relay = Relay::to(&server.url).await;
    let home = open(realm(&server.url, &relay.url), true);
    let port = &home.port;
    let (id, _, token) = person(server, port).await;
    assert_eq!(port.verify(&token).await.unwrap().user_id, id);
    let fetched = relay.key_sets();
    let (_, rest) = token.split_once('.').unwrap();
    let encode = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text);
    for kid in ["one", "two", "three"] {
        let header = encode(&format!(r#"{{"alg":"RS256","typ":"JWT","kid":"{kid}"}}"#));
        let refused = port.verify(&format!("{header}.{rest}")).await.unwrap_err();
        assert!(matches!(refused, IdentityError::Rejected(_)), "{refused}");
    }
    assert_eq!(relay.key_sets(), fetched + 1);
    assert_eq!(port.verify(&token).await.unwrap().user_id, id, "the keys stay");
}

pub async fn three_kinds_of_signatures_are_read(provider: &Provider) {
    let server = provider.server();
    let home = open(realm(&server.url, &server.url), true);
    let (id, name, own) = person(server, &home.port).await;
    let mut tokens = vec![("RS256", own)];
    for (alg, client) in [("ES256", "elliptic"), ("PS256", "salted")] {
        let visit = Visit::new(server, client, CALLBACK, client);
        let code = visit.code(&name, PASSWORD, PASSWORD).await.unwrap();
        tokens.push((alg, text(&server.token(&visit, &code).await, "access_token")));
    }
    for (alg, token) in &tokens {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let header = signed.split('.').next().unwrap();
        let header =
            base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header["alg"], *alg);
        assert_eq!(home.port.verify(token).await.unwrap().user_id, id, "{alg}");
        let other = if signature.starts_with('A') { "B" } else { "A" };
        let forged = home.port.verify(&format!("{signed}.{other}{}", &signature[1..])).await;
        assert!(matches!(forged, Err(IdentityError::Rejected(_))), "{alg}: {forged:?}");
    }
}

pub async fn a_token_ends_by_our_clock_where_it_is_read_here(provider: &Provider) {
    let server = provider.server();
    let home = open(realm(&server.url, &server.url), true);
    let (port, clock) = (&home.port, &home.clock);
    let (id, name, token) = person(server, port).await;
    let claims = port.verify(&token).await.unwrap();
    assert_eq!((claims.user_id, claims.profile.username, claims.service_account), (id, name, false));
    assert_eq!(claims.profile.affiliation, "Registry");
    let left = (claims.expires_at - clock.now()).to_std().unwrap();
    clock.advance(left + Duration::from_secs(29));
    assert!(port.verify(&token).await.is_ok(), "clocks may differ by 30 s");
    clock.advance(Duration::from_secs(2));
    assert!(matches!(port.verify(&token).await, Err(IdentityError::Rejected(_))));
    let own = server.service_token(CLIENT, SECRET).await;
    let home = open(realm(&server.url, &server.url), true);
    assert!(home.port.verify(&own).await.unwrap().service_account);
}

pub async fn the_back_channel_may_fail_and_slashes_do_not_matter(provider: &Provider) {
    let server = provider.server();
    // Nobody listens at the back channel: the front one is used (§16 row 16).
    let nobody = Relay::to(&server.url).await;
    nobody.cut();
    for (url, backend) in
        [(server.url.clone(), nobody.url.clone()), (format!("{}/", server.url), format!("{}/", server.url))]
    {
        let home = open(realm(url.trim_end_matches('/'), &backend), false);
        home.port.ping().await.unwrap();
    }
    // Somebody else answers there, or the address is not the one the provider calls itself by.
    let relay = Relay::to(&server.url).await;
    let home = open(realm(&relay.url, &relay.url), false);
    let error = home.port.ping().await.unwrap_err();
    assert!(matches!(&error, IdentityError::Unavailable(text) if text.contains("calls itself")), "{error}");
    // Without a fixed host name the two channels would be two issuers: found out before anybody signs in.
    let home = open(realm(&relay.url, &server.url), false);
    let lacks = home.port.lacks(false).await.unwrap();
    assert!(lacks.iter().any(|lack| !lack.optional && lack.text.contains("fixed host name")), "{lacks:?}");
    let home = at(server);
    assert_eq!(home.port.lacks(true).await.unwrap(), Vec::new());
    // Wrong realms and wrong paths are said, not guessed.
    let missing =
        Kind::Keycloak { url: server.url.clone(), backend_url: server.url.clone(), realm: "other".into() };
    let home = open(missing, false);
    assert!(matches!(home.port.ping().await, Err(IdentityError::Unavailable(_))));
    let under = format!("{}/auth", server.url);
    let home = open(realm(&under, &under), false);
    assert!(matches!(home.port.ping().await, Err(IdentityError::Unavailable(_))));
}

pub async fn people_of_another_provider_get_an_id_of_ours_and_are_not_managed(provider: &Provider) {
    let server = provider.server();
    let realms = at(server);
    let (subject, name, token) = person(server, &realms.port).await;
    let issuer = format!("{}/realms/{REALM}", server.url);
    let home = open(Kind::OpenId { issuer: issuer.clone() }, false);
    let port = &home.port;
    port.ping().await.unwrap();
    // By hand before the first sign-in, or by it: the same id, which is none of the provider's.
    let by_hand = port.by_subject(subject.as_str()).await.unwrap();
    let claims = port.verify(&token).await.unwrap();
    assert_eq!(claims.user_id, by_hand);
    assert_ne!(claims.user_id, subject);
    assert!(uuid::Uuid::parse_str(claims.user_id.as_str()).is_ok());
    assert_eq!(port.profile(&by_hand).await.unwrap().unwrap().username, name);
    assert_eq!(port.verify(&token).await.unwrap().user_id, by_hand);
    // The same subject of another issuer is somebody else, and so is another subject.
    assert_ne!(port.by_subject("another").await.unwrap(), by_hand);
    assert!(port.by_subject("").await.is_err());

    let profile = Profile { username: "x".into(), email: "x@example.org".into(), ..Profile::default() };
    for refused in [
        port.profiles(0, 10).await.map(drop),
        port.create(NewAccount { profile: profile.clone() }).await.map(drop),
        port.update(&by_hand, &profile).await,
        port.by_email("x@example.org").await.map(drop),
        port.invite(&by_hand).await.map(drop),
        port.delete(&by_hand).await.map(drop),
        port.create_client(NewClient { client_id: "x".into(), ..NewClient::default() }).await.map(drop),
    ] {
        assert!(
            matches!(&refused, Err(IdentityError::Unsupported(text)) if text.contains("sign")),
            "{refused:?}"
        );
    }
    assert_eq!((port.info().url, port.info().realm), (issuer, String::new()));
}
