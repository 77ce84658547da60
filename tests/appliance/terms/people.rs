//! Made people, their phenopackets, and who of them an answer should name.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::relations::{Ontology, Relations};
use crate::support::Dice;

#[derive(Debug, Clone)]
pub struct Variant {
    pub gene: String,
    pub mutation: &'static str,
    pub af: f64,
}

#[derive(Debug, Clone)]
pub struct Person {
    pub id: String,
    /// HPO id and whether it is present.
    pub features: Vec<(String, bool)>,
    /// Orphanet codes and OMIM numbers as a packet names them, with prefix.
    pub diseases: Vec<String>,
    pub variants: Vec<Variant>,
}

/// What people are drawn from.
pub struct Pool {
    pub hpo: Vec<String>,
    pub diseases: Vec<String>,
    pub genes: Vec<String>,
}

const MUTATIONS: [(&str, &str); 4] = [
    ("missense", "NP_000001.1:p.Arg100Cys"),
    ("nonsense", "NP_000001.1:p.Arg100Ter"),
    ("frameshift", "NP_000001.1:p.(Arg100fs)"),
    ("splice", "NM_000001.1:c.100+1G>A"),
];

/// Draws so many people.
pub fn draw(pool: &Pool, count: usize) -> Vec<Person> {
    let mut dice = Dice::seeded("people with terms", 31);
    let distinct = |dice: &mut Dice, from: &[String], most: usize| {
        let mut all = from.to_vec();
        dice.shuffle(&mut all);
        all.truncate(dice.below(most + 1));
        all
    };
    (0..count)
        .map(|number| {
            let features = distinct(&mut dice, &pool.hpo, 4);
            let features = features.into_iter().map(|term| (term, dice.chance(70))).collect();
            let diseases = distinct(&mut dice, &pool.diseases, 2);
            let genes = distinct(&mut dice, &pool.genes, 2);
            let variants = genes.into_iter().map(|gene| Variant {
                gene,
                mutation: dice.pick(&MUTATIONS).0,
                af: *dice.pick(&[0.2, 0.01, 0.0003]),
            });
            Person { id: format!("made {number:03}"), features, diseases, variants: variants.collect() }
        })
        .collect()
}

impl Person {
    pub fn packet(&self) -> Value {
        let features: Vec<Value> = self
            .features
            .iter()
            .map(|(id, present)| json!({"type": {"id": format!("HP:{id}"), "label": id}, "excluded": !present}))
            .collect();
        let diseases: Vec<Value> =
            self.diseases.iter().map(|id| json!({"term": {"id": id, "label": id}})).collect();
        let variants: Vec<Value> = self
            .variants
            .iter()
            .map(|variant| {
                let hgvs = MUTATIONS.iter().find(|(name, _)| *name == variant.mutation).unwrap().1;
                json!({"interpretationStatus": "CAUSATIVE", "variantInterpretation": {"variationDescriptor": {
                    "id": "v", "geneContext": {"valueId": "HGNC:1", "symbol": variant.gene},
                    "expressions": [{"syntax": "hgvs", "value": hgvs}],
                    "vcfRecord": {"genomeAssembly": "GRCh38", "chrom": "1", "pos": "1", "ref": "A", "alt": "G",
                        "info": format!("AF={}", variant.af)}}}})
            })
            .collect();
        json!({
            "id": self.id, "subject": {"id": self.id}, "phenotypicFeatures": features, "diseases": diseases,
            "interpretations": [{"id": "i", "progressStatus": "SOLVED", "diagnosis": {
                "disease": {"id": "MONDO:0000001", "label": "disease"}, "genomicInterpretations": variants}}],
            "metaData": {"created": "2026-01-01T00:00:00Z", "createdBy": "a test", "phenopacketSchemaVersion": "2.0"},
        })
    }

    /// Orphanet codes of the person: those named, and those OMIM numbers stand for where that is loaded.
    fn ordo(&self, relations: &Relations) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for disease in &self.diseases {
            match disease.split_once(':').unwrap() {
                ("ORPHA", code) => _ = found.insert(code.to_owned()),
                (_, omim) => found.extend(relations.omim.get(omim).into_iter().flatten().cloned()),
            }
        }
        found
    }
}

/// A question about terms of one ontology.
#[derive(Debug, Clone)]
pub struct TermsAsked {
    pub ontology: Ontology,
    pub terms: Vec<String>,
    pub similarity: f64,
    pub descendants: bool,
    /// `useOrphaNet` or `useHPO`.
    pub cross: bool,
    pub scale: Option<f64>,
}

impl TermsAsked {
    pub fn of(ontology: Ontology, terms: &[String]) -> Self {
        let terms = terms.to_vec();
        Self { ontology, terms, similarity: 1.0, descendants: false, cross: false, scale: None }
    }

    pub fn builder(&self) -> Value {
        let (family, prefix, cross) = match self.ontology {
            Ontology::Hpo => ("hpo", "HP:", "useOrphaNet"),
            Ontology::Ordo => ("ordo", "ORPHA:", "useHPO"),
        };
        let terms: Vec<String> = self.terms.iter().map(|term| format!("{prefix}{term}")).collect();
        let mut filter = json!({
            "terms": terms, "similarity": self.similarity, "includeDescendants": self.descendants,
        });
        filter[cross] = self.cross.into();
        if let Some(scale) = self.scale {
            filter["matchScale"] = scale.into();
        }
        json!({family: [filter], "advanced": {"granularity": "list"}})
    }

    /// Ids of everyone who matches; `excluded_too` also follows links that exclude, which the product must not.
    pub fn answer(&self, people: &[Person], relations: &Relations, excluded_too: bool) -> Vec<String> {
        let least = self.scale.map_or(1, |scale| ((scale * self.terms.len() as f64).ceil() as usize).max(1));
        let group = |term: &String| relations.group(self.ontology, term, self.similarity, self.descendants);
        let groups: Vec<BTreeSet<String>> = self.terms.iter().map(group).collect();
        let matched = |person: &&Person| {
            let present = person.features.iter().filter(|(_, present)| *present);
            let hpo: BTreeSet<String> = present.map(|(id, _)| id.clone()).collect();
            let ordo = person.ordo(relations);
            let mut matched = 0;
            for group in &groups {
                let (own, other) = match self.ontology {
                    Ontology::Hpo => (&hpo, &ordo),
                    Ontology::Ordo => (&ordo, &hpo),
                };
                let links = match self.ontology {
                    Ontology::Hpo => &relations.links_of_ordo,
                    Ontology::Ordo => &relations.links_of_hpo,
                };
                let mut found = !own.is_disjoint(group);
                for held in other.iter().filter(|_| self.cross) {
                    for (linked, excluded) in links.get(held).into_iter().flatten() {
                        found |= (excluded_too || !excluded) && group.contains(linked);
                    }
                }
                matched += usize::from(found);
            }
            matched >= least
        };
        people.iter().filter(matched).map(|person| person.id.clone()).collect()
    }
}

/// A question about variants of the genes of pathways, and of genes named.
#[derive(Debug, Clone)]
pub struct PathwaysAsked {
    pub pathways: Vec<String>,
    pub genes: Vec<String>,
    pub mutations: Vec<&'static str>,
    pub max_af: f64,
}

impl PathwaysAsked {
    pub fn builder(&self) -> Value {
        json!({"variant": [{"reactome": self.pathways, "genes": self.genes, "mutation": self.mutations,
            "maxAf": self.max_af}], "advanced": {"granularity": "list"}})
    }

    pub fn answer(&self, people: &[Person], relations: &Relations) -> Vec<String> {
        let mut genes = self.genes.clone();
        for pathway in &self.pathways {
            genes.extend(relations.pathways[pathway].iter().cloned());
        }
        let fits = |variant: &Variant| {
            genes.iter().any(|gene| gene.eq_ignore_ascii_case(&variant.gene))
                && (self.mutations.is_empty() || self.mutations.contains(&variant.mutation))
                && (self.max_af >= 1.0 || variant.af <= self.max_af)
        };
        people
            .iter()
            .filter(|person| person.variants.iter().any(fits))
            .map(|person| person.id.clone())
            .collect()
    }
}
