//! Auto-completion over the terms of an ontology (spec §13, "Autocomplete v2").
//!
//! A query is cut at white space after quotes are removed; every word must occur, as written, without regard
//! to case. A term is found by the first of its fields that holds every word: id, label, one synonym,
//! definition; failing that, by all of them together. Results are ordered by that field, then by the shorter
//! label, then by the earlier position of the first word, then by id.
//!
//! Text is searched where it lies, without a lower-case copy: a query takes milliseconds, which is what a
//! person typing needs, and costs no memory between queries.

use super::form::Sections;
use super::vocabulary::Vocabulary;

/// Longest query looked at, in characters; the rest is ignored.
pub const MAX_QUERY: usize = 200;
const MAX_WORDS: usize = 16;

/// One proposed term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    pub id: String,
    pub label: String,
    pub definition: Option<String>,
}

/// The words of a query, lower-case, without quotes.
pub(super) fn words(query: &str) -> Vec<String> {
    let bare: String =
        query.chars().take(MAX_QUERY).filter(|c| !matches!(c, '"' | '\'' | '“' | '”' | '‘' | '’')).collect();
    bare.to_lowercase().split_whitespace().take(MAX_WORDS).map(str::to_owned).collect()
}

/// Characters a query counts for when a service asks for a minimum: without quotes and outer white space.
pub(super) fn length(query: &str) -> usize {
    words(query).join(" ").chars().count()
}

pub(super) fn complete(
    vocabulary: &Vocabulary,
    sections: &Sections,
    query: &str,
    limit: usize,
) -> Vec<Completion> {
    let words = words(query);
    if words.is_empty() {
        return Vec::new();
    }
    let names = vocabulary.names;
    let labels = sections.strings(names.labels);
    let synonyms = sections.strings(names.synonyms);
    let definitions = sections.strings(names.definitions);
    let mut found: Vec<(Rank, u16)> = Vec::new();
    for (term, index) in
        (0..vocabulary.graph.terms()).filter_map(|index| Some((u16::try_from(index).ok()?, index)))
    {
        let id = vocabulary.id(term).to_owned();
        let fields = [id.as_str(), labels.get(index), synonyms.get(index), definitions.get(index)];
        if let Some((field, position)) = best(&fields, &words) {
            found.push((Rank { field, length: labels.get(index).chars().count(), position }, term));
        }
    }
    found.sort_unstable();
    let wanted = if limit == 0 { found.len() } else { limit };
    let proposal = |term: u16| {
        let definition = definitions.get(usize::from(term));
        Completion {
            id: vocabulary.id(term).to_owned(),
            label: vocabulary.label(sections, term).to_owned(),
            definition: (!definition.is_empty()).then(|| definition.to_owned()),
        }
    };
    found.into_iter().take(wanted).map(|(_, term)| proposal(term)).collect()
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    field: usize,
    length: usize,
    position: usize,
}

/// The first field that holds every word and where its first word begins; field 2 is a list of synonyms.
fn best(fields: &[&str; 4], words: &[String]) -> Option<(usize, usize)> {
    for (number, field) in fields.iter().enumerate() {
        let position = if number == 2 {
            field.lines().filter_map(|synonym| all_in(synonym, words)).min()
        } else {
            all_in(field, words)
        };
        if let Some(position) = position {
            return Some((number, position));
        }
    }
    let anywhere =
        words.len() > 1 && words.iter().all(|word| fields.iter().any(|field| find(field, word).is_some()));
    anywhere.then_some((fields.len(), 0))
}

fn all_in(text: &str, words: &[String]) -> Option<usize> {
    let mut positions = words.iter().map(|word| find(text, word));
    let first = positions.next()??;
    positions.all(|position| position.is_some()).then_some(first)
}

/// Byte position of a lower-case `word` in `text`, without regard to case.
fn find(text: &str, word: &str) -> Option<usize> {
    if !word.is_ascii() {
        return text.to_lowercase().find(word);
    }
    let first = word.bytes().next()?;
    let starts = text.bytes().enumerate().filter(|(_, byte)| byte.eq_ignore_ascii_case(&first));
    starts.map(|(at, _)| at).find(|at| {
        text.as_bytes()
            .get(*at..*at + word.len())
            .is_some_and(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    })
}
