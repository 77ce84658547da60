//! Reads a query builder as published, with every alias, into its canonical form (specification §8.1–§8.3).
//!
//! Everything wrong is reported at once, each with its place in the document. Unknown fields are ignored.

use serde_json::{Map, Value};
use thiserror::Error;

use super::terms::{self, Vocabulary};
use super::{
    AgeRange, Builder, EavFilter, ExactFilter, FamilyTypes, GeneFilter, Granularity, Relation, SubjectFilter,
    TermFilter, VariantFilter,
};
use crate::domain::error::{Kind, Kinded};
use crate::domain::ids::SourceId;
use crate::domain::sources::{Capability, SubjectCapability};
use crate::domain::subjects::{Gender, GeneAlleles, Mutation};

/// Filters per family.
const MAX_FILTERS: usize = 100;
/// Terms, genes, alleles or sources per list.
const MAX_TERMS: usize = 1_000;
/// Terms of all filters together: each may stand for thousands after expansion.
const MAX_TERMS_IN_ALL: usize = 5_000;
/// Bytes per string.
const MAX_TEXT: usize = 1_024;
/// Bytes per regex.
const MAX_REGEX: usize = 1_000;
/// Bytes of a compiled regex; the engine itself takes time linear in the text.
const MAX_COMPILED_REGEX: usize = 1 << 20;
/// Problems reported; a document can be wrong in more places than anyone reads.
const MAX_PROBLEMS: usize = 50;

/// One thing wrong with a builder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, e.g. `hpo[0].terms[2]`.
    pub path: String,
    /// What should be there.
    pub expected: String,
}

/// A builder that cannot be understood, with everything that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the query is not valid: {}", .problems.iter().map(|p| format!("{}: expected {}", p.path, p.expected)).collect::<Vec<_>>().join("; "))]
pub struct BuilderError {
    /// At least one, in document order of the families.
    pub problems: Vec<Problem>,
}

impl Kinded for BuilderError {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// Compiles a regex of an EAV filter within the bounds of one; unanchored, case-sensitive, linear in time.
pub fn eav_regex(pattern: &str) -> Result<regex::Regex, regex::Error> {
    if pattern.len() > MAX_REGEX {
        return Err(regex::Error::CompiledTooBig(MAX_REGEX));
    }
    regex::RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED_REGEX)
        .dfa_size_limit(MAX_COMPILED_REGEX)
        .build()
}

impl Builder {
    /// Reads a builder; empty filters count as not given, aliases and prefixes are resolved.
    ///
    /// The result satisfies every promise the fields of [`Builder`] make, and its size is bounded.
    pub fn read(document: &Value) -> Result<Self, BuilderError> {
        let mut reader = Reader::default();
        let builder = reader.builder(document);
        if reader.terms > MAX_TERMS_IN_ALL {
            reader.problem("hpo", format!("at most {MAX_TERMS_IN_ALL} terms in all filters together"));
        }
        match (builder, reader.problems.is_empty()) {
            (Some(builder), true) => Ok(builder),
            _ => Err(BuilderError { problems: reader.problems }),
        }
    }
}

#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
    terms: usize,
}

type Object = Map<String, Value>;

/// A field that is there and not null.
fn given<'v>(object: &'v Object, name: &str) -> Option<&'v Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// The first of several names that is given.
fn alias<'v, 'n>(object: &'v Object, names: &[&'n str]) -> Option<(&'n str, &'v Value)> {
    names.iter().find_map(|name| given(object, name).map(|value| (*name, value)))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

impl Reader {
    fn problem(&mut self, path: &str, expected: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { path: path.to_owned(), expected: expected.into() });
        }
    }

    fn object<'v>(&mut self, path: &str, value: &'v Value) -> Option<&'v Object> {
        let object = value.as_object();
        if object.is_none() {
            self.problem(path, "an object");
        }
        object
    }

    fn list<'v>(&mut self, path: &str, value: &'v Value, most: usize) -> &'v [Value] {
        match value.as_array() {
            Some(list) if list.len() <= most => list,
            Some(list) => {
                self.problem(path, format!("at most {most} elements, not {}", list.len()));
                &[]
            }
            None => {
                self.problem(path, "an array");
                &[]
            }
        }
    }

    fn text<'v>(&mut self, path: &str, value: &'v Value) -> Option<&'v str> {
        let text = value.as_str().filter(|text| !text.trim().is_empty() && text.len() <= MAX_TEXT);
        if text.is_none() {
            self.problem(path, format!("a text of 1 to {MAX_TEXT} bytes"));
        }
        text
    }

    fn flag(&mut self, path: &str, object: &Object, names: &[&str]) -> bool {
        let Some((name, value)) = alias(object, names) else { return false };
        value.as_bool().unwrap_or_else(|| {
            self.problem(&join(path, name), "true or false");
            false
        })
    }

    fn number(&mut self, path: &str, value: &Value, from: f64, to: f64) -> Option<f64> {
        let number = value.as_f64().filter(|number| (from..=to).contains(number));
        if number.is_none() {
            self.problem(path, format!("a number from {from} to {to}"));
        }
        number
    }

    /// A family: each element an object, read by `read` with its own path.
    fn family<T>(
        &mut self,
        document: &Object,
        names: &[&str],
        mut read: impl FnMut(&mut Self, &str, &Object) -> Option<T>,
    ) -> Vec<T> {
        let mut filters = Vec::new();
        for name in names {
            let Some(value) = given(document, name) else { continue };
            for (index, element) in self.list(name, value, MAX_FILTERS).iter().enumerate() {
                let path = format!("{name}[{index}]");
                let Some(object) = self.object(&path, element) else { continue };
                filters.extend(read(self, &path, object));
            }
        }
        filters
    }

    fn builder(&mut self, document: &Value) -> Option<Builder> {
        let document = self.object("builder", document)?;
        let subject = match given(document, "subject") {
            Some(value) => self.object("subject", value).map(|object| self.subject(object)),
            None => None,
        };
        let hpo = self.family(document, &["hpo"], |this, path, filter| {
            this.term_filter(path, filter, Vocabulary::Hpo, &["useOrphaNet", "useOrphanet"])
        });
        let ordo = self.family(document, &["ordo"], |this, path, filter| {
            this.term_filter(path, filter, Vocabulary::Ordo, &["useHPO", "useHpo"])
        });
        let genes = self.family(document, &["genes"], Self::gene_filter);
        let snomed = self.family(document, &["snomed"], |this, path, filter| {
            let terms = this.terms(path, filter, Vocabulary::Snomed);
            let minimum_match = this.minimum_match(path, filter, terms.len());
            (!terms.is_empty()).then_some(ExactFilter { terms, minimum_match })
        });
        let variant = self.family(document, &["variant", "variants"], Self::variant_filter);
        let eav = self.family(document, &["eav"], Self::eav_filter);
        let sources = self.sources(document);
        let (granularity, required) = match given(document, "advanced") {
            Some(value) => match self.object("advanced", value) {
                Some(advanced) => (self.granularity(advanced), self.required(advanced)),
                None => (None, Capability::default()),
            },
            None => (None, Capability::default()),
        };
        let subject = subject.unwrap_or_default();
        Some(Builder { subject, hpo, ordo, genes, snomed, variant, eav, sources, granularity, required })
    }

    fn subject(&mut self, object: &Object) -> SubjectFilter {
        let gender = given(object, "gender").and_then(|value| {
            match value.as_str().map(str::to_lowercase).as_deref() {
                Some("male") => Some(Gender::Male),
                Some("female") => Some(Gender::Female),
                Some("any" | "") => None,
                _ => {
                    self.problem("subject.gender", "male, female or any");
                    None
                }
            }
        });
        let family_type = given(object, "familyType").and_then(|value| {
            let path = "subject.familyType";
            let checked = self.object(path, value)?;
            let types = FamilyTypes {
                singleton: self.flag(path, checked, &["singletons", "singleton"]),
                trio: self.flag(path, checked, &["trios", "trio"]),
                family: self.flag(path, checked, &["family"]),
            };
            (types != FamilyTypes::default()).then_some(types)
        });
        SubjectFilter {
            gender,
            age: self.age(object, "age"),
            age_first_diagnosis: self.age(object, "ageFirstDiagnosis"),
            age_first_symptoms: self.age(object, "ageFirstSymptoms"),
            affected_only: self.flag("subject", object, &["affectedOnly"]),
            family_type,
        }
    }

    fn age(&mut self, subject: &Object, name: &str) -> Option<AgeRange> {
        let path = join("subject", name);
        let object = self.object(&path, given(subject, name)?)?;
        let mut end = |name: &str, absent: u8| {
            let Some(value) = given(object, name) else { return Some(absent) };
            let whole = value.as_f64().filter(|years| (0.0..=100.0).contains(years) && years.fract() == 0.0);
            if whole.is_none() {
                self.problem(&join(&path, name), "a whole number from 0 to 100");
            }
            whole.map(|years| years as u8)
        };
        let (min, max) = (end("min", 0)?, end("max", 100)?);
        if min > max {
            self.problem(&path, format!("min not above max, not {min} to {max}"));
            return None;
        }
        let range = AgeRange { min: (min > 0).then_some(min), max: (max < 100).then_some(max) };
        (range.min.is_some() || range.max.is_some()).then_some(range)
    }

    /// Terms without prefix, repeats removed.
    fn terms(&mut self, path: &str, filter: &Object, vocabulary: Vocabulary) -> Vec<String> {
        let path = join(path, "terms");
        let Some(value) = given(filter, "terms") else {
            self.problem(&path, "an array of terms");
            return Vec::new();
        };
        let list = self.list(&path, value, MAX_TERMS);
        self.terms += list.len();
        let mut read: Vec<String> = Vec::with_capacity(list.len());
        let mut seen = std::collections::HashSet::with_capacity(list.len());
        for (index, element) in list.iter().enumerate() {
            match element.as_str().and_then(|text| terms::local(vocabulary, text)) {
                Some(id) if seen.insert(id.clone()) => read.push(id),
                Some(_) => {}
                None => self.problem(&format!("{path}[{index}]"), terms::expected(vocabulary)),
            }
        }
        read
    }

    /// How many of `count` distinct terms must match: `minimumMatch`, or `matchScale` of them rounded up, or one.
    fn minimum_match(&mut self, path: &str, filter: &Object, count: usize) -> usize {
        if let Some(value) = given(filter, "minimumMatch") {
            let whole = value.as_f64().filter(|least| *least >= 1.0 && least.fract() == 0.0);
            return match whole {
                Some(least) if least <= count.max(1) as f64 => least as usize,
                _ => {
                    let expected = format!("a whole number from 1 to the number of different terms, {count}");
                    self.problem(&join(path, "minimumMatch"), expected);
                    1
                }
            };
        }
        let Some(value) = given(filter, "matchScale") else { return 1 };
        let scale = self.number(&join(path, "matchScale"), value, 0.0, 1.0).unwrap_or(0.0);
        // Less a hair: 0.1 × 30 is 3.0000000000000004 and means 3.
        ((scale * count as f64 - 1e-9).ceil() as usize).clamp(1, count.max(1))
    }

    fn term_filter(
        &mut self,
        path: &str,
        filter: &Object,
        vocabulary: Vocabulary,
        cross: &[&str],
    ) -> Option<TermFilter> {
        let terms = self.terms(path, filter, vocabulary);
        let similarity = match given(filter, "similarity") {
            Some(value) => self.number(&join(path, "similarity"), value, 0.0, 1.0)?,
            None => 1.0,
        };
        let minimum_match = self.minimum_match(path, filter, terms.len());
        let cross = self.flag(path, filter, cross);
        let include_descendants = self.flag(path, filter, &["includeDescendants"]);
        (!terms.is_empty()).then_some(TermFilter {
            terms,
            similarity,
            minimum_match,
            cross,
            include_descendants,
        })
    }

    fn texts(&mut self, path: &str, filter: &Object, name: &str) -> Vec<String> {
        let path = join(path, name);
        let Some(value) = given(filter, name) else { return Vec::new() };
        let list = self.list(&path, value, MAX_TERMS);
        self.terms += list.len();
        let mut texts = Vec::with_capacity(list.len());
        for (index, element) in list.iter().enumerate() {
            texts.extend(self.text(&format!("{path}[{index}]"), element).map(str::to_owned));
        }
        texts
    }

    fn gene_filter(&mut self, path: &str, filter: &Object) -> Option<GeneFilter> {
        let path = join(path, "alleles");
        let Some(value) = given(filter, "alleles") else {
            self.problem(&path, "an array of {gene, alleles}");
            return None;
        };
        let mut alleles = Vec::new();
        for (index, element) in self.list(&path, value, MAX_TERMS).iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(entry) = self.object(&path, element) else { continue };
            let names = self.texts(&path, entry, "alleles");
            match given(entry, "gene") {
                Some(value) => {
                    let gene = self.text(&join(&path, "gene"), value);
                    alleles.extend(
                        gene.map(|gene| GeneAlleles { gene: gene.trim().to_owned(), alleles: names }),
                    );
                }
                None => self.problem(&join(&path, "gene"), "a gene symbol"),
            }
        }
        (!alleles.is_empty()).then_some(GeneFilter { alleles })
    }

    fn variant_filter(&mut self, path: &str, filter: &Object) -> Option<VariantFilter> {
        let trimmed = |texts: Vec<String>| texts.into_iter().map(|text| text.trim().to_owned()).collect();
        let genes: Vec<String> = trimmed(self.texts(path, filter, "genes"));
        let reactome: Vec<String> = trimmed(self.texts(path, filter, "reactome"));
        let mut mutation = Vec::new();
        let mutation_path = join(path, "mutation");
        if let Some(value) = given(filter, "mutation") {
            for (index, element) in self.list(&mutation_path, value, MAX_TERMS).iter().enumerate() {
                match element.as_str().and_then(Mutation::parse) {
                    Some(kind) if !mutation.contains(&kind) => mutation.push(kind),
                    Some(_) => {}
                    None => {
                        let all = Mutation::ALL.map(Mutation::as_str).join(", ");
                        self.problem(&format!("{mutation_path}[{index}]"), format!("one of {all}"));
                    }
                }
            }
        } else if !genes.is_empty() || !reactome.is_empty() {
            self.problem(&mutation_path, "an array of mutation types; an empty one means any");
        }
        let max_af = match given(filter, "maxAf") {
            // Above 1 it is a percentage, as in the published sample (§8.1).
            Some(value) => self.number(&join(path, "maxAf"), value, 0.0, 100.0)?,
            None => 1.0,
        };
        let max_af = if max_af > 1.0 { max_af / 100.0 } else { max_af };
        let use_local_af = self.flag(path, filter, &["useLocalAf"]);
        if genes.is_empty() && reactome.is_empty() {
            if !mutation.is_empty() {
                self.problem(&join(path, "genes"), "a gene or a Reactome pathway beside the mutation types");
            }
            return None;
        }
        Some(VariantFilter { genes, reactome, mutation, max_af, use_local_af })
    }

    fn eav_filter(&mut self, path: &str, filter: &Object) -> Option<EavFilter> {
        let attribute = match given(filter, "attribute") {
            Some(value) => self.text(&join(path, "attribute"), value),
            None => {
                self.problem(&join(path, "attribute"), "the stored name of an attribute");
                None
            }
        };
        let relation = given(filter, "relation")
            .and_then(|value| serde_json::from_value::<Relation>(value.clone()).ok());
        if relation.is_none() {
            let expected = "stringIs, stringIsNot, regexContains, regexDoesNotContain or numeric with Equals, \
                            NotEquals, GreaterThan, LessThan, GreaterThanOrEqual, LessThanOrEqual";
            self.problem(&join(path, "relation"), expected);
        }
        let value = self.eav_value(&join(path, "value"), relation?, given(filter, "value"))?;
        Some(EavFilter { attribute: attribute?.to_owned(), relation: relation?, value })
    }

    fn eav_value(&mut self, path: &str, relation: Relation, value: Option<&Value>) -> Option<Value> {
        let (legal, expected) = match relation {
            Relation::StringIs | Relation::StringIsNot => (
                value
                    .is_some_and(|v| v.is_boolean() || v.as_str().is_some_and(|text| text.len() <= MAX_TEXT)),
                format!("a text of at most {MAX_TEXT} bytes, true or false"),
            ),
            Relation::RegexContains | Relation::RegexDoesNotContain => {
                let regex = value.and_then(Value::as_str).map(eav_regex);
                let why = match &regex {
                    Some(Err(regex::Error::Syntax(why))) => format!(" ({})", last_line(why)),
                    _ => String::new(),
                };
                let expected = format!("a regular expression of at most {MAX_REGEX} bytes{why}");
                (matches!(regex, Some(Ok(_))), expected)
            }
            _ => (value.is_some_and(Value::is_number), "a number".to_owned()),
        };
        if !legal {
            self.problem(path, expected);
        }
        value.filter(|_| legal).cloned()
    }

    fn sources(&mut self, document: &Object) -> Vec<SourceId> {
        let Some(value) = given(document, "sources") else { return Vec::new() };
        let (path, value) = match value {
            Value::Object(object) => match given(object, "sources") {
                Some(value) => ("sources.sources", value),
                None => return Vec::new(),
            },
            other => ("sources", other),
        };
        let mut sources = Vec::new();
        for (index, element) in self.list(path, value, MAX_TERMS).iter().enumerate() {
            match element.as_str().map(SourceId::parse) {
                Some(Ok(id)) => sources.push(id),
                // Never dropped in silence: an emptied list would mean all sources.
                _ => self.problem(&format!("{path}[{index}]"), "a source id"),
            }
        }
        sources
    }

    fn granularity(&mut self, advanced: &Object) -> Option<Granularity> {
        let value = given(advanced, "granularity")?;
        let level = serde_json::from_value(value.clone()).ok().filter(|level| *level > Granularity::NoAccess);
        if level.is_none() {
            self.problem("advanced.granularity", "boolean, range, count, list or detailedList");
        }
        level
    }

    fn required(&mut self, advanced: &Object) -> Capability {
        let path = "advanced.requiredFilters";
        let Some(flags) = given(advanced, "requiredFilters").and_then(|value| self.object(path, value))
        else {
            return Capability::default();
        };
        let sub_path = join(path, "subjectCapability");
        let sub = given(flags, "subjectCapability").and_then(|value| self.object(&sub_path, value));
        let subject_capability = sub.map(|sub| SubjectCapability {
            age: self.flag(&sub_path, sub, &["age"]),
            gender: self.flag(&sub_path, sub, &["gender"]),
            family_type: self.flag(&sub_path, sub, &["familyType"]),
            affected: self.flag(&sub_path, sub, &["affected"]),
        });
        Capability {
            subject: self.flag(path, flags, &["subject"]),
            genes: self.flag(path, flags, &["genes"]),
            hpo: self.flag(path, flags, &["hpo"]),
            ordo: self.flag(path, flags, &["ordo"]),
            snomed: self.flag(path, flags, &["snomed"]),
            variant: self.flag(path, flags, &["variant"]),
            source: self.flag(path, flags, &["source"]),
            eav: self.flag(path, flags, &["eav"]),
            subject_capability: subject_capability.unwrap_or_default(),
        }
    }
}

/// The regex crate explains itself over several lines, the reason last.
fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
}
