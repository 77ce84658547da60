//! The privacy budget of range answers: each fresh plan costs, the same plan again is free (specification §8.6).

use serde_json::json;

use super::Queries;
use crate::domain::ids::UserId;
use crate::service::Failure;
use crate::store::{Room, StoreError};

impl Queries {
    /// Charges a draw to the acting user; `false` = the budget is spent. Atomic across replicas.
    pub(super) async fn spend(&self, user: &UserId, id: &str) -> Result<bool, Failure> {
        if self.is_paid(id).await? {
            return Ok(true);
        }
        let _turn = self.spending.lock().await;
        let cost = self.options.now().range_cost;
        let mut enough = false;
        self.ports
            .store
            .users()
            .update(user.as_str(), |account| {
                enough = account.budget >= cost;
                if enough {
                    account.budget -= cost;
                }
                Ok::<(), Failure>(())
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
                self.ports
                    .store
                    .users()
                    .update(user.as_str(), |account| {
                        account.budget += cost;
                        Ok::<(), Failure>(())
                    })
                    .await?;
                Ok(true)
            }
            Err(other) => Err(other.into()),
        }
    }

    async fn is_paid(&self, id: &str) -> Result<bool, Failure> {
        Ok(self.ports.store.documents().get(Room::Charges, id).await?.is_some())
    }
}
