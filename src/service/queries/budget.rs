//! The privacy budget of range answers: each fresh plan costs, the same plan again is free (specification §8.6).

use serde_json::json;
use sha2::{Digest, Sha256};

use super::Queries;
use crate::domain::ids::{SourceId, UserId};
use crate::service::Failure;
use crate::store::{Room, StoreError};

impl Queries {
    /// Charges a plan to the acting user; `false` = the budget is spent. Atomic across replicas.
    pub(super) async fn spend(
        &self,
        user: &UserId,
        source: &SourceId,
        data_version: u64,
        plan: &[u8; 32],
    ) -> Result<bool, Failure> {
        let mut digest = Sha256::new();
        for piece in [user.as_str().as_bytes(), source.as_str().as_bytes(), &data_version.to_le_bytes(), plan]
        {
            digest.update((piece.len() as u64).to_le_bytes());
            digest.update(piece);
        }
        let id: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let documents = self.ports.store.documents();
        if documents.get(Room::Charges, &id).await?.is_some() {
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
            return Ok(false);
        }
        // Charged before remembered: a crash between the two costs the user once more, never the patients.
        let charge = json!({"id": id, "userId": user, "createdAt": self.ports.clock.now()});
        match documents.insert(Room::Charges, &id, &charge).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict(_)) => {
                // Another replica charged the same plan at the same time; give one charge back.
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
}
