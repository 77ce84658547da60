//! Phenopackets for cohort P: real ones with new ids where they are present, else made ones of the same shape.

use std::io::{Read, Write};
use std::path::Path;

use anyhow::Context;
use cv3_backend::terms::{Ontology, TermFile};
use serde_json::{Value, json};

use crate::cohort::shared;
use crate::dice::Dice;

/// Stands for the id in a template; no packet contains it.
const MARK: &str = "\u{1}id\u{1}";

/// Templates to draw packets from.
pub struct Packets(Vec<Vec<String>>);

impl Packets {
    pub fn new(terms: &TermFile) -> anyhow::Result<Self> {
        let packets = match shared("phenopackets.tar.xz") {
            Some(path) => real(&path)?,
            None => made(terms, 2_000),
        };
        let mark = serde_json::to_string(MARK)?;
        let mark = mark.trim_matches('"');
        let templates = packets.into_iter().filter_map(|mut packet| {
            let old = packet.pointer("/subject/id")?.as_str()?.to_owned();
            rename(&mut packet, &old);
            *packet.get_mut("id")? = MARK.into();
            Some(packet.to_string().split(mark).map(str::to_owned).collect())
        });
        Ok(Self(templates.collect()))
    }

    pub fn templates(&self) -> usize {
        self.0.len()
    }

    /// Writes each template once, a packet a line; ids are numbers.
    pub fn write_each(&self, out: &mut impl Write) -> anyhow::Result<()> {
        for (number, template) in self.0.iter().enumerate() {
            writeln!(out, "{}", template.join(&format!("template-{number}")))?;
        }
        Ok(())
    }

    /// Writes packets drawn at random with ids of their own, a packet a line; answers their number.
    pub fn write(&self, dice: &mut Dice, count: usize, out: &mut impl Write) -> anyhow::Result<()> {
        for _ in 0..count {
            let template = dice.one_of(&self.0).context("no packets")?;
            writeln!(out, "{}", template.join(&dice.uuid().to_string()))?;
        }
        Ok(())
    }

    /// The same as a file.
    pub fn file(
        &self,
        folder: &Path,
        name: &str,
        seed: u64,
        count: usize,
    ) -> anyhow::Result<std::path::PathBuf> {
        let path = folder.join(name);
        let mut out = std::io::BufWriter::new(std::fs::File::create(&path)?);
        self.write(&mut Dice(seed), count, &mut out)?;
        out.flush()?;
        Ok(path)
    }
}

/// Puts the mark wherever a value is the subject's id.
fn rename(value: &mut Value, old: &str) {
    match value {
        Value::String(text) if text == old => *text = MARK.into(),
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, old)),
        Value::Object(fields) => fields.values_mut().for_each(|value| rename(value, old)),
        _ => {}
    }
}

fn real(archive: &Path) -> anyhow::Result<Vec<Value>> {
    let packed = std::fs::File::open(archive).with_context(|| archive.display().to_string())?;
    let mut packets = Vec::new();
    for entry in tar::Archive::new(liblzma::read::XzDecoder::new(packed)).entries()? {
        let mut entry = entry?;
        let mut text = String::new();
        if entry.header().entry_type().is_file() {
            entry.read_to_string(&mut text)?;
            packets.push(serde_json::from_str(&text)?);
        }
    }
    Ok(packets)
}

/// Nine present and thirteen excluded terms, weights 1 ÷ (rank + 10): about as many and as skewed as in published cases.
fn made(terms: &TermFile, count: usize) -> Vec<Value> {
    let mut dice = Dice(11);
    let mut ids: Vec<String> = terms.ids(Ontology::Hpo).collect();
    for at in (1..ids.len()).rev() {
        ids.swap(at, dice.below(at + 1));
    }
    let draw = move |dice: &mut Dice| {
        // The inverse of the weights' integral.
        let rank = 10.0 * ((ids.len() as f64 / 10.0 + 1.0).powf(dice.fraction()) - 1.0);
        ids.get(rank as usize).map_or_else(String::new, |id| format!("HP:{id}"))
    };
    let diseases: Vec<String> = (0..500).map(|_| format!("OMIM:{}", 100_000 + dice.below(520_000))).collect();
    let packet = |number| {
        let features = (0..22).map(|at| match at {
            0..9 => json!({"type": {"id": draw(&mut dice), "label": "a term"}}),
            _ => json!({"type": {"id": draw(&mut dice), "label": "a term"}, "excluded": true}),
        });
        let features: Vec<Value> = features.collect();
        let disease = json!({"id": dice.one_of(&diseases), "label": "a disease"});
        json!({
            "id": format!("made-{number}"),
            "subject": {
                "id": format!("patient-{number}"), "sex": if dice.below(2) == 0 { "FEMALE" } else { "MALE" },
                "timeAtLastEncounter": {"age": {"iso8601duration": format!("P{}Y{}M", dice.below(90), dice.below(12))}},
            },
            "phenotypicFeatures": features,
            "diseases": [{"term": disease, "onset": {"age": {"iso8601duration": "P1Y"}}}],
            "metaData": {"created": "2025-01-01T00:00:00Z", "createdBy": "made", "phenopacketSchemaVersion": "2.0",
                "resources": [{"id": "hp", "name": "human phenotype ontology", "namespacePrefix": "HP",
                    "url": "http://purl.obolibrary.org/obo/hp.owl", "version": "made",
                    "iriPrefix": "http://purl.obolibrary.org/obo/HP_"}]},
        })
    };
    (0..count).map(packet).collect()
}
