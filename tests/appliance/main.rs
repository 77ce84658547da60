//! The real binary, started as an operator starts it and spoken to over HTTP only.
//!
//! Lives here: one file per promise (`api`: every endpoint, role, level and refusal; `families`: families and cohorts;
//! `front_door`: TLS, headers, compression and front ends; `install`: the first run by hand; `integrity`: checks, repairs and accounts by command;
//! `phenopackets`: every answer against a naive scan; `kill`: nothing acknowledged is lost; `logs`: where lines go; `mail`: it arrives; `processes`: services apart;
//! `providers`: signing in and people at each identity provider;
//! `read_only`: nothing that is served changes; `redis`: jobs over a real Redis; `reload`: the configuration read again; `replace`: all files or none; `servers`: on what an operator of the original runs;
//! `signin`: accounts and tokens; `tables`: sheets and variants against a count of the files; `bad_input`: what refused
//! input is told; `terms`: a built term file asked; `tools`: what the README tells a data manager to type; `vault`: secrets in Vault,
//! there and away; `walk`: an administrator with curl alone) and what
//! they share (`support`).
//! Does not: rules of one module (tested beside it) and ports in process (`tests/store`, `tests/broker` …).
//! To add a test: a file with its name here, `Installation::new()` and `serve()` from `support`.
//!
//! `CV3_TEST_BINARY` names another binary to test, `CV3_SHARED` the folder of shared data, `CV3_SEED` where random
//! choices start. Each test has a folder and a port of its own, so they may run side by side.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking; the lints spare only functions marked as tests, not those they call"
)]

mod api;
mod bad_input;
mod drop_in;
mod families;
mod front_door;
mod install;
mod integrity;
mod kill;
mod logs;
mod mail;
mod oracle;
mod phenopackets;
mod processes;
mod providers;
mod read_only;
mod redis;
mod reload;
mod replace;
mod servers;
mod signin;
mod support;
mod tables;
mod terms;
mod tools;
mod vault;
mod walk;
