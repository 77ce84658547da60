//! The pages: what they mark as run is run here, as it stands there, in a folder that has nothing but what the archive
//! has. Every other block of commands says why it is not.

use std::io::Write as _;

use crate::folder::{Unpacked, done};
use crate::project;

/// What may stand in the line before a block of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mark {
    /// `<!-- run -->`: by this file.
    Run,
    /// `<!-- dist/try -->`, `<!-- ci:test -->`: by the script of that name, or by `.ci/run`.
    Elsewhere(String),
    /// `<!-- not run: reason -->`.
    NotRun(String),
    None,
}

impl Mark {
    fn of(line: &str) -> Self {
        let inside =
            line.trim().strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->")).map(str::trim);
        match inside {
            Some("run") => Self::Run,
            Some(script @ ("dist/try" | "ci:test")) => Self::Elsewhere(script.to_owned()),
            Some(other) => match other.strip_prefix("not run:").map(str::trim) {
                Some(reason) if !reason.is_empty() => Self::NotRun(reason.to_owned()),
                _ => Self::None,
            },
            None => Self::None,
        }
    }
}

/// A fenced block.
struct Block {
    page: String,
    line: usize,
    language: String,
    mark: Mark,
    text: String,
}

impl Block {
    /// Whether it is for a shell; one without a language may be anything.
    fn is_shell(&self) -> bool {
        matches!(self.language.as_str(), "sh" | "bash" | "shell" | "console" | "")
    }

    /// Lines that begin a command.
    fn commands(&self) -> usize {
        let mut continued = false;
        let mut document: Option<String> = None;
        let mut count = 0;
        for line in self.text.lines() {
            if let Some(end) = &document {
                if line == end {
                    document = None;
                }
                continue;
            }
            let starts = !continued && !line.trim().is_empty() && !line.trim_start().starts_with('#');
            count += usize::from(starts);
            continued = line.ends_with('\\');
            document = line.split_once("<<'").and_then(|(_, rest)| Some(rest.split_once('\'')?.0.to_owned()));
        }
        count
    }
}

/// The fenced blocks of a text.
fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = (1..).zip(text.lines());
    let mut before = "";
    while let Some((line, at)) = lines.next() {
        let Some(language) = at.trim_start().strip_prefix("```") else {
            before = at;
            continue;
        };
        let inside =
            lines.by_ref().map(|(_, line)| line).take_while(|line| !line.trim_start().starts_with("```"));
        let text = inside.collect::<Vec<_>>().join("\n");
        let (page, language) = (page.to_owned(), language.trim().to_owned());
        found.push(Block { page, line, language, mark: Mark::of(before), text });
        before = "";
    }
    found
}

/// Every page of the project.
fn pages() -> Vec<String> {
    let names = |folder: &str| -> Vec<String> {
        let files = std::fs::read_dir(project(folder)).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let pages = names.filter(|name| name.ends_with(".md"));
        pages.map(|name| if folder == "." { name } else { format!("{folder}/{name}") }).collect()
    };
    let mut all = [names("."), names("docs")].concat();
    all.sort();
    assert!(all.len() > 10, "{all:?}");
    all
}

fn of_page(page: &str) -> Vec<Block> {
    blocks(page, &std::fs::read_to_string(project(page)).unwrap())
}

/// What a page supposes to be there.
fn prepare(page: &str, unpacked: &Unpacked) {
    if page == "README.md" {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        {
            let mut archive = tar::Builder::new(&mut packed);
            for (n, term) in ["HP:0001250", "HP:0001250", "HP:0000518"].into_iter().enumerate() {
                let packet = format!(
                    r#"{{"id": "packet-{n}", "subject": {{"id": "patient-{n}", "sex": "FEMALE"}},
                    "phenotypicFeatures": [{{"type": {{"id": "{term}", "label": "a term"}}}}],
                    "metaData": {{"created": "2026-01-01T00:00:00Z", "createdBy": "a test",
                    "phenopacketSchemaVersion": "2.0", "resources": []}}}}"#
                );
                let mut header = tar::Header::new_gnu();
                header.set_size(packet.len() as u64);
                header.set_mode(0o644);
                archive.append_data(&mut header, format!("{n}.json"), packet.as_bytes()).unwrap();
            }
            archive.finish().unwrap();
        }
        std::fs::write(unpacked.top().join("cohort.tar.gz"), packed.finish().unwrap()).unwrap();
        let table = "patient,phenotypes,sex,bmi\nA,HP:0001250;HP:0001263,female,21.5\nB,HP:0001250,male,30\n";
        std::fs::write(unpacked.top().join("table.csv"), table).unwrap();
    }
}

/// Runs the blocks of a page one after the other in one shell, in the unpacked folder; only the ports are others.
fn run(page: &str) {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl");
        return;
    }
    let blocks: Vec<Block> = of_page(page).into_iter().filter(|block| block.mark == Mark::Run).collect();
    assert!(!blocks.is_empty(), "{page} has no block after <!-- run -->");
    let unpacked = Unpacked::new();
    prepare(page, &unpacked);
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text: Vec<&str> = blocks.iter().map(|block| block.text.as_str()).collect();
    let script = text
        .join("\n")
        .replace("127.0.0.1:5080", &format!("127.0.0.1:{}", unpacked.port))
        .replace("127.0.0.1:5081", &format!("127.0.0.1:{other}"));
    // What the page leaves running in the background ends with it, whatever was found.
    let script = format!("trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n{script}");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = unpacked.command("bash");
    shell.env("PATH", format!("{}:{path}", unpacked.top().display()));
    done(shell.args(["-euxo", "pipefail", "-c", &script]).env("NO_PROXY", "*"));
    let commands: usize = blocks.iter().map(Block::commands).sum();
    println!("{page}: {commands} commands of {} blocks were run", blocks.len());
}

#[test]
fn what_the_readme_says_is_what_happens() {
    run("README.md");
}

#[test]
fn what_the_page_on_the_front_door_says_is_what_happens() {
    run("docs/front-door.md");
}

#[test]
fn what_the_page_on_installing_says_is_what_happens() {
    run("docs/install.md");
}

#[test]
fn what_the_page_on_operations_says_is_what_happens() {
    run("docs/operations.md");
}

/// The pages with a test above.
const RUN: [&str; 4] = ["README.md", "docs/front-door.md", "docs/install.md", "docs/operations.md"];

#[test]
fn every_command_of_every_page_is_run_or_says_why_it_is_not() {
    let mut out = std::io::stdout().lock();
    let (mut run, mut commands, mut elsewhere, mut not) = (0, 0, 0, 0);
    let mut unmarked = Vec::new();
    for block in pages().iter().flat_map(|page| of_page(page)).filter(Block::is_shell) {
        let place = format!("{}:{}", block.page, block.line);
        match &block.mark {
            Mark::Run => {
                assert!(RUN.contains(&block.page.as_str()), "{place}: no test runs the blocks of this page");
                run += 1;
                commands += block.commands();
            }
            Mark::Elsewhere(by) => {
                writeln!(out, "{place}: run by {by}").unwrap();
                elsewhere += 1;
            }
            Mark::NotRun(reason) => {
                writeln!(out, "{place}: not run, {reason}").unwrap();
                not += 1;
            }
            Mark::None => unmarked.push(place),
        }
    }
    writeln!(out, "{run} blocks with {commands} commands are run here, {elsewhere} elsewhere, {not} are not")
        .unwrap();
    assert!(
        unmarked.is_empty(),
        "put <!-- run --> or <!-- not run: why --> into the line before these blocks, or name their language \
         if they are none for a shell: {unmarked:?}"
    );
    assert!(
        run >= 15 && commands >= 60,
        "{run} blocks, {commands} commands: the marks are not found any more"
    );
}

#[test]
fn every_configuration_of_the_pages_can_be_used() {
    let unpacked = Unpacked::new();
    let mut checked = 0;
    for block in pages().iter().flat_map(|page| of_page(page)).filter(|block| block.language == "json") {
        let file = unpacked.beside().join("shown.json");
        std::fs::write(&file, &block.text).unwrap();
        let mut tool = unpacked.command(unpacked.top().join("cv3-backend"));
        // The address is that of the page's.
        tool.args(["config", "check", "--config"]).arg(&file).env_remove("CV3_APPLIANCE__LISTEN");
        let output = tool.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}:{}: {said}{error}", block.page, block.line);
        checked += 1;
    }
    println!("{checked} configurations of the pages were checked");
    assert!(checked >= 5, "{checked}");
}

#[test]
fn blocks_are_found_with_their_marks() {
    let text = "<!-- run -->\n```sh\na\nb \\\n  c\n# d\n```\n\n<!-- not run: needs root -->\n```sh\ne\n```\n```json\n{}\n```\n\
                <!-- not run: -->\n```\nf\n```\n<!-- run -->\n\n```sh\ncat >g <<'END'\nh\nEND\ni\n```\n";
    let found = blocks("page", text);
    let marks: Vec<(&Mark, bool, usize)> =
        found.iter().map(|block| (&block.mark, block.is_shell(), block.commands())).collect();
    let not = Mark::NotRun("needs root".into());
    assert_eq!(
        marks,
        [
            (&Mark::Run, true, 2),
            (&not, true, 1),
            (&Mark::None, false, 1),
            (&Mark::None, true, 1),
            (&Mark::None, true, 2)
        ]
    );
}
