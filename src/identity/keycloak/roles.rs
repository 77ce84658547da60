//! What our client should have at Keycloak and has not, for `doctor` (specification §4.1).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::provider::KEPT;
use super::said::Said;
use super::{Keycloak, shown};
use crate::identity::{IdentityError, Lack};

/// Roles of the service account: name, the client they belong to, what fails without them; required ones first.
const ROLES: [(&str, &str, &str, bool); 4] = [
    ("view-users", "realm-management", "nobody can be listed or looked up", false),
    ("manage-users", "realm-management", "no account can be made, changed or invited", false),
    ("read-token", "broker", "tokens of brokered providers cannot be read", true),
    ("manage-account", "account", "the service account cannot manage itself", true),
];

/// Further roles for CV2 installations; one page of the original also lists `manage-realm`.
const NEXUS: [(&str, &str, &str, bool); 3] = [
    ("create-client", "realm-management", "no client can be made for a CV2 installation", true),
    ("manage-clients", "realm-management", "no client of a CV2 installation can be changed or removed", true),
    ("view-clients", "realm-management", "clients of CV2 installations cannot be looked up", true),
];

/// What a token of our own says; it was just handed to us, so its signature tells nothing more.
pub(super) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    payload.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// The roles a token of Keycloak carries, as `client/role`: in `resource_access`, composite ones resolved.
fn carried(token: &str) -> BTreeSet<String> {
    let claims = claims(token);
    let clients = claims.get("resource_access").and_then(Value::as_object);
    let mut found = BTreeSet::new();
    for (client, access) in clients.into_iter().flatten() {
        let roles = access.get("roles").and_then(Value::as_array);
        found.extend(
            roles.into_iter().flatten().filter_map(Value::as_str).map(|role| format!("{client}/{role}")),
        );
    }
    found
}

fn lacking(has: &BTreeSet<String>, nexus: bool) -> Vec<Lack> {
    let wanted = ROLES.iter().chain(NEXUS.iter().filter(|_| nexus));
    wanted
        .filter(|(role, client, ..)| !has.contains(&format!("{client}/{role}")))
        .map(|(role, client, without, optional)| Lack {
            text: format!("the service account lacks the role {role} of the client {client}: {without}"),
            optional: *optional,
        })
        .collect()
}

impl Keycloak {
    pub(super) async fn missing(&self, nexus: bool) -> Result<Vec<Lack>, IdentityError> {
        let token = self.service_token().await?;
        let mut lacks = lacking(&carried(&token), nexus);
        if self.inner.settings.local {
            return Ok(lacks);
        }
        let client = self.client_id();
        // Keycloak 26.7 introspects a token only for clients that are among its audience, 26.4 did not ("Upgrading
        // Guide", token introspection now validates audience claim): without the mapper nobody's token is active, though
        // codes are exchanged.
        if Said::of_introspection(&self.introspected(&token).await?).is_none() {
            lacks.push(Lack {
                text: format!(
                    "Keycloak calls our own token inactive: give the client {client} a mapper of the kind Audience that \
                     includes {client}, in its dedicated scope or in a default one"
                ),
                optional: false,
            });
        }
        // A Keycloak without a fixed host name calls itself by the address it is called at, and tokens that it issued
        // under another one inactive ("Configuring the hostname"; the realm's address is part of the check).
        let provider = self.provider(KEPT).await?;
        if provider.issuers.first() != Some(&provider.called) {
            lacks.push(Lack {
                text: format!(
                    "Keycloak calls itself {} at Keycloak.BackendURL and calls tokens of Keycloak.URL inactive there: \
                     give Keycloak a fixed host name, or set Keycloak.Validation to local",
                    shown(&provider.called)
                ),
                optional: false,
            });
        }
        Ok(lacks)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(roles: &Value) -> String {
        format!("e30.{}.x", URL_SAFE_NO_PAD.encode(json!({"resource_access": roles}).to_string()))
    }

    #[test]
    fn missing_roles_are_listed_and_optional_ones_marked() {
        let has = carried(&token(
            &json!({"realm-management": {"roles": ["view-users"]}, "other": {"roles": ["manage-users"]}}),
        ));
        let lacks = lacking(&has, false);
        let required: Vec<_> = lacks.iter().filter(|lack| !lack.optional).collect();
        assert_eq!((lacks.len(), required.len()), (3, 1));
        assert!(required[0].text.contains("manage-users of the client realm-management"));
        assert_eq!(lacking(&has, true).len(), 6);
    }

    #[test]
    fn a_token_that_says_nothing_carries_nothing() {
        for token in ["", "x", "a.b.c", "e30.e30.x"] {
            assert_eq!(carried(token).len(), 0);
        }
    }
}
