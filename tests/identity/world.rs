//! An issuer with one account, and a browser that keeps cookies.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use cv3_backend::domain::clock::{FixedClock, SystemRandom};
use cv3_backend::domain::ids::UserId;
use cv3_backend::domain::users::Profile;
use cv3_backend::http::shared::issuer::routes;
use cv3_backend::identity::NewAccount;
use cv3_backend::identity::builtin::{Issuer, IssuerSettings};
use poem::endpoint::BoxEndpoint;
use poem::http::{Method, StatusCode};
use poem::{Endpoint, Request, Response};
use serde_json::Value;

use crate::fakes::{FakeSecrets, FakeStore};

pub const BASE: &str = "http://127.0.0.1:5080";
pub const CALLBACK: &str = "https://fe.example.org/discover/callback.html";
pub const PASSWORD: &str = "correct horse battery";
// RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub const OIDC: &str = "/realms/cafe_variome/protocol/openid-connect";

pub struct World {
    pub issuer: Issuer,
    pub store: Arc<FakeStore>,
    pub secrets: Arc<FakeSecrets>,
    pub clock: Arc<FixedClock>,
    pub alice: UserId,
    route: BoxEndpoint<'static>,
    jar: Mutex<BTreeMap<String, String>>,
}

/// Stands for the front door: the address the test says it comes from.
fn claimed_address(request: &Request) -> Option<IpAddr> {
    request.header("x-test-address")?.parse().ok()
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub head: Response,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    pub fn text(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.body)).to_owned()
    }

    pub fn location(&self) -> &str {
        self.head.header("location").unwrap_or_else(|| panic!("no redirect: {} {}", self.status, self.body))
    }

    /// A parameter of the address the browser is sent to.
    pub fn sent(&self, name: &str) -> Option<String> {
        let (_, query) = self.location().split_once(['?', '#'])?;
        let mut pairs = query.split(['&', '#']).filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    }

    /// The value of a hidden field.
    pub fn hidden(&self, name: &str) -> String {
        let (_, rest) =
            self.body.split_once(&format!("name=\"{name}\" value=\"")).expect("the field is there");
        rest.split('"').next().unwrap().to_owned()
    }
}

/// Percent-encodes a form.
pub fn form(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    fields.iter().map(|(k, v)| format!("{k}={}", encode(v))).collect::<Vec<_>>().join("&")
}

/// The claims of a token, unchecked.
pub fn claims(token: &str) -> Value {
    let body = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&body).unwrap()
}

impl World {
    pub async fn new() -> Self {
        Self::at(BASE).await
    }

    pub async fn at(base: &str) -> Self {
        let store = Arc::new(FakeStore::default());
        let secrets = Arc::new(FakeSecrets::default());
        let clock = Arc::new(FixedClock::at(DateTime::from_timestamp(1_700_000_000, 0).unwrap()));
        let settings = IssuerSettings {
            base_url: base.to_owned(),
            redirect_urls: vec![CALLBACK.to_owned()],
            ..IssuerSettings::default()
        };
        let issuer =
            Issuer::new(store.clone(), secrets.clone(), clock.clone(), Arc::new(SystemRandom), settings);
        let profile = Profile {
            username: "Alice".into(),
            email: "Alice@example.org".into(),
            first_name: "Alice".into(),
            last_name: "Example".into(),
            affiliation: "Registry".into(),
        };
        let alice = issuer.create_account(NewAccount { profile }, Some(PASSWORD)).await.unwrap();
        let route = routes(issuer.clone(), Arc::new(SystemRandom), claimed_address);
        Self { issuer, store, secrets, clock, alice, route, jar: Mutex::default() }
    }

    pub fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A browser without cookies.
    pub fn forget_cookies(&self) {
        self.jar.lock().unwrap().clear();
    }

    pub fn cookies(&self) -> BTreeMap<String, String> {
        self.jar.lock().unwrap().clone()
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let jar = self.cookies().into_iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("; ");
        let mut request = Request::builder().method(method).uri(path.parse().unwrap()).header("cookie", jar);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match body {
            Some(body) => request.content_type("application/x-www-form-urlencoded").body(body),
            None => request.finish(),
        };
        let mut head = self.route.get_response(request).await;
        let body = head.take_body().into_string().await.unwrap();
        for cookie in head.headers().get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            let mut jar = self.jar.lock().unwrap();
            if value.is_empty() {
                jar.remove(name)
            } else {
                jar.insert(name.to_owned(), value.to_owned())
            };
        }
        Answer { status: head.status(), head, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, path, &[], Some(form(fields))).await
    }

    /// The address of an authorisation request of the front end, with changes: an empty value takes a parameter out.
    pub fn auth(&self, changes: &[(&str, &str)]) -> String {
        let mut parameters = BTreeMap::from([
            ("client_id", "cafevariome"),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid"),
            ("state", "st4te"),
            ("nonce", "n0nce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        parameters.extend(changes.iter().copied());
        let given: Vec<_> = parameters.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        format!("{OIDC}/auth?{}", form(&given))
    }

    /// Fills in the sign-in page behind an address, if one is shown.
    pub async fn fill_in(&self, address: &str, login: &str, password: &str) -> Answer {
        let page = self.get(address).await;
        if page.status == StatusCode::SEE_OTHER {
            return page;
        }
        let csrf = page.hidden("csrf");
        self.post(address, &[("csrf", &csrf), ("login", login), ("password", password)]).await
    }

    /// Signs Alice in and answers the code.
    pub async fn code(&self, changes: &[(&str, &str)]) -> String {
        let answer = self.fill_in(&self.auth(changes), "alice", PASSWORD).await;
        answer.sent("code").unwrap_or_else(|| panic!("no code: {}", answer.location()))
    }

    /// What the token endpoint answers to a code.
    pub async fn redeem(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        let mut fields = BTreeMap::from([
            ("grant_type", "authorization_code"),
            ("client_id", "cafevariome"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ]);
        fields.extend(changes.iter().copied());
        let given: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        self.post(&format!("{OIDC}/token"), &given).await
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        let fields =
            [("grant_type", "refresh_token"), ("client_id", "cafevariome"), ("refresh_token", token)];
        self.post(&format!("{OIDC}/token"), &fields).await
    }

    /// Signs Alice in, all the way to tokens.
    pub async fn tokens(&self) -> Answer {
        let code = self.code(&[]).await;
        let answer = self.redeem(&code, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer
    }
}
