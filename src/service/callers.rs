//! Accounts of callers, remembered for two seconds or until a notice says that they changed (design: *Tokens*).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::broadcast::{self, error::TryRecvError};

use crate::broker::Notice;
use crate::domain::ids::UserId;
use crate::domain::users::UserInfo;

/// How long an account is believed to be as it was.
const LIFE: TimeDelta = TimeDelta::seconds(2);

/// Accounts remembered at most.
const MOST: usize = 4_096;

/// Active accounts with a key.
#[derive(Debug)]
pub(super) struct Callers(Mutex<Held>);

#[derive(Debug)]
struct Held {
    notices: broadcast::Receiver<Notice>,
    /// Grows with every change of an account; what was read before a change is not remembered after it.
    changes: u64,
    accounts: HashMap<UserId, (DateTime<Utc>, UserInfo)>,
}

/// The accounts as they were when one was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AsOf(u64);

impl Callers {
    pub(super) fn new(notices: broadcast::Receiver<Notice>) -> Self {
        Self(Mutex::new(Held { notices, changes: 0, accounts: HashMap::new() }))
    }

    /// The account, if it was read within the last two seconds and has not changed.
    pub(super) fn get(&self, id: &UserId, now: DateTime<Utc>) -> Result<UserInfo, AsOf> {
        let held = self.lock();
        let fresh = held.accounts.get(id).filter(|(read, _)| now >= *read && now - *read < LIFE);
        fresh.map(|(_, account)| account.clone()).ok_or(AsOf(held.changes))
    }

    /// Remembers what was read after [`Self::get`] found nothing.
    pub(super) fn keep(&self, account: &UserInfo, since: AsOf, now: DateTime<Utc>) {
        let mut held = self.lock();
        if held.changes != since.0 {
            return;
        }
        if held.accounts.len() >= MOST {
            held.accounts.clear();
        }
        held.accounts.insert(account.user_id.clone(), (now, account.clone()));
    }

    /// Takes account of all notices so far.
    fn lock(&self) -> MutexGuard<'_, Held> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match held.notices.try_recv() {
                Ok(notice) if notice.topic != "user" => {}
                // Which account it was is not worth finding out: they change rarely.
                Ok(_) | Err(TryRecvError::Lagged(_)) => {
                    held.changes += 1;
                    held.accounts.clear();
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return held,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::users::Role;

    fn account(id: &str) -> UserInfo {
        UserInfo {
            user_id: UserId::parse(id).unwrap(),
            role: Role::User,
            active: true,
            budget: 100,
            internal: false,
            settings: None,
            created_at: None,
        }
    }

    #[test]
    fn an_account_is_remembered_for_two_seconds() {
        let (_notices, receiver) = broadcast::channel(4);
        let (callers, ada, now) = (Callers::new(receiver), account("ada"), DateTime::UNIX_EPOCH);
        let since = callers.get(&ada.user_id, now).unwrap_err();
        callers.keep(&ada, since, now);
        assert_eq!(callers.get(&ada.user_id, now + TimeDelta::milliseconds(1_999)), Ok(ada.clone()));
        assert!(callers.get(&ada.user_id, now + LIFE).is_err());
        assert!(callers.get(&account("bob").user_id, now).is_err());
    }

    #[test]
    fn a_notice_makes_forget_at_once_also_what_is_being_read() {
        let (notices, receiver) = broadcast::channel(4);
        let (callers, ada, now) = (Callers::new(receiver), account("ada"), DateTime::UNIX_EPOCH);
        let tell = |topic: &str| notices.send(Notice { topic: topic.into(), subject: "ada".into() }).unwrap();
        let since = callers.get(&ada.user_id, now).unwrap_err();
        callers.keep(&ada, since, now);
        tell("query");
        assert!(callers.get(&ada.user_id, now).is_ok());
        tell("user");
        let since = callers.get(&ada.user_id, now).unwrap_err();
        tell("user");
        callers.keep(&ada, since, now);
        assert!(callers.get(&ada.user_id, now).is_err());
        // More than the channel holds: something was missed.
        let since = callers.get(&ada.user_id, now).unwrap_err();
        callers.keep(&ada, since, now);
        for _ in 0..9 {
            tell("query");
        }
        assert!(callers.get(&ada.user_id, now).is_err());
    }
}
