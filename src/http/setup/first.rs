//! The service floor as the maker of the first account.

use async_trait::async_trait;

use super::{CreateFirst, CreateFirstError, FirstAccount};
use crate::domain::error::{Kind, Kinded};
use crate::service::Failure;
use crate::service::setup::Setup;

impl From<Failure> for CreateFirstError {
    fn from(failure: Failure) -> Self {
        match failure.kind() {
            Kind::Internal | Kind::Unavailable => Self::Failed(failure.to_string()),
            _ => Self::Refused(failure.to_string()),
        }
    }
}

#[async_trait]
impl CreateFirst for Setup {
    async fn needed(&self) -> Result<bool, CreateFirstError> {
        Ok(!self.complete().await?)
    }

    async fn create(&self, account: FirstAccount) -> Result<(), CreateFirstError> {
        self.first_account(account.profile, &account.password).await?;
        Ok(())
    }
}
