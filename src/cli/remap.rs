//! `user remap`: accounts follow their people to another identity provider.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::output::Output;
use crate::appliance::wiring::Wired;
use crate::service::auth::SystemAdmin;
use crate::service::users::remap::{Line, Plan};

/// Largest mapping, in bytes.
const LARGEST: u64 = 16 << 20;

/// Which accounts become which.
#[derive(Debug, Args)]
pub struct Remap {
    /// Comma-separated lines: old id or e-mail address, new id, user name or e-mail address
    #[arg(long)]
    file: PathBuf,
    /// Do it; otherwise it is only said what would be done
    #[arg(long)]
    apply: bool,
}

impl Remap {
    /// Runs the command.
    pub async fn run(self, wired: &Wired, output: &Output) -> anyhow::Result<()> {
        let lines = read(&self.file)?;
        let admin = wired.services.auth.operator::<SystemAdmin>();
        let users = &wired.services.users;
        let mut plan = users.plan_remap(&admin, &lines).await?;
        if self.apply && plan.wrong.is_empty() {
            plan = users.remap(&admin, &lines).await?;
        }
        let applied = self.apply && plan.wrong.is_empty();
        let value = json!({
            "applied": applied, "moves": plan.moves, "unmapped": plan.unmapped, "wrong": plan.wrong,
        });
        output.result(&value, || told(&plan, applied))?;
        if !plan.wrong.is_empty() {
            bail!("nothing was changed, since {} lines cannot be followed", plan.wrong.len());
        }
        Ok(())
    }
}

fn told(plan: &Plan, applied: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    for one in &plan.moves {
        let what = match (one.done, applied) {
            (true, _) => "was done before",
            (false, true) => "done",
            (false, false) => "would be done",
        };
        lines.push(format!(
            "{} becomes {} ({} groups, {} mappings): {what}",
            one.old, one.new, one.groups, one.mappings
        ));
    }
    for one in &plan.unmapped {
        let groups = if one.groups.is_empty() { "no group".to_owned() } else { one.groups.join(", ") };
        lines.push(format!(
            "unmapped: {} ({}, {}), in {groups}; stays as it is",
            one.user_id,
            one.role.unwrap_or("no account"),
            if one.active { "active" } else { "inactive" },
        ));
    }
    lines.extend(plan.wrong.iter().map(|why| format!("wrong: {why}")));
    if !applied && plan.wrong.is_empty() {
        lines.push("nothing was changed; --apply does it".into());
    }
    lines.join("\n")
}

fn read(file: &Path) -> anyhow::Result<Vec<Line>> {
    let named = || format!("the mapping {}", file.display());
    let size = std::fs::metadata(file).with_context(named)?.len();
    if size > LARGEST {
        bail!("{} has {size} bytes, and at most {LARGEST} are read", named());
    }
    parse(&std::fs::read_to_string(file).with_context(named)?).with_context(named)
}

/// Reads lines of two columns; a head `old,new` may stand above them.
fn parse(text: &str) -> anyhow::Result<Vec<Line>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut lines = Vec::new();
    for (number, record) in reader.records().enumerate() {
        let record = record?;
        let (Some(old), Some(new), None) = (record.get(0), record.get(1), record.get(2)) else {
            bail!("line {} does not have two columns, old and new", number + 1);
        };
        if number == 0 && old.eq_ignore_ascii_case("old") && new.eq_ignore_ascii_case("new") {
            continue;
        }
        if old.is_empty() || new.is_empty() {
            bail!("line {} has an empty column", number + 1);
        }
        lines.push(Line { old: old.to_owned(), new: new.to_owned() });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_has_two_columns_and_perhaps_a_head() {
        let pairs = |text| {
            let lines = parse(text)?;
            Ok::<_, anyhow::Error>(lines.into_iter().map(|line| (line.old, line.new)).collect::<Vec<_>>())
        };
        let expected = vec![("a@example.org".to_owned(), "b".to_owned())];
        for text in [
            "a@example.org,b",
            "old,new\r\na@example.org , b\r\n",
            "\u{feff}Old,New\n\"a@example.org\",b\n\n",
        ] {
            assert_eq!(pairs(text).unwrap(), expected, "{text:?}");
        }
        for text in ["a", "a,b,c", "a,", ",b", "a,b\nc"] {
            assert!(pairs(text).is_err(), "{text:?}");
        }
    }
}
