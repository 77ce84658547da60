//! What is measured of this process and of the outbox, by the names Prometheus reads it under (specification §14.1). A new figure is a
//! line here and in `docs/metrics.md`; none is ever labelled with a user or a subject.

use sha2::{Digest, Sha256};

use super::mail::figures;
use super::views::Views;
use super::{Failure, Live};
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

/// A figure as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauge {
    pub name: &'static str,
    pub help: &'static str,
    pub value: u64,
}

/// Reads the figures.
#[derive(Debug, Clone)]
pub struct Metrics {
    ports: Ports,
    options: Live,
    views: Views,
}

impl Metrics {
    pub(super) fn new(ports: Ports, options: Live, views: Views) -> Self {
        Self { ports, options, views }
    }

    /// The figures, for whoever sends the key. What is switched off does not exist.
    pub async fn read(&self, path: &str, key: Option<&str>) -> Result<Vec<Gauge>, Failure> {
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
        let gauge = |name, help, value| Gauge { name, help, value };
        Ok(vec![
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
        ])
    }
}

/// Resident memory in bytes; 0 where the system does not say (proc(5): the second field of statm, in pages).
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}
