//! Who waits in this process: a bell for each queue, and the readers of notices. How they are told from elsewhere is
//! the adapter's business.

use std::time::Duration;

use tokio::sync::{Notify, broadcast};

use super::{Notice, Queue};

/// How long `wait` trusts the bells before it has a look by itself.
const LOOK: Duration = Duration::from_millis(250);
/// Notices a slow reader may lag behind before it is told that it missed some.
const LAG: usize = 256;

#[derive(Debug)]
pub(super) struct Bells {
    queues: [Notify; Queue::ALL.len()],
    notices: broadcast::Sender<Notice>,
}

impl Bells {
    pub fn new() -> Self {
        Self { queues: Default::default(), notices: broadcast::channel(LAG).0 }
    }

    /// Wakes who waits for the queue; one ring is kept if nobody is waiting.
    pub fn ring(&self, queue: Queue) {
        if let Some(bell) = self.bell(queue) {
            bell.notify_one();
        }
    }

    /// Completes at the next ring for the queue.
    pub async fn rung(&self, queue: Queue) {
        if let Some(bell) = self.bell(queue) {
            bell.notified().await;
        }
    }

    /// Completes at the next ring or after 250 ms: rung or not, the caller has a look.
    pub async fn rung_or_soon(&self, queue: Queue) {
        let _ = tokio::time::timeout(LOOK, self.rung(queue)).await;
    }

    /// Hands a notice to the readers of this process; nobody reading is fine.
    pub fn tell(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }

    /// Notices from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    fn bell(&self, queue: Queue) -> Option<&Notify> {
        let place = Queue::ALL.iter().position(|one| *one == queue)?;
        self.queues.get(place)
    }
}
