//! Cache, counters and locks.
//!
//! Counters are all in one slot, so that those of a prefix are found in an ordered set of names instead of by walking
//! through keys of which most are not ours. Locks are, too: they share the number that grows with each taking.

use std::time::Duration;

use super::link::Arg::{Bytes, Number, Text};
use super::{RedisBroker, scripts};
use crate::broker::BrokerError;
use crate::broker::limits::{COUNTERS, NAME, VALUE, bounded, millis};

/// Ended counters cleared away with each one that is counted: more than one, so that they cannot pile up.
const CLEARED: i64 = 8;
/// Counters in one answer at most.
const COUNTERS_AT_ONCE: usize = 1_000;

impl RedisBroker {
    pub(super) async fn cached(&self, key: &str) -> Result<Option<Vec<u8>>, BrokerError> {
        self.link.run(&scripts::CACHE_GET, &[&self.cache_key(key)], &[Number(self.now())]).await
    }

    pub(super) async fn cache(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), BrokerError> {
        bounded("the key of a cached value", key.len(), NAME)?;
        bounded("a cached value", value.len(), VALUE)?;
        let args = [Number(self.now()), Number(millis(ttl)), Bytes(value)];
        self.link.run(&scripts::CACHE_PUT, &[&self.cache_key(key)], &args).await
    }

    pub(super) async fn uncache(&self, key: &str) -> Result<(), BrokerError> {
        let mut command = redis::cmd("DEL");
        command.arg(self.cache_key(key));
        self.link.call(&command).await
    }

    pub(super) async fn add_to(
        &self,
        key: &str,
        by: i64,
        life: Option<Duration>,
    ) -> Result<i64, BrokerError> {
        bounded("the key of a counter", key.len(), NAME)?;
        let life = life.map_or(Text(""), |life| Number(millis(life)));
        let args = [Number(self.now()), Text(key), Number(by), life, Number(CLEARED)];
        self.link.run(&scripts::COUNT, &[&self.counters_key()], &args).await
    }

    pub(super) async fn counts(&self, prefix: &str) -> Result<Vec<(String, i64)>, BrokerError> {
        // No name has a byte 0xff, which is not of UTF-8, so it is behind all that start with the prefix.
        let behind = [b"[", prefix.as_bytes(), b"\xff"].concat();
        let mut from = format!("[{prefix}");
        let mut found = Vec::new();
        loop {
            let most = i64::try_from(COUNTERS_AT_ONCE).unwrap_or(i64::MAX);
            let args = [Number(self.now()), Text(&from), Bytes(&behind), Number(most)];
            let some: Vec<(String, i64, bool)> =
                self.link.run(&scripts::COUNTERS, &[&self.counters_key()], &args).await?;
            let (number, last) = (some.len(), some.last().map(|(name, ..)| name.clone()));
            found.extend(
                some.into_iter().filter(|(.., counts)| *counts).map(|(name, value, _)| (name, value)),
            );
            match last {
                Some(last) if number == COUNTERS_AT_ONCE && found.len() < COUNTERS => {
                    from = format!("({last}")
                }
                _ => break,
            }
        }
        found.truncate(COUNTERS);
        Ok(found)
    }

    pub(super) async fn hold(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<u64>, BrokerError> {
        bounded("the name of a lock", name.len(), NAME)?;
        bounded("the holder of a lock", holder.len(), NAME)?;
        let (lock, numbers) = (self.lock_key(name), format!("{}{{locks}}:number", self.prefix));
        let args = [Number(self.now()), Text(holder), Number(millis(ttl))];
        self.link.run(&scripts::LOCK, &[&lock, &numbers], &args).await
    }

    pub(super) async fn let_go(&self, name: &str, holder: &str) -> Result<(), BrokerError> {
        let args = [Number(self.now()), Text(holder)];
        self.link.run(&scripts::UNLOCK, &[&self.lock_key(name)], &args).await
    }

    fn cache_key(&self, key: &str) -> String {
        format!("{}cache:{key}", self.prefix)
    }

    fn counters_key(&self) -> String {
        format!("{}{{counters}}", self.prefix)
    }

    fn lock_key(&self, name: &str) -> String {
        format!("{}{{locks}}:held:{name}", self.prefix)
    }
}
