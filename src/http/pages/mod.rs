//! The few pages this backend serves itself: sign-in, password change, sign-out, set-up.
//!
//! Lives here: the templates (`*.html`, one style sheet), how they are filled, the headers every page has, form
//! fields and the guard against forged posts.
//! Does not: what a page does (`http/shared/issuer`, `http/setup`), front ends, scripts: no page needs any.
//! To add a page: a template with `{{name}}` places, filled by `fill` and wrapped by `page`.

pub mod form;
pub mod guard;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::http::{HeaderName, StatusCode, header};
use poem::{Body, Response};
use sha2::{Digest, Sha256};

const LAYOUT: &str = include_str!("layout.html");
const STYLE: &str = include_str!("page.css");
const MESSAGE: &str = include_str!("message.html");
const ALERT: &str = include_str!("alert.html");

/// A value for a place in a template.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// Escaped.
    Text(&'a str),
    /// Already markup, made by `fill`.
    Markup(&'a str),
}

/// Fills the `{{name}}` places of a template in one pass, so that a value that looks like a place stays text;
/// places without a value become empty.
pub fn fill(template: &str, values: &[(&str, Value<'_>)]) -> String {
    let mut out = String::with_capacity(template.len() + 512);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, tail)) = after.split_once("}}") else {
            rest = after;
            break;
        };
        match values.iter().find(|(known, _)| *known == name).map(|(_, value)| value) {
            Some(Value::Text(text)) => out.push_str(&escaped(text)),
            Some(Value::Markup(markup)) => out.push_str(markup),
            None => {}
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// Escapes for element content and quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// What went wrong, announced by screen readers; empty for no text.
pub fn alert(text: Option<&str>) -> String {
    text.map(|text| fill(ALERT, &[("text", Value::Text(&sentence(text)))])).unwrap_or_default()
}

/// Error texts start small and have no full stop; on a page they are sentences.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

/// A page that only says something.
pub fn message(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, title, &fill(MESSAGE, &[("text", Value::Text(&sentence(text)))]), None)
}

/// Wraps markup into the layout, with headers that allow nothing but the style sheet and posting back. Chromium
/// applies `form-action` also to the redirect that answers a post, so the origin it may lead to is named.
pub fn page(status: StatusCode, title: &str, content: &str, leads_to: Option<&str>) -> Response {
    let html = fill(
        LAYOUT,
        &[
            ("title", Value::Text(title)),
            ("style", Value::Markup(STYLE)),
            ("content", Value::Markup(content)),
        ],
    );
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; form-action 'self' {}; \
         frame-ancestors 'none'; base-uri 'none'",
        leads_to.unwrap_or_default()
    );
    Response::builder()
        .status(status)
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, policy)
        .header(header::X_FRAME_OPTIONS, "DENY")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        // Not `no-referrer`: browsers would then post with `Origin: null`, which the guard refuses.
        .header(header::REFERRER_POLICY, "same-origin")
        .header(HeaderName::from_static("cross-origin-resource-policy"), "same-origin")
        .header(header::CACHE_CONTROL, "no-store")
        .body(Body::from(html))
}

/// Sends the browser on with GET; the address must have been checked.
pub fn redirect(to: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, to)
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::REFERRER_POLICY, "same-origin")
        .body(Body::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_never_read_as_places() {
        let values = [("a", Value::Text("<b a=\"'&{{c}}")), ("c", Value::Text("secret"))];
        assert_eq!(fill("{{a}}|{{missing}}|{{c}}", &values), "&lt;b a=&quot;&#39;&amp;{{c}}||secret");
    }

    #[test]
    fn a_page_can_neither_be_framed_nor_run_scripts() {
        let page = page(StatusCode::OK, "T", "", Some("https://fe.example.org"));
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert!(policy.contains("form-action 'self' https://fe.example.org;"));
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
    }
}
