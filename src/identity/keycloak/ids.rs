//! The local id of a person: Keycloak's own, and one of ours for people of other providers (design §3, *Ids*).

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::said::Said;
use super::{Keycloak, Kind};
use crate::domain::filter::Filter;
use crate::domain::ids::UserId;
use crate::domain::users::Profile;
use crate::identity::IdentityError;
use crate::store::{Collection, Room, StoreError};

/// A document of the room `user.identities`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    id: String,
    issuer: String,
    sub: String,
    user_id: UserId,
    /// What the last token said of them, as there is nobody to ask.
    #[serde(default)]
    profile: Profile,
}

impl Keycloak {
    /// The local id of whom a good token speaks for; somebody new of another provider gets one. E-mail links nobody.
    pub(super) async fn user_of(&self, said: &Said) -> Result<UserId, IdentityError> {
        let nobody = || IdentityError::Rejected("the token is not valid: it names nobody".to_owned());
        let issuer = match &self.inner.settings.kind {
            Kind::Keycloak { .. } => return UserId::parse(said.sub.clone()).map_err(|_| nobody()),
            Kind::OpenId { issuer } => issuer.trim_end_matches('/'),
        };
        if !(1..=255).contains(&said.sub.len()) || said.sub.chars().any(char::is_control) {
            return Err(nobody());
        }
        // The length keeps issuer and subject apart.
        let digest = Sha256::digest(format!("{}\n{issuer}\n{}", issuer.len(), said.sub));
        let id: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let known = self.identities();
        for _ in 0..2 {
            if let Some(found) = known.get(&id).await? {
                let profile = said.profile();
                // Who is noted by hand before their first sign-in says nothing yet, and takes nothing away later.
                if found.profile != profile && profile != Profile::default() {
                    let changed = known.update(&id, |known| {
                        known.profile = profile.clone();
                        Ok::<_, StoreError>(())
                    });
                    changed.await?;
                }
                return Ok(found.user_id);
            }
            let new = Known {
                id: id.clone(),
                issuer: issuer.to_owned(),
                sub: said.sub.clone(),
                user_id: UserId::from_uuid(self.inner.doors.random.uuid()),
                profile: said.profile(),
            };
            match known.insert(&id, &new).await {
                Ok(()) => return Ok(new.user_id),
                // Seen for the first time twice at once: whoever was first counts.
                Err(StoreError::Conflict(_)) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(IdentityError::Unavailable("this person is being noted; try again".to_owned()))
    }

    /// What the last token of a person of another provider said.
    pub(super) async fn remembered(&self, user: &UserId) -> Result<Option<Profile>, IdentityError> {
        let found = self.identities().find(&Filter::equals("userId", user.as_str()).page(0, 1)).await?;
        Ok(found.into_iter().next().map(|known| known.profile))
    }

    fn identities(&self) -> Collection<'_, Known> {
        Collection::new(self.inner.doors.store.documents(), Room::Identities)
    }
}
