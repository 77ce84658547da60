//! The whole way from file, environment and flags to a configuration.

mod environment;
mod files;
mod refusals;
mod round_trip;
mod shown;

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use super::{ConfigErrors, Flags, InstanceConfig, Loaded, Sources};

/// A working directory, perhaps with a configuration, and an environment.
struct Case {
    folder: TempDir,
    sources: Sources,
}

impl Case {
    /// An empty file stands in, so that one in /etc of the machine is not found.
    fn new() -> Self {
        Self::text("{}")
    }

    fn file(file: Value) -> Self {
        Self::text(&file.to_string())
    }

    fn text(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources { working_dir: folder.path().to_path_buf(), ..Sources::default() };
        let case = Self { folder, sources };
        case.write("instance_config.json", text);
        case
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn env(mut self, name: &str, text: &str) -> Self {
        self.sources.env.insert(name.to_owned(), text.to_owned());
        self
    }

    fn flags(mut self, flags: Flags) -> Self {
        self.sources.flags = flags;
        self
    }

    fn set(mut self, path: &str, text: &str) -> Self {
        self.sources.flags.set.push((path.to_owned(), text.to_owned()));
        self
    }

    fn load(&self) -> Result<Loaded, ConfigErrors> {
        InstanceConfig::load(&self.sources)
    }

    fn config(&self) -> InstanceConfig {
        self.load().unwrap().config
    }

    /// The key paths of all problems.
    fn refused(&self) -> Vec<String> {
        self.load().unwrap_err().0.into_iter().map(|problem| problem.path).collect()
    }

    fn warned(&self, part: &str) -> bool {
        self.load().unwrap().warnings.iter().any(|warning| warning.contains(part))
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Loads a file of the project or of the shared folder.
fn load_file(path: &Path, env: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let env: BTreeMap<_, _> =
        env.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let flags = Flags { config: Some(path.to_path_buf()), ..Flags::default() };
    InstanceConfig::load(&Sources { flags, env, ..Sources::default() })
}

/// Drops what is absent: an optional setting serialises as null.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        other => other,
    }
}
