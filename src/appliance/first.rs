//! The first administrator, where the environment names one (specification §4.1): made by the database manager as it
//! starts, beside an identity provider that is not ours. Whom the page or the command line is faster with, stays.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::wiring::Wired;
use crate::config::Loaded;
use crate::domain::error::{Kind, Kinded};
use crate::domain::users::Profile;
use crate::service::users::Way;

/// How long after a provider or a Vault that was away is asked again.
const AGAIN: Duration = Duration::from_secs(5);

/// Makes the account, trying again while what it needs is away. Nothing happens where there is an administrator, or nobody
/// is named.
pub async fn administrator(loaded: &Loaded, wired: &Wired, stop: CancellationToken) {
    let Some(email) = loaded.process.admin_email.clone() else { return };
    let affiliation = loaded.process.admin_affiliation.clone().unwrap_or_default();
    if wired.issuer.is_some() {
        tracing::info!(
            "ADMIN_EMAIL has no effect with the built-in issuer: the first account is made at /setup"
        );
        return;
    }
    let setup = &wired.services.setup;
    loop {
        let profile =
            Profile { email: email.clone(), affiliation: affiliation.clone(), ..Profile::default() };
        let made = match setup.complete().await {
            Ok(true) => return,
            Ok(false) => setup.first_account(profile, "").await,
            Err(failure) => Err(failure),
        };
        match made {
            Ok(Some(admitted)) => {
                let username = admitted.username;
                match admitted.way {
                    Way::AsBefore => {
                        tracing::info!(username, "the first administrator is an account of before")
                    }
                    Way::Mailed => {
                        tracing::info!(
                            username,
                            "the first administrator was made, and written to by the identity provider"
                        );
                    }
                    // A password is no line of a log.
                    Way::OneTimePassword(_) => tracing::warn!(
                        username,
                        "the first administrator was made, but no mail could be sent: run `cv3-backend user reset-password \
                         --user {username}` at a terminal"
                    ),
                }
                return;
            }
            Ok(None) => return,
            Err(failure) => match failure.kind() {
                // Another process, or a person, was faster.
                Kind::Conflict => return,
                Kind::Unavailable | Kind::Timeout => {
                    tracing::warn!(%failure, "the first administrator is made later");
                }
                _ => {
                    tracing::error!(%failure, "the first administrator cannot be made; `cv3-backend install` says more");
                    return;
                }
            },
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = stop.cancelled() => return,
        }
    }
}
