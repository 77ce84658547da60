//! From when to when a certificate is good; rustls does not tell (X.690, RFC 5280 §4.1).

use chrono::{DateTime, NaiveDateTime, Utc};

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Reads the beginning and the end of the validity out of a certificate in DER; `None` where it is none.
pub fn of(certificate: &[u8]) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let (outer, _) = expect(SEQUENCE, certificate)?;
    let (mut fields, _) = expect(SEQUENCE, outer)?;
    // The version is optional; before the validity come serial number, algorithm and issuer.
    if let Some((_, rest)) = expect(VERSION, fields) {
        fields = rest;
    }
    for _ in 0..3 {
        (_, _, fields) = element(fields)?;
    }
    let (validity, _) = expect(SEQUENCE, fields)?;
    let (kind, begin, rest) = element(validity)?;
    let (other, end, _) = element(rest)?;
    Some((time(kind, begin)?, time(other, end)?))
}

/// The content of an element that must be of a kind, and what follows it.
fn expect(kind: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    element(input).filter(|(found, ..)| *found == kind).map(|(_, content, rest)| (content, rest))
}

/// Tag, content and what follows.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = input.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// `YYMMDDHHMMSSZ`, the years 1950 to 2049, or `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5).
fn time(kind: u8, text: &[u8]) -> Option<DateTime<Utc>> {
    let text = std::str::from_utf8(text).ok()?;
    let whole = match kind {
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    NaiveDateTime::parse_from_str(&whole, "%Y%m%d%H%M%SZ").ok().map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    #[test]
    fn the_dates_of_a_certificate_of_openssl_are_read() {
        // `openssl x509 -noout -dates` says the same.
        let pem = include_bytes!("../../../tests/outbound/keys/throw-away-server.pem");
        let der = CertificateDer::from_pem_slice(pem).unwrap();
        let (begin, end) = of(&der).unwrap();
        assert_eq!(
            (begin.to_rfc3339(), end.to_rfc3339()),
            ("2026-11-27T21:19:15+00:00".to_owned(), "2126-11-03T21:19:15+00:00".to_owned())
        );
    }

    #[rstest::rstest]
    #[case(UTC_TIME, "491231235959Z", Some("2049-12-31T23:59:59+00:00"))]
    #[case(UTC_TIME, "500101000000Z", Some("1950-01-01T00:00:00+00:00"))]
    #[case(GENERALIZED_TIME, "20500101000000Z", Some("2050-01-01T00:00:00+00:00"))]
    #[case(GENERALIZED_TIME, "99991231235959Z", Some("9999-12-31T23:59:59+00:00"))]
    #[case(UTC_TIME, "491331235959Z", None)]
    #[case(UTC_TIME, "", None)]
    #[case(0x04, "491231235959Z", None)]
    fn both_spellings_of_times_are_read(
        #[case] kind: u8,
        #[case] text: &str,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(time(kind, text.as_bytes()).map(|time| time.to_rfc3339()).as_deref(), expected);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = of(&bytes);
        }

        #[test]
        fn a_certificate_that_was_cut_is_refused(cut in 0usize..200) {
            let pem = include_bytes!("../../../tests/outbound/keys/throw-away-server.pem");
            let der = CertificateDer::from_pem_slice(pem).unwrap();
            proptest::prop_assert_eq!(of(der.get(..cut).unwrap()), None);
        }
    }
}
