//! What becomes of each part of a packet.

use std::collections::hash_map::Entry;

use chrono::NaiveDate;

use crate::domain::subjects::{Demographics, EavValue, Gender, Scalar, Subject, Term};

use super::super::ages::years_of_duration;
use super::super::codes;
use super::super::merge::MergeReport;
use super::super::{Reject, Sink, Warning};
use super::times::{age, birth, years, years_of_class};
use super::wire::{Disease, Feature, Measurement, Packet};
use super::{Membership, Origin, Packets, variants};

impl Packets<'_> {
    /// Fills a subject from its packet. Measurements become attributes, `<assay label> (<unit>)`, as the numbers
    /// they are; biosamples, medical actions and files have no place in a subject and are counted in a remark.
    pub(super) fn fill(
        &mut self,
        subject: &mut Subject,
        origin: Origin<'_>,
        packet: &Packet<'_>,
        membership: Membership<'_>,
        sink: &mut dyn Sink,
    ) {
        let birth = packet.subject.as_ref().and_then(birth);
        let mut known = Demographics { family_type: membership.family_type, ..Demographics::default() };
        if let Some(individual) = &packet.subject {
            known.gender = match individual.sex.as_str() {
                // `Sex`: UNKNOWN_SEX = 0, FEMALE = 1, MALE = 2, OTHER_SEX = 3.
                "FEMALE" | "1" => Some(Gender::Female),
                "MALE" | "2" => Some(Gender::Male),
                _ => None,
            };
            known.age = age(individual, packet.meta_data.as_ref());
            let status = individual.vital_status.as_ref().map_or("", |vital| vital.status.as_str());
            if !matches!(status, "" | "UNKNOWN_STATUS" | "0") {
                add_attribute(subject, "vitalStatus", Scalar::from(status));
            }
        }
        self.add_features(subject, origin, packet, birth, &mut known, sink);
        self.add_diseases(subject, origin, packet, birth, &mut known, sink);
        for measurement in &packet.measurements {
            add_measurement(subject, measurement, sink);
        }
        variants::add(subject, packet, sink);
        if !subject.snomed.is_empty() || !subject.ncit.is_empty() {
            super::super::merge::tidy(subject, &mut MergeReport::default());
        }
        let affected = packet.diseases.iter().any(|disease| !disease.excluded && !disease.term.id.is_empty())
            || packet.phenotypic_features.iter().any(|feature| !feature.excluded);
        known.affected = membership.affected.or(Some(affected));
        subject.given.packet = known;
        for (part, count) in [
            ("biosamples", packet.biosamples),
            ("medicalActions", packet.medical_actions),
            ("files", packet.files),
        ] {
            left_out(part, count, sink);
        }
    }

    fn add_features(
        &mut self,
        subject: &mut Subject,
        origin: Origin<'_>,
        packet: &Packet<'_>,
        birth: Option<NaiveDate>,
        known: &mut Demographics,
        sink: &mut dyn Sink,
    ) {
        self.places.clear();
        for feature in &packet.phenotypic_features {
            let onset = onset_of_feature(feature, birth);
            if !feature.excluded {
                known.age_first_symptoms = earliest(known.age_first_symptoms, onset);
            }
            let text = feature.kind.id.as_str();
            if let Some(id) = codes::hpo(text) {
                let id = self.resolver.hpo(id, sink);
                // Checked digits: seven of them always are a number.
                let key = id.parse().unwrap_or(0);
                let term = term(id, feature.excluded, onset);
                match self.places.entry(key) {
                    Entry::Vacant(place) => {
                        place.insert(subject.hpo.len());
                        subject.hpo.push(term);
                    }
                    Entry::Occupied(place) => {
                        if let Some(held) = subject.hpo.get_mut(*place.get()) {
                            settle(held, term, sink);
                        }
                    }
                }
            } else if let Some(id) = named(text, &["SNOMEDCT", "SNOMED", "SCTID"]).and_then(codes::snomed) {
                subject.snomed.push(term(id.to_owned(), feature.excluded, onset));
            } else if let Some(id) =
                named(text, &["NCIT"]).and_then(codes::ncit).filter(|_| !feature.excluded)
            {
                subject.ncit.push(id.to_owned());
            } else {
                reject(origin, "phenotypicFeatures", "not an id of HPO, SNOMED CT or NCIT", text, sink);
            }
        }
    }

    fn add_diseases(
        &mut self,
        subject: &mut Subject,
        origin: Origin<'_>,
        packet: &Packet<'_>,
        birth: Option<NaiveDate>,
        known: &mut Demographics,
        sink: &mut dyn Sink,
    ) {
        for disease in packet.diseases.iter().filter(|disease| !disease.excluded) {
            let id = disease.term.id.as_str();
            if id.is_empty() || id.len() > 255 || id.chars().any(char::is_control) {
                reject(origin, "diseases", "the disease has no usable id", id, sink);
                continue;
            }
            known.age_first_diagnosis = earliest(known.age_first_diagnosis, onset_of_disease(disease, birth));
            add_attribute(subject, "disease", Scalar::from(id));
            if !disease.term.label.is_empty() {
                sink.value_label(id, disease.term.label.as_str());
            }
            if let Some(number) = named(id, &["ORPHA", "ORPHANET", "ORDO"]).and_then(codes::ordo) {
                let number = self.resolver.ordo(number, sink);
                add_once(&mut subject.ordo, number);
            } else if let Some((_, number)) =
                id.split_once(':').filter(|(prefix, _)| prefix.eq_ignore_ascii_case("OMIM"))
            {
                for number in self.resolver.ordo_of_omim(number) {
                    add_once(&mut subject.ordo, number);
                }
            }
        }
    }
}

/// The text if it has one of the prefixes: a bare number says nothing about its vocabulary.
fn named<'a>(text: &'a str, prefixes: &[&str]) -> Option<&'a str> {
    let (prefix, _) = text.split_once([':', '_'])?;
    prefixes.iter().any(|known| known.eq_ignore_ascii_case(prefix)).then_some(text)
}

fn onset_of_feature(feature: &Feature<'_>, birth: Option<NaiveDate>) -> Option<f64> {
    feature
        .onset
        .as_ref()
        .and_then(|time| years(time, birth))
        .or_else(|| feature.age_of_onset.as_ref().and_then(|age| years_of_duration(age.0.as_str())))
        .or_else(|| feature.class_of_onset.as_ref().and_then(years_of_class))
}

fn onset_of_disease(disease: &Disease<'_>, birth: Option<NaiveDate>) -> Option<f64> {
    disease
        .onset
        .as_ref()
        .and_then(|time| years(time, birth))
        .or_else(|| disease.age_of_onset.as_ref().and_then(|age| years_of_duration(age.0.as_str())))
        .or_else(|| {
            disease.age_range_of_onset.as_ref().and_then(|range| years_of_duration(range.start.0.as_str()))
        })
        .or_else(|| disease.class_of_onset.as_ref().and_then(years_of_class))
}

fn earliest(known: Option<f64>, new: Option<f64>) -> Option<f64> {
    match (known, new) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A term with its onset as a whole number of years.
fn term(id: String, excluded: bool, onset: Option<f64>) -> Term {
    match onset {
        _ if excluded => Term::excluded(id),
        #[expect(clippy::cast_possible_truncation, reason = "ages are 0 to 150")]
        Some(years) => Term::qualified(id, years as i64),
        None => Term::Present(id),
    }
}

/// Makes one of two mentions of a term: present beats excluded, a value beats none, the earlier onset the later.
fn settle(held: &mut Term, new: Term, sink: &mut dyn Sink) {
    let present = |term: &Term| term.present().next().is_some();
    match (present(held), present(&new)) {
        (true, true) => {
            let onset = |term: &Term| match term {
                Term::Present(_) => None,
                Term::Qualified(values) => values.values().find_map(serde_json::Value::as_i64),
            };
            if onset(&new).is_some_and(|new| onset(held).is_none_or(|held| new < held)) {
                *held = new;
            }
        }
        (false, false) => {}
        (was_present, _) => {
            let id = held.ids().next().map(|(id, _)| id.to_owned()).unwrap_or_default();
            sink.warn(Warning::one(
                "terms that one packet has both present and excluded count as present",
                id,
            ));
            if !was_present {
                *held = new;
            }
        }
    }
}

/// Values of one attribute, or diseases, one packet may have; further ones are left out.
const MAX_VALUES: usize = 1_000;

fn add_once(list: &mut Vec<String>, id: String) {
    if list.len() < MAX_VALUES && !list.contains(&id) {
        list.push(id);
    }
}

/// Adds a value to an attribute; a second value makes it a list, a repeated one changes nothing.
fn add_attribute(subject: &mut Subject, name: &str, value: Scalar) {
    match subject.eav.get_mut(name) {
        None => {
            subject.eav.insert(name.to_owned(), EavValue::One(value));
        }
        Some(EavValue::Many(values)) => {
            if values.len() < MAX_VALUES && !values.contains(&value) {
                values.push(value);
            }
        }
        Some(EavValue::One(held)) => {
            if *held != value {
                let both = vec![held.clone(), value];
                subject.eav.insert(name.to_owned(), EavValue::Many(both));
            }
        }
    }
}

fn add_measurement(subject: &mut Subject, measurement: &Measurement<'_>, sink: &mut dyn Sink) {
    let assay = match measurement.assay.label.as_str() {
        "" => measurement.assay.id.as_str(),
        label => label,
    };
    let value = measurement.value.as_ref();
    let quantity = value.and_then(|value| value.quantity.as_ref());
    let class = value.and_then(|value| value.ontology_class.as_ref());
    if assay.is_empty() || assay.len() > 200 {
        left_out("measurements", 1, sink);
    } else if let Some((quantity, number)) = quantity.and_then(|q| Some((q, q.value.clone()?))) {
        let unit = quantity.unit.id.as_str();
        let unit = unit.strip_prefix("UCUM:").unwrap_or(unit);
        let name = if unit.is_empty() { assay.to_owned() } else { format!("{assay} ({unit})") };
        add_attribute(subject, &name, Scalar::Number(number));
    } else if let Some(class) = class.filter(|class| !class.id.is_empty()) {
        add_attribute(subject, assay, Scalar::from(class.id.as_str()));
        if !class.label.is_empty() {
            sink.value_label(class.id.as_str(), class.label.as_str());
        }
    } else {
        left_out("measurements", 1, sink);
    }
}

fn left_out(part: &str, count: u64, sink: &mut dyn Sink) {
    if count > 0 {
        sink.warn(Warning {
            text: "parts of packets that have no place in a subject were left out".into(),
            count,
            examples: vec![part.to_owned()],
        });
    }
}

fn reject(origin: Origin<'_>, column: &str, reason: &str, value: &str, sink: &mut dyn Sink) {
    sink.reject(Reject {
        file: origin.entry.name.into(),
        row: origin.row,
        column: Some(column.into()),
        reason: reason.into(),
        value: Some(value.into()),
    });
}
