//! What front ends report of themselves (specification §14.3).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// The longest report, in bytes.
pub const MOST_REPORT: usize = 16 << 10;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Error,
    Info,
}

impl Level {
    /// As stored and logged.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Info => "info",
        }
    }
}

/// The document of the room `log.internal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub id: String,
    pub level: Level,
    pub error: String,
    /// When it happened, by the front end's clock.
    pub timestamp: DateTime<Utc>,
    /// One run of a front end.
    pub uuid: uuid::Uuid,
    pub created_at: DateTime<Utc>,
}

/// A report that cannot be accepted.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unreadable {
    #[error("error must be a text that is not empty")]
    Error,
    #[error("error has at most {MOST_REPORT} bytes")]
    TooLong,
    #[error("timestamp must be a time as in RFC 3339, e.g. 2026-01-31T12:00:00Z")]
    Timestamp,
    #[error("uuid must be a UUID")]
    Uuid,
}

impl Report {
    /// Reads what a front end sent; id and time of arrival are ours.
    pub fn read(body: &Value, level: Level, id: String, now: DateTime<Utc>) -> Result<Self, Unreadable> {
        let text = |field: &str| body.get(field).and_then(Value::as_str);
        let error = text("error").filter(|error| !error.trim().is_empty()).ok_or(Unreadable::Error)?;
        if error.len() > MOST_REPORT {
            return Err(Unreadable::TooLong);
        }
        let timestamp = text("timestamp").and_then(|time| DateTime::parse_from_rfc3339(time).ok());
        let uuid = text("uuid").and_then(|uuid| uuid::Uuid::try_parse(uuid).ok());
        Ok(Self {
            id,
            level,
            error: error.to_owned(),
            timestamp: timestamp.ok_or(Unreadable::Timestamp)?.with_timezone(&Utc),
            uuid: uuid.ok_or(Unreadable::Uuid)?,
            created_at: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[rstest::rstest]
    #[case(json!({}), None)]
    #[case(json!({"error": " "}), Some(Unreadable::Error))]
    #[case(json!({"error": ["x"]}), Some(Unreadable::Error))]
    #[case(json!({"error": "x".repeat(MOST_REPORT)}), None)]
    #[case(json!({"error": "x".repeat(MOST_REPORT + 1)}), Some(Unreadable::TooLong))]
    #[case(json!({"timestamp": "yesterday"}), Some(Unreadable::Timestamp))]
    #[case(json!({"timestamp": 1_700_000_000}), Some(Unreadable::Timestamp))]
    #[case(json!({"timestamp": "2026-01-31T12:00:00+02:00"}), None)]
    #[case(json!({"uuid": "7\nINFO forged"}), Some(Unreadable::Uuid))]
    fn a_report_has_a_text_a_time_and_a_run(#[case] over: Value, #[case] refused: Option<Unreadable>) {
        let mut body = json!({
            "error": "it broke", "timestamp": "2026-01-31T12:00:00Z", "uuid": "e4619679-f5d9-4eff-9f79-bbded6130bb1",
        });
        body.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        let read = Report::read(&body, Level::Error, "1".into(), DateTime::UNIX_EPOCH);
        assert_eq!(read.err(), refused);
    }
}
