//! What is read of a phenopacket: version 1 and 2 in one set of types, proto JSON in camel and in snake case
//! (phenopacket-schema 1.0 and 2.0; protobuf *JSON mapping*: null and absent both mean the default).

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};

/// A scalar as text, borrowed where the JSON allows; null is empty, numbers and truth values as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub Cow<'a, str>);

impl Text<'_> {
    /// As it stands: identifiers of packets and people.
    pub fn exact(&self) -> &str {
        &self.0
    }

    /// Without white space around it.
    pub fn as_str(&self) -> &str {
        self.0.trim()
    }

    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(if value { "true" } else { "false" })))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(value.to_string())))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(value.to_string())))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(value.to_string())))
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Text::default())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A list; null is empty.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// A message; null is the default one.
fn message<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// How many elements a list has that is not read.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let unread: Vec<IgnoredAny> = list(deserializer)?;
    Ok(u64::try_from(unread.len()).unwrap_or(u64::MAX))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Packet<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub subject: Option<Individual<'a>>,
    #[serde(borrow, deserialize_with = "list", alias = "phenotypic_features")]
    pub phenotypic_features: Vec<Feature<'a>>,
    #[serde(borrow, deserialize_with = "list")]
    pub measurements: Vec<Measurement<'a>>,
    #[serde(borrow, deserialize_with = "list")]
    pub diseases: Vec<Disease<'a>>,
    #[serde(borrow, deserialize_with = "list")]
    pub interpretations: Vec<Interpretation<'a>>,
    /// Version 1: candidate genes.
    #[serde(borrow, deserialize_with = "list")]
    pub genes: Vec<Gene<'a>>,
    /// Version 1.
    #[serde(borrow, deserialize_with = "list")]
    pub variants: Vec<OldVariant<'a>>,
    #[serde(deserialize_with = "count")]
    pub biosamples: u64,
    #[serde(deserialize_with = "count", alias = "medical_actions")]
    pub medical_actions: u64,
    #[serde(deserialize_with = "count", alias = "htsFiles", alias = "hts_files")]
    pub files: u64,
    #[serde(borrow, alias = "meta_data")]
    pub meta_data: Option<MetaData<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Family<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub proband: Option<Packet<'a>>,
    #[serde(borrow, deserialize_with = "list")]
    pub relatives: Vec<Packet<'a>>,
    #[serde(borrow, deserialize_with = "message")]
    pub pedigree: Pedigree<'a>,
    #[serde(borrow, alias = "meta_data")]
    pub meta_data: Option<MetaData<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Cohort<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "list")]
    pub members: Vec<Packet<'a>>,
    #[serde(borrow, alias = "meta_data")]
    pub meta_data: Option<MetaData<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pedigree<'a> {
    #[serde(borrow, deserialize_with = "list")]
    pub persons: Vec<Person<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Person<'a> {
    #[serde(borrow, alias = "individual_id")]
    pub individual_id: Text<'a>,
    #[serde(borrow, alias = "paternal_id")]
    pub paternal_id: Text<'a>,
    #[serde(borrow, alias = "maternal_id")]
    pub maternal_id: Text<'a>,
    #[serde(borrow, alias = "affected_status")]
    pub affected_status: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Individual<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow, alias = "date_of_birth")]
    pub date_of_birth: Text<'a>,
    #[serde(borrow, alias = "time_at_last_encounter")]
    pub time_at_last_encounter: Option<Time<'a>>,
    /// Version 1.
    #[serde(borrow, alias = "age_at_collection")]
    pub age_at_collection: Option<Age<'a>>,
    /// Version 1.
    #[serde(borrow, alias = "age_range_at_collection")]
    pub age_range_at_collection: Option<Span<Age<'a>>>,
    #[serde(borrow)]
    pub sex: Text<'a>,
    #[serde(borrow, alias = "vital_status")]
    pub vital_status: Option<VitalStatus<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct VitalStatus<'a> {
    #[serde(borrow)]
    pub status: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OntologyClass<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub label: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Feature<'a> {
    #[serde(borrow, rename = "type", deserialize_with = "message")]
    pub kind: OntologyClass<'a>,
    /// Version 1 says `negated`.
    #[serde(alias = "negated", deserialize_with = "message")]
    pub excluded: bool,
    #[serde(borrow)]
    pub onset: Option<Time<'a>>,
    /// Version 1 before 1.0.
    #[serde(borrow, alias = "age_of_onset")]
    pub age_of_onset: Option<Age<'a>>,
    #[serde(borrow, alias = "class_of_onset")]
    pub class_of_onset: Option<OntologyClass<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Disease<'a> {
    #[serde(borrow, deserialize_with = "message")]
    pub term: OntologyClass<'a>,
    #[serde(deserialize_with = "message")]
    pub excluded: bool,
    #[serde(borrow)]
    pub onset: Option<Time<'a>>,
    /// Version 1.
    #[serde(borrow, alias = "age_of_onset")]
    pub age_of_onset: Option<Age<'a>>,
    /// Version 1.
    #[serde(borrow, alias = "age_range_of_onset")]
    pub age_range_of_onset: Option<Span<Age<'a>>>,
    /// Version 1.
    #[serde(borrow, alias = "class_of_onset")]
    pub class_of_onset: Option<OntologyClass<'a>>,
}

/// A point in a life: one of the fields is set. Version 1 writes `{"age": "P3Y"}`, or an ontology class itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Time<'a> {
    #[serde(borrow)]
    pub age: Option<Age<'a>>,
    #[serde(borrow, alias = "age_range")]
    pub age_range: Option<Span<Age<'a>>>,
    #[serde(borrow, alias = "ontology_class")]
    pub ontology_class: Option<OntologyClass<'a>>,
    #[serde(borrow)]
    pub timestamp: Text<'a>,
    #[serde(borrow)]
    pub interval: Option<Span<Text<'a>>>,
    #[serde(alias = "gestational_age")]
    pub gestational_age: Option<IgnoredAny>,
    /// Version 1: the class of onset stands in the place of the time.
    #[serde(borrow)]
    pub id: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Span<T: Default> {
    pub start: T,
}

/// An ISO 8601 duration: `{"iso8601duration": "P3Y"}`, in version 1 `{"age": "P3Y"}` or the text itself.
#[derive(Debug, Default)]
pub(crate) struct Age<'a>(pub Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Age<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AgeVisitor;
        impl<'de> Visitor<'de> for AgeVisitor {
            type Value = Age<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an age")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Age(Text(Cow::Borrowed(text))))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Age(Text(Cow::Owned(text.to_owned()))))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(Age::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut age = Age::default();
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    match key.as_str() {
                        "iso8601duration" | "iso8601Duration" | "iso8601_duration" | "age" => {
                            age = Age(map.next_value()?);
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(age)
            }
        }
        deserializer.deserialize_any(AgeVisitor)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Measurement<'a> {
    #[serde(borrow, deserialize_with = "message")]
    pub assay: OntologyClass<'a>,
    #[serde(borrow)]
    pub value: Option<MeasuredValue<'a>>,
    #[serde(alias = "complex_value")]
    pub complex_value: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct MeasuredValue<'a> {
    #[serde(borrow)]
    pub quantity: Option<Quantity<'a>>,
    #[serde(borrow, alias = "ontology_class")]
    pub ontology_class: Option<OntologyClass<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Quantity<'a> {
    #[serde(borrow, deserialize_with = "message")]
    pub unit: OntologyClass<'a>,
    pub value: Option<serde_json::Number>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Interpretation<'a> {
    #[serde(borrow)]
    pub diagnosis: Option<Diagnosis<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Diagnosis<'a> {
    #[serde(borrow, deserialize_with = "list", alias = "genomic_interpretations")]
    pub genomic_interpretations: Vec<GenomicInterpretation<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct GenomicInterpretation<'a> {
    #[serde(borrow)]
    pub gene: Option<Gene<'a>>,
    #[serde(borrow, alias = "variant_interpretation")]
    pub variant_interpretation: Option<VariantInterpretation<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct VariantInterpretation<'a> {
    #[serde(borrow, alias = "variation_descriptor")]
    pub variation_descriptor: Option<Descriptor<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Gene<'a> {
    #[serde(borrow)]
    pub symbol: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Descriptor<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow, alias = "gene_context")]
    pub gene_context: Option<Gene<'a>>,
    #[serde(borrow, deserialize_with = "list")]
    pub expressions: Vec<Expression<'a>>,
    #[serde(borrow, alias = "vcf_record")]
    pub vcf_record: Option<VcfRecord<'a>>,
    #[serde(borrow, alias = "structural_type")]
    pub structural_type: Option<OntologyClass<'a>>,
    #[serde(borrow, alias = "molecular_consequences", deserialize_with = "list")]
    pub molecular_consequences: Vec<OntologyClass<'a>>,
    #[serde(borrow, alias = "allelic_state")]
    pub allelic_state: Option<OntologyClass<'a>>,
    #[serde(borrow, deserialize_with = "list")]
    pub extensions: Vec<Extension<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Expression<'a> {
    #[serde(borrow)]
    pub value: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct VcfRecord<'a> {
    #[serde(borrow, rename = "ref")]
    pub reference: Text<'a>,
    #[serde(borrow)]
    pub alt: Text<'a>,
    #[serde(borrow)]
    pub info: Text<'a>,
}

/// `value` may be any JSON; only a number is of use here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Extension<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub value: Option<&'a serde_json::value::RawValue>,
}

/// A version 1 variant.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct OldVariant<'a> {
    #[serde(borrow, alias = "hgvs_allele")]
    pub hgvs_allele: Option<HgvsAllele<'a>>,
    #[serde(borrow, alias = "vcf_allele")]
    pub vcf_allele: Option<VcfRecord<'a>>,
    #[serde(borrow)]
    pub zygosity: Option<OntologyClass<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HgvsAllele<'a> {
    #[serde(borrow)]
    pub hgvs: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MetaData<'a> {
    #[serde(borrow)]
    pub created: Text<'a>,
}
