//! The OBO 1.2/1.4 flat file format, as far as a term file needs it.

use super::BuildError;
use super::input::Input;

/// One `[Term]` stanza.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stanza {
    /// Line of its `id:`, for messages.
    pub line: usize,
    pub id: String,
    pub name: String,
    pub definition: String,
    pub comment: String,
    pub synonyms: Vec<String>,
    pub parents: Vec<String>,
    pub alternatives: Vec<String>,
    pub replaced_by: Option<String>,
    pub obsolete: bool,
}

/// The terms of an OBO file and the value of its `data-version`.
pub fn read(input: &Input) -> Result<(String, Vec<Stanza>), BuildError> {
    let mut version = String::new();
    let mut terms: Vec<Stanza> = Vec::new();
    let mut stanza: Option<Stanza> = None;
    let mut header = true;
    for (number, line) in input.lines() {
        if line.starts_with('[') {
            header = false;
            terms.extend(stanza.take());
            stanza = (line.trim_end() == "[Term]").then(Stanza::default);
            continue;
        }
        let Some((tag, value)) = line.split_once(':') else {
            if line.trim().is_empty() || line.starts_with('!') {
                continue;
            }
            return Err(input.wrong(number, "neither a stanza nor a tag with a value"));
        };
        let value = value.trim();
        if header {
            if tag == "data-version" {
                value.clone_into(&mut version);
            }
        } else if let Some(term) = &mut stanza {
            enter(term, input, number, tag, value)?;
        }
    }
    terms.extend(stanza);
    match terms.iter().find(|term| term.id.is_empty()) {
        Some(_) => Err(input.unusable("a [Term] has no id")),
        None if version.is_empty() => {
            Err(input.unusable("it has no data-version; read is hp.obo, the OBO format"))
        }
        None => Ok((version, terms)),
    }
}

fn enter(term: &mut Stanza, input: &Input, number: usize, tag: &str, value: &str) -> Result<(), BuildError> {
    let quoted_text = || quoted(value).ok_or_else(|| input.wrong(number, format!("the {tag} is not quoted")));
    match tag {
        "id" => {
            term.line = number;
            term.id = reference(value);
        }
        "name" => term.name = plain(value),
        "def" => term.definition = quoted_text()?,
        "comment" => term.comment = plain(value),
        "synonym" => term.synonyms.push(quoted_text()?),
        "is_a" => term.parents.push(reference(value)),
        "alt_id" => term.alternatives.push(reference(value)),
        "replaced_by" => {
            term.replaced_by.get_or_insert(reference(value));
        }
        "is_obsolete" => term.obsolete = value == "true",
        _ => {}
    }
    Ok(())
}

/// An id without trailing comment (`! label`) and modifiers (`{…}`).
fn reference(value: &str) -> String {
    value.split([' ', '!', '{']).next().unwrap_or_default().to_owned()
}

/// Unquoted text without trailing modifiers (`{xref="…"}`), unescaped.
fn plain(value: &str) -> String {
    let text = match value.rfind(" {") {
        Some(at) if value.ends_with("\"}") => value.get(..at).unwrap_or(value),
        _ => value,
    };
    unescaped(text.trim_end())
}

/// The text within the leading quotes, unescaped.
fn quoted(value: &str) -> Option<String> {
    let rest = value.strip_prefix('"')?;
    let mut escaped = false;
    let end = rest.char_indices().find(|(_, c)| {
        let closes = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    })?;
    rest.get(..end.0).map(unescaped)
}

/// `\n` is a space here: texts of several values are joined by line feeds.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 't' | 'W') => out.push(' '),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Result<(String, Vec<Stanza>), BuildError> {
        read(&Input::from_bytes("hp.obo".into(), text.as_bytes().to_vec()).unwrap())
    }

    #[test]
    fn modifiers_comments_and_escapes_are_not_part_of_a_value() {
        let (version, terms) = terms(
            "data-version: hp/releases/2025-01-16\n\n[Term]\nid: HP:1\nname: One\ndef: \"The \\\"one\\\" {x}\" [a]\n\
             comment: Said. {xref=\"PMID:1\"}\nis_a: HP:2 {source=\"x\"} ! Two\nsynonym: \"Uno\" EXACT []\n\n\
             [Typedef]\nid: part_of\nname: part\n",
        )
        .unwrap();
        assert_eq!(version, "hp/releases/2025-01-16");
        let [term] = terms.as_slice() else { panic!("one term expected") };
        assert_eq!((term.name.as_str(), term.comment.as_str()), ("One", "Said."));
        assert_eq!(term.definition, "The \"one\" {x}");
        assert_eq!(
            (term.parents.as_slice(), term.synonyms.as_slice()),
            (["HP:2".into()].as_slice(), ["Uno".into()].as_slice())
        );
    }

    #[test]
    fn an_unquoted_definition_is_refused_with_its_line() {
        let error = terms("data-version: 1\n[Term]\nid: HP:1\ndef: none\n").unwrap_err();
        assert_eq!(error.to_string(), "hp.obo, line 4: the def is not quoted");
    }
}
