//! The two lanes before the writer thread.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Job;

#[derive(Default)]
struct Lanes {
    small: VecDeque<Box<dyn Job>>,
    bulk: VecDeque<Box<dyn Job>>,
    /// Bulk work pauses until the log has been moved into the file.
    held: bool,
    closed: bool,
}

/// What the thread does next: some small writes and a bulk job.
type Turn = (Vec<Box<dyn Job>>, Option<Box<dyn Job>>);

/// Small writes and bulk jobs, each in order of arrival; bounded by the places callers hold.
#[derive(Default)]
pub(super) struct Queue {
    lanes: Mutex<Lanes>,
    wake: Condvar,
    small_waits: Arc<AtomicBool>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lanes = self.lanes();
        f.debug_struct("Queue").field("small", &lanes.small.len()).field("bulk", &lanes.bulk.len()).finish()
    }
}

impl Queue {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a small write waits; a bulk job looks at it to be brief.
    pub fn small_waits(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.small_waits)
    }

    /// Adds a small write; one that comes too late is dropped, which its caller sees as a closed store.
    pub fn push(&self, job: Box<dyn Job>) {
        let mut lanes = self.lanes();
        if !lanes.closed {
            lanes.small.push_back(job);
            self.small_waits.store(true, Ordering::Relaxed);
            self.wake.notify_one();
        }
    }

    /// Adds a bulk job, or puts it back behind the others.
    pub fn push_bulk(&self, job: Box<dyn Job>) {
        let mut lanes = self.lanes();
        if !lanes.closed {
            lanes.bulk.push_back(job);
            self.wake.notify_one();
        }
    }

    /// Lets bulk work wait; small writes go on.
    pub fn hold_bulk(&self) {
        self.lanes().held = true;
    }

    /// Lets bulk work go on.
    pub fn release_bulk(&self) {
        self.lanes().held = false;
        self.wake.notify_one();
    }

    /// Lets the thread finish the small writes and end.
    pub fn close(&self) {
        let mut lanes = self.lanes();
        lanes.closed = true;
        lanes.bulk.clear();
        self.wake.notify_one();
    }

    /// Waits for work: up to `most` small writes and at most one bulk job; `None` once closed and empty.
    pub fn next(&self, most: usize) -> Option<Turn> {
        let mut lanes = self.lanes();
        while lanes.small.is_empty() && (lanes.bulk.is_empty() || lanes.held) {
            if lanes.closed {
                return None;
            }
            lanes = self.wake.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
        let count = lanes.small.len().min(most);
        let small = lanes.small.drain(..count).collect();
        self.small_waits.store(!lanes.small.is_empty(), Ordering::Relaxed);
        let bulk = if lanes.held { None } else { lanes.bulk.pop_front() };
        Some((small, bulk))
    }
}
