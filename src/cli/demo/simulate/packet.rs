//! A synthetic patient as a phenopacket (GA4GH Phenopacket Schema 2.0, protobuf JSON).

use serde_json::{Map, Value, json};

use super::patient::{Observed, Patient, RecordedOnset, months};
use super::variant::Invented;
use crate::terms::{Sex, TermFile};

const CREATED_BY: &str = "cv3-backend demo: simulator of synthetic patients";

/// The part that all packets share: who made them, from which release.
pub(super) fn meta(terms: &TermFile) -> Value {
    let hpo = terms.sources().iter().find(|source| source.key == "hpo");
    let version = hpo.map(|source| source.version.as_str()).unwrap_or_default();
    // The same bytes at any time: a cohort is dated by the release it is drawn from.
    let dated = version.len() == 10 && version.split('-').map(str::len).eq([4, 2, 2]);
    let day = if dated { version } else { "1970-01-01" };
    json!({
        "created": format!("{day}T00:00:00Z"),
        "createdBy": CREATED_BY,
        "phenopacketSchemaVersion": "2.0",
        "resources": [
            resource("hp", "human phenotype ontology", "http://purl.obolibrary.org/obo/hp.owl", version, "HP",
                "http://purl.obolibrary.org/obo/HP_"),
            resource("omim", "Online Mendelian Inheritance in Man", "https://www.omim.org", version, "OMIM",
                "https://www.omim.org/entry/"),
            resource("orphanet", "Orphanet", "https://www.orpha.net", version, "ORPHA",
                "http://www.orpha.net/ORDO/Orphanet_"),
            resource("hgnc.symbol", "HGNC gene symbols", "https://www.genenames.org", version, "hgnc.symbol",
                "https://identifiers.org/hgnc.symbol:"),
            resource("geno", "Genotype Ontology", "http://purl.obolibrary.org/obo/geno.owl", "2023-10-08", "GENO",
                "http://purl.obolibrary.org/obo/GENO_"),
        ]
    })
}

fn resource(id: &str, name: &str, url: &str, version: &str, prefix: &str, iri: &str) -> Value {
    json!({"id": id, "name": name, "url": url, "version": version, "namespacePrefix": prefix, "iriPrefix": iri})
}

/// One packet.
pub(super) fn packet(patient: &Patient<'_>, meta: &Value) -> Value {
    let sex = match patient.sex {
        Some(Sex::Male) => "MALE",
        Some(Sex::Female) => "FEMALE",
        None => "UNKNOWN_SEX",
    };
    let mut subject = json!({"id": patient.id, "sex": sex});
    set(&mut subject, "timeAtLastEncounter", patient.age.map(age));
    let features: Vec<Value> = patient.findings.iter().map(feature).collect();
    let mut packet = json!({
        "id": patient.id,
        "subject": subject,
        "phenotypicFeatures": features,
        "metaData": meta,
    });
    let Some((id, label)) = patient.disease() else { return packet };
    let term = class(id, label);
    let mut disease = json!({"term": term});
    let onset = patient.onset.as_ref().map(|onset| match onset {
        RecordedOnset::Days(days) => age(*days),
        RecordedOnset::Class(of) => json!({"ontologyClass": class(&format!("HP:{}", of.hpo), &of.label)}),
    });
    set(&mut disease, "onset", onset);
    set(&mut packet, "diseases", Some(json!([disease])));
    if !patient.variants.is_empty() {
        let gene = patient.profile.gene.as_deref().unwrap_or_default();
        let numbered = (1..).zip(&patient.variants);
        let genomic: Vec<Value> = numbered.map(|(n, variant)| genomic(patient, gene, n, variant)).collect();
        let interpretation = json!({
            "id": format!("{}-interpretation", patient.id),
            "progressStatus": "SOLVED",
            "diagnosis": {"disease": term, "genomicInterpretations": genomic},
        });
        set(&mut packet, "interpretations", Some(json!([interpretation])));
    }
    packet
}

fn set(object: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(fields), Some(value)) = (object.as_object_mut(), value) {
        fields.insert(name.to_owned(), value);
    }
}

fn class(id: &str, label: &str) -> Value {
    json!({"id": id, "label": label})
}

fn feature(observed: &Observed<'_>) -> Value {
    let finding = observed.finding;
    let mut feature = Map::new();
    feature.insert("type".to_owned(), class(&format!("HP:{}", finding.hpo), &finding.label));
    if observed.excluded {
        feature.insert("excluded".to_owned(), Value::Bool(true));
    }
    if let Some(days) = observed.onset {
        feature.insert("onset".to_owned(), age(days));
    }
    Value::Object(feature)
}

fn genomic(patient: &Patient<'_>, gene: &str, number: usize, variant: &Invented) -> Value {
    let mut descriptor = json!({
        "id": format!("{}-variant-{number}", patient.id),
        "description": "synthetic: drawn at random, reported in nobody",
        "geneContext": {"valueId": format!("hgnc.symbol:{gene}"), "symbol": gene},
        "expressions": [{"syntax": variant.syntax, "value": variant.text}],
        "moleculeContext": "genomic",
    });
    let zygosity = variant.zygosity.map(|zygosity| zygosity.term());
    set(&mut descriptor, "allelicState", zygosity.map(|(id, label)| class(id, label)));
    json!({
        "subjectOrBiosampleId": patient.id,
        "interpretationStatus": "CAUSATIVE",
        "variantInterpretation": {
            "acmgPathogenicityClassification": "PATHOGENIC",
            "therapeuticActionability": "UNKNOWN_ACTIONABILITY",
            "variationDescriptor": descriptor,
        },
    })
}

/// An age as an ISO 8601 duration in completed years, months and days.
fn age(days: u32) -> Value {
    json!({"age": {"iso8601duration": duration(days)}})
}

pub(super) fn duration(days: u32) -> String {
    let whole = months(days);
    let (years, months) = (whole / 12, whole % 12);
    let left = u64::from(days).saturating_sub(u64::from(whole) * 304_375 / 10_000);
    let parts = [(u64::from(years), 'Y'), (u64::from(months), 'M'), (left, 'D')];
    let text: String = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { "P0D".to_owned() } else { format!("P{text}") }
}
