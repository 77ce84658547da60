//! Cookies of the pages, and the guard that a form was sent by the page that shows it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem::Request;
use poem::http::header;
use subtle::ConstantTimeEq;

use super::form::Fields;
use crate::domain::clock::Random;

/// The form field that repeats the cookie.
pub const FIELD: &str = "csrf";

const CSRF_COOKIE: &str = "cv3-csrf";

/// Sets and reads cookies; checks posts by the double-submit pattern and, where the pages' origin is fixed, `Origin`.
#[derive(Debug, Clone)]
pub struct Guard {
    random: Arc<dyn Random>,
    /// Pages are served over TLS: cookies get `Secure` and the `__Host-` prefix, which other hosts cannot set.
    secure: bool,
    /// The only origin forms may come from; `None` where people may reach the page by a tunnel.
    origin: Option<String>,
}

impl Guard {
    /// Takes what makes tokens, whether pages are served over TLS and the pages' own origin.
    pub fn new(random: Arc<dyn Random>, secure: bool, origin: Option<String>) -> Self {
        Self { random, secure, origin }
    }

    fn full(&self, name: &str) -> String {
        if self.secure { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// The cookie's value, if the browser sent exactly one of that name.
    pub fn cookie<'r>(&self, request: &'r Request, name: &str) -> Option<&'r str> {
        let name = self.full(name);
        let headers = request.headers().get_all(header::COOKIE);
        let mut values = headers
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(known, _)| *known == name)
            .map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none())
    }

    /// A `Set-Cookie` value; `seconds` 0 removes the cookie. Not readable by scripts, not sent with cross-site posts.
    pub fn set_cookie(&self, name: &str, value: &str, seconds: i64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        let name = self.full(name);
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
    }

    /// The token for a form: the browser's own if it has one (several tabs), else a fresh one; and its cookie.
    pub fn token(&self, request: &Request) -> (String, String) {
        let kept = self.cookie(request, CSRF_COOKIE).filter(|value| is_token(value)).map(str::to_owned);
        let token = kept.unwrap_or_else(|| {
            let mut bytes = [0; 32];
            self.random.fill(&mut bytes);
            URL_SAFE_NO_PAD.encode(bytes)
        });
        let cookie = self.set_cookie(CSRF_COOKIE, &token, 60 * 60);
        (token, cookie)
    }

    /// Whether the form was posted from the page that was given to this browser.
    pub fn admits(&self, request: &Request, fields: &Fields) -> bool {
        let from_here = match (request.header(header::ORIGIN), &self.origin) {
            (Some(origin), Some(ours)) => origin == ours,
            _ => true,
        };
        let cookie = self.cookie(request, CSRF_COOKIE).filter(|value| is_token(value));
        let repeated = fields.text(FIELD);
        from_here && cookie.is_some_and(|cookie| cookie.as_bytes().ct_eq(repeated.as_bytes()).into())
    }
}

fn is_token(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    fn guard() -> Guard {
        Guard::new(Arc::new(SystemRandom), false, Some("http://127.0.0.1:5080".to_owned()))
    }

    fn post(cookie: &str, origin: Option<&str>) -> Request {
        let mut request = Request::builder().header("cookie", cookie);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request.finish()
    }

    #[test]
    fn only_a_form_with_the_browsers_token_from_our_origin_is_admitted() {
        let (token, cookie) = guard().token(&Request::default());
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let fields = |token: &str| Fields::parse(format!("csrf={token}").as_bytes()).unwrap();
        assert!(guard().admits(&post(&cookie, Some("http://127.0.0.1:5080")), &fields(&token)));
        assert!(guard().admits(&post(&cookie, None), &fields(&token)));
        assert!(!guard().admits(&post(&cookie, Some("https://evil.example.org")), &fields(&token)));
        assert!(!guard().admits(&post(&cookie, Some("null")), &fields(&token)));
        assert!(!guard().admits(&post(&cookie, None), &fields("")));
        assert!(!guard().admits(&post("cv3-csrf=", None), &fields("")));
        assert!(!guard().admits(&post("a=b", None), &fields(&token)));
        assert!(!guard().admits(&post(&format!("{cookie}; {cookie}"), None), &fields(&token)));
    }

    #[test]
    fn cookies_are_bound_to_the_host_over_tls() {
        let guard = Guard::new(Arc::new(SystemRandom), true, None);
        let cookie = guard.set_cookie("cv3-session", "v", 10);
        assert_eq!(cookie, "__Host-cv3-session=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=10; Secure");
        let request = post("cv3-session=v", None);
        assert_eq!(guard.cookie(&request, "cv3-session"), None);
    }
}
