//! Certificate and key out of their files, held against each other.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::{Error, InconsistentKeys, ServerConfig};
use sha2::{Digest, Sha256};

use super::dates;

/// Most bytes of a file; a chain has some kilobytes.
const MOST: u64 = 1 << 20;

/// A certificate that is good for fewer days than this should have been replaced.
pub const SOON: i64 = 14;

/// A pair that can be served.
#[derive(Debug, Clone)]
pub struct Pair {
    pub(super) config: Arc<ServerConfig>,
    pub facts: Facts,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// SHA-256 of the certificate as browsers show it.
    pub fingerprint: String,
    pub begins: DateTime<Utc>,
    pub expires: DateTime<Utc>,
    certificate: CertificateDer<'static>,
}

impl Facts {
    fn of(certificate: &CertificateDer<'static>) -> Option<Self> {
        let (begins, expires) = dates::of(certificate)?;
        let fingerprint = fingerprint(certificate);
        Some(Self { fingerprint, begins, expires, certificate: certificate.clone() })
    }

    /// Whole days until the end; negative after it.
    pub fn days_left(&self, now: DateTime<Utc>) -> i64 {
        (self.expires - now).num_seconds().div_euclid(86_400)
    }

    /// What an operator has to do about the dates, if anything.
    pub fn concern(&self, now: DateTime<Utc>) -> Option<String> {
        let on = |date: DateTime<Utc>| date.format("%Y-%m-%d").to_string();
        if now < self.begins {
            return Some(format!("the certificate is not good before {}", on(self.begins)));
        }
        match self.days_left(now) {
            days if days < 0 => Some(format!("the certificate expired on {}: replace it", on(self.expires))),
            days if days < SOON => Some(format!(
                "the certificate expires on {}, days left: {days}: replace it",
                on(self.expires)
            )),
            _ => None,
        }
    }

    /// Whether the certificate is for a host; an address that is no host name is for nobody.
    pub fn is_for(&self, host: &str) -> bool {
        let Ok(name) = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()) else { return false };
        let parsed = ParsedCertificate::try_from(&self.certificate);
        parsed.is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, &name).is_ok())
    }
}

/// The fingerprint as browsers show it: SHA-256 in upper case with colons.
pub fn fingerprint(certificate: &[u8]) -> String {
    let digest = Sha256::digest(certificate);
    digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// Reads a PEM pair and checks it; every error names the file and what to do.
pub fn read(certificate: &Path, key: &Path) -> anyhow::Result<Pair> {
    let at = |file: &Path, name: &str| format!("Appliance.TLS.{name}: {}", file.display());
    let (of_certificate, of_key) = (at(certificate, "Certificate"), at(key, "Key"));
    let text = bounded(certificate).with_context(|| of_certificate.clone())?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .with_context(|| format!("{of_certificate}: not a certificate in PEM"))?;
    let Some(first) = chain.first() else { bail!("{of_certificate}: holds no certificate in PEM") };
    let facts = Facts::of(first).with_context(|| format!("{of_certificate}: not an X.509 certificate"))?;
    let text = bounded(key).with_context(|| of_key.clone())?;
    let private = PrivateKeyDer::from_pem_slice(&text)
        .with_context(|| format!("{of_key}: holds no private key in PEM without a passphrase"))?;
    let made = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, private);
    let mut config = made.map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => anyhow::anyhow!(
            "{of_key}: is not the key of the certificate {}; one of the two belongs to another pair",
            certificate.display()
        ),
        Error::InvalidCertificate(reason) => anyhow::anyhow!("{of_certificate}: {reason:?}"),
        other => anyhow::anyhow!("{of_key}: {other}"),
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Pair { config: Arc::new(config), facts })
}

fn bounded(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    std::fs::File::open(file)?.take(MOST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MOST {
        bail!("is larger than {MOST} bytes");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::make::{Wanted, make};
    use super::*;
    use chrono::TimeDelta;

    fn now() -> DateTime<Utc> {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    /// A pair for `cv.example.org` and 10.0.0.7, in a folder.
    fn written(folder: &Path, name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
        let _already = rustls::crypto::ring::default_provider().install_default();
        let hosts = vec!["cv.example.org".to_owned(), "10.0.0.7".to_owned()];
        let made = make(&Wanted { hosts, days: 30 }, now()).unwrap();
        let places = ["pem", "key"].map(|ending| folder.join(format!("{name}.{ending}")));
        let [certificate, key] = places;
        std::fs::write(&certificate, made.certificate).unwrap();
        std::fs::write(&key, made.key).unwrap();
        (certificate, key)
    }

    #[test]
    fn what_was_made_is_read_with_its_dates_and_hosts() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = written(folder.path(), "a");
        let facts = read(&certificate, &key).unwrap().facts;
        assert_eq!(facts.expires.to_rfc3339(), "2026-07-01T00:00:00+00:00");
        for (host, expected) in
            [("cv.example.org", true), ("10.0.0.7", true), ("www.example.org", false), ("10.0.0.8", false)]
        {
            assert_eq!(facts.is_for(host), expected, "{host}");
        }
        assert!(!facts.is_for("[::1]") && !facts.is_for("not a host"));
    }

    #[rstest::rstest]
    #[case(0, 29, None)]
    #[case(15, 14, None)]
    #[case(16, 13, Some("days left: 13"))]
    #[case(29, 0, Some("days left: 0"))]
    #[case(30, -1, Some("expired on 2026-07-01"))]
    #[case(-3, 32, Some("not good before 2026-05-31"))]
    fn the_end_is_told_in_time(#[case] later: i64, #[case] left: i64, #[case] said: Option<&str>) {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = written(folder.path(), "a");
        let facts = read(&certificate, &key).unwrap().facts;
        let then = now() + TimeDelta::days(later);
        assert_eq!(facts.days_left(then), left);
        match (facts.concern(then), said) {
            (None, None) => {}
            (Some(found), Some(said)) => assert!(found.contains(said), "{found}"),
            (found, said) => panic!("{found:?}, not {said:?}"),
        }
    }

    #[test]
    fn what_cannot_be_served_is_refused_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = written(folder.path(), "a");
        let (other, _) = written(folder.path(), "b");
        let place = |name: &str, text: &[u8]| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let text = std::fs::read(&certificate).unwrap();
        let half = place("half.pem", &text[..text.len() / 2]);
        let empty = place("empty.pem", b"");
        let nonsense =
            place("nonsense.pem", b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n");
        let large = place("large.pem", &vec![b'\n'; (MOST + 1) as usize]);
        let missing = folder.path().join("missing.pem");
        for (certificate, key, parts) in [
            (&other, &key, ["Appliance.TLS.Key: ", "a.key", "is not the key of the certificate"]),
            (&half, &key, ["Appliance.TLS.Certificate: ", "half.pem", "not a certificate"]),
            (&empty, &key, ["Appliance.TLS.Certificate: ", "empty.pem", "holds no certificate"]),
            (&nonsense, &key, ["Appliance.TLS.Certificate: ", "nonsense.pem", "not an X.509 certificate"]),
            (&large, &key, ["Appliance.TLS.Certificate: ", "large.pem", "larger than"]),
            (&missing, &key, ["Appliance.TLS.Certificate: ", "missing.pem", "No such file"]),
            (&certificate, &empty, ["Appliance.TLS.Key: ", "empty.pem", "holds no private key"]),
            (&certificate, &missing, ["Appliance.TLS.Key: ", "missing.pem", "No such file"]),
            (&certificate, &certificate, ["Appliance.TLS.Key: ", "a.pem", "holds no private key"]),
        ] {
            let said = format!("{:#}", read(certificate, key).unwrap_err());
            for part in parts {
                assert!(said.contains(part), "{part:?} is not in {said:?}");
            }
            assert!(!said.contains("PRIVATE KEY-----"), "{said}");
        }
    }
}
