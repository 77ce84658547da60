//! What term files say, read by plain loops from the same texts that `terms build` reads, and what follows from it:
//! groups of similar terms by the formulas of §13, what lies below a term, links, pathways. Nothing of the library.

use std::collections::{BTreeMap, BTreeSet};

/// A graph as each term's parents.
pub type Parents = BTreeMap<String, Vec<String>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ontology {
    Hpo,
    Ordo,
}

impl Ontology {
    fn at(self) -> usize {
        usize::from(self == Self::Ordo)
    }
}

/// Other ends of a term's links, each with whether the frequency *excluded* is stated.
pub type Links = BTreeMap<String, Vec<(String, bool)>>;

#[derive(Debug, Default)]
pub struct Relations {
    pub hpo: Parents,
    pub ordo: Parents,
    /// Distinct genes annotated to an HPO term itself.
    pub hpo_genes: BTreeMap<String, usize>,
    pub links_of_ordo: Links,
    pub links_of_hpo: Links,
    /// OMIM number to Orphanet codes.
    pub omim: BTreeMap<String, BTreeSet<String>>,
    pub pathways: BTreeMap<String, Vec<String>>,
    /// Whether several terms of the ontology have no parent, so that a virtual top stands above them.
    topped: [bool; 2],
    /// Each term with everything above it, of both ontologies.
    above: [BTreeMap<String, BTreeSet<String>>; 2],
    /// Probabilities of the terms of both ontologies.
    p: [BTreeMap<String, f64>; 2],
}

/// Parent of every parentless term where there are several.
const TOP: &str = "";

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split('\t').collect())
}

impl Relations {
    /// `ordo_terms.tsv`, `ordo_edges.tsv`, `hoom.tsv`, `ordo_omim.tsv`.
    pub fn read_orphanet(&mut self, terms: &str, edges: &str, hoom: &str, omim: &str) {
        for row in rows(terms) {
            self.ordo.insert(row[0].into(), Vec::new());
        }
        for row in rows(edges) {
            if self.ordo.contains_key(row[1])
                && let Some(parents) = self.ordo.get_mut(row[0])
            {
                parents.push(row[1].into());
            }
        }
        for row in rows(hoom) {
            let hpo = row[1].strip_prefix("HP:").unwrap();
            let excluded = row[2].starts_with("Excluded");
            self.links_of_ordo.entry(row[0].into()).or_default().push((hpo.into(), excluded));
            self.links_of_hpo.entry(hpo.into()).or_default().push((row[0].into(), excluded));
        }
        for row in rows(omim) {
            self.omim.entry(row[1].into()).or_default().insert(row[0].into());
        }
    }

    /// `ReactomePathways.gmt`.
    pub fn read_reactome(&mut self, text: &str) {
        for row in rows(text) {
            self.pathways.insert(row[1].into(), row[2..].iter().map(|gene| (*gene).to_owned()).collect());
        }
    }

    /// `hp.obo` and `genes_to_phenotype.txt`.
    pub fn read_hpo(&mut self, obo: &str, genes: &str) {
        let mut at = String::new();
        for line in obo.lines() {
            if let Some(id) = line.strip_prefix("id: HP:") {
                at = id.to_owned();
                self.hpo.insert(at.clone(), Vec::new());
            } else if let Some(parent) = line.strip_prefix("is_a: HP:") {
                self.hpo.get_mut(&at).unwrap().push(parent[..7].to_owned());
            }
        }
        let mut pairs = BTreeSet::new();
        for row in rows(genes).skip(1) {
            if pairs.insert((row[0], row[2])) {
                *self.hpo_genes.entry(row[2].strip_prefix("HP:").unwrap().into()).or_default() += 1;
            }
        }
    }

    /// Works out what similarity rests on; to be called once everything is read.
    pub fn weigh(&mut self) {
        let roots = |graph: &Parents| graph.values().filter(|parents| parents.is_empty()).count();
        self.topped = [&self.hpo, &self.ordo].map(|graph| roots(graph) > 1);
        self.above = [Ontology::Hpo, Ontology::Ordo].map(|ontology| {
            let terms = self.graph(ontology).keys();
            terms.map(|term| (term.clone(), self.climb(ontology, term))).collect()
        });
        self.p = [self.annotated(), self.intrinsic()];
    }

    pub fn graph(&self, ontology: Ontology) -> &Parents {
        match ontology {
            Ontology::Hpo => &self.hpo,
            Ontology::Ordo => &self.ordo,
        }
    }

    /// The term with everything above it, the virtual top included where there is one.
    fn climb(&self, ontology: Ontology, term: &str) -> BTreeSet<String> {
        let graph = self.graph(ontology);
        let mut found = BTreeSet::from([term.to_owned()]);
        let mut left = vec![term.to_owned()];
        while let Some(at) = left.pop() {
            for parent in graph.get(&at).into_iter().flatten() {
                if found.insert(parent.clone()) {
                    left.push(parent.clone());
                }
            }
        }
        if self.topped[ontology.at()] {
            found.insert(TOP.into());
        }
        found
    }

    /// N(t) = n(t) + Σ N(child), at least 1, as a share of the root's.
    fn annotated(&self) -> BTreeMap<String, f64> {
        let total = |term: &String| self.paths(term).max(1) as f64;
        let all = self.hpo.keys().map(|term| (term.clone(), total(term)));
        let totals: BTreeMap<String, f64> = all.collect();
        let most = totals.values().copied().fold(1.0, f64::max);
        totals.into_iter().map(|(term, total)| (term, total / most)).collect()
    }

    fn paths(&self, term: &str) -> usize {
        let children = self.hpo.iter().filter(|(_, parents)| parents.iter().any(|parent| parent == term));
        let below: usize = children.map(|(child, _)| self.paths(child)).sum();
        self.hpo_genes.get(term).copied().unwrap_or(0) + below
    }

    /// p(t) = (leaves(t) ÷ |A(t)| + 1) ÷ (most leaves + 1).
    fn intrinsic(&self) -> BTreeMap<String, f64> {
        let above = &self.above[Ontology::Ordo.at()];
        let inner: BTreeSet<&String> = self.ordo.values().flatten().collect();
        let mut leaves: BTreeMap<&str, usize> = BTreeMap::new();
        for (term, ancestors) in above.iter().filter(|(term, _)| !inner.contains(term)) {
            for ancestor in ancestors.iter().filter(|ancestor| *ancestor != term) {
                *leaves.entry(ancestor).or_default() += 1;
            }
        }
        let most = leaves.values().copied().max().unwrap_or(0) as f64;
        let p = |leaves: usize, above: usize| (leaves as f64 / above as f64 + 1.0) / (most + 1.0);
        let mut found: BTreeMap<String, f64> = above
            .iter()
            .map(|(term, ancestors)| {
                (term.clone(), p(leaves.get(term.as_str()).copied().unwrap_or(0), ancestors.len()))
            })
            .collect();
        found.insert(TOP.into(), p(leaves.get(TOP).copied().unwrap_or(0), 1));
        found
    }

    /// Rel(a, b) = Lin(a, b) × (1 − p of the most informative common ancestor).
    fn similarity(&self, ontology: Ontology, a: &str, b: &str) -> f64 {
        let (p, above) = (&self.p[ontology.at()], &self.above[ontology.at()]);
        let ic = |term: &str| -p[term].ln();
        let best = above[a].intersection(&above[b]).max_by(|x, y| ic(x).total_cmp(&ic(y)));
        let (Some(best), sum) = (best, ic(a) + ic(b)) else { return 0.0 };
        if sum > 0.0 { 2.0 * ic(best) / sum * (1.0 - p[best]) } else { 0.0 }
    }

    /// The group of a term: itself, what is similar enough, what is below it.
    pub fn group(
        &self,
        ontology: Ontology,
        term: &str,
        similarity: f64,
        descendants: bool,
    ) -> BTreeSet<String> {
        let mut group = BTreeSet::from([term.to_owned()]);
        let all = &self.above[ontology.at()];
        for (other, above) in all.iter().filter(|_| all.contains_key(term)) {
            let below = descendants && above.contains(term);
            let similar = similarity < 1.0 && self.similarity(ontology, term, other) >= similarity.max(0.2);
            if below || similar {
                group.insert(other.clone());
            }
        }
        group
    }
}
