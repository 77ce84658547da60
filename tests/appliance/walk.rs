//! What `docs/administrator.sh` does with curl alone, and that `docs/administrator.md` is what it prints.

use std::process::{Command, Stdio};

use regex::Regex;

use crate::support::{Installation, eventually};

/// Puts a word in the place of everything that differs from run to run.
fn masked(text: &str, base: &str) -> String {
    let text = text.replace(base, "http://127.0.0.1:5080");
    let rules = [
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "…"),
        (r#""oneTimePassword":"[^"]*""#, r#""oneTimePassword":"…""#),
        (r#""(createdAt|uptime)":"[^"]*""#, r#""$1":"…""#),
        // A network gets its first one a moment after the start.
        (r#""metaIndex":\{[^{}]*(\{[^{}]*\}[^{}]*)*\},"#, ""),
    ];
    rules.iter().fold(text, |text, (pattern, with)| {
        Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_gets_by_with_curl_alone() {
    if ["curl", "openssl", "bash"].iter().any(|tool| Command::new(tool).arg("--version").output().is_err()) {
        println!("curl, openssl or bash is not present, skipped");
        return;
    }
    let installation = Installation::empty();
    let node = installation.serve().start().await;
    let code = installation.data().join("setup-code");
    eventually("the set-up code", || async { code.exists().then_some(()) }).await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let walk = Command::new(folder.join("administrator.sh"))
        .arg(installation.base())
        .arg(&code)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8(walk.stdout).unwrap();
    assert!(walk.status.success(), "{printed}\n{}", String::from_utf8_lossy(&walk.stderr));
    let recorded = format!(
        "# An administrator's first hour, with curl alone\n\nPrinted by [administrator.sh](administrator.sh); what differs \
         from run to run is shown as `…`.\n{}",
        masked(&printed, &installation.base())
    );
    let page = folder.join("administrator.md");
    if std::env::var_os("CV3_REGENERATE").is_some() {
        std::fs::write(&page, &recorded).unwrap();
    }
    let kept = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        kept == recorded,
        "docs/administrator.md is out of date: `just generate` writes it anew\n{recorded}"
    );
    node.stop().await;
}
