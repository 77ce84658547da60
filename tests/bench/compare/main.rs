//! Asks the same ten questions of the record query engine and of what one would use instead; `docs/benchmarks.md`
//! says how.
//!
//! `cargo bench --bench compare -- 100000 1000000`. The peers are small programs in `peers/`, one each, that are given
//! the cohort and the questions as files; `setup` installs what they need. An engine that counts differently fails the
//! run. To add a peer: its program, a line in `PEERS`. To add a question: its draw in `questions.rs`.

#[expect(dead_code, reason = "the other benchmark uses the rest")]
#[path = "../appliance/cohort.rs"]
mod cohort;
#[path = "../appliance/dice.rs"]
mod dice;
#[expect(dead_code, reason = "the other benchmark uses the rest")]
#[path = "../appliance/machine.rs"]
mod machine;
mod ours;
#[expect(dead_code, reason = "the other benchmark uses the rest")]
#[path = "../appliance/packets.rs"]
mod packets;
mod page;
mod peers;
mod people;
mod plot;
mod questions;
#[path = "../appliance/reading.rs"]
mod reading;
mod result;
#[expect(dead_code, reason = "the other benchmark uses the rest")]
#[path = "../appliance/table.rs"]
mod table;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use cv3_backend::terms::TermFile;

use peers::{PEERS, Peer};
use people::Registry;
use result::{Outcome, Run};

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the command line says.
struct Options {
    sizes: Vec<usize>,
    peers: Vec<&'static Peer>,
    /// For each question and peer; at least three draws are timed all the same.
    seconds: f64,
    /// Kept, so that an interrupted run goes on where it was.
    folder: Option<PathBuf>,
    write: bool,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut options = Self { sizes: vec![], peers: vec![], seconds: 3.0, folder: None, write: false };
        while let Some(word) = words.next() {
            match word.as_str() {
                // What cargo adds.
                "--bench" => {}
                "--write" => options.write = true,
                "--seconds" => options.seconds = words.next().context("--seconds needs a number")?.parse()?,
                "--folder" => {
                    let folder = words.next().context("--folder needs a path")?;
                    options.folder = Some(std::path::absolute(folder)?);
                }
                number if number.parse::<usize>().is_ok() => options.sizes.push(number.parse()?),
                name => match PEERS.iter().find(|peer| peer.name == name) {
                    Some(peer) => options.peers.push(peer),
                    None => bail!(
                        "{name} is no peer; there are {}; also numbers of subjects, --seconds, --folder, --write",
                        PEERS.map(|peer| peer.name).join(", ")
                    ),
                },
            }
        }
        if options.sizes.is_empty() {
            options.sizes.push(100_000);
        }
        if options.peers.is_empty() {
            options.peers.extend(&PEERS);
        }
        Ok(options)
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    let machine = machine::describe();
    let load = machine::load();
    println!("{machine}\nload before: {load}");
    let terms = TermFile::embedded()?;
    let registry = Registry::new(&terms)?;
    let temporary = tempfile::tempdir()?;
    let mut runs = Vec::new();
    let mut wrong = Vec::new();
    for size in &options.sizes {
        let started = Instant::now();
        let folder = options.folder.as_deref().unwrap_or(temporary.path()).join(size.to_string());
        let run = run(&registry, &terms, *size, &folder, &options)?;
        println!("\n{}\n{:.0} s in all", run.text(), started.elapsed().as_secs_f64());
        wrong.append(&mut run.differences());
        runs.push(run);
    }
    println!("load after: {}", machine::load());
    ensure!(wrong.is_empty(), "the counts differ:\n  {}", wrong.join("\n  "));
    if options.write {
        page::write(&runs, &machine, &load)?;
    }
    Ok(())
}

/// All engines over one cohort.
fn run(
    registry: &Registry,
    terms: &TermFile,
    size: usize,
    folder: &std::path::Path,
    options: &Options,
) -> anyhow::Result<Run> {
    std::fs::create_dir_all(folder)?;
    peers::open_to_all(folder)?;
    let subjects = folder.join("cohort.jsonl");
    if !subjects.exists() {
        println!("making {size} subjects");
        registry.write(size, &subjects)?;
    }
    let drawn = questions::draw_all(registry);
    let asked = folder.join("questions.json");
    std::fs::write(&asked, questions::spelled_out(&drawn, terms).to_string())?;
    println!("measuring {}", ours::NAME);
    let mut outcomes =
        vec![(ours::NAME, Outcome::Measured(ours::measure(&subjects, &drawn, terms, folder)?))];
    for peer in &options.peers {
        println!("measuring {}", peer.title);
        outcomes.push((peer.title, peer.measure(&subjects, &asked, folder, options.seconds)?));
    }
    let documents = std::fs::metadata(&subjects)?.len();
    Ok(Run { size, documents, outcomes })
}
