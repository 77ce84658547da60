//! How large what is given to a broker may be, the same for every adapter.

use std::time::Duration;

use serde_json::Value;

use super::{BrokerError, NewJob, Notice};

/// Bytes of a job's payload as JSON at most.
const PAYLOAD: usize = 16 * 1024 * 1024;
/// Bytes of a cached value at most.
pub(super) const VALUE: usize = 16 * 1024 * 1024;
/// Bytes of a name, key or holder at most.
pub(super) const NAME: usize = 1_024;
/// Counters answered at once at most.
pub(super) const COUNTERS: usize = 100_000;
/// Jobs removed in one transaction at most, so that others get their turn.
pub(super) const PRUNED_AT_ONCE: u64 = 1_000;
/// Bytes of a topic at most; topics are words of ours.
pub(super) const TOPIC: usize = 64;
/// Bytes of a subject at most; a longer one is told as "anything of the topic".
pub(super) const SUBJECT: usize = 1_024;

/// Refuses what has too many bytes.
pub(super) fn bounded(what: &str, is: usize, most: usize) -> Result<(), BrokerError> {
    if is <= most {
        return Ok(());
    }
    Err(BrokerError::Engine(format!("{what} has {is} bytes; {most} are allowed").into()))
}

/// The payload of a job that is within the limits, as JSON text.
pub(super) fn payload(job: &NewJob) -> Result<String, BrokerError> {
    let broken = |error: serde_json::Error| BrokerError::Engine(error.into());
    bounded("the kind of a job", job.kind.len(), NAME)?;
    bounded("the key of a job", job.key.as_ref().map_or(0, String::len), NAME)?;
    let payload = serde_json::to_string(&job.payload).map_err(broken)?;
    bounded("the payload of a job", payload.len(), PAYLOAD)?;
    // What nests too deeply would be written but never read again.
    serde_json::from_str::<Value>(&payload).map_err(broken)?;
    Ok(payload)
}

/// The notice as it may be told.
pub(super) fn told(mut notice: Notice) -> Result<Notice, BrokerError> {
    if notice.topic.is_empty() || notice.topic.len() > TOPIC {
        return Err(BrokerError::Engine(format!("a topic has 1 to {TOPIC} bytes").into()));
    }
    if notice.subject.len() > SUBJECT {
        notice.subject.clear();
    }
    Ok(notice)
}

/// A duration in milliseconds, ten thousand years at most, so that sums do not overflow.
pub(super) fn millis(duration: Duration) -> i64 {
    const LONGEST: i64 = 315_360_000_000_000;
    i64::try_from(duration.as_millis()).map_or(LONGEST, |millis| millis.min(LONGEST))
}
