//! HGVS texts of protein and coding level (HGVS nomenclature 21.1), as far as the mutation type needs them.

use crate::domain::subjects::Mutation;

/// The part of an HGVS text after `p.`, `c.` …, without the reference sequence, spaces or brackets of prediction.
fn level<'a>(text: &'a str, marker: &str) -> Option<&'a str> {
    let text = text.rsplit_once(':').map_or(text, |(_, rest)| rest).trim();
    text.strip_prefix(marker).map(str::trim)
}

/// The mutation of a protein-level HGVS text; `None` for `p.?`, `p.(Arg5=)`, other levels and what is not understood.
pub fn of_hgvs_p(text: &str) -> Option<Mutation> {
    let change = level(text, "p.")?;
    let change = change.trim_start_matches(['(', '[']).trim_end_matches([')', ']']);
    let position = change.find(|c: char| c.is_ascii_digit())?;
    let (from, rest) = change.split_at_checked(position)?;
    let result = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = rest.get(..rest.len() - result.len()).unwrap_or_default();
    // `Met1` whatever becomes of it, also `Met1?`; `Met1ext-5` keeps it and starts earlier.
    if matches!(from, "Met" | "M") && number == "1" {
        return (!result.contains('=') && !result.starts_with("ext")).then_some(Mutation::LossOfStart);
    }
    if matches!(from, "Ter" | "*") && !result.contains(['=', '?']) && !result.starts_with("fs") {
        return Some(Mutation::LossOfStop);
    }
    if result.contains("fs") {
        return Some(Mutation::Frameshift);
    }
    if result.contains('=') || result.contains('?') || result.is_empty() {
        return None;
    }
    if result.contains("Ter") || result.contains('*') || result == "X" {
        return Some(Mutation::Nonsense);
    }
    if ["del", "ins", "dup"].iter().any(|word| result.contains(word)) {
        return Some(Mutation::Indel);
    }
    let amino = (result.len() == 3 || result.len() == 1) && result.bytes().all(|b| b.is_ascii_alphabetic());
    amino.then_some(Mutation::Missense)
}

/// The mutation of a coding-level HGVS text; `None` for substitutions in an exon, other levels and what is not understood.
pub fn of_hgvs_c(text: &str) -> Option<Mutation> {
    let change = level(text, "c.")?;
    let change: String = change.chars().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')')).collect();
    let (place, edit) = split_place(&change)?;
    let (start, end) = match place.split_once('_') {
        Some((start, end)) => (Position::parse(start)?, Position::parse(end)?),
        None => (Position::parse(place)?, Position::parse(place)?),
    };
    if start.reaches_splice_site(&end) {
        return Some(Mutation::Splice);
    }
    // Only a change inside the coding sequence can move its frame.
    if !start.is_coding() || !end.is_coding() || edit.contains('>') || edit.starts_with("inv") {
        return None;
    }
    let span = end.base.checked_sub(start.base)?.checked_add(1)?;
    let shift = length_change(edit, span)?;
    Some(if shift % 3 == 0 { Mutation::Indel } else { Mutation::Frameshift })
}

/// Cuts a change into its place (`76_78`, `88+2`, `*9`) and what happens there (`del`, `A>G`).
fn split_place(change: &str) -> Option<(&str, &str)> {
    let end = change.find(|c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | '*' | '_')))?;
    change.split_at_checked(end)
}

/// How many bases are gained or lost, where the text says.
fn length_change(edit: &str, span: u64) -> Option<u64> {
    let inserted = edit.find("ins").and_then(|at| edit.get(at + 3..));
    let length = |bases: &str| -> Option<u64> {
        match bases.parse::<u64>() {
            Ok(count) => Some(count),
            Err(_) if !bases.is_empty() && bases.bytes().all(|b| b.is_ascii_alphabetic()) => {
                u64::try_from(bases.len()).ok()
            }
            Err(_) => None,
        }
    };
    match inserted {
        // `delins` replaces the span; `ins` stands between two neighbours and replaces nothing.
        Some(bases) if edit.starts_with("del") => Some(length(bases)?.abs_diff(span)),
        Some(bases) if edit.starts_with("ins") => length(bases),
        None if edit.starts_with("del") || edit.starts_with("dup") => Some(span),
        _ => None,
    }
}

/// A position of the coding numbering (HGVS nomenclature 21.1, *numbering*): base, part and intron offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    base: u64,
    part: Part,
    /// Bases into the intron: positive after `base`, negative before it, 0 in an exon.
    offset: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Upstream,
    Coding,
    Downstream,
}

impl Position {
    fn parse(text: &str) -> Option<Self> {
        let (part, rest) = if let Some(rest) = text.strip_prefix('-') {
            (Part::Upstream, rest)
        } else if let Some(rest) = text.strip_prefix('*') {
            (Part::Downstream, rest)
        } else {
            (Part::Coding, text)
        };
        let end = rest.find(['+', '-']).unwrap_or(rest.len());
        let (base, offset) = rest.split_at_checked(end)?;
        let offset = if offset.is_empty() { 0 } else { offset.parse().ok()? };
        Some(Self { base: base.parse().ok()?, part, offset })
    }

    fn is_coding(self) -> bool {
        self.part == Part::Coding && self.offset == 0
    }

    /// Whether the stretch holds a base 1 or 2 into an intron: an end lies there, the stretch passes from an exon
    /// into an intron, or it spans a whole intron or exon.
    fn reaches_splice_site(self, end: &Self) -> bool {
        let near = |position: &Self| matches!(position.offset, -2..=-1 | 1..=2);
        let same_intron = (self.base == end.base && self.offset.signum() == end.offset.signum())
            || (self.base.checked_add(1) == Some(end.base) && self.offset > 0 && end.offset < 0);
        let intronic = self.offset != 0 || end.offset != 0;
        near(&self) || near(end) || (intronic && !same_intron)
    }
}
