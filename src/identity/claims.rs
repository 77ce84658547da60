//! What a verified access token says.

use chrono::{DateTime, Utc};

use crate::domain::ids::UserId;
use crate::domain::users::Profile;

/// The claims the services use; the token itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub user_id: UserId,
    pub issuer: String,
    pub expires_at: DateTime<Utc>,
    pub profile: Profile,
    /// A service account (`service-account-*`), never accepted where a user is asked for.
    pub service_account: bool,
}
