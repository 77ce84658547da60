//! Messages by which installations join networks, and how they are written (specification §9.2, §9.4).

use std::io;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::ser::Formatter;

use super::ids::NetworkId;

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

    /// `request` or `invite`.
    pub fn kind(&self) -> &str {
        self.message_attributes.get("authType").and_then(Value::as_str).unwrap_or_default()
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

const HEADS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";

/// Words that can be told over the telephone: two syllables of a consonant and a vowel each, 4,096 in all.
pub fn word(number: u16) -> String {
    let pick = |from: &[u8], at: u16| char::from(from.get(usize::from(at)).copied().unwrap_or(b'a'));
    [
        pick(HEADS, number & 15),
        pick(VOWELS, number >> 4 & 3),
        pick(HEADS, number >> 6 & 15),
        pick(VOWELS, number >> 10 & 3),
    ]
    .iter()
    .collect()
}

/// Writes a message as the peers' own language does by default, so that what they sign and verify is what is sent:
/// `", "` and `": "` between, everything but printable ASCII as `\uxxxx`, fields in their order.
pub fn dump(message: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::new();
    message.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Spaced))?;
    Ok(bytes)
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for c in fragment.chars() {
            if matches!(c, ' '..='~') {
                write!(writer, "{c}")?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_the_peers_write_them() {
        #[derive(Serialize)]
        struct Message {
            second: &'static str,
            first: Vec<u8>,
        }
        let message = Message { second: "é\u{7f}\u{1f600}\n\"", first: vec![1, 2] };
        let expected = r#"{"second": "\u00e9\u007f\ud83d\ude00\n\"", "first": [1, 2]}"#;
        assert_eq!(String::from_utf8(dump(&message).unwrap()).unwrap(), expected);
    }

    #[test]
    fn no_two_words_are_the_same() {
        let all: std::collections::BTreeSet<_> = (0..4_096).map(word).collect();
        assert_eq!(all.len(), 4_096);
    }

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
}
