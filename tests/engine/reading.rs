//! A question read by the specification §8.1 and §8.2 alone, independently of the product's reader. Only for
//! questions that are valid; nothing is reported.

use cv3_backend::domain::ids::SourceId;
use cv3_backend::domain::queries::{
    AgeRange, Builder, EavFilter, ExactFilter, FamilyTypes, GeneFilter, SubjectFilter, TermFilter,
    VariantFilter,
};
use cv3_backend::domain::sources::{Capability, SubjectCapability};
use cv3_backend::domain::subjects::{Gender, GeneAlleles, Mutation};
use serde_json::Value;

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    list(value, name).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn is(value: &Value, names: &[&str]) -> bool {
    names.iter().any(|name| value[*name] == true)
}

fn distinct<T: PartialEq>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    all.into_iter().fold(Vec::new(), |mut kept, one| {
        if !kept.contains(&one) {
            kept.push(one);
        }
        kept
    })
}

/// "Term IDs with or without prefix"; an HPO id has seven digits, an Orphanet number is a number.
fn terms(filter: &Value) -> Vec<String> {
    distinct(texts(filter, "terms").iter().map(|text| {
        let digits = text.rsplit([':', '_']).next().unwrap();
        if digits.len() == 7 { digits } else { digits.trim_start_matches('0') }.to_owned()
    }))
}

/// `minimumMatch`, or ceil(`matchScale` × number of terms), at least 1; scales have at most two decimals.
fn minimum(filter: &Value, terms: usize) -> usize {
    let scaled = filter["matchScale"].as_f64().map(|scale| {
        let hundredths = (scale * 100.0).round() as usize;
        (hundredths * terms).div_ceil(100).max(1)
    });
    filter["minimumMatch"].as_u64().map(|least| least as usize).or(scaled).unwrap_or(1)
}

fn term_filters(question: &Value, family: &str, cross: &[&str]) -> Vec<TermFilter> {
    let read = |filter: &Value| {
        let terms = terms(filter);
        TermFilter {
            similarity: filter["similarity"].as_f64().unwrap_or(1.0),
            minimum_match: minimum(filter, terms.len()),
            cross: is(filter, cross),
            include_descendants: is(filter, &["includeDescendants"]),
            terms,
        }
    };
    list(question, family).iter().map(read).filter(|filter| !filter.terms.is_empty()).collect()
}

fn age(range: &Value) -> Option<AgeRange> {
    let end = |name: &str, open: u64| range[name].as_u64().filter(|years| *years != open).map(|y| y as u8);
    let range = AgeRange { min: end("min", 0), max: end("max", 100) };
    (range.min.is_some() || range.max.is_some()).then_some(range)
}

fn subject(subject: &Value) -> SubjectFilter {
    let types = FamilyTypes {
        singleton: is(&subject["familyType"], &["singletons"]),
        trio: is(&subject["familyType"], &["trios", "trio"]),
        family: is(&subject["familyType"], &["family"]),
    };
    SubjectFilter {
        gender: match subject["gender"].as_str() {
            Some("male") => Some(Gender::Male),
            Some("female") => Some(Gender::Female),
            _ => None,
        },
        age: age(&subject["age"]),
        age_first_diagnosis: age(&subject["ageFirstDiagnosis"]),
        age_first_symptoms: age(&subject["ageFirstSymptoms"]),
        affected_only: is(subject, &["affectedOnly"]),
        family_type: (types.singleton || types.trio || types.family).then_some(types),
    }
}

fn variant(filter: &Value) -> Option<VariantFilter> {
    let (genes, reactome) = (texts(filter, "genes"), texts(filter, "reactome"));
    let given = !genes.is_empty() || !reactome.is_empty();
    let max_af = filter["maxAf"].as_f64().unwrap_or(1.0);
    given.then(|| VariantFilter {
        genes,
        reactome,
        mutation: distinct(texts(filter, "mutation").iter().filter_map(|name| Mutation::parse(name))),
        max_af: if max_af > 1.0 { max_af / 100.0 } else { max_af },
        use_local_af: is(filter, &["useLocalAf"]),
    })
}

fn genes(filter: &Value) -> GeneFilter {
    let entry = |entry: &Value| GeneAlleles {
        gene: entry["gene"].as_str().unwrap_or_default().to_owned(),
        alleles: texts(entry, "alleles"),
    };
    GeneFilter { alleles: list(filter, "alleles").iter().map(entry).collect() }
}

/// The question in the canonical form.
pub fn builder(question: &Value) -> Builder {
    let snomed = |filter: &Value| {
        let terms = distinct(texts(filter, "terms"));
        ExactFilter { minimum_match: minimum(filter, terms.len()), terms }
    };
    let eav = |filter: &Value| {
        Some(EavFilter {
            attribute: filter["attribute"].as_str()?.to_owned(),
            relation: serde_json::from_value(filter["relation"].clone()).ok()?,
            value: filter["value"].clone(),
        })
    };
    let flags = &question["advanced"]["requiredFilters"];
    let sub = &flags["subjectCapability"];
    Builder {
        subject: subject(&question["subject"]),
        hpo: term_filters(question, "hpo", &["useOrphaNet", "useOrphanet"]),
        ordo: term_filters(question, "ordo", &["useHPO"]),
        genes: list(question, "genes")
            .iter()
            .map(genes)
            .filter(|filter| !filter.alleles.is_empty())
            .collect(),
        snomed: list(question, "snomed")
            .iter()
            .map(snomed)
            .filter(|filter| !filter.terms.is_empty())
            .collect(),
        variant: ["variant", "variants"]
            .iter()
            .flat_map(|name| list(question, name))
            .filter_map(variant)
            .collect(),
        eav: list(question, "eav").iter().filter_map(eav).collect(),
        sources: texts(&question["sources"], "sources")
            .iter()
            .filter_map(|id| SourceId::parse(id).ok())
            .collect(),
        granularity: serde_json::from_value(question["advanced"]["granularity"].clone()).ok(),
        required: Capability {
            subject: is(flags, &["subject"]),
            genes: is(flags, &["genes"]),
            hpo: is(flags, &["hpo"]),
            ordo: is(flags, &["ordo"]),
            snomed: is(flags, &["snomed"]),
            variant: is(flags, &["variant"]),
            source: is(flags, &["source"]),
            eav: is(flags, &["eav"]),
            subject_capability: SubjectCapability {
                age: is(sub, &["age"]),
                gender: is(sub, &["gender"]),
                family_type: is(sub, &["familyType"]),
                affected: is(sub, &["affected"]),
            },
        },
    }
}
