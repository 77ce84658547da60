//! Signing in with a password: throttled, in equal time, with a change of one-time passwords.

use std::net::IpAddr;

use chrono::TimeDelta;
use thiserror::Error;

use super::accounts::Account;
use super::grants::{Class, Grant, Kind};
use super::{Issuer, password};
use crate::identity::IdentityError;

/// A browser session lasts a working day.
pub const SESSION: TimeDelta = TimeDelta::hours(8);

/// Time to choose a new password after a one-time password was given.
const PENDING: TimeDelta = TimeDelta::minutes(10);

/// What a right password leads to; the strings are the bearer's and not stored.
#[derive(Clone, PartialEq, Eq)]
pub enum SignedIn {
    /// A session; the string is its cookie.
    Session(String),
    /// The password was a one-time password: the string lets `change_password` be called once, within ten minutes.
    MustChange(String),
}

/// Why nobody was signed in; every text is safe to show.
#[derive(Debug, Error)]
pub enum SignInError {
    /// One text for every reason, so that nobody learns which accounts exist.
    #[error("the user name or the password is not right")]
    Wrong,
    #[error("too many failed attempts: wait {0} s and try again")]
    Wait(u64),
    #[error("the one-time password has expired: ask an administrator for a new one")]
    OneTimeExpired,
    #[error("this took too long: sign in again with the one-time password")]
    TooLate,
    #[error("{0}")]
    Unacceptable(String),
    #[error(transparent)]
    Failed(#[from] IdentityError),
}

/// An unexpired session and whose it is.
#[derive(Clone)]
pub struct Session {
    pub(super) grant: Grant,
    pub(super) account: Account,
}

impl Session {
    /// The user name, for pages.
    pub fn username(&self) -> &str {
        &self.account.profile.username
    }
}

impl Issuer {
    /// Signs somebody in by user name or e-mail. `address` is the browser's, where it is known.
    pub async fn sign_in(
        &self,
        login: &str,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<SignedIn, SignInError> {
        let attempt = self.inner.throttle.begin(login, address, self.now()).map_err(SignInError::Wait)?;
        let account = self.account_of_login(login).await?.filter(|account| !account.disabled);
        let stored = account.as_ref().and_then(|account| account.password_hash.as_deref());
        let right = self.inner.passwords.matches(password, stored).await?;
        let Some(account) = account.filter(|_| right) else { return Err(SignInError::Wrong) };
        self.inner.throttle.passed(&attempt, self.now());
        if account.one_time_expired(self.now()) {
            return Err(SignInError::OneTimeExpired);
        }
        if account.one_time_until.is_some() {
            let pending = self.grant_to(&account, Class::Pending, Kind::Pending, PENDING).await?;
            return Ok(SignedIn::MustChange(pending));
        }
        Ok(SignedIn::Session(self.grant_to(&account, Class::Session, Kind::Session, SESSION).await?))
    }

    /// Replaces a one-time password; answers the session's cookie. A password that is not acceptable may be tried again.
    pub async fn change_password(&self, pending: &str, new: &str) -> Result<String, SignInError> {
        let grant = self.grant(Class::Pending, pending).await?.ok_or(SignInError::TooLate)?;
        let account = self.account(&grant.account_id).await?.filter(|account| !account.disabled);
        let account = account.ok_or(SignInError::TooLate)?;
        let Some(old) = account.one_time_until.and(account.password_hash.as_deref()) else {
            return Err(SignInError::TooLate);
        };
        password::acceptable(new, &account.profile.username, &account.profile.email)
            .map_err(|e| SignInError::Unacceptable(e.to_string()))?;
        if self.inner.passwords.matches(new, Some(old)).await? {
            let text = "the new password must differ from the one-time password";
            return Err(SignInError::Unacceptable(text.to_owned()));
        }
        // Removing the grant is what makes it single-use: of two requests one finds nothing to remove.
        if !self.grants().delete(&grant.id).await.map_err(IdentityError::from)? {
            return Err(SignInError::TooLate);
        }
        self.set_password(&account.account_id, new).await?;
        Ok(self.grant_to(&account, Class::Session, Kind::Session, SESSION).await?)
    }

    /// The session of a cookie, if it and its account stand.
    pub async fn session(&self, cookie: &str) -> Result<Option<Session>, IdentityError> {
        let Some(grant) = self.grant(Class::Session, cookie).await? else { return Ok(None) };
        let account = self.account(&grant.account_id).await?.filter(|account| !account.disabled);
        Ok(account.map(|account| Session { grant, account }))
    }

    /// Ends a session with its codes and tokens.
    pub async fn sign_out(&self, session: &Session) -> Result<(), IdentityError> {
        self.end_session(&session.account.account_id, &session.grant.session_id).await
    }

    async fn grant_to(
        &self,
        account: &Account,
        class: Class,
        kind: Kind,
        lasts: TimeDelta,
    ) -> Result<String, IdentityError> {
        let minted = self.mint(None);
        let now = self.now();
        let grant = Grant {
            id: class.document(&minted.id),
            account_id: account.account_id.clone(),
            secret_hash: minted.secret_hash,
            expires_at: (now + lasts).timestamp(),
            authenticated_at: now.timestamp(),
            session_id: minted.id,
            kind,
        };
        self.grants().insert(&grant.id, &grant).await?;
        Ok(minted.bearer)
    }
}
