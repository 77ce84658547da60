//! Bodies that are the same for everybody: files of front ends, the documentation. Only these are ever compressed
//! (docs/security.md, *Lengths*).
//!
//! Lives here: which coding, which part, whether the client has it already (RFC 9110 §§8.8, 12.5.3, 13, 14).

use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, NaiveDateTime, Utc};
use poem::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use poem::{Body, Request, Response};
use sha2::{Digest, Sha256};
use tokio_util::bytes::Bytes;

/// Bodies below this are not worth a coding.
const SMALL: usize = 1024;

/// A body in memory, in the codings it is held in.
#[derive(Debug)]
pub struct Fixed {
    kind: &'static str,
    plain: Bytes,
    modified: Option<DateTime<Utc>>,
    /// SHA-256 of the body: the same on every host, whatever its clock and file system say.
    tag: String,
    brotli: Option<Bytes>,
    gzip: OnceLock<Option<Bytes>>,
}

impl Fixed {
    /// Takes a body with its content type.
    pub fn new(kind: &'static str, plain: impl Into<Bytes>) -> Self {
        let plain = plain.into();
        let digest = Sha256::digest(&plain);
        let tag = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { kind, plain, modified: None, tag, brotli: None, gzip: OnceLock::new() }
    }

    /// The same with the time of its last change.
    #[must_use]
    pub fn modified(self, at: DateTime<Utc>) -> Self {
        Self { modified: Some(at), ..self }
    }

    /// The same with codings that were made before.
    #[must_use]
    pub fn coded(self, brotli: Option<Bytes>, gzip: Option<Bytes>) -> Self {
        let held = gzip.map_or_else(OnceLock::new, |gzip| OnceLock::from(Some(gzip)));
        Self { brotli, gzip: held, ..self }
    }

    /// The body as it is.
    pub fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// Bytes in memory.
    pub fn weight(&self) -> usize {
        let coded = |bytes: &Bytes| bytes.len();
        let gzip = self.gzip.get().and_then(Option::as_ref).map_or(self.plain.len() / 3, coded);
        self.plain.len() + self.brotli.as_ref().map_or(0, coded) + gzip
    }

    /// Answers GET and HEAD.
    pub async fn answer(self: &Arc<Self>, request: &Request, cache: &'static str) -> Response {
        let headers = request.headers();
        let (coding, body) = self.choose(headers).await;
        let tag = match coding {
            Some(coding) => format!("\"{}-{coding}\"", self.tag),
            None => format!("\"{}\"", self.tag),
        };
        let version = Version { tag, modified: self.modified, length: body.len() as u64 };
        let asked = version.asked(headers);
        let body = match &asked {
            Asked::Part(range) => bounds(range).map_or_else(Bytes::new, |range| {
                body.get(range).map_or_else(Bytes::new, |part| body.slice_ref(part))
            }),
            _ => body,
        };
        let mut response = version.answer(&asked, self.kind, cache, Body::from(body));
        if let Some(coding) = coding.and_then(|coding| coding.parse().ok()) {
            response.headers_mut().insert(header::CONTENT_ENCODING, coding);
        }
        without_body(request, response)
    }

    /// The coding to send, with its bytes. A part is always one of the plain body.
    async fn choose(self: &Arc<Self>, headers: &HeaderMap) -> (Option<&'static str>, Bytes) {
        let plain = (None, self.plain.clone());
        if headers.contains_key(header::RANGE) {
            return plain;
        }
        if let Some(brotli) = self.brotli.as_ref().filter(|_| accepts(headers, "br")) {
            return (Some("br"), brotli.clone());
        }
        if !accepts(headers, "gzip") || self.plain.len() < SMALL || !compressible(self.kind) {
            return plain;
        }
        let held = match self.gzip.get() {
            Some(held) => held.clone(),
            None => {
                let this = self.clone();
                let made = move || this.gzip.get_or_init(|| gzip(&this.plain)).clone();
                tokio::task::spawn_blocking(made).await.unwrap_or_default()
            }
        };
        held.map_or(plain, |bytes| (Some("gzip"), bytes))
    }
}

/// Nothing where it would not be smaller.
fn gzip(plain: &Bytes) -> Option<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().filter(|coded| coded.len() < plain.len()).map(Bytes::from)
}

/// Whether bodies of a type become smaller; pictures and archives are compressed already.
fn compressible(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default();
    kind.starts_with("text/")
        || ["json", "javascript", "xml", "wasm"].iter().any(|form| kind.ends_with(form))
        || matches!(kind, "font/ttf" | "font/otf" | "image/x-icon")
}

/// Whether the client takes a coding (RFC 9110 §12.5.3).
pub fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut others = false;
    for item in values.flat_map(|value| value.split(',')) {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        let taken = weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0));
        if name.eq_ignore_ascii_case(coding) {
            return taken;
        }
        others |= name == "*" && taken;
    }
    others
}

/// What a client may have of a body, and how it knows it again.
#[derive(Debug)]
pub struct Version {
    /// With its quotes.
    pub tag: String,
    pub modified: Option<DateTime<Utc>>,
    pub length: u64,
}

/// What of a body is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    Whole,
    /// The client has it.
    Unchanged,
    Part(Range<u64>),
    /// A part that is not there.
    Beyond,
}

impl Version {
    /// Reads the conditions and the range of a request.
    pub fn asked(&self, headers: &HeaderMap) -> Asked {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let modified = self.modified.map(|at| at.timestamp());
        match (text(header::IF_NONE_MATCH), text(header::IF_MODIFIED_SINCE).and_then(read_date)) {
            (Some(known), _) => {
                let same = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.tag;
                if known.split(',').map(str::trim).any(same) {
                    return Asked::Unchanged;
                }
            }
            (None, Some(since)) if modified.is_some_and(|at| at <= since.timestamp()) => {
                return Asked::Unchanged;
            }
            _ => {}
        }
        let Some(range) = text(header::RANGE) else { return Asked::Whole };
        let same = text(header::IF_RANGE).is_none_or(|known| {
            known == self.tag || read_date(known).is_some_and(|at| Some(at.timestamp()) == modified)
        });
        if same { part(range, self.length) } else { Asked::Whole }
    }

    /// The answer to what is asked, with a body that is only the part where one is.
    pub fn answer(&self, asked: &Asked, kind: &str, cache: &'static str, body: Body) -> Response {
        let (status, length) = match asked {
            Asked::Whole => (StatusCode::OK, Some(self.length)),
            Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, Some(range.end - range.start)),
            Asked::Unchanged => (StatusCode::NOT_MODIFIED, None),
            Asked::Beyond => (StatusCode::RANGE_NOT_SATISFIABLE, Some(0)),
        };
        let mut answer = Response::builder()
            .status(status)
            .header(header::CACHE_CONTROL, cache)
            .header(header::ETAG, &self.tag)
            .header(header::VARY, "Accept-Encoding")
            .header(header::ACCEPT_RANGES, "bytes");
        if let Some(modified) = self.modified {
            answer = answer.header(header::LAST_MODIFIED, written_date(modified));
        }
        if let Some(length) = length {
            answer = answer.header(header::CONTENT_TYPE, kind).header(header::CONTENT_LENGTH, length);
        }
        match asked {
            Asked::Whole => answer.body(body),
            Asked::Part(range) => {
                let content = format!("bytes {}-{}/{}", range.start, range.end - 1, self.length);
                answer.header(header::CONTENT_RANGE, content).body(body)
            }
            Asked::Unchanged => answer.finish(),
            Asked::Beyond => {
                answer.header(header::CONTENT_RANGE, format!("bytes */{}", self.length)).finish()
            }
        }
    }
}

/// HEAD has the headers of GET, its length included.
pub fn without_body(request: &Request, mut response: Response) -> Response {
    if request.method() == Method::HEAD {
        response.set_body(Body::empty());
    }
    response
}

/// One range of bytes; what is not understood and several at once are answered with the whole (RFC 9110 §14.2).
fn part(range: &str, length: u64) -> Asked {
    let Some((first, last)) = range.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Asked::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>();
    let (start, end) = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Ok(count) => (length.saturating_sub(count), length),
            Err(_) => return Asked::Whole,
        },
        (first, "") => match number(first) {
            Ok(first) => (first, length),
            Err(_) => return Asked::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(length)),
            _ => return Asked::Whole,
        },
    };
    if start < end { Asked::Part(start..end) } else { Asked::Beyond }
}

fn bounds(range: &Range<u64>) -> Option<Range<usize>> {
    Some(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}

const DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

fn written_date(at: DateTime<Utc>) -> String {
    at.format(DATE).to_string()
}

fn read_date(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text.trim(), DATE).ok().map(|at| at.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[rstest::rstest]
    #[case("gzip", true)]
    #[case("deflate, GZIP;q=0.5, br", true)]
    #[case("gzip;q=0", false)]
    #[case("gzip; q=0.0, *", false)]
    #[case("*", true)]
    #[case("*;q=0", false)]
    #[case("br", false)]
    #[case("gzip;q=high", false)]
    #[case("", false)]
    fn a_coding_is_sent_to_those_who_take_it(#[case] accepted: &str, #[case] expected: bool) {
        assert_eq!(accepts(&headers(&[(header::ACCEPT_ENCODING, accepted)]), "gzip"), expected);
    }

    #[rstest::rstest]
    #[case("bytes=0-4", Asked::Part(0..5))]
    #[case("bytes=95-", Asked::Part(95..100))]
    #[case("bytes=95-200", Asked::Part(95..100))]
    #[case("bytes=-5", Asked::Part(95..100))]
    #[case("bytes=-500", Asked::Part(0..100))]
    #[case("bytes=99-99", Asked::Part(99..100))]
    #[case("bytes=100-", Asked::Beyond)]
    #[case("bytes=-0", Asked::Beyond)]
    #[case("bytes=5-4", Asked::Whole)]
    #[case("bytes=0-1,5-6", Asked::Whole)]
    #[case("bytes=a-b", Asked::Whole)]
    #[case("bytes=-", Asked::Whole)]
    #[case("lines=0-4", Asked::Whole)]
    #[case("bytes=0-18446744073709551615", Asked::Part(0..100))]
    #[case("bytes=0-18446744073709551616", Asked::Whole)]
    fn one_range_is_understood(#[case] range: &str, #[case] expected: Asked) {
        assert_eq!(part(range, 100), expected);
    }

    #[rstest::rstest]
    #[case(&[(header::IF_NONE_MATCH, "\"a\"")], Asked::Unchanged)]
    #[case(&[(header::IF_NONE_MATCH, "\"b\", W/\"a\"")], Asked::Unchanged)]
    #[case(&[(header::IF_NONE_MATCH, "*")], Asked::Unchanged)]
    #[case(&[(header::IF_NONE_MATCH, "\"b\"")], Asked::Whole)]
    // A tag that differs counts more than a time that does not.
    #[case(&[(header::IF_NONE_MATCH, "\"b\""), (header::IF_MODIFIED_SINCE, "Mon, 01 Jun 2026 00:00:00 GMT")], Asked::Whole)]
    #[case(&[(header::IF_MODIFIED_SINCE, "Mon, 01 Jun 2026 00:00:00 GMT")], Asked::Unchanged)]
    #[case(&[(header::IF_MODIFIED_SINCE, "Sun, 31 May 2026 23:59:59 GMT")], Asked::Whole)]
    #[case(&[(header::IF_MODIFIED_SINCE, "yesterday")], Asked::Whole)]
    #[case(&[(header::RANGE, "bytes=0-0"), (header::IF_RANGE, "\"a\"")], Asked::Part(0..1))]
    #[case(&[(header::RANGE, "bytes=0-0"), (header::IF_RANGE, "\"b\"")], Asked::Whole)]
    #[case(&[(header::RANGE, "bytes=0-0"), (header::IF_RANGE, "W/\"a\"")], Asked::Whole)]
    #[case(&[(header::RANGE, "bytes=0-0"), (header::IF_RANGE, "Mon, 01 Jun 2026 00:00:00 GMT")], Asked::Part(0..1))]
    #[case(&[(header::RANGE, "bytes=0-0"), (header::IF_NONE_MATCH, "\"a\"")], Asked::Unchanged)]
    fn conditions_are_obeyed(#[case] sent: &[(HeaderName, &str)], #[case] expected: Asked) {
        let modified = read_date("Mon, 01 Jun 2026 00:00:00 GMT");
        let version = Version { tag: "\"a\"".into(), modified, length: 100 };
        assert_eq!(version.asked(&headers(sent)), expected);
    }

    #[test]
    fn dates_are_written_as_they_are_read() {
        let text = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(read_date(text).map(written_date).as_deref(), Some(text));
    }

    async fn ask(fixed: &Arc<Fixed>, method: Method, sent: &[(HeaderName, &str)]) -> (Response, Vec<u8>) {
        let request = sent
            .iter()
            .fold(Request::builder().method(method), |request, (name, value)| request.header(name, *value));
        let mut answer = fixed.answer(&request.finish(), "no-cache").await;
        let body = answer.take_body().into_vec().await.unwrap();
        (answer, body)
    }

    #[tokio::test]
    async fn a_text_is_sent_packed_to_those_who_take_it_and_each_form_has_its_tag() {
        let text = "the quick brown fox ".repeat(200);
        let fixed = Arc::new(Fixed::new("text/javascript; charset=utf-8", text.clone()));
        let (plain, body) = ask(&fixed, Method::GET, &[]).await;
        assert_eq!((body, plain.header("content-encoding")), (text.clone().into_bytes(), None));
        let (packed, body) = ask(&fixed, Method::GET, &[(header::ACCEPT_ENCODING, "gzip, br")]).await;
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert_eq!(packed.header("content-length"), Some(body.len().to_string().as_str()));
        let mut unpacked = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(body.as_slice()), &mut unpacked)
            .unwrap();
        assert_eq!(unpacked, text);
        assert_eq!(plain.header("vary"), Some("Accept-Encoding"));
        assert_ne!(plain.header("etag"), packed.header("etag"));
        // A part is one of the text, whatever is accepted.
        let range = [(header::ACCEPT_ENCODING, "gzip"), (header::RANGE, "bytes=4-8")];
        let (part, body) = ask(&fixed, Method::GET, &range).await;
        assert_eq!((part.status(), body.as_slice()), (StatusCode::PARTIAL_CONTENT, b"quick".as_slice()));
        assert_eq!(part.header("content-range"), Some("bytes 4-8/4000"));
        let (head, body) = ask(&fixed, Method::HEAD, &[]).await;
        assert_eq!((head.header("content-length"), body.len()), (Some("4000"), 0));
    }

    #[rstest::rstest]
    #[case("text/html", 1023, false)]
    #[case("text/html", 1024, true)]
    #[case("image/png", 4000, false)]
    #[case("font/woff2", 4000, false)]
    #[case("image/svg+xml", 4000, true)]
    #[case("application/json", 4000, true)]
    #[tokio::test]
    async fn what_is_small_or_packed_already_is_sent_as_it_is(
        #[case] kind: &'static str,
        #[case] length: usize,
        #[case] expected: bool,
    ) {
        let fixed = Arc::new(Fixed::new(kind, vec![b'a'; length]));
        let (answer, _) = ask(&fixed, Method::GET, &[(header::ACCEPT_ENCODING, "gzip")]).await;
        assert_eq!(answer.header("content-encoding").is_some(), expected);
    }

    #[tokio::test]
    async fn what_would_grow_is_sent_as_it_is() {
        // SHA-256 of counters has no pattern.
        let noise: Vec<u8> = (0..200u32).flat_map(|n| Sha256::digest(n.to_be_bytes())).collect();
        let fixed = Arc::new(Fixed::new("text/plain", noise.clone()));
        let (answer, body) = ask(&fixed, Method::GET, &[(header::ACCEPT_ENCODING, "gzip")]).await;
        assert_eq!((answer.header("content-encoding"), body), (None, noise));
    }
}
