//! What is downloaded, before it is packed: the manager, the units, the pages that tell how to install, and what the
//! program does for them. The packed forms are checked by the scripts of `dist/`.

#![cfg(test)]

mod folder;
mod manager;
mod pages;
mod program;
mod units;

use std::path::{Path, PathBuf};

/// The binary under test.
pub fn binary() -> PathBuf {
    std::env::var_os("CV3_TEST_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_cv3-backend").into(), PathBuf::from)
}

/// A file of the project.
pub fn project(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}
