//! A browser without a screen: cookies, forms, and the ways through the sign-in pages.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode, header, redirect};
use sha2::{Digest, Sha256};

/// An answer, read to its end.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub location: Option<String>,
    pub body: String,
}

impl Page {
    /// The value of a hidden field.
    pub fn hidden(&self, name: &str) -> String {
        let mark = format!("name=\"{name}\" value=\"");
        let (_, rest) =
            self.body.split_once(&mark).unwrap_or_else(|| panic!("no field {name} in {}", self.body));
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    /// A parameter of the address the answer sends to.
    pub fn sent(&self, name: &str) -> Option<String> {
        let (_, query) = self.location.as_deref()?.split_once('?')?;
        let query = query.split('#').next()?;
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }
}

/// A person's browser; follows no redirects.
pub struct Browser {
    http: reqwest::Client,
    pub cookies: BTreeMap<String, String>,
}

impl Browser {
    pub fn new() -> Self {
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { http, cookies: BTreeMap::new() }
    }

    pub async fn get(&mut self, url: &str) -> Page {
        self.send(Method::GET, url, None).await
    }

    pub async fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Page {
        self.send(Method::POST, url, Some(form(fields))).await
    }

    async fn send(&mut self, method: Method, url: &str, body: Option<String>) -> Page {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = self.http.request(method, url);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        }
        let response = request.send().await.unwrap();
        for set in response.headers().get_all(header::SET_COOKIE) {
            let pair = set.to_str().unwrap().split(';').next().unwrap_or_default();
            match pair.split_once('=') {
                Some((name, "")) => drop(self.cookies.remove(name)),
                Some((name, value)) => drop(self.cookies.insert(name.into(), value.into())),
                None => {}
            }
        }
        let location =
            response.headers().get(header::LOCATION).map(|value| value.to_str().unwrap().to_owned());
        Page { status: response.status(), location, body: response.text().await.unwrap() }
    }
}

/// One request for a code with its proof key (RFC 7636).
pub struct CodeRequest {
    pub url: String,
    pub redirect_uri: String,
    pub verifier: String,
    pub state: String,
}

impl CodeRequest {
    /// `base` is the issuer's public address; the proof key is made of `what`.
    pub fn new(base: &str, what: &str) -> Self {
        let verifier = URL_SAFE_NO_PAD.encode(Sha256::digest(what));
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let redirect_uri = format!("{base}/callback.html");
        let state = format!("state-{}", &verifier[..8]);
        let query = form(&[
            ("client_id", "cafevariome"),
            ("response_type", "code"),
            ("scope", "openid"),
            ("redirect_uri", &redirect_uri),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("state", &state),
        ]);
        let url = format!("{base}/realms/cafe_variome/protocol/openid-connect/auth?{query}");
        Self { url, redirect_uri, verifier, state }
    }

    /// Opens the page and fills it in; answers what came back.
    pub async fn fill_in(&self, browser: &mut Browser, login: &str, password: &str) -> Page {
        let page = browser.get(&self.url).await;
        assert_eq!(page.status, StatusCode::OK, "the sign-in page: {}", page.body);
        let csrf = page.hidden("csrf");
        browser.post(&self.url, &[("csrf", &csrf), ("login", login), ("password", password)]).await
    }

    /// Signs in and answers the code.
    pub async fn code(&self, browser: &mut Browser, login: &str, password: &str) -> String {
        let page = self.fill_in(browser, login, password).await;
        assert_eq!(page.sent("state").as_ref(), Some(&self.state), "{} {}", page.status, page.body);
        page.sent("code").unwrap()
    }
}

/// `application/x-www-form-urlencoded`.
pub fn form(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(byte).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    fields
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect::<Vec<_>>()
        .join("&")
}
