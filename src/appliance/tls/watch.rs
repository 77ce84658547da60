//! Takes up a changed pair while running: files that were renamed over, links that were swapped, files written one after
//! the other.
//!
//! The files are looked at instead of waited for: network file systems tell nobody of changes.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Certificate;
use crate::domain::clock::Clock;
use crate::service::Services;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How often a certificate that ends soon is spoken of.
const REMIND: Duration = Duration::from_secs(24 * 3600);

/// What tells a file from the one that was there before, links followed; `None` while there is none.
type Mark = Option<[i64; 6]>;

fn mark(file: &Path) -> Mark {
    let found = std::fs::metadata(file).ok()?;
    let number = |value: u64| i64::from_ne_bytes(value.to_ne_bytes());
    Some([
        number(found.dev()),
        number(found.ino()),
        number(found.len()),
        found.mtime(),
        found.mtime_nsec(),
        // Renaming and giving others the right to read change nothing else.
        found.ctime().wrapping_mul(1_000_000_000).wrapping_add(found.ctime_nsec()),
    ])
}

/// What a look at the files came to.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Same,
    Changed,
    /// Could not be used; the next look tries once more before anybody is told, as a pair is written in two steps.
    Waiting,
    /// Cannot be used, and was not said yet.
    Refused(String),
}

/// The pair as it was last seen.
struct Watched {
    certificate: Certificate,
    tried: [Mark; 2],
    waiting: bool,
    said: Option<String>,
}

impl Watched {
    fn new(certificate: Certificate) -> Self {
        let tried = Self::marks(&certificate);
        Self { certificate, tried, waiting: false, said: None }
    }

    fn marks(certificate: &Certificate) -> [Mark; 2] {
        [mark(&certificate.files.0), mark(&certificate.files.1)]
    }

    /// Looks, and reads what has changed; `now` reads in any case and waits for nothing.
    fn look(&mut self, now: bool) -> Look {
        // Before reading: what changes in between is seen by the next look.
        let marks = Self::marks(&self.certificate);
        if marks == self.tried && !self.waiting && !now {
            return Look::Same;
        }
        self.tried = marks;
        let before = self.certificate.facts();
        match self.certificate.reload() {
            Ok(()) => {
                (self.waiting, self.said) = (false, None);
                if before == self.certificate.facts() { Look::Same } else { Look::Changed }
            }
            Err(_) if !self.waiting && !now => {
                self.waiting = true;
                Look::Waiting
            }
            Err(error) => {
                self.waiting = false;
                let reason = format!("{error:#}");
                if !now && self.said.as_ref() == Some(&reason) {
                    return Look::Same;
                }
                self.said = Some(reason.clone());
                Look::Refused(reason)
            }
        }
    }
}

/// Writes to the administrators, if mail can be written down now; the log has it in any case.
async fn tell(services: &Services, certificate: &Certificate) {
    let (facts, inside) = (certificate.facts(), services.auth.inside());
    let told = services.mail.certificate_ends(&inside, facts.expires, &facts.fingerprint).await;
    if let Err(error) = told {
        tracing::warn!(%error, "the administrators are told of the certificate tomorrow");
    }
}

/// Watches the files until told to stop; SIGHUP looks at once.
pub async fn watch(
    certificate: Certificate,
    services: Services,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    let mut watched = Watched::new(certificate.clone());
    let (mut usable, mut remind) = (true, Instant::now());
    loop {
        services.metrics.certificate(certificate.facts().expires, usable);
        if remind <= Instant::now() {
            remind = Instant::now() + REMIND;
            if let Some(concern) = certificate.facts().concern(clock.now()) {
                tracing::warn!("{concern}");
                tell(&services, &certificate).await;
            }
        }
        let now = tokio::select! {
            () = tokio::time::sleep(LOOK) => false,
            _ = hangup.recv() => true,
            () = stop.cancelled() => return,
        };
        let looked = tokio::task::spawn_blocking(move || {
            let look = watched.look(now);
            (watched, look)
        });
        let Ok((back, look)) = looked.await else {
            tracing::error!("the certificate is not watched any more; restart to take up another one");
            return;
        };
        watched = back;
        match look {
            Look::Changed => {
                let facts = certificate.facts();
                tracing::info!(sha256 = facts.fingerprint, expires = %facts.expires, "another certificate is served");
                (usable, remind) = (true, Instant::now());
            }
            Look::Refused(error) => {
                tracing::warn!(error, "the certificate was not changed; the one before is served");
                usable = false;
            }
            Look::Same if now => {
                tracing::info!("certificate read again");
                usable = true;
            }
            Look::Same if !usable && watched.said.is_none() => usable = true,
            Look::Same | Look::Waiting => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::make::{Wanted, make};
    use super::*;
    use chrono::DateTime;
    use std::os::unix::fs::symlink;

    fn write(folder: &Path, certificate: bool, key: bool, days: u32) {
        let _already = rustls::crypto::ring::default_provider().install_default();
        let wanted = Wanted { hosts: vec!["localhost".into()], days };
        let made = make(&wanted, DateTime::UNIX_EPOCH).unwrap();
        for (name, text, wanted) in [("c.pem", made.certificate, certificate), ("k.pem", made.key, key)] {
            if wanted {
                // As careful writers do: whole, then renamed over the old one.
                std::fs::write(folder.join("new"), text).unwrap();
                std::fs::rename(folder.join("new"), folder.join(name)).unwrap();
            }
        }
    }

    fn open(folder: &Path) -> Certificate {
        Certificate::open(&folder.join("c.pem"), &folder.join("k.pem")).unwrap()
    }

    #[test]
    fn a_pair_that_was_renamed_over_is_taken_up_once() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), true, true, 10);
        let certificate = open(folder.path());
        let before = certificate.facts();
        let mut watched = Watched::new(certificate.clone());
        assert_eq!(watched.look(false), Look::Same);
        write(folder.path(), true, true, 20);
        assert_eq!(watched.look(false), Look::Changed);
        assert_eq!((certificate.facts().expires - before.expires).num_days(), 10);
        assert_eq!(watched.look(false), Look::Same);
    }

    #[test]
    fn links_that_are_swapped_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        for (name, days) in [("one", 10), ("two", 20)] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            write(&folder.path().join(name), true, true, days);
        }
        // As Kubernetes does: files are links through a link that is swapped.
        symlink("one", folder.path().join("data")).unwrap();
        for name in ["c.pem", "k.pem"] {
            symlink(Path::new("data").join(name), folder.path().join(name)).unwrap();
        }
        let certificate = open(folder.path());
        let before = certificate.facts();
        let mut watched = Watched::new(certificate.clone());
        symlink("two", folder.path().join("new")).unwrap();
        std::fs::rename(folder.path().join("new"), folder.path().join("data")).unwrap();
        assert_eq!(watched.look(false), Look::Changed);
        assert_ne!(certificate.facts(), before);
    }

    #[test]
    fn a_pair_that_is_written_in_two_steps_is_not_complained_about() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), true, true, 10);
        let certificate = open(folder.path());
        let before = certificate.facts();
        let mut watched = Watched::new(certificate.clone());
        let other = tempfile::tempdir().unwrap();
        write(other.path(), true, true, 20);
        std::fs::copy(other.path().join("c.pem"), folder.path().join("c.pem")).unwrap();
        assert_eq!(watched.look(false), Look::Waiting);
        assert_eq!(certificate.facts(), before);
        std::fs::copy(other.path().join("k.pem"), folder.path().join("k.pem")).unwrap();
        assert_eq!(watched.look(false), Look::Changed);
    }

    #[test]
    fn a_broken_pair_keeps_the_old_one_and_is_said_once_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), true, true, 10);
        let certificate = open(folder.path());
        let before = certificate.facts();
        let mut watched = Watched::new(certificate.clone());
        std::fs::remove_file(folder.path().join("k.pem")).unwrap();
        assert_eq!(watched.look(false), Look::Waiting);
        let Look::Refused(reason) = watched.look(false) else { panic!("nothing is said") };
        assert!(reason.contains("Appliance.TLS.Key") && reason.contains("k.pem"), "{reason}");
        assert_eq!(watched.look(false), Look::Same);
        // Whoever asks is answered every time.
        assert!(matches!(watched.look(true), Look::Refused(_)));
        assert_eq!(certificate.facts(), before);
        write(folder.path(), false, true, 10);
        assert_eq!(watched.look(false), Look::Waiting);
        assert!(matches!(watched.look(false), Look::Refused(reason) if reason.contains("is not the key")));
        write(folder.path(), true, true, 20);
        assert_eq!(watched.look(false), Look::Changed);
    }

    #[test]
    fn the_same_pair_written_again_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), true, true, 10);
        let mut watched = Watched::new(open(folder.path()));
        for name in ["c.pem", "k.pem"] {
            let text = std::fs::read(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(watched.look(false), Look::Same);
    }
}
