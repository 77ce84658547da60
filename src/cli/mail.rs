//! `mail`: whether mail arrives, and what became of each.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Common;
use super::output::{Output, table};
use crate::service::auth::SystemAdmin;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum MailVerb {
    /// Send a message to one address and say whether the server took it
    Test {
        /// Whom to write to
        #[arg(long, value_name = "ADDRESS")]
        to: String,
    },
    /// List the mails of the last 30 days, the newest first, with their states
    List,
}

impl MailVerb {
    /// Runs the command.
    pub async fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let (_, wired) = common.open().await?;
        let admin = wired.services.auth.operator::<SystemAdmin>();
        match self {
            Self::Test { to } => {
                wired.services.mail.test(&admin, &to).await?;
                output.result(&json!({"to": to, "taken": true}), || format!("the message to {to} was taken"))
            }
            Self::List => {
                let mails = wired.services.mail.list(&admin).await?;
                output.result(&json!({"mails": mails, "notice": wired.services.mail.notice()}), || {
                    let heads = ["created", "event", "state", "attempts", "reason"];
                    let mut rows = vec![heads.map(str::to_owned).to_vec()];
                    rows.extend(mails.iter().map(row));
                    let notice = wired.services.mail.notice().map(|n| format!("{n}\n")).unwrap_or_default();
                    format!("{notice}{}", table(&rows))
                })
            }
        }
    }
}

fn row(mail: &Value) -> Vec<String> {
    let text = |field: &str| match mail.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let deliveries = mail.get("deliveries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let refused = deliveries.iter().filter_map(|delivery| {
        let reason = delivery.get("reason")?.as_str()?;
        Some(format!("{}: {reason}", delivery.get("address")?.as_str()?))
    });
    let why: Vec<_> =
        Some(text("reason")).filter(|reason| !reason.is_empty()).into_iter().chain(refused).collect();
    vec![text("createdAt"), text("event"), text("state"), text("attempts"), why.join("; ")]
}
