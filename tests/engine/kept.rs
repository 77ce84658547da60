//! Cases that once told engine and oracle apart, in `kept/`, a file each. They are asked again before any new one.

use std::path::{Path, PathBuf};

use super::case::{Case, Verdict, engine};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/kept")
}

/// Writes a case into a folder and says where.
pub fn write(case: &Case, folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(format!("{name}.json"));
    std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(case).unwrap())).unwrap();
    path
}

/// Keeps a case beside the others.
pub fn keep(case: &Case, name: &str) -> PathBuf {
    write(case, &folder(), name)
}

/// Reads a case as it was written.
pub fn read(path: &Path) -> Case {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{} is no case: {error}", path.display()))
}

/// Asks all kept cases and says how many there are.
pub fn ask_again() -> usize {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    files.sort();
    for file in &files {
        let case = read(file);
        let verdict = case.ask(&engine);
        assert!(matches!(verdict, Verdict::Agree(_)), "{} ({}): {verdict:#?}", file.display(), case.about);
    }
    files.len()
}

#[test]
fn kept_cases_agree() {
    assert!(ask_again() > 0, "no case is kept in {}", folder().display());
}
