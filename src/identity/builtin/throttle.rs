//! Failed sign-ins slow the next ones down, per account and per address; nothing is locked for good.
//!
//! Kept in memory and bounded: sign-ins are served by one process of an installation, and a restart that forgets
//! the delays gives an attacker nothing that waiting a quarter of an hour would not.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// Failures that cost nothing: people mistype.
const FREE_PER_ACCOUNT: u32 = 3;

/// A hospital may sit behind one address.
const FREE_PER_ADDRESS: u32 = 20;

/// The longest delay in seconds.
const LONGEST: i64 = 60;

/// Failures are forgotten this long after the last one.
const FORGET: TimeDelta = TimeDelta::minutes(15);

/// An address somebody signed in from successfully keeps its own count for that account this long, so that a
/// stranger's failures elsewhere cannot keep the owner out.
const TRUSTED: TimeDelta = TimeDelta::days(30);

/// Most entries of each kind.
const MAX_ENTRIES: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Account(String),
    Address(IpAddr),
    Pair(String, IpAddr),
}

impl Key {
    fn free(&self) -> u32 {
        if matches!(self, Self::Address(_)) { FREE_PER_ADDRESS } else { FREE_PER_ACCOUNT }
    }
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    last: DateTime<Utc>,
}

impl Count {
    /// 1, 2, 4 … seconds after the free failures, at most a minute.
    fn delay(&self, free: u32) -> i64 {
        let Some(over) = self.failures.checked_sub(free) else { return 0 };
        1_i64.checked_shl(over).filter(|s| (1..=LONGEST).contains(s)).unwrap_or(LONGEST)
    }
}

#[derive(Debug, Default)]
struct State {
    counts: HashMap<Key, Count>,
    trusted: HashMap<(String, IpAddr), DateTime<Utc>>,
}

/// The failures that are remembered.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<State>);

/// A sign-in that was let through and already counts as failed until it is `passed`, so that guesses sent at the
/// same time count one by one.
#[derive(Debug)]
pub struct Attempt {
    keys: Vec<Key>,
    account: String,
    address: Option<IpAddr>,
}

impl Throttle {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an attempt through, or answers the seconds to wait. A refused attempt is not counted.
    pub fn begin(&self, login: &str, address: Option<IpAddr>, now: DateTime<Utc>) -> Result<Attempt, u64> {
        let account = login.trim().to_lowercase();
        let address = address.map(network_of);
        let mut state = self.state();
        let known = address.filter(|ip| {
            state.trusted.get(&(account.clone(), *ip)).is_some_and(|since| now - *since < TRUSTED)
        });
        let mut keys = vec![match known {
            Some(ip) => Key::Pair(account.clone(), ip),
            None => Key::Account(account.clone()),
        }];
        keys.extend(address.map(Key::Address));
        let wait = keys.iter().filter_map(|key| state.wait(key, now)).max();
        if let Some(seconds) = wait {
            return Err(seconds);
        }
        for key in &keys {
            state.fail(key, now);
        }
        Ok(Attempt { keys, account, address })
    }

    /// Takes the attempt back as a failure. The address keeps its other failures: one right password among many
    /// guesses does not clear it.
    pub fn passed(&self, attempt: &Attempt, now: DateTime<Utc>) {
        let mut state = self.state();
        for key in &attempt.keys {
            if let Key::Address(_) = key {
                if let Some(count) = state.counts.get_mut(key) {
                    count.failures = count.failures.saturating_sub(1);
                }
            } else {
                state.counts.remove(key);
            }
        }
        if let Some(ip) = attempt.address {
            if state.trusted.len() >= MAX_ENTRIES {
                evict(&mut state.trusted, |since| *since);
            }
            state.trusted.insert((attempt.account.clone(), ip), now);
        }
    }
}

impl State {
    fn wait(&self, key: &Key, now: DateTime<Utc>) -> Option<u64> {
        let count = self.counts.get(key).filter(|count| now - count.last < FORGET)?;
        let left = count.last + TimeDelta::seconds(count.delay(key.free())) - now;
        // Rounded up: "wait 0 seconds" would be a lie.
        u64::try_from((left.num_milliseconds() + 999) / 1_000).ok().filter(|seconds| *seconds > 0)
    }

    fn fail(&mut self, key: &Key, now: DateTime<Utc>) {
        if self.counts.len() >= MAX_ENTRIES && !self.counts.contains_key(key) {
            self.counts.retain(|_, count| now - count.last < FORGET);
            if self.counts.len() >= MAX_ENTRIES {
                evict(&mut self.counts, |count| count.last);
            }
        }
        let count = self.counts.entry(key.clone()).or_insert(Count { failures: 0, last: now });
        if now - count.last >= FORGET {
            count.failures = 0;
        }
        count.failures = count.failures.saturating_add(1);
        count.last = now;
    }
}

/// Drops the older half, so that a flood is paid for once in a while and not at every entry.
fn evict<K: Clone + Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>, age: impl Fn(&V) -> DateTime<Utc>) {
    let mut times: Vec<_> = map.values().map(&age).collect();
    let middle = times.len() / 2;
    if middle < times.len() {
        let (_, cut, _) = times.select_nth_unstable(middle);
        let cut = *cut;
        map.retain(|_, value| age(value) > cut);
    }
}

/// One household or host: an IPv6 /64, an IPv4 address (also when written as IPv6).
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[rstest::rstest]
    #[case(1, 0)]
    #[case(2, 0)]
    #[case(3, 1)]
    #[case(4, 2)]
    #[case(8, 32)]
    #[case(9, 60)]
    #[case(40, 60)]
    #[case(200, 60)]
    fn the_delay_doubles_and_is_capped(#[case] failures: u32, #[case] delay: i64) {
        assert_eq!(Count { failures, last: at(0) }.delay(FREE_PER_ACCOUNT), delay);
    }

    #[test]
    fn guesses_against_one_account_from_many_addresses_are_slowed() {
        let throttle = Throttle::default();
        for n in 0..3 {
            throttle.begin("Alice", ip(&format!("192.0.2.{n}")), at(0)).unwrap();
        }
        assert_eq!(throttle.begin("alice ", ip("192.0.2.9"), at(0)).unwrap_err(), 1);
        assert!(throttle.begin("bob", ip("192.0.2.9"), at(0)).is_ok());
        assert!(throttle.begin("alice", ip("192.0.2.9"), at(1)).is_ok());
        assert_eq!(throttle.begin("alice", ip("192.0.2.9"), at(1)).unwrap_err(), 2);
    }

    #[test]
    fn guesses_against_many_accounts_from_one_address_are_slowed() {
        let throttle = Throttle::default();
        for n in 0..20 {
            throttle.begin(&format!("user{n}"), ip(&format!("2001:db8::{n}")), at(0)).unwrap();
        }
        assert_eq!(throttle.begin("user99", ip("2001:db8::ffff"), at(0)).unwrap_err(), 1);
        assert!(throttle.begin("user99", ip("2001:db8:0:1::1"), at(0)).is_ok());
    }

    #[test]
    fn a_strangers_failures_do_not_keep_the_owner_out() {
        let throttle = Throttle::default();
        let home = throttle.begin("alice", ip("192.0.2.1"), at(0)).unwrap();
        throttle.passed(&home, at(0));
        let mut now = 0;
        for _ in 0..30 {
            while throttle.begin("alice", ip("203.0.113.5"), at(now)).is_err() {
                now += 1;
            }
        }
        assert!(throttle.begin("alice", ip("203.0.113.5"), at(now)).is_err());
        assert!(throttle.begin("alice", ip("192.0.2.1"), at(now)).is_ok());
    }

    #[test]
    fn success_forgets_the_failures_and_so_does_time() {
        let throttle = Throttle::default();
        for _ in 0..2 {
            throttle.begin("alice", None, at(0)).unwrap();
        }
        let attempt = throttle.begin("alice", None, at(0)).unwrap();
        throttle.passed(&attempt, at(0));
        for _ in 0..3 {
            throttle.begin("alice", None, at(0)).unwrap();
        }
        assert!(throttle.begin("alice", None, at(0)).is_err());
        assert!(throttle.begin("alice", None, at(15 * 60)).is_ok());
        assert!(throttle.begin("alice", None, at(15 * 60)).is_ok());
    }

    #[test]
    fn a_flood_of_names_stays_within_bounds() {
        let throttle = Throttle::default();
        for n in 0..i64::try_from(MAX_ENTRIES).unwrap() + 500 {
            throttle.begin(&format!("user{n}"), None, at(n / 100)).unwrap();
        }
        assert!(throttle.state().counts.len() <= MAX_ENTRIES);
    }
}
