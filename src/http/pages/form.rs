//! Fields of `application/x-www-form-urlencoded` bodies and query strings, bounded and each at most once.

use std::fmt;

use poem::Request;
use poem::http::header;

/// Most bytes of a body.
const MAX_BODY: usize = 16 * 1024;

/// Most fields of a body or query.
const MAX_FIELDS: usize = 64;

/// Fields by name. Its `Debug` form has names only, as values may be passwords.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Why fields cannot be read; safe to show.
pub type Unreadable = &'static str;

impl Fields {
    /// Reads a query string or body. A name given twice is an error (RFC 6749 §3.1).
    pub fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        let mut fields = Vec::new();
        for pair in text.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            if fields.len() == MAX_FIELDS {
                return Err("there are too many fields");
            }
            let mut halves = pair.splitn(2, |b| *b == b'=');
            let name = decoded(halves.next().unwrap_or_default())?;
            let value = decoded(halves.next().unwrap_or_default())?;
            if fields.iter().any(|(known, _)| *known == name) {
                return Err("a field is given twice");
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// The fields of a request's address.
    pub fn of_query(request: &Request) -> Result<Self, Unreadable> {
        Self::parse(request.uri().query().unwrap_or_default().as_bytes())
    }

    /// The fields of a request's body, at most 16 KiB of the form type.
    pub async fn of_body(request: &mut Request) -> Result<Self, Unreadable> {
        let kind = request.header(header::CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err("the body must be application/x-www-form-urlencoded");
        }
        let body = request.take_body().into_bytes_limit(MAX_BODY).await;
        Self::parse(&body.map_err(|_| "the body is too long or was cut off")?)
    }

    /// The field's value; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The field's value, empty when absent.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// These fields and those of `other` whose names are not among them.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        for (name, value) in other.0 {
            if self.get(&name).is_none() {
                self.0.push((name, value));
            }
        }
        self
    }
}

/// Undoes `+` and percent-encoding.
pub fn decoded(text: &[u8]) -> Result<String, Unreadable> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
                let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
                    return Err("a field is not percent-encoded properly");
                };
                out.push(u8::try_from(high << 4 | low).unwrap_or_default());
            }
            other => out.push(*other),
        }
    }
    String::from_utf8(out).map_err(|_| "a field is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("a=1&b=x+y%26z&c", Some("x y&z"))]
    #[case("b=%C5%BE", Some("ž"))]
    #[case("b=", None)]
    #[case("", None)]
    fn fields_are_decoded(#[case] text: &str, #[case] b: Option<&str>) {
        assert_eq!(Fields::parse(text.as_bytes()).unwrap().get("b"), b);
    }

    #[rstest::rstest]
    #[case("a=1&a=2")]
    #[case("a=%")]
    #[case("a=%zz")]
    #[case("a=%ff")]
    fn what_can_be_read_two_ways_is_refused(#[case] text: &str) {
        assert!(Fields::parse(text.as_bytes()).is_err());
    }

    #[test]
    fn the_number_of_fields_is_bounded() {
        let many: Vec<_> = (0..65).map(|n| format!("f{n}=1")).collect();
        assert!(Fields::parse(many.join("&").as_bytes()).is_err());
    }

    #[test]
    fn values_are_not_in_the_debug_form() {
        let fields = Fields::parse(b"password=tops3cret").unwrap();
        assert_eq!(format!("{fields:?}"), "{\"password\"}");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Fields::parse(&bytes);
        }

        #[test]
        fn what_is_encoded_is_decoded(text: String) {
            let encoded: String = text.bytes().map(|b| format!("%{b:02x}")).collect();
            proptest::prop_assert_eq!(decoded(encoded.as_bytes()), Ok(text));
        }
    }
}
