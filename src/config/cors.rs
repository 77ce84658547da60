//! `CORS`: which web pages may call, spec §3.1.

use super::{findings::Findings, tree::section};

/// The methods and headers that always pass, whatever the file lists (spec §3.1).
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const HEADERS: [&str; 3] = ["Content-Type", "Authorization", "Network-Id"];

section! {
    /// Which web pages may call the interfaces (spec §3.1).
    pub struct Cors {
        /// Origins that may call; `*` means every one. Also read as `AllowedOrigin`.
        "AllowOrigin" allow_origin: Vec<String> = vec!["*".to_owned()];
        /// Methods that may be used; the six of the original always pass.
        "AllowMethods" allow_methods: Vec<String> = METHODS.map(str::to_owned).to_vec();
        /// Request headers that may be sent; the three of the original always pass.
        "AllowHeaders" allow_headers: Vec<String> = HEADERS.map(str::to_owned).to_vec();
    }
}

/// Appends what is missing, compared without case.
fn union(given: &[String], always: &[&str]) -> Vec<String> {
    let mut all = given.to_vec();
    for name in always {
        if !all.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            all.push((*name).to_owned());
        }
    }
    all
}

impl Cors {
    /// Tells whether a page of this origin may call.
    pub fn allows(&self, origin: &str) -> bool {
        self.allow_origin.iter().any(|known| {
            let known = known.trim_end_matches('/');
            known == "*" || known.eq_ignore_ascii_case(origin)
        })
    }

    /// Gives the methods that pass, the six of the original included.
    pub fn methods(&self) -> Vec<String> {
        union(&self.allow_methods, &METHODS)
    }

    /// Gives the request headers that pass, the three of the original included.
    pub fn headers(&self) -> Vec<String> {
        union(&self.allow_headers, &HEADERS)
    }

    pub(super) fn validate(&self, given: bool, findings: &mut Findings) {
        let token = |name: &String| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(c))
        };
        let methods = self.allow_methods.iter().all(token);
        findings.need("CORS.AllowMethods", methods, "expected names of HTTP methods");
        let headers = self.allow_headers.iter().all(token);
        findings.need("CORS.AllowHeaders", headers, "expected names of HTTP headers");
        let origins = self.allow_origin.iter().all(|origin| {
            origin == "*" || (origin.contains("://") && origin.chars().all(|c| c.is_ascii_graphic()))
        });
        findings.need("CORS.AllowOrigin", origins, "expected origins such as https://cv.example.org, or *");
        if given && self.allow_origin.iter().any(|origin| origin == "*") {
            findings
                .warn("CORS.AllowOrigin", "every web page may call the interfaces: list your own origins");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_methods_and_headers_join_those_of_the_original() {
        let cors = Cors {
            allow_methods: vec!["get".into(), "HEAD".into()],
            allow_headers: vec!["X-Mine".into()],
            ..Cors::default()
        };
        assert_eq!(cors.methods(), ["get", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
        assert_eq!(cors.headers(), ["X-Mine", "Content-Type", "Authorization", "Network-Id"]);
    }

    #[test]
    fn only_listed_origins_may_call() {
        let cors = Cors { allow_origin: vec!["https://a.example/".into()], ..Cors::default() };
        assert!(cors.allows("https://a.example"));
        assert!(!cors.allows("https://b.example"));
        assert!(Cors::default().allows("https://b.example"));
    }
}
