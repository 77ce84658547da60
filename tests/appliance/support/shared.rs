//! Data that is shared between projects and never part of this one.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    std::env::var_os("CV3_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
}

/// A shared folder, or `None` with a line that says what is used instead.
pub fn folder(name: &str, instead: &str) -> Option<PathBuf> {
    let folder = root().join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("{name} is not present, skipped: {instead}");
    None
}

/// A shared data file, or `None` with a line that says what is used instead.
pub fn data(name: &str, instead: &str) -> Option<PathBuf> {
    let file = root().join("data").join(name);
    if file.is_file() {
        return Some(file);
    }
    println!("{name} is not present, skipped: {instead}");
    None
}
