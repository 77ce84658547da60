//! `maintenance on|off` and `rotate-secret`: what is shared with other systems, by hand.

use std::io::{BufRead, IsTerminal, Read};

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;

use super::Common;
use super::output::Output;
use crate::domain::settings::Maintenance as State;
use crate::service::auth::SystemAdmin;

/// Which way to switch.
#[derive(Debug, Subcommand)]
pub enum MaintenanceVerb {
    /// Refuse requests from now on
    On {
        /// What those who come are told
        #[arg(default_value = "")]
        message: String,
    },
    /// Answer requests again
    Off,
}

impl MaintenanceVerb {
    /// Runs the command.
    pub async fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let (_, wired) = common.open().await?;
        let admin = wired.services.auth.operator::<SystemAdmin>();
        let state = match self {
            Self::On { message } => State { maintenance: true, message },
            Self::Off => State::default(),
        };
        wired.services.settings.maintain_by_hand(&admin, state.clone()).await?;
        output.result(&json!(state), || {
            if state.maintenance {
                "requests are refused until `cv3-backend maintenance off`".into()
            } else {
                "requests are answered".into()
            }
        })
    }
}

/// Which secret to replace.
#[derive(Debug, Subcommand)]
pub enum SecretVerb {
    /// The one shared with the Cafe Variome Assistant; prints the new one
    Assistant,
    /// The one of our client at Keycloak; reads the new one from standard input and keeps it once it works
    Keycloak,
}

impl SecretVerb {
    /// Runs the command.
    pub async fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let (_, wired) = common.open().await?;
        let admin = wired.services.auth.operator::<SystemAdmin>();
        match self {
            Self::Keycloak => {
                if std::io::stdin().is_terminal() {
                    output.say("type or paste the client's new secret and press Enter");
                }
                let mut line = String::new();
                // No secret is longer; whatever else is there is not read.
                std::io::stdin()
                    .lock()
                    .take(4_096)
                    .read_line(&mut line)
                    .context("no secret on standard input")?;
                wired.services.auth.replace_client_secret(&admin, line.trim()).await?;
                output.result(&json!({"replaced": true}), || {
                    "the new secret works and is in use; running services take it up by themselves".into()
                })
            }
            Self::Assistant => {
                let secret = wired.services.auth.rotate_assistant_secret(&admin).await?;
                output.result(&json!({"assistantSecret": secret}), || {
                    format!("the new secret, shown this once; the old one is not valid any more: {secret}")
                })
            }
        }
    }
}
