//! Jobs as rows. Every function runs inside the writer's transaction, or on a reader.

use chrono::{DateTime, Utc};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use crate::broker::limits::{PRUNED_AT_ONCE, millis};
use crate::broker::{Job, JobState, LEASE, MAX_ATTEMPTS, Queue, Verdict};
use crate::domain::ids::JobId;

const COLUMNS: &str = "job_id, queue, kind, key, payload, state, attempts, error, created, updated";

/// A job about to be stored, its payload as JSON text.
pub(super) struct Entry {
    pub job: JobId,
    pub queue: Queue,
    pub kind: String,
    pub key: Option<String>,
    pub payload: String,
}

pub(super) fn insert(connection: &Connection, entry: &Entry, now: DateTime<Utc>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO jobs (job_id, queue, kind, key, payload, state, attempts, due, created, updated)
         VALUES (?1, ?2, ?3, ?4, ?5, 'waiting', 0, ?6, ?6, ?6)",
    )?;
    let now = now.timestamp_millis();
    statement.execute(params![
        entry.job.as_str(),
        entry.queue.name(),
        entry.kind,
        entry.key,
        entry.payload,
        now
    ])?;
    Ok(())
}

/// Takes the oldest job that is due and whose key no other running job holds. A job whose lease ran out is due again,
/// and keeps its key until it is taken or failed.
pub(super) fn take(
    connection: &Connection,
    queue: Queue,
    worker: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<Option<Job>> {
    let now = now.timestamp_millis();
    connection
        .prepare_cached(
            "UPDATE jobs INDEXED BY jobs_leases SET state = 'failed', worker = NULL, updated = ?2,
                 error = 'started ' || attempts || ' times without a verdict (a panic or the end of its process); '
                     || 'see the log of its worker, then restart the job'
             WHERE queue = ?1 AND state = 'running' AND due <= ?2 AND attempts >= ?3",
        )?
        .execute(params![queue.name(), now, MAX_ATTEMPTS])?;
    connection
        .prepare_cached(&format!(
            "UPDATE jobs SET worker = ?3, due = ?4, updated = ?2, attempts = attempts + 1, state = 'running',
                 error = CASE state WHEN 'running' THEN 'attempt ' || attempts || ' ended without a verdict' ELSE error END
             WHERE seq = (SELECT min(seq) FROM (
                 SELECT seq FROM jobs INDEXED BY jobs_leases WHERE queue = ?1 AND state = 'running' AND due <= ?2
                 UNION ALL
                 SELECT * FROM (
                     SELECT seq FROM jobs AS j INDEXED BY jobs_waiting
                     WHERE queue = ?1 AND state = 'waiting' AND due <= ?2
                       AND (key IS NULL OR NOT EXISTS (
                           SELECT 1 FROM jobs AS other INDEXED BY jobs_keys
                           WHERE other.queue = ?1 AND other.state = 'running' AND other.key = j.key))
                     ORDER BY seq LIMIT 1)))
             RETURNING {COLUMNS}"
        ))?
        .query_row(params![queue.name(), now, worker, now + millis(LEASE)], read)
        .optional()
}

pub(super) fn renew(
    connection: &Connection,
    job: &JobId,
    worker: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<bool> {
    let mut statement = connection
        .prepare_cached("UPDATE jobs SET due = ?3 WHERE job_id = ?1 AND state = 'running' AND worker = ?2")?;
    let due = now.timestamp_millis() + millis(LEASE);
    Ok(statement.execute(params![job.as_str(), worker, due])? == 1)
}

/// Ends an attempt; answers the queue whose other jobs may now go on, `None` = not this worker's.
pub(super) fn finish(
    connection: &Connection,
    job: &JobId,
    worker: &str,
    verdict: &Verdict,
    now: DateTime<Utc>,
) -> rusqlite::Result<Option<Queue>> {
    let (state, error, pause, counted) = match verdict {
        Verdict::Done => ("done", None, 0, 0),
        Verdict::Failed(why) => ("failed", Some(why), 0, 0),
        Verdict::Later(why, pause) => ("waiting", Some(why), millis(*pause), 1),
    };
    let mut statement = connection.prepare_cached(
        "UPDATE jobs SET state = ?3, error = ?4, due = ?5, updated = ?6, attempts = attempts - ?7, worker = NULL
         WHERE job_id = ?1 AND state = 'running' AND worker = ?2 RETURNING queue",
    )?;
    let now = now.timestamp_millis();
    statement
        .query_row(
            params![job.as_str(), worker, state, error, now.saturating_add(pause), now, counted],
            |row| queue(row, 0),
        )
        .optional()
}

/// Gives back the running jobs of workers whose name starts so; answers the queue of each.
pub(super) fn release(
    connection: &Connection,
    prefix: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<Vec<Queue>> {
    let mut statement = connection.prepare_cached(
        "UPDATE jobs SET worker = NULL, due = ?2, updated = ?2,
             state = CASE WHEN attempts >= ?3 THEN 'failed' ELSE 'waiting' END,
             error = CASE WHEN attempts >= ?3
                 THEN 'started ' || attempts || ' times without a verdict (a panic or the end of its process); '
                     || 'see the log of its worker, then restart the job'
                 ELSE 'attempt ' || attempts || ' ended with its process' END
         WHERE state = 'running' AND substr(worker, 1, length(?1)) = ?1 RETURNING queue",
    )?;
    statement.query_map(params![prefix, now.timestamp_millis(), MAX_ATTEMPTS], |row| queue(row, 0))?.collect()
}

pub(super) fn find(connection: &Connection, job: &JobId) -> rusqlite::Result<Option<Job>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM jobs WHERE job_id = ?1"))?
        .query_row([job.as_str()], read)
        .optional()
}

pub(super) fn list(connection: &Connection, state: JobState, limit: usize) -> rusqlite::Result<Vec<Job>> {
    let name = match state {
        JobState::Waiting => "waiting",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::Failed => "failed",
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM jobs WHERE state = ?1 ORDER BY seq DESC LIMIT ?2"))?
        .query_map(params![name, limit], read)?
        .collect()
}

/// Makes a failed job wait again; answers its queue.
pub(super) fn restart(
    connection: &Connection,
    job: &JobId,
    now: DateTime<Utc>,
) -> rusqlite::Result<Option<Queue>> {
    connection
        .prepare_cached(
            "UPDATE jobs SET state = 'waiting', attempts = 0, error = NULL, due = ?2, updated = ?2
             WHERE job_id = ?1 AND state = 'failed' RETURNING queue",
        )?
        .query_row(params![job.as_str(), now.timestamp_millis()], |row| queue(row, 0))
        .optional()
}

/// Removes ended jobs not touched since, `PRUNED_AT_ONCE` at most; answers how many.
pub(super) fn prune(connection: &Connection, since: DateTime<Utc>) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM jobs WHERE seq IN (
             SELECT seq FROM jobs INDEXED BY jobs_ended
             WHERE state IN ('done', 'failed') AND updated < ?1 ORDER BY updated LIMIT ?2)",
    )?;
    let removed = statement.execute(params![since.timestamp_millis(), PRUNED_AT_ONCE.cast_signed()])?;
    Ok(u64::try_from(removed).unwrap_or(u64::MAX))
}

fn read(row: &Row) -> rusqlite::Result<Job> {
    let text: String = row.get(0)?;
    let payload: String = row.get(4)?;
    let state: String = row.get(5)?;
    Ok(Job {
        job_id: JobId::parse(text).map_err(|error| unreadable(0, error))?,
        queue: queue(row, 1)?,
        kind: row.get(2)?,
        key: row.get(3)?,
        payload: serde_json::from_str::<Value>(&payload).map_err(|error| unreadable(4, error))?,
        state: match state.as_str() {
            "waiting" => JobState::Waiting,
            "running" => JobState::Running,
            "done" => JobState::Done,
            _ => JobState::Failed,
        },
        attempts: row.get(6)?,
        error: row.get(7)?,
        created_at: moment(row, 8)?,
        updated_at: moment(row, 9)?,
    })
}

fn queue(row: &Row, column: usize) -> rusqlite::Result<Queue> {
    let name: String = row.get(column)?;
    Queue::named(&name).ok_or_else(|| unreadable(column, format!("{name} is no queue of this release")))
}

fn moment(row: &Row, column: usize) -> rusqlite::Result<DateTime<Utc>> {
    let at: i64 = row.get(column)?;
    DateTime::from_timestamp_millis(at).ok_or_else(|| unreadable(column, format!("{at} ms is no time")))
}

fn unreadable(
    column: usize,
    why: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}
