//! Identifiers: opaque strings as stored, 1 to 255 printable characters, compared exactly.
//! Only identifiers this installation creates are UUIDv4 in lower case.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A string that cannot be an identifier.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{what} must have 1 to 255 printable characters")]
pub struct InvalidId {
    /// Which kind of identifier was being read.
    pub what: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes the string as it stands if it can be an identifier.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let legal = !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
                if legal { Ok(Self(text)) } else { Err(InvalidId { what: $what }) }
            }

            /// Makes the identifier of something new from a fresh UUID.
            pub fn from_uuid(uuid: uuid::Uuid) -> Self {
                Self(uuid.to_string())
            }

            /// The identifier as stored.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// A data source.
    SourceId = "source id";
    /// A meta source: a description, with or without data here.
    MetaSourceId = "meta source id";
    /// An uploaded data file.
    DataFileId = "data file id";
    /// A file or remap pipeline.
    PipelineId = "pipeline id";
    /// A discovery group.
    GroupId = "discovery group id";
    /// A discovery network.
    NetworkId = "network id";
    /// One installation as seen in one network.
    NodeId = "node id";
    /// A user: the subject claim of the configured issuer, or a local UUID.
    UserId = "user id";
    /// A record or meta query; equal to the id of its message.
    QueryId = "query id";
    /// A path under which a network is exposed as a Beacon.
    BeaconId = "beacon endpoint id";
    /// A request for an account.
    RequestId = "access request id";
    /// A durable job.
    JobId = "job id";
}

impl UserId {
    /// The reserved internal user that carries anonymous permissions (specification §5.5).
    pub const ANONYMOUS: &'static str = "00000000-0000-4000-8000-000000000000";

    /// The reserved internal user that carries anonymous permissions.
    pub fn anonymous() -> Self {
        Self(Self::ANONYMOUS.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("5065179a-d608-4aba-8728-2f131ec68127", true)]
    #[case("Patient 1", true)]
    #[case("", false)]
    #[case("line\nbreak", false)]
    fn an_id_is_short_and_printable(#[case] text: &str, #[case] legal: bool) {
        assert_eq!(SourceId::parse(text).is_ok(), legal);
    }

    #[test]
    fn an_id_of_256_bytes_is_refused() {
        assert!(UserId::parse("x".repeat(255)).is_ok());
        assert!(UserId::parse("x".repeat(256)).is_err());
    }
}
