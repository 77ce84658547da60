//! A signed-in caller of both APIs; its token is renewed before it ends.

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::node::{PASSWORD, text};
use super::pages::{Browser, CodeRequest};

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub body: String,
}

impl Reply {
    /// Reads an answer to its end.
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self { status: response.status(), body: response.text().await.unwrap() }
    }

    /// The same where the process may end meanwhile.
    pub async fn maybe(request: RequestBuilder) -> Option<Self> {
        let response = request.send().await.ok()?;
        Some(Self { status: response.status(), body: response.text().await.ok()? })
    }

    /// The body of a success; panics with what was refused.
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "answered {}: {}", self.status, self.body);
        self.json()
    }

    /// The body, whatever the status; a text stands as it is.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| Value::String(self.body.clone()))
    }
}

struct Tokens {
    access: String,
    refresh: String,
    until: Instant,
}

impl Tokens {
    fn of(answer: &Value) -> Self {
        let seconds = answer["expires_in"].as_u64().unwrap();
        Self {
            access: text(answer, "access_token"),
            refresh: text(answer, "refresh_token"),
            until: Instant::now() + Duration::from_secs(seconds),
        }
    }
}

/// One account, signed in.
pub struct Client {
    pub http: reqwest::Client,
    api: String,
    query: String,
    pub user_id: String,
    tokens: Mutex<Tokens>,
}

impl Client {
    /// Signs in through the pages of `issuer`; `api` and `query` are the bases of the two APIs.
    pub async fn sign_in(issuer: &str, api: String, query: String, user: &str) -> Self {
        let http = reqwest::Client::builder().timeout(super::PATIENCE).build().unwrap();
        let asked = CodeRequest::new(issuer, &format!("{user} at {issuer}"));
        let code = asked.code(&mut Browser::new(), user, PASSWORD).await;
        let body = json!({
            "grant_type": "authorization_code", "code": code,
            "redirect_uri": asked.redirect_uri, "code_verifier": asked.verifier,
        });
        let answer = Reply::of(http.post(format!("{api}/auth/token")).json(&body)).await.ok();
        Self::of(api, query, &answer).await
    }

    /// Whom the token endpoint has answered so.
    pub async fn of(api: String, query: String, answer: &Value) -> Self {
        let http = reqwest::Client::builder().timeout(super::PATIENCE).build().unwrap();
        let tokens = Mutex::new(Tokens::of(answer));
        let mut client = Self { http, api, query, user_id: String::new(), tokens };
        client.user_id = text(&client.get("/auth/user-info").await.ok(), "userId");
        client
    }

    /// The access token, fresh for at least a minute.
    pub async fn token(&self) -> String {
        let mut tokens = self.tokens.lock().await;
        if tokens.until < Instant::now() + Duration::from_secs(60) {
            let body = json!({"grant_type": "refresh_token", "refresh_token": tokens.refresh});
            // A process that is down just now is asked again by the next call.
            if let Some(reply) =
                Reply::maybe(self.http.post(format!("{}/auth/token", self.api)).json(&body)).await
            {
                *tokens = Tokens::of(&reply.ok());
            }
        }
        tokens.access.clone()
    }

    /// A request of the admin API, signed in and preferring JSON.
    pub async fn api(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, &self.api, path).await
    }

    /// A request of the query API, signed in and preferring JSON.
    pub async fn query(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, &self.query, path).await
    }

    async fn request(&self, method: Method, base: &str, path: &str) -> RequestBuilder {
        let token = self.token().await;
        self.http
            .request(method, format!("{base}{path}"))
            .bearer_auth(token)
            .header(header::ACCEPT, "application/json")
    }

    /// `GET` of the admin API.
    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(self.api(Method::GET, path).await).await
    }

    /// `POST` of the admin API.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        Reply::of(self.api(Method::POST, path).await.json(body)).await
    }
}
