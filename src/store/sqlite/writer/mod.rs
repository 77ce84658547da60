//! The one writer thread of a process: small writes grouped into shared transactions, bulk work sliced between them.
//!
//! One connection serves durable and other rooms. Two writers would wait for each other's file lock by polling, so
//! the thread instead switches `synchronous` between transactions: FULL (one sync of the log for the whole group)
//! for rooms that must survive power loss, NORMAL for the rest. The log is one file, so a FULL commit also makes
//! everything before it durable: a manifest never survives without the changes it names.
//!
//! A write that was handed over is carried out whether or not its caller still waits.

mod queue;

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::checkpoint::{self, Bell, Checkpointer};
use super::error::Lost;
use crate::store::StoreError;
use queue::Queue;

/// Small writes in the queue at once; further callers wait for a place.
const WAITING: usize = 1024;
/// Bulk jobs in the queue at once.
const WAITING_BULK: usize = 8;
/// Small writes in one transaction.
const GROUP: usize = 256;

/// What a bulk job may do in one transaction: the larger, the fewer times a page of an index is written.
const SLICE_ROWS: usize = 5_000;
const SLICE_TIME: Duration = Duration::from_millis(50);
/// How long it may go on once a small write waits.
const SLICE_TIME_WATCHED: Duration = Duration::from_millis(5);

/// The room left in a bulk transaction.
#[derive(Debug)]
pub(super) struct Slice {
    begun: Instant,
    rows: usize,
    small_waits: Arc<AtomicBool>,
}

impl Slice {
    /// A number of rows that fits a slice even where each costs much; for statements that cannot stop half way.
    pub const CHUNK: usize = 500;

    fn new(small_waits: &Arc<AtomicBool>) -> Self {
        Self { begun: Instant::now(), rows: SLICE_ROWS, small_waits: Arc::clone(small_waits) }
    }

    /// Counts one row; `false` once the transaction should end.
    pub fn row(&mut self) -> bool {
        self.rows = self.rows.saturating_sub(1);
        // Reading the clock costs as much as a tenth of an insertion: every 16th row will do.
        self.rows > 0 && (!self.rows.is_multiple_of(16) || self.has_time())
    }

    /// Counts several rows at once; `false` once the transaction should end.
    pub fn rows(&mut self, count: usize) -> bool {
        self.rows = self.rows.saturating_sub(count);
        self.rows > 0 && self.has_time()
    }

    fn has_time(&self) -> bool {
        let watched = self.small_waits.load(Ordering::Relaxed);
        self.begun.elapsed() < if watched { SLICE_TIME_WATCHED } else { SLICE_TIME }
    }
}

/// Whether a job is finished.
#[derive(Debug)]
pub(super) enum Step<T> {
    Done(T),
    /// Commit what is done and call again.
    More,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ran {
    Keep,
    Undo,
    More,
}

/// A queued write; runs inside a transaction the thread opened.
trait Job: Send {
    fn durable(&self) -> bool;
    fn run(&mut self, connection: &Connection) -> Ran;
    /// Tells the caller, once the transaction is committed or lost.
    fn reply(self: Box<Self>, transaction: Result<(), Lost>);
}

type Outcome<T> = Result<Result<T, StoreError>, Box<dyn Any + Send>>;

struct Task<T, F> {
    durable: bool,
    work: F,
    outcome: Option<Outcome<T>>,
    caller: oneshot::Sender<Outcome<T>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl<T: Send, F: FnMut(&Connection) -> Result<Step<T>, StoreError> + Send> Job for Task<T, F> {
    fn durable(&self) -> bool {
        self.durable
    }

    fn run(&mut self, connection: &Connection) -> Ran {
        // A defect in one write must not take the others' thread along: it goes to the caller's own wall.
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.work)(connection)));
        let (ran, outcome) = match run {
            Ok(Ok(Step::More)) => return Ran::More,
            Ok(Ok(Step::Done(value))) => (Ran::Keep, Ok(Ok(value))),
            Ok(Err(error)) => (Ran::Undo, Ok(Err(error))),
            Err(defect) => (Ran::Undo, Err(defect)),
        };
        self.outcome = Some(outcome);
        ran
    }

    fn reply(self: Box<Self>, transaction: Result<(), Lost>) {
        let outcome = match (transaction, self.outcome) {
            // The job's own failure says more than the transaction's.
            (_, Some(Err(defect))) => Err(defect),
            (_, Some(Ok(Err(error)))) => Ok(Err(error)),
            (Err(lost), _) => Ok(Err(lost.into())),
            (Ok(()), Some(done)) => done,
            (Ok(()), None) => Ok(Err(StoreError::engine("a write was answered before it ran"))),
        };
        // Nobody waiting is fine.
        let _ = self.caller.send(outcome);
    }
}

/// The hand-over to the writer thread.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Arc<Queue>,
    places: Arc<Semaphore>,
    bulk_places: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
    checkpointer: Checkpointer,
}

impl Writer {
    /// Starts the thread over its connection.
    pub fn start(connection: Connection, file: &Path) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue::default());
        let jobs = Arc::clone(&queue);
        let checkpointer = Checkpointer::start(file, move || jobs.release_bulk())?;
        let (jobs, bell) = (Arc::clone(&queue), checkpointer.bell());
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(&jobs, &connection, &bell))
            .map_err(StoreError::engine)?;
        Ok(Self {
            queue,
            places: Arc::new(Semaphore::new(WAITING)),
            bulk_places: Arc::new(Semaphore::new(WAITING_BULK)),
            thread: Some(thread),
            checkpointer,
        })
    }

    /// Runs a small write within a shared transaction and answers once that is committed. An error undoes only
    /// this write.
    pub async fn write<T: Send + 'static>(
        &self,
        durable: bool,
        mut work: impl FnMut(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| closed())?;
        let work = move |connection: &Connection| work(connection).map(Step::Done);
        let (caller, answer) = oneshot::channel();
        self.queue.push(Box::new(Task { durable, work, outcome: None, caller, _place: Some(place) }));
        settle(answer).await
    }

    /// Runs bulk work slice by slice, each in a transaction of its own, and answers once the last is committed.
    pub async fn bulk<T: Send + 'static>(
        &self,
        durable: bool,
        mut work: impl FnMut(&Connection, &mut Slice) -> Result<Step<T>, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.bulk_places).acquire_owned().await.map_err(|_| closed())?;
        let small_waits = self.queue.small_waits();
        let work = move |connection: &Connection| work(connection, &mut Slice::new(&small_waits));
        let (caller, answer) = oneshot::channel();
        self.queue.push_bulk(Box::new(Task { durable, work, outcome: None, caller, _place: Some(place) }));
        settle(answer).await
    }

    /// Queues bulk work nobody waits for.
    pub fn enqueue_bulk(
        &self,
        durable: bool,
        mut work: impl FnMut(&Connection, &mut Slice) -> Result<Step<()>, StoreError> + Send + 'static,
    ) {
        let small_waits = self.queue.small_waits();
        let work = move |connection: &Connection| work(connection, &mut Slice::new(&small_waits));
        let (caller, _) = oneshot::channel();
        self.queue.push_bulk(Box::new(Task { durable, work, outcome: None, caller, _place: None }));
    }
}

impl Drop for Writer {
    /// Waits for the small writes that are queued; bulk work stops between two slices (all of it can be resumed).
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // The thread catches its jobs' panics; there is no further error to tell.
            let _ = thread.join();
        }
        self.checkpointer.stop();
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is being closed".to_owned())
}

async fn settle<T>(answer: oneshot::Receiver<Outcome<T>>) -> Result<T, StoreError> {
    match answer.await {
        Ok(Ok(result)) => result,
        Ok(Err(defect)) => std::panic::resume_unwind(defect),
        Err(_) => Err(closed()),
    }
}

/// The thread: all small writes there are, then one slice of bulk work, and again.
fn serve(queue: &Queue, connection: &Connection, bell: &Bell) {
    let mut mode = Mode::default();
    let mut log = checkpoint::LogGauge::default();
    while let Some((small, bulk)) = queue.next(GROUP) {
        // Writes that need no sync first: they should not wait for one.
        let (durable, quick): (Vec<_>, Vec<_>) = small.into_iter().partition(|job| job.durable());
        for group in [quick, durable] {
            run_group(connection, &mut mode, group);
        }
        if let Some(job) = bulk {
            run_slice(queue, connection, &mut mode, job);
            if log.is_long(connection) {
                queue.hold_bulk();
                if !bell.log_is_long() {
                    queue.release_bulk();
                }
            }
        }
        bell.written();
    }
}

/// The present `synchronous` setting of the connection.
#[derive(Debug, Default)]
struct Mode(Option<bool>);

impl Mode {
    fn begin(&mut self, connection: &Connection, durable: bool) -> Result<(), Lost> {
        if self.0 != Some(durable) {
            let level = if durable { "FULL" } else { "NORMAL" };
            connection.pragma_update(None, "synchronous", level).map_err(lost)?;
            self.0 = Some(durable);
        }
        execute(connection, "BEGIN IMMEDIATE")
    }
}

fn lost(error: rusqlite::Error) -> Lost {
    StoreError::from(error).into()
}

fn execute(connection: &Connection, sql: &str) -> Result<(), Lost> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map(drop).map_err(lost)
}

/// Ends a transaction that cannot be kept; SQLite may have ended it already (full disk, input or output error).
fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = execute(connection, "ROLLBACK")
    {
        tracing::error!(?error, "a transaction could not be rolled back");
    }
}

fn commit(connection: &Connection) -> Result<(), Lost> {
    execute(connection, "COMMIT").inspect_err(|_| roll_back(connection))
}

/// Runs small writes in one transaction; a failing one is undone alone, unless SQLite gave the transaction up.
fn run_group(connection: &Connection, mode: &mut Mode, mut group: Vec<Box<dyn Job>>) {
    let Some(durable) = group.first().map(|job| job.durable()) else { return };
    let transaction = mode.begin(connection, durable).and_then(|()| {
        for job in &mut group {
            execute(connection, "SAVEPOINT one")?;
            if job.run(connection) != Ran::Keep && !connection.is_autocommit() {
                execute(connection, "ROLLBACK TO one")?;
            }
            if connection.is_autocommit() {
                let words = "the transaction was given up because the disk is full or failing";
                return Err(Lost::Unavailable(words.to_owned()));
            }
            execute(connection, "RELEASE one")?;
        }
        commit(connection)
    });
    if transaction.is_err() {
        roll_back(connection);
    }
    for job in group {
        job.reply(transaction.clone());
    }
}

/// Runs one slice of a bulk job and puts the job back if it is not finished.
fn run_slice(queue: &Queue, connection: &Connection, mode: &mut Mode, mut job: Box<dyn Job>) {
    let mut ran = Ran::Undo;
    let transaction = mode.begin(connection, job.durable()).and_then(|()| {
        ran = job.run(connection);
        if ran == Ran::Undo {
            roll_back(connection);
            return Ok(());
        }
        commit(connection)
    });
    if ran == Ran::More && transaction.is_ok() {
        queue.push_bulk(job);
    } else {
        job.reply(transaction);
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection;
    use super::*;

    fn writer(folder: &Path) -> Arc<Writer> {
        let file = folder.join("store.db");
        Arc::new(Writer::start(connection::prepare(&file).unwrap(), &file).unwrap())
    }

    fn note(connection: &Connection, key: &str) -> Result<(), StoreError> {
        connection.execute("INSERT INTO meta VALUES (?1, '')", [key])?;
        Ok(())
    }

    async fn notes(writer: &Writer) -> Vec<String> {
        let read = |connection: &Connection| {
            let mut statement = connection.prepare("SELECT key FROM meta WHERE value = '' ORDER BY key")?;
            Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        };
        writer.write(false, read).await.unwrap()
    }

    #[tokio::test]
    async fn a_defect_in_a_write_reaches_its_caller_and_undoes_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path());
        let before = writer.write(true, |connection| note(connection, "before"));
        let broken = tokio::spawn({
            let writer = Arc::clone(&writer);
            async move {
                let work = |connection: &Connection| -> Result<(), StoreError> {
                    note(connection, "broken")?;
                    panic!("a defect")
                };
                writer.write(true, work).await
            }
        });
        let after = writer.write(true, |connection| note(connection, "after"));
        let (before, broken, after) = tokio::join!(before, broken, after);
        before.unwrap();
        after.unwrap();
        assert!(broken.unwrap_err().is_panic());
        assert_eq!(notes(&writer).await, ["after", "before"]);
    }

    #[tokio::test]
    async fn a_bulk_job_that_fails_keeps_only_its_finished_slices() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path());
        let mut slices = 0;
        let work = move |connection: &Connection, _: &mut Slice| {
            slices += 1;
            note(connection, &slices.to_string())?;
            if slices < 3 { Ok(Step::More) } else { Err::<Step<()>, _>(StoreError::engine("enough")) }
        };
        assert!(writer.bulk(false, work).await.unwrap_err().to_string().contains("enough"));
        assert_eq!(notes(&writer).await, ["1", "2"]);
    }

    #[tokio::test]
    async fn small_writes_are_served_between_the_slices_of_bulk_work() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path());
        let small_done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&small_done);
        // Ends only once the small write, queued after it, is done.
        let work = move |_: &Connection, _: &mut Slice| {
            Ok(if seen.load(Ordering::Acquire) { Step::Done(()) } else { Step::More })
        };
        let small = async {
            writer.write(true, |connection| note(connection, "small")).await.unwrap();
            small_done.store(true, Ordering::Release);
        };
        let (bulk, ()) = tokio::join!(writer.bulk(false, work), small);
        bulk.unwrap();
    }

    #[tokio::test]
    async fn closing_finishes_the_small_writes_that_wait() {
        let folder = tempfile::tempdir().unwrap();
        let first = writer(folder.path());
        for i in 0..100 {
            let key = format!("{i:03}");
            let mut write = std::pin::pin!(first.write(true, move |connection| note(connection, &key)));
            let _ = write.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        }
        drop(first);
        assert_eq!(notes(&writer(folder.path())).await.len(), 100);
    }
}
