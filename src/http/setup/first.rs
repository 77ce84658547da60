//! The service floor as the maker of the first account.

use async_trait::async_trait;

use super::{CreateFirst, CreateFirstError, FirstAccount, Made};
use crate::domain::error::{Kind, Kinded};
use crate::service::Failure;
use crate::service::setup::Setup;
use crate::service::users::Way;

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

    fn username(&self) -> Option<String> {
        self.first_username()
    }

    async fn create(&self, account: FirstAccount) -> Result<Made, CreateFirstError> {
        let admitted = self.first_account(account.profile, &account.password).await?;
        Ok(match admitted.map(|admitted| admitted.way) {
            None => Made::WithPassword,
            Some(Way::AsBefore) => Made::AsBefore,
            Some(Way::Mailed) => Made::Mailed,
            Some(Way::OneTimePassword(password)) => Made::OneTimePassword(password),
        })
    }
}
