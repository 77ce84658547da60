//! MongoDB's failures in the store's words; what a document holds never enters them.

use mongodb::error::{Error, ErrorKind, WriteFailure};

use crate::store::StoreError;

/// Codes of MongoDB's error reference that pass: no primary, shutting down, interrupted, out of time or disk.
const PASSING: &[i32] =
    &[6, 7, 50, 64, 89, 91, 100, 175, 189, 237, 262, 9001, 10107, 11600, 11601, 11602, 13435, 13436, 14031];
/// Codes of a user who may not do this, or is not known.
const REFUSED: &[i32] = &[13, 18];
/// Codes of a value that a unique index has already.
const DUPLICATE: &[i32] = &[11000, 11001, 12582];
/// Codes of a document beyond 16 MiB.
const TOO_LARGE: &[i32] = &[10334, 17280, 17419, 17420];

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error.kind.as_ref() {
            ErrorKind::ServerSelection { message, .. } => Self::Unavailable(format!(
                "MongoDB does not answer ({message}), check that it runs and that MongoDB.Host and MongoDB.Port name it"
            )),
            ErrorKind::DnsResolve { message, .. } => {
                Self::Unavailable(format!("the host of MongoDB is not found ({message}), check MongoDB.Host"))
            }
            ErrorKind::Io(reason) => {
                Self::Unavailable(format!("the connection to MongoDB failed ({reason}), try again"))
            }
            ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::Shutdown => {
                Self::Unavailable("the connection to MongoDB was lost, try again".to_owned())
            }
            ErrorKind::Authentication { .. } => refused(),
            _ => match failure(&error) {
                Some((code, _)) if REFUSED.contains(&code) => refused(),
                Some((code, words)) if DUPLICATE.contains(&code) => Self::Conflict(index_of(words)),
                Some((code, words)) => coded(code, words),
                None => Self::engine(error),
            },
        }
    }
}

fn refused() -> StoreError {
    StoreError::Unavailable(
        "MongoDB refuses the user or what it asks for, check MongoDB.User, MongoDB.Password, MongoDB.AuthSource and \
         that the user may read and write MongoDB.Database"
            .to_owned(),
    )
}

/// A failure that MongoDB gave a code.
pub(super) fn coded(code: i32, words: &str) -> StoreError {
    if PASSING.contains(&code) {
        StoreError::Unavailable(format!("MongoDB cannot do this now ({words}, code {code}), try again"))
    } else if TOO_LARGE.contains(&code) {
        StoreError::engine("a document is larger than the 16 MiB that MongoDB allows")
    } else {
        StoreError::engine(format!("MongoDB refused a command: {words} (code {code})"))
    }
}

/// The code and words of what the server answered.
fn failure(error: &Error) -> Option<(i32, &str)> {
    match error.kind.as_ref() {
        ErrorKind::Command(failed) => Some((failed.code, &failed.message)),
        ErrorKind::Write(WriteFailure::WriteError(failed)) => Some((failed.code, &failed.message)),
        ErrorKind::Write(WriteFailure::WriteConcernError(failed)) => Some((failed.code, &failed.message)),
        ErrorKind::InsertMany(failed) => {
            let write = failed.write_errors.iter().flatten().next();
            write.map(|e| (e.code, e.message.as_str())).or_else(|| {
                failed.write_concern_error.as_ref().map(|concern| (concern.code, concern.message.as_str()))
            })
        }
        _ => None,
    }
}

/// The words of a failure caused by a value that is taken.
pub(super) fn duplicate(error: &Error) -> Option<&str> {
    failure(error).filter(|(code, _)| DUPLICATE.contains(code)).map(|(_, words)| words)
}

/// Whether a code of a bulk write means that the value is taken.
pub(super) fn is_duplicate(code: i32) -> bool {
    DUPLICATE.contains(&code)
}

/// Whether the server does not let this user in or do this.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Authentication { .. })
        || failure(error).is_some_and(|(code, _)| REFUSED.contains(&code))
}

/// Whether the collection does not exist.
pub(super) fn is_absent(error: &Error) -> bool {
    failure(error).is_some_and(|(code, _)| code == 26)
}

/// The name of the index in the words of a duplicate, without the value.
pub(super) fn index_of(words: &str) -> String {
    let name = words.split("index: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    format!("a unique value is taken ({})", name.unwrap_or("unknown index"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_unavailable_and_the_rest_is_not() {
        let unavailable = |code| matches!(coded(code, "words"), StoreError::Unavailable(_));
        assert!(unavailable(10107) && unavailable(91) && unavailable(14031));
        assert!(!unavailable(9) && !unavailable(10334));
        assert!(coded(10334, "x").to_string().contains("16 MiB"));
    }

    #[test]
    fn a_broken_connection_is_unavailable_and_names_mongodb() {
        let error = StoreError::from(Error::from(std::io::Error::other("reset")));
        assert!(matches!(&error, StoreError::Unavailable(words) if words.contains("MongoDB")), "{error}");
    }

    #[test]
    fn a_taken_value_is_not_repeated() {
        let words =
            "E11000 duplicate key error collection: a.b index: username_1 dup key: { username: \"ada\" }";
        assert_eq!(index_of(words), "a unique value is taken (username_1)");
    }
}
