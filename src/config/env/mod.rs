//! The environment: `CV3_MONGODB__HOST` is `MongoDB.Host`, and the names that the original knows.
//!
//! The variables are handed in, never read here. Names are matched without case onto the tree of known keys;
//! a variable that selects a section (`CV3_REDIS__HOST`) does what writing the section into the file does,
//! whereas the names of the original (`VAULT_ROLE_ID`) only complete a section that is there anyway.

mod credentials;
mod nearest;
mod process;

use std::{collections::BTreeMap, fs::File, io::Read as _, path::Path};

use serde_json::Value;

pub(super) use self::nearest::distance;
use self::nearest::nearest;
pub use self::process::{LAST_OFFSET, Mode, PROCESS, Process, Variable};
use super::{findings::Origin, layers::Layers, layers::from_text, tree::Known, tree::tree};

/// Names of the original and ours beside them, with the keys they set (spec §3.2).
pub const UPSTREAM: &[(&str, &str)] = &[
    ("VAULT_ROLE_ID", "Vault.RoleID"),
    ("VAULT_SECRET_ID", "Vault.SecretID"),
    ("VAULT_SECRET_ID_FILE", "Vault.SecretIDFile"),
    ("KEYCLOAK_CLIENT_SECRET", "Keycloak.ClientSecret"),
    ("INSTANCE_URL", "Appliance.Instance.URL"),
    ("DB_MANAGER_WORKER", "Appliance.Workers.DatabaseManager"),
    ("QUERY_COMPILER_WORKER", "Appliance.Workers.QueryCompiler"),
    ("META_QUERY_WORKER", "Appliance.Workers.MetaQuery"),
];

/// Far above any password, key or token, far below what would hurt.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// Where a variable leads.
enum Target {
    Value(&'static Known),
    /// The variable names a file that holds the secret.
    SecretFile(&'static Known),
}

fn target(rest: &str) -> Option<Target> {
    let find = |rest: &str| tree().value_caseless(&rest.replace("__", "."));
    if let Some(known) = find(rest) {
        return Some(Target::Value(known));
    }
    let start = rest.len().checked_sub("_FILE".len())?;
    let (name, end) = rest.split_at_checked(start)?;
    let known = find(name).filter(|known| end.eq_ignore_ascii_case("_FILE") && known.leaf.secret())?;
    Some(Target::SecretFile(known))
}

/// Reads a secret from a file, without the line end that editors add.
fn read_secret(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| format!("expected a readable file: {}", error.kind()))?;
    file.take(MAX_SECRET_FILE + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("expected a file of text: {}", error.kind()))?;
    if text.len() as u64 > MAX_SECRET_FILE {
        return Err(format!("expected a file of at most {MAX_SECRET_FILE} bytes"));
    }
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

impl Layers {
    /// Takes in the environment; relative names of secret files start at the working directory.
    pub fn environment(&mut self, env: &BTreeMap<String, String>, working_dir: &Path) {
        let env = &self.credentials(env);
        // An empty variable is what compose files leave behind for "not set".
        let set = || env.iter().filter(|(_, text)| !text.is_empty());
        let mut ours = Vec::new();
        for (name, text) in set() {
            let upper = name.to_ascii_uppercase();
            let Some(rest) = upper.strip_prefix("CV3_") else { continue };
            match target(rest) {
                _ if PROCESS.iter().any(|variable| variable.name == upper) => {}
                Some(Target::Value(known)) => ours.push((known, name, text, false)),
                Some(Target::SecretFile(known)) => ours.push((known, name, text, true)),
                None => self
                    .warnings
                    .push(format!("{name} is not known; the nearest name is {}", nearest(&upper))),
            }
        }
        // The full name of a key counts more than another spelling of it, so it comes last.
        ours.sort_by_key(|(known, name, ..)| known.env.eq_ignore_ascii_case(name));
        for (known, ..) in &ours {
            self.select(&known.path);
        }
        for (name, text) in set() {
            let plain = UPSTREAM.iter().find(|(known, _)| *known == name);
            let by_file = || {
                let stem = name.strip_suffix("_FILE")?;
                UPSTREAM.iter().find(|(known, _)| *known == stem)
            };
            let (path, from_file) = match (plain, by_file()) {
                (Some((_, path)), _) => (path, false),
                (None, Some((_, path))) => (path, true),
                (None, None) => continue,
            };
            let Some(known) = tree().value(path).filter(|known| !from_file || known.leaf.secret()) else {
                continue;
            };
            if self.selected(path) {
                self.variable(known, name, text, from_file, working_dir);
            } else {
                let section = path.split('.').next().unwrap_or(path);
                self.warnings
                    .push(format!("{name} is set but not used, because there is no section {section}"));
            }
        }
        for (at, (known, name, text, from_file)) in ours.iter().enumerate() {
            let twice = ours
                .iter()
                .take(at)
                .find(|(other, _, _, file)| other.path == known.path && file != from_file);
            if let Some((_, other, ..)) = twice {
                let origin = Origin::Environment((*name).clone());
                self.refuse(&origin, &known.path, format!("expected either {name} or {other}, not both"));
            }
            self.variable(known, name, text, *from_file, working_dir);
        }
    }

    fn variable(&mut self, known: &Known, name: &str, text: &str, from_file: bool, working_dir: &Path) {
        let origin = Origin::Environment(name.to_owned());
        if from_file {
            match read_secret(&working_dir.join(text)) {
                Ok(secret) => self.give(known, &known.path, Value::String(secret), &origin),
                Err(expected) => self.refuse(&origin, &known.path, expected),
            }
        } else {
            self.give(known, &known.path, from_text(&known.leaf.form, text), &origin);
        }
    }

    /// Takes in `--set path=value`; an unknown path is a mistake, unlike in the file.
    pub fn flag(&mut self, flag: &str, path: &str, text: &str) {
        let origin = Origin::Flag(flag.to_owned());
        match tree().value_caseless(path) {
            Some(known) => {
                self.select(&known.path);
                self.give(known, &known.path, from_text(&known.leaf.form, text), &origin);
            }
            None => self.refuse(&origin, path, "expected the path of a setting, such as MongoDB.Host"),
        }
    }
}
