//! The one writer of a process: a thread that groups what is asked meanwhile into one transaction.
//!
//! Transactions are committed without a sync; a second thread then syncs the write-ahead log once for all
//! acknowledgements that have to survive power loss. So a slow disk delays only those, never a `take` or a counter.
//! (In WAL mode a commit is its frames in the log, and recovery reads them up to the last whole commit:
//! sqlite.org/wal.html, sqlite.org/pragma.html#pragma_synchronous.) A third thread moves the log into the file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc as threads;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::wake::Post;
use super::{engine, schema};
use crate::broker::{BrokerError, Queue};

/// Operations that wait at most; more make their callers wait.
const WAITING: usize = 1_024;
/// Operations in one transaction at most.
const BATCH: usize = 128;
/// Transactions between two moves of the log into the file: roughly SQLite's own 1,000 pages.
const CHECKPOINT_EVERY: u32 = 250;
/// Pages in the log at which the writer itself moves them (64 MiB), should the thread for it not keep up.
const LOG_PAGES: i64 = 16_384;

/// What has to survive before the caller is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Survives {
    /// The death of the process.
    Kill,
    /// Power loss.
    PowerLoss,
}

/// The queues to be woken once the transaction is committed.
pub(super) type Wakes = Vec<Queue>;

/// Hands operations to the writer thread.
#[derive(Debug)]
pub(super) struct Writer {
    operations: mpsc::Sender<Box<dyn Operation>>,
}

impl Writer {
    /// Starts the threads.
    pub fn start(path: &Path, post: Arc<Post>) -> Result<Self, BrokerError> {
        let connection = schema::connect(path)?;
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES).map_err(engine)?;
        let checkpoints = schema::connect(path)?;
        let log = log_of(path);
        let (operations, asked) = mpsc::channel(WAITING);
        // Bounded: a disk that does not sync any more stops the writer, and so the callers.
        let (sync, to_sync) = threads::sync_channel(64);
        let (kick, kicked) = threads::sync_channel(1);
        spawn("jobs-write", move || write_all(&connection, asked, &post, &sync, &kick))?;
        spawn("jobs-sync", move || sync_all(&log, &to_sync))?;
        spawn("jobs-checkpoint", move || checkpoint_all(&checkpoints, &kicked))?;
        Ok(Self { operations })
    }

    /// Runs the work inside a transaction and answers once it is committed and survives what is asked.
    pub async fn write<T, F>(&self, survives: Survives, work: F) -> Result<T, BrokerError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &mut Wakes) -> rusqlite::Result<T> + Send + 'static,
    {
        self.write_judged(move |connection, wakes| Ok((work(connection, wakes)?, survives))).await
    }

    /// The same where only the work finds out what it has to survive.
    pub async fn write_judged<T, F>(&self, work: F) -> Result<T, BrokerError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &mut Wakes) -> rusqlite::Result<(T, Survives)> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task { work: Some(work), outcome: None, reply };
        let ended = || BrokerError::Unavailable("its writer has ended; restart the process".to_owned());
        self.operations.send(Box::new(task)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

/// Why a whole transaction did not come to be.
#[derive(Debug, Clone)]
enum Fate {
    Unavailable(String),
    Broken(String),
}

impl From<rusqlite::Error> for Fate {
    fn from(error: rusqlite::Error) -> Self {
        match engine(error) {
            BrokerError::Unavailable(text) => Self::Unavailable(text),
            BrokerError::Engine(cause) => Self::Broken(cause.to_string()),
        }
    }
}

/// A `write` on its way through the threads.
trait Operation: Send {
    /// Known once it has run.
    fn survives(&self) -> Survives;
    /// Does the work; `false` = undo what it did.
    fn run(&mut self, connection: &Connection, wakes: &mut Wakes) -> bool;
    /// Answers the caller.
    fn settle(self: Box<Self>, fate: Result<(), Fate>);
}

struct Task<T, F> {
    work: Option<F>,
    outcome: Option<rusqlite::Result<(T, Survives)>>,
    reply: oneshot::Sender<Result<T, BrokerError>>,
}

impl<T, F> Operation for Task<T, F>
where
    T: Send,
    F: FnOnce(&Connection, &mut Wakes) -> rusqlite::Result<(T, Survives)> + Send,
{
    fn survives(&self) -> Survives {
        match &self.outcome {
            Some(Ok((_, survives))) => *survives,
            // Nothing was written.
            Some(Err(_)) | None => Survives::Kill,
        }
    }

    fn run(&mut self, connection: &Connection, wakes: &mut Wakes) -> bool {
        self.outcome = self.work.take().map(|work| work(connection, wakes));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn settle(self: Box<Self>, fate: Result<(), Fate>) {
        let answer = match (fate, self.outcome) {
            (Err(Fate::Unavailable(text)), _) => Err(BrokerError::Unavailable(text)),
            (Err(Fate::Broken(text)), _) => Err(BrokerError::Engine(text.into())),
            (Ok(()), Some(outcome)) => outcome.map(|(value, _)| value).map_err(engine),
            (Ok(()), None) => Err(BrokerError::Unavailable("the operation did not run".to_owned())),
        };
        // The caller may have gone; the work is done all the same.
        let _ = self.reply.send(answer);
    }
}

type Batch = Vec<Box<dyn Operation>>;

fn write_all(
    connection: &Connection,
    mut asked: mpsc::Receiver<Box<dyn Operation>>,
    post: &Post,
    sync: &threads::SyncSender<Batch>,
    kick: &threads::SyncSender<()>,
) {
    let mut transactions = 0_u32;
    while let Some(first) = asked.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = asked.try_recv()
        {
            batch.push(next);
        }
        let mut wakes = Wakes::new();
        let fate = transact(connection, &mut batch, &mut wakes);
        if fate.is_ok() {
            post.wake(&wakes);
        }
        let (later, now): (Batch, Batch) = batch
            .into_iter()
            .partition(|operation| fate.is_ok() && operation.survives() == Survives::PowerLoss);
        for operation in now {
            operation.settle(fate.clone());
        }
        if !later.is_empty()
            && let Err(threads::SendError(unsynced)) = sync.send(later)
        {
            settle(unsynced, &Err(Fate::Broken("the thread that syncs the log has ended".to_owned())));
        }
        transactions += 1;
        if transactions >= CHECKPOINT_EVERY {
            transactions = 0;
            // A full channel means that the thread is at it.
            let _ = kick.try_send(());
        }
    }
}

/// Runs the operations in one transaction, each undone alone if it fails.
fn transact(connection: &Connection, batch: &mut Batch, wakes: &mut Wakes) -> Result<(), Fate> {
    let say = |statement: &str| connection.prepare_cached(statement)?.execute([]).map(drop);
    say("BEGIN IMMEDIATE")?;
    for operation in batch.iter_mut() {
        let done = say("SAVEPOINT operation").and_then(|()| {
            if !operation.run(connection, wakes) && !connection.is_autocommit() {
                say("ROLLBACK TO operation")?;
            }
            if connection.is_autocommit() { Ok(()) } else { say("RELEASE operation") }
        });
        // Out of room or memory SQLite itself undoes the whole transaction (sqlite.org/lang_transaction.html).
        if connection.is_autocommit() {
            return Err(Fate::Unavailable("the disk is full or failing; nothing was written".to_owned()));
        }
        if let Err(error) = done {
            let _ = say("ROLLBACK");
            return Err(error.into());
        }
    }
    say("COMMIT").map_err(|error| {
        let _ = say("ROLLBACK");
        Fate::from(error)
    })
}

/// Syncs the log, then answers all who waited for it.
fn sync_all(log: &Path, to_sync: &threads::Receiver<Batch>) {
    let mut lost: Option<Fate> = None;
    while let Ok(mut batch) = to_sync.recv() {
        while let Ok(more) = to_sync.try_recv() {
            batch.extend(more);
        }
        if lost.is_none()
            && let Err(error) = sync(log)
        {
            tracing::error!(%error, "the job log cannot be synced; jobs are refused until the process is restarted");
            // After a failed sync the kernel may report success for pages it dropped, so no later one is believed.
            lost = Some(Fate::Broken(format!(
                "the job log cannot be synced: {error}; check the disk and restart"
            )));
        }
        settle(batch, &lost.clone().map_or(Ok(()), Err));
    }
}

/// Opened anew each time, so that it is always the file that SQLite uses. No lock of SQLite's is on this file.
fn sync(log: &Path) -> io::Result<()> {
    File::open(log)?.sync_data()
}

fn settle(batch: Batch, fate: &Result<(), Fate>) {
    for operation in batch {
        operation.settle(fate.clone());
    }
}

/// A passive checkpoint never blocks the writer; what it does not reach the next one does.
fn checkpoint_all(connection: &Connection, kicked: &threads::Receiver<()>) {
    while kicked.recv().is_ok() {
        if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::warn!(%error, "the job log was not moved into its file");
        }
    }
}

fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), BrokerError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(512 * 1024)
        .spawn(body)
        .map(drop)
        .map_err(|error| BrokerError::Unavailable(format!("the thread {name} cannot be started: {error}")))
}
