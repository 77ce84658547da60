//! Which trace a piece of work belongs to (W3C Trace Context, Recommendation of 23 November 2021).
//!
//! Lives here: reading and writing the two headers, and the trace of the task at hand. Does not: spans with times; they
//! are for who collects traces, we say in the log and to the servers we call whose trace it is.
//! To add a header of another kind: a field of [`Trace`], read in [`Trace::read`], written in [`Trace::headers`].

use std::future::Future;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::clock::{Random, SystemRandom};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// Most bytes of `tracestate` that are passed on: what has to be, section 3.3.1.5.
const MOST_STATE: usize = 512;

/// Most members of it, section 3.3.1.1.
const MOST_MEMBERS: usize = 32;

/// A trace as it was received or begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    id: [u8; 16],
    flags: u8,
    /// What other systems keep in it, as received.
    state: Option<HeaderValue>,
}

tokio::task_local! {
    static CURRENT: Trace;
}

impl Trace {
    /// A trace that begins here; it is not said to be recorded.
    pub fn begin() -> Self {
        let mut id = [0; 16];
        SystemRandom.fill(&mut id);
        // Zero is no id (section 3.2.2.3).
        if id == [0; 16] {
            id = [1; 16];
        }
        Self { id, flags: 0, state: None }
    }

    /// The trace these headers name; `None` if they name none that can be read, as section 3.2 and 3.3 say.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(PARENT).iter();
        let parent = parents.next().filter(|_| parents.next().is_none())?.to_str().ok()?;
        let mut fields = parent.split('-');
        let version = hex::<1>(fields.next()?)?;
        let id = hex::<16>(fields.next()?)?;
        let span = hex::<8>(fields.next()?)?;
        let [flags] = hex::<1>(fields.next()?)?;
        // Versions after this one may have more fields.
        let ends = fields.next().is_none() || version != [0];
        if version == [0xff] || id == [0; 16] || span == [0; 8] || !ends {
            return None;
        }
        let known = if version == [0] { flags & 0x03 } else { flags & 0x01 };
        Some(Self { id, flags: known, state: state(headers) })
    }

    /// The id as logs show it, 32 hexadecimal digits.
    pub fn id(&self) -> String {
        digits(&self.id)
    }

    /// The headers of a call that is made for this trace: each call is a parent of its own.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let mut span = [0; 8];
        SystemRandom.fill(&mut span);
        if span == [0; 8] {
            span = [1; 8];
        }
        let parent = format!("00-{}-{}-{:02x}", digits(&self.id), digits(&span), self.flags);
        let parent = HeaderValue::from_str(&parent).ok().map(|parent| (PARENT, parent));
        parent.into_iter().chain(self.state.clone().map(|state| (STATE, state)))
    }

    /// Makes this the trace of all that the work does and calls.
    pub fn over<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }
}

/// The trace of the task at hand.
pub fn current() -> Option<Trace> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Lower case alone, as section 3.2.2 has it.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn digits(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _never = write!(text, "{byte:02x}");
        text
    })
}

/// Several headers are one list; one that is wrong or too long is dropped whole.
fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let lists: Option<Vec<&str>> = headers.get_all(STATE).iter().map(|list| list.to_str().ok()).collect();
    let members: Vec<&str> = lists?.iter().flat_map(|list| list.split(',')).map(str::trim).collect();
    let members: Vec<&str> = members.into_iter().filter(|member| !member.is_empty()).collect();
    let text = members.join(",");
    let fit = (1..=MOST_MEMBERS).contains(&members.len()) && text.len() <= MOST_STATE;
    (fit && members.iter().all(|member| is_member(member))).then(|| HeaderValue::from_str(&text).ok())?
}

/// Section 3.3.1.3: `key=value`.
fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let of_key = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let of_value = |b: u8| matches!(b, 0x20..=0x7e) && b != b'=';
    (1..=256).contains(&key.len())
        && key.bytes().all(of_key)
        && !key.starts_with(['_', '-', '*', '/', '@'])
        && (1..=256).contains(&value.len())
        && value.bytes().all(of_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT_OF_THE_STANDARD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(headers: &[(HeaderName, &str)]) -> Option<Trace> {
        let pairs = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        let mut all = HeaderMap::new();
        for (name, value) in pairs {
            all.append(name, value);
        }
        Trace::read(&all)
    }

    #[test]
    fn a_trace_is_passed_on_with_a_parent_of_its_own() {
        let trace =
            read(&[(PARENT, PARENT_OF_THE_STANDARD), (STATE, "congo=t61rcWkgMzE"), (STATE, "rojo=00f067")]);
        let trace = trace.unwrap();
        assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let sent =
            || -> Vec<_> { trace.headers().map(|(_, value)| value.to_str().unwrap().to_owned()).collect() };
        let (once, again) = (sent(), sent());
        assert!(
            once[0].starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && once[0].ends_with("-01"),
            "{once:?}"
        );
        assert!(!once[0].contains("00f067aa0ba902b7") && once[0] != again[0]);
        assert_eq!(once[1], "congo=t61rcWkgMzE,rojo=00f067");
        assert_eq!(read(&[(PARENT, &once[0])]).unwrap().id(), trace.id());
    }

    #[rstest::rstest]
    #[case::no_trace("00-00000000000000000000000000000000-00f067aa0ba902b7-01")]
    #[case::no_parent("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01")]
    #[case::forbidden_version("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
    #[case::upper_case("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01")]
    #[case::more_than_this_version_has("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-00")]
    #[case::no_digits("00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01")]
    #[case::short("00-4bf92f3577b34da6a3ce929d0e0e47-00f067aa0ba902b7-01")]
    #[case::cut("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7")]
    #[case::empty("")]
    fn a_parent_that_cannot_be_read_is_none(#[case] parent: &str) {
        assert_eq!(read(&[(PARENT, parent), (STATE, "a=b")]), None);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let trace =
            read(&[(PARENT, "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-what-comes")]).unwrap();
        assert_eq!((trace.id().as_str(), trace.flags), ("4bf92f3577b34da6a3ce929d0e0e4736", 1));
    }

    #[test]
    fn two_parents_are_none() {
        assert_eq!(read(&[(PARENT, PARENT_OF_THE_STANDARD), (PARENT, PARENT_OF_THE_STANDARD)]), None);
    }

    #[rstest::rstest]
    #[case("no pair")]
    #[case("UPPER=1")]
    #[case("_a=1")]
    #[case("a=b=c")]
    #[case("a=")]
    #[case(&format!("a={}", "x".repeat(257)))]
    #[case(&["a=b"; 33].join(","))]
    #[case(&vec![format!("a={}", "x".repeat(250)); 3].join(","))]
    fn a_state_that_is_wrong_or_too_long_goes_no_further(#[case] state: &str) {
        assert_eq!(read(&[(PARENT, PARENT_OF_THE_STANDARD), (STATE, state)]).unwrap().state, None);
    }

    #[tokio::test]
    async fn the_trace_of_a_task_is_that_of_what_it_calls() {
        assert_eq!(current(), None);
        let trace = Trace::begin();
        assert_eq!(trace.clone().over(async { current() }).await, Some(trace));
    }
}
