//! PostgreSQL's failures in the store's words; what a document holds never enters them.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::store::StoreError;

/// Codes of what passes by itself: connections, resources, an operator who stops the server, locks, timeouts, a standby.
const PASSING: &[&str] = &["08", "53", "57", "55P03", "40", "25006", "25P03"];
/// Codes of a user or database that is not known, or of a user who may not do this.
const REFUSED: &[&str] = &["28", "42501", "3D000"];

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        if let Some(failed) = error.as_db_error() {
            return told(failed);
        }
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            reason = format!("{reason}: {inner}");
            source = inner.source();
        }
        // The driver tells its kinds by these words alone.
        let kind = |start: &str| reason.starts_with(start);
        if kind("error connecting") {
            Self::Unavailable(format!(
                "PostgreSQL does not answer ({reason}), check that it runs and that Appliance.PostgreSQL.Host and Appliance.PostgreSQL.Port \
                 name it"
            ))
        } else if kind("authentication error") || kind("invalid configuration") {
            refused(&reason)
        } else if kind("error performing TLS") {
            Self::Unavailable(format!(
                "the connection to PostgreSQL cannot be encrypted ({reason}), check Appliance.PostgreSQL.TLS and \
                 Appliance.Outbound.CertificateAuthorities"
            ))
        } else if error.is_closed() || kind("error communicating") || kind("timeout") {
            Self::Unavailable(format!("the connection to PostgreSQL was lost ({reason}), try again"))
        } else {
            Self::engine(format!("PostgreSQL: {reason}"))
        }
    }
}

fn refused(words: &str) -> StoreError {
    StoreError::Unavailable(format!(
        "PostgreSQL refuses the user or what it asks for ({words}), check Appliance.PostgreSQL.User, Appliance.PostgreSQL.Password and \
         Appliance.PostgreSQL.Database, and that the user owns Appliance.PostgreSQL.Schema or may make it"
    ))
}

/// What the server answered; its details are left out, for they repeat values.
fn told(failed: &DbError) -> StoreError {
    let (code, words) = (failed.code().code(), failed.message());
    let any = |codes: &[&str]| codes.iter().any(|start| code.starts_with(start));
    if failed.code() == &SqlState::UNIQUE_VIOLATION {
        let index = failed.constraint().unwrap_or("unknown index");
        StoreError::Conflict(format!("a unique value is taken ({index})"))
    } else if any(REFUSED) {
        refused(words)
    } else if any(PASSING) {
        StoreError::Unavailable(format!("PostgreSQL cannot do this now ({words}, code {code}), try again"))
    } else {
        StoreError::engine(format!("PostgreSQL refused a statement: {words} (code {code})"))
    }
}

/// The unique index that has a value already.
pub(super) fn taken(error: &Error) -> Option<&str> {
    let failed = error.as_db_error().filter(|failed| failed.code() == &SqlState::UNIQUE_VIOLATION)?;
    Some(failed.constraint().unwrap_or_default())
}

/// Why something that changes nothing until its end was not done.
#[derive(Debug)]
pub(super) enum Failed {
    /// A table went while it was looked at, or another transaction was in the way: done again it may succeed.
    Again(StoreError),
    Store(StoreError),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let again =
            [SqlState::UNDEFINED_TABLE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE];
        if error.code().is_some_and(|code| again.contains(code)) {
            Self::Again(error.into())
        } else {
            Self::Store(error.into())
        }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How often something is begun anew.
const TRIES: usize = 8;

/// Does it again while others are in the way.
pub(super) async fn persist<T, F>(mut once: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, Failed>>,
{
    let mut tries = 1;
    loop {
        match once().await {
            Ok(done) => return Ok(done),
            Err(Failed::Store(error)) => return Err(error),
            Err(Failed::Again(error)) if tries >= TRIES => return Err(error),
            Err(Failed::Again(_)) => tries = tries.saturating_add(1),
        }
    }
}
