//! No mail: nothing is taken, so everything stays in the outbox.

use async_trait::async_trait;

use super::{Mail, MailError, Message, Way};

/// What stands for mail where none is configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nowhere;

#[async_trait]
impl Mail for Nowhere {
    fn way(&self) -> Way {
        Way::Nowhere
    }

    async fn send(&self, _: &Message) -> Result<(), MailError> {
        Err(MailError::NotConfigured)
    }

    async fn ping(&self) -> Result<(), MailError> {
        Err(MailError::NotConfigured)
    }
}
