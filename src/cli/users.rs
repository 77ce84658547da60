//! `user add|reset-password` and `token`; the rest of `user` is in `accounts` and `remap`.

use std::io::{BufRead, IsTerminal};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::Common;
use super::accounts::Manage;
use super::output::Output;
use super::remap::Remap;
use crate::appliance::wiring::Wired;
use crate::domain::users::{Profile, Role};
use crate::service::auth::SystemAdmin;
use crate::service::users::{Admitted, Way};

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub enum UserVerb {
    /// Create an account
    Add(Add),
    #[command(flatten)]
    Manage(Manage),
    /// Let accounts follow their people to another identity provider
    Remap(Remap),
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
    #[command(flatten)]
    person: Person,
    /// What an identity provider other than Keycloak calls this person (the claim sub)
    #[arg(long)]
    subject: Option<String>,
}

/// Whose account it is, but for the address.
#[derive(Debug, Args)]
pub struct Person {
    /// User name; defaults to the e-mail, for the first account at Keycloak to the client's name and `_admin`
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

impl Person {
    /// With this address.
    pub fn profile(self, email: String) -> Profile {
        Profile {
            username: self.username.unwrap_or_else(|| email.clone()),
            email,
            first_name: self.first_name,
            last_name: self.last_name,
            affiliation: self.affiliation,
        }
    }

    /// With this affiliation unless one was typed.
    pub fn or_of(&mut self, affiliation: Option<&str>) {
        if self.affiliation.is_empty() {
            self.affiliation = affiliation.unwrap_or_default().to_owned();
        }
    }

    /// Refuses a password where we keep none.
    pub fn check_no_password(&self) -> anyhow::Result<()> {
        if self.password_stdin {
            bail!("passwords are kept by the identity provider; leave --password-stdin out");
        }
        Ok(())
    }
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
            Self::Remap(remap) => remap.run(&wired, output).await,
            Self::Add(add) => add.run(&wired, output).await,
            Self::ResetPassword { user } => {
                if !output.is_json() && !std::io::stdout().is_terminal() {
                    bail!("a password is printed on a terminal only; use --json to hand it to a program");
                }
                let id = wired.services.users.find(&admin, &user).await?;
                let once = wired.services.users.one_time_password(&admin, &id).await?;
                let valid =
                    if wired.issuer.is_some() { "valid 7 days" } else { "to be changed at the next sign-in" };
                output.result(&json!({"userId": id, "oneTimePassword": once}), || {
                    format!("one-time password ({valid}): {once}")
                })
            }
        }
    }
}

impl Add {
    /// A new account of this person.
    pub fn of(email: String, role: RoleName, person: Person) -> Self {
        Self { email, role, person, subject: None }
    }

    /// Makes the account and says how its owner gets in.
    pub async fn run(self, wired: &Wired, output: &Output) -> anyhow::Result<()> {
        let admin = wired.services.auth.operator::<SystemAdmin>();
        let add = self;
        let Some(issuer) = &wired.issuer else {
            add.person.check_no_password()?;
            let profile = add.person.profile(add.email);
            return bring_in(wired, output, profile, add.role.into(), add.subject.as_deref()).await;
        };
        if add.subject.is_some() {
            bail!("--subject is for accounts of another identity provider");
        }
        let given = add.person.password_stdin.then(password_from_stdin).transpose()?;
        let profile = add.person.profile(add.email);
        output.say("making the account's key …");
        let name = profile.username.clone();
        let id = wired.services.users.create(&admin, profile, add.role.into(), given.as_deref()).await?;
        let once = match given {
            Some(_) => None,
            None => Some(issuer.set_one_time_password(&id).await?),
        };
        output.result(&json!({"userId": id, "username": name, "oneTimePassword": once}), || match &once {
                    Some(once) => format!(
                        "account {name} created\none-time password (valid 7 days, change it at the first sign-in): {once}"
                    ),
                    None => format!("account {name} created"),
                })
    }
}

/// Lets somebody in whom the identity provider knows, or makes them known there.
async fn bring_in(
    wired: &Wired,
    output: &Output,
    profile: Profile,
    role: Role,
    subject: Option<&str>,
) -> anyhow::Result<()> {
    let admin = wired.services.auth.operator::<SystemAdmin>();
    output.say("making the account's key …");
    if let Some(subject) = subject {
        let id = wired.services.users.bring_in_subject(&admin, subject, role).await?;
        return output
            .result(&json!({"userId": id}), || format!("{subject} may sign in; the id here is {id}"));
    }
    if wired.services.auth.issuer().realm.is_empty() {
        bail!("accounts are managed at the identity provider; say with --subject who it is there");
    }
    let email = profile.email.clone();
    let admitted = wired.services.users.bring_in(&admin, profile, role).await?;
    tell(output, admitted, &email)
}

/// Says how somebody the identity provider knows gets in; a password goes to a terminal or a program only.
pub fn tell(output: &Output, admitted: Admitted, email: &str) -> anyhow::Result<()> {
    let Admitted { user_id, username, way } = admitted;
    let told = output.is_json() || std::io::stdout().is_terminal();
    let once = match &way {
        Way::OneTimePassword(once) if told => Some(once),
        _ => None,
    };
    let value = json!({"userId": user_id, "username": username, "oneTimePassword": once});
    output.result(&value, || match (&way, once) {
        (Way::AsBefore, _) => format!("{username} may sign in here now, with the password they have"),
        (Way::Mailed, _) => format!("account {username} created; the identity provider wrote to {email}"),
        (_, Some(once)) => {
            format!("account {username} created\none-time password (change it at the first sign-in): {once}")
        }
        (_, None) => format!(
            "account {username} created; no mail could be sent, and a password is printed on a terminal only: \
             run `cv3-backend user reset-password --user {username}` there"
        ),
    })
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
        let Some(issuer) = &wired.issuer else {
            bail!("tokens are issued by the identity provider: sign in there");
        };
        let token = issuer.operator_token(&id).await?;
        output.result(&json!({"access_token": token.access_token, "expires_in": token.expires_in}), || {
            token.access_token.clone()
        })
    }
}
