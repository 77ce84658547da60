//! The set-up code: 128 bits, one hour, five tries; only its hash is kept.

use std::io::Write as _;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::io::AsyncWriteExt as _;

use crate::domain::clock::Random;
use crate::domain::readable::{readable, retyped};

const VALID: TimeDelta = TimeDelta::hours(1);
const TRIES: u32 = 5;

/// A used-up code is replaced after this.
const PAUSE: TimeDelta = TimeDelta::minutes(1);

/// What became of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong {
        left: u32,
    },
    /// Out of date or tried too often, whatever was typed.
    Spent,
}

/// A code in use.
#[derive(Debug)]
pub(super) struct OneTimeCode {
    hash: [u8; 32],
    made: DateTime<Utc>,
    left: u32,
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(retyped(text)).into()
}

impl OneTimeCode {
    /// A fresh code and its text, to be shown once.
    pub fn make(random: &dyn Random, now: DateTime<Utc>) -> (Self, String) {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        let text = readable(bytes);
        (Self { hash: hash(&text), made: now, left: TRIES }, text)
    }

    pub fn is_usable(&self, now: DateTime<Utc>) -> bool {
        self.left > 0 && now - self.made < VALID
    }

    /// Whether it is too early for another one.
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        now - self.made < PAUSE
    }

    /// Compares in constant time; a wrong one costs a try.
    pub fn check(&mut self, typed: &str, now: DateTime<Utc>) -> Verdict {
        if !self.is_usable(now) {
            return Verdict::Spent;
        }
        if self.hash.ct_eq(&hash(typed)).into() {
            return Verdict::Right;
        }
        self.left = self.left.saturating_sub(1);
        Verdict::Wrong { left: self.left }
    }
}

/// Shows the code at the terminal. Not through the log, which may be kept and sent elsewhere.
pub(super) fn print(code: &str) {
    show(&format!("\nSet-up code for the first account, valid for one hour: {code}\nEnter it at /setup.\n"));
}

/// Shows the first account's one-time password, in the same way.
pub(super) fn print_password(password: &str) {
    show(&format!(
        "\nOne-time password of the first account, to be changed at the first sign-in: {password}\n"
    ));
}

fn show(text: &str) {
    if let Err(error) = std::io::stderr().lock().write_all(text.as_bytes()) {
        tracing::warn!(%error, "what belongs to the terminal could not be printed");
    }
}

/// Writes the code to a file of its own with mode 0600; whatever was there is replaced, never followed.
pub(super) async fn write(path: &Path, code: &str) -> std::io::Result<()> {
    match tokio::fs::remove_file(path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(path).await?;
    file.write_all(format!("{code}\n").as_bytes()).await?;
    file.sync_all().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_code_may_be_typed_carelessly() {
        let (mut code, text) = OneTimeCode::make(&SystemRandom, at(0));
        assert_eq!(
            code.check(&format!(" {} ", text.to_lowercase().replace('-', " ")), at(1)),
            Verdict::Right
        );
    }

    #[test]
    fn five_wrong_tries_spend_the_code() {
        let (mut code, text) = OneTimeCode::make(&SystemRandom, at(0));
        let verdicts: Vec<_> = (0..6).map(|_| code.check("wrong", at(1))).collect();
        let wrong = |left| Verdict::Wrong { left };
        assert_eq!(verdicts, [wrong(4), wrong(3), wrong(2), wrong(1), wrong(0), Verdict::Spent]);
        assert_eq!(code.check(&text, at(1)), Verdict::Spent);
    }

    #[test]
    fn a_code_is_valid_for_one_hour() {
        let (mut code, text) = OneTimeCode::make(&SystemRandom, at(0));
        assert_eq!(code.check(&text, at(3_599)), Verdict::Right);
        assert_eq!(code.check(&text, at(3_600)), Verdict::Spent);
    }
}
