//! Mail that leaves: one message to one person.
//!
//! Lives here: the trait. Adapters: `smtp` (a server takes it), `log` (development: it is only written down), `nowhere`
//! (none is configured). Does not: what is said to whom and when it is tried again (`service/mail`).
//! To add an adapter: a file here, a branch in `appliance/wiring/`, a row in `tests/architecture/rules.rs`.

pub mod log;
pub mod nowhere;
pub mod smtp;

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use thiserror::Error;

/// One message, written out. Headers are made by the adapter from typed values.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The one address it goes to.
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// The same whenever this message is sent again: what stands before the `@` of the Message-ID (RFC 5322 §3.6.4).
    pub id: String,
    pub date: DateTime<Utc>,
    /// Its text holds a secret and is never shown.
    pub sensitive: bool,
}

impl Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A message that was not taken. The texts hold no secret.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MailError {
    #[error("mail is not configured: give the configuration an Email section")]
    NotConfigured,
    /// This message will never be taken (RFC 5321 §4.2.1: 5yz).
    #[error("{0}")]
    Refused(String),
    /// This message may be taken later (4yz).
    #[error("{0}")]
    Later(String),
    /// The server cannot be used just now, for no message.
    #[error("{0}")]
    Unavailable(String),
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A server takes it.
    Smtp,
    /// It is written to the log.
    Log,
    /// It stays where it is.
    Nowhere,
}

/// The mail port.
#[async_trait]
pub trait Mail: Send + Sync + Debug {
    fn way(&self) -> Way;

    /// Hands one message over; `Ok` once it was taken.
    async fn send(&self, message: &Message) -> Result<(), MailError>;

    /// Whether messages would be taken just now.
    async fn ping(&self) -> Result<(), MailError>;
}
