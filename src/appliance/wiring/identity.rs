//! Who signs people in: the built-in issuer, Keycloak or another OpenID Connect provider.

use std::sync::Arc;

use super::Doors;
use crate::config::Loaded;
use crate::config::values::Validation;
use crate::identity::Identity;
use crate::identity::builtin::{Issuer, IssuerSettings};
use crate::identity::keycloak::{self, Keycloak};

/// The client id of the built-in issuer.
const CLIENT: &str = "cafevariome";

/// Its realm.
const REALM: &str = "cafe_variome";

/// The provider, and the issuer where that is ours.
pub(super) fn open(
    loaded: &Loaded,
    doors: &Doors,
    public_url: &str,
    redirect_urls: &[String],
) -> anyhow::Result<(Arc<dyn Identity>, Option<Issuer>)> {
    if loaded.config.keycloak.is_some() {
        let doors = keycloak::Doors {
            http: super::outbound(loaded)?,
            store: doors.store.clone(),
            broker: doors.broker.clone(),
            secrets: doors.secrets.clone(),
            clock: doors.clock.clone(),
            random: doors.random.clone(),
        };
        return Ok((Arc::new(Keycloak::new(doors, provider(loaded))), None));
    }
    let settings = IssuerSettings {
        base_url: public_url.to_owned(),
        realm: REALM.into(),
        client_id: CLIENT.into(),
        redirect_urls: redirect_urls.to_vec(),
    };
    let issuer = Issuer::new(
        doors.store.clone(),
        doors.secrets.clone(),
        doors.clock.clone(),
        doors.random.clone(),
        settings,
    );
    Ok((Arc::new(issuer.clone()), Some(issuer)))
}

/// How the identity provider is known.
fn provider(loaded: &Loaded) -> keycloak::Settings {
    let config = loaded.config.keycloak.clone().unwrap_or_default();
    let kind = match &loaded.config.appliance.issuer {
        Some(issuer) => keycloak::Kind::OpenId { issuer: issuer.expose().to_owned() },
        None => keycloak::Kind::Keycloak {
            url: config.url.base().to_owned(),
            backend_url: config.backend().base().to_owned(),
            realm: config.realm.trim().to_owned(),
        },
    };
    keycloak::Settings {
        kind,
        client_id: config.client.trim().to_owned(),
        client_secret: config.client_secret.map(|secret| secret.expose().trim().to_owned()),
        local: config.validation == Validation::Local,
    }
}
