//! Phenopackets from upload to answer, over HTTP only; every answer equals that of a naive scan of the raw packets.
//!
//! Where the shared collection is present all its 6,876 packets are used, else a made one.

use std::collections::BTreeMap;
use std::io::Read;

use cv3_backend::terms::TermFile;
use serde_json::{Value, json};

use crate::oracle::{Ask, Family, Filter, Person, Scan, draw, made_packets};
use crate::support::{Client, Dice, Installation, Node, shared, steps};

/// Questions asked of the whole collection.
const QUESTIONS: usize = 200;

/// Packets uploaded one by one.
const SINGLE: usize = 300;

/// File names with their packets, and the archive that holds them.
struct Collection {
    packets: Vec<(String, Value)>,
    name: &'static str,
    archive: Vec<u8>,
    /// What is known of the collection: packets, different `subject.id`s.
    expected: Option<(usize, usize)>,
}

impl Collection {
    fn new() -> Self {
        match shared::data("phenopackets.tar.xz", "200 made packets take their place") {
            Some(path) => {
                let archive = std::fs::read(path).unwrap();
                let packets = unpacked(liblzma::read::XzDecoder::new(archive.as_slice()));
                Self { packets, name: "phenopackets.tar.xz", archive, expected: Some((6_876, 4_828)) }
            }
            None => {
                let packets = made_packets(200);
                let mut tar =
                    tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
                for (name, packet) in &packets {
                    let bytes = packet.to_string().into_bytes();
                    let mut header = tar::Header::new_gnu();
                    header.set_size(bytes.len() as u64);
                    header.set_mode(0o644);
                    tar.append_data(&mut header, format!("made/{name}"), bytes.as_slice()).unwrap();
                }
                let archive = tar.into_inner().unwrap().finish().unwrap();
                Self { packets, name: "made.tar.gz", archive, expected: None }
            }
        }
    }

    fn people(&self, terms: &TermFile, attribute: &str) -> Vec<Person> {
        let mut people: BTreeMap<String, Person> = BTreeMap::new();
        for (_, packet) in &self.packets {
            let id = if attribute.is_empty() { &packet["id"] } else { &packet["subject"]["id"] };
            let person = Person::read(id.as_str().unwrap(), packet, terms);
            match people.get_mut(&person.id) {
                Some(held) => held.absorb(person),
                None => drop(people.insert(person.id.clone(), person)),
            }
        }
        people.into_values().collect()
    }

    fn shared_ids(&self) -> usize {
        let mut seen = std::collections::BTreeSet::new();
        self.packets.iter().filter(|(_, packet)| !seen.insert(packet["subject"]["id"].to_string())).count()
    }
}

fn unpacked(tar: impl Read) -> Vec<(String, Value)> {
    let mut packets = Vec::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".json") {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            packets.push((name, serde_json::from_str(&text).unwrap()));
        }
    }
    packets
}

/// A node with the collection in one source, named by `attribute`.
struct Loaded {
    node: Node,
    client: Client,
    source: String,
    file: Value,
}

async fn load(
    collection: &Collection,
    installation: &Installation,
    attribute: &str,
    people: usize,
) -> Loaded {
    let node = installation.serve().start().await;
    let client = node.client("ada").await;
    let source = steps::source(&client, "packets").await;
    let pipeline = steps::file_pipeline(&client, attribute).await;
    // Out of order, and one of them twice.
    let id =
        steps::upload_in(&client, &source, collection.name, &collection.archive, &[3, 1, 5, 3, 2, 4]).await;
    let file = steps::read_in(&client, &source, &pipeline, &[id]).await.remove(0);
    steps::indexed(&client, &source, people).await;
    steps::grant(&client, "detailedList", &[&client.user_id], &[&source]).await;
    Loaded { node, client, source, file }
}

/// The number in brackets of the warning that speaks of something.
fn counted(file: &Value, about: &str) -> Option<usize> {
    let warnings = file["warnings"].as_array()?.iter().filter_map(Value::as_str);
    let warning = warnings.into_iter().find(|warning| warning.contains(about))?;
    let (_, rest) = warning.split_once(" (")?;
    rest.split(')').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_equals_that_of_a_naive_scan() {
    let collection = Collection::new();
    let terms = TermFile::embedded().unwrap();
    let people = collection.people(&terms, "");
    let scan = Scan::new(&people, &terms);
    let installation = Installation::new();
    let Loaded { node, client, source, file } = load(&collection, &installation, "", people.len()).await;
    if let Some((packets, _)) = collection.expected {
        assert_eq!(people.len(), packets);
    }
    assert_eq!(counted(&file, "share their subject.id"), Some(collection.shared_ids()), "{file}");

    let mut dice = Dice::seeded("questions", 7);
    let (mut mismatches, mut matched, mut excluded) = (Vec::new(), 0, (0, 0));
    for number in 0..QUESTIONS {
        let ask = draw(&mut dice, &people, &terms, Family::ALL[number % Family::ALL.len()]);
        let answer = steps::ask_one(&client, &source, &ask.builder("list")).await;
        let (found, expected) = (steps::ids(&answer), scan.answer(&ask));
        matched += usize::from(!expected.is_empty());
        assert_eq!(answer["recordCount"], found.len(), "{answer}");
        if found != expected {
            mismatches.push(describe(&ask, &found, &expected));
        }
    }
    for (term, holders) in scan.excluding().into_iter().take(50) {
        let ask = Ask { filters: vec![Filter::exactly(term)], required: vec![Family::Hpo] };
        let answer = steps::ask_one(&client, &source, &ask.builder("list")).await;
        let found = steps::ids(&answer);
        let wrong =
            people.iter().filter(|p| p.hpo.get(term) == Some(&false) && found.contains(&p.id)).count();
        excluded = (excluded.0 + wrong, excluded.1 + holders);
    }
    println!(
        "subjects {}, queries {QUESTIONS} of which {matched} match somebody, mismatches {}; excluded features that \
         match {} of {}",
        people.len(),
        mismatches.len(),
        excluded.0,
        excluded.1
    );
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
    assert_eq!(excluded.0, 0, "an excluded feature is not present");
    assert!(excluded.1 > 0 && matched * 3 > QUESTIONS, "the questions hit too little to show anything");

    levels(&client, &source, &scan).await;
    single_files(&collection, &client, &terms).await;
    node.stop().await;
}

fn describe(ask: &Ask, found: &[String], expected: &[String]) -> String {
    let extra: Vec<&String> = found.iter().filter(|id| !expected.contains(id)).take(3).collect();
    let missing: Vec<&String> = expected.iter().filter(|id| !found.contains(id)).take(3).collect();
    let counts = format!("answered {}, expected {}", found.len(), expected.len());
    format!("{ask:?}: {counts}; too many {extra:?}, too few {missing:?}")
}

/// Each level shows what it may and nothing of the next one.
async fn levels(client: &Client, source: &str, scan: &Scan<'_>) {
    let ask = Ask { filters: vec![Filter::exactly("0001250")], required: Vec::new() };
    let expected = scan.answer(&ask);
    for level in ["boolean", "range", "count", "list", "detailedList"] {
        let answer = steps::ask_one(client, source, &ask.builder(level)).await;
        assert_eq!(answer["exist"], !expected.is_empty(), "{level}: {answer}");
        let shows_count = ["count", "list", "detailedList"].contains(&level);
        assert_eq!(
            answer["recordCount"].as_u64(),
            shows_count.then_some(expected.len() as u64),
            "{level}: {answer}"
        );
        assert_eq!(answer["recordRange"].is_object(), level == "range", "{level}: {answer}");
        assert_eq!(answer["resultDetails"].is_object(), level.ends_with("ist"), "{level}: {answer}");
        if let Some(first) = answer["resultDetails"]["subjects"].get(0) {
            assert_eq!(first.as_object().unwrap().len() > 1, level == "detailedList", "{level}: {first}");
            let hidden = first.as_object().unwrap().keys().filter(|field| field.starts_with('_')).count();
            assert_eq!(hidden, 0, "{first}");
        }
    }
}

/// The same packets as single files in a source of their own give the same answers.
async fn single_files(collection: &Collection, client: &Client, terms: &TermFile) {
    let some: Vec<&(String, Value)> = collection.packets.iter().take(SINGLE).collect();
    let source = steps::source(client, "single files").await;
    let pipeline = steps::file_pipeline(client, "").await;
    let mut files = Vec::new();
    for (name, packet) in &some {
        files.push(steps::upload(client, &source, name, packet.to_string().into_bytes()).await);
    }
    steps::read_in(client, &source, &pipeline, &files).await;
    steps::indexed(client, &source, some.len()).await;
    steps::grant(client, "list", &[&client.user_id], &[&source]).await;
    let people: Vec<Person> =
        some.iter().map(|(_, packet)| Person::read(packet["id"].as_str().unwrap(), packet, terms)).collect();
    let scan = Scan::new(&people, terms);
    let mut dice = Dice::seeded("questions on single files", 11);
    for number in 0..20 {
        let ask = draw(&mut dice, &people, terms, Family::ALL[number % Family::ALL.len()]);
        let found = steps::ids(&steps::ask_one(client, &source, &ask.builder("list")).await);
        let expected = scan.answer(&ask);
        assert!(found == expected, "{}", describe(&ask, &found, &expected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_of_one_person_are_merged_where_the_pipeline_says_so() {
    let collection = Collection::new();
    let terms = TermFile::embedded().unwrap();
    let people = collection.people(&terms, "subject.id");
    let installation = Installation::new();
    let Loaded { node, client, source, .. } =
        load(&collection, &installation, "subject.id", people.len()).await;
    if let Some((_, persons)) = collection.expected {
        assert_eq!(people.len(), persons);
    }
    let everyone = steps::ask_one(&client, &source, &json!({"advanced": {"granularity": "list"}})).await;
    assert_eq!(everyone["recordCount"], people.len());
    let scan = Scan::new(&people, &terms);
    let mut dice = Dice::seeded("questions on merged packets", 13);
    // What does not depend on the order of the packets.
    let families = [Family::Hpo, Family::Hpo, Family::Variant, Family::Ordo];
    let mut mismatches = Vec::new();
    for number in 0..40 {
        let mut ask = draw(&mut dice, &people, &terms, families[number % families.len()]);
        ask.filters.truncate(1);
        if let Some(Filter::Variant { max_af, .. }) = ask.filters.first_mut() {
            *max_af = 1.0;
        }
        let found = steps::ids(&steps::ask_one(&client, &source, &ask.builder("list")).await);
        let expected = scan.answer(&ask);
        if found != expected {
            mismatches.push(describe(&ask, &found, &expected));
        }
    }
    println!("merged subjects {}, queries 40, mismatches {}", people.len(), mismatches.len());
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
    node.stop().await;
}
