//! What a front end's page may do: load from here, call this installation and its issuer, be framed by itself only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::http::HeaderValue;
use sha2::{Digest, Sha256};

/// Makes the policy of each page.
#[derive(Debug, Clone)]
pub struct Policy {
    given: Option<HeaderValue>,
    /// Origins that are called beside the page's own.
    called: String,
}

impl Policy {
    /// Takes what an operator wrote instead (empty = nothing), and the origins of this installation and its issuer.
    pub fn new(given: &str, origins: &[String]) -> Self {
        let given = HeaderValue::from_str(given.trim()).ok().filter(|given| !given.is_empty());
        let mut called: Vec<&str> = origins.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
        called.dedup();
        Self { given, called: called.join(" ") }
    }

    /// The policy of a page. Scripts that stand in the page itself are allowed by their hashes; components write styles
    /// into pages, and silent sign-in is a frame at the issuer that comes back here.
    pub fn of(&self, page: &str) -> HeaderValue {
        if let Some(given) = &self.given {
            return given.clone();
        }
        let scripts: String = inline_scripts(page)
            .map(|script| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script))))
            .collect();
        let called = &self.called;
        let text = format!(
            "default-src 'self'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; \
             img-src 'self' data: blob: https:; font-src 'self' data:; connect-src 'self' {called}; \
             frame-src 'self' {called}; worker-src 'self' blob:; form-action 'self' {called}; object-src 'none'; \
             base-uri 'self'; frame-ancestors 'self'"
        );
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    }
}

/// What stands between the tags of scripts without an address of their own.
fn inline_scripts(page: &str) -> impl Iterator<Item = &str> {
    let mut rest = page;
    std::iter::from_fn(move || {
        loop {
            let start = find(rest, "<script")?;
            let (_, from) = rest.split_at_checked(start + "<script".len())?;
            let (tag, body) = from.split_once('>')?;
            let end = find(body, "</script")?;
            let (script, after) = body.split_at_checked(end)?;
            rest = after;
            let attributes = tag.to_ascii_lowercase();
            let sourced = attributes.split_ascii_whitespace().any(|it| it.starts_with("src=") || it == "src");
            // `<scripture>` is no script.
            let ours = tag.chars().next().is_none_or(|c| c.is_ascii_whitespace());
            if ours && !sourced {
                return Some(script);
            }
        }
    })
}

/// The first place of an ASCII text, in whatever case.
fn find(text: &str, wanted: &str) -> Option<usize> {
    let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
    text.windows(wanted.len()).position(|window| window.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("<script>a()</script>", &["a()"])]
    #[case("<SCRIPT type=module>\nb < c\n</SCRIPT >x<script src=\"a.js\"></script><script>d</script>", &["\nb < c\n", "d"])]
    #[case("<script defer src=a.js></script>", &[])]
    #[case("<script data-src=\"x\">e</script>", &["e"])]
    #[case("<scripture>f</scripture>", &[])]
    #[case("<script>never closed", &[])]
    #[case("<script", &[])]
    #[case("süß <script>ü</script>", &["ü"])]
    fn scripts_inside_a_page_are_found(#[case] page: &str, #[case] expected: &[&str]) {
        assert_eq!(inline_scripts(page).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_page_may_call_this_installation_and_its_issuer_and_run_its_own_scripts_only() {
        let origins = ["https://cv.example.org".to_owned(), "https://id.example.org".to_owned()];
        let policy = Policy::new("", &origins).of("<script>alert(1)</script>");
        let policy = policy.to_str().unwrap();
        for part in [
            "connect-src 'self' https://cv.example.org https://id.example.org;",
            "frame-src 'self' https://cv.example.org https://id.example.org;",
            // `printf 'alert(1)' | openssl dgst -sha256 -binary | base64`
            "script-src 'self' 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=';",
            "frame-ancestors 'self'",
        ] {
            assert!(policy.contains(part), "{part} is not in {policy}");
        }
        assert!(!policy.split("style-src").next().unwrap().contains("unsafe"), "{policy}");
    }

    #[test]
    fn what_an_operator_writes_is_sent_instead() {
        let policy = Policy::new("default-src *", &["https://cv.example.org".to_owned()]);
        assert_eq!(policy.of("<script>a</script>"), "default-src *");
    }

    proptest::proptest! {
        #[test]
        fn any_page_has_a_policy(page: String) {
            let _ = Policy::new("", &[]).of(&page);
        }
    }
}
