//! The operator's edge: services by word, and the tools of the data manager.
//!
//! Lives here: the command tree, how results are printed (words, or `--json`), one file per command.
//! Does not: what commands do to the data (`service`).
//! To add a command: a variant here and a file of its name. Exit codes: 0 done, 1 failed, 2 wrong use.

pub mod accounts;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod health;
pub mod ingest;
pub mod install;
pub mod integrity;
pub mod mail;
pub mod maintenance;
pub mod manage;
pub mod output;
pub mod query;
pub mod remap;
pub mod serve;
pub mod terms;
pub mod tls;
pub mod users;
pub mod version;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::appliance::applet::{self, Applet};
use crate::appliance::wiring::{self, Wired};
use crate::config::{Flags, Loaded, Sources};
use output::Output;

/// Discover whether patients like yours are held, without giving the patients away.
#[derive(Debug, Parser)]
#[command(name = "cv3-backend", version, long_version = version::text(), arg_required_else_help = true, max_term_width = 100)]
struct Command {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// What every command understands.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of everything that is kept
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of the front door
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// One setting by its key path, e.g. Appliance.ServicePorts=false (may be repeated)
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// Print results as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run services (all, with the front door, unless some are named)
    Serve(serve::Serve),
    /// Start with synthetic or your own patients, ask three questions, and keep serving
    Demo(demo::Demo),
    /// Make this installation ready for use, with its first account; does nothing where that is done
    Install(install::Install),
    /// Check a configuration file and put it in the place of the one in use
    UpdateConfig(install::UpdateConfig),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::Config),
    /// Reach everything this installation depends on and say what fails
    Doctor,
    /// Ask the processes that serve this data folder whether they are ready, for supervisors
    Health,
    /// Print the names of the links that make this program each of its services, for packagers
    #[command(hide = true)]
    Links,
    /// Look whether what is kept in different places fits together
    Check,
    /// Mend what `check` finds
    Repair,
    /// Make the index of all sources anew, or of those named
    Index(manage::Index),
    /// Manage data sources
    #[command(subcommand)]
    Source(manage::SourceVerb),
    /// Manage pipelines
    #[command(subcommand)]
    Pipeline(manage::PipelineVerb),
    /// Manage discovery groups
    #[command(subcommand)]
    Group(manage::GroupVerb),
    /// Read files into a source and wait until their subjects can be found
    Ingest(ingest::Ingest),
    /// Ask the sources a record query
    Query(query::Query),
    /// Manage accounts
    #[command(subcommand)]
    User(users::UserVerb),
    /// Try whether mail arrives, or look what became of it
    #[command(subcommand)]
    Mail(mail::MailVerb),
    /// Refuse requests for a while, or answer them again
    #[command(subcommand)]
    Maintenance(maintenance::MaintenanceVerb),
    /// Replace a secret that is shared with others
    #[command(subcommand)]
    RotateSecret(maintenance::SecretVerb),
    /// Print an access token for an account, for use with curl
    Token(users::Token),
    /// Look at or build term files
    #[command(subcommand)]
    Terms(terms::TermsVerb),
    /// Make a certificate for a local network
    #[command(subcommand)]
    Tls(tls::TlsVerb),
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "write it as KEY=VALUE".to_owned())
}

impl Common {
    /// The configuration as this command was called.
    pub fn load(&self) -> anyhow::Result<Loaded> {
        self.load_with(BTreeMap::new())
    }

    /// The same in development mode, for demo data.
    pub fn load_as_development(&self) -> anyhow::Result<Loaded> {
        self.load_with(BTreeMap::from([("CV3_ENV".to_owned(), "development".to_owned())]))
    }

    fn load_with(&self, over: BTreeMap<String, String>) -> anyhow::Result<Loaded> {
        let sources = Sources {
            flags: Flags {
                config: self.config.clone(),
                data_directory: self.data.clone(),
                listen: self.listen,
                set: self.set.clone(),
            },
            env: std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .chain(over)
                .collect::<BTreeMap<_, _>>(),
            working_dir: std::env::current_dir().context("the working directory")?,
            exe: std::env::current_exe().ok(),
        };
        crate::appliance::configure(&sources)
    }

    /// The same with another file.
    pub fn with_config(&self, file: &Path) -> Self {
        Self { config: Some(file.to_owned()), ..self.clone() }
    }

    /// The file that was named with `--config`.
    pub fn named_config(&self) -> Option<PathBuf> {
        self.config.clone()
    }

    /// The installation opened for a tool, prepared if this is its first use.
    pub async fn open(&self) -> anyhow::Result<(Loaded, Wired)> {
        let loaded = self.load()?;
        let wired = wiring::open(&loaded, wiring::Purpose::Tool).await?;
        wired.services.setup.seed().await?;
        Ok((loaded, wired))
    }
}

/// Runs whatever the process was called as.
pub fn main(args: Vec<OsString>) -> ExitCode {
    // The provider is installed once for everything that speaks TLS; a second call would only say so.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let words: Vec<String> = args.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let called = words.first().map_or("", String::as_str);
    let rest: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    let chosen = applet::choose(called, &rest);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cv3-backend: the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = match chosen {
        Applet::Tool => {
            let command = match Command::try_parse_from(&args) {
                Ok(command) => command,
                Err(error) => {
                    let code = if error.use_stderr() { 2 } else { 0 };
                    // Help that cannot be printed has nowhere else to go.
                    let _ignored = error.print();
                    return ExitCode::from(code);
                }
            };
            runtime.block_on(run(command))
        }
        Applet::One(service) => {
            let by_word = words.get(1).is_some_and(|w| applet::Service::parse(w) == Some(service));
            runtime.block_on(serve::as_service(service, &args, usize::from(by_word)))
        }
        Applet::All => runtime.block_on(serve::all(&args)),
    };
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cv3-backend: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    let common = command.common;
    let output = Output::new(common.json);
    match command.verb {
        Verb::Serve(serve) => serve.run(&common).await,
        Verb::Demo(demo) => demo.run(&common, &output).await,
        Verb::Install(install) => install.run(&common, &output).await,
        Verb::UpdateConfig(update) => update.run(&common, &output),
        Verb::Config(verb) => verb.run(&common, &output),
        Verb::Doctor => doctor::run(&common, &output).await,
        Verb::Health => health::run(&common, &output).await,
        Verb::Links => output.line(&applet::links().join("\n")),
        Verb::Check => integrity::run(&common, &output, false).await,
        Verb::Repair => integrity::run(&common, &output, true).await,
        Verb::Index(index) => index.run(&common, &output).await,
        Verb::Source(verb) => verb.run(&common, &output).await,
        Verb::Pipeline(verb) => verb.run(&common, &output).await,
        Verb::Group(verb) => verb.run(&common, &output).await,
        Verb::Ingest(ingest) => ingest.run(&common, &output).await,
        Verb::Query(query) => query.run(&common, &output).await,
        Verb::User(verb) => verb.run(&common, &output).await,
        Verb::Mail(verb) => verb.run(&common, &output).await,
        Verb::Maintenance(verb) => verb.run(&common, &output).await,
        Verb::RotateSecret(verb) => verb.run(&common, &output).await,
        Verb::Token(token) => token.run(&common, &output).await,
        Verb::Terms(verb) => verb.run(&common, &output),
        Verb::Tls(verb) => verb.run(&common, &output),
    }
}
