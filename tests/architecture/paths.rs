//! Tokens to the paths a file names, made absolute: `crate::store::sqlite::SqliteStore`, `poem::Response`, `unsafe`.
//!
//! Left out is what stands under `#[cfg(test)]`. `super`, `self`, child modules, groups and renamed imports are resolved;
//! what a macro puts together out of pieces is not seen.

use std::collections::{BTreeMap, BTreeSet};

use super::lex::Token;

/// A path as one file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub path: String,
    pub line: usize,
}

/// What a file names, and which of its child modules exist for tests only.
#[derive(Debug, Default)]
pub struct Reading {
    pub named: Vec<Named>,
    pub test_modules: BTreeSet<String>,
}

/// Our crate as `main.rs` and the tests know it.
const OWN_NAME: &str = "cv3_backend";

/// Reads the tokens of the file that is module `module` (`""` for the crate's root).
pub fn read(tokens: &[Token], module: &str) -> Reading {
    let mut scan = Scan {
        tokens,
        at: 0,
        inline: Vec::new(),
        raw: Vec::new(),
        children: BTreeSet::new(),
        tests: BTreeSet::new(),
    };
    if !scan.is_test_file() {
        scan.run();
    }
    let home: Vec<String> = module.split("::").filter(|s| !s.is_empty()).map(str::to_owned).collect();
    let imports: BTreeMap<&str, &Raw> = scan
        .raw
        .iter()
        .filter_map(|raw| raw.binds.as_deref().map(|name| (name, raw)))
        .filter(|(name, raw)| raw.segments.len() > 1 || raw.segments.first().is_some_and(|only| only != name))
        .collect();
    let mut named = Vec::new();
    for raw in &scan.raw {
        let first = raw.segments.first().map(String::as_str).unwrap_or_default();
        let path = match imports.get(first).filter(|_| raw.binds.is_none()) {
            Some(import) => {
                let mut path = absolute(import, &home, &scan.children);
                path.extend(raw.segments.iter().skip(1).cloned());
                path
            }
            None => absolute(raw, &home, &scan.children),
        };
        named.push(Named { path: path.join("::"), line: raw.line });
    }
    let test_modules =
        scan.tests.iter().map(|name| [module, name].join("::").trim_matches(':').to_owned()).collect();
    Reading { named, test_modules }
}

/// A path as written.
struct Raw {
    segments: Vec<String>,
    line: usize,
    /// The inline modules it stands in.
    inline: Vec<String>,
    /// The name it gets by `use`.
    binds: Option<String>,
}

fn absolute(raw: &Raw, home: &[String], children: &BTreeSet<String>) -> Vec<String> {
    let mut base: Vec<String> = home.iter().chain(&raw.inline).cloned().collect();
    let mut rest = raw.segments.iter().peekable();
    let relative = match rest.peek().map(|s| s.as_str()) {
        Some("crate" | OWN_NAME) => {
            base.clear();
            rest.next();
            true
        }
        Some("self" | "super") => true,
        Some(first) => raw.inline.is_empty() && children.contains(first),
        None => false,
    };
    if !relative {
        return raw.segments.clone();
    }
    while let Some(word) = rest.next_if(|s| *s == "self" || *s == "super") {
        if word == "super" {
            base.pop();
        }
    }
    std::iter::once("crate".to_owned()).chain(base).chain(rest.cloned()).collect()
}

struct Scan<'a> {
    tokens: &'a [Token],
    at: usize,
    /// Inline modules around the reader, each with the depth of braces left to close.
    inline: Vec<(String, usize)>,
    raw: Vec<Raw>,
    children: BTreeSet<String>,
    tests: BTreeSet<String>,
}

impl Scan<'_> {
    fn text(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map(|t| t.text.as_str()).unwrap_or_default()
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |t| t.line)
    }

    fn reads(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| self.text(ahead) == *word)
    }

    fn is_test_file(&self) -> bool {
        (0..self.tokens.len()).any(|at| {
            let texts = self.tokens.iter().skip(at).map(|t| t.text.as_str());
            texts.take(7).eq(["#", "!", "[", "cfg", "(", "test", ")"])
        })
    }

    fn run(&mut self) {
        while self.at < self.tokens.len() {
            if self.reads(&["#", "[", "cfg", "(", "test", ")"])
                || self.reads(&["#", "[", "cfg", "(", "all", "(", "test"])
            {
                self.skip_test_item();
            } else if self.text(0) == "use" {
                self.at += 1;
                if is_word(self.text(0)) || matches!(self.text(0), "::" | "{") {
                    self.tree(&mut Vec::new());
                }
            } else if self.text(0) == "mod" && is_word(self.text(1)) {
                let name = self.text(1).to_owned();
                if self.text(2) == "{" {
                    self.inline.push((name, 0));
                } else if self.inline.is_empty() {
                    self.children.insert(name);
                }
                self.at += 2;
            } else if is_word(self.text(0)) {
                self.plain();
            } else {
                self.brace();
                self.at += 1;
            }
        }
    }

    fn brace(&mut self) {
        let change: fn(usize) -> Option<usize> = match self.text(0) {
            "{" => |depth| Some(depth + 1),
            "}" => |depth| depth.checked_sub(1).filter(|left| *left > 0),
            _ => return,
        };
        if let Some((_, depth)) = self.inline.last_mut() {
            // An outer module counts again once the inner one is closed, so each sees only its own braces.
            match change(*depth) {
                Some(now) => *depth = now,
                None => drop(self.inline.pop()),
            }
        }
    }

    /// A path outside `use`; single words are of interest only if they are keywords of a rule.
    fn plain(&mut self) {
        let after_dot = self.at > 0 && self.tokens.get(self.at - 1).is_some_and(|t| t.text == ".");
        let line = self.line();
        let mut segments = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::" && is_word(self.text(1)) {
            segments.push(self.text(1).to_owned());
            self.at += 2;
        }
        if !after_dot && (segments.len() > 1 || segments.iter().any(|only| only == "unsafe")) {
            self.push(segments, line, None);
        }
    }

    /// A tree after `use`, up to its end.
    fn tree(&mut self, prefix: &mut Vec<String>) {
        let depth = prefix.len();
        let line = self.line();
        loop {
            match self.text(0) {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while self.at < self.tokens.len() && self.text(0) != "}" {
                        self.tree(prefix);
                        if self.text(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    break;
                }
                "*" => {
                    self.at += 1;
                    self.push(prefix.clone(), line, Some("*".into()));
                    break;
                }
                word if is_word(word) => {
                    let word = word.to_owned();
                    self.at += 1;
                    if word != "self" || prefix.is_empty() {
                        prefix.push(word);
                    }
                    if self.text(0) == "::" {
                        continue;
                    }
                    let mut binds = prefix.last().cloned();
                    if self.text(0) == "as" {
                        binds = Some(self.text(1).to_owned());
                        self.at += 2;
                    }
                    self.push(prefix.clone(), line, binds);
                    break;
                }
                _ => {
                    self.at += 1;
                    break;
                }
            }
        }
        prefix.truncate(depth);
    }

    fn push(&mut self, segments: Vec<String>, line: usize, binds: Option<String>) {
        let inline = self.inline.iter().map(|(name, _)| name.clone()).collect();
        self.raw.push(Raw { segments, line, inline, binds });
    }

    /// Skips an item, field or statement marked `#[cfg(test)]`.
    fn skip_test_item(&mut self) {
        while self.text(0) == "#" {
            self.at += 1;
            self.skip_group();
        }
        while self.text(0) == "pub" {
            self.at += 1;
            if self.text(0) == "(" {
                self.skip_group();
            }
        }
        if self.text(0) == "mod" && self.text(2) == ";" {
            self.tests.insert(self.text(1).to_owned());
        }
        let import = self.text(0) == "use";
        let item = matches!(
            self.text(0),
            "mod"
                | "use"
                | "fn"
                | "struct"
                | "enum"
                | "impl"
                | "trait"
                | "const"
                | "static"
                | "type"
                | "async"
                | "unsafe"
                | "extern"
                | "macro_rules"
                | "let"
        );
        while self.at < self.tokens.len() {
            match self.text(0) {
                ";" => return self.at += 1,
                "," if !item => return self.at += 1,
                ")" | "]" | "}" => return,
                "{" if item && !import => return self.skip_group(),
                "{" | "(" | "[" => self.skip_group(),
                _ => self.at += 1,
            }
        }
    }

    /// Skips a bracketed group that starts here.
    fn skip_group(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.tokens.len() {
            match self.text(0) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }
}

fn is_word(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
}
