//! `user add|reset-password` and `token`; the rest of `user` is in `accounts`.

use std::io::{BufRead, IsTerminal};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::Common;
use super::accounts::Manage;
use super::output::Output;
use crate::domain::users::{Profile, Role};
use crate::service::auth::SystemAdmin;

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub enum UserVerb {
    /// Create an account
    Add(Add),
    #[command(flatten)]
    Manage(Manage),
    /// Print a one-time password for an account
    ResetPassword {
        /// User name or e-mail
        #[arg(long)]
        user: String,
    },
}

/// A new account.
#[derive(Debug, Args)]
pub struct Add {
    #[arg(long)]
    email: String,
    #[arg(long, value_enum, default_value = "user")]
    role: RoleName,
    /// Defaults to the e-mail
    #[arg(long)]
    username: Option<String>,
    #[arg(long, default_value = "")]
    first_name: String,
    #[arg(long, default_value = "")]
    last_name: String,
    #[arg(long, default_value = "")]
    affiliation: String,
    /// Read the password from standard input instead of printing a one-time one
    #[arg(long)]
    password_stdin: bool,
}

/// A role as typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RoleName {
    User,
    #[value(alias = "dataAdmin")]
    DataAdmin,
    #[value(alias = "serverAdmin")]
    ServerAdmin,
    Developer,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::User => Self::User,
            RoleName::DataAdmin => Self::DataAdmin,
            RoleName::ServerAdmin => Self::ServerAdmin,
            RoleName::Developer => Self::Developer,
        }
    }
}

/// Prints a token.
#[derive(Debug, Args)]
pub struct Token {
    /// User name or e-mail
    #[arg(long)]
    user: String,
}

impl UserVerb {
    /// Runs the command.
    pub async fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let (_, wired) = common.open().await?;
        let admin = wired.services.auth.operator::<SystemAdmin>();
        match self {
            Self::Manage(manage) => manage.run(&wired, output).await,
            Self::Add(add) => {
                let profile = Profile {
                    username: add.username.unwrap_or_else(|| add.email.clone()),
                    email: add.email,
                    first_name: add.first_name,
                    last_name: add.last_name,
                    affiliation: add.affiliation,
                };
                let given = add.password_stdin.then(password_from_stdin).transpose()?;
                output.say("making the account's key …");
                let name = profile.username.clone();
                let id =
                    wired.services.users.create(&admin, profile, add.role.into(), given.as_deref()).await?;
                let once = match given {
                    Some(_) => None,
                    None => Some(wired.issuer.set_one_time_password(&id).await?),
                };
                output.result(&json!({"userId": id, "username": name, "oneTimePassword": once}), || match &once {
                    Some(once) => format!(
                        "account {name} created\none-time password (valid 7 days, change it at the first sign-in): {once}"
                    ),
                    None => format!("account {name} created"),
                })
            }
            Self::ResetPassword { user } => {
                if !output.is_json() && !std::io::stdout().is_terminal() {
                    bail!("a password is printed on a terminal only; use --json to hand it to a program");
                }
                let id = wired.services.users.find(&admin, &user).await?;
                let once = wired.issuer.set_one_time_password(&id).await?;
                output.result(&json!({"userId": id, "oneTimePassword": once}), || {
                    format!("one-time password (valid 7 days): {once}")
                })
            }
        }
    }
}

fn password_from_stdin() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("no password on standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

impl Token {
    /// Whoever can open the data directory and its keystore can sign in as anyone; this only makes it convenient.
    pub async fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let (_, wired) = common.open().await?;
        let admin = wired.services.auth.operator::<SystemAdmin>();
        let id = wired.services.users.find(&admin, &self.user).await?;
        let token = wired.issuer.operator_token(&id).await?;
        output.result(&json!({"access_token": token.access_token, "expires_in": token.expires_in}), || {
            token.access_token.clone()
        })
    }
}
