//! Which file is the configuration, and where the data is (design: Finding things).

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{Sources, findings::Origin, layers::Layers};

/// A configuration has a few kilobytes; a larger file is another one, named by mistake.
const MAX_FILE: u64 = 1 << 20;

/// Gives the places that are looked at when none is named, in order.
pub fn candidates(working_dir: &Path, exe: Option<&Path>) -> Vec<PathBuf> {
    let name = "instance_config.json";
    let mut places = vec![working_dir.join("etc").join(name), working_dir.join(name)];
    let resolved = exe.and_then(|exe| exe.canonicalize().ok());
    for exe in [resolved.as_deref(), exe].into_iter().flatten() {
        if let Some(folder) = exe.parent() {
            places.push(folder.join("etc").join(name));
        }
    }
    places.push(Path::new("/etc/cv3-backend").join(name));
    places
}

/// Gives the file that is used and who named it; a named file counts even when it is missing.
pub fn configuration(sources: &Sources) -> Option<(PathBuf, Origin)> {
    let named = |path: &Path| sources.working_dir.join(path);
    if let Some(path) = &sources.flags.config {
        return Some((named(path), Origin::Flag("--config".to_owned())));
    }
    if let Some(path) = sources.env.get("CV3_CONFIG").filter(|path| !path.is_empty()) {
        return Some((named(Path::new(path)), Origin::Environment("CV3_CONFIG".to_owned())));
    }
    let found =
        candidates(&sources.working_dir, sources.exe.as_deref()).into_iter().find(|path| path.is_file());
    found.map(|path| (path.clone(), Origin::File(path)))
}

/// Reads the file into the layers; errors name the file, and line and column where there is one.
pub fn read(path: &Path, named_by: &Origin, layers: &mut Layers) {
    let mut bytes = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    if let Err(error) = opened {
        let expected = format!("expected a readable file: {}", error.kind());
        return layers.refuse(named_by, &path.display().to_string(), expected);
    }
    let origin = Origin::File(path.to_path_buf());
    if bytes.len() as u64 > MAX_FILE {
        return layers.refuse(&origin, "(document)", format!("expected at most {MAX_FILE} bytes"));
    }
    // Editors of another system put a byte order mark in front.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    match serde_json::from_slice::<Value>(text) {
        Ok(document) => layers.document(document, &origin),
        Err(error) => {
            let place = format!("line {} column {}", error.line(), error.column());
            layers.refuse(
                &origin,
                &place,
                "expected JSON: a comma, quote or bracket is missing or too many here",
            );
        }
    }
}

/// Gives the data directory: the setting, else `CV3_DATA_DIRECTORY`, else `STATE_DIRECTORY`, else `./cv3-data`.
pub fn data_directory(setting: &Path, env: &BTreeMap<String, String>, working_dir: &Path) -> PathBuf {
    let given = |name: &str| env.get(name).filter(|text| !text.is_empty()).cloned();
    // systemd lists several folders with colons between them when the unit names several.
    let state = || given("STATE_DIRECTORY").and_then(|list| list.split(':').next().map(str::to_owned));
    let path = if setting.as_os_str().is_empty() {
        given("CV3_DATA_DIRECTORY").or_else(state).map_or_else(|| PathBuf::from("cv3-data"), PathBuf::from)
    } else {
        setting.to_path_buf()
    };
    working_dir.join(path)
}
