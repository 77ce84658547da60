//! Addresses of other installations as administrators type them.

use crate::service::Failure;

/// Most bytes of an address.
const MOST: usize = 2_048;

/// A base address without a slash at its end; refuses what is none.
pub(super) fn base(text: &str) -> Result<String, Failure> {
    let wrong = |why: &str| Failure::Invalid(format!("baseUrl {why}"));
    let text = text.trim();
    if text.len() > MOST {
        return Err(wrong("is too long"));
    }
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(wrong("must begin with https:// or http://"));
    }
    if text.contains(['?', '#', '@', '\\']) || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(wrong("must be an address alone, without user, query or spaces"));
    }
    if host(text).is_empty() {
        return Err(wrong("names no host"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = rest.split('/').next().unwrap_or_default();
    if let Some(inner) = place.strip_prefix('[') {
        return inner.split(']').next().unwrap_or_default();
    }
    place.split(':').next().unwrap_or_default()
}

/// Whether two addresses are the same place, however they are spelled (federation notes §2).
pub(super) fn same(one: &str, other: &str) -> bool {
    match (normal(one), normal(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

fn normal(text: &str) -> Option<String> {
    let text = base(text).ok()?;
    let (scheme, rest) = text.split_once("://")?;
    let (place, path) = rest.split_once('/').map_or((rest, None), |(place, path)| (place, Some(path)));
    let place = place.to_ascii_lowercase();
    let usual = if scheme == "https" { ":443" } else { ":80" };
    let place = place.strip_suffix(usual).unwrap_or(&place);
    Some(format!("{scheme}://{place}/{}", path.unwrap_or_default()))
}

/// Whether an address leads to the machine it is used on.
pub(super) fn is_loopback(url: &str) -> bool {
    let host = host(url).trim_end_matches('.').to_ascii_lowercase();
    if host == "localhost" || host.ends_with(".localhost") || host.is_empty() {
        return true;
    }
    host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback() || address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("https://a.example.org/", Some("https://a.example.org"))]
    #[case("https://a.example.org/cv3", Some("https://a.example.org/cv3"))]
    #[case("a.example.org", None)]
    #[case("ftp://a.example.org", None)]
    #[case("https://", None)]
    #[case("https://u:p@a.example.org", None)]
    #[case("https://a.example.org/?x", None)]
    fn a_base_address_is_an_address_alone(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(base(text).ok().as_deref(), expected);
    }

    #[rstest::rstest]
    #[case("https://A.example.org:443/", "https://a.example.org", true)]
    #[case("https://a.example.org/cv3/", "https://a.example.org/cv3", true)]
    #[case("https://a.example.org/CV3", "https://a.example.org/cv3", false)]
    #[case("http://a.example.org:443", "https://a.example.org", false)]
    #[case("https://a.example.org", "https://b.example.org", false)]
    #[case("", "", false)]
    fn one_place_has_several_spellings(#[case] one: &str, #[case] other: &str, #[case] expected: bool) {
        assert_eq!(same(one, other), expected);
    }

    #[rstest::rstest]
    #[case("http://localhost:5000", true)]
    #[case("http://127.0.0.1:5080", true)]
    #[case("http://[::1]:5080", true)]
    #[case("https://a.example.org", false)]
    fn an_address_of_this_machine_is_known(#[case] url: &str, #[case] expected: bool) {
        assert_eq!(is_loopback(url), expected);
    }
}
