//! What other processes tell this one: rings for queues and notices, over a connection of its own.
//!
//! Delivery is best effort: what is told while the connection is down is missed, and whoever waits also looks by itself.
//! Each message of ours comes back; rings are welcome then, notices were told at once and are left out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::{RedisError, RedisResult};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::failures::{closed, late};
use super::link::{ANSWER, Link};
use crate::broker::bells::Bells;
use crate::broker::{Notice, Queue};

/// Pauses between attempts to listen again: the first, doubled each time, and the longest.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// How often a silent connection is asked whether it still lives.
const SILENCE: Duration = Duration::from_secs(15);

/// Bytes of a notice that is looked at, at most: a topic and a subject with every character escaped.
const MESSAGE: usize = 8_192;

/// The channels of an installation.
#[derive(Debug, Clone)]
pub(super) struct Channels {
    pub notices: String,
    pub wakes: String,
}

impl Channels {
    /// Those of an installation in a numbered database, which keys are apart in and channels are not.
    pub fn of(prefix: &str, database: i64) -> Self {
        let apart = if database == 0 { String::new() } else { format!("db{database}:") };
        Self { notices: format!("{prefix}{apart}notices"), wakes: format!("{prefix}{apart}wakes") }
    }
}

/// A notice on its way, with which broker it comes from.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told {
    pub from: String,
    #[serde(flatten)]
    pub notice: Notice,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(super) struct Ear(JoinHandle<()>);

impl Drop for Ear {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What an ear needs to know.
#[derive(Clone)]
pub(super) struct Hearing {
    pub link: Arc<Link>,
    pub bells: Arc<Bells>,
    pub channels: Channels,
    /// The name of this broker in what it tells.
    pub own: String,
}

impl Ear {
    /// Starts to listen; the receiver is told once whether that succeeded.
    pub fn open(hearing: Hearing) -> (Self, oneshot::Receiver<RedisResult<()>>) {
        let (sender, first) = oneshot::channel();
        (Self(tokio::spawn(listen(hearing, sender))), first)
    }
}

async fn listen(hearing: Hearing, first: oneshot::Sender<RedisResult<()>>) {
    let mut first = Some(first);
    let mut pause = FIRST;
    loop {
        let mut heard = false;
        let error = hearing.hear(&mut heard, &mut first).await;
        if let Some(first) = first.take() {
            // Nothing was ever heard: whoever opens the broker decides.
            let _ = first.send(Err(error));
            return;
        }
        if heard {
            pause = FIRST;
            let error = hearing.link.told(&error);
            tracing::warn!(%error, "nothing is heard from other processes; work is found by looking every 250 ms");
            // The same server may have taken the shared connection with it; better now than at the next command.
            if !hearing.link.is_cluster() {
                hearing.link.give_up().await;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

impl Hearing {
    /// Connects and listens until that ends; says in `heard` whether it began, and why it ended.
    async fn hear(
        &self,
        heard: &mut bool,
        first: &mut Option<oneshot::Sender<RedisResult<()>>>,
    ) -> RedisError {
        let (mut sink, mut stream) = match self.link.pubsub().await {
            Ok(connection) => connection.split(),
            Err(error) => return error,
        };
        let names = [&self.channels.notices, &self.channels.wakes];
        match tokio::time::timeout(ANSWER, sink.subscribe(&names[..])).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error,
            Err(_) => return late(),
        }
        *heard = true;
        match first.take() {
            Some(first) => {
                let _ = first.send(Ok(()));
            }
            None => tracing::info!("other processes are heard again"),
        }
        // There may have been rings before.
        Queue::ALL.into_iter().for_each(|queue| self.bells.ring(queue));
        self.link.learn().await;
        loop {
            match tokio::time::timeout(SILENCE, stream.next()).await {
                Ok(Some(message)) => self.take(message.get_channel_name(), message.get_payload_bytes()),
                Ok(None) => return closed(),
                Err(_) => match tokio::time::timeout(ANSWER, sink.ping::<redis::Value>()).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return error,
                    Err(_) => return late(),
                },
            }
        }
    }

    /// Passes a message on; what is none of ours is ignored.
    fn take(&self, channel: &str, message: &[u8]) {
        if channel == self.channels.wakes {
            if let Some(queue) = std::str::from_utf8(message).ok().and_then(Queue::named) {
                self.bells.ring(queue);
            }
        } else if message.len() <= MESSAGE
            && let Ok(told) = serde_json::from_slice::<Told>(message)
            && told.from != self.own
        {
            self.bells.tell(told.notice);
        }
    }
}
