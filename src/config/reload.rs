//! What a changed configuration can take up while running, and what needs a restart (spec §3.1, SIGHUP).

use super::{
    InstanceConfig,
    load::Loaded,
    show::at,
    tree::{Node, tree},
};

/// Gives the paths of what differs and needs a restart; a reload keeps the old values of these in force.
///
/// A section that comes or goes is named itself, because that changes the adapter.
pub fn restart_needed(old: &Loaded, new: &Loaded) -> Vec<String> {
    let write = |loaded: &Loaded| serde_json::to_value(&loaded.config).unwrap_or_default();
    let (before, after) = (write(old), write(new));
    let optional = |node: &Node| matches!(node, Node::Section { optional: true, .. });
    let mut paths: Vec<String> = tree()
        .nodes
        .iter()
        .filter(|(path, node)| optional(node) && at(&before, path).is_none() != at(&after, path).is_none())
        .map(|(path, _)| path.clone())
        .collect();
    paths.sort();
    let mut add = |path: &str| {
        let inside =
            |known: &String| path.strip_prefix(known.as_str()).is_some_and(|rest| rest.starts_with('.'));
        if !paths.iter().any(|known| known == path || inside(known)) {
            paths.push(path.to_owned());
        }
    };
    let values = tree().values.iter().filter(|known| known.restart);
    for known in values.filter(|known| at(&before, &known.path) != at(&after, &known.path)) {
        add(&known.path);
    }
    // Written, two different passwords look the same; so do two addresses that carry them.
    let (hidden_before, hidden_after) = (hidden(&old.config), hidden(&new.config));
    for ((path, before), (_, after)) in hidden_before.iter().zip(&hidden_after) {
        if before != after {
            add(path);
        }
    }
    if old.bind != new.bind {
        add("CV3_BIND");
    }
    if old.data_directory != new.data_directory {
        add("Appliance.DataDirectory");
    }
    paths
}

/// Gives what cannot be compared as written, of the settings that need a restart.
fn hidden(config: &InstanceConfig) -> [(&'static str, Option<&str>); 8] {
    let (mongodb, redis) = (config.mongodb.as_ref(), config.redis.as_ref());
    let (postgresql, secrets) = (config.appliance.postgresql.as_ref(), &config.appliance.secrets);
    let client_secret = config.keycloak.as_ref().and_then(|it| it.client_secret.as_ref());
    [
        ("MongoDB.Host", mongodb.map(|it| it.host.expose())),
        ("MongoDB.Password", mongodb.map(|it| it.password.expose().as_str())),
        ("Redis.Host", redis.map(|it| it.host.expose())),
        ("Redis.Password", redis.map(|it| it.password.expose().as_str())),
        ("Keycloak.ClientSecret", client_secret.map(|it| it.expose().as_str())),
        ("Appliance.PostgreSQL.Host", postgresql.map(|it| it.host.expose())),
        ("Appliance.PostgreSQL.Password", postgresql.map(|it| it.password.expose().as_str())),
        ("Appliance.Secrets.Passphrase", secrets.passphrase.as_ref().map(|it| it.expose().as_str())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::Known;

    #[test]
    fn every_hidden_setting_that_needs_a_restart_is_compared() {
        let hidden = hidden(&InstanceConfig::default()).map(|(path, _)| path);
        let secret = |known: &&Known| known.restart && known.leaf.secret();
        for known in tree().values.iter().filter(secret) {
            assert!(hidden.contains(&known.path.as_str()), "{}", known.path);
        }
    }
}
