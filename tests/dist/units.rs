//! The units as systemd's own tools see them; skipped where those are not installed.

use std::path::Path;
use std::process::{Command, Output};

use crate::{binary, project};

/// The tool with some words, or nothing where it is not installed.
fn analyze(words: &[&str], path: &Path) -> Option<Output> {
    let mut tool = Command::new("systemd-analyze");
    match tool.args(words).env("SYSTEMD_UNIT_PATH", format!("{}:", path.display())).output() {
        Ok(output) => Some(output),
        Err(_) => {
            println!("skipped: there is no systemd-analyze");
            None
        }
    }
}

/// The units in a folder of their own, with the program under test in the place of the installed one.
fn units() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(project("systemd")).unwrap() {
        let file = file.unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let text = text.replace("/usr/bin/cv3-backend", binary().to_str().unwrap());
        // What is documented is a page of the package.
        let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("Documentation=")).collect();
        std::fs::write(folder.path().join(file.file_name()), text.join("\n") + "\n").unwrap();
    }
    std::fs::copy(
        folder.path().join("cv3-backend@.service"),
        folder.path().join("cv3-backend@admin.service"),
    )
    .unwrap();
    folder
}

#[test]
fn systemd_finds_nothing_to_say_about_the_units() {
    let folder = units();
    for unit in
        ["cv3-backend.service", "cv3-backend@admin.service", "cv3-backend.socket", "cv3-backend.target"]
    {
        let file = folder.path().join(unit);
        let Some(output) = analyze(&["verify", file.to_str().unwrap()], folder.path()) else { return };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let ours: Vec<&str> = said.lines().filter(|line| line.contains("cv3-backend")).collect();
        assert!(output.status.success() && ours.is_empty(), "{unit}: {said}");
    }
}

#[test]
fn a_service_that_is_taken_over_reaches_little() {
    let folder = units();
    for unit in ["cv3-backend.service", "cv3-backend@.service"] {
        let file = folder.path().join(unit);
        let words = ["security", "--offline=yes", "--threshold=20", file.to_str().unwrap()];
        let Some(output) = analyze(&words, folder.path()) else { return };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let level = said.lines().find(|line| line.contains("Overall exposure level"));
        // 20 stands for 2.0.
        assert!(output.status.success() && level.is_some(), "{unit}: {}", level.unwrap_or(&said));
    }
}

#[test]
fn one_service_and_all_of_them_are_hemmed_in_alike() {
    let hardening = |unit: &str| {
        let text = std::fs::read_to_string(project("systemd").join(unit)).unwrap();
        let (_, rest) = text.split_once("\nUser=").unwrap();
        let (own, _) = rest.split_once("[Install]").unwrap();
        own.lines()
            .filter(|line| !line.starts_with("EnvironmentFile=-/etc/default/cv3-backend-"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(hardening("cv3-backend.service"), hardening("cv3-backend@.service"));
}
