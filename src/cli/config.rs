//! `config check|show|reference|schema`.

use clap::Subcommand;
use serde_json::json;

use super::Common;
use super::output::{Output, table};
use crate::config;

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Check it; fails on what a start would refuse and on keys nobody reads
    Check,
    /// Show every value, secrets redacted, and where it comes from
    Show,
    /// Print the page of all settings
    Reference,
    /// Print the JSON Schema of the file
    Schema,
}

impl Config {
    /// Runs the command.
    pub fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        match self {
            Self::Check => {
                let report = config::check(&common.load()?);
                output.result(&json!(report), || {
                    let mut lines = report.facts.clone();
                    lines.extend(report.unknown.iter().map(|key| format!("FAIL nobody reads {key}")));
                    lines.extend(report.warnings.iter().map(|text| format!("note {text}")));
                    lines.push(if report.passed { "passed".into() } else { "not passed".into() });
                    lines.join("\n")
                })?;
                if !report.passed {
                    anyhow::bail!("the configuration did not pass");
                }
                Ok(())
            }
            Self::Show => {
                let shown = config::show(&common.load()?);
                output.result(&json!(shown), || {
                    let mut rows = vec![vec!["setting".into(), "value".into(), "from".into()]];
                    rows.extend(
                        shown.iter().map(|s| vec![s.path.clone(), s.value.clone(), s.origin.to_string()]),
                    );
                    table(&rows)
                })
            }
            Self::Reference => output.line(config::reference_markdown().trim_end()),
            Self::Schema => output.line(&serde_json::to_string_pretty(&config::json_schema())?),
        }
    }
}
