//! Packets of nobody, made from a seed, for a clone without shared data: every part the scan reads occurs.

use serde_json::{Value, json};

use crate::support::Dice;

/// Terms of a few branches, parents among them (HPO 2025-01-16).
const HPO: [&str; 14] = [
    "0001250", "0002197", "0007359", "0001263", "0001249", "0004322", "0000252", "0000256", "0001166",
    "0001519", "0001083", "0002650", "0000365", "0000407",
];
const GENES: [&str; 6] = ["FBN1", "SCN1A", "TGFBR2", "MECP2", "CDKL5", "STXBP1"];
const HGVS: [&str; 9] = [
    "NP_000001.1:p.Arg100Cys",
    "NP_000001.1:p.Arg100Ter",
    "NP_000001.1:p.(Arg100fs)",
    "NP_000001.1:p.Met1?",
    "NP_000001.1:p.Lys5del",
    "NM_000001.1:c.100+1G>A",
    "NM_000001.1:c.100_101del",
    "NM_000001.1:c.-20A>G",
    "NM_000001.1:c.300_302dup",
];

/// Makes so many packets; every fourth shares its `subject.id` with another.
pub fn packets(count: usize) -> Vec<(String, Value)> {
    let mut dice = Dice::seeded("made packets", 20_260_101);
    (0..count)
        .map(|number| {
            let id = format!("MADE_{number:04}");
            let person = if number % 4 == 3 { number - 1 } else { number };
            let packet = packet(&mut dice, &id, person);
            (format!("{id}.json"), packet)
        })
        .collect()
}

fn packet(dice: &mut Dice, id: &str, person: usize) -> Value {
    let mut features = Vec::new();
    for term in HPO {
        if dice.chance(30) {
            let mut feature = json!({"type": {"id": format!("HP:{term}"), "label": term}});
            match dice.below(4) {
                0 => feature["excluded"] = true.into(),
                1 => {
                    feature["onset"] = json!({"age": {"iso8601duration": format!("P{}Y{}M", dice.below(40), dice.below(12))}})
                }
                2 => {
                    feature["onset"] =
                        json!({"ontologyClass": {"id": "HP:0003577", "label": "Congenital onset"}})
                }
                _ => {}
            }
            features.push(feature);
        }
    }
    if dice.chance(30) {
        features.push(
            json!({"type": {"id": "SNOMEDCT:84757009", "label": "Epilepsy"}, "excluded": dice.chance(40)}),
        );
    }
    let mut diseases = Vec::new();
    let term = *dice.pick(&["OMIM:154700", "OMIM:607208", "ORPHA:558", "ORPHA:33069", "OMIM:312750"]);
    if dice.chance(80) {
        let onset = json!({"age": {"iso8601duration": format!("P{}M", dice.below(200))}});
        diseases.push(json!({"term": {"id": term, "label": term}, "onset": onset}));
    }
    let genomic: Vec<Value> = (0..dice.below(3)).map(|_| interpretation(dice)).collect();
    let mut packet = json!({
        "id": id,
        "subject": {"id": format!("person {person}"), "sex": dice.pick(&["MALE", "FEMALE", "UNKNOWN_SEX"])},
        "phenotypicFeatures": features,
        "diseases": diseases,
        "interpretations": [{"id": id, "progressStatus": "SOLVED", "diagnosis": {
            "disease": {"id": term, "label": term}, "genomicInterpretations": genomic}}],
        "metaData": {"created": "2025-01-01T00:00:00Z", "createdBy": "a test", "phenopacketSchemaVersion": "2.0"},
    });
    if dice.chance(60) {
        let age = format!("P{}Y", dice.below(90));
        packet["subject"]["timeAtLastEncounter"] = json!({"age": {"iso8601duration": age}});
    }
    if dice.chance(30) {
        packet["subject"]["vitalStatus"] = json!({"status": dice.pick(&["ALIVE", "DECEASED"])});
    }
    if dice.chance(40) {
        let unit = json!({"id": "UCUM:kg", "label": "kilogram"});
        packet["measurements"] = json!([{
            "assay": {"id": "LOINC:29463-7", "label": "Body weight"},
            "value": {"quantity": {"unit": unit, "value": f64::from(u8::try_from(dice.below(200)).unwrap()) / 2.0}},
        }]);
    }
    packet
}

fn interpretation(dice: &mut Dice) -> Value {
    let gene = json!({"valueId": "HGNC:1", "symbol": dice.pick(&GENES)});
    if dice.chance(15) {
        return json!({"interpretationStatus": "CANDIDATE", "gene": gene});
    }
    let mut descriptor = json!({"id": "v", "geneContext": gene, "moleculeContext": "genomic"});
    if dice.chance(85) {
        let syntax = "hgvs";
        descriptor["expressions"] = json!([{"syntax": syntax, "value": dice.pick(&HGVS)}]);
    } else {
        descriptor["structuralType"] = json!({"id": "SO:1000029", "label": "chromosomal_deletion"});
    }
    let zygosity = *dice.pick(&["GENO:0000135", "GENO:0000136", "GENO:0000134"]);
    descriptor["allelicState"] = json!({"id": zygosity, "label": ""});
    if dice.chance(40) {
        let info = format!("AF={}", dice.pick(&["0.2", "0.02", "0.002", "0.0002"]));
        descriptor["vcfRecord"] = json!({"genomeAssembly": "GRCh38", "chrom": "1", "pos": "1", "ref": "A", "alt": "G", "info": info});
    }
    json!({"interpretationStatus": "CAUSATIVE", "variantInterpretation": {"variationDescriptor": descriptor}})
}
