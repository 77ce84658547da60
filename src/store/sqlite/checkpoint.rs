//! Moves the log's content into the main file, beside the writer, so that small writes need not wait for that disk
//! work. Bulk work, which fills the log faster than a disk can empty it, is held until the log can start over.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::connection;
use crate::store::StoreError;

/// Time from the first write to the checkpoint that covers it; an idle store wakes nobody.
const AFTER: Duration = Duration::from_millis(500);
/// Pages (64 MiB) that make the log long.
const LONG: i64 = 16_384;
/// A long log is worked off in so many attempts at most; a reader or small writes may keep it from starting over.
const ATTEMPTS: usize = 20;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(2);

#[derive(Debug)]
enum Ring {
    Written,
    LongLog,
}

/// Calls the checkpoint thread.
#[derive(Debug, Clone)]
pub(super) struct Bell {
    pending: Arc<AtomicBool>,
    sender: SyncSender<Ring>,
}

impl Bell {
    /// Notes a committed write.
    pub fn written(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            // A full queue means that the thread is called already.
            let _ = self.sender.try_send(Ring::Written);
        }
    }

    /// Asks for the log to be worked off at once; `false` if nobody will.
    pub fn log_is_long(&self) -> bool {
        self.sender.try_send(Ring::LongLog).is_ok()
    }
}

/// Tells when the log has become long (again).
#[derive(Debug, Default)]
pub(super) struct LogGauge {
    last: i64,
    limit: i64,
}

impl LogGauge {
    /// Whether the log has grown past the limit since it last started over, or by as much again since the last `true`:
    /// a log that cannot start over, because a reader holds on to it, must not stop all bulk work.
    pub fn is_long(&mut self, connection: &Connection) -> bool {
        // Only asks: "noop" moves nothing.
        let Ok((pages, _)) = checkpoint(connection, "NOOP") else { return false };
        self.judge(pages)
    }

    fn judge(&mut self, pages: i64) -> bool {
        if pages < self.last || self.limit == 0 {
            self.limit = LONG;
        }
        self.last = pages;
        let long = pages >= self.limit;
        if long {
            self.limit = pages + LONG;
        }
        long
    }
}

/// Runs a checkpoint; answers the pages in the log and how many of them are in the main file.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<(i64, i64)> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    connection.prepare_cached(&sql)?.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
}

/// The thread that checkpoints.
#[derive(Debug)]
pub(super) struct Checkpointer {
    bell: Option<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread over a connection of its own; it calls `worked_off` after each answer to a long log.
    pub fn start(file: &Path, worked_off: impl Fn() + Send + 'static) -> Result<Self, StoreError> {
        let connection = connection::plain(file)?;
        let (sender, rings) = sync_channel(4);
        let pending = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&pending);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || serve(&connection, &rings, &flag, worked_off))
            .map_err(StoreError::engine)?;
        Ok(Self { bell: Some(Bell { pending, sender }), thread: Some(thread) })
    }

    /// The thread's bell.
    pub fn bell(&self) -> Bell {
        // `stop` takes it, and nobody asks after that.
        self.bell.clone().unwrap_or_else(|| Bell { pending: Arc::default(), sender: sync_channel(1).0 })
    }

    /// Ends the thread; every clone of its bell must be gone.
    pub fn stop(&mut self) {
        self.bell = None;
        if let Some(thread) = self.thread.take() {
            // The thread has no result, and the last connection that closes checkpoints anyway.
            let _ = thread.join();
        }
    }
}

fn serve(connection: &Connection, rings: &Receiver<Ring>, pending: &AtomicBool, worked_off: impl Fn()) {
    let mut due: Option<Instant> = None;
    loop {
        let ring = match due {
            Some(due) => rings.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => rings.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match ring {
            Ok(Ring::Written) => due = Some(Instant::now() + AFTER),
            Ok(Ring::LongLog) => {
                work_off(connection);
                worked_off();
            }
            Err(RecvTimeoutError::Timeout) => {
                due = None;
                pending.store(false, Ordering::Release);
                passive(connection);
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// One checkpoint that waits for nobody (what readers still need stays in the log); whether the log is worked off.
fn passive(connection: &Connection) -> bool {
    match checkpoint(connection, "PASSIVE") {
        Ok((pages, moved)) => pages == moved,
        Err(error) => {
            tracing::warn!(%error, "the store's log could not be moved into its file, it will be tried again");
            false
        }
    }
}

fn work_off(connection: &Connection) {
    for _ in 0..ATTEMPTS {
        if passive(connection) {
            return;
        }
        std::thread::sleep(BETWEEN_ATTEMPTS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_long_once_until_it_starts_over_or_doubles() {
        let mut gauge = LogGauge::default();
        let answers =
            [10, LONG, LONG + 1, 2 * LONG, 2 * LONG + 1, 5, LONG - 1, LONG].map(|pages| gauge.judge(pages));
        assert_eq!(answers, [false, true, false, true, false, false, false, true]);
    }
}
