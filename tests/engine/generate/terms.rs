//! What a source knows of terms: either similarities as the dice say, or a small release of ontologies from which
//! the product's own term file is built.

use std::collections::{BTreeMap, BTreeSet};

use cv3_backend::terms::Ontology;

use crate::case::Knowledge;
use crate::dice::Dice;
use crate::textbook::Release;
use crate::world::World;

const HPO: [&str; 10] = [
    "0000001", "0000002", "0000003", "0000004", "0000005", "0000006", "0000007", "0000008", "0000009",
    "0000010",
];
const ORDO: [&str; 7] = ["1", "22", "333", "4444", "55555", "666666", "7"];
pub const PATHWAYS: [&str; 3] = ["R-HSA-1", "R-HSA-2", "R-HSA-404"];
const FREQUENCIES: [&str; 7] = [
    "",
    "Obligate (100%)",
    "Very frequent (99-80%)",
    "Frequent (79-30%)",
    "Occasional (29-5%)",
    "Very rare (<4-1%)",
    "Excluded (0%)",
];

/// What subjects may have and questions may ask.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    pub hpo: Vec<String>,
    pub ordo: Vec<String>,
    /// Similarities that occur, so that some thresholds are exactly one.
    pub similarities: Vec<f64>,
}

/// What is known of terms, and the words to speak of it.
pub fn knowledge(dice: &mut Dice) -> (Knowledge, Vocabulary) {
    if dice.chance(60) {
        let (world, vocabulary) = given(dice);
        return (Knowledge::World(world), vocabulary);
    }
    let release = release(dice);
    let retired = release.alternatives.keys().chain(release.obsolete.keys());
    let mut vocabulary = Vocabulary {
        hpo: release.hpo.keys().chain(retired).cloned().collect(),
        ordo: release.links.iter().map(|(ordo, ..)| ordo.clone()).chain(["7".into(), "22".into()]).collect(),
        similarities: release.world().similar.values().copied().filter(|s| (0.15..1.0).contains(s)).collect(),
    };
    vocabulary.hpo.push("0009999".into());
    vocabulary.ordo.extend(release.ordo.iter().flat_map(|ordo| ordo.keys().cloned()));
    vocabulary.ordo.sort();
    vocabulary.ordo.dedup();
    (Knowledge::Release(release), vocabulary)
}

/// A world as the dice say, and its words.
pub fn given(dice: &mut Dice) -> (World, Vocabulary) {
    let world = world(dice);
    let similarities = world.similar.values().copied().collect();
    let words = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    (world, Vocabulary { hpo: words(&HPO), ordo: words(&ORDO), similarities })
}

/// A world over the fixed vocabulary.
fn world(dice: &mut Dice) -> World {
    let mut world = World::default();
    let ids: Vec<(Ontology, &str)> = HPO
        .iter()
        .map(|id| (Ontology::Hpo, *id))
        .chain(ORDO.iter().map(|id| (Ontology::Ordo, *id)))
        .collect();
    for (ontology, a) in &ids {
        if dice.chance(90) {
            world.known.push((*ontology, (*a).to_owned()));
        }
        for (other, b) in &ids {
            if ontology == other && a < b && dice.chance(40) {
                let similarity = dice.below(101) as f64 / 100.0;
                world.similar.insert((*ontology, (*a).into(), (*b).into()), similarity);
                world.similar.insert((*ontology, (*b).into(), (*a).into()), similarity);
            }
            if ontology == other && a < b && dice.chance(12) {
                world.below.entry((*ontology, (*a).into())).or_default().push((*b).into());
            }
        }
        if dice.chance(8) {
            let to = ids.iter().filter(|(o, id)| o == ontology && id != a).nth(dice.below(6)).unwrap().1;
            world.replaced.insert((*ontology, (*a).into()), to.into());
        }
    }
    for hpo in HPO {
        for ordo in ORDO {
            if dice.chance(12) {
                world.annotated.push((hpo.into(), ordo.into()));
            }
        }
    }
    world.pathways = pathways();
    world
}

fn pathways() -> BTreeMap<String, Vec<String>> {
    [("R-HSA-1", vec!["TTN", "C9ORF72"]), ("R-HSA-2", vec!["APOE"])]
        .into_iter()
        .map(|(id, genes)| (id.to_owned(), genes.into_iter().map(str::to_owned).collect()))
        .collect()
}

/// A directed acyclic graph over the ids: each later one below one to three earlier ones, rarely below none.
fn graph(dice: &mut Dice, mut ids: Vec<String>, rootless: u64) -> BTreeMap<String, Vec<String>> {
    // Numbers say nothing of depth.
    dice.shuffle(&mut ids);
    let mut graph = BTreeMap::new();
    for (index, id) in ids.iter().enumerate() {
        let mut parents = BTreeSet::new();
        if index > 0 && !dice.chance(rootless) {
            for _ in 0..*dice.pick(&[1, 1, 1, 2, 2, 3]) {
                parents.insert(ids[dice.below(index)].clone());
            }
        }
        graph.insert(id.clone(), parents.into_iter().collect());
    }
    graph
}

/// A small release: HPO with annotated genes and retired ids; ORDO with links to it, or none; Reactome.
fn release(dice: &mut Dice) -> Release {
    let terms: Vec<String> = (1..9 + dice.below(8)).map(|number| format!("{:07}", number * 3)).collect();
    let rootless = *dice.pick(&[0, 0, 0, 10]);
    let mut release =
        Release { hpo: graph(dice, terms.clone(), rootless), pathways: pathways(), ..Release::default() };
    for number in 0..dice.below(3) {
        release.alternatives.insert(format!("{:07}", 901 + number), dice.pick(&terms).clone());
    }
    for number in 0..dice.below(4) {
        // To a live term, to the one retired before it, or to none.
        let to = match dice.below(4) {
            0 => None,
            1 if number > 0 => Some(format!("{:07}", 800 + number)),
            _ => Some(dice.pick(&terms).clone()),
        };
        release.obsolete.insert(format!("{:07}", 801 + number), to);
    }
    let annotated: Vec<String> =
        terms.iter().chain(release.alternatives.keys()).filter(|_| dice.chance(75)).cloned().collect();
    for id in &annotated {
        // Repeats and genes of several terms: the number of different genes counts.
        for _ in 0..*dice.pick(&[1, 1, 2, 4, 12]) {
            release.genes.push((1 + dice.below(40) as u32, id.clone()));
        }
    }
    if dice.chance(80) {
        let ids = ["1", "22", "333", "4444", "55555", "666666"].map(str::to_owned).to_vec();
        release.ordo = Some(graph(dice, ids, 25));
        let linked: Vec<&str> = vec!["1", "22", "333", "4444", "55555", "666666", "777"];
        let mut seen = BTreeSet::new();
        for _ in 0..dice.below(14) {
            let pair = ((*dice.pick(&linked)).to_owned(), dice.pick(&terms).clone());
            if seen.insert(pair.clone()) {
                release.links.push((pair.0, pair.1, (*dice.pick(&FREQUENCIES)).to_owned()));
            }
        }
    }
    release
}
