//! What was acknowledged survives `kill -9`, and a source is never half changed.
//!
//! The test starts this binary again as a writer that prints one line for each acknowledged write, and kills it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use cv3_backend::domain::filter::Filter;
use cv3_backend::domain::sources::Manifest;
use cv3_backend::store::{Change, Room, Store};
use serde_json::json;

use crate::Engine;
use crate::sqlite::Folder;
use crate::suite::{all, manifest, source, subject};

const FOLDER: &str = "CV3_TEST_KILL_FOLDER";
const ROUNDS: u64 = 12;
const SUBJECTS: u64 = 400;

/// What change `n` does to each subject: upserts most, deletes some.
fn change(n: u64) -> Vec<Change> {
    (0..SUBJECTS)
        .filter(|i| !(i + n).is_multiple_of(3))
        .map(|i| {
            let id = format!("{i:04}");
            if (i * n).is_multiple_of(11) { Change::Delete(id) } else { Change::Upsert(subject(&id, n)) }
        })
        .collect()
}

/// The subjects of a version, from the changes alone.
fn expected(version: u64) -> Vec<(String, String)> {
    let mut there = BTreeMap::new();
    for n in 1..=version {
        for change in change(n) {
            match change {
                Change::Upsert(subject) => there.insert(subject.subject_id, n.to_string()),
                Change::Delete(id) => there.remove(&id),
            };
        }
    }
    there.into_iter().collect()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

async fn write_documents(store: &dyn Store, room: Room, start: usize) {
    for i in start.. {
        let id = format!("{i}");
        store.documents().insert(room, &id, &json!({"i": i, "filler": "x".repeat(i % 3_000)})).await.unwrap();
        say(&format!("document {} {id}", room.collection()));
    }
}

async fn write_subjects(store: &dyn Store) {
    let (subjects, s) = (store.subjects(), source("s"));
    loop {
        let before = subjects.manifest(&s).await.unwrap().unwrap_or_else(|| manifest(&s, 0));
        let n = before.data_version + 1;
        subjects.discard(&s, n).await.unwrap();
        for part in change(n).chunks(100) {
            subjects.stage(&s, n, part.to_vec()).await.unwrap();
        }
        subjects.commit(n - 1, &Manifest { data_version: n, ..before }).await.unwrap();
        say(&format!("version {n}"));
        if n.is_multiple_of(2) {
            subjects.fold(&s, n).await.unwrap();
            say(&format!("folded {n}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the writer that the test below starts and kills; alone it does nothing"]
async fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = cv3_backend::store::sqlite::SqliteStore::open(&PathBuf::from(folder)).unwrap();
    let mut counts = Vec::new();
    for room in [Room::Users, Room::Queries] {
        counts.push(store.documents().count(room, &Filter::all()).await.unwrap() as usize);
    }
    tokio::join!(
        write_documents(&store, Room::Users, counts[0]),
        write_documents(&store, Room::Queries, counts[1]),
        write_subjects(&store),
    );
}

#[tokio::test]
async fn everything_acknowledged_survives_being_killed() {
    let folder = Folder::new();
    let mut documents = BTreeSet::new();
    let (mut version, mut folded) = (0, 0);
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "kill::writer", "--nocapture"])
            .env(FOLDER, folder.file().parent().unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut heard = Vec::new();
        // Killed after a number of acknowledgements and a fraction of a millisecond that differ from round to round.
        let wanted = 1 + (round * 7919) % 600;
        heard.extend(lines.by_ref().filter(|line| !line.is_empty()).take(usize::try_from(wanted).unwrap()));
        std::thread::sleep(Duration::from_micros((round * 977) % 3_000));
        child.kill().unwrap();
        child.wait().unwrap();
        heard.extend(lines);
        for line in &heard {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["document", room, id] => {
                    documents.insert((room.to_owned(), id.to_owned()));
                }
                ["version", n] => version = version.max(n.parse().unwrap()),
                ["folded", n] => folded = folded.max(n.parse().unwrap()),
                _ => {}
            }
        }
        let store = folder.open().unwrap();
        for (collection, id) in &documents {
            let room = if collection == Room::Users.collection() { Room::Users } else { Room::Queries };
            let found = store.documents().get(room, id).await.unwrap();
            assert!(found.is_some(), "{collection} {id} was acknowledged and is gone");
        }
        let s = source("s");
        if let Some(kept) = store.subjects().manifest(&s).await.unwrap() {
            assert!(kept.data_version >= version && kept.folded >= folded);
            assert!(all(&*store, &s, kept.data_version, 150).await == expected(kept.data_version));
        } else {
            assert_eq!(version, 0);
        }
    }
    assert!(
        version > 2 && folded > 0 && documents.len() > 200,
        "the writer was killed too early to show anything"
    );
}
