//! SQLite's failures in the store's words.

use rusqlite::ErrorCode;

use crate::store::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(failure, words) = &error else { return Self::engine(error) };
        let words = words.clone().unwrap_or_else(|| failure.to_string());
        match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
                Self::Unavailable("another process has held store.db for more than 10 s".to_owned())
            }
            ErrorCode::DiskFull => Self::Unavailable(
                "the disk that holds the data directory is full, free some space and try again".to_owned(),
            ),
            ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
                Self::Unavailable(format!(
                    "store.db cannot be opened or written ({words}), check owner and mode of the data directory"
                ))
            }
            ErrorCode::SystemIoFailure => Self::Unavailable(format!(
                "reading or writing store.db failed ({words}), check the disk and the system log"
            )),
            ErrorCode::OutOfMemory => Self::Unavailable("not enough memory for store.db".to_owned()),
            ErrorCode::ConstraintViolation => Self::Conflict(words),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::engine(format!(
                "store.db is damaged ({words}): stop every process that uses it, keep a copy of store.db and \
                 store.db-wal, then restore a backup or recover what is readable with `sqlite3 store.db .recover`"
            )),
            _ => Self::engine(error),
        }
    }
}

/// The failure of a whole transaction, told to each of the callers whose writes were in it.
#[derive(Debug, Clone)]
pub(super) enum Lost {
    Unavailable(String),
    Engine(String),
}

impl From<StoreError> for Lost {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(words) => Self::Unavailable(words),
            StoreError::Engine(source) => Self::Engine(source.to_string()),
            other => Self::Engine(other.to_string()),
        }
    }
}

impl From<Lost> for StoreError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Unavailable(words) => Self::Unavailable(words),
            Lost::Engine(words) => Self::engine(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn failure(code: i32) -> StoreError {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("words".to_owned())).into()
    }

    #[rstest::rstest]
    #[case(ffi::SQLITE_BUSY, "another process")]
    #[case(ffi::SQLITE_LOCKED, "another process")]
    #[case(ffi::SQLITE_FULL, "is full")]
    #[case(ffi::SQLITE_IOERR, "check the disk")]
    #[case(ffi::SQLITE_READONLY, "check owner")]
    #[case(ffi::SQLITE_CANTOPEN, "check owner")]
    fn what_may_pass_is_unavailable(#[case] code: i32, #[case] says: &str) {
        let error = failure(code);
        assert!(matches!(&error, StoreError::Unavailable(words) if words.contains(says)), "{error}");
    }

    #[test]
    fn a_taken_value_is_a_conflict_and_a_damaged_file_comes_with_advice() {
        assert!(matches!(failure(ffi::SQLITE_CONSTRAINT_UNIQUE), StoreError::Conflict(_)));
        assert!(failure(ffi::SQLITE_CORRUPT).to_string().contains("restore a backup"));
        assert!(failure(ffi::SQLITE_NOTADB).to_string().contains("restore a backup"));
    }
}
