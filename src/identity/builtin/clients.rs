//! Which clients may ask for codes, where their answers may go, and which origins may call with CORS.

/// The command line client: public, always with PKCE, answered on a loopback address.
pub const CLI_CLIENT: &str = "cv3-cli";

/// Path the command line client listens on while it waits for its code.
pub const CLI_CALLBACK: &str = "/callback";

/// Addresses that redirects may go to, compared exactly (RFC 9700 §4.1.3).
#[derive(Debug, Clone)]
pub struct Clients {
    client_id: String,
    redirect_urls: Vec<String>,
    origins: Vec<String>,
}

impl Clients {
    /// Takes the configured client and its redirect addresses; what is not an absolute http(s) address without
    /// a fragment is passed over with a warning, as it could never be matched safely.
    pub fn new(client_id: &str, redirect_urls: &[String]) -> Self {
        let (mut kept, mut origins) = (Vec::new(), Vec::new());
        for url in redirect_urls {
            match origin_of(url) {
                Some(origin) if !url.contains('#') => {
                    kept.push(url.clone());
                    if !origins.contains(&origin) {
                        origins.push(origin);
                    }
                }
                _ => {
                    tracing::warn!(%url, "redirect address is not usable: give an absolute http or https address")
                }
            }
        }
        Self { client_id: client_id.to_owned(), redirect_urls: kept, origins }
    }

    /// Whether a client of this name is served.
    pub fn knows(&self, client: &str) -> bool {
        client == self.client_id || client == CLI_CLIENT
    }

    /// Whether the client may be answered at this address.
    pub fn may_redirect(&self, client: &str, url: &str) -> bool {
        (client == self.client_id && self.redirect_urls.iter().any(|known| known == url))
            || (client == CLI_CLIENT && is_cli_loopback(url))
    }

    /// Whether a browser may be sent there after signing out: any page of a front end's origin.
    pub fn may_return(&self, url: &str) -> bool {
        origin_of(url).is_some_and(|origin| self.origins.contains(&origin))
    }

    /// Whether pages of this origin may read the answers of the token, userinfo and key endpoints.
    pub fn may_call(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| known == origin)
    }
}

/// RFC 8252 §7.3: a loopback literal with any port; never `localhost`, which may resolve elsewhere (§8.3).
fn is_cli_loopback(url: &str) -> bool {
    let Some(rest) = ["http://127.0.0.1:", "http://[::1]:"].iter().find_map(|p| url.strip_prefix(p)) else {
        return false;
    };
    let Some(port) = rest.strip_suffix(CLI_CALLBACK) else { return false };
    let digits = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    digits && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Scheme and authority of an absolute http(s) address in lower case; `None` for anything a browser might read
/// differently (user information, backslashes, white space, control characters).
pub fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return None;
    }
    if url.chars().any(|c| c == '\\' || c.is_whitespace() || c.is_control()) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    (!authority.is_empty() && authority.bytes().all(plain))
        .then(|| format!("{scheme}://{}", without_default_port(&scheme, &authority.to_ascii_lowercase())))
}

/// Browsers leave the default port out of `Origin`.
fn without_default_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let port = if scheme == "https" { ":443" } else { ":80" };
    authority.strip_suffix(port).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> Clients {
        Clients::new("cafevariome", &["https://fe.example.org/discover/callback.html".to_owned()])
    }

    #[rstest::rstest]
    #[case("cafevariome", "https://fe.example.org/discover/callback.html", true)]
    #[case("cafevariome", "https://fe.example.org/discover/callback.html?x=1", false)]
    #[case("cafevariome", "https://fe.example.org/discover/callback.html/", false)]
    #[case("cafevariome", "https://fe.example.org.evil.org/discover/callback.html", false)]
    #[case("cafevariome", "http://127.0.0.1:9000/callback", false)]
    #[case("cv3-cli", "http://127.0.0.1:9000/callback", true)]
    #[case("cv3-cli", "http://[::1]:1/callback", true)]
    #[case("cv3-cli", "http://127.0.0.1:0/callback", false)]
    #[case("cv3-cli", "http://127.0.0.1:99999/callback", false)]
    #[case("cv3-cli", "http://127.0.0.1:+900/callback", false)]
    #[case("cv3-cli", "http://127.0.0.1:80@evil.org:1/callback", false)]
    #[case("cv3-cli", "http://localhost:9000/callback", false)]
    #[case("cv3-cli", "http://127.0.0.1:9000/other", false)]
    #[case("cv3-cli", "https://fe.example.org/discover/callback.html", false)]
    fn redirects_match_exactly(#[case] client: &str, #[case] url: &str, #[case] allowed: bool) {
        assert_eq!(clients().may_redirect(client, url), allowed);
    }

    #[rstest::rstest]
    #[case("https://fe.example.org/", true)]
    #[case("https://fe.example.org", true)]
    #[case("https://FE.example.org:443/x?y#z", true)]
    #[case("https://fe.example.org:444/", false)]
    #[case("http://fe.example.org/", false)]
    #[case("https://fe.example.org@evil.org/", false)]
    #[case("https://evil.org\\@fe.example.org/", false)]
    #[case("//fe.example.org/", false)]
    #[case("javascript://fe.example.org/%0aalert(1)", false)]
    fn sign_out_returns_only_to_a_front_end(#[case] url: &str, #[case] allowed: bool) {
        assert_eq!(clients().may_return(url), allowed);
    }

    #[test]
    fn redirects_that_are_not_web_addresses_are_never_allowed() {
        let odd = ["javascript:alert(1)", "https://fe.example.org/#x", "*", "/callback"].map(str::to_owned);
        let clients = Clients::new("c", &odd);
        assert!(odd.iter().all(|url| !clients.may_redirect("c", url)));
    }
}
