//! What went wrong, and what that means for the connection and the caller.

use redis::{ErrorKind, RedisError, ServerErrorKind};

pub(super) fn nowhere() -> RedisError {
    (ErrorKind::InvalidClientConfig, "there is no host").into()
}

pub(super) fn late() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time").into()
}

/// The connection ended.
pub(super) fn closed() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the connection was closed").into()
}

/// The server does not let us in.
pub(super) fn is_refused(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
}

/// No waiting at the start mends it.
pub(super) fn is_final(error: &RedisError) -> bool {
    is_refused(error)
        || is_distrusted(error)
        || matches!(error.code(), Some("NOPERM"))
        || matches!(error.kind(), ErrorKind::InvalidClientConfig | ErrorKind::Client)
}

/// Who answers is not who it should be, or does not encrypt: TLS reports that as data that make no sense.
fn is_distrusted(error: &RedisError) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|error| error.kind() == std::io::ErrorKind::InvalidData)
}

/// The connection is of no more use, or leads to a server that is not the writing one any more.
pub(super) fn breaks(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || is_refused(error)
        || matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
}

/// Trying later may help: the server is not there, starting, without room, or not the writing one.
pub(super) fn may_pass(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
    let known = matches!(
        error.kind(),
        ErrorKind::Io
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::Server(Ask | BusyLoading | ClusterDown | MasterDown | Moved | ReadOnly | TryAgain)
    );
    // Inside a script older servers put the code into the text.
    let words = ["OOM", "MISCONF", "NOREPLICAS", "BUSY"];
    let code = error.code().unwrap_or_default();
    let detail = error.detail().unwrap_or_default();
    known
        || is_refused(error)
        || words.iter().any(|word| code == *word || detail.contains(&format!("{word} ")))
}
