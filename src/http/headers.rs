//! Headers that keep browsers from doing with an answer what it is not for; each answer may say otherwise itself.

use std::net::IpAddr;

use poem::Request;
use poem::http::{HeaderMap, HeaderName, HeaderValue, header, uri::Scheme};

use crate::http::front::Trusted;

/// What a data answer may do as a page: nothing.
const DATA: &str = "default-src 'none'; frame-ancestors 'none'";

/// How browsers are told to use TLS only (RFC 6797).
#[derive(Debug, Clone, Default)]
pub struct Transport {
    told: Option<HeaderValue>,
    /// The public address is one with TLS; where it is not ours, a proxy has it.
    public: bool,
}

impl Transport {
    /// Takes for how long (0 = not at all), and whether the public address begins with `https`.
    pub fn new(seconds: u64, public: bool) -> Self {
        let told = (seconds > 0).then(|| HeaderValue::from_str(&format!("max-age={seconds}")).ok()).flatten();
        Self { told, public }
    }

    /// What to tell the caller: something only where the request came by TLS, to us or to a trusted proxy.
    fn told(&self, came: &Came<'_>, trusted: &Trusted) -> Option<HeaderValue> {
        let told = self.told.clone()?;
        // A proxy that also forwards plain HTTP says so.
        let plain = came.forwarded.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("https"));
        let by_proxy = self.public && !plain && came.peer.is_some_and(|peer| trusted(peer));
        (came.encrypted || by_proxy).then_some(told)
    }

    /// What answers to this request bear.
    pub fn of(&self, request: &Request, trusted: &Trusted) -> Protection {
        let came = Came {
            encrypted: *request.scheme() == Scheme::HTTPS,
            peer: request.remote_addr().as_socket_addr().map(std::net::SocketAddr::ip),
            forwarded: request.header("x-forwarded-proto"),
        };
        Protection(self.told(&came, trusted))
    }
}

/// How a request came here.
struct Came<'a> {
    encrypted: bool,
    peer: Option<IpAddr>,
    /// What a proxy says of the caller's way to it.
    forwarded: Option<&'a str>,
}

/// The headers of one answer.
#[derive(Debug)]
pub struct Protection(Option<HeaderValue>);

impl Protection {
    /// Puts on what the answer does not say itself.
    pub fn put(self, headers: &mut HeaderMap) {
        let fixed = [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::CONTENT_SECURITY_POLICY, DATA),
            // Not `no-referrer`: browsers would then post forms with `Origin: null`.
            (header::REFERRER_POLICY, "same-origin"),
            (header::CACHE_CONTROL, "no-store"),
            (HeaderName::from_static("x-permitted-cross-domain-policies"), "none"),
        ];
        for (name, value) in fixed {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        if let Some(told) = self.0 {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[rstest::rstest]
    #[case(365, true, true, "10.0.0.1", None, true)]
    #[case(365, false, true, "192.0.2.1", None, true)]
    // Plain HTTP: only from a trusted proxy that has TLS at the public address.
    #[case(365, true, false, "10.0.0.1", None, true)]
    #[case(365, true, false, "10.0.0.1", Some("https"), true)]
    #[case(365, true, false, "10.0.0.1", Some("http"), false)]
    #[case(365, true, false, "192.0.2.1", Some("https"), false)]
    #[case(365, false, false, "10.0.0.1", Some("https"), false)]
    #[case(0, true, true, "10.0.0.1", None, false)]
    fn tls_only_is_said_over_tls_only(
        #[case] days: u64,
        #[case] public: bool,
        #[case] encrypted: bool,
        #[case] peer: &str,
        #[case] forwarded: Option<&str>,
        #[case] expected: bool,
    ) {
        let trusted: Trusted = Arc::new(|ip| ip.to_string().starts_with("10."));
        let came = Came { encrypted, peer: peer.parse().ok(), forwarded };
        let mut headers = HeaderMap::new();
        Protection(Transport::new(days * 86_400, public).told(&came, &trusted)).put(&mut headers);
        let told = headers.get("strict-transport-security").map(|value| value.to_str().unwrap());
        assert_eq!(told, expected.then_some("max-age=31536000"));
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }

    #[test]
    fn what_an_answer_says_itself_stays() {
        let mut headers = HeaderMap::new();
        headers.insert("content-security-policy", HeaderValue::from_static("default-src 'self'"));
        headers.insert("cache-control", HeaderValue::from_static("no-cache"));
        Protection(None).put(&mut headers);
        assert_eq!(headers["content-security-policy"], "default-src 'self'");
        assert_eq!(headers["cache-control"], "no-cache");
        assert_eq!(headers["x-frame-options"], "DENY");
    }
}
