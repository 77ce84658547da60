//! Mail by SMTP (RFC 5321), with STARTTLS (RFC 3207), implicit TLS (RFC 8314) and AUTH (RFC 4954), by `lettre`.
//!
//! One connection a message: there are few, and each phase of the conversation tells another story when it fails.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use lettre::address::Envelope;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

use super::{Mail, MailError, Message, Way};

/// How long one step at the network, and the conversation before or after the sign-in, may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Most characters of a server's answer that are kept.
const MOST_REASON: usize = 300;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    None,
    /// If the server offers STARTTLS.
    Offered,
    /// By STARTTLS, or not at all.
    Starttls,
    /// From the first byte.
    Implicit,
}

/// Which server takes the mail, and as whose.
#[derive(Clone)]
pub struct SmtpSettings {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// The visible sender.
    pub from_address: String,
    pub from_name: String,
    /// Who really sends, where that is somebody else: in the envelope and the `Sender` header.
    pub sender: Option<String>,
    /// User name and password.
    pub sign_in: Option<(String, String)>,
    /// The server is on this host, so a password may go unencrypted (specification §3.1).
    pub loopback: bool,
    /// Certificate authorities that are trusted besides the system's, as PEM.
    pub authorities: Option<Vec<u8>>,
}

impl std::fmt::Debug for SmtpSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("SmtpSettings");
        shown.field("host", &self.host).field("port", &self.port).field("tls", &self.tls);
        shown.finish_non_exhaustive()
    }
}

/// Sends through one server; the settings may change while it runs.
#[derive(Debug)]
pub struct Smtp(ArcSwap<SmtpSettings>);

impl Smtp {
    /// With these settings.
    pub fn new(settings: SmtpSettings) -> Self {
        Self(ArcSwap::from_pointee(settings))
    }

    /// Takes up other settings, from the next message on.
    pub fn change(&self, settings: SmtpSettings) {
        self.0.store(Arc::new(settings));
    }
}

#[async_trait]
impl Mail for Smtp {
    fn way(&self) -> Way {
        Way::Smtp
    }

    async fn send(&self, message: &Message) -> Result<(), MailError> {
        let settings = self.0.load_full();
        let (envelope, bytes) = compose(&settings, message)?;
        let mut connection = within(connect(&settings)).await?;
        let sent =
            within(async { connection.send(&envelope, &bytes).await.map(drop).map_err(answered) }).await;
        // Whether the server likes the goodbye changes nothing.
        let _ended = tokio::time::timeout(Duration::from_secs(5), connection.abort()).await;
        sent
    }

    async fn ping(&self) -> Result<(), MailError> {
        let settings = self.0.load_full();
        let mut connection = within(connect(&settings)).await?;
        let _ended = tokio::time::timeout(Duration::from_secs(5), connection.abort()).await;
        Ok(())
    }
}

/// Part of a conversation, not for longer than our patience.
async fn within<T>(work: impl Future<Output = Result<T, MailError>>) -> Result<T, MailError> {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| Err(MailError::Unavailable("the mail server does not answer".into())))
}

/// A connection that is as safe as demanded, signed in where that is wanted.
async fn connect(settings: &SmtpSettings) -> Result<AsyncSmtpConnection, MailError> {
    let unusable = |error| MailError::Unavailable(reason(&error));
    let us = ClientId::default();
    let tls = || trusting(settings).map_err(unusable);
    let first = (settings.tls == Tls::Implicit).then(tls).transpose()?;
    let place = (settings.host.trim_start_matches('[').trim_end_matches(']'), settings.port);
    let mut connection = AsyncSmtpConnection::connect_tokio1(place, Some(PATIENCE), &us, first, None)
        .await
        .map_err(unusable)?;
    let upgrade = match settings.tls {
        Tls::Starttls => true,
        Tls::Offered => connection.can_starttls(),
        Tls::None | Tls::Implicit => false,
    };
    if upgrade {
        connection.starttls(tls()?, &us).await.map_err(unusable)?;
    }
    if let Some((name, password)) = &settings.sign_in {
        if !connection.is_encrypted() && !settings.loopback {
            connection.abort().await;
            let why = "the mail server offers no encryption, and a password is never sent without";
            return Err(MailError::Unavailable(why.into()));
        }
        let credentials = Credentials::new(name.clone(), password.clone());
        connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(unusable)?;
    }
    Ok(connection)
}

/// TLS with a server whose certificate is of the system's authorities or of ours.
fn trusting(settings: &SmtpSettings) -> Result<TlsParameters, lettre::transport::smtp::Error> {
    let mut parameters = TlsParameters::builder(settings.host.clone());
    if let Some(authorities) = &settings.authorities {
        parameters = parameters.add_root_certificate(Certificate::from_pem(authorities)?);
    }
    parameters.build()
}

/// What the server's answer to a message means for that message.
fn answered(error: lettre::transport::smtp::Error) -> MailError {
    let said = reason(&error);
    match error.status().map(u16::from) {
        // Wants a sign-in, or another one (RFC 4954 §6): the settings are wrong, not the message.
        Some(530 | 534 | 535 | 538) => MailError::Unavailable(said),
        // Service not available, closing (RFC 5321 §4.2.3).
        Some(421) => MailError::Unavailable(said),
        Some(500..) => MailError::Refused(said),
        Some(_) => MailError::Later(said),
        // An address that this server cannot be told (SMTPUTF8).
        None if error.is_client() => MailError::Refused(said),
        None => MailError::Unavailable(said),
    }
}

/// A server's words without line breaks, and not too many of them.
fn reason(error: &lettre::transport::smtp::Error) -> String {
    error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_REASON).collect()
}

/// Says that a program wrote this, so that no program answers (RFC 3834 §5).
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The message as it goes over the wire. What does not fit into its header is refused.
fn compose(settings: &SmtpSettings, message: &Message) -> Result<(Envelope, Vec<u8>), MailError> {
    let refused = |what: &str| MailError::Refused(format!("{what} is not one that can be written to"));
    if [&message.to, &message.subject, &message.id, &settings.from_name]
        .iter()
        .any(|line| line.contains(char::is_control))
    {
        return Err(MailError::Refused("a header of the message would have a line break".into()));
    }
    let to: lettre::Address = message.to.parse().map_err(|_| refused("the recipient's address"))?;
    let ours = |address: &str, key: &str| {
        let bad = || MailError::Unavailable(format!("{key} is not an address"));
        address.parse::<lettre::Address>().map_err(|_| bad())
    };
    let from = ours(&settings.from_address, "Email.From.Address")?;
    let name = (!settings.from_name.is_empty()).then(|| settings.from_name.clone());
    let mut builder = lettre::Message::builder()
        .from(Mailbox::new(name, from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(message.subject.clone())
        .date(SystemTime::from(message.date))
        .message_id(Some(format!("<{}@{}>", message.id, from.domain())))
        .header(AutoSubmitted);
    let mut envelope_from = from;
    if let Some(sender) = &settings.sender {
        let sender = ours(sender, "Email.Sender")?;
        builder = builder.sender(Mailbox::new(None, sender.clone()));
        envelope_from = sender;
    }
    let both = MultiPart::alternative_plain_html(message.text.clone(), message.html.clone());
    let written = builder.multipart(both).map_err(|error| MailError::Refused(error.to_string()))?;
    let envelope =
        Envelope::new(Some(envelope_from), vec![to]).map_err(|e| MailError::Refused(e.to_string()))?;
    Ok((envelope, written.formatted()))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use rstest::rstest;

    use super::*;

    fn settings() -> SmtpSettings {
        SmtpSettings {
            host: "localhost".into(),
            port: 25,
            tls: Tls::None,
            from_address: "cv3@example.org".into(),
            from_name: "Cafe, Variome".into(),
            sender: None,
            sign_in: Some(("us".into(), "a password".into())),
            loopback: true,
            authorities: None,
        }
    }

    fn message() -> Message {
        Message {
            to: "ada@example.org".into(),
            subject: "Grüße".into(),
            text: "plain".into(),
            html: "<p>rich</p>".into(),
            id: "one-two".into(),
            date: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            sensitive: false,
        }
    }

    #[test]
    fn a_message_has_the_headers_that_its_reader_and_their_programs_want() {
        let mut with_sender = settings();
        with_sender.sender = Some("robot@example.net".into());
        let (envelope, bytes) = compose(&with_sender, &message()).unwrap();
        assert_eq!(envelope.from().unwrap().to_string(), "robot@example.net");
        let written = String::from_utf8(bytes).unwrap();
        for line in [
            // Encoded, the comma of the name separates no addresses (RFC 2047 §5).
            "From: =?utf-8?b?Q2FmZSwgVmFyaW9tZQ==?= <cv3@example.org>\r\n",
            "Sender: robot@example.net\r\n",
            "To: ada@example.org\r\n",
            "Message-ID: <one-two@example.org>\r\n",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n",
        ] {
            assert!(written.contains(line), "{line} is not in {written}");
        }
        let (envelope, bytes) = compose(&settings(), &message()).unwrap();
        assert_eq!(envelope.from().unwrap().to_string(), "cv3@example.org");
        assert!(!String::from_utf8(bytes).unwrap().contains("Sender:"));
    }

    #[rstest]
    #[case("ada@example.org\r\nBcc: eve@example.org", "hello")]
    #[case("ada@example.org", "hello\r\nBcc: eve@example.org")]
    #[case("ada@example.org", "hello\nthere")]
    #[case("ada@example.org, eve@example.org", "hello")]
    #[case("ada", "hello")]
    #[case("", "hello")]
    fn what_would_forge_a_header_is_refused(#[case] to: &str, #[case] subject: &str) {
        let forged = Message { to: to.into(), subject: subject.into(), ..message() };
        assert!(matches!(compose(&settings(), &forged), Err(MailError::Refused(_))));
    }

    #[test]
    fn neither_settings_nor_messages_show_what_they_hide() {
        let shown = format!("{:?} {:?} {:?}", settings(), Smtp::new(settings()), message());
        assert!(!shown.contains("a password") && !shown.contains("plain"), "{shown}");
    }
}
