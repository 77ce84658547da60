//! Sends lines to collectors in batches, from bounded queues, and never keeps who logs waiting.
//!
//! A collector that is away is tried again with growing pauses while its queue fills; what does not fit is counted,
//! and the count is said once it is back.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

use crate::outbound::Outbound;

/// Lines, and bytes of lines, that may wait for a collector.
const WAITING: usize = 10_000;
const WAITING_BYTES: usize = 8 << 20;

/// A longer line is cut.
const LONGEST: usize = 16 << 10;

/// A batch goes when it has so many lines, or its first line waited so long.
const BATCH: usize = 500;
const GATHER: Duration = Duration::from_millis(500);

/// Pauses between tries, the first and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A line as a collector needs it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub at: DateTime<Utc>,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: String,
    /// The service of the request it belongs to, where it belongs to one.
    pub service: Option<String>,
    /// The whole line: one JSON object.
    pub line: Value,
}

impl Record {
    fn read(text: &[u8]) -> Option<Self> {
        let line: Value = serde_json::from_slice(text).ok()?;
        let field = |name: &str| line.get(name).and_then(Value::as_str);
        Some(Self {
            at: DateTime::parse_from_rfc3339(field("timestamp")?).ok()?.to_utc(),
            level: field("level")?.to_owned(),
            service: line.pointer("/span/service").and_then(Value::as_str).map(str::to_owned),
            line,
        })
    }
}

/// A server that takes log lines.
pub(super) trait Collector: Send + Sync {
    /// What it is called in our own log.
    fn name(&self) -> &'static str;

    /// The request that hands a batch over; `None` where the settings make none.
    fn request(&self, batch: &[Record]) -> Option<http::Request<Vec<u8>>>;
}

/// A queue in front of one collector.
#[derive(Debug)]
struct Queue {
    lines: mpsc::Sender<Vec<u8>>,
    bytes: Arc<AtomicUsize>,
    lost: Arc<AtomicU64>,
    /// Asks the task to send what it has and to end.
    ending: CancellationToken,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Queue {
    fn push(&self, text: &[u8]) {
        let fits = self.bytes.fetch_add(text.len(), Ordering::Relaxed) + text.len() <= WAITING_BYTES;
        if !fits || text.len() > LONGEST || self.lines.try_send(text.to_vec()).is_err() {
            self.bytes.fetch_sub(text.len(), Ordering::Relaxed);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// All collectors of a process; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Fleet {
    queues: Arc<ArcSwap<Vec<Queue>>>,
    at_sea: Arc<AtomicBool>,
}

impl Fleet {
    /// Whether anything is sent anywhere.
    pub fn is_at_sea(&self) -> bool {
        self.at_sea.load(Ordering::Relaxed)
    }

    /// Sends to these collectors from here on. What waits for the old ones is sent to them still.
    pub fn change(&self, client: Option<Outbound>, collectors: Vec<Arc<dyn Collector>>) {
        let queues: Vec<Queue> = client
            .map(|client| collectors.into_iter().map(|each| open(client.clone(), each)).collect())
            .unwrap_or_default();
        self.at_sea.store(!queues.is_empty(), Ordering::Relaxed);
        for old in self.queues.swap(Arc::new(queues)).iter() {
            old.ending.cancel();
        }
    }

    /// Sends what waits and ends.
    pub async fn land(&self) {
        self.at_sea.store(false, Ordering::Relaxed);
        for queue in self.queues.load_full().iter() {
            queue.ending.cancel();
            let task = queue.task.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            if let Some(task) = task {
                let _ended = task.await;
            }
        }
    }
}

impl Write for &Fleet {
    /// The formatting layer hands over each line in one piece.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        for queue in self.queues.load().iter() {
            queue.push(text);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Fleet {
    type Writer = &'a Fleet;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

fn open(client: Outbound, collector: Arc<dyn Collector>) -> Queue {
    let (lines, waiting) = mpsc::channel(WAITING);
    let (bytes, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
    let ending = CancellationToken::new();
    let sender = Sender {
        client,
        collector,
        waiting,
        bytes: Arc::clone(&bytes),
        lost: Arc::clone(&lost),
        ending: ending.clone(),
        away: false,
    };
    let task = std::sync::Mutex::new(Some(tokio::spawn(sender.run())));
    Queue { lines, bytes, lost, ending, task }
}

/// The task behind a queue.
struct Sender {
    client: Outbound,
    collector: Arc<dyn Collector>,
    waiting: mpsc::Receiver<Vec<u8>>,
    bytes: Arc<AtomicUsize>,
    lost: Arc<AtomicU64>,
    ending: CancellationToken,
    /// Whether the last try failed; told when it begins and when it ends.
    away: bool,
}

/// What became of a batch.
enum Sent {
    Taken,
    /// Worth another try.
    Later(String),
    /// Never will be.
    Refused(String),
}

impl Sender {
    async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            self.deliver(&batch).await;
        }
    }

    /// The next lines, at least one; `None` once there are no more.
    async fn gather(&mut self) -> Option<Vec<Record>> {
        let first = tokio::select! {
            biased;
            line = self.waiting.recv() => line?,
            () = self.ending.cancelled() => {
                self.waiting.close();
                self.waiting.recv().await?
            }
        };
        let mut lines = vec![first];
        let gathered = tokio::time::sleep(GATHER);
        tokio::pin!(gathered);
        while lines.len() < BATCH {
            tokio::select! {
                biased;
                line = self.waiting.recv() => match line {
                    Some(line) => lines.push(line),
                    None => break,
                },
                () = &mut gathered => break,
                () = self.ending.cancelled() => self.waiting.close(),
            }
        }
        let bytes = lines.iter().map(Vec::len).sum();
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        Some(lines.iter().filter_map(|line| Record::read(line)).collect())
    }

    /// Tries until the batch is taken or refused, or the process ends.
    async fn deliver(&mut self, batch: &[Record]) {
        let mut pause = FIRST_PAUSE;
        loop {
            let reason = match self.send(batch).await {
                Sent::Taken => {
                    self.is_back();
                    return;
                }
                Sent::Refused(reason) => {
                    self.lost.fetch_add(batch.len() as u64, Ordering::Relaxed);
                    self.is_away(&reason);
                    return;
                }
                Sent::Later(reason) => reason,
            };
            self.is_away(&reason);
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                // One more try was made; whoever ends does not wait for a server that is away.
                () = self.ending.cancelled() => return,
            }
        }
    }

    async fn send(&self, batch: &[Record]) -> Sent {
        let Some(request) = self.collector.request(batch) else {
            return Sent::Refused("the configured address or credentials cannot be sent".to_owned());
        };
        match self.client.send(request).await {
            Ok(answer) if answer.status().is_success() => Sent::Taken,
            Ok(answer) if answer.status().is_server_error() || answer.status() == 429 => {
                Sent::Later(format!("it answered {}", answer.status()))
            }
            Ok(answer) => Sent::Refused(format!("it answered {}", answer.status())),
            Err(error) => Sent::Later(error.to_string()),
        }
    }

    fn is_away(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!(collector = self.collector.name(), reason, "logs cannot be sent");
        }
    }

    fn is_back(&mut self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if std::mem::replace(&mut self.away, false) || lost > 0 {
            tracing::warn!(collector = self.collector.name(), lost, "logs are sent again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue that nobody empties, and what is in it.
    fn unattended() -> (Queue, mpsc::Receiver<Vec<u8>>) {
        let (lines, waiting) = mpsc::channel(WAITING);
        let queue = Queue {
            lines,
            bytes: Arc::default(),
            lost: Arc::default(),
            ending: CancellationToken::new(),
            task: std::sync::Mutex::new(None),
        };
        (queue, waiting)
    }

    #[test]
    fn a_line_is_read_as_the_formatter_writes_it() {
        let written = Fleet::default();
        let (queue, mut read) = unattended();
        written.queues.store(Arc::new(vec![queue]));
        let subscriber = tracing_subscriber::fmt().json().with_span_list(false).with_writer(written).finish();
        tracing::subscriber::with_default(subscriber, || {
            let _inside = tracing::info_span!("request", service = "query").entered();
            tracing::warn!(count = 3, "said");
        });
        let record = Record::read(&read.try_recv().unwrap()).unwrap();
        assert_eq!((record.level.as_str(), record.service.as_deref()), ("WARN", Some("query")));
        assert_eq!(record.line["fields"], serde_json::json!({"count": 3, "message": "said"}));
    }

    #[test]
    fn what_does_not_fit_is_counted_and_nobody_waits() {
        let (queue, mut read) = unattended();
        queue.push(&vec![b'x'; LONGEST + 1]);
        for _ in 0..WAITING_BYTES / LONGEST + 5 {
            queue.push(&vec![b'x'; LONGEST]);
        }
        assert_eq!(queue.lost.load(Ordering::Relaxed), 1 + 5);
        let mut kept = 0;
        while read.try_recv().is_ok() {
            kept += 1;
        }
        assert_eq!(kept, WAITING_BYTES / LONGEST);
        let short = WAITING + 7;
        queue.bytes.store(0, Ordering::Relaxed);
        queue.lost.store(0, Ordering::Relaxed);
        (0..short).for_each(|_| queue.push(b"{}"));
        assert_eq!(queue.lost.load(Ordering::Relaxed), 7);
    }
}
