//! A term file built from official files and asked over HTTP: what people match by Orphanet, HPO, OMIM and Reactome
//! equals what plain loops over the same files find.
//!
//! Where the shared Orphanet and Reactome files are present they are used with the embedded HPO; made files of the
//! same forms are used in any case, with an HPO of their own.
//! Lives here: the course of a node. `relations.rs` reads the files, `people.rs` makes people and looks through
//! them, `made.rs` holds the made files.

mod made;
mod people;
mod relations;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use reqwest::Method;
use serde_json::Value;

use crate::support::client::Reply;
use crate::support::{Client, Dice, Installation, eventually, shared, steps};
use people::{PathwaysAsked, Person, Pool, TermsAsked};
use relations::{Ontology, Relations};

/// Files for `terms build`, what they say, and people described with it.
struct World {
    inputs: Vec<(&'static str, String)>,
    relations: Relations,
    pool: Pool,
    /// Whether the whole HPO is known here, so that similarities and links of terms nobody has can be worked out.
    whole_hpo: bool,
    /// Terms of an ontology that are asked for.
    most: usize,
}

/// Writes the made files into a folder.
fn made(folder: &Path) -> World {
    let orphanet = folder.join("orphanet");
    std::fs::create_dir(&orphanet).unwrap();
    let write = |folder: &Path, name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    write(&orphanet, "ordo_terms.tsv", made::ORDO_TERMS);
    write(&orphanet, "ordo_edges.tsv", made::ORDO_EDGES);
    write(&orphanet, "hoom.tsv", made::HOOM);
    write(&orphanet, "ordo_omim.tsv", made::OMIM);
    write(&orphanet, "ordo_genes.tsv", made::GENES);
    let (obo, genes) = (made::obo(), made::genes_to_phenotype());
    let inputs = vec![
        ("--hp-obo", write(folder, "hp.obo", &obo)),
        ("--genes-to-phenotype", write(folder, "genes_to_phenotype.txt", &genes)),
        ("--orphanet", orphanet.to_str().unwrap().to_owned()),
        ("--reactome", write(folder, "ReactomePathways.gmt", made::GMT)),
    ];
    let mut relations = Relations::default();
    relations.read_hpo(&obo, &genes);
    relations.read_orphanet(made::ORDO_TERMS, made::ORDO_EDGES, made::HOOM, made::OMIM);
    relations.read_reactome(made::GMT);
    // A prefix counts however it is written.
    let omim = ["OMIM:990011", "omim:990012", "OMIM:990021", "OMIM:999999"].map(str::to_owned);
    let pool = Pool {
        hpo: relations.hpo.keys().cloned().collect(),
        diseases: relations.ordo.keys().map(|code| format!("ORPHA:{code}")).chain(omim).collect(),
        genes: (1..6).map(|number| format!("MADE{number}")).collect(),
    };
    World { inputs, relations, pool, whole_hpo: true, most: usize::MAX }
}

/// Edges of HPO 2025-01-16 above the terms that people of the real world have.
const HPO_EDGES: [(&str, &str); 10] = [
    ("0002197", "0001250"),
    ("0007359", "0001250"),
    ("0001250", "0012638"),
    ("0001263", "0012758"),
    ("0012758", "0012759"),
    ("0012759", "0012638"),
    ("0001251", "0011443"),
    ("0011443", "0012638"),
    ("0001166", "0100807"),
    ("0012638", "0000707"),
];

/// The shared Orphanet and Reactome files, where both are present.
fn real() -> Option<World> {
    let instead = "the made term files alone are asked";
    let orphanet = shared::data("orphanet-2025-12.tar.xz", instead)?;
    let reactome = shared::data("reactome-pathways-2024-09-18.gmt.xz", instead)?;
    let unpacked = |path: &Path| {
        let mut bytes = Vec::new();
        liblzma::read::XzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
        bytes
    };
    let mut tables = std::collections::BTreeMap::new();
    for entry in tar::Archive::new(unpacked(&orphanet).as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        tables.insert(name, text);
    }
    let mut relations = Relations::default();
    for (child, parent) in HPO_EDGES {
        relations.hpo.entry(child.into()).or_default().push(parent.into());
        relations.hpo.entry(parent.into()).or_default();
    }
    let names = ["ordo_terms.tsv", "ordo_edges.tsv", "hoom.tsv", "ordo_omim.tsv"];
    let [terms, edges, hoom, omim] = names.map(|name| tables[name].as_str());
    relations.read_orphanet(terms, edges, hoom, omim);
    relations.read_reactome(&String::from_utf8(unpacked(&reactome)).unwrap());
    // Marfan, two Ehlers-Danlos relatives in the hierarchy, Dravet, Duchenne, and some that exclude seizures.
    let mut codes: Vec<String> =
        ["558", "284963", "33069", "98896", "100", "287"].map(str::to_owned).to_vec();
    let excluding = relations.links_of_hpo["0001250"].iter().filter(|(_, excluded)| *excluded);
    codes.extend(excluding.take(3).map(|(code, _)| code.clone()));
    let omim = ["154700", "607208", "208900", "999999"].map(|number| format!("OMIM:{number}"));
    let genes = ["FBN1", "SCN1A", "PRPS1", "MECP2", "TGFBR2"];
    let pool = Pool {
        hpo: relations.hpo.keys().cloned().collect(),
        diseases: codes.iter().map(|code| format!("ORPHA:{code}")).chain(omim).collect(),
        genes: genes.map(str::to_owned).to_vec(),
    };
    let inputs = vec![
        ("--orphanet", orphanet.to_str().unwrap().to_owned()),
        ("--reactome", reactome.to_str().unwrap().to_owned()),
    ];
    Some(World { inputs, relations, pool, whole_hpo: false, most: 14 })
}

/// Terms worth asking for: those people may have, and what is up to two steps above.
fn askable(relations: &Relations, ontology: Ontology, held: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: BTreeSet<String> = held.collect();
    for _ in 0..2 {
        let above = found.iter().filter_map(|term| relations.graph(ontology).get(term)).flatten();
        let above: Vec<String> = above.cloned().collect();
        found.extend(above);
    }
    found.into_iter().collect()
}

/// Every way of asking for every askable term, then several terms at once.
fn term_questions(world: &World) -> Vec<TermsAsked> {
    let codes = world.pool.diseases.iter().flat_map(|disease| match disease.split_once(':').unwrap() {
        ("ORPHA", code) => vec![code.to_owned()],
        (_, omim) => world.relations.omim.get(omim).into_iter().flatten().cloned().collect(),
    });
    let hpo = askable(&world.relations, Ontology::Hpo, world.pool.hpo.iter().cloned());
    let ordo = askable(&world.relations, Ontology::Ordo, codes);
    let mut dice = Dice::seeded("several terms at once", 5);
    let mut questions = Vec::new();
    for (ontology, mut terms) in [(Ontology::Hpo, hpo), (Ontology::Ordo, ordo)] {
        let whole = ontology == Ontology::Ordo || world.whole_hpo;
        dice.shuffle(&mut terms);
        terms.truncate(world.most);
        for term in &terms {
            let plain = TermsAsked::of(ontology, std::slice::from_ref(term));
            questions.push(TermsAsked { cross: true, ..plain.clone() });
            questions.push(TermsAsked { descendants: true, ..plain.clone() });
            if whole {
                questions.push(TermsAsked { descendants: true, cross: true, ..plain.clone() });
                questions.push(TermsAsked { similarity: 0.5, ..plain.clone() });
                questions.push(TermsAsked { similarity: 0.5, cross: true, ..plain.clone() });
            }
            questions.push(plain);
        }
        for scale in [0.0, 0.34, 0.5, 0.67, 1.0] {
            let mut some = terms.clone();
            dice.shuffle(&mut some);
            some.truncate(3);
            let plain = TermsAsked::of(ontology, &some);
            questions.push(TermsAsked { scale: Some(scale), cross: true, ..plain.clone() });
            questions.push(TermsAsked { scale: Some(scale), descendants: true, ..plain });
        }
    }
    questions
}

/// Pathways of each gene people have variants in, alone, with mutations, rare variants only, and with a gene beside.
fn pathway_questions(world: &World) -> Vec<PathwaysAsked> {
    let mut questions = Vec::new();
    for gene in &world.pool.genes {
        let holds = |genes: &Vec<String>| genes.contains(gene);
        let pathways = world.relations.pathways.iter().filter(|(_, genes)| holds(genes));
        for (pathway, _) in pathways.take(2) {
            let plain = PathwaysAsked {
                pathways: vec![pathway.clone()],
                genes: Vec::new(),
                mutations: Vec::new(),
                max_af: 1.0,
            };
            questions.push(PathwaysAsked { mutations: vec!["missense", "splice"], ..plain.clone() });
            questions.push(PathwaysAsked { max_af: 0.001, ..plain.clone() });
            questions.push(PathwaysAsked { mutations: vec!["nonsense"], max_af: 0.05, ..plain.clone() });
            questions
                .push(PathwaysAsked { genes: vec![world.pool.genes[0].to_lowercase()], ..plain.clone() });
            questions.push(plain);
        }
    }
    questions
}

/// A source with everybody in it, asked at level `list`.
async fn fill(client: &Client, name: &str, people: &[Person]) -> String {
    let source = steps::source(client, name).await;
    let pipeline = steps::file_pipeline(client, "").await;
    let packets = Value::Array(people.iter().map(Person::packet).collect());
    let file = steps::upload(client, &source, "people.json", packets.to_string().into_bytes()).await;
    steps::read_in(client, &source, &pipeline, &[file]).await;
    steps::indexed(client, &source, people.len()).await;
    steps::grant(client, "list", &[&client.user_id], &[&source]).await;
    source
}

/// What each of the sources answers.
async fn answers(client: &Client, sources: &[&String], builder: &Value) -> Vec<Vec<String>> {
    let all = steps::ask(client, builder).await;
    let of = |source: &String| all.iter().find(|answer| answer["sourceId"] == source.as_str());
    let one = |source: &&String| steps::ids(of(source).unwrap_or_else(|| panic!("{builder}: {all:?}")));
    sources.iter().map(one).collect()
}

async fn course(mut world: World, installation: &Installation, people: usize) {
    world.relations.weigh();
    let relations = &world.relations;
    let people = people::draw(&world.pool, people);
    let node = installation.serve().start().await;
    let client = node.client("ada").await;
    let before = fill(&client, "before the term file", &people).await;

    // Without ORDO–OMIM an OMIM number is just a name.
    let unmapped = Relations::default();
    let mapped_to: BTreeSet<String> = relations
        .omim
        .iter()
        .filter(|(number, _)| {
            world.pool.diseases.iter().any(|disease| disease.ends_with(&format!(":{number}")))
        })
        .flat_map(|(_, codes)| codes.iter().cloned())
        .collect();
    let mut changes = None;
    for code in &mapped_to {
        let ask = TermsAsked::of(Ontology::Ordo, std::slice::from_ref(code));
        let expected = ask.answer(&people, &unmapped, false);
        assert_eq!(
            answers(&client, &[&before], &ask.builder()).await,
            std::slice::from_ref(&expected),
            "{ask:?}"
        );
        if ask.answer(&people, relations, false) != expected {
            changes = Some(ask);
        }
    }
    let changes = changes.expect("somebody has a disease by its OMIM number alone");
    node.stop().await;

    // The term file is built by the tool and named in the configuration; `index` maps what was read before.
    let file = installation.data().join("own.terms");
    let file = file.to_str().unwrap();
    let mut build = vec!["terms", "build", "--out", file, "--json"];
    build.extend(world.inputs.iter().flat_map(|(flag, path)| [*flag, path.as_str()]));
    let built: Value = serde_json::from_str(&installation.tool(&build, "")).unwrap();
    assert_eq!(built["file"], file, "{built}");
    let node = installation.serve().env("CV3_APPLIANCE__TERMS__FILE", file).start().await;
    let client = node.client("ada").await;
    Reply::of(client.api(Method::POST, &format!("/sources/{before}/index")).await).await.ok();
    let expected = changes.answer(&people, relations, false);
    eventually("OMIM numbers to be mapped by the index", || async {
        (answers(&client, &[&before], &changes.builder()).await == [expected.clone()]).then_some(())
    })
    .await;
    let after = fill(&client, "after the term file", &people).await;
    let sources = [&before, &after];

    let (mut asked, mut matched, mut spared, mut wrong) = (0, 0, 0, Vec::new());
    let mut note = |question: String, found: Vec<Vec<String>>, expected: Vec<String>| {
        asked += 1;
        matched += usize::from(!expected.is_empty());
        if found.iter().any(|found| *found != expected) {
            wrong.push(format!("{question}: answered {found:?}, expected {expected:?}"));
        }
    };
    for question in term_questions(&world) {
        let expected = question.answer(&people, relations, false);
        spared += usize::from(question.answer(&people, relations, true) != expected);
        let found = answers(&client, &sources, &question.builder()).await;
        note(format!("{question:?}"), found, expected);
    }
    for question in pathway_questions(&world) {
        let found = answers(&client, &sources, &question.builder()).await;
        note(format!("{question:?}"), found, question.answer(&people, relations));
    }
    println!(
        "people {}, questions {asked} of two sources each, of which {matched} match somebody and {spared} would \
         match more by links that exclude; mismatches {}",
        people.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(matched * 3 > asked * 2 && spared > 0, "the questions hit too little to show anything");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_term_files_are_built_and_every_answer_equals_that_of_plain_loops() {
    let installation = Installation::new();
    let world = made(&installation.data());
    course(world, &installation, 80).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_orphanet_and_reactome_are_built_and_every_answer_equals_that_of_plain_loops() {
    let Some(world) = real() else { return };
    course(world, &Installation::new(), 120).await;
}
