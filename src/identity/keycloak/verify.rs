//! Who an access token speaks for (specification §5.2), by asking the provider or by its signature.

use std::time::Duration;

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::provider::KEPT;
use super::said::Said;
use super::{Keycloak, Kind};
use crate::identity::{Claims, IdentityError};

/// Longest token that is looked at.
const LONGEST: usize = 16 * 1024;

/// How long the provider's word on a good token holds, in seconds, its own end permitting.
const GOOD: i64 = 30;

/// How long a token that is no good is not asked for again.
const BAD: Duration = Duration::from_secs(5);

/// The provider's word on a token, kept by the broker under the token's digest.
#[derive(Serialize, Deserialize)]
enum Word {
    Active(Box<Said>),
    Inactive,
}

fn refused(why: &str) -> IdentityError {
    IdentityError::Rejected(format!("the token is not valid: {why}"))
}

impl Keycloak {
    pub(super) async fn claims(&self, token: &str) -> Result<Claims, IdentityError> {
        if token.is_empty() || token.len() > LONGEST || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(refused("it is malformed"));
        }
        let said = if self.inner.settings.local {
            self.read_locally(token).await?
        } else {
            self.asked_for(token)
                .await?
                .ok_or_else(|| refused("it has ended, or is not for this installation"))?
        };
        let provider = self.provider_for_claims().await?;
        let whole = self.manages() || self.inner.settings.local;
        said.judge(&provider, self.client_id(), whole, self.now()).map_err(refused)?;
        let user_id = self.user_of(&said).await?;
        let expires_at = said.exp.and_then(|exp| DateTime::from_timestamp(exp, 0));
        Ok(Claims {
            user_id,
            issuer: said.iss.clone().or_else(|| provider.first().cloned()).unwrap_or_default(),
            expires_at: expires_at.unwrap_or_else(|| self.inner.doors.clock.now()),
            profile: said.profile(),
            service_account: said.service_account(),
        })
    }

    /// The issuers of good tokens. Keycloak's are known from the configuration, so that a token whose word is kept needs
    /// nobody to be asked.
    async fn provider_for_claims(&self) -> Result<Vec<String>, IdentityError> {
        match &self.inner.settings.kind {
            Kind::Keycloak { .. } => Ok(self.issuers()),
            Kind::OpenId { .. } => Ok(self.provider(KEPT).await?.issuers.clone()),
        }
    }

    /// The provider's word on a token, its own or one that is kept: 30 seconds for a good one, 5 for another.
    async fn asked_for(&self, token: &str) -> Result<Option<Said>, IdentityError> {
        let digest: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
        let key = format!("token:{}:{digest}", self.client_id());
        let broker = &self.inner.doors.broker;
        if let Some(kept) = broker.cache_get(&key).await?
            && let Ok(word) = serde_json::from_slice(&kept)
        {
            return Ok(match word {
                Word::Active(said) => Some(*said),
                Word::Inactive => None,
            });
        }
        let said = Said::of_introspection(&self.introspected(token).await?);
        let life = match &said {
            Some(said) => {
                let left = said.exp.map_or(GOOD, |exp| exp.saturating_sub(self.now()));
                Duration::from_secs(left.clamp(0, GOOD).unsigned_abs())
            }
            None => BAD,
        };
        if !life.is_zero() {
            let word = said.clone().map_or(Word::Inactive, |said| Word::Active(Box::new(said)));
            let word = serde_json::to_vec(&word).map_err(|e| IdentityError::Engine(e.to_string()))?;
            broker.cache_put(&key, &word, life).await?;
        }
        Ok(said)
    }
}
