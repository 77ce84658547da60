//! People behind packets: who has several, and how a family is composed.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};

use crate::domain::subjects::FamilyType;

use super::super::{Sink, Warning};
use super::wire::{Family, Packet, Pedigree};

/// People remembered in one reading; later ones are not compared.
const MAX_PEOPLE: usize = 2_000_000;

/// Fingerprints of the people seen, by `subject.id`.
#[derive(Debug, Default)]
pub(super) struct People {
    seen: HashMap<u64, (u64, u64)>,
}

impl People {
    /// Remarks on packets with one `subject.id`: that they stay apart when packet ids count, that they disagree when
    /// they are merged.
    pub(super) fn notice(&mut self, packet: &Packet<'_>, by_packet_id: bool, sink: &mut dyn Sink) {
        let Some(subject) = packet.subject.as_ref().filter(|subject| !subject.id.is_empty()) else { return };
        let sex = match subject.sex.as_str() {
            "" | "UNKNOWN_SEX" | "0" => 0,
            known => fingerprint(known),
        };
        let birth = match subject.date_of_birth.as_str() {
            "" => 0,
            known => fingerprint(known),
        };
        let full = self.seen.len() >= MAX_PEOPLE;
        match self.seen.entry(fingerprint(subject.id.exact())) {
            Entry::Vacant(place) => {
                if !full {
                    place.insert((sex, birth));
                }
            }
            Entry::Occupied(mut place) => {
                let (known_sex, known_birth) = *place.get();
                let differ = |a: u64, b: u64| a != 0 && b != 0 && a != b;
                if by_packet_id {
                    sink.warn(Warning::one(
                        "packets share their subject.id with another packet and stay different subjects; name \
                         subject.id in the file pipeline to merge them",
                        subject.id.exact(),
                    ));
                } else if differ(known_sex, sex) || differ(known_birth, birth) {
                    sink.warn(Warning::one(
                        "packets with one subject.id disagree in sex or date of birth; they may be of different people",
                        subject.id.exact(),
                    ));
                }
                let first = |a: u64, b: u64| if a == 0 { b } else { a };
                place.insert((first(known_sex, sex), first(known_birth, birth)));
            }
        }
    }
}

fn fingerprint(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    // 0 stands for "not known".
    hasher.finish().max(1)
}

/// Singleton, trio (a proband and both parents) or another family, from the pedigree. A pedigree may leave out people
/// who have packets; without one three packets are taken for a trio.
pub(super) fn family_type(family: &Family<'_>) -> Option<FamilyType> {
    let persons = &family.pedigree.persons;
    let packets = usize::from(family.proband.is_some()) + family.relatives.len();
    match persons.len().max(packets) {
        0 => None,
        1 => Some(FamilyType::Singleton),
        3 if persons.is_empty() || has_both_parents(family) => Some(FamilyType::Trio),
        _ => Some(FamilyType::Family),
    }
}

fn has_both_parents(family: &Family<'_>) -> bool {
    let persons = &family.pedigree.persons;
    let proband = family.proband.as_ref().and_then(|packet| packet.subject.as_ref()).map(|s| s.id.as_str());
    let listed =
        |id: &str| !id.is_empty() && persons.iter().any(|person| person.individual_id.as_str() == id);
    persons
        .iter()
        .filter(|person| proband.is_none_or(|id| id.is_empty() || person.individual_id.as_str() == id))
        .any(|person| listed(person.paternal_id.as_str()) && listed(person.maternal_id.as_str()))
}

/// What the pedigree says of a member, if anything.
pub(super) fn affected(pedigree: &Pedigree<'_>, packet: &Packet<'_>) -> Option<bool> {
    let subject = packet.subject.as_ref()?.id.as_str();
    let person = pedigree.persons.iter().find(|person| person.individual_id.as_str() == subject)?;
    match person.affected_status.as_str() {
        // `Pedigree.Person.AffectedStatus`: MISSING = 0, UNAFFECTED = 1, AFFECTED = 2.
        "AFFECTED" | "2" => Some(true),
        "UNAFFECTED" | "1" => Some(false),
        _ => None,
    }
}
