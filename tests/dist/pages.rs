//! The pages that tell how to install and run: what they mark as run is run here, as it stands there.

use crate::folder::{Unpacked, done};
use crate::project;

/// The fenced blocks of a page that follow a mark.
fn marked(page: &str, mark: &str) -> Vec<String> {
    let text = std::fs::read_to_string(project(page)).unwrap();
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == mark {
            assert!(
                lines.next().is_some_and(|fence| fence.starts_with("```")),
                "{page}: no block after {mark}"
            );
            let block: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            blocks.push(block.join("\n"));
        }
    }
    assert!(!blocks.is_empty(), "{page} has no block after {mark}");
    blocks
}

/// Runs the blocks of a page one after the other in one shell, in the unpacked folder.
fn run(page: &str) -> String {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl");
        return String::new();
    }
    let unpacked = Unpacked::new();
    let script = marked(page, "<!-- run -->")
        .join("\n")
        .replace("127.0.0.1:5080", &format!("127.0.0.1:{}", unpacked.port));
    let mut shell = unpacked.command("bash");
    done(shell.args(["-euxo", "pipefail", "-c", &script]).env("NO_PROXY", "*"))
}

#[test]
fn what_the_page_on_installing_says_is_what_happens() {
    run("docs/install.md");
}

#[test]
fn what_the_page_on_operations_says_is_what_happens() {
    run("docs/operations.md");
}

#[test]
fn every_command_of_the_pages_is_run_or_said_not_to_be() {
    for page in ["docs/install.md", "docs/operations.md"] {
        let text = std::fs::read_to_string(project(page)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut inside = false;
        for (number, line) in lines.iter().enumerate() {
            if !line.starts_with("```") {
                continue;
            }
            inside = !inside;
            let before = number.checked_sub(1).and_then(|before| lines.get(before)).unwrap_or(&"");
            let shell = matches!(line.trim_start_matches('`'), "sh" | "bash");
            let told = *before == "<!-- run -->"
                || before.starts_with("<!-- dist/")
                || before.contains("Not run by a test");
            assert!(!inside || !shell || told, "{page}:{}: is this run? By what?", number + 1);
        }
    }
}
