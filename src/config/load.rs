//! From the places where settings may stand to one checked configuration.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize as _;

use super::{
    InstanceConfig,
    env::{Mode, Process},
    findings::{ConfigErrors, Origin, Problem},
    layers::Layers,
    locate,
    tree::canonical,
    validate::Surroundings,
};

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--data-directory`
    pub data_directory: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--set`: key path and text of the value.
    pub set: Vec<(String, String)>,
}

/// All that a configuration is made of; handed in, so that nothing here depends on the state of the process.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub flags: Flags,
    pub env: BTreeMap<String, String>,
    /// Where relative paths start.
    pub working_dir: PathBuf,
    /// The running file, as it was called; beside it a configuration may lie.
    pub exe: Option<PathBuf>,
}

/// A configuration that may be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: InstanceConfig,
    /// The file, if there is one.
    pub path: Option<PathBuf>,
    pub data_directory: PathBuf,
    /// Where relative paths start.
    pub working_dir: PathBuf,
    pub mode: Mode,
    /// Base address of the services; each adds its offset to the port.
    pub bind: SocketAddr,
    /// Time to finish running requests in.
    pub graceful: Duration,
    /// The rest of what the environment says about the process.
    pub process: Process,
    /// Paths of keys that are not known and therefore not used.
    pub unknown: Vec<String>,
    /// Advice, unknown keys and variables included.
    pub warnings: Vec<String>,
    /// Where the values come from that are not defaults, by key path.
    pub origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Gives the place that a path of the configuration names.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.working_dir.join(path)
    }
}

impl InstanceConfig {
    /// Finds, reads, merges (defaults < file < environment < flags) and checks the configuration.
    ///
    /// Fails with everything that is wrong at once, each with file, key path and expectation.
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
        let mut layers = Layers::default();
        let found = locate::configuration(sources);
        if let Some((path, named_by)) = &found {
            locate::read(path, named_by, &mut layers);
        }
        let path = found.map(|(path, _)| path);
        layers.environment(&sources.env, &sources.working_dir);
        sources.flags.apply(&mut layers);
        let process = Process::read(&sources.env, &sources.working_dir, &mut layers);
        let (unknown, mut problems) = sort_unknown(&mut layers, process.mode, path.as_deref());
        let mut warnings = std::mem::take(&mut layers.warnings);
        problems.append(&mut layers.problems);
        let origins = layers.origins();
        // Every value was checked by itself before, so this fails only for a type that contradicts its own check.
        let config = Self::deserialize(layers.merged()).unwrap_or_else(|error| {
            problems.push(Problem {
                origin: "configuration".to_owned(),
                path: "(document)".to_owned(),
                expectation: format!("expected the documented keys: {:?}", error.classify()),
            });
            Self::default()
        });
        let around = Surroundings { mode: process.mode, bind: process.bind, origins: &origins };
        let findings = config.validate(&around);
        for (path, expectation) in findings.problems {
            let origin = blame(&path, &origins);
            problems.push(Problem { origin, path, expectation });
        }
        for (path, advice) in findings.warnings {
            warnings.push(format!("{}: {path}: {advice}", blame(&path, &origins)));
        }
        if !problems.is_empty() {
            return Err(ConfigErrors(problems));
        }
        let data_directory =
            locate::data_directory(&config.appliance.data_directory, &sources.env, &sources.working_dir);
        Ok(Loaded {
            config,
            path,
            data_directory,
            working_dir: sources.working_dir.clone(),
            mode: process.mode,
            bind: process.bind,
            graceful: process.graceful,
            process,
            unknown,
            warnings,
            origins,
        })
    }
}

impl Flags {
    fn apply(&self, layers: &mut Layers) {
        for (path, text) in &self.set {
            layers.flag("--set", path, text);
        }
        if let Some(listen) = &self.listen {
            layers.flag("--listen", "Appliance.Listen", &listen.to_string());
        }
        if let Some(folder) = &self.data_directory {
            layers.flag("--data-directory", "Appliance.DataDirectory", &folder.to_string_lossy());
        }
    }
}

/// Turns unknown keys into warnings, and in our own section, in production, into problems (design: Modes).
fn sort_unknown(layers: &mut Layers, mode: Mode, file: Option<&Path>) -> (Vec<String>, Vec<Problem>) {
    let unknown = std::mem::take(&mut layers.unknown);
    let origin = file.map_or_else(|| "configuration".to_owned(), |path| path.display().to_string());
    let mut problems = Vec::new();
    for (path, meant) in &unknown {
        let section = canonical(path.split('.').next().unwrap_or_default());
        let ours = section == "Appliance" || section.starts_with("Appliance.");
        let hint = meant.as_ref().map_or_else(String::new, |key| format!("; the nearest key is {key}"));
        if ours && mode == Mode::Production {
            problems.push(Problem {
                origin: origin.clone(),
                path: path.clone(),
                expectation: format!("expected a known key{hint}"),
            });
        } else {
            layers.warnings.push(format!("{origin}: {path}: the key is not known and not used{hint}"));
        }
    }
    (unknown.into_iter().map(|(path, _)| path).collect(), problems)
}

/// Names who gave the value at a path.
fn blame(path: &str, origins: &BTreeMap<String, Origin>) -> String {
    origins.get(path).unwrap_or(&Origin::Default).to_string()
}
