//! Tokens for whoever holds the keystore: the operator at the machine, who could set any password anyway.

use super::exchange::Granted;
use super::grants::{Asked, Class, Grant, Kind};
use super::signin::SESSION;
use super::{ACCESS_SECONDS, Issuer};
use crate::domain::ids::UserId;
use crate::identity::{IdentityError, Tokens};

impl Issuer {
    /// An access token for an account without its password, in a session of its own that lasts as long as the token.
    pub async fn operator_token(&self, user: &UserId) -> Result<Tokens, IdentityError> {
        let account = self.account(user).await?.filter(|account| !account.disabled);
        let account = account.ok_or(IdentityError::NoUser)?;
        let now = self.now().timestamp();
        let minted = self.mint(None);
        let session = Grant {
            id: Class::Session.document(&minted.id),
            account_id: account.account_id.clone(),
            secret_hash: minted.secret_hash,
            expires_at: now + ACCESS_SECONDS.min(SESSION.num_seconds()),
            authenticated_at: now,
            session_id: minted.id,
            kind: Kind::Session,
        };
        self.grants().put(&session.id, &session).await?;
        let client_id = self.inner.settings.client_id.clone();
        let asked = Asked { client_id, scope: String::new(), nonce: None };
        let Granted { tokens, .. } = self.granted(&account, &session, &asked, String::new()).await?;
        Ok(tokens)
    }
}
