//! Subjects in the form they are stored in (specification §6.4), checked and brought into that form exactly.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::subjects::{EavValue, GeneAlleles, Mutation, Scalar, Subject, Term, Variant};

use super::super::codes::{self, Resolver, subject_id};
use super::super::merge::{MergeReport, tidy};
use super::super::naming::{Rule, at_path, file_id};
use super::super::phenopacket::Origin;
use super::super::{IngestError, Reject, Row, Sink, Warning};
use super::Bad;
use super::flatten::flatten;

/// Sends the subject of one object; values that cannot be stored are rejected one by one.
pub(super) fn read(
    origin: Origin<'_>,
    record: &Value,
    resolver: &mut Resolver<'_>,
    sink: &mut dyn Sink,
) -> Result<(), Bad> {
    let Value::Object(fields) = record else { return Err(Bad::Record("the record is not an object".into())) };
    let own = at_path(record, &["subjectId"]).unwrap_or_default();
    let id = match origin.rule {
        // A subject that says who it is needs no other rule than the ones that overrule every record.
        Rule::Own | Rule::Batch { .. } => own,
        Rule::Path(path) => at_path(record, path).filter(|id| !id.trim().is_empty()).unwrap_or(own),
        Rule::FileName => file_id(origin.entry),
    };
    let id = subject_id(&id).map_err(|reason| Bad::Record(reason.into()))?;
    let mut subject = Subject::new(id);
    let mut reader = Reader { origin, resolver, sink };
    for (name, value) in fields {
        reader.field(&mut subject, name, value);
    }
    let mut report = MergeReport::default();
    tidy(&mut subject, &mut report);
    if report.contradictions > 0 {
        sink.warn(Warning {
            text: "terms that one subject has both present and excluded count as present".into(),
            count: report.contradictions,
            examples: vec![subject.subject_id.clone()],
        });
    }
    sink.row(Row::Subject(Box::new(subject))).map_err(IngestError::from)?;
    Ok(())
}

struct Reader<'a, 't> {
    origin: Origin<'a>,
    resolver: &'a mut Resolver<'t>,
    sink: &'a mut dyn Sink,
}

impl Reader<'_, '_> {
    fn field(&mut self, subject: &mut Subject, name: &str, value: &Value) {
        let items = match value {
            Value::Null => return,
            Value::Array(items) => items.as_slice(),
            single => std::slice::from_ref(single),
        };
        match name {
            "HPO" => {
                subject.hpo = self.terms(name, items, |reader, id| {
                    codes::hpo(id).map(|id| reader.resolver.hpo(id, reader.sink))
                })
            }
            "SNOMED" => {
                subject.snomed = self.terms(name, items, |_, id| codes::snomed(id).map(str::to_owned));
            }
            "ORDO" => {
                subject.ordo = self.ids(name, items, |reader, id| {
                    codes::ordo(id).map(|id| reader.resolver.ordo(id, reader.sink))
                })
            }
            "NCIT" => subject.ncit = self.ids(name, items, |_, id| codes::ncit(id).map(str::to_owned)),
            "ALLELES" => subject.alleles = self.objects(name, items, alleles),
            "VARIANT" => subject.variant = self.objects(name, items, variant),
            "EAV" => match value {
                Value::Object(fields) => subject.eav = self.attributes(fields),
                other => self.reject(name, "not an object of attributes", other),
            },
            // Hidden fields of a stored document are made anew.
            "subjectId" | "_id" | "_demo" | "_given" => {}
            other => self.sink.warn(Warning::one("fields that subjects do not have were left out", other)),
        }
    }

    fn terms(
        &mut self,
        name: &str,
        items: &[Value],
        read: impl Fn(&mut Self, &str) -> Option<String>,
    ) -> Vec<Term> {
        let mut terms = Vec::new();
        for item in items {
            match item {
                Value::Object(values) => {
                    let mut kept = BTreeMap::new();
                    for (id, value) in values {
                        match (read(self, id), value) {
                            (Some(id), Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                                kept.insert(id, value.clone());
                            }
                            _ => self.reject(name, "not an id of this field with a plain value", item),
                        }
                    }
                    if !kept.is_empty() {
                        terms.push(Term::Qualified(kept));
                    }
                }
                _ => match text(item).and_then(|id| read(self, &id)) {
                    Some(id) => terms.push(Term::Present(id)),
                    None => self.reject(name, "not an id of this field", item),
                },
            }
        }
        terms
    }

    fn ids(
        &mut self,
        name: &str,
        items: &[Value],
        read: impl Fn(&mut Self, &str) -> Option<String>,
    ) -> Vec<String> {
        let mut ids = Vec::new();
        for item in items {
            match text(item).and_then(|id| read(self, &id)) {
                Some(id) => ids.push(id),
                None => self.reject(name, "not an id of this field", item),
            }
        }
        ids
    }

    fn objects<T>(&mut self, name: &str, items: &[Value], read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        for item in items {
            match read(item) {
                Some(one) => found.push(one),
                None => self.reject(name, "not of the form this field has", item),
            }
        }
        found
    }

    fn attributes(&mut self, fields: &Map<String, Value>) -> BTreeMap<String, EavValue> {
        let flat = flatten(fields);
        flat.into_iter()
            .filter_map(|(name, value)| {
                let value = match value {
                    Value::Array(items) => EavValue::Many(items.into_iter().filter_map(scalar).collect()),
                    single => EavValue::One(scalar(single)?),
                };
                Some((name, value))
            })
            .collect()
    }

    fn reject(&mut self, column: &str, reason: &str, value: &Value) {
        self.sink.reject(Reject {
            file: self.origin.entry.name.into(),
            row: self.origin.row,
            column: Some(column.into()),
            reason: reason.into(),
            value: Some(value.to_string()),
        });
    }
}

/// Ids are texts; numbers are let through as they are written, so that `{"ORDO": [558]}` works.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn scalar(value: Value) -> Option<Scalar> {
    match value {
        Value::Bool(value) => Some(Scalar::Bool(value)),
        Value::Number(value) => Some(Scalar::Number(value)),
        Value::String(value) => Some(Scalar::Text(value)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn symbol(value: &Value) -> Option<String> {
    let gene = value.get("gene")?.as_str()?.trim();
    (!gene.is_empty() && gene.len() <= 255).then(|| gene.to_owned())
}

fn alleles(value: &Value) -> Option<GeneAlleles> {
    let alleles = match value.get("alleles") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(names)) => names.iter().map(text).collect::<Option<Vec<_>>>()?,
        Some(_) => return None,
    };
    Some(GeneAlleles { gene: symbol(value)?, alleles })
}

fn variant(value: &Value) -> Option<Variant> {
    let af = match value.get("af") {
        None | Some(Value::Null) => None,
        Some(af) => Some(af.as_f64().filter(|af| (0.0..=1.0).contains(af))?),
    };
    let count = value.get("_ac").and_then(Value::as_u64).and_then(|count| u8::try_from(count).ok());
    Some(Variant {
        gene: symbol(value)?,
        mutation: Mutation::parse(value.get("mutation")?.as_str()?)?,
        af,
        allele_count: count.filter(|count| (1..=2).contains(count)),
    })
}
