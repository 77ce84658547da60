//! Messages by which installations join networks, and how they are written (specification §9.2, §9.4).

mod words;
mod written;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::ids::{NetworkId, NodeId};
use super::networks::Node;
pub use words::word;
pub use written::{dump, dump_again};

/// Wrong answers to a challenge after which a request is rejected.
pub const MOST_FAILURES: u32 = 5;

/// How far a request has come; lower case wherever it is written, any case where it is read (specification §15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthStatus {
    /// By us, and not answered.
    Sent,
    /// To us, and not answered.
    Pending,
    Accepted,
    Rejected,
}

impl<'de> Deserialize<'de> for AuthStatus {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match String::deserialize(from)?.to_ascii_lowercase().as_str() {
            "sent" => Ok(Self::Sent),
            "pending" => Ok(Self::Pending),
            "accepted" => Ok(Self::Accepted),
            "rejected" => Ok(Self::Rejected),
            other => Err(serde::de::Error::custom(format!("{other} is no status of a request"))),
        }
    }
}

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    In,
    Out,
}

/// How far our decision about a request is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// What it means here is not all stored yet.
    Storing,
    /// Its sender has to be told.
    Waiting,
    Delivered,
    /// Its sender could not be told as long as it was tried.
    Failed,
}

/// How our decision about a request reaches its sender.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    pub state: DeliveryState,
    /// Our own node in the network, chosen with the decision: doing it again makes no other.
    pub node_id: NodeId,
    pub decided_at: DateTime<Utc>,
    pub attempts: u32,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The pause after so many attempts to tell somebody: a minute, then twice as long each time, at most six hours.
pub fn pause(attempts: u32) -> TimeDelta {
    let minutes = 1_i64.checked_shl(attempts.saturating_sub(1)).filter(|_| attempts < 10);
    TimeDelta::minutes(minutes.unwrap_or(360).min(360))
}

/// A request or invitation: the document of the room `network.messages`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// Direction and message id: what we sent to ourselves is two documents.
    pub id: String,
    pub message_id: String,
    pub direction: Direction,
    pub status: AuthStatus,
    pub network_id: NetworkId,
    pub received_at: DateTime<Utc>,
    /// Wrong answers to the challenge so far.
    #[serde(default)]
    pub failures: u32,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When something is to be done about it by itself: our answer told, or theirs asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Of a received one that is decided, where its sender is to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Of a sent one that was approved: who did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<Node>,
    /// How far administrators here were told of it by mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noticed: Option<String>,
    pub message_type: String,
    pub message_attributes: Value,
    pub message_data: Value,
    pub timestamp: i64,
}

impl Exchange {
    /// The id of its document.
    pub fn key(direction: Direction, message: &str) -> String {
        match direction {
            Direction::In => format!("in-{message}"),
            Direction::Out => format!("out-{message}"),
        }
    }

    /// Whether it waits for an answer of either side.
    pub fn is_open(&self) -> bool {
        matches!(self.status, AuthStatus::Sent | AuthStatus::Pending)
    }

    /// Whether an administrator here has to decide about it.
    pub fn awaits_us(&self) -> bool {
        self.direction == Direction::In && self.status == AuthStatus::Pending
    }

    /// Whether we sent it and have no answer.
    pub fn awaits_them(&self) -> bool {
        self.direction == Direction::Out && self.status == AuthStatus::Sent
    }

    /// Whether it was approved here, and what that means is not all stored yet.
    pub fn is_half_stored(&self) -> bool {
        self.delivery.as_ref().is_some_and(|delivery| delivery.state == DeliveryState::Storing)
    }

    /// Ends it, unless it is ended.
    pub fn reject(&mut self, reason: &str) {
        if self.is_open() {
            self.status = AuthStatus::Rejected;
            self.reason = Some(reason.to_owned());
            self.next_attempt_at = None;
        }
    }

    /// `request` or `invite`.
    pub fn kind(&self) -> &str {
        self.message_attributes.get("authType").and_then(Value::as_str).unwrap_or_default()
    }

    /// The address it was sent to.
    pub fn target(&self) -> &str {
        self.message_attributes.get("targetUrl").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether these are the three words of the challenge, in any order and case.
    pub fn is_met_by(&self, words: &[String]) -> bool {
        let own = self.message_data.get("challenge").and_then(Value::as_array);
        let mut own: Vec<String> =
            own.into_iter().flatten().filter_map(Value::as_str).map(plain_word).collect();
        let mut given: Vec<String> = words.iter().map(|word| plain_word(word)).collect();
        own.sort();
        given.sort();
        own.len() == 3 && own == given
    }
}

fn plain_word(word: &str) -> String {
    word.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("Pending", AuthStatus::Pending)]
    #[case("accepted", AuthStatus::Accepted)]
    #[case("SENT", AuthStatus::Sent)]
    fn a_status_is_read_in_any_case_and_written_in_lower_case(
        #[case] text: &str,
        #[case] status: AuthStatus,
    ) {
        assert_eq!(serde_json::from_value::<AuthStatus>(text.into()).unwrap(), status);
        assert_eq!(serde_json::to_value(status).unwrap(), text.to_lowercase());
    }

    #[rstest::rstest]
    #[case(1, 1)]
    #[case(2, 2)]
    #[case(9, 256)]
    #[case(10, 360)]
    #[case(u32::MAX, 360)]
    fn pauses_grow_up_to_six_hours(#[case] attempts: u32, #[case] minutes: i64) {
        assert_eq!(pause(attempts), TimeDelta::minutes(minutes));
    }
}
