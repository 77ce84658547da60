//! `install` and `update-config`: the first run by hand (specification §4.1). Whatever is there already stays; the whole
//! may be repeated.

use std::io::{BufRead, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::Common;
use super::output::Output;
use super::users::{Add, Person, RoleName};
use crate::appliance::wiring::{self, Purpose, Wired};
use crate::domain::clock::{Clock, SystemClock};
use crate::service::auth::SystemAdmin;

/// How long stores that are just starting are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long after one that was not there is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// The first run.
#[derive(Debug, Args)]
pub struct Install {
    /// Ask nothing: what is not said here is not known
    #[arg(long)]
    non_interactive: bool,
    /// Start over: what is there is moved aside, after its name is typed
    #[arg(long, conflicts_with = "non_interactive")]
    wipe: bool,
    /// E-mail address of the first developer [else: ADMIN_EMAIL of the environment]
    #[arg(long)]
    email: Option<String>,
    #[command(flatten)]
    person: Person,
}

impl Install {
    /// Runs the command.
    pub async fn run(mut self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let loaded = common.load()?;
        // What was typed goes before what the environment says (specification §3.2).
        self.email = self.email.or_else(|| loaded.process.admin_email.clone());
        self.person.or_of(loaded.process.admin_affiliation.as_deref());
        for warning in &loaded.warnings {
            output.say(&format!("note: {warning}"));
        }
        if self.wipe {
            move_aside(&loaded.data_directory, output)?;
        }
        let wired = wiring::open(&loaded, Purpose::Tool).await?;
        reach(&wired).await?;
        let services = &wired.services;
        let admin = services.auth.operator::<SystemAdmin>();
        let nexus = loaded.config.legacy.nexus_mode.enabled;
        let (lacks, missing): (Vec<_>, Vec<_>) =
            services.auth.lacks(&admin, nexus).await?.into_iter().partition(|lack| lack.optional);
        for lack in &lacks {
            output.say(&format!("note: {}", lack.text));
        }
        if !missing.is_empty() {
            let texts: Vec<_> = missing.into_iter().map(|lack| lack.text).collect();
            bail!("the client at the identity provider lacks what is needed: {}", texts.join("; "));
        }
        services.setup.seed().await?;
        if services.setup.complete().await? {
            return output.result(&json!({"installed": true, "already": true}), || {
                format!("already installed in {}; nothing was changed", loaded.data_directory.display())
            });
        }
        self.first_account(&wired, output).await
    }

    async fn first_account(mut self, wired: &Wired, output: &Output) -> anyhow::Result<()> {
        let email = match self.email.take() {
            Some(email) => email,
            None if self.non_interactive || !std::io::stdin().is_terminal() => {
                bail!("say with --email, or with ADMIN_EMAIL in the environment, whose the first account is")
            }
            None => ask("E-mail address of the first developer")?,
        };
        if wired.issuer.is_some() {
            return Add::of(email, RoleName::Developer, self.person).run(wired, output).await;
        }
        self.person.check_no_password()?;
        let profile = self.person.profile(email);
        output.say("making the account's key …");
        let email = profile.email.clone();
        match wired.services.setup.first_account(profile, "").await? {
            Some(admitted) => super::users::tell(output, admitted, &email),
            None => output.result(&json!({"installed": true, "already": false}), || "installed".into()),
        }
    }
}

/// Waits until everything answers; else all that does not is said at once.
async fn reach(wired: &Wired) -> anyhow::Result<()> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let health = wired.services.health().await;
        let down: Vec<_> = health
            .into_iter()
            .filter_map(|(name, result)| Some(format!("{name}: {}", result.err()?)))
            .collect();
        if down.is_empty() {
            return Ok(());
        }
        if tokio::time::Instant::now() > until {
            bail!("nothing was installed, since not everything can be reached: {}", down.join("; "));
        }
        // Nothing tells when a server outside is ready: it is asked again.
        tokio::time::sleep(AGAIN).await;
    }
}

fn ask(question: &str) -> anyhow::Result<String> {
    let mut terminal = std::io::stderr().lock();
    write!(terminal, "{question}: ")?;
    terminal.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// Moves the data directory aside once its name was typed at a terminal; nothing of it is deleted.
fn move_aside(data: &Path, output: &Output) -> anyhow::Result<()> {
    if !data.exists() {
        return Ok(());
    }
    let name = data.file_name().and_then(|name| name.to_str()).context("the data directory has no name")?;
    if !std::io::stdin().is_terminal() {
        bail!("--wipe is confirmed at a terminal only");
    }
    if std::fs::read_dir(data.join("run"))
        .is_ok_and(|mut held| held.any(|file| file.is_ok_and(|f| is_address(&f))))
    {
        bail!("services may be running in {}; stop them first", data.display());
    }
    let typed =
        ask(&format!("Everything in {} will be gone from here. Type {name} to go on", data.display()))?;
    if typed != name {
        bail!("nothing was changed: {typed:?} is not {name:?}");
    }
    let aside = data.with_file_name(format!("{name}.wiped-{}", SystemClock.now().format("%Y%m%dT%H%M%SZ")));
    std::fs::rename(data, &aside).with_context(|| format!("{} cannot be moved aside", data.display()))?;
    output.say(&format!("what was there is in {} now; remove it yourself", aside.display()));
    Ok(())
}

fn is_address(file: &std::fs::DirEntry) -> bool {
    file.file_name().to_string_lossy().starts_with("addresses-")
}

/// A new configuration for all services.
#[derive(Debug, Args)]
pub struct UpdateConfig {
    /// The new file
    file: PathBuf,
}

impl UpdateConfig {
    /// Checks the file as a start would and puts it in the place of the one in use, which is kept beside it.
    pub fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let place = match common.load() {
            Ok(loaded) => loaded.path,
            // What is there cannot be read; where it is was named.
            Err(error) => Some(common.named_config().with_context(|| format!("{error:#}"))?),
        };
        let place = place.unwrap_or_else(|| PathBuf::from("etc/instance_config.json"));
        let report = crate::config::check(&common.with_config(&self.file).load()?);
        if !report.passed {
            bail!("{} was not placed: nobody reads {}", self.file.display(), report.unknown.join(", "));
        }
        let bytes = std::fs::read(&self.file).with_context(|| format!("{}", self.file.display()))?;
        let folder = place.parent().context("the configuration has no folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        let kept = place.with_extension("json.old");
        if place.exists() {
            std::fs::copy(&place, &kept).with_context(|| format!("{}", kept.display()))?;
        }
        let fresh = place.with_extension("json.new");
        let mut file = std::fs::File::create(&fresh).with_context(|| format!("{}", fresh.display()))?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &place).with_context(|| format!("{}", place.display()))?;
        output.result(&json!({"placed": place, "warnings": report.warnings}), || {
            let notes: Vec<_> = report.warnings.iter().map(|text| format!("note {text}\n")).collect();
            format!("{}placed as {}; running services read it on SIGHUP", notes.concat(), place.display())
        })
    }
}
