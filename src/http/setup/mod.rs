//! The first account: while there is none, `/setup` makes it for whoever holds the set-up code.
//!
//! Lives here: the code (who sees it, how often it may be tried) and the page.
//! Does not: making the account (`CreateFirst`, implemented by the service floor).

mod code;
mod first;
mod page;

use std::fmt;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;
use tokio::sync::Mutex;

use self::code::{OneTimeCode, Verdict};
use crate::domain::clock::{Clock, Random};
use crate::domain::users::Profile;
pub use page::routes;

/// The file the code is written to where nobody sits at a terminal.
const FILE: &str = "setup-code";

/// What the first person enters.
#[derive(Clone)]
pub struct FirstAccount {
    pub profile: Profile,
    pub password: String,
}

impl fmt::Debug for FirstAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstAccount").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// How the owner of the first account gets in.
#[derive(Clone, PartialEq, Eq)]
pub enum Made {
    /// With the password that was entered.
    WithPassword,
    /// The identity provider had the account already; its password stays.
    AsBefore,
    /// The identity provider wrote to them.
    Mailed,
    /// With this one, for the terminal only.
    OneTimePassword(String),
}

/// What the person at the page is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    WithPassword,
    AsBefore,
    Mailed,
    /// A one-time password was printed in the terminal the service was started from.
    Printed,
    /// Nobody could be told a password: the operator makes one.
    Untold,
}

/// Why the first account was not made.
#[derive(Debug, Error)]
pub enum CreateFirstError {
    /// Something the person can change; the text is shown.
    #[error("{0}")]
    Refused(String),
    /// The text goes to the log only.
    #[error("{0}")]
    Failed(String),
}

/// Makes the first account; implemented by the service floor.
#[async_trait]
pub trait CreateFirst: Send + Sync + fmt::Debug {
    /// Whether there is no account yet.
    async fn needed(&self) -> Result<bool, CreateFirstError>;

    /// The account's user name, where it is given and passwords are kept elsewhere.
    fn username(&self) -> Option<String> {
        None
    }

    /// Makes the account as an active developer; checks names and password.
    async fn create(&self, account: FirstAccount) -> Result<Made, CreateFirstError>;
}

/// Where the operator finds the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeLocation {
    /// It was printed to standard error.
    Terminal,
    /// It is in this file, readable by the service's user only.
    File(PathBuf),
}

/// Why setting up did not finish; every text but `Failed`'s is safe to show.
#[derive(Debug, Error)]
pub enum SetupError {
    #[error("this installation is set up already: sign in instead")]
    Done,
    #[error("the set-up code is not right; tries left: {0}")]
    WrongCode(u32),
    #[error("the set-up code is used up or out of date: a new one is made a minute after the last")]
    NoCode,
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Failed(String),
}

impl From<CreateFirstError> for SetupError {
    fn from(error: CreateFirstError) -> Self {
        match error {
            CreateFirstError::Refused(text) => Self::Refused(text),
            CreateFirstError::Failed(text) => Self::Failed(text),
        }
    }
}

/// Setting up, from the code to the first account.
#[derive(Debug)]
pub struct Setup {
    create: Arc<dyn CreateFirst>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    file: PathBuf,
    terminal: bool,
    // Held while an account is made: two people finishing at once make one account.
    code: Mutex<Option<OneTimeCode>>,
}

impl Setup {
    /// Takes who makes the account and the data directory; the code is printed if standard error is a terminal.
    pub fn new(
        create: Arc<dyn CreateFirst>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        data_directory: &Path,
    ) -> Self {
        let (file, terminal) = (data_directory.join(FILE), std::io::stderr().is_terminal());
        Self { create, clock, random, file, terminal, code: Mutex::default() }
    }

    /// Uses the file even if there is a terminal.
    #[must_use]
    pub fn without_terminal(mut self) -> Self {
        self.terminal = false;
        self
    }

    /// Makes a code if there is no account yet and no code that can still be used; says where it is to be found.
    /// At most one code a minute is made, so that spent tries cannot be turned into unlimited ones.
    pub async fn open(&self) -> Result<Option<CodeLocation>, SetupError> {
        let mut code = self.code.lock().await;
        if !self.create.needed().await? {
            *code = None;
            self.remove_file().await;
            return Ok(None);
        }
        let now = self.clock.now();
        let location =
            if self.terminal { CodeLocation::Terminal } else { CodeLocation::File(self.file.clone()) };
        if code.as_ref().is_some_and(|code| code.is_usable(now) || code.is_fresh(now)) {
            return Ok(Some(location));
        }
        let (fresh, text) = OneTimeCode::make(self.random.as_ref(), now);
        match &location {
            CodeLocation::Terminal => code::print(&text),
            CodeLocation::File(path) => {
                let failed = |e| SetupError::Failed(format!("cannot write {}: {e}", path.display()));
                code::write(path, &text).await.map_err(failed)?;
                tracing::info!(path = %path.display(), "the set-up code for the first account is in this file");
            }
        }
        *code = Some(fresh);
        Ok(Some(location))
    }

    /// Makes the first account if the code is right. A refused account leaves the code usable.
    pub async fn finish(&self, typed: &str, account: FirstAccount) -> Result<Finished, SetupError> {
        let mut code = self.code.lock().await;
        if !self.create.needed().await? {
            return Err(SetupError::Done);
        }
        match code.as_mut().map(|code| code.check(typed, self.clock.now())) {
            Some(Verdict::Right) => {}
            Some(Verdict::Wrong { left }) => return Err(SetupError::WrongCode(left)),
            Some(Verdict::Spent) | None => return Err(SetupError::NoCode),
        }
        let made = self.create.create(account).await?;
        *code = None;
        self.remove_file().await;
        Ok(match made {
            Made::WithPassword => Finished::WithPassword,
            Made::AsBefore => Finished::AsBefore,
            Made::Mailed => Finished::Mailed,
            Made::OneTimePassword(password) if self.terminal => {
                code::print_password(&password);
                Finished::Printed
            }
            // Kept nowhere: another one is made at a terminal.
            Made::OneTimePassword(_) => Finished::Untold,
        })
    }

    /// The given user name of the first account, where passwords are kept elsewhere.
    pub fn username(&self) -> Option<String> {
        self.create.username()
    }

    async fn remove_file(&self) {
        match tokio::fs::remove_file(&self.file).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, path = %self.file.display(), "the set-up code's file could not be removed");
            }
            _ => {}
        }
    }
}
