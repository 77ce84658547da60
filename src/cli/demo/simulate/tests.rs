//! Cohorts of fixed seeds, judged against the annotation they are drawn from.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::packet::duration;
use super::patient::GENERALISED;
use super::*;
use crate::terms::{Ontology, Sex, Terms};

fn terms() -> Arc<TermFile> {
    TermFile::embedded().unwrap()
}

fn simulator(seed: u64, patients: u32) -> Simulator {
    Simulator::new(&terms(), seed, patients).unwrap()
}

fn written(seed: u64, patients: u32) -> (Vec<u8>, Stats) {
    let mut out = Vec::new();
    let stats = simulator(seed, patients).write_json_lines(&mut out).unwrap();
    (out, stats)
}

/// A cohort of one disease alone.
fn of_one(id: &str, patients: u32) -> Simulator {
    let terms = terms();
    let mut simulator = simulator(11, patients);
    let mut readying = Readying::default();
    let mut profile = readying.ready(&terms, terms.disease(id).unwrap());
    simulator.catalogue = readying.catalogue;
    simulator.catalogue.relate(&terms);
    profile.settle_sex(&simulator.catalogue);
    simulator.profiles = vec![profile];
    simulator.reach = vec![1];
    simulator.common = Vec::new();
    simulator
}

#[test]
fn a_seed_always_gives_the_same_bytes_and_another_seed_others() {
    let (first, _) = written(1, 60);
    assert_eq!(written(1, 60).0, first);
    assert_ne!(written(2, 60).0, first);
}

/// The words were computed apart, from the ChaCha definition (8 rounds, 64-bit counter and stream) and the PCG32
/// expansion of a 64-bit seed: another generator would change every cohort.
#[test]
fn chance_is_chacha8_with_the_patient_s_number_as_stream() {
    let mut draw = Draw::new(7, 3);
    assert_eq!([draw.word(), draw.word(), draw.word()], [2_257_105_521, 779_716_368, 2_242_456_910]);
}

#[test]
fn every_value_of_a_range_is_drawn_and_no_other() {
    let mut draw = Draw::new(7, 3);
    assert!((0..1000).all(|_| (5..=9).contains(&draw.between(5, 9))));
    let seen: BTreeSet<u32> = (0..1000).map(|_| draw.between(5, 9)).collect();
    assert_eq!(seen.len(), 5);
    assert_eq!(
        draw.weighted(&[("a", 0.0), ("b", 1.0), ("c", 0.0)], |(_, weight)| *weight),
        Some(&("b", 1.0))
    );
    assert_eq!(draw.weighted(&[("a", 0.0)], |(_, weight)| *weight), None);
}

#[test]
fn five_thousand_packets_have_what_a_reader_needs() {
    let (out, stats) = written(3, 5000);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(stats.patients, 5000);
    assert_eq!(stats.bytes, text.len() as u64);
    let mut ids = BTreeSet::new();
    let (mut present, mut excluded, mut diagnosed, mut with_variant) = (0, 0, 0, 0);
    for line in text.lines() {
        let packet: Value = serde_json::from_str(line).unwrap();
        let id = packet["id"].as_str().unwrap().to_owned();
        assert!(id.starts_with("synthetic-"), "{id}");
        assert_eq!(packet["subject"]["id"], id.as_str());
        assert!(packet["metaData"]["createdBy"].as_str().unwrap().contains("synthetic"));
        assert_eq!(packet["metaData"]["resources"][0]["version"], "2025-01-16");
        let features = packet["phenotypicFeatures"].as_array().unwrap();
        let absent = features.iter().filter(|feature| feature["excluded"] == true).count();
        assert!(features.len() > absent, "{id} has no finding");
        let distinct: BTreeSet<&str> = features.iter().map(|f| f["type"]["id"].as_str().unwrap()).collect();
        assert_eq!(distinct.len(), features.len(), "{id} states a finding twice");
        present += (features.len() - absent) as u64;
        excluded += absent as u64;
        diagnosed += u64::from(packet.get("diseases").is_some());
        if let Some(interpretation) = packet.get("interpretations") {
            with_variant += 1;
            assert_eq!(interpretation[0]["diagnosis"]["disease"], packet["diseases"][0]["term"]);
            for genomic in interpretation[0]["diagnosis"]["genomicInterpretations"].as_array().unwrap() {
                let descriptor = &genomic["variantInterpretation"]["variationDescriptor"];
                assert!(terms().symbol(descriptor["geneContext"]["symbol"].as_str().unwrap()).is_some());
                assert!(descriptor["expressions"][0]["value"].as_str().unwrap().contains('.'));
            }
        }
        ids.insert(id);
    }
    assert_eq!(ids.len(), 5000);
    assert_eq!(
        (present, excluded, diagnosed, with_variant),
        (stats.present, stats.excluded, stats.diagnosed, stats.with_variant)
    );
    assert!(excluded > 0 && with_variant > 500 && diagnosed > 4000 && diagnosed < 5000);
}

#[test]
fn few_diseases_are_frequent_and_most_have_several_patients() {
    let simulator = simulator(3, 5000);
    let mut often = BTreeMap::<&str, usize>::new();
    for patient in simulator.patients() {
        *often.entry(patient.profile.id.as_str()).or_default() += 1;
    }
    assert!(often.len() > 150 && often.len() <= simulator.diseases());
    let mut counts: Vec<usize> = often.into_values().collect();
    counts.sort_unstable();
    assert!(counts[counts.len() - 1] > 200, "{counts:?}");
    assert!(counts[counts.len() / 2] >= 5, "{counts:?}");
}

/// The share of patients with each phenotype lies within 4.5 standard deviations of the annotated one, for those that
/// no other phenotype of the disease can turn into.
#[rstest::rstest]
#[case("OMIM:154700")]
#[case("ORPHA:558")]
#[case("OMIM:219700")]
fn phenotypes_are_as_frequent_as_annotated(#[case] id: &str) {
    let patients = 2000;
    let simulator = of_one(id, patients);
    let mut often = BTreeMap::<String, f64>::new();
    for patient in simulator.patients() {
        for hpo in patient.present() {
            *often.entry(hpo.to_owned()).or_default() += 1.0;
        }
    }
    let catalogue = &simulator.catalogue;
    let features = &simulator.profiles[0].features;
    let generals: BTreeSet<usize> =
        features.iter().flat_map(|feature| catalogue.general(feature.finding)).collect();
    let mut judged = 0;
    for feature in features.iter().filter(|feature| !generals.contains(&feature.finding)) {
        if feature.sex.is_some() {
            continue;
        }
        let written = if catalogue.general(feature.finding).is_empty() { 1.0 } else { 1.0 - GENERALISED };
        let share = feature.fraction * written;
        let n = f64::from(patients);
        let spread = (share * (1.0 - share) / n).sqrt();
        let hpo = &catalogue.get(feature.finding).unwrap().hpo;
        let seen = often.get(hpo).copied().unwrap_or(0.0) / n;
        assert!((seen - share).abs() <= 4.5 * spread + 1e-9, "{hpo}: {seen} instead of {share}");
        judged += 1;
    }
    assert!(judged >= 20, "{judged} phenotypes judged");
}

#[test]
fn nobody_has_a_finding_of_the_other_sex() {
    let terms = terms();
    let below =
        |root: &str| -> BTreeSet<String> { terms.descendants(Ontology::Hpo, root).into_iter().collect() };
    let (male, female) = (below("0010461"), below("0010460"));
    let simulator = simulator(5, 1000);
    let mut seen = HashMap::<(Option<Sex>, bool), usize>::new();
    for patient in simulator.patients() {
        for finding in &patient.findings {
            let hpo = &finding.finding.hpo;
            match (male.contains(hpo), female.contains(hpo)) {
                (true, false) => assert_ne!(patient.sex, Some(Sex::Female), "{} {hpo}", patient.id),
                (false, true) => assert_ne!(patient.sex, Some(Sex::Male), "{} {hpo}", patient.id),
                _ => continue,
            }
            *seen.entry((patient.sex, male.contains(hpo))).or_default() += 1;
        }
    }
    assert!(seen.contains_key(&(Some(Sex::Male), true)) && seen.contains_key(&(Some(Sex::Female), false)));
}

#[rstest::rstest]
// X-linked recessive: nearly all are men.
#[case("OMIM:310200", 0.95)]
// Autosomal.
#[case("OMIM:154700", 0.5)]
fn sex_follows_inheritance(#[case] id: &str, #[case] share: f64) {
    let simulator = of_one(id, 1000);
    let sexes: Vec<Sex> = simulator.patients().filter_map(|patient| patient.sex).collect();
    let men = sexes.iter().filter(|sex| **sex == Sex::Male).count();
    let n = sexes.len() as f64;
    assert!((men as f64 / n - share).abs() < 4.5 * (share * (1.0 - share) / n).sqrt(), "{men} of {n}");
}

#[test]
fn a_disease_of_one_sex_has_patients_of_that_sex_only() {
    // Spermatogenic failure: its phenotypes are of male anatomy although the release says so of few.
    let mut simulator = of_one("OMIM:310200", 300);
    let finding = simulator.catalogue.add(&terms(), "0000027").unwrap();
    simulator.catalogue.relate(&terms());
    let profile = &mut simulator.profiles[0];
    profile.features.truncate(1);
    profile.features[0].finding = finding;
    profile.settle_sex(&simulator.catalogue);
    assert!(simulator.patients().all(|patient| patient.sex.is_none_or(|sex| sex == Sex::Male)));
}

#[test]
fn an_excluded_finding_is_never_above_a_present_one() {
    let terms = terms();
    let simulator = simulator(6, 400);
    let mut excluded = 0;
    for patient in simulator.patients() {
        let absent: Vec<_> = patient.findings.iter().filter(|finding| finding.excluded).collect();
        excluded += absent.len();
        for finding in absent {
            let below = terms.descendants(Ontology::Hpo, &finding.finding.hpo);
            let contradiction = patient.present().find(|hpo| below.iter().any(|term| term == hpo));
            assert_eq!(contradiction, None, "{} without {}", patient.id, finding.finding.hpo);
        }
    }
    assert!(excluded > 400, "{excluded}");
}

#[test]
fn onset_is_as_annotated_and_never_after_the_last_encounter() {
    // Infantile or childhood onset.
    let simulator = of_one("OMIM:219700", 1500);
    let (mut ages, mut classes) = (0, BTreeSet::new());
    for patient in simulator.patients() {
        match &patient.onset {
            Some(super::patient::RecordedOnset::Days(days)) => {
                ages += 1;
                assert!((28..=5 * 366).contains(days), "{days}");
                assert!(patient.age.is_none_or(|age| age >= *days));
            }
            Some(super::patient::RecordedOnset::Class(class)) => {
                classes.insert(class.hpo.clone());
            }
            None => {}
        }
        for finding in patient.findings.iter().filter_map(|finding| finding.onset) {
            assert!(patient.age.is_some_and(|age| age >= finding));
        }
    }
    assert!(ages > 300, "{ages}");
    assert_eq!(classes, BTreeSet::from(["0003593".to_owned(), "0011463".to_owned()]));
}

#[test]
fn a_recessive_genotype_has_two_copies_and_the_disease_s_gene() {
    // Duchenne muscular dystrophy has one gene with all its phenotypes; cystic fibrosis has modifiers as well.
    let dystrophy = of_one("OMIM:310200", 200);
    assert_eq!(dystrophy.profiles[0].gene.as_deref(), Some("DMD"));
    assert_eq!(of_one("OMIM:219700", 1).profiles[0].gene, None);
    for patient in dystrophy.patients().filter(|patient| patient.sex == Some(Sex::Male)) {
        assert!(patient.variants.iter().all(|v| v.zygosity == Some(variant::Zygosity::Hemizygous)));
    }
    let mut recessive = dystrophy;
    recessive.profiles[0].inheritance = profile::Inheritance::Recessive;
    let mut genotypes = BTreeSet::new();
    for patient in recessive.patients().filter(|patient| !patient.variants.is_empty()) {
        genotypes.insert(patient.variants.len());
        let homozygous = patient.variants[0].zygosity == Some(variant::Zygosity::Homozygous);
        assert_eq!(homozygous, patient.variants.len() == 1);
    }
    assert_eq!(genotypes, BTreeSet::from([1, 2]));
}

#[rstest::rstest]
#[case(0, "P0D")]
#[case(27, "P27D")]
#[case(31, "P1M1D")]
#[case(365, "P11M31D")]
#[case(366, "P1Y1D")]
#[case(14_610, "P40Y")]
fn an_age_is_written_in_completed_units(#[case] days: u32, #[case] text: &str) {
    assert_eq!(duration(days), text);
}

#[rstest::rstest]
#[case(0)]
#[case(MAX_PATIENTS + 1)]
fn a_cohort_of_no_or_too_many_patients_is_refused(#[case] patients: u32) {
    assert_eq!(Simulator::new(&terms(), 1, patients).err(), Some(SimulateError::Size(patients)));
}
