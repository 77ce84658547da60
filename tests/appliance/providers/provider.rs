//! The three providers, and what a test does at one as its administrator or as a person.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::client::Reply;
use crate::support::node::text;
use crate::support::pages::{Browser, Page, form};

/// The realm of `tests/services/keycloak/realm.json`.
pub const REALM: &str = "cafe_variome";

/// Its client for us.
pub const CLIENT: &str = "cafevariome";

/// Where sign-ins return; nobody listens there, the tests only read the address.
pub const CALLBACK: &str = "http://127.0.0.1:9/callback.html";

/// The secret of [`CLIENT`].
pub const SECRET: &str = "throw-away-secret-of-the-tests";

/// A provider that is not our own.
#[derive(Debug, Clone)]
pub struct Server {
    pub url: String,
    name: String,
    admin: (String, String),
}

/// Who signs people in.
#[derive(Debug, Clone)]
pub enum Provider {
    BuiltIn,
    Outside(Server),
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("the built-in issuer"),
            Self::Outside(server) => f.write_str(&server.name),
        }
    }
}

impl Provider {
    pub fn built_in() -> Option<Self> {
        Some(Self::BuiltIn)
    }

    pub fn stand_in() -> Option<Self> {
        Self::of_file("oidc", "a stand-in for Keycloak")
    }

    pub fn keycloak() -> Option<Self> {
        Self::of_file("keycloak", "a real Keycloak")
    }

    fn of_file(key: &'static str, what: &str) -> Option<Self> {
        // Several tests of one process may ask at the same time; a second caller finds the provider in place.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let Some(file) = std::env::var_os("CV3_TEST_SERVICES") else {
            skip(
                key,
                &format!("{what} is not there (tests/services/up starts it, CV3_TEST_SERVICES names it)"),
            );
            return None;
        };
        let services: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let Some(found) = services.get(key) else {
            skip(key, &format!("{what} could not be started by tests/services/up"));
            return None;
        };
        Some(Self::Outside(Server {
            url: text(found, "url"),
            name: format!("{what} ({})", text(found, "version")),
            admin: (text(found, "adminUser"), text(found, "adminPassword")),
        }))
    }

    /// The server; panics for our own.
    pub fn server(&self) -> &Server {
        match self {
            Self::Outside(server) => server,
            Self::BuiltIn => panic!("the built-in issuer is no server of its own"),
        }
    }
}

/// Says once of each provider why its tests do nothing.
fn skip(key: &'static str, why: &str) {
    static SAID: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    if SAID.lock().unwrap().insert(key) {
        super::say(&format!("sign-in and people: skipped, {why}"));
    }
}

impl Server {
    /// A request of the Admin REST API below the realm, as the realm's owner.
    pub async fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let http = reqwest::Client::new();
        let login = form(&[
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
            ("username", &self.admin.0),
            ("password", &self.admin.1),
        ]);
        let at = format!("{}/realms/master/protocol/openid-connect/token", self.url);
        let asked = http.post(at).header("content-type", "application/x-www-form-urlencoded").body(login);
        let token = text(&Reply::of(asked).await.ok(), "access_token");
        let mut request =
            http.request(method, format!("{}/admin/realms/{REALM}{path}", self.url)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        Reply::of(request).await
    }

    /// The id of a user by name.
    pub async fn user(&self, username: &str) -> Option<String> {
        let found =
            self.admin(Method::GET, &format!("/users?username={username}&exact=true"), None).await.ok();
        found[0]["id"].as_str().map(str::to_owned)
    }

    /// Signs with another key from now on.
    pub async fn rotate_keys(&self, name: &str) {
        // Of several keys Keycloak takes the one with the highest priority.
        let priority =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        let component = json!({
            "name": name, "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
            "config": {"priority": [priority.to_string()], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"]},
        });
        let made = self.admin(Method::POST, "/components", Some(&component)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    }

    /// Makes a client with a secret and nothing that a token would be for; what was left of an earlier run goes.
    pub async fn make_client(&self, client: &str, secret: &str) {
        let found = self.admin(Method::GET, &format!("/clients?clientId={client}"), None).await.ok();
        if let Some(id) = found[0]["id"].as_str() {
            self.admin(Method::DELETE, &format!("/clients/{id}"), None).await;
        }
        let body = json!({
            "clientId": client, "secret": secret, "enabled": true, "publicClient": false,
            "standardFlowEnabled": true, "serviceAccountsEnabled": true, "redirectUris": [CALLBACK],
        });
        let made = self.admin(Method::POST, "/clients", Some(&body)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    }

    /// Gives a client another secret.
    pub async fn change_secret(&self, client: &str, secret: &str) {
        let found = self.admin(Method::GET, &format!("/clients?clientId={client}"), None).await.ok();
        let mut changed = found[0].clone();
        changed["secret"] = secret.into();
        let path = format!("/clients/{}", text(&changed, "id"));
        let reply = self.admin(Method::PUT, &path, Some(&changed)).await;
        assert!(reply.status.is_success(), "{}", reply.body);
    }

    /// Exchanges at the provider itself, as a public client of its own would.
    pub async fn token(&self, asked: &Visit, code: &str) -> Value {
        let fields = form(&[
            ("grant_type", "authorization_code"),
            ("client_id", &asked.client),
            ("code", code),
            ("redirect_uri", &asked.redirect_uri),
            ("code_verifier", &asked.verifier),
        ]);
        let at = format!("{}/realms/{REALM}/protocol/openid-connect/token", self.url);
        let http = reqwest::Client::new();
        let asked = http.post(at).header("content-type", "application/x-www-form-urlencoded").body(fields);
        Reply::of(asked).await.ok()
    }

    /// Whether the server introspects a client's own token for it.
    pub async fn calls_active(&self, client: &str, secret: &str) -> bool {
        let token = self.service_token(client, secret).await;
        let at = format!("{}/realms/{REALM}/protocol/openid-connect/token/introspect", self.url);
        let asked = reqwest::Client::new().post(at).basic_auth(client, Some(secret));
        let asked = asked.header("content-type", "application/x-www-form-urlencoded");
        let told = Reply::of(asked.body(form(&[("token", &token)]))).await.ok();
        told["active"].as_bool().unwrap()
    }

    /// A token of a client itself.
    pub async fn service_token(&self, client: &str, secret: &str) -> String {
        let at = format!("{}/realms/{REALM}/protocol/openid-connect/token", self.url);
        let fields = form(&[("grant_type", "client_credentials")]);
        let asked = reqwest::Client::new().post(at).basic_auth(client, Some(secret));
        let asked = asked.header("content-type", "application/x-www-form-urlencoded").body(fields);
        text(&Reply::of(asked).await.ok(), "access_token")
    }
}

/// One request for a code at a provider with pages of its own.
pub struct Visit {
    pub url: String,
    pub client: String,
    pub redirect_uri: String,
    pub verifier: String,
}

impl Visit {
    pub fn new(server: &Server, client: &str, redirect_uri: &str, what: &str) -> Self {
        let like = crate::support::pages::CodeRequest::new(&server.url, what);
        let (before, query) = like.url.split_once('?').unwrap();
        let url = format!(
            "{before}?{}",
            query
                .split('&')
                .map(|pair| match pair.split_once('=') {
                    Some(("client_id", _)) => form(&[("client_id", client)]),
                    Some(("redirect_uri", _)) => form(&[("redirect_uri", redirect_uri)]),
                    Some(("scope", _)) => form(&[("scope", "openid profile email")]),
                    _ => pair.to_owned(),
                })
                .collect::<Vec<_>>()
                .join("&")
        );
        Self { url, client: client.into(), redirect_uri: redirect_uri.into(), verifier: like.verifier }
    }

    /// Fills in the pages as a person does; `None` where they are shown the form again. Who is asked for another
    /// password than the one-time one gives `lasting`.
    pub async fn code(&self, user: &str, password: &str, lasting: &str) -> Option<String> {
        let mut browser = Browser::new();
        let mut page = self.followed(&mut browser, &self.url).await;
        for fields in [
            [("username", user), ("password", password)],
            [("password-new", lasting), ("password-confirm", lasting)],
        ] {
            if page.sent("code").is_some() {
                break;
            }
            assert_eq!(page.status, StatusCode::OK, "{}", page.body);
            if !page.body.contains(&format!("name=\"{}\"", fields[0].0)) {
                return None;
            }
            let (action, mut given) = form_of(&page, &self.url);
            given.retain(|(name, _)| fields.iter().all(|(own, _)| own != name));
            given.extend(fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
            let given: Vec<(&str, &str)> = given.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let sent = browser.post(&action, &given).await;
            page = self.follow(&mut browser, sent, &action).await;
        }
        page.sent("code")
    }

    async fn followed(&self, browser: &mut Browser, url: &str) -> Page {
        let page = browser.get(url).await;
        self.follow(browser, page, url).await
    }

    /// Follows redirects up to the return address.
    async fn follow(&self, browser: &mut Browser, mut page: Page, from: &str) -> Page {
        let mut at = reqwest::Url::parse(from).unwrap();
        for _ in 0..10 {
            match &page.location {
                Some(to) if !to.starts_with(&self.redirect_uri) => {
                    at = at.join(to).unwrap();
                    page = browser.get(at.as_str()).await;
                }
                _ => return page,
            }
        }
        panic!("too many redirects from {from}");
    }
}

/// Where the page's form goes and its hidden fields.
fn form_of(page: &Page, base: &str) -> (String, Vec<(String, String)>) {
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!("{name}=\""))?;
        rest.split('"').next().map(|value| value.replace("&amp;", "&"))
    };
    let (_, rest) = page.body.split_once("<form").unwrap_or_else(|| panic!("no form in {}", page.body));
    let (head, rest) = rest.split_once('>').unwrap();
    let body = rest.split("</form>").next().unwrap();
    let action = attribute(head, "action").unwrap_or_default();
    let hidden = body.split("<input").skip(1).filter_map(|tag| {
        let tag = tag.split('>').next()?;
        (attribute(tag, "type")? == "hidden").then_some(())?;
        Some((attribute(tag, " name")?, attribute(tag, "value").unwrap_or_default()))
    });
    let action = reqwest::Url::parse(base).unwrap().join(&action).unwrap();
    (action.into(), hidden.collect())
}
