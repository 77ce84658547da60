//! `Keycloak`: who people are, spec §3.1 and §5.

use super::{
    findings::Findings,
    tree::section,
    values::{Secret, Validation, WebUrl},
};

section! {
    /// Keycloak as the identity provider (spec §3.1). Another OpenID Connect provider: see `Appliance.Issuer`.
    pub struct Keycloak {
        /// Client id; also the start of the first administrator's user name.
        "Client" client: String = "test_client".to_owned(), restart;
        /// Realm.
        "Realm" realm: String = "cafe_variome".to_owned(), restart;
        /// Address that browsers use; with or without closing slash, with or without a path such as `/auth`.
        "URL" url: WebUrl = "http://localhost:8080".into(), restart;
        /// Address for calls from server to server; empty means `URL`. Tokens of either issuer are accepted.
        "BackendURL" backend_url: WebUrl = WebUrl::default(), restart;
        /// Addresses to which a sign-in may return; empty means the callback pages under the public address.
        "RedirectURLs" redirect_urls: Vec<WebUrl> = Vec::new(), restart;
        /// Secret of the client, needed for the first run only; afterwards it is kept with the other secrets.
        "ClientSecret" client_secret: Option<Secret<String>> = None, restart;
        /// How tokens are checked: `introspect` asks Keycloak, `local` checks the signature.
        "Validation" validation: Validation = Validation::Introspect, restart;
    }
}

/// Where the original's front ends are mounted, each with its two callback pages (spec §3.1, `RedirectURLs`).
const FRONT_ENDS: [&str; 3] = ["", "discover/", "meta-discover/"];

impl Keycloak {
    /// Gives the address for calls from server to server.
    pub fn backend(&self) -> &WebUrl {
        if self.backend_url.is_empty() { &self.url } else { &self.backend_url }
    }

    /// Gives the addresses to which a sign-in may return, for the given public address.
    pub fn redirects(&self, public: &WebUrl) -> Vec<String> {
        if !self.redirect_urls.is_empty() {
            return self.redirect_urls.iter().map(|url| url.expose().to_owned()).collect();
        }
        let pages = ["callback.html", "callback-silent.html"];
        let of = |front: &&str| pages.map(|page| public.join(&format!("{front}{page}")));
        FRONT_ENDS.iter().flat_map(of).collect()
    }

    pub(super) fn validate(&self, findings: &mut Findings) {
        findings.need("Keycloak.Client", !self.client.trim().is_empty(), "expected a client id");
        findings.need("Keycloak.Realm", !self.realm.trim().is_empty(), "expected a realm");
        findings.need("Keycloak.URL", !self.url.is_empty(), "expected the address of Keycloak");
        for (path, url) in [("Keycloak.URL", &self.url), ("Keycloak.BackendURL", &self.backend_url)] {
            findings.need(path, !url.has_query(), "expected an address without ? and #");
            if !url.is_empty() && !url.is_https() && !url.is_loopback() {
                findings.warn(path, "passwords and tokens travel unencrypted: use https");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_back_channel_means_the_front_one() {
        let keycloak = Keycloak { url: "https://id.example.org".into(), ..Keycloak::default() };
        assert_eq!(keycloak.backend(), &keycloak.url);
    }

    #[test]
    fn without_redirects_the_six_callback_pages_are_meant() {
        let pages = Keycloak::default().redirects(&"https://cv.example.org/".into());
        assert_eq!(pages.len(), 6);
        assert!(pages.contains(&"https://cv.example.org/callback.html".to_owned()));
        assert!(pages.contains(&"https://cv.example.org/meta-discover/callback-silent.html".to_owned()));
    }
}
