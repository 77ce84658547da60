//! Passwords: what is acceptable, and argon2id with bounded memory and concurrency.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::domain::clock::Random;
use crate::identity::IdentityError;

/// Fewest characters of a password.
pub const MIN_CHARS: usize = 12;

/// Most characters of a password; more would only be work for the hash.
pub const MAX_CHARS: usize = 1_000;

/// Argon2id as recommended by the OWASP password storage cheat sheet: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// Hashes computed at once: at most 38 MiB.
const AT_ONCE: usize = 2;

/// Sign-ins that may wait for their turn; more are told to come back.
const WAITING: usize = 32;

/// Checks a new password; the error says what to change (NIST SP 800-63B §5.1.1.2: length, no composition rules).
pub fn acceptable(password: &str, username: &str, email: &str) -> Result<(), IdentityError> {
    let chars = password.chars().count();
    let refusal = if chars < MIN_CHARS {
        format!("the password must have at least {MIN_CHARS} characters; this one has {chars}")
    } else if chars > MAX_CHARS {
        format!("the password must have at most {MAX_CHARS} characters; this one has {chars}")
    } else if same(password, username) {
        "the password must not be the user name".to_owned()
    } else if same(password, email) {
        "the password must not be the e-mail address".to_owned()
    } else if password.chars().all(|c| password.starts_with(c)) {
        "the password must not repeat one character".to_owned()
    } else {
        return Ok(());
    };
    Err(IdentityError::Rejected(refusal))
}

fn same(password: &str, other: &str) -> bool {
    !other.is_empty() && password.trim().to_lowercase() == other.trim().to_lowercase()
}

/// Computes and compares hashes on the blocking pool.
#[derive(Debug)]
pub struct Passwords {
    random: Arc<dyn Random>,
    running: Arc<Semaphore>,
    waiting: Semaphore,
    computed: Arc<AtomicU64>,
}

impl Passwords {
    /// Takes the source of salts.
    pub fn new(random: Arc<dyn Random>) -> Self {
        Self {
            random,
            running: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Semaphore::new(WAITING),
            computed: Arc::default(),
        }
    }

    /// How many hashes were computed since the start.
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    /// The password's hash in PHC string format with a fresh salt.
    pub async fn hash(&self, password: &str) -> Result<String, IdentityError> {
        let mut salt = [0; 16];
        self.random.fill(&mut salt);
        let salt = SaltString::encode_b64(&salt).map_err(engine)?;
        self.compute(password, salt, Params::new(MEMORY_KIB, PASSES, 1, None).map_err(engine)?).await
    }

    /// Whether the password belongs to the stored hash. Without one (no such account, no password yet) the same
    /// work is done and the answer is `false`, so that the time taken tells nothing.
    pub async fn matches(&self, password: &str, stored: Option<&str>) -> Result<bool, IdentityError> {
        let known = stored.and_then(|phc| {
            let parsed = PasswordHash::new(phc).ok()?;
            let salt = SaltString::from_b64(parsed.salt?.as_str()).ok()?;
            Some((salt, Params::try_from(&parsed).ok()?, phc))
        });
        let Some((salt, params, phc)) = known else {
            self.hash(password).await?;
            return Ok(false);
        };
        let computed = self.compute(password, salt, params).await?;
        Ok(computed.as_bytes().ct_eq(phc.as_bytes()).into())
    }

    async fn compute(
        &self,
        password: &str,
        salt: SaltString,
        params: Params,
    ) -> Result<String, IdentityError> {
        let busy =
            || IdentityError::Unavailable("too many people are signing in, try again shortly".to_owned());
        let _turn = self.waiting.try_acquire().map_err(|_| busy())?;
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(|_| busy())?;
        // What is longer than allowed cannot be anyone's password; the work stays the same.
        let password: String = password.chars().take(MAX_CHARS + 1).collect();
        let computed = Arc::clone(&self.computed);
        let work = tokio::task::spawn_blocking(move || {
            // Held by the work itself: a caller that goes away must not let more hashes run at once.
            let _permit = permit;
            computed.fetch_add(1, Ordering::Relaxed);
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            argon2.hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string())
        });
        work.await.map_err(engine)?.map_err(engine)
    }
}

fn engine(error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Engine(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    #[rstest::rstest]
    #[case("correct horse battery", true)]
    #[case("elevenchars", false)]
    #[case("twelve chars", true)]
    #[case("ééééééééééé", false)]
    #[case("Rare.Disease@Example.org", false)]
    #[case(" rare.disease ", false)]
    #[case("aaaaaaaaaaaaaaaa", false)]
    fn a_password_is_long_and_not_a_name(#[case] password: &str, #[case] fine: bool) {
        assert_eq!(acceptable(password, "rare.disease", "rare.disease@example.org").is_ok(), fine);
    }

    #[test]
    fn the_longest_password_has_a_thousand_characters() {
        let long = "xy".repeat(500);
        assert!(acceptable(&long, "u", "e").is_ok());
        assert!(acceptable(&format!("{long}z"), "u", "e").is_err());
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let passwords = Passwords::new(Arc::new(SystemRandom));
        let hash = passwords.hash("correct horse battery").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.matches("correct horse battery", Some(&hash)).await.unwrap());
        assert!(!passwords.matches("Correct horse battery", Some(&hash)).await.unwrap());
        assert_ne!(hash, passwords.hash("correct horse battery").await.unwrap());
    }

    #[tokio::test]
    async fn a_missing_account_costs_one_hash_as_a_wrong_password_does() {
        let passwords = Passwords::new(Arc::new(SystemRandom));
        let hash = passwords.hash("correct horse battery").await.unwrap();
        for stored in [Some(hash.as_str()), None, Some("not a hash")] {
            let before = passwords.computed();
            assert!(!passwords.matches("wrong horse battery", stored).await.unwrap());
            assert_eq!(passwords.computed() - before, 1);
        }
    }
}
