//! Addresses of other servers, which may carry credentials and then never show them.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::{is_loopback_host, secret::REDACTED};

/// Replaces what may be a credential in an address by a mark: everything before the last `@`, and a query
/// that speaks of passwords or keys.
///
/// The last `@` anywhere, not only in front of the path: people write passwords with `/` in them unescaped.
pub fn redact_credentials(text: &str) -> String {
    let (scheme, rest) = match text.find("://") {
        Some(at) => text.split_at_checked(at + 3).unwrap_or((text, "")),
        None => ("", text),
    };
    let rest = match rest.rsplit_once('@') {
        Some((_, host)) => format!("{REDACTED}@{host}"),
        None => rest.to_owned(),
    };
    let telling = |query: &str| {
        let query = query.to_ascii_lowercase();
        ["pass", "pwd", "secret", "token", "key"].iter().any(|word| query.contains(word))
    };
    match rest.split_once('?') {
        Some((address, query)) if telling(query) => format!("{scheme}{address}?{REDACTED}"),
        _ => format!("{scheme}{rest}"),
    }
}

macro_rules! address_text {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", redact_credentials(&self.0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&redact_credentials(&self.0))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&redact_credentials(&self.0))
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

/// A web address (`http://`, `https://`), possibly with a path; empty means that none is given.
///
/// Kept as written: the published samples have it with and without a closing slash (spec §15 row 2), so join
/// with [`WebUrl::join`] only.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WebUrl(String);

address_text!(WebUrl);

impl TryFrom<String> for WebUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let url = Self(text.trim().to_owned());
        let readable = !url.0.contains(|c: char| c.is_whitespace() || c.is_control());
        // The mark is what `config show` writes: an address with it was copied from there.
        let copied = url.0.contains(REDACTED);
        let whole = url.scheme().is_some() && !url.host().is_empty();
        if url.0.is_empty() || (readable && whole && !copied) {
            Ok(url)
        } else {
            Err("expected a web address")
        }
    }
}

impl WebUrl {
    /// Tells whether no address is given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives the text as written, credentials included.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Gives the address without a closing slash, credentials included.
    pub fn base(&self) -> &str {
        self.0.trim_end_matches('/')
    }

    /// Puts a path behind the address with exactly one slash between them.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{}", self.base(), path.trim_start_matches('/'))
    }

    /// Tells whether the address is of the encrypted kind.
    pub fn is_https(&self) -> bool {
        self.scheme() == Some("https")
    }

    /// Gives the host without port; IPv6 keeps its brackets.
    pub fn host(&self) -> &str {
        let authority = self.authority();
        match authority.find(']') {
            Some(end) => authority.get(..=end).unwrap_or(authority),
            None => authority.split(':').next().unwrap_or(authority),
        }
    }

    /// Gives scheme, host and port, without credentials and path; empty where none is given.
    pub fn origin(&self) -> String {
        self.scheme().map_or_else(String::new, |scheme| format!("{scheme}://{}", self.authority()))
    }

    /// Tells whether the address is of this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(self.host())
    }

    /// Tells whether something stands behind the path (`?…`, `#…`), which a base address cannot have.
    pub fn has_query(&self) -> bool {
        self.0.contains(['?', '#'])
    }

    fn scheme(&self) -> Option<&'static str> {
        let (scheme, _) = self.0.split_once("://")?;
        ["http", "https"].into_iter().find(|known| known.eq_ignore_ascii_case(scheme))
    }

    fn authority(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    }
}

/// A host, several separated by commas, or a whole connection address (`mongodb://…`, `postgres://…`).
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ServerName(String);

address_text!(ServerName);

impl TryFrom<String> for ServerName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.contains(REDACTED) { Err("expected a host") } else { Ok(Self(text.trim().to_owned())) }
    }
}

impl ServerName {
    /// Gives the text as written, credentials included.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Tells whether this is a connection address and not only hosts.
    pub fn is_uri(&self) -> bool {
        self.0.contains("://")
    }

    /// Tells whether a connection address carries a user.
    pub fn has_credentials(&self) -> bool {
        redact_credentials(&self.0) != self.0
    }

    /// Gives the hosts of a list, ports included where written; none for a connection address.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        let list = if self.is_uri() { "" } else { self.0.as_str() };
        list.split(',').map(str::trim).filter(|host| !host.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://localhost:8080", "realms/x", "http://localhost:8080/realms/x")]
    #[case("http://localhost:8080/", "/realms/x", "http://localhost:8080/realms/x")]
    #[case("https://id.example.org/auth/", "realms/x", "https://id.example.org/auth/realms/x")]
    fn addresses_join_with_one_slash(#[case] base: &str, #[case] path: &str, #[case] joined: &str) {
        assert_eq!(WebUrl::from(base).join(path), joined);
    }

    #[rstest]
    #[case("http://localhost:8080", "localhost")]
    #[case("https://u:p@id.example.org:8443/auth?x", "id.example.org")]
    #[case("http://[::1]:8200/", "[::1]")]
    fn the_host_is_found(#[case] url: &str, #[case] host: &str) {
        assert_eq!(WebUrl::from(url).host(), host);
    }

    #[rstest]
    #[case("localhost:8080")]
    #[case("ftp://localhost")]
    #[case("http://")]
    #[case("http:///path")]
    #[case("http://a b/")]
    #[case("https://[redacted]@vault:8200")]
    fn what_is_no_web_address_is_refused(#[case] text: &str) {
        assert!(WebUrl::try_from(text.to_owned()).is_err());
    }

    #[rstest]
    #[case("https://u:hunter2@vault:8200/x", "https://[redacted]@vault:8200/x")]
    #[case("mongodb://u:p@a,b/db?x=y", "mongodb://[redacted]@a,b/db?x=y")]
    #[case("mongodb://u:hunter2/x@a,b/db", "mongodb://[redacted]@a,b/db")]
    #[case("postgres://a/db?password=hunter2", "postgres://a/db?[redacted]")]
    #[case("u:hunter2@a", "[redacted]@a")]
    #[case("https://vault:8200/a", "https://vault:8200/a")]
    #[case("a,b", "a,b")]
    fn credentials_do_not_show(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(ServerName::from(text).to_string(), shown);
        assert_eq!(serde_json::to_value(WebUrl::from(text)).unwrap(), shown);
        assert!(!format!("{:?}", WebUrl::from(text)).contains("hunter2"));
    }

    #[test]
    fn a_list_of_hosts_is_split() {
        assert_eq!(ServerName::from("a, b:27018,").hosts().collect::<Vec<_>>(), ["a", "b:27018"]);
        assert_eq!(ServerName::from("mongodb://a,b").hosts().count(), 0);
    }
}
