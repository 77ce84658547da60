//! What is discovered: one individual as a source stores it (specification §6.4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

mod read;

/// One individual. Field names on the wire and in the store are the original's upper-case ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// Unique and stable within its source; any non-empty string of at most 256 bytes.
    #[serde(rename = "subjectId")]
    pub subject_id: String,
    /// Phenotypes: HPO ids of seven digits without `HP:`.
    #[serde(rename = "HPO", default, skip_serializing_if = "Vec::is_empty")]
    pub hpo: Vec<Term>,
    /// Diseases: Orphanet numbers without prefix.
    #[serde(rename = "ORDO", default, skip_serializing_if = "Vec::is_empty")]
    pub ordo: Vec<String>,
    /// SNOMED CT concepts and observables.
    #[serde(rename = "SNOMED", default, skip_serializing_if = "Vec::is_empty")]
    pub snomed: Vec<Term>,
    /// NCI Thesaurus ids, the `C` included.
    #[serde(rename = "NCIT", default, skip_serializing_if = "Vec::is_empty")]
    pub ncit: Vec<String>,
    /// Named alleles of genes.
    #[serde(rename = "ALLELES", default, skip_serializing_if = "Vec::is_empty")]
    pub alleles: Vec<GeneAlleles>,
    /// Variants by gene and effect; never a position (re-identification).
    #[serde(rename = "VARIANT", default, skip_serializing_if = "Vec::is_empty")]
    pub variant: Vec<Variant>,
    /// Everything else.
    #[serde(rename = "EAV", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub eav: BTreeMap<String, EavValue>,
    /// Resolved demographics (§6.4); hidden, never returned.
    #[serde(rename = "_demo", default, skip_serializing_if = "Demographics::is_empty")]
    pub demo: Demographics,
    /// What ingestion knew about demographics before resolution; hidden, kept so that merging can resolve again.
    #[serde(rename = "_given", default, skip_serializing_if = "GivenDemographics::is_empty")]
    pub given: GivenDemographics,
}

/// An ontology term: alone, or with a value under its id; read by `read.rs`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Term {
    /// The term is present.
    Present(String),
    /// The term with a value, e.g. `{"0001250": 12}`; the value `false` says it is excluded.
    Qualified(BTreeMap<String, Value>),
}

impl Term {
    /// A term that was looked for and not found.
    pub fn excluded(id: impl Into<String>) -> Self {
        Self::Qualified(BTreeMap::from([(id.into(), Value::Bool(false))]))
    }

    /// A term with a value.
    pub fn qualified(id: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Qualified(BTreeMap::from([(id.into(), value.into())]))
    }

    /// Every id of the term with whether it counts as present; `false` is the only excluding value.
    pub fn ids(&self) -> impl Iterator<Item = (&str, bool)> {
        let (one, many) = match self {
            Self::Present(id) => (Some((id.as_str(), true)), None),
            Self::Qualified(map) => (None, Some(map)),
        };
        let many = many.into_iter().flatten().map(|(id, value)| (id.as_str(), *value != Value::Bool(false)));
        one.into_iter().chain(many)
    }

    /// Ids that count as present.
    pub fn present(&self) -> impl Iterator<Item = &str> {
        self.ids().filter(|(_, present)| *present).map(|(id, _)| id)
    }
}

/// Named alleles of one gene; usually two, order irrelevant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeneAlleles {
    /// HGNC symbol.
    pub gene: String,
    /// Allele names, case-sensitive.
    #[serde(default)]
    pub alleles: Vec<String>,
}

/// One kind of change in one gene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// HGNC symbol.
    pub gene: String,
    /// Effect on the product.
    pub mutation: Mutation,
    /// Allele frequency 0 to 1 in a reference population.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub af: Option<f64>,
    /// Alleles carried (1 or 2) where genotypes were ingested; hidden, never returned.
    #[serde(rename = "_ac", default, skip_serializing_if = "Option::is_none")]
    pub allele_count: Option<u8>,
}

/// The contract's mutation types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mutation {
    NonCoding,
    Missense,
    Nonsense,
    Splice,
    Frameshift,
    LossOfStart,
    LossOfStop,
    Indel,
}

impl Mutation {
    /// All types, in the contract's order.
    pub const ALL: [Self; 8] = [
        Self::NonCoding,
        Self::Missense,
        Self::Nonsense,
        Self::Splice,
        Self::Frameshift,
        Self::LossOfStart,
        Self::LossOfStop,
        Self::Indel,
    ];

    /// The contract's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NonCoding => "nonCoding",
            Self::Missense => "missense",
            Self::Nonsense => "nonsense",
            Self::Splice => "splice",
            Self::Frameshift => "frameshift",
            Self::LossOfStart => "lossOfStart",
            Self::LossOfStop => "lossOfStop",
            Self::Indel => "indel",
        }
    }

    /// Reads the contract's spelling exactly.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.as_str() == text)
    }
}

/// A free attribute's value; read by `read.rs`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EavValue {
    /// One value.
    One(Scalar),
    /// Several; filters look at each element.
    Many(Vec<Scalar>),
}

impl EavValue {
    /// The values one by one.
    pub fn scalars(&self) -> &[Scalar] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// Text, number or truth value; read by `read.rs`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Scalar {
    Bool(bool),
    Number(Number),
    Text(String),
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Sex as the subject filter knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gender {
    Male,
    Female,
}

/// How many relatives were examined with the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FamilyType {
    Singleton,
    Trio,
    Family,
}

/// The six demographics of the subject filter; ages in years.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Demographics {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<Gender>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_first_diagnosis: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_first_symptoms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affected: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_type: Option<FamilyType>,
}

impl Demographics {
    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each demographic from `self` where known, else from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            gender: self.gender.or(other.gender),
            age: self.age.or(other.age),
            age_first_diagnosis: self.age_first_diagnosis.or(other.age_first_diagnosis),
            age_first_symptoms: self.age_first_symptoms.or(other.age_first_symptoms),
            affected: self.affected.or(other.affected),
            family_type: self.family_type.or(other.family_type),
        }
    }
}

/// Demographics by where they came from, before resolution (specification §7.4: explicit, EAV, SNOMED, NCIT, phenopacket).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GivenDemographics {
    /// From a remap directive with destination `subject`.
    #[serde(skip_serializing_if = "Demographics::is_empty")]
    pub explicit: Demographics,
    /// From a phenopacket's own fields.
    #[serde(skip_serializing_if = "Demographics::is_empty")]
    pub packet: Demographics,
}

impl GivenDemographics {
    /// Nothing was given.
    pub fn is_empty(&self) -> bool {
        self.explicit.is_empty() && self.packet.is_empty()
    }
}

impl Subject {
    /// A subject with nothing but an id.
    pub fn new(subject_id: impl Into<String>) -> Self {
        Self { subject_id: subject_id.into(), ..Self::default() }
    }

    /// The document as a query answers it at `detailedList`: every published field, no hidden one.
    pub fn published(&self) -> Value {
        let mut shown = self.clone();
        shown.demo = Demographics::default();
        shown.given = GivenDemographics::default();
        for variant in &mut shown.variant {
            variant.allele_count = None;
        }
        serde_json::to_value(shown).unwrap_or(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_subject_round_trips_in_the_original_s_shape() {
        let stored = json!({
            "subjectId": "K7", "HPO": ["0001250", {"0004322": 12}, {"0002315": false}], "ORDO": ["558"],
            "ALLELES": [{"gene": "APOE", "alleles": ["e3", "e4"]}],
            "VARIANT": [{"gene": "BRCA1", "mutation": "lossOfStart", "af": 0.25}],
            "EAV": {"visits": 3, "site": ["a", true, 1.5]}
        });
        let subject: Subject = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(&subject).unwrap(), stored);
    }

    #[test]
    fn only_false_excludes_a_term() {
        let term: Term = serde_json::from_value(json!({"0001250": false, "0004322": 0})).unwrap();
        assert_eq!(term.present().collect::<Vec<_>>(), ["0004322"]);
    }

    #[test]
    fn hidden_fields_are_not_published() {
        let mut subject = Subject::new("a");
        subject.demo.age = Some(7.0);
        subject.variant.push(Variant {
            gene: "TTN".into(),
            mutation: Mutation::Missense,
            af: None,
            allele_count: Some(2),
        });
        assert_eq!(
            subject.published(),
            json!({"subjectId": "a", "VARIANT": [{"gene": "TTN", "mutation": "missense"}]})
        );
    }
}
