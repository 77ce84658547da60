//! Every setting with its value and where that comes from, secrets hidden; and what a check has to say.

use serde::Serialize;
use serde_json::Value;

use super::{env::Mode, findings::Origin, load::Loaded, tree::tree};

/// One setting as it is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Key path; `CV3_BIND` and the like for what is not a key.
    pub path: String,
    /// JSON text; a secret is its mark, an absent section says so.
    pub value: String,
    pub origin: Origin,
}

/// What `config check` reports of a configuration that may be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether there is nothing to correct; unknown keys fail the check although a start only warns.
    pub passed: bool,
    pub mode: Mode,
    /// The file, data directory and adapters that were selected, one per line.
    pub facts: Vec<String>,
    pub unknown: Vec<String>,
    pub warnings: Vec<String>,
}

/// Walks to a value of the serialised configuration.
pub(super) fn at<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(document, |value, key| value.get(key)).filter(|value| !value.is_null())
}

/// Lists every setting in the order of the reference; of an absent section only that it is absent.
pub fn show(loaded: &Loaded) -> Vec<Shown> {
    let document = serde_json::to_value(&loaded.config).unwrap_or_default();
    let mut shown: Vec<Shown> = Vec::new();
    for known in &tree().values {
        let absent =
            tree().optional_sections(&known.path).into_iter().find(|path| at(&document, path).is_none());
        let line = match absent {
            Some(section) => Shown { path: section, value: "absent".to_owned(), origin: Origin::Default },
            None => Shown {
                path: known.path.clone(),
                value: at(&document, &known.path).map_or_else(|| "absent".to_owned(), Value::to_string),
                origin: loaded.origins.get(&known.path).cloned().unwrap_or(Origin::Default),
            },
        };
        if shown.last() != Some(&line) {
            shown.push(line);
        }
    }
    let from_env = |name: &str, given: bool| match given {
        true => Origin::Environment(name.to_owned()),
        false => Origin::Default,
    };
    shown.push(Shown {
        path: "CV3_BIND".to_owned(),
        value: loaded.bind.to_string(),
        origin: from_env("CV3_BIND", loaded.process.bind_given),
    });
    shown
}

/// Sums up a configuration that may be used.
pub fn check(loaded: &Loaded) -> Report {
    let config = &loaded.config;
    let file = loaded.path.as_ref().map_or("none".to_owned(), |path| path.display().to_string());
    let or =
        |given: bool, outside: &'static str, embedded: &'static str| if given { outside } else { embedded };
    let provider = or(config.appliance.issuer.is_some(), "another openid provider", "keycloak");
    let facts = vec![
        format!("configuration: {file}"),
        format!("data directory: {}", loaded.data_directory.display()),
        format!("store: {}", config.engine()),
        format!("broker: {}", or(config.redis.is_some(), "redis", "embedded")),
        format!("secrets: {}", or(config.vault.is_some(), "vault", "embedded")),
        format!("identity: {}", or(config.keycloak.is_some(), provider, "built-in")),
        format!("mail: {}", or(config.email.is_some(), "smtp", "outbox only")),
        budget(&loaded.config.appliance.privacy),
    ];
    Report {
        passed: loaded.unknown.is_empty(),
        mode: loaded.mode,
        facts,
        unknown: loaded.unknown.clone(),
        warnings: loaded.warnings.clone(),
    }
}

/// What one user's budget can tell of a source: ε adds up over fresh answers (spec §8.6).
fn budget(privacy: &super::appliance::Privacy) -> String {
    let answers = 100 / privacy.range_cost.max(1);
    let whole = (f64::from(answers) * privacy.epsilon * 1e4).round() / 1e4;
    format!(
        "range answers: a budget of 100 buys {answers} fresh ones of ε {}, together ε {whole}",
        privacy.epsilon
    )
}

#[cfg(test)]
mod tests {
    use super::budget;
    use crate::config::appliance::Privacy;

    #[test]
    fn the_epsilon_of_a_budget_is_told() {
        let told = "range answers: a budget of 100 buys 20 fresh ones of ε 0.15, together ε 3";
        assert_eq!(budget(&Privacy::default()), told);
        let told = "range answers: a budget of 100 buys 14 fresh ones of ε 0.1, together ε 1.4";
        assert_eq!(budget(&Privacy { epsilon: 0.1, range_cost: 7, ..Privacy::default() }), told);
    }
}
