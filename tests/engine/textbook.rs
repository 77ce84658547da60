//! A small release of ontologies, its files as the publishers write them, and its similarities by the definition:
//! every pair, ancestors by naive search, nothing shared with the engine.
//!
//! HPO: Schlicker's relevance with path counts of annotated genes; ORDO: intrinsic information content after
//! Sánchez et al. 2011. Frequency "excluded" annotates nothing (specification §8.3).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use cv3_backend::terms::build::{BuildInputs, build};
use cv3_backend::terms::{Ontology, TermFile};
use serde::{Deserialize, Serialize};

use super::world::World;

/// Term to its parents.
pub type Graph = BTreeMap<String, Vec<String>>;

/// What the publishers release.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Release {
    pub hpo: Graph,
    /// Alternative id to its primary one.
    pub alternatives: BTreeMap<String, String>,
    /// Obsolete id to what replaces it, if anything does.
    pub obsolete: BTreeMap<String, Option<String>>,
    /// Gene number and HPO id.
    pub genes: Vec<(u32, String)>,
    pub ordo: Option<Graph>,
    /// ORDO number, HPO id, stated frequency.
    pub links: Vec<(String, String, String)>,
    pub pathways: BTreeMap<String, Vec<String>>,
}

/// All above a term and the term; `""` stands above several parentless ones.
fn ancestors(graph: &Graph, id: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([id.to_owned()]);
    for parent in graph.get(id).into_iter().flatten() {
        found.extend(ancestors(graph, parent));
    }
    found
}

fn children<'g>(graph: &'g Graph, id: &'g str) -> impl Iterator<Item = &'g String> {
    graph.iter().filter(move |(_, parents)| parents.iter().any(|parent| parent == id)).map(|(child, _)| child)
}

fn descendants(graph: &Graph, id: &str) -> BTreeSet<String> {
    graph.keys().filter(|other| *other != id && ancestors(graph, other).contains(id)).cloned().collect()
}

/// The graph with one root, and that root.
fn rooted(graph: &Graph) -> (Graph, String) {
    let tops: Vec<String> =
        graph.iter().filter(|(_, parents)| parents.is_empty()).map(|(id, _)| id.clone()).collect();
    let mut graph = graph.clone();
    if let [only] = tops.as_slice() {
        return (graph, only.clone());
    }
    for top in tops {
        graph.insert(top, vec![String::new()]);
    }
    graph.insert(String::new(), Vec::new());
    (graph, String::new())
}

/// Rel of every pair, from the probability of each term.
fn relevance(graph: &Graph, p: &BTreeMap<String, f64>) -> BTreeMap<(String, String), f64> {
    let ic = |id: &str| -p[id].ln() + 0.0;
    let mut all = BTreeMap::new();
    for a in graph.keys() {
        let above = ancestors(graph, a);
        for b in graph.keys() {
            let common = ancestors(graph, b).into_iter().filter(|id| above.contains(id));
            let mica = common.max_by(|x, y| ic(x).total_cmp(&ic(y))).unwrap();
            let sum = ic(a) + ic(b);
            let lin = if sum == 0.0 { 0.0 } else { 2.0 * ic(&mica) / sum };
            all.insert((a.clone(), b.clone()), lin * (1.0 - p[&mica]));
        }
    }
    all
}

impl Release {
    /// The live term an HPO id stands for.
    fn live(&self, id: &str) -> Option<String> {
        let mut id = id.to_owned();
        for _ in 0..10 {
            if self.hpo.contains_key(&id) {
                return Some(id);
            }
            id = self.obsolete.get(&id).cloned().flatten().or_else(|| self.alternatives.get(&id).cloned())?;
        }
        None
    }

    /// N(t) ÷ N: genes annotated directly, plus N of each child, a child of two parents counted in both.
    fn counted(&self, graph: &Graph, root: &str) -> BTreeMap<String, f64> {
        fn total(graph: &Graph, direct: &BTreeMap<String, BTreeSet<u32>>, id: &str) -> u64 {
            let own = direct.get(id).map_or(0, |genes| genes.len() as u64);
            own + children(graph, id).map(|child| total(graph, direct, child)).sum::<u64>()
        }
        let mut direct: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for (gene, id) in &self.genes {
            direct.entry(self.live(id).unwrap_or_default()).or_default().insert(*gene);
        }
        let all = total(graph, &direct, root).max(1);
        let p = |id: &String| (id.clone(), total(graph, &direct, id).max(1) as f64 / all as f64);
        graph.keys().map(p).collect()
    }

    /// Everything a question may need to know, written down pair by pair.
    pub fn world(&self) -> World {
        let mut world = World { pathways: self.pathways.clone(), ..World::default() };
        for id in self.alternatives.keys().chain(self.obsolete.keys()) {
            if let Some(live) = self.live(id) {
                world.replaced.insert((Ontology::Hpo, id.clone()), live);
            }
        }
        let (graph, root) = rooted(&self.hpo);
        self.enter(&mut world, Ontology::Hpo, &graph, &self.counted(&graph, &root));
        if let Some(ordo) = &self.ordo {
            let (graph, root) = rooted(ordo);
            self.enter(&mut world, Ontology::Ordo, &graph, &intrinsic(&graph, &root));
        }
        // Links come with ORDO; those to no term of this HPO are left out.
        for (ordo, hpo, frequency) in self.links.iter().filter(|_| self.ordo.is_some()) {
            if let Some(hpo) = self.live(hpo).filter(|_| !frequency.starts_with("Excluded")) {
                world.annotated.push((hpo, ordo.clone()));
            }
        }
        world
    }

    fn enter(&self, world: &mut World, ontology: Ontology, graph: &Graph, p: &BTreeMap<String, f64>) {
        for ((a, b), similarity) in relevance(graph, p) {
            if !a.is_empty() && !b.is_empty() {
                world.similar.insert((ontology, a, b), similarity);
            }
        }
        for id in graph.keys().filter(|id| !id.is_empty()) {
            world.below.insert((ontology, id.clone()), descendants(graph, id).into_iter().collect());
        }
    }

    /// The product's own term file, built from the publishers' files; why not, if they are refused.
    pub fn term_file(&self) -> Result<TermFile, String> {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let inputs = BuildInputs {
            hp_obo: Some(put("hp.obo", &self.obo())),
            genes_to_phenotype: Some(put("genes_to_phenotype.txt", &self.genes_to_phenotype())),
            orphanet: self.orphanet(folder.path()),
            orphanet_version: Some("1".into()),
            reactome: Some(put("ReactomePathways.gmt", &self.gmt())),
            reactome_version: Some("1".into()),
            ..BuildInputs::default()
        };
        let mut bytes = Vec::new();
        build(&inputs, &mut bytes).map_err(|error| error.to_string())?;
        TermFile::from_bytes(bytes).map_err(|error| error.to_string())
    }

    fn obo(&self) -> String {
        let mut text = "data-version: hp/releases/1\n".to_owned();
        for (id, parents) in &self.hpo {
            write!(text, "\n[Term]\nid: HP:{id}\nname: Term {id}\n").unwrap();
            parents.iter().for_each(|parent| writeln!(text, "is_a: HP:{parent} ! above").unwrap());
            let mine = self.alternatives.iter().filter(|(_, primary)| *primary == id);
            mine.for_each(|(other, _)| writeln!(text, "alt_id: HP:{other}").unwrap());
        }
        for (id, to) in &self.obsolete {
            write!(text, "\n[Term]\nid: HP:{id}\nname: Old {id}\nis_obsolete: true\n").unwrap();
            to.iter().for_each(|to| writeln!(text, "replaced_by: HP:{to}").unwrap());
        }
        text
    }

    fn genes_to_phenotype(&self) -> String {
        let mut text = "ncbi_gene_id\tgene_symbol\thpo_id\n".to_owned();
        self.genes.iter().for_each(|(gene, id)| writeln!(text, "{gene}\tG{gene}\tHP:{id}").unwrap());
        text
    }

    fn orphanet(&self, folder: &Path) -> Option<std::path::PathBuf> {
        let graph = self.ordo.as_ref()?;
        let folder = folder.join("orphanet");
        std::fs::create_dir(&folder).unwrap();
        let (mut terms, mut edges, mut links) = (String::new(), String::new(), String::new());
        for (id, parents) in graph {
            writeln!(terms, "{id}\tDisease {id}\tDisease\t\t").unwrap();
            parents.iter().for_each(|parent| writeln!(edges, "{id}\t{parent}").unwrap());
        }
        // An edge to an unknown code is dropped.
        graph.keys().take(1).for_each(|id| writeln!(edges, "{id}\t999999").unwrap());
        for (ordo, hpo, frequency) in &self.links {
            writeln!(links, "{ordo}\tHP:{hpo}\t{frequency}").unwrap();
        }
        for (name, text) in [("ordo_terms.tsv", terms), ("ordo_edges.tsv", edges), ("hoom.tsv", links)] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        Some(folder)
    }

    fn gmt(&self) -> String {
        self.pathways
            .iter()
            .map(|(id, genes)| format!("Pathway {id}\t{id}\t{}\n", genes.join("\t")))
            .collect()
    }
}

/// (leaves(t) ÷ |A(t)| + 1) ÷ (maxLeaves + 1), A(t) with t itself, leaves(t) without.
fn intrinsic(graph: &Graph, root: &str) -> BTreeMap<String, f64> {
    let leaves = |id: &str| {
        let below = descendants(graph, id);
        below.iter().filter(|below| children(graph, below).next().is_none()).count() as f64
    };
    let most = leaves(root);
    let p = |id: &String| (id.clone(), (leaves(id) / ancestors(graph, id).len() as f64 + 1.0) / (most + 1.0));
    graph.keys().map(p).collect()
}

/// The worked example of the published description: A(10) → B(5), C(7); B, C → D(4).
#[test]
fn the_textbook_gives_the_published_example() {
    let ids = |list: &[&str]| list.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let (a, b, c, d) = ("0000001", "0000002", "0000003", "0000004");
    let release = Release {
        hpo: [(a, ids(&[])), (b, ids(&[a])), (c, ids(&[a])), (d, ids(&[b, c]))]
            .map(|(id, parents)| (id.to_owned(), parents))
            .into(),
        genes: [(a, 10), (b, 5), (c, 7), (d, 4)]
            .into_iter()
            .flat_map(|(id, genes)| (1..=genes).map(move |gene| (gene, id.to_owned())))
            .collect(),
        ..Release::default()
    };
    let world = release.world();
    let file = release.term_file().unwrap();
    let expected =
        [(b, b, 0.7), (b, d, 0.523_649), (c, d, 0.421_061), (d, d, 0.866_667), (b, c, 0.0), (a, d, 0.0)];
    for (one, other, similarity) in expected {
        let textbook = world.similar[&(Ontology::Hpo, one.to_owned(), other.to_owned())];
        assert!((textbook - similarity).abs() < 1e-6, "{one} {other}: {textbook}");
        assert_eq!(file.similarity(Ontology::Hpo, one, other), textbook);
    }
}
