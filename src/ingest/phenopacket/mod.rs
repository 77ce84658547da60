//! Phenopackets, version 1 and 2, as JSON: single packets, families and cohorts (specification §7.2).
//!
//! Lives here: which subject a packet is (`mod.rs`), what is read of it (`wire.rs`), what becomes of each part
//! (`convert.rs`, `variants.rs`), points in a life (`times.rs`), people behind several packets (`people.rs`).
//! Does not: cutting a file into packets (`json`). To read another part: its field in `wire.rs`, its arm in
//! `convert.rs`; until then it is counted in the remark about parts left out.

use std::collections::HashMap;

use serde_json::Value;

use crate::domain::subjects::{FamilyType, Subject};
use crate::terms::Terms;

mod convert;
mod people;
#[cfg(test)]
mod tests;
mod times;
mod variants;
mod wire;

use super::codes::{Resolver, subject_id};
use super::naming::{Numbers, Rule, at_path, file_id};
use super::{Entry, IngestError, Reject, Row, Sink, Warning};
use people::People;
pub(super) use wire::{Cohort, Family, Packet};

/// Reads packets of one upload, over all its entries: what it remembers is bounded by the terms and people in it.
pub(super) struct Packets<'t> {
    pub(super) resolver: Resolver<'t>,
    people: People,
    numbers: Numbers,
    /// Places of the terms of the packet in hand; kept for its allocation.
    places: HashMap<u32, usize>,
}

/// Where a packet comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub entry: &'a Entry<'a>,
    pub rule: &'a Rule<'a>,
    /// Number of the record in the entry, from 1.
    pub row: u64,
}

/// What a family or cohort says about one of its members.
#[derive(Debug, Clone, Copy, Default)]
struct Membership<'a> {
    group_id: Option<&'a str>,
    family_type: Option<FamilyType>,
    affected: Option<bool>,
}

impl<'t> Packets<'t> {
    pub(super) fn new(terms: &'t dyn Terms) -> Self {
        Self {
            resolver: Resolver::new(terms),
            people: People::default(),
            numbers: Numbers::default(),
            places: HashMap::new(),
        }
    }

    /// Sends the subject of a packet; `record` is the packet's JSON, asked for only by rules with a path.
    pub(super) fn packet(
        &mut self,
        origin: Origin<'_>,
        packet: &Packet<'_>,
        record: impl FnOnce() -> Option<Value>,
        sink: &mut dyn Sink,
    ) -> Result<(), IngestError> {
        self.member(origin, packet, Membership::default(), record, sink)
    }

    /// Sends the subjects of a family: the proband and each relative with a packet of its own.
    pub(super) fn family(
        &mut self,
        origin: Origin<'_>,
        family: &Family<'_>,
        record: impl FnOnce() -> Option<Value>,
        sink: &mut dyn Sink,
    ) -> Result<(), IngestError> {
        let record = record();
        let family_type = people::family_type(family);
        let members = family.proband.iter().chain(&family.relatives);
        for (at, packet) in members.enumerate() {
            let membership = Membership {
                group_id: Some(family.id.exact()),
                family_type,
                affected: people::affected(&family.pedigree, packet),
            };
            let value = || {
                let record = record.as_ref()?;
                let has_proband = usize::from(family.proband.is_some());
                match at.checked_sub(has_proband) {
                    Some(relative) => record.get("relatives")?.get(relative).cloned(),
                    None => record.get("proband").cloned(),
                }
            };
            self.member(origin, packet, membership, value, sink)?;
        }
        Ok(())
    }

    /// Sends the subjects of a cohort.
    pub(super) fn cohort(
        &mut self,
        origin: Origin<'_>,
        cohort: &Cohort<'_>,
        record: impl FnOnce() -> Option<Value>,
        sink: &mut dyn Sink,
    ) -> Result<(), IngestError> {
        let record = record();
        for (at, packet) in cohort.members.iter().enumerate() {
            let membership = Membership { group_id: Some(cohort.id.exact()), ..Membership::default() };
            let value = || record.as_ref()?.get("members")?.get(at).cloned();
            self.member(origin, packet, membership, value, sink)?;
        }
        Ok(())
    }

    fn member(
        &mut self,
        origin: Origin<'_>,
        packet: &Packet<'_>,
        membership: Membership<'_>,
        record: impl FnOnce() -> Option<Value>,
        sink: &mut dyn Sink,
    ) -> Result<(), IngestError> {
        let id = self.id(origin, packet, membership.group_id, record, sink);
        let id = match subject_id(&id) {
            Ok(id) => id.to_owned(),
            Err(reason) => {
                sink.reject(Reject {
                    file: origin.entry.name.into(),
                    row: origin.row,
                    column: Some("id".into()),
                    reason: reason.into(),
                    value: Some(id),
                });
                return Ok(());
            }
        };
        self.people.notice(packet, *origin.rule == Rule::Own, sink);
        let mut subject = Subject::new(id);
        self.fill(&mut subject, origin, packet, membership, sink);
        super::demographics::resolve(&mut subject);
        sink.row(Row::Subject(Box::new(subject)))?;
        Ok(())
    }

    /// The subject's id by the pipeline's rule; where that finds nothing the packet's own id, so that reading the
    /// file again finds the same subject; where the packet has none a fresh one.
    fn id(
        &mut self,
        origin: Origin<'_>,
        packet: &Packet<'_>,
        group_id: Option<&str>,
        record: impl FnOnce() -> Option<Value>,
        sink: &mut dyn Sink,
    ) -> String {
        let subject = packet.subject.as_ref().map_or("", |subject| subject.id.exact());
        let found = match origin.rule {
            Rule::Own => None,
            Rule::Path(path) => match path.as_slice() {
                // Members too: the operator named the path, so it is theirs alone.
                ["id"] => Some(packet.id.exact().to_owned()),
                ["subject", "id"] => Some(subject.to_owned()),
                path => record().and_then(|record| at_path(&record, path)),
            },
            Rule::FileName => Some(file_id(origin.entry)),
            Rule::Batch { prefix, size } => Some(self.numbers.next(origin.entry, prefix, *size)),
        };
        if let Some(id) = found.filter(|id| !id.trim().is_empty()) {
            return id;
        }
        if let Rule::Path(path) = origin.rule {
            sink.warn(Warning::one(
                "packets without a value for the pipeline's attribute keep their own id",
                path.join("."),
            ));
        }
        let own = match group_id {
            Some(_) if packet.id.is_empty() => subject,
            _ => packet.id.exact(),
        };
        match group_id {
            _ if own.trim().is_empty() => {
                sink.warn(Warning {
                    text: "packets without any id got a fresh one; reading the file again makes new subjects"
                        .into(),
                    count: 1,
                    examples: Vec::new(),
                });
                origin.entry.input.random.uuid().to_string()
            }
            Some(group) if !group.trim().is_empty() => format!("{group}/{own}"),
            _ => own.to_owned(),
        }
    }
}
