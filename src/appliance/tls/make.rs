//! A certificate that is signed with its own key, for a local network without an authority.

use std::net::IpAddr;

use anyhow::{Context, bail};
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};

use super::pair::fingerprint;

/// Longest validity, in days; Apple's systems refuse certificates of servers beyond it.
pub const LONGEST: u32 = 825;

/// Most hosts of one certificate.
const MOST_HOSTS: usize = 64;

/// What is to be made.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Names and addresses by which the server is called.
    pub hosts: Vec<String>,
    pub days: u32,
}

/// A fresh pair in PEM. It has no `Debug` form, as the key is a secret.
pub struct Made {
    pub certificate: String,
    pub key: String,
    pub fingerprint: String,
    pub expires: DateTime<Utc>,
}

/// Makes a key (ECDSA, P-256) and a certificate for servers that is good from the day before, so that clocks may differ.
pub fn make(wanted: &Wanted, now: DateTime<Utc>) -> anyhow::Result<Made> {
    if !(1..=LONGEST).contains(&wanted.days) {
        bail!("--days: expected a number from 1 to {LONGEST}, which is the most that all browsers accept");
    }
    if wanted.hosts.is_empty() || wanted.hosts.len() > MOST_HOSTS {
        bail!("--host: expected 1 to {MOST_HOSTS} names or addresses by which the server is called");
    }
    let hosts = wanted.hosts.iter().map(|host| plain(host)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut params = CertificateParams::new(hosts.clone()).context("--host")?;
    // The longest name that fits there (RFC 5280, ub-common-name); clients look at the other names only.
    let name = hosts.iter().find(|host| host.len() <= 64).map_or("cv3-backend", String::as_str);
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let end = now + TimeDelta::days(wanted.days.into());
    let midnight = |time: DateTime<Utc>| {
        let (month, day) = (u8::try_from(time.month())?, u8::try_from(time.day())?);
        anyhow::Ok(rcgen::date_time_ymd(time.year(), month, day))
    };
    params.not_before = midnight(now - TimeDelta::days(1))?;
    params.not_after = midnight(end)?;
    let key = KeyPair::generate().context("a key cannot be made")?;
    let certificate = params.self_signed(&key).context("a certificate cannot be made")?;
    Ok(Made {
        fingerprint: fingerprint(certificate.der()),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        expires: end.date_naive().and_time(chrono::NaiveTime::MIN).and_utc(),
    })
}

/// A host as it stands in a certificate; what else people type is refused with what was expected.
fn plain(host: &str) -> anyhow::Result<String> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    let rest = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A name of digits alone was meant as an address.
    let name =
        host.len() <= 253 && rest.split('.').all(label) && !rest.bytes().all(|b| !b.is_ascii_alphabetic());
    if !name {
        bail!(
            "--host {host:?}: expected a name such as cv.example.org, or an address such as 10.0.0.7, without \
             scheme, port and path; names with other letters as in xn--…"
        );
    }
    Ok(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("CV.example.org", Some("cv.example.org"))]
    #[case("localhost", Some("localhost"))]
    #[case("*.example.org", Some("*.example.org"))]
    #[case("10.0.0.7", Some("10.0.0.7"))]
    #[case("[fd00::7]", Some("fd00::7"))]
    #[case("fd00:0:0::7", Some("fd00::7"))]
    #[case("https://cv.example.org", None)]
    #[case("cv.example.org:443", None)]
    #[case("cv.example.org/", None)]
    #[case("300.1.1.1", None)]
    #[case("klinik-süd.example.org", None)]
    #[case("a b", None)]
    #[case("a..b", None)]
    #[case("-a.example.org", None)]
    #[case("a.*.org", None)]
    #[case("", None)]
    fn hosts_are_names_or_addresses(#[case] host: &str, #[case] expected: Option<&str>) {
        assert_eq!(plain(host).ok().as_deref(), expected);
    }

    #[rstest::rstest]
    #[case(0, 1)]
    #[case(826, 1)]
    #[case(30, 0)]
    #[case(30, 65)]
    fn what_is_out_of_bounds_is_refused(#[case] days: u32, #[case] hosts: usize) {
        let wanted = Wanted { hosts: vec!["localhost".into(); hosts], days };
        assert!(make(&wanted, DateTime::UNIX_EPOCH).is_err());
    }

    #[test]
    fn each_pair_has_a_key_of_its_own() {
        let wanted = Wanted { hosts: vec!["localhost".into()], days: 2 };
        let (one, other) =
            (make(&wanted, DateTime::UNIX_EPOCH).unwrap(), make(&wanted, DateTime::UNIX_EPOCH).unwrap());
        assert!(one.key != other.key && one.fingerprint != other.fingerprint);
        assert_eq!(one.fingerprint.len(), 32 * 3 - 1);
    }
}
