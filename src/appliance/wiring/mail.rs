//! The mail server, if there is one.

use std::sync::Arc;

use super::Wired;
use crate::config::email::Email;
use crate::config::values::{SmtpTls, is_loopback_host};
use crate::config::{Loaded, Mode};
use crate::mail::Mail;
use crate::mail::log::LogMail;
use crate::mail::nowhere::Nowhere;
use crate::mail::smtp::{Smtp, SmtpSettings, Tls};

impl Wired {
    /// Takes up what a changed configuration says of the mail server; one that comes or goes waits for the next start.
    pub fn change_mail(&self, loaded: &Loaded) {
        if let (Some(smtp), Some(email)) = (&self.smtp, &loaded.config.email) {
            match super::authorities(loaded) {
                Ok(authorities) => smtp.change(smtp_settings(email, authorities)),
                Err(error) => tracing::warn!(
                    error = format!("{error:#}"),
                    "what the configuration says of the mail server is not taken up"
                ),
            }
        }
    }
}

/// The port, and the server behind it where there is one.
type Opened = (Arc<dyn Mail>, Option<Arc<Smtp>>);

/// The configured server; else mail is logged in development, and is undeliverable elsewhere.
pub(super) fn open(loaded: &Loaded) -> anyhow::Result<Opened> {
    let smtp = match &loaded.config.email {
        Some(email) => Some(Arc::new(Smtp::new(smtp_settings(email, super::authorities(loaded)?)))),
        None => None,
    };
    let mail: Arc<dyn Mail> = match &smtp {
        Some(smtp) => smtp.clone(),
        None if loaded.mode == Mode::Development => Arc::new(LogMail),
        None => Arc::new(Nowhere),
    };
    Ok((mail, smtp))
}

/// What the section says, with what it leaves to the port and the server (specification §3.1).
fn smtp_settings(email: &Email, authorities: Option<Vec<u8>>) -> SmtpSettings {
    let smtp = &email.smtp;
    let loopback = is_loopback_host(&smtp.host);
    let tls = match smtp.tls {
        Some(SmtpTls::None) => Tls::None,
        Some(SmtpTls::Starttls) => Tls::Starttls,
        Some(SmtpTls::Tls) => Tls::Implicit,
        None if smtp.port.get() == 465 => Tls::Implicit,
        None => Tls::Offered,
    };
    let sign_in = &smtp.authentication;
    let sender = email.sender.trim();
    SmtpSettings {
        host: smtp.host.trim().to_owned(),
        port: smtp.port.get(),
        tls,
        from_address: email.from.address.clone(),
        from_name: email.from.name.clone(),
        sender: (!sender.is_empty() && !sender.eq_ignore_ascii_case(&email.from.address))
            .then(|| sender.to_owned()),
        sign_in: sign_in.required.then(|| (sign_in.username.clone(), sign_in.password.expose().clone())),
        loopback,
        authorities,
    }
}
