//! Rust source to tokens, as far as paths need it: comments, strings and character literals are left out.

/// A word, `::` or one other character, and the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// Reads a file; what does not parse as Rust gives odd tokens, never an endless loop.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { rest: source, line: 1, tokens: Vec::new() };
    while !reader.rest.is_empty() {
        reader.step();
    }
    reader.tokens
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl Reader<'_> {
    fn step(&mut self) {
        let rest = self.rest;
        let first = rest.chars().next().unwrap_or_default();
        if rest.starts_with("//") {
            self.skip(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.skip(block_comment(rest));
        } else if let Some(length) = string(rest) {
            self.skip(length);
        } else if first == '\'' {
            self.skip(quote(rest));
        } else if first.is_alphabetic() || first == '_' {
            let word = rest.strip_prefix("r#").unwrap_or(rest);
            let end = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len());
            self.take(rest.len() - word.len(), end);
        } else if first.is_ascii_digit() {
            self.skip(rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()));
        } else if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else if rest.starts_with("::") {
            self.take(0, 2);
        } else {
            self.take(0, first.len_utf8());
        }
    }

    fn skip(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.line += gone.matches('\n').count();
        self.rest = rest;
    }

    /// Takes the `length` bytes after the first `before` as one token.
    fn take(&mut self, before: usize, length: usize) {
        let text = self.rest.get(before..before + length).unwrap_or_default().to_owned();
        self.tokens.push(Token { text, line: self.line });
        self.skip(before + length);
    }
}

/// Bytes of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Bytes of a string literal of any kind (`"`, `b"`, `c"`, `r#"`), if one starts here.
fn string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c"].into_iter().find(|p| text.starts_with(p)).unwrap_or_default();
    let after = text.strip_prefix(prefix)?;
    let body = after.trim_start_matches('#');
    let hashes = after.len() - body.len();
    if !body.starts_with('"') || (hashes > 0 && !prefix.ends_with('r')) {
        return None;
    }
    let opening = text.len() - body.len() + 1;
    if prefix.ends_with('r') {
        let closing = format!("\"{}", "#".repeat(hashes));
        return Some(
            text.get(opening..)?.find(&closing).map_or(text.len(), |at| opening + at + closing.len()),
        );
    }
    let mut escaped = false;
    for (at, c) in text.get(opening..)?.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(opening + at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

/// Bytes of a character literal, or of a lifetime's quote and name.
fn quote(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => {
            characters.next();
            text.get(3..).and_then(|rest| rest.find('\'')).map_or(text.len(), |at| at + 4)
        }
        Some((_, first)) => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => text
                .get(1..)
                .and_then(|rest| rest.find(|c: char| !c.is_alphanumeric() && c != '_'))
                .map_or(text.len(), |at| (at + 1).max(1 + if first.is_alphanumeric() { 1 } else { 0 })),
        },
        None => 1,
    }
}
