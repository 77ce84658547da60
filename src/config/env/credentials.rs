//! Secrets that the service manager hands over as files: `LoadCredential=` of systemd.exec(5).

use std::{collections::BTreeMap, path::Path};

use super::{Target, target};
use crate::config::{layers::Layers, tree::Form};

/// More files than there are secrets to configure.
const MOST: usize = 200;

impl Layers {
    /// Completes the environment by the files in `CREDENTIALS_DIRECTORY`: `CV3_MONGODB__PASSWORD` there is what the
    /// variable `CV3_MONGODB__PASSWORD_FILE` would name, `CV3_APPLIANCE__SECRETS__KEYFILE` is that file itself. A variable
    /// that is set wins over a file.
    pub fn credentials(&mut self, env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut complete = env.clone();
        let Some(folder) = env.get("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty()) else {
            return complete;
        };
        let Ok(files) = std::fs::read_dir(folder) else {
            self.warnings
                .push(format!("CREDENTIALS_DIRECTORY: {folder} cannot be read; no credential is used"));
            return complete;
        };
        let mut names: Vec<String> =
            files.flatten().take(MOST).filter_map(|file| file.file_name().into_string().ok()).collect();
        names.sort();
        for name in names {
            let Some(rest) = name.strip_prefix("CV3_") else { continue };
            let variable = match target(rest) {
                Some(Target::Value(known)) if known.leaf.secret() => format!("{name}_FILE"),
                Some(Target::Value(known)) if matches!(known.leaf.form, Form::Path) => name.clone(),
                _ => {
                    self.warnings.push(format!(
                        "the credential {name} is not used: a credential is named like the variable of a secret or a path"
                    ));
                    continue;
                }
            };
            let given =
                |known: &String| known.eq_ignore_ascii_case(&name) || known.eq_ignore_ascii_case(&variable);
            if !env.iter().any(|(known, text)| given(known) && !text.is_empty()) {
                complete.insert(variable, Path::new(folder).join(&name).to_string_lossy().into_owned());
            }
        }
        complete
    }
}
