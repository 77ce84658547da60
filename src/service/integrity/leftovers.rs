//! Secrets whose documents are gone, endpoints of networks that are gone, and what the registry of V2 installations names
//! that is gone.
//!
//! Only names of our own patterns are looked at: whatever else lies beside them is somebody else's.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Finding, Integrity, Problem};
use crate::domain::beacon::key_name;
use crate::domain::filter::Filter;
use crate::domain::ids::{BeaconId, NetworkId};
use crate::service::Failure;
use crate::service::nexus::{credential_secret, installation_secret};
use crate::store::{Collection, Room};

/// What names of secrets begin with that have a document each.
const BEACON: &str = "beacon/";
const INSTALLATIONS: &str = "nexus/installations/";
const CREDENTIALS: &str = "nexus/credentials/";

/// Whether a name is one that we would give.
fn is_ours(name: &str) -> bool {
    let of_beacon = |rest: &str| uuid::Uuid::parse_str(rest).is_ok();
    let of_installation = |rest: &str| rest.len() == 64 && rest.bytes().all(|b| b.is_ascii_hexdigit());
    let of_realm = |rest: &str| !rest.is_empty() && !rest.contains('/');
    name.strip_prefix(BEACON).is_some_and(of_beacon)
        || name.strip_prefix(INSTALLATIONS).is_some_and(of_installation)
        || name.strip_prefix(CREDENTIALS).is_some_and(of_realm)
}

/// A request by something that gives nothing away: its token is as good as a key.
fn fingerprint(token: &str) -> String {
    Sha256::digest(token).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn text<'a>(document: &'a Value, field: &str) -> &'a str {
    document.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn finding(problem: Problem, id: impl ToString, remedy: &'static str) -> Finding {
    Finding { problem, id: id.to_string(), remedy }
}

impl Integrity {
    /// Documents of a room as they lie there: what an older program wrote is no reason to stop.
    async fn raw(&self, room: Room) -> Result<Vec<Value>, Failure> {
        let found = self.ports.store.documents().find(room, &Filter::all()).await?;
        Ok(found.into_iter().map(|stored| stored.body).collect())
    }

    pub(super) async fn leftovers(&self) -> Result<Vec<Finding>, Failure> {
        let mut findings = self.secrets_without_documents().await?;
        findings.extend(self.endpoints().await?);
        findings.extend(self.registry().await?);
        let networks = self.networks.unused_keys().await?;
        findings
            .extend(networks.iter().map(|id| finding(Problem::NetworkKeyUnused, id, "removes the key pair")));
        Ok(findings)
    }

    async fn secrets_without_documents(&self) -> Result<Vec<Finding>, Failure> {
        // Listed before the documents are read: a document is made before its secret.
        let mut names = Vec::new();
        for folder in [BEACON, INSTALLATIONS, CREDENTIALS] {
            names.extend(self.ports.secrets.list(folder).await?);
        }
        let mut known = BTreeSet::new();
        for endpoint in self.raw(Room::Beacon).await? {
            known.extend(BeaconId::parse(text(&endpoint, "endpointId")).ok().map(|id| key_name(&id)));
        }
        for one in self.raw(Room::NexusInstallations).await? {
            known.insert(installation_secret(text(&one, "installationKey")));
        }
        for one in self.raw(Room::NexusCredentials).await? {
            known.insert(credential_secret(text(&one, "realm")));
        }
        let lost = names.into_iter().filter(|name| is_ours(name) && !known.contains(name));
        Ok(lost.map(|name| finding(Problem::SecretUnused, name, "removes the secret")).collect())
    }

    async fn endpoints(&self) -> Result<Vec<Finding>, Failure> {
        let endpoints = self.raw(Room::Beacon).await?;
        // Read after the endpoints: a network is there before what exposes it.
        let networks = self.raw(Room::Networks).await?;
        let known: BTreeSet<&str> = networks.iter().map(|network| text(network, "networkId")).collect();
        let lost = endpoints.iter().filter(|endpoint| !known.contains(text(endpoint, "networkId")));
        let found = lost.map(|endpoint| {
            let remedy = "removes the endpoint with its key";
            finding(Problem::BeaconWithoutNetwork, text(endpoint, "endpointId"), remedy)
        });
        Ok(found.collect())
    }

    async fn registry(&self) -> Result<Vec<Finding>, Failure> {
        // In the order opposite to that in which they are made: what names another was written after it.
        let requests = self.raw(Room::NexusRequests).await?;
        let networks = self.raw(Room::NexusNetworks).await?;
        let known = self.installations().await?;
        let keys: BTreeSet<String> = networks.iter().map(number).collect();
        let lost = networks.iter().filter(|network| members(network).any(|member| !known.contains(member)));
        let mut findings: Vec<_> = lost
            .map(|network| finding(Problem::NexusMember, number(network), "takes them out of the network"))
            .collect();
        let lost = requests.iter().filter(|request| {
            !known.contains(text(request, "installationKey")) || !keys.contains(&number(request))
        });
        findings.extend(lost.map(|request| {
            finding(Problem::NexusRequest, fingerprint(text(request, "token")), "removes the request")
        }));
        Ok(findings)
    }

    async fn installations(&self) -> Result<BTreeSet<String>, Failure> {
        let all = self.raw(Room::NexusInstallations).await?;
        Ok(all.iter().map(|one| text(one, "installationKey").to_owned()).collect())
    }

    /// Does about one of these what its remedy says.
    pub(super) async fn clear(&self, finding: &Finding) -> Result<(), Failure> {
        let id = finding.id.as_str();
        match finding.problem {
            Problem::SecretUnused => drop(self.ports.secrets.delete(id).await?),
            Problem::NetworkKeyUnused => {
                let id = NetworkId::parse(id).map_err(Failure::internal)?;
                self.networks.drop_key_unless_needed(&id).await?;
            }
            Problem::BeaconWithoutNetwork => {
                let id = BeaconId::parse(id).map_err(Failure::internal)?;
                self.ports.secrets.delete(&key_name(&id)).await?;
                self.ports.store.documents().delete(Room::Beacon, id.as_str()).await?;
            }
            Problem::NexusMember => {
                let known = self.installations().await?;
                let without = |network: &mut Value| {
                    if let Some(list) = network.get_mut("installations").and_then(Value::as_array_mut) {
                        list.retain(|one| one.as_str().is_some_and(|one| known.contains(one)));
                    }
                    Ok::<(), Failure>(())
                };
                let room = Collection::<Value>::new(self.ports.store.documents(), Room::NexusNetworks);
                room.update(id, without).await?;
            }
            Problem::NexusRequest => {
                for request in self.raw(Room::NexusRequests).await? {
                    let token = text(&request, "token");
                    if fingerprint(token) == id {
                        self.ports.store.documents().delete(Room::NexusRequests, token).await?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The key of a network as a text, whichever way it was written.
fn number(document: &Value) -> String {
    match document.get("networkKey") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn members(network: &Value) -> impl Iterator<Item = &str> {
    network.get("installations").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "9f86d081884c7d659a2feaa0c55ad0159f86d081884c7d659a2feaa0c55ad015";

    #[rstest::rstest]
    #[case("beacon/7b0c7b38-6e0e-4a0e-9a0a-1d5d1c8f0000".into(), true)]
    #[case("beacon/of-somebody-else".into(), false)]
    #[case("beacon/7b0c7b38-6e0e-4a0e-9a0a-1d5d1c8f0000/more".into(), false)]
    #[case("nexus/credentials/cafe_variome".into(), true)]
    #[case("nexus/credentials/a/b".into(), false)]
    #[case(format!("nexus/installations/{HEX}"), true)]
    #[case("nexus/installations/short".into(), false)]
    #[case("secret_key".into(), false)]
    #[case("keycloak_client_secret".into(), false)]
    #[case("network/7b0c7b38-6e0e-4a0e-9a0a-1d5d1c8f0000".into(), false)]
    fn only_names_that_we_give_are_ours(#[case] name: String, #[case] ours: bool) {
        assert_eq!(is_ours(&name), ours);
    }
}
