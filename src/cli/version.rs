//! What `--version` says: the release, the commit it was built from, for which machine, and whose cryptography it uses.

use std::sync::LazyLock;

/// The lines after the program's name. The commit is known where the build said it (`dist/build`).
pub fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let commit = option_env!("CV3_COMMIT").filter(|commit| !commit.is_empty()).unwrap_or("not recorded");
        format!(
            "{}\ncommit: {commit}\ntarget: {}\ntls: rustls with ring",
            env!("CARGO_PKG_VERSION"),
            target(std::env::consts::ARCH, std::env::consts::OS, libc_name()),
        )
    });
    &TEXT
}

fn target(arch: &str, os: &str, libc: &str) -> String {
    [arch, os, libc].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

const fn libc_name() -> &'static str {
    if cfg!(target_env = "musl") {
        "musl"
    } else if cfg!(target_env = "gnu") {
        "gnu"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_comes_first_and_the_machine_is_named() {
        let text = text();
        assert_eq!(text.lines().next(), Some(env!("CARGO_PKG_VERSION")));
        assert!(text.lines().any(|line| line.starts_with("target: ") && line.contains("linux")), "{text}");
    }

    #[test]
    fn what_is_not_known_of_the_machine_is_left_out() {
        assert_eq!(target("x86_64", "linux", "musl"), "x86_64-linux-musl");
        assert_eq!(target("x86_64", "other", ""), "x86_64-other");
    }
}
