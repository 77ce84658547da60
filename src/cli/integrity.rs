//! `check` and `repair`: whether what is kept in different places fits together.

use serde_json::json;

use super::Common;
use super::output::Output;
use crate::service::auth::SystemAdmin;

/// Prints what does not fit, and repairs it where asked to. A check that finds something fails.
pub async fn run(common: &Common, output: &Output, repair: bool) -> anyhow::Result<()> {
    let (_, wired) = common.open().await?;
    let services = &wired.services;
    let admin = services.auth.operator::<SystemAdmin>();
    let seen = services.integrity.check(&admin).await?;
    let findings = &seen.findings;
    if !seen.strangers.is_empty() {
        output.say(&format!(
            "note: these keys belong to no account here and may be another installation's, so they stay: {}",
            seen.strangers.join(", ")
        ));
    }
    if repair {
        // What is going to be done is said before it is.
        for finding in findings {
            output.say(&format!("{}: {}", finding.describe(), finding.remedy));
        }
        services.integrity.repair(&admin, &services.auth.inside(), findings).await?;
    }
    let shown: Vec<_> = findings
        .iter()
        .map(|f| json!({"problem": f.problem, "id": f.id, "remedy": f.remedy, "text": f.describe()}))
        .collect();
    output.result(&json!({"findings": shown, "repaired": repair, "leftAlone": seen.strangers}), || {
        let verb = if repair { "done" } else { "`repair`" };
        let lines =
            findings.iter().map(|finding| format!("{}\n  {verb}: {}", finding.describe(), finding.remedy));
        let lines: Vec<_> = lines.collect();
        if lines.is_empty() { "everything fits together".into() } else { lines.join("\n") }
    })?;
    if findings.is_empty() || repair {
        Ok(())
    } else {
        anyhow::bail!("{} things do not fit together; `cv3-backend repair` mends them", findings.len())
    }
}
