//! The privacy budget of range answers: each fresh plan costs, the same plan again is free (specification §8.6).

use serde_json::json;

use super::Queries;
use crate::domain::ids::UserId;
use crate::domain::users::UserInfo;
use crate::service::Failure;
use crate::store::{Room, StoreError};

/// How often a change that others forestalled is tried again; of those who try, one succeeds each time.
const MOST_ROUNDS: usize = 16;

impl Queries {
    /// Charges a draw to the acting user; `false` = the budget is spent. Atomic across replicas.
    pub(super) async fn spend(&self, user: &UserId, id: &str) -> Result<bool, Failure> {
        if self.is_paid(id).await? {
            return Ok(true);
        }
        let _turn = self.spending.lock().await;
        let cost = self.options.now().range_cost;
        let mut enough = false;
        self.change(user, |account| {
            enough = account.budget >= cost;
            if enough {
                account.budget -= cost;
            }
        })
        .await?;
        if !enough {
            // The last of the budget may have gone into this very draw a moment ago.
            return self.is_paid(id).await;
        }
        // Charged before remembered: a crash between the two costs the user once more, never the patients.
        let charge = json!({"id": id, "userId": user, "createdAt": self.ports.clock.now()});
        match self.ports.store.documents().insert(Room::Charges, id, &charge).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict(_)) => {
                // Another replica charged the same draw at the same time; give one charge back.
                self.change(user, |account| account.budget += cost).await?;
                Ok(true)
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Changes an account by a conditional write, which another process that asks for the same user can forestall.
    async fn change(&self, user: &UserId, mut rule: impl FnMut(&mut UserInfo)) -> Result<(), Failure> {
        let mut last = None;
        for _ in 0..MOST_ROUNDS {
            let mut rule = |account: &mut UserInfo| {
                rule(account);
                Ok::<(), StoreError>(())
            };
            match self.ports.store.users().update(user.as_str(), &mut rule).await {
                Ok(_) => return Ok(()),
                Err(conflict @ StoreError::Conflict(_)) => last = Some(conflict),
                Err(other) => return Err(other.into()),
            }
        }
        last.map_or(Ok(()), |conflict| Err(conflict.into()))
    }

    async fn is_paid(&self, id: &str) -> Result<bool, Failure> {
        Ok(self.ports.store.documents().get(Room::Charges, id).await?.is_some())
    }
}
