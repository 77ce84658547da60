//! Who may name whom, one row a rule, and what of a source tree breaks them.
//!
//! A place or path is a module path (`crate::store::sqlite`), a foreign crate (`poem`) or a keyword (`unsafe`); each
//! covers what is under it. To add a folder to the crate: a `Names` row. To add an adapter: a `Kept` row.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::lex;
use super::paths::{self, Named, Reading};

/// What a row says.
#[derive(Debug, Clone, Copy)]
pub enum Says {
    /// Of our own crate the place names only itself and these; the row of the longest place counts.
    Names(&'static [&'static str]),
    /// The place never names these.
    Never(&'static [&'static str]),
    /// Only these name the place (which may always name itself).
    Kept(&'static [&'static str]),
}
use Says::{Kept, Names, Never};

/// A rule: where, what, why.
#[derive(Debug, Clone, Copy)]
pub struct Rule(pub &'static str, pub Says, pub &'static str);

/// What pure floors cannot do: wait, or fail on a wire.
const WAITING: &[&str] = &[
    "tokio",
    "tokio_util",
    "async_trait",
    "poem",
    "poem_openapi",
    "rusqlite",
    "redis",
    "reqwest",
    "hyper",
    "rustls",
    "std::net",
    "std::process",
    "std::env",
];

/// The table.
pub const RULES: &[Rule] = &[
    // The four floors, from the ground up.
    Rule("crate::domain", Names(&[]), "the domain is what everything stands on and stands on nothing"),
    Rule("crate::domain", Never(WAITING), "domain rules neither wait nor fail on a wire"),
    Rule(
        "crate::domain",
        Never(&["std::fs", "std::thread", "tracing"]),
        "domain rules depend on their arguments alone",
    ),
    Rule(
        "crate::terms",
        Names(&["crate::domain"]),
        "terms are pure: knowledge about words, not about installations",
    ),
    Rule("crate::terms", Never(WAITING), "terms are pure"),
    Rule(
        "crate::engine",
        Names(&["crate::domain", "crate::terms"]),
        "the engine is pure: a plan over parts it is handed",
    ),
    Rule("crate::engine", Never(WAITING), "the engine is pure"),
    Rule("crate::ingest", Names(&["crate::domain", "crate::terms"]), "readers are pure: a file to rows"),
    Rule("crate::ingest", Never(WAITING), "readers are pure"),
    Rule("crate::store", Names(&["crate::domain"]), "a port speaks the domain's words"),
    Rule("crate::broker", Names(&["crate::domain"]), "a port speaks the domain's words"),
    Rule("crate::blobs", Names(&["crate::domain"]), "a port speaks the domain's words"),
    Rule("crate::secrets", Names(&["crate::domain"]), "a port speaks the domain's words"),
    Rule("crate::identity", Names(&["crate::domain"]), "a port speaks the domain's words"),
    Rule("crate::peers", Names(&["crate::domain"]), "a port speaks the domain's words"),
    Rule("crate::mail", Names(&["crate::domain"]), "a port speaks the domain's words"),
    Rule(
        "crate::identity::builtin",
        Names(&["crate::domain", "crate::identity", "crate::store", "crate::secrets"]),
        "the built-in issuer keeps accounts in the store and signs with the keystore, both handed to it as ports",
    ),
    Rule(
        "crate::identity::keycloak",
        Names(&[
            "crate::domain",
            "crate::identity",
            "crate::store",
            "crate::broker",
            "crate::secrets",
            "crate::outbound",
        ]),
        "the adapter asks the provider over HTTP, keeps its words in the broker, ids in the store, its secret in the keystore",
    ),
    Rule(
        "crate::secrets::vault",
        Names(&["crate::domain", "crate::secrets", "crate::outbound"]),
        "the adapter asks Vault over HTTP",
    ),
    Rule(
        "crate::outbound",
        Names(&["crate::trace"]),
        "the client knows addresses and limits, not what is said to whom",
    ),
    Rule(
        "crate::trace",
        Names(&["crate::domain"]),
        "a trace is two headers; whoever is asked or asks knows it",
    ),
    Rule(
        "crate::ports",
        Names(&[
            "crate::domain",
            "crate::store",
            "crate::broker",
            "crate::blobs",
            "crate::secrets",
            "crate::identity",
            "crate::peers",
            "crate::mail",
            "crate::terms",
        ]),
        "the list of open doors names the doors",
    ),
    Rule(
        "crate::service",
        Names(&[
            "crate::domain",
            "crate::terms",
            "crate::engine",
            "crate::ingest",
            "crate::ports",
            "crate::store",
            "crate::broker",
            "crate::blobs",
            "crate::secrets",
            "crate::identity",
            "crate::peers",
            "crate::mail",
        ]),
        "a use case is called by the edges, never calls one, and gets its settings as Options",
    ),
    Rule(
        "crate::service",
        Never(&["poem", "poem_openapi", "rusqlite", "redis", "reqwest", "clap", "anyhow"]),
        "a use case knows neither its edge nor its engine",
    ),
    Rule(
        "crate::http",
        Names(&["crate::domain", "crate::service", "crate::trace"]),
        "an edge calls use cases, never a port or another edge",
    ),
    Rule(
        "crate::http::shared::issuer",
        Names(&["crate::domain", "crate::service", "crate::http", "crate::identity"]),
        "these pages are the built-in issuer's own",
    ),
    Rule(
        "crate::worker",
        Names(&["crate::domain", "crate::service", "crate::broker", "crate::trace"]),
        "the job edge takes jobs from the broker and calls use cases, nothing else",
    ),
    Rule(
        "crate::config",
        Names(&[]),
        "settings are read before anything is open; they are handed down, never fetched",
    ),
    Rule(
        "crate::appliance",
        Names(&[
            "crate::config",
            "crate::domain",
            "crate::ports",
            "crate::service",
            "crate::http",
            "crate::worker",
            "crate::store",
            "crate::broker",
            "crate::blobs",
            "crate::secrets",
            "crate::identity",
            "crate::outbound",
            "crate::peers",
            "crate::mail",
            "crate::terms",
        ]),
        "the appliance opens everything and is called by the command line alone",
    ),
    Rule(
        "crate::telemetry",
        Names(&["crate::config", "crate::outbound"]),
        "the log is set up before anything is open and knows nothing of what it is told",
    ),
    Rule(
        "crate::cli",
        Names(&[
            "crate::domain",
            "crate::service",
            "crate::config",
            "crate::appliance",
            "crate::terms",
            "crate::telemetry",
        ]),
        "the operator's edge opens the installation through the appliance and calls use cases",
    ),
    Rule("crate::main", Names(&["crate::cli", "crate::appliance"]), "the program only says who begins"),
    Rule(
        "crate::lib",
        Names(&[]),
        "the crate's root is a list of modules; a re-export there would hide a dependency",
    ),
    // Adapters: one place chooses them.
    Rule(
        "crate::store::sqlite",
        Kept(&["crate::appliance::wiring"]),
        "only the wiring knows which store it is",
    ),
    Rule(
        "crate::store::mongodb",
        Kept(&["crate::appliance::wiring"]),
        "only the wiring knows which store it is",
    ),
    Rule(
        "crate::store::postgresql",
        Kept(&["crate::appliance::wiring"]),
        "only the wiring knows which store it is",
    ),
    Rule(
        "crate::broker::sqlite",
        Kept(&["crate::appliance::wiring"]),
        "only the wiring knows which broker it is",
    ),
    Rule(
        "crate::broker::redis",
        Kept(&["crate::appliance::wiring"]),
        "only the wiring knows which broker it is",
    ),
    Rule("redis", Kept(&["crate::broker::redis"]), "the words of Redis are spoken in one adapter"),
    Rule("crate::blobs::files", Kept(&["crate::appliance::wiring"]), "only the wiring knows where blobs are"),
    Rule(
        "crate::secrets::local",
        Kept(&["crate::appliance::wiring"]),
        "only the wiring knows which keystore it is",
    ),
    Rule(
        "crate::secrets::vault",
        Kept(&["crate::appliance::wiring"]),
        "only the wiring knows which keystore it is",
    ),
    Rule("vaultrs", Kept(&["crate::secrets::vault"]), "Vault's words are one adapter's business"),
    Rule(
        "crate::identity::builtin",
        Kept(&["crate::appliance::wiring", "crate::http::shared::issuer", "crate::identity"]),
        "only the wiring and the issuer's own pages know the built-in issuer; its port may hand it out",
    ),
    Rule("crate::mail::smtp", Kept(&["crate::appliance::wiring"]), "only the wiring knows how mail leaves"),
    Rule("crate::mail::log", Kept(&["crate::appliance::wiring"]), "only the wiring knows how mail leaves"),
    Rule(
        "crate::mail::nowhere",
        Kept(&["crate::appliance::wiring"]),
        "only the wiring knows how mail leaves",
    ),
    Rule("lettre", Kept(&["crate::mail::smtp"]), "SMTP is spoken in one adapter"),
    Rule(
        "crate::identity::keycloak",
        Kept(&["crate::appliance::wiring"]),
        "only the wiring knows which identity provider it is",
    ),
    Rule(
        "crate::peers::absent",
        Kept(&["crate::appliance::wiring"]),
        "only the wiring knows how other installations are reached",
    ),
    Rule(
        "crate::terms::build",
        Kept(&["crate::terms", "crate::cli::terms"]),
        "term files are built by hand, not while serving",
    ),
    // Foreign crates and keywords, each in its room.
    Rule(
        "rusqlite",
        Kept(&["crate::store::sqlite", "crate::broker::sqlite"]),
        "SQL lives in the embedded adapters",
    ),
    Rule("mongodb", Kept(&["crate::store::mongodb"]), "BSON lives in one adapter"),
    Rule("tokio_postgres", Kept(&["crate::store::postgresql"]), "PostgreSQL is spoken to by one adapter"),
    Rule("deadpool_postgres", Kept(&["crate::store::postgresql"]), "PostgreSQL is spoken to by one adapter"),
    Rule("poem", Kept(&["crate::http", "crate::appliance"]), "the web framework ends at the web edge"),
    Rule(
        "poem_openapi",
        Kept(&["crate::http", "crate::appliance"]),
        "the web framework ends at the web edge",
    ),
    Rule("reqwest", Kept(&["crate::outbound"]), "one client calls other servers, with one set of limits"),
    Rule(
        "openidconnect",
        Kept(&["crate::identity::keycloak"]),
        "the protocol of other identity providers is one adapter's business",
    ),
    Rule("clap", Kept(&["crate::cli", "crate::main"]), "words are parsed at the operator's edge"),
    Rule("indicatif", Kept(&["crate::cli"]), "only a terminal has progress bars"),
    Rule("figment", Kept(&["crate::config"]), "settings are merged in one place"),
    Rule(
        "anyhow",
        Kept(&["crate::main", "crate::cli", "crate::appliance"]),
        "errors below the top are typed",
    ),
    Rule(
        "mimalloc",
        Kept(&["crate::main", "crate::appliance::process"]),
        "the program chooses its allocator",
    ),
    Rule("libmimalloc_sys", Kept(&["crate::appliance::process"]), "the allocator is asked in one file"),
    Rule("rcgen", Kept(&["crate::appliance::tls::make"]), "certificates are made in one file"),
    Rule("memmap2", Kept(&["crate::engine::part"]), "one reader maps files, and checks them first"),
    Rule(
        "unsafe",
        Kept(&["crate::engine::part", "crate::appliance::process"]),
        "memory is mapped in one reader and the allocator asked in one file; nothing else needs it",
    ),
];

/// Files of a port's folder that are part of the trait; every other one is an adapter and needs a `Kept` row.
const TRAIT_FILES: &[&str] = &[
    "crate::broker::bells",
    "crate::broker::limits",
    "crate::store::error",
    "crate::store::kept",
    "crate::store::rooms",
    "crate::secrets::primitives",
    "crate::identity::claims",
];

/// Folders with one trait and several adapters.
const PORTS: &[&str] = &[
    "crate::store",
    "crate::broker",
    "crate::blobs",
    "crate::secrets",
    "crate::identity",
    "crate::mail",
    "crate::peers",
];

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub file: String,
    pub line: usize,
    pub path: String,
    pub rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{} names {}\n    {}", self.file, self.line, self.path, self.rule)
    }
}

/// Checks files, given as their path under `src` and their text.
pub fn violations(files: &BTreeMap<String, String>) -> Vec<Violation> {
    let readings: Vec<(&String, String, Reading)> = files
        .iter()
        .map(|(file, text)| {
            let module = module_of(file);
            let reading = paths::read(&lex::tokens(text), if is_root(file) { "" } else { &module });
            (file, module, reading)
        })
        .collect();
    let test_modules: BTreeSet<String> = readings
        .iter()
        .flat_map(|(_, _, reading)| reading.test_modules.iter().map(|m| format!("crate::{m}")))
        .collect();
    let mut found = Vec::new();
    for (file, module, reading) in &readings {
        let place = format!("crate::{module}");
        if test_modules.iter().any(|test| under(&place, test)) {
            continue;
        }
        let mut seen = BTreeSet::new();
        for (what, named) in unplaced(&place).into_iter().chain(broken(&place, &reading.named)) {
            // A name brought in by `use` is reported where it is brought in, not at each use.
            if seen.insert((what.clone(), named.path.split("::").take(3).collect::<Vec<_>>().join("::"))) {
                found.push(Violation {
                    file: (*file).clone(),
                    line: named.line,
                    path: named.path,
                    rule: what,
                });
            }
        }
    }
    found
}

/// A file that no row speaks of, and an adapter that nothing keeps.
fn unplaced(place: &str) -> Vec<(String, Named)> {
    let mut found = Vec::new();
    let head = |path: &str| Named { path: path.to_owned(), line: 1 };
    if row(place).is_none() {
        found.push((
            "no row says what this place may name: add one to tests/architecture/rules.rs".into(),
            head(place),
        ));
    }
    for port in PORTS.iter().filter(|port| under(place, port) && place != **port) {
        let door = place.strip_prefix(port).and_then(|rest| rest.split("::").nth(1)).unwrap_or_default();
        let adapter = format!("{port}::{door}");
        let kept = RULES.iter().any(|Rule(what, says, _)| *what == adapter && matches!(says, Kept(_)));
        if !kept && !TRAIT_FILES.contains(&adapter.as_str()) {
            found.push(("an adapter without a row that keeps it to the wiring".into(), head(&adapter)));
        }
    }
    found
}

fn broken(place: &str, named: &[Named]) -> Vec<(String, Named)> {
    let mut found = Vec::new();
    for named in named {
        for Rule(what, says, why) in RULES {
            let path = named.path.as_str();
            let broken = match says {
                Names(_) => {
                    row(place).is_some_and(|own| own.0 == *what) && is_module(path) && {
                        let allowed = row(place).map_or(&[][..], |own| own.1);
                        !under(path, what)
                            && !under(path, &home(place))
                            && !allowed.iter().any(|a| under(path, a))
                    }
                }
                Never(paths) => under(place, what) && paths.iter().any(|p| under(path, p)),
                Kept(places) => {
                    under(path, what) && !under(place, what) && !places.iter().any(|p| under(place, p))
                }
            };
            if broken {
                let says = match says {
                    Names(list) => format!("{what} names only [{}]", list.join(", ")),
                    Never(_) => format!("{what} never names this"),
                    Kept(list) => format!("{what} is named only by [{}]", list.join(", ")),
                };
                found.push((format!("{says}: {why}"), named.clone()));
            }
        }
    }
    found
}

/// The `Names` row of the longest place around a module.
fn row(place: &str) -> Option<(&'static str, &'static [&'static str])> {
    let rows = RULES.iter().filter_map(|Rule(what, says, _)| match says {
        Names(list) if under(place, what) => Some((*what, *list)),
        _ => None,
    });
    rows.max_by_key(|(what, _)| what.len())
}

/// The top-level module of a place, when no row of its own narrows it.
fn home(place: &str) -> String {
    row(place).map_or(place, |(what, _)| what).to_owned()
}

/// Whether a path leads to a module some row knows; macros at the crate's root are not modules.
fn is_module(path: &str) -> bool {
    RULES.iter().any(|Rule(what, says, _)| matches!(says, Names(_)) && under(path, what))
}

/// Whether `path` is `of` or something in it.
fn under(path: &str, of: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn is_root(file: &str) -> bool {
    file == "lib.rs" || file == "main.rs"
}

/// `store/sqlite/mod.rs` is `store::sqlite`; the two roots are `lib` and `main`.
fn module_of(file: &str) -> String {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    path.strip_suffix("/mod").unwrap_or(path).replace('/', "::")
}
