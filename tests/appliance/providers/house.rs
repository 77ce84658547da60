//! An installation at one of the providers.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::provider::{CALLBACK, CLIENT, Provider, REALM, SECRET, Visit};
use super::relay::Relay;
use crate::support::client::Reply;
use crate::support::node::{PASSWORD, text};
use crate::support::pages::{Browser, CodeRequest};
use crate::support::{Installation, Node, eventually};

/// An installation and its provider.
pub struct House {
    pub provider: Provider,
    pub installation: Installation,
    /// The line to a provider that is not our own.
    pub relay: Option<Relay>,
}

/// Tokens as the token endpoint answers them.
pub struct SignedIn {
    pub access: String,
    pub refresh: String,
}

impl SignedIn {
    pub fn of(answer: &Value) -> Self {
        assert!(answer["expires_in"].as_u64().is_some_and(|seconds| seconds > 0), "{answer}");
        Self { access: text(answer, "access_token"), refresh: text(answer, "refresh_token") }
    }
}

/// A code and what it was asked for with.
pub struct Code {
    pub code: String,
    pub redirect_uri: String,
    pub verifier: String,
}

/// A user name that no earlier run has left at the provider.
pub fn fresh(name: &str) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("{name}-{}", &id[..10])
}

impl House {
    /// An empty installation.
    pub async fn of(provider: &Provider) -> Self {
        Self::with(provider, |_| {}).await
    }

    /// An empty installation whose section `Keycloak` is changed.
    pub async fn with(provider: &Provider, change: impl FnOnce(&mut Value)) -> Self {
        let installation = Installation::empty();
        let mut relay = None;
        if let Provider::Outside(server) = provider {
            let line = Relay::to(&server.url).await;
            let mut section = json!({
                "Client": CLIENT, "Realm": REALM, "URL": format!("{}/", server.url), "BackendURL": line.url,
                "RedirectURLs": [CALLBACK, CALLBACK.replace("callback", "discover/callback")],
                "ClientSecret": SECRET,
            });
            change(&mut section);
            installation.configure(json!({"Keycloak": section}));
            relay = Some(line);
        }
        Self { provider: provider.clone(), installation, relay }
    }

    /// Changes the section `Keycloak` of the configuration.
    pub fn reconfigure(&self, change: impl FnOnce(&mut Value)) {
        self.reconfigure_all(|config| change(&mut config["Keycloak"]));
    }

    /// Changes the whole configuration.
    pub fn reconfigure_all(&self, change: impl FnOnce(&mut Value)) {
        let file = self.installation.data().parent().unwrap().join("config.json");
        let mut config: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        change(&mut config);
        self.installation.configure(config);
    }

    pub fn relay(&self) -> &Relay {
        self.relay.as_ref().unwrap()
    }

    /// An account with a role whose password is [`PASSWORD`]; answers its user name.
    pub async fn account(&self, role: &str, name: &str) -> String {
        let name = fresh(name);
        let Provider::Outside(server) = &self.provider else {
            self.installation.add_user(role, &name);
            return name;
        };
        let email = format!("{name}@example.org");
        let args = [
            "user",
            "add",
            "--json",
            "--role",
            role,
            "--email",
            &email,
            "--username",
            &name,
            "--first-name",
            "Ada",
            "--last-name",
            "Example",
            "--affiliation",
            "Registry",
        ];
        let made: Value = serde_json::from_str(&self.tool(&args, "").await).unwrap();
        let once = text(&made, "oneTimePassword");
        let visit = Visit::new(server, CLIENT, CALLBACK, "the first visit, to choose a password");
        assert!(
            visit.code(&name, &once, PASSWORD).await.is_some(),
            "{name} cannot use the one-time password"
        );
        name
    }

    /// Runs the operator's tool beside the relay, which lives in this process.
    pub async fn tool(&self, args: &[&str], input: &str) -> String {
        tokio::task::block_in_place(|| self.installation.tool(args, input))
    }

    pub async fn serve(&self) -> Node {
        self.installation.serve().start().await
    }

    /// A fresh code for somebody; `None` if the password is refused.
    pub async fn code(&self, name: &str, password: &str) -> Option<Code> {
        self.code_to(name, password, "callback.html").await
    }

    /// The same for another page of the front ends.
    pub async fn code_to(&self, name: &str, password: &str, page: &str) -> Option<Code> {
        let what = format!("{name} {page}");
        match &self.provider {
            Provider::BuiltIn => {
                let mut asked = CodeRequest::new(&self.installation.base(), &what);
                let redirect_uri = asked.redirect_uri.replace("callback.html", page);
                asked.url = asked.url.replace("callback.html", &page.replace('/', "%2F"));
                let shown = asked.fill_in(&mut Browser::new(), name, password).await;
                let code = shown.sent("code")?;
                Some(Code { code, redirect_uri, verifier: asked.verifier })
            }
            Provider::Outside(server) => {
                let redirect_uri = CALLBACK.replace("callback.html", page);
                let visit = Visit::new(server, CLIENT, &redirect_uri, &what);
                let code = visit.code(name, password, PASSWORD).await?;
                Some(Code { code, redirect_uri, verifier: visit.verifier })
            }
        }
    }

    /// Where the front ends are, without a slash at the end.
    pub fn front_end(&self) -> String {
        match &self.provider {
            Provider::BuiltIn => self.installation.base(),
            Provider::Outside(_) => CALLBACK.trim_end_matches("/callback.html").to_owned(),
        }
    }

    /// Exchanges a code, as front ends of today do.
    pub async fn redeem(&self, code: &Code) -> Reply {
        let body = json!({
            "grant_type": "authorization_code", "code": code.code,
            "redirect_uri": code.redirect_uri, "code_verifier": code.verifier,
        });
        self.post("/api/auth/token", &body).await
    }

    pub async fn refresh(&self, token: &str) -> Reply {
        self.post("/api/auth/token", &json!({"grant_type": "refresh_token", "refresh_token": token})).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        let http = reqwest::Client::new();
        Reply::of(http.post(format!("{}{path}", self.installation.base())).json(body)).await
    }

    /// Signs in.
    pub async fn sign_in(&self, name: &str) -> SignedIn {
        let code = self.code(name, PASSWORD).await.unwrap_or_else(|| panic!("{name} gets no code"));
        SignedIn::of(&self.redeem(&code).await.ok())
    }

    /// A request with a token.
    pub async fn ask(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Reply {
        let http = reqwest::Client::new();
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = http.request(method, format!("{}{path}", self.installation.base())).bearer_auth(token);
        let request = request.header("accept", "application/json");
        match body {
            Some(body) => Reply::of(request.json(body)).await,
            None => Reply::of(request).await,
        }
    }

    /// The caller's own account.
    pub async fn who(&self, token: &str) -> Reply {
        self.ask("GET", "/api/auth/user-info", token, None).await
    }

    /// Waits until the caller's own account is answered with this status.
    pub async fn becomes(&self, token: &str, status: StatusCode) {
        eventually(&format!("status {status}"), || async {
            (self.who(token).await.status == status).then_some(())
        })
        .await;
    }
}
