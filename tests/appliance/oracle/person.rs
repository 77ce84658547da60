//! A phenopacket read as a textbook would: who it is, what is present, what is excluded.

use std::collections::BTreeMap;

use cv3_backend::terms::{Ontology, TermFile, Terms};
use serde_json::Value as Json;

use super::consequence::mutation;

/// A value of a free attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Number(f64),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    pub gene: String,
    pub mutation: String,
    pub af: Option<f64>,
    /// Alleles carried, 1 where the zygosity is not stated.
    pub alleles: u8,
}

/// What is known of one person.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Person {
    pub id: String,
    /// Seven digits; `false` = excluded.
    pub hpo: BTreeMap<String, bool>,
    pub snomed: BTreeMap<String, bool>,
    pub ordo: Vec<String>,
    /// Genes named without a variant.
    pub genes: Vec<String>,
    pub variants: Vec<Variant>,
    pub attributes: BTreeMap<String, Vec<Value>>,
    pub gender: Option<String>,
    /// At the last encounter, at the first diagnosis, at the first symptom; whole years.
    pub ages: [Option<f64>; 3],
    pub affected: Option<bool>,
    pub family_type: Option<&'static str>,
}

fn list<'a>(object: &'a Json, field: &str) -> impl Iterator<Item = &'a Json> {
    object[field].as_array().into_iter().flatten()
}

fn earliest(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl Person {
    /// Reads a packet; `id` is the subject's.
    pub fn read(id: &str, packet: &Json, terms: &TermFile) -> Self {
        let mut person = Self { id: id.to_owned(), ..Self::default() };
        let subject = &packet["subject"];
        person.gender = match subject["sex"].as_str() {
            Some("MALE") => Some("male".into()),
            Some("FEMALE") => Some("female".into()),
            _ => None,
        };
        person.ages[0] = years(&subject["timeAtLastEncounter"]);
        if let Some(status) = subject["vitalStatus"]["status"].as_str().filter(|s| *s != "UNKNOWN_STATUS") {
            person.add("vitalStatus", Value::Text(status.into()));
        }
        let mut affected = false;
        for feature in list(packet, "phenotypicFeatures") {
            let present = feature["excluded"] != true;
            affected |= present;
            if present {
                person.ages[2] = earliest(person.ages[2], years(&feature["onset"]));
            }
            match feature["type"]["id"].as_str().unwrap_or_default().split_once(':') {
                Some(("HP", digits)) => {
                    let id = terms.resolve(Ontology::Hpo, digits);
                    *person.hpo.entry(id).or_insert(false) |= present;
                }
                Some(("SNOMEDCT", digits)) => *person.snomed.entry(digits.into()).or_insert(false) |= present,
                _ => {}
            }
        }
        for disease in list(packet, "diseases").filter(|disease| disease["excluded"] != true) {
            affected = true;
            person.ages[1] = earliest(person.ages[1], years(&disease["onset"]));
            let id = disease["term"]["id"].as_str().unwrap_or_default();
            person.add("disease", Value::Text(id.into()));
            let found = match id.split_once(':') {
                Some(("ORPHA", number)) => vec![terms.resolve(Ontology::Ordo, number)],
                Some(("OMIM", number)) => terms.ordo_of_omim(number),
                _ => Vec::new(),
            };
            for ordo in found {
                if !person.ordo.contains(&ordo) {
                    person.ordo.push(ordo);
                }
            }
        }
        person.affected = Some(affected);
        person.read_measurements(packet);
        person.read_interpretations(packet);
        person
    }

    /// Terms that are not excluded.
    pub fn present(&self) -> impl Iterator<Item = &String> {
        self.hpo.iter().filter(|(_, present)| **present).map(|(term, _)| term)
    }

    fn add(&mut self, attribute: &str, value: Value) {
        let values = self.attributes.entry(attribute.to_owned()).or_default();
        if !values.contains(&value) {
            values.push(value);
        }
    }

    fn read_measurements(&mut self, packet: &Json) {
        for measurement in list(packet, "measurements") {
            let assay = measurement["assay"]["label"].as_str().unwrap_or_default();
            let quantity = &measurement["value"]["quantity"];
            let unit = quantity["unit"]["id"].as_str().unwrap_or_default();
            let unit = unit.strip_prefix("UCUM:").unwrap_or(unit);
            if let Some(number) = quantity["value"].as_f64() {
                self.add(&format!("{assay} ({unit})"), Value::Number(number));
            }
        }
    }

    fn read_interpretations(&mut self, packet: &Json) {
        let diagnoses = list(packet, "interpretations").map(|one| &one["diagnosis"]);
        for genomic in diagnoses.flat_map(|diagnosis| list(diagnosis, "genomicInterpretations")) {
            let descriptor = &genomic["variantInterpretation"]["variationDescriptor"];
            let named = genomic["gene"]["symbol"].as_str();
            if descriptor.is_null() {
                self.genes.extend(named.map(str::to_owned));
                continue;
            }
            let Some(gene) = descriptor["geneContext"]["symbol"].as_str().or(named) else { continue };
            let af = descriptor["vcfRecord"]["info"].as_str().and_then(|info| info.strip_prefix("AF="));
            let variant = Variant {
                gene: gene.to_owned(),
                mutation: mutation(descriptor).to_owned(),
                af: af.and_then(|text| text.parse().ok()),
                alleles: if descriptor["allelicState"]["id"] == "GENO:0000136" { 2 } else { 1 },
            };
            let twin = |held: &&mut Variant| held.gene == variant.gene && held.mutation == variant.mutation;
            match self.variants.iter_mut().find(twin) {
                Some(held) => {
                    held.af = earliest(held.af, variant.af);
                    held.alleles = held.alleles.max(variant.alleles);
                }
                None => self.variants.push(variant),
            }
        }
        let variants = self.variants.clone();
        self.genes.retain(|gene| !variants.iter().any(|variant| variant.gene == *gene));
    }

    /// Adds what another packet says of the same person: present wins, lists are united, the earlier sex stays.
    pub fn absorb(&mut self, other: Self) {
        for (term, present) in other.hpo {
            *self.hpo.entry(term).or_insert(false) |= present;
        }
        for value in other.attributes.into_iter().filter(|(name, _)| name == "disease").flat_map(|(_, v)| v) {
            self.add("disease", value);
        }
        for ordo in other.ordo {
            if !self.ordo.contains(&ordo) {
                self.ordo.push(ordo);
            }
        }
        for variant in other.variants {
            let twin = |held: &Variant| held.gene == variant.gene && held.mutation == variant.mutation;
            if !self.variants.iter().any(twin) {
                self.variants.push(variant);
            }
        }
    }
}

/// Onset classes that end before the first birthday: antenatal to infantile.
const BEFORE_ONE: [&str; 9] = [
    "HP:0030674",
    "HP:0011460",
    "HP:0011461",
    "HP:0034199",
    "HP:0034198",
    "HP:0034197",
    "HP:0003577",
    "HP:0003623",
    "HP:0003593",
];

/// Whole years of a time element: an ISO 8601 duration, a class that ends before the first birthday, or a gestation.
fn years(time: &Json) -> Option<f64> {
    if let Some(text) = time["age"]["iso8601duration"].as_str() {
        return duration(text);
    }
    let class = time["ontologyClass"]["id"].as_str();
    (class.is_some_and(|id| BEFORE_ONE.contains(&id)) || time["gestationalAge"].is_object()).then_some(0.0)
}

/// `P33Y`, `P9Y11M3D`, `P2W`: years rounded down.
fn duration(text: &str) -> Option<f64> {
    let form =
        regex::Regex::new(r"^P(?:([\d.]+)Y)?(?:([\d.]+)M)?(?:([\d.]+)W)?(?:([\d.]+)D)?(?:T.*)?$").unwrap();
    let parts = form.captures(text)?;
    let part =
        |index: usize| parts.get(index).map_or(0.0, |part| part.as_str().parse::<f64>().unwrap_or(0.0));
    let days = 7.0 * part(3) + part(4);
    let years = (part(1) + (part(2) + days / (365.25 / 12.0)) / 12.0).floor();
    (0.0..=150.0).contains(&years).then_some(years)
}
