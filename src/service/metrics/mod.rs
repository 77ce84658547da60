//! What Prometheus may read (specification §14.1): figures of this process and of the outbox, and what all processes
//! count together.
//!
//! Lives here: who may read, and figures that are looked up when they are read; `names` lists what is counted, `tally`
//! counts. A new figure is a line here or in `names`, and one in `docs/metrics.md`; none is ever labelled with a user or a subject.

mod names;
mod tally;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

pub use names::BOUNDS;
use tally::Tally;

use super::mail::figures;
use super::views::Views;
use super::{Failure, Live};
use crate::broker::{JobState, Queue};
use crate::domain::queries::Granularity;
use crate::engine::kept_bytes;
use crate::ports::Ports;

/// Who may read metrics, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The path, with a slash in front and none behind.
    pub route: String,
    /// SHA-256 of the key a reader must send; `None` = everybody may read.
    pub key: Option<[u8; 32]>,
}

/// What a family's samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Gauge,
    Counter,
    Histogram,
}

/// The value of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    Number(f64),
    /// How many times fell into each bucket of [`BOUNDS`] (not added up) and beyond, and their sum in seconds.
    Times {
        counts: [u64; BOUNDS.len() + 1],
        sum: f64,
    },
}

/// One value with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub labels: Vec<(String, String)>,
    pub value: Value,
}

/// Samples of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: Kind,
    pub samples: Vec<Sample>,
}

/// Jobs of a state that are looked at to be counted; a longer queue is told as this long.
const JOBS_SEEN: usize = 1_000;

/// When the certificate of a process ends, and whether what its files hold now can be used.
#[derive(Debug, Clone, Copy)]
struct Certificate {
    expires: DateTime<Utc>,
    usable: bool,
}

/// Reads the figures.
#[derive(Debug, Clone)]
pub struct Metrics {
    ports: Ports,
    options: Live,
    views: Views,
    tally: Arc<Tally>,
    certificate: Arc<Mutex<Option<Certificate>>>,
}

impl Metrics {
    pub(super) fn new(ports: Ports, options: Live, views: Views) -> Self {
        Self { ports, options, views, tally: Arc::default(), certificate: Arc::default() }
    }

    /// Whether anybody may read figures; where nobody may, nothing is counted.
    fn are_on(&self) -> bool {
        self.options.now().metrics.is_some()
    }

    /// Counts an answered request; the route is the address with names for its ids, of a table.
    pub fn request(&self, service: &str, method: &str, route: &str, status: u16, time: Duration) {
        if self.are_on() {
            let status = status.to_string();
            let labels = [("service", service), ("method", method), ("route", route), ("status", &status)];
            self.tally.count(names::REQUESTS, &labels);
            self.tally.observe(names::REQUEST_SECONDS, &[("service", service)], time);
        }
    }

    /// Counts a record query that was worked on, with the time its answer took; without one it failed.
    pub(super) fn query(&self, level: Option<Granularity>, time: Option<Duration>) {
        if self.are_on() {
            let level = level.map_or("any", Granularity::name);
            let outcome = if time.is_some() { "answered" } else { "failed" };
            self.tally.count(names::QUERIES, &[("level", level), ("outcome", outcome)]);
            if let Some(time) = time {
                self.tally.observe(names::QUERY_SECONDS, &[], time);
            }
        }
    }

    /// Counts an attempt of a job that ended.
    pub fn job(&self, queue: &str, kind: &str, outcome: &str, time: Duration) {
        if self.are_on() {
            self.tally.count(names::JOBS, &[("queue", queue), ("kind", kind), ("outcome", outcome)]);
            self.tally.observe(names::JOB_SECONDS, &[("queue", queue)], time);
        }
    }

    /// Notes when the certificate of this process ends, and whether what its files hold now can be used.
    pub fn certificate(&self, expires: DateTime<Utc>, usable: bool) {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Certificate { expires, usable });
    }

    /// Tells the other processes what this one counted.
    pub async fn flush(&self) -> Result<(), Failure> {
        Ok(self.tally.flush(&*self.ports.broker).await?)
    }

    /// The figures, for whoever sends the key. What is switched off does not exist.
    pub async fn read(&self, path: &str, key: Option<&str>) -> Result<Vec<Family>, Failure> {
        let options = self.options.now();
        let exported = options.metrics.as_ref().filter(|exported| exported.route == path);
        let exported = exported.ok_or_else(|| Failure::not_found("page", path))?;
        let sent = key.map(|key| <[u8; 32]>::from(Sha256::digest(key)));
        // Digests are compared: how long that takes says nothing of the key.
        if exported.key.is_some() && exported.key != sent {
            return Err(Failure::Unauthenticated("send the metrics key as a bearer token".into()));
        }
        let memory = self.views.memory();
        let mail = figures(&self.ports).await?;
        let gauge = |name, help, value: u64| Family {
            name,
            help,
            kind: Kind::Gauge,
            samples: vec![Sample { labels: Vec::new(), value: Value::Number(value as f64) }],
        };
        let mut families = vec![
            gauge("cv3_index_sources", "Sources whose index is open in this process.", memory.sources),
            gauge("cv3_index_parts", "Index parts open in this process.", memory.parts),
            gauge("cv3_index_mapped_bytes", "Bytes of open index parts, mapped from files.", memory.mapped),
            gauge(
                "cv3_index_hidden_bytes",
                "Bytes that say which subjects of older parts are hidden.",
                memory.hidden,
            ),
            gauge(
                "cv3_index_union_bytes",
                "Bytes of unions kept for the next query with the same terms.",
                kept_bytes() as u64,
            ),
            gauge("cv3_index_subjects", "Subjects of the open indices.", memory.subjects),
            gauge(
                "cv3_mail_configured",
                "Whether mail leaves this installation: 1 or 0.",
                mail.configured.into(),
            ),
            gauge("cv3_mail_waiting", "Mails that are still to be sent.", mail.waiting),
            gauge("cv3_mail_failed", "Mails of the last 30 days that did not reach everyone.", mail.failed),
            gauge("process_resident_memory_bytes", "Resident memory of this process in bytes.", resident()),
        ];
        let certificate = *self.certificate.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Certificate { expires, usable }) = certificate {
            let expires = u64::try_from(expires.timestamp()).unwrap_or(0);
            families.push(gauge(names::CERTIFICATE_EXPIRES.0, names::CERTIFICATE_EXPIRES.1, expires));
            families.push(gauge(names::CERTIFICATE_USABLE.0, names::CERTIFICATE_USABLE.1, usable.into()));
        }
        families.push(self.queues().await?);
        // What this process counted last is part of the answer.
        self.flush().await?;
        families.extend(tally::families(&*self.ports.broker, &names::COUNTED).await?);
        Ok(families)
    }

    /// How many jobs wait, run or failed, by queue.
    async fn queues(&self) -> Result<Family, Failure> {
        let mut samples = Vec::new();
        for (state, name) in
            [(JobState::Waiting, "waiting"), (JobState::Running, "running"), (JobState::Failed, "failed")]
        {
            let jobs = self.ports.broker.jobs(state, JOBS_SEEN).await?;
            for queue in [Queue::DatabaseManager, Queue::QueryCompiler, Queue::QueryMeta] {
                let count = jobs.iter().filter(|job| job.queue == queue).count();
                let labels = [("queue", queue.name()), ("state", name)];
                samples.push(Sample {
                    labels: labels.map(|(label, value)| (label.to_owned(), value.to_owned())).to_vec(),
                    value: Value::Number(count as f64),
                });
            }
        }
        let help = "Jobs by queue and state; of each state the newest thousand are counted.";
        Ok(Family { name: "cv3_jobs", help, kind: Kind::Gauge, samples })
    }
}

/// Resident memory in bytes; 0 where the system does not say (proc(5): the second field of statm, in pages).
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}
