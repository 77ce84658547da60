//! Mail of a development installation: written to the log, sent to nobody.

use async_trait::async_trait;

use super::{Mail, MailError, Message, Way};

/// Writes messages to the log; of one that holds a secret its subject only.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogMail;

#[async_trait]
impl Mail for LogMail {
    fn way(&self) -> Way {
        Way::Log
    }

    async fn send(&self, message: &Message) -> Result<(), MailError> {
        let text = if message.sensitive { "(holds a secret)" } else { message.text.as_str() };
        tracing::info!(to = message.to, subject = message.subject, text, "mail, not sent in development");
        Ok(())
    }

    async fn ping(&self) -> Result<(), MailError> {
        Ok(())
    }
}
