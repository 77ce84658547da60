//! The floors of the crate, kept: reads which paths every source file names and fails on an upward or sideways one.
//!
//! One crate has no layers that the compiler keeps. The rules and their reasons are the table in
//! `architecture/rules.rs`; `docs/architecture.md` tells the same as prose. `CV3_ARCHITECTURE_ROOT` checks another tree.

#[path = "architecture/lex.rs"]
mod lex;
#[path = "architecture/paths.rs"]
mod paths;
#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/words.rs"]
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rules::violations;

/// Files larger than this are data.
const MOST_BYTES: u64 = 1 << 20;

fn root() -> PathBuf {
    std::env::var_os("CV3_ARCHITECTURE_ROOT").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// Every text file below a folder with its path relative to `base`, without what the project does not keep.
fn texts(base: &Path, folder: &Path, found: &mut BTreeMap<String, String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let name = entry.file_name();
        if kind.is_dir() {
            if !matches!(name.to_str(), Some(".git" | "target" | "cv3-data")) {
                texts(base, &path, found)?;
            }
        } else if kind.is_file()
            && name != ".git"
            && name != "Cargo.lock"
            && entry.metadata()?.len() <= MOST_BYTES
        {
            // What is not UTF-8 is not text.
            if let Ok(text) = String::from_utf8(fs::read(&path)?) {
                let relative = path.strip_prefix(base).unwrap_or(&path);
                found.insert(relative.to_string_lossy().replace('\\', "/"), text);
            }
        }
    }
    Ok(())
}

#[test]
fn no_file_names_what_is_above_or_beside_it() {
    let base = root().join("src");
    let mut files = BTreeMap::new();
    texts(&base, &base, &mut files).expect("the source tree is readable");
    files.retain(|file, _| file.ends_with(".rs"));
    assert!(files.len() > 10, "the source tree is there");
    let broken: Vec<String> = violations(&files).iter().map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{} broken rules:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn no_file_mentions_one_machine_or_an_issue_number() {
    let base = root();
    let mut files = BTreeMap::new();
    texts(&base, &base, &mut files).expect("the project is readable");
    let mut found = Vec::new();
    for (file, text) in &files {
        found.extend(
            words::mentions(text).into_iter().map(|(line, what)| format!("{file}:{line} has {what}")),
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What the rules say to one file that stands alone in the tree.
fn verdict(file: &str, source: &str) -> Vec<String> {
    let files = BTreeMap::from([(file.to_owned(), source.to_owned())]);
    violations(&files).into_iter().map(|v| format!("{}:{}", v.line, v.path)).collect()
}

#[rstest::rstest]
#[case::upward("service/sources.rs", "\nuse crate::http::gate::User;", "2:crate::http::gate::User")]
#[case::between_edges("http/admin/mod.rs", "use crate::worker::work;", "1:crate::worker::work")]
#[case::edge_to_port("http/query/mod.rs", "use crate::store::Store;", "1:crate::store::Store")]
#[case::domain_to_terms("domain/ids.rs", "fn f(t: &dyn crate::terms::Terms) {}", "1:crate::terms::Terms")]
#[case::in_a_group("engine/plan.rs", "use crate::{domain::ids, store::{self, Room}};", "1:crate::store")]
#[case::by_super("ingest/csv.rs", "use super::super::service::Failure;", "1:crate::service::Failure")]
#[case::by_super_in_an_inline_module(
    "terms/a.rs",
    "mod b { use super::super::super::ports::Ports; }",
    "1:crate::ports::Ports"
)]
#[case::after_an_inline_module(
    "terms/a.rs",
    "mod b { fn c() {} }\nuse super::super::ports::Ports;",
    "2:crate::ports::Ports"
)]
#[case::adapter(
    "service/mod.rs",
    "use crate::store::sqlite::SqliteStore;",
    "1:crate::store::sqlite::SqliteStore"
)]
#[case::adapter_by_its_alias(
    "service/mod.rs",
    "use crate::store as s;\nfn f() -> s::sqlite::X {}",
    "2:crate::store::sqlite::X"
)]
#[case::adapter_let_out_by_its_port(
    "store/mod.rs",
    "pub mod sqlite;\npub use sqlite::SqliteStore;",
    "2:crate::store::sqlite::SqliteStore"
)]
#[case::adapter_to_port("secrets/local/mod.rs", "use crate::store::Store;", "1:crate::store::Store")]
#[case::adapter_nobody_keeps("store/elsewhere/mod.rs", "", "1:crate::store::elsewhere")]
#[case::pure_floor_waits(
    "engine/execute.rs",
    "async fn f() { tokio::task::yield_now().await }",
    "1:tokio::task::yield_now"
)]
#[case::pure_floor_by_attribute(
    "ingest/csv.rs",
    "#[async_trait::async_trait] trait T {}",
    "1:async_trait::async_trait"
)]
#[case::sql_outside_its_adapter("broker/mod.rs", "use rusqlite::Connection;", "1:rusqlite::Connection")]
#[case::web_in_a_use_case("service/views.rs", "use poem::Response;", "1:poem::Response")]
#[case::configuration_in_a_use_case(
    "service/mod.rs",
    "use crate::config::Loaded;",
    "1:crate::config::Loaded"
)]
#[case::command_line_named_from_below("appliance/mod.rs", "use crate::cli::Common;", "1:crate::cli::Common")]
#[case::unsafe_elsewhere("service/views.rs", "fn f() {\n unsafe { g() } }", "2:unsafe")]
#[case::the_library_as_the_program_sees_it(
    "main.rs",
    "use cv3_backend::store::Store;",
    "1:crate::store::Store"
)]
#[case::re_export_at_the_root("lib.rs", "pub mod store;\npub use store::Store;", "2:crate::store::Store")]
#[case::folder_without_a_row("weather/mod.rs", "", "1:crate::weather")]
#[case::after_a_raw_string(
    "domain/a.rs",
    "const A: &str = r#\"\" // \"#; use crate::store::Room;",
    "1:crate::store::Room"
)]
#[case::after_quotes(
    "domain/a.rs",
    "fn f<'a>(c: &'a str) { ('\"', '\\'', b'/'); } use crate::store::Room;",
    "1:crate::store::Room"
)]
#[case::after_a_test_module(
    "domain/a.rs",
    "#[cfg(test)] mod t { fn f() {} }\nuse crate::store::Room;",
    "2:crate::store::Room"
)]
fn a_bad_file_is_found(#[case] file: &str, #[case] source: &str, #[case] expected: &str) {
    let found = verdict(file, source);
    assert!(found.iter().any(|v| v == expected), "{expected} is not among {found:?}");
}

#[rstest::rstest]
#[case::downward(
    "service/sources.rs",
    "use crate::{domain::sources::Source, store::Room, engine::plan::Plan};"
)]
#[case::own_folder(
    "http/admin/mod.rs",
    "use super::body::Doc; use crate::http::gate::User; use self::sources::X;"
)]
#[case::own_port("store/sqlite/mod.rs", "use super::{Store, StoreError}; use rusqlite::Connection;")]
#[case::wiring(
    "appliance/wiring.rs",
    "use crate::store::sqlite::SqliteStore; use crate::identity::builtin::Issuer;"
)]
#[case::mapped_part("engine/part/read.rs", "fn f() { unsafe { memmap2::Mmap::map(&file) } }")]
#[case::comment(
    "domain/a.rs",
    "//! see crate::store::Room\n/* use poem::Route; /* nested */ unsafe */ // crate::http::x"
)]
#[case::text(
    "domain/a.rs",
    "const A: &str = \"use crate::http::gate; \\\" unsafe\"; const B: &str = r\"crate::store::x\";"
)]
#[case::test_module(
    "domain/a.rs",
    "#[cfg(test)]\n#[expect(dead_code)]\nmod tests { use crate::store::Room; fn f() { { } } }"
)]
#[case::test_import("domain/a.rs", "#[cfg(test)] use crate::store::{Room, Store};\nfn f() {}")]
#[case::test_field("domain/a.rs", "struct A { #[cfg(test)] room: crate::store::Room, b: u8 }")]
#[case::module_named_like_a_crate("config/mod.rs", "pub mod redis; pub mod clap; fn f(r: clap::Redis) {}")]
#[case::method_or_local("service/a.rs", "fn f(poem: u8) { x.poem(); poem + 1; y.rusqlite::<u8>(); }")]
#[case::macro_at_the_root("http/query/a.rs", "use crate::shapes; shapes! { a }")]
fn a_good_file_is_left_alone(#[case] file: &str, #[case] source: &str) {
    assert_eq!(verdict(file, source), Vec::<String>::new());
}

#[test]
fn a_test_module_in_its_own_file_is_left_alone_and_its_neighbour_is_not() {
    let bad = "use crate::store::Room;".to_owned();
    let files = BTreeMap::from([
        ("domain/a.rs".to_owned(), "#[cfg(test)] mod tests; mod other;".to_owned()),
        ("domain/a/tests.rs".to_owned(), bad.clone()),
        ("domain/a/tests/deeper.rs".to_owned(), bad.clone()),
        ("domain/a/other.rs".to_owned(), bad),
    ]);
    let found: Vec<String> = violations(&files).into_iter().map(|v| v.file).collect();
    assert_eq!(found, ["domain/a/other.rs"]);
}

#[test]
fn a_violation_says_file_line_path_rule_and_reason() {
    let files = BTreeMap::from([("service/a.rs".to_owned(), "\n\nuse crate::http::X;".to_owned())]);
    let said = violations(&files).first().map(ToString::to_string).unwrap_or_default();
    for part in ["src/service/a.rs:3", "crate::http::X", "crate::service names only", "never calls one"] {
        assert!(said.contains(part), "{part:?} is missing in {said:?}");
    }
}

#[rstest::rstest]
#[case("see ", "issue ", "12 for why", true)]
#[case("fixed ", "(#", "7)", true)]
#[case("https://host/project/", "issues/", "7", true)]
#[case("colour ", "(#", "333)", true)]
#[case("colour ", "(#", "0f0f0f)", false)]
#[case("the ", "issue ", "of tokens", false)]
#[case("tissue ", "12 ", "of them", false)]
#[case("cargo run --manifest-path ", "/home", "/someone/Cargo.toml", true)]
#[case("\"", "/root", "/.cargo\"", true)]
#[case("data in ", "/home", "/data or another file system", false)]
#[case("docs", "/work", "/notes.md", false)]
#[case("unit: ", "/root", " is hidden", false)]
fn mentions_are_told_from_words(
    #[case] before: &str,
    #[case] what: &str,
    #[case] after: &str,
    #[case] bad: bool,
) {
    // Put together here, so that this file does not mention what it looks for.
    assert_eq!(!words::mentions(&format!("{before}{what}{after}")).is_empty(), bad);
}
