//! `tls self-signed`: a certificate for a local network, and what to write into the configuration for it.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::Common;
use super::output::Output;
use crate::appliance::tls::make::{Wanted, make};
use crate::domain::clock::{Clock, SystemClock};

/// What to do about TLS.
#[derive(Debug, Subcommand)]
pub enum TlsVerb {
    /// Make a certificate that is signed with its own key, for a local network without an authority
    SelfSigned(SelfSigned),
}

/// The certificate to make.
#[derive(Debug, Args)]
pub struct SelfSigned {
    /// Names and addresses by which the server is called
    #[arg(long, required = true, num_args = 1.., value_name = "NAME_OR_IP")]
    host: Vec<String>,
    /// Days until it ends, at most 825
    #[arg(long, default_value_t = 365)]
    days: u32,
    /// Folder for certificate.pem and key.pem, made if it is not there
    #[arg(long, default_value = "tls", value_name = "DIR")]
    out: PathBuf,
    /// Replace a pair that is there
    #[arg(long)]
    force: bool,
}

impl TlsVerb {
    /// Runs the command.
    pub fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        match self {
            Self::SelfSigned(wanted) => wanted.run(common, output),
        }
    }
}

impl SelfSigned {
    fn run(self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let made = make(&Wanted { hosts: self.host.clone(), days: self.days }, SystemClock.now())?;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.out)
            .with_context(|| format!("the folder {} cannot be made", self.out.display()))?;
        let folder = self.out.canonicalize().with_context(|| format!("{}", self.out.display()))?;
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        if !self.force
            && let Some(there) = [&certificate, &key].into_iter().find(|file| file.symlink_metadata().is_ok())
        {
            bail!(
                "{} is there already: name another folder with --out, or replace it with --force",
                there.display()
            );
        }
        // The key first: a running service takes the pair up when both are there.
        place(&key, made.key.as_bytes(), 0o600, self.force)?;
        place(&certificate, made.certificate.as_bytes(), 0o644, self.force)?;
        // Where no configuration can be read yet, the port is that of one without a file.
        let port = common.load().map_or(5080, |loaded| loaded.config.appliance.listen.0.port());
        let host = self.host.iter().find(|host| !host.starts_with('*')).map_or("localhost", String::as_str);
        let public = match host.parse::<std::net::Ipv6Addr>() {
            Ok(address) => format!("https://[{address}]:{port}"),
            Err(_) => format!("https://{host}:{port}"),
        };
        let settings = json!({"Appliance": {
            "Listen": format!("0.0.0.0:{port}"), "PublicURL": public,
            "TLS": {"Certificate": certificate, "Key": key},
        }});
        let expires = made.expires.format("%Y-%m-%d").to_string();
        let value = json!({
            "certificate": certificate, "key": key, "hosts": self.host, "expires": expires,
            "sha256": made.fingerprint, "configuration": settings,
        });
        let shown = serde_json::to_string_pretty(&settings)?;
        output.result(&value, || {
            format!(
                "certificate  {}\nkey          {}\nfor          {}\nuntil        {expires}\nSHA-256      {}\n\n\
                 Compare the SHA-256 fingerprint with what browsers show before you trust the certificate there.\n\
                 Add to etc/instance_config.json (a running service with TLS takes up changed files by itself):\n\n{shown}",
                certificate.display(),
                key.display(),
                self.host.join(" "),
                made.fingerprint,
            )
        })
    }
}

/// Writes a file whole or not at all, readable as said from its first byte on; replaces one only where that is wanted.
fn place(file: &Path, text: &[u8], mode: u32, replace: bool) -> anyhow::Result<()> {
    let temporary = file.with_extension("pem.new");
    let target = if replace { &temporary } else { file };
    let write = || -> std::io::Result<()> {
        if replace && temporary.symlink_metadata().is_ok() {
            // Left behind by one that was cut off.
            std::fs::remove_file(&temporary)?;
        }
        let mut out = OpenOptions::new().write(true).create_new(true).mode(mode).open(target)?;
        out.write_all(text)?;
        out.sync_all()?;
        if replace { std::fs::rename(&temporary, file) } else { Ok(()) }
    };
    write().with_context(|| format!("{} cannot be written", file.display()))
}
