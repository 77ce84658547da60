//! Running the peers: each a process of its own that starts and ends its server.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::result::Outcome;

/// What one would use instead.
pub struct Peer {
    /// On the command line.
    pub name: &'static str,
    pub title: &'static str,
    /// Its program in `peers/`, and what that is told beside files and time.
    program: &'static str,
    told: &'static str,
}

pub const PEERS: [Peer; 5] = [
    Peer { name: "postgres", title: "PostgreSQL, JSONB", program: "postgres.py", told: "documents" },
    Peer { name: "arrays", title: "PostgreSQL, arrays", program: "postgres.py", told: "arrays" },
    Peer { name: "duckdb", title: "DuckDB", program: "duck.py", told: "" },
    Peer { name: "mongodb", title: "MongoDB protocol", program: "mongo.py", told: "" },
    Peer { name: "python", title: "Python loop", program: "loop.py", told: "" },
];

impl Peer {
    /// The peer's answers; those of an earlier run where the folder has them.
    pub fn measure(
        &self,
        cohort: &Path,
        questions: &Path,
        folder: &Path,
        seconds: f64,
    ) -> anyhow::Result<Outcome> {
        let kept = folder.join(format!("{}.json", self.name));
        if let Ok(answers) = std::fs::read(&kept) {
            return Ok(Outcome::Measured(serde_json::from_slice(&answers)?));
        }
        let scratch = tempfile::Builder::new().prefix("peer").tempdir_in(folder)?;
        open_to_all(scratch.path())?;
        let program =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/compare/peers").join(self.program);
        let installed = cache()?.join("venv/bin/python");
        // The loop needs nothing that has to be installed.
        let python = if installed.exists() { installed } else { "python3".into() };
        let mut command = Command::new(&python);
        // No folders of compiled Python in the tree.
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).current_dir(scratch.path());
        command.arg(program).arg(cohort).arg(questions).arg(scratch.path()).arg(seconds.to_string());
        command.arg(self.told).env("CV3_BENCH_CACHE", cache()?);
        let output = command.output().with_context(|| format!("{} cannot be started", python.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            eprint!("{said}");
            let last = said.lines().last().unwrap_or("it ended without a word").to_owned();
            return Ok(Outcome::NotMeasured(last));
        }
        let measured = serde_json::from_slice(&output.stdout)?;
        std::fs::write(&kept, &output.stdout)?;
        Ok(Outcome::Measured(measured))
    }
}

/// Where `setup` installs; it computes the same.
fn cache() -> anyhow::Result<PathBuf> {
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from);
    of("CV3_BENCH_CACHE")
        .or_else(|| Some(of("XDG_CACHE_HOME")?.join("cv3-backend-bench")))
        .or_else(|| Some(of("HOME")?.join(".cache/cv3-backend-bench")))
        .context("neither CV3_BENCH_CACHE nor HOME is set")
}

/// Lets the unprivileged user of a server pass.
pub fn open_to_all(folder: &Path) -> anyhow::Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).map_err(Into::into)
}
