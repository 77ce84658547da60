//! The authorisation request of the code flow (RFC 6749 §4.1, RFC 7636, OpenID Connect Core §3.1.2).

use super::clients::CLI_CLIENT;
use super::error::{Code, ProtocolError};
use super::grants::{Asked, Class, Grant, Kind};
use super::signin::Session;
use super::{CODE_SECONDS, Issuer};
use crate::identity::IdentityError;

/// Longest value that is given back or kept.
const MAX_VALUE: usize = 2_048;

const SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// Where the answer's parameters go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseMode {
    Query,
    Fragment,
}

/// What the request asks of the sign-in page (`prompt`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// A session suffices; without one the page is shown.
    IfNeeded,
    /// Never show a page (`none`).
    Never,
    /// Always ask for the password (`login`, `select_account`).
    Always,
}

/// The request's parameters by name; each at most once.
pub trait Parameters {
    fn get(&self, name: &str) -> Option<&str>;
}

/// Who asks and where the answer goes: checked before anything is redirected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    pub client_id: String,
    pub redirect_uri: String,
    state: Option<String>,
    mode: ResponseMode,
}

/// A request that may be answered with a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizeRequest {
    pub back: Return,
    pub prompt: Prompt,
    /// Seconds since the password was given that are still fine.
    max_age: Option<i64>,
    scope: String,
    nonce: Option<String>,
    challenge: Option<String>,
}

impl Return {
    /// The address that tells the client why there is no code.
    pub fn refusal(&self, issuer: &Issuer, code: Code, text: &str) -> String {
        self.address(issuer, &[("error", code.name()), ("error_description", text)])
    }

    fn address(&self, issuer: &Issuer, answer: &[(&str, &str)]) -> String {
        let iss = issuer.issuer_url();
        let mut pairs = answer.to_vec();
        if let Some(state) = &self.state {
            pairs.push(("state", state));
        }
        // RFC 9207: lets a client of several issuers tell whose answer this is.
        pairs.push(("iss", &iss));
        let query: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let separator = match self.mode {
            ResponseMode::Fragment => '#',
            ResponseMode::Query if self.redirect_uri.contains('?') => '&',
            ResponseMode::Query => '?',
        };
        format!("{}{separator}{}", self.redirect_uri, query.join("&"))
    }
}

/// Percent-encodes everything that is not unreserved (RFC 3986 §2.3).
fn encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Whether a text can be an S256 challenge: the 43 characters of a SHA-256 in URL-safe base64.
fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl Issuer {
    /// Checks who asks and where the answer goes. An error here is shown on a page and never redirected
    /// (RFC 6749 §4.1.2.1).
    pub fn return_of(&self, parameters: &dyn Parameters) -> Result<Return, ProtocolError> {
        let refused = |text: &str| ProtocolError::refused(Code::InvalidRequest, text);
        let client_id = parameters.get("client_id").unwrap_or_default();
        if !self.inner.clients.knows(client_id) {
            return Err(refused("the application is not known here (client_id)"));
        }
        let redirect_uri = parameters.get("redirect_uri").unwrap_or_default();
        if !self.inner.clients.may_redirect(client_id, redirect_uri) {
            let text = "the application's return address (redirect_uri) is not allowed; an administrator can add \
                        it to Keycloak.RedirectURLs, spelled exactly the same";
            return Err(refused(text));
        }
        let state = parameters.get("state").map(str::to_owned);
        if state.as_ref().is_some_and(|state| state.len() > MAX_VALUE) {
            return Err(refused("state is too long"));
        }
        let mode = match parameters.get("response_mode") {
            None | Some("query") => ResponseMode::Query,
            Some("fragment") => ResponseMode::Fragment,
            Some(_) => return Err(refused("response_mode must be query or fragment")),
        };
        Ok(Return { client_id: client_id.to_owned(), redirect_uri: redirect_uri.to_owned(), state, mode })
    }

    /// Checks the rest of the request; an error here goes back to the client.
    pub fn authorize_request(
        &self,
        back: Return,
        parameters: &dyn Parameters,
    ) -> Result<AuthorizeRequest, ProtocolError> {
        let refused = |text: &str| ProtocolError::refused(Code::InvalidRequest, text);
        if parameters.get("response_type") != Some("code") {
            let text = "only response_type=code is served";
            return Err(ProtocolError::refused(Code::UnsupportedResponseType, text));
        }
        if parameters.get("request").or(parameters.get("request_uri")).is_some() {
            return Err(refused("request objects are not served"));
        }
        let challenge = parameters.get("code_challenge");
        let s256 = parameters.get("code_challenge_method") == Some("S256");
        match challenge {
            Some(challenge) if !s256 || !is_challenge(challenge) => {
                return Err(refused("code_challenge must be an S256 challenge (code_challenge_method=S256)"));
            }
            // A loopback port is anyone's on that machine: without PKCE another process could use the code.
            None if back.client_id == CLI_CLIENT => return Err(refused("this application must use PKCE")),
            _ => {}
        }
        let nonce = parameters.get("nonce").map(str::to_owned);
        if nonce.as_ref().is_some_and(|nonce| nonce.len() > MAX_VALUE) {
            return Err(refused("nonce is too long"));
        }
        let mut prompt = Prompt::IfNeeded;
        for word in parameters.get("prompt").unwrap_or_default().split_ascii_whitespace() {
            prompt = match (word, prompt) {
                ("none", Prompt::IfNeeded) => Prompt::Never,
                ("login" | "select_account", Prompt::IfNeeded | Prompt::Always) => Prompt::Always,
                ("consent", Prompt::IfNeeded | Prompt::Always) => prompt,
                _ => return Err(refused("prompt must be none, login, consent or select_account")),
            };
        }
        let max_age = match parameters.get("max_age").map(str::parse::<u32>) {
            Some(Err(_)) => return Err(refused("max_age must be a number of seconds")),
            Some(Ok(seconds)) => Some(i64::from(seconds)),
            None => None,
        };
        let asked = parameters.get("scope").unwrap_or("openid profile email");
        let scope: Vec<_> =
            SCOPES.into_iter().filter(|known| asked.split_ascii_whitespace().any(|s| s == *known)).collect();
        let challenge = challenge.map(str::to_owned);
        Ok(AuthorizeRequest { back, prompt, max_age, scope: scope.join(" "), nonce, challenge })
    }

    /// Whether the session may answer the request without asking for the password.
    pub fn suffices(&self, request: &AuthorizeRequest, session: &Session) -> bool {
        let age = self.now().timestamp() - session.grant.authenticated_at;
        request.prompt != Prompt::Always && request.max_age.is_none_or(|most| age <= most)
    }

    /// Issues a code to the signed-in person; answers the address the browser goes to.
    pub async fn issue_code(
        &self,
        request: &AuthorizeRequest,
        session: &Session,
    ) -> Result<String, IdentityError> {
        let minted = self.mint(None);
        let valid_until = self.now().timestamp() + CODE_SECONDS;
        let grant = Grant {
            id: Class::Code.document(&minted.id),
            account_id: session.account.account_id.clone(),
            secret_hash: minted.secret_hash,
            // Kept as long as tokens made from it, so that a second use can end them.
            expires_at: session.grant.expires_at.max(valid_until),
            authenticated_at: session.grant.authenticated_at,
            session_id: session.grant.session_id.clone(),
            kind: Kind::Code {
                request: Asked {
                    client_id: request.back.client_id.clone(),
                    scope: request.scope.clone(),
                    nonce: request.nonce.clone(),
                },
                redirect_uri: request.back.redirect_uri.clone(),
                challenge: request.challenge.clone(),
                valid_until,
                used_for: None,
                replayed: false,
            },
        };
        self.grants().insert(&grant.id, &grant).await?;
        let answer = [("code", minted.bearer.as_str()), ("session_state", &session.grant.session_id)];
        Ok(request.back.address(self, &answer))
    }
}
