//! `doctor`: reach every dependency, print what fails and what to do.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::Common;
use super::output::Output;
use crate::appliance::services::lacking_front_ends;
use crate::appliance::tls::pair;
use crate::config::Loaded;
use crate::service::JobState;
use crate::service::auth::SystemAdmin;

/// A name, whether it is in order, and what is to be said.
type Finding = (String, bool, String);

/// What is wrong with the certificate of the front door, as its files are now.
fn certificate(loaded: &Loaded, now: DateTime<Utc>) -> Vec<Finding> {
    let appliance = &loaded.config.appliance;
    let Some(tls) = &appliance.tls else { return Vec::new() };
    let finding = |ok, text: String| ("certificate".to_owned(), ok, text);
    match pair::read(&loaded.resolve(&tls.certificate), &loaded.resolve(&tls.key)) {
        Err(error) => vec![finding(false, format!("{error:#}"))],
        Ok(pair) => {
            let facts = pair.facts;
            let left = format!(
                "good until {}, days left: {}, SHA-256 {}",
                facts.expires.format("%Y-%m-%d"),
                facts.days_left(now),
                facts.fingerprint
            );
            let concern = facts.concern(now);
            let mut found = vec![finding(concern.is_none(), concern.unwrap_or(left))];
            let host = appliance.public_url.host();
            if !host.is_empty() && !facts.is_for(host) {
                let text =
                    format!("it is not for {host}, the host of Appliance.PublicURL: browsers will refuse it");
                // A proxy in front may have a certificate of its own.
                found.push(finding(!appliance.trusted_proxies.is_empty(), text));
            }
            found
        }
    }
}

/// Runs the checks; fails if one does.
pub async fn run(common: &Common, output: &Output) -> anyhow::Result<()> {
    let (loaded, wired) = common.open().await?;
    let mut findings = Vec::new();
    // The first start's signing key takes a moment; what is still missing then is a finding.
    let mut health = wired.services.health().await;
    for _ in 0..50 {
        if health.iter().all(|(_, result)| result.is_ok()) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        health = wired.services.health().await;
    }
    for (name, result) in health {
        findings.push((name.to_owned(), result.is_ok(), result.err().unwrap_or_else(|| "answers".into())));
    }
    if wired.issuer.is_none() && findings.iter().all(|(name, ok, _)| *ok || name != "identity") {
        let admin = wired.services.auth.operator::<SystemAdmin>();
        let nexus = loaded.config.legacy.nexus_mode.enabled;
        for lack in wired.services.auth.lacks(&admin, nexus).await? {
            findings.push(("identity provider".into(), lack.optional, lack.text));
        }
    }
    let ready = wired.services.setup.complete().await?;
    let advice = "no developer account yet: open /setup or run `cv3-backend user add --role developer`";
    findings.push(("first account".into(), ready, if ready { "exists".into() } else { advice.into() }));
    let (release, lacking) = wired.services.terms();
    findings.push((
        "terms".into(),
        true,
        std::iter::once(release).chain(lacking).collect::<Vec<_>>().join("; "),
    ));
    let operator = wired.services.auth.operator::<SystemAdmin>();
    let (in_order, condition) = wired.services.mail.condition(&operator).await?;
    findings.push(("mail".into(), in_order, condition));
    let failed = wired.services.broker().jobs(JobState::Failed, 20).await?;
    for job in &failed {
        let reason = job.error.clone().unwrap_or_default();
        findings.push((format!("job {} ({})", job.job_id, job.kind), false, reason));
    }
    findings.extend(certificate(&loaded, wired.clock.now()));
    for (key, lack) in lacking_front_ends(&loaded) {
        findings.push((format!("Appliance.FrontEnds.{key}"), false, lack));
    }
    if loaded.config.appliance.read_only {
        let meaning = "Appliance.ReadOnly is set: queries are answered, nothing that is served changes";
        findings.push(("read only".into(), true, meaning.into()));
    }
    for warning in loaded.warnings.iter().chain(&crate::config::without_effect(&loaded.config)) {
        findings.push(("configuration".into(), true, warning.clone()));
    }
    let healthy = findings.iter().all(|(_, ok, _)| *ok);
    let value = json!({
        "healthy": healthy, "data": loaded.data_directory,
        "findings": findings.iter().map(|(name, ok, text)| json!({"name": name, "ok": ok, "text": text})).collect::<Vec<_>>(),
    });
    output.result(&value, || {
        let line = |(name, ok, text): &(String, bool, String)| {
            format!("{} {name}: {text}", if *ok { "ok  " } else { "FAIL" })
        };
        findings.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    if healthy { Ok(()) } else { anyhow::bail!("something needs attention") }
}
