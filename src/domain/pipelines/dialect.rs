//! Python's regular expression dialect (`re`, version 3.11) written in the syntax of the engines used here.
//!
//! What Python refuses is refused, so that a pipeline means the same wherever it runs. Known differences: `\w` also
//! takes combining marks, and `$` does not match before a trailing line break (cells are trimmed).

use std::iter::Peekable;
use std::str::Chars;

/// A pattern the engines understand.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) text: String,
    /// Look-around, back-references, atomic groups: a backtracking engine is needed.
    pub(super) backtracks: bool,
}

/// Translates one pattern; the error says what is wrong with it, without the pattern.
pub(super) fn translate(python: &str) -> Result<Translated, String> {
    let mut translator = Translator {
        rest: python.chars().peekable(),
        out: String::with_capacity(python.len() + 16),
        backtracks: false,
        open: Vec::new(),
        flags: Flags::default(),
        repeatable: Repeatable::Nothing,
        started: false,
    };
    translator.run()?;
    Ok(Translated { text: translator.out, backtracks: translator.backtracks })
}

/// The flags this translation carries out itself.
#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    verbose: bool,
    ascii: bool,
}

/// What a quantifier would apply to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Repeatable {
    Nothing,
    Item,
    Repeat,
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    backtracks: bool,
    /// Flags to return to at each open group's end.
    open: Vec<Flags>,
    flags: Flags,
    repeatable: Repeatable,
    started: bool,
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(c) = self.rest.next() {
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.open_group()?,
                ')' => {
                    self.flags = self.open.pop().ok_or("a ) without its (")?;
                    self.item(")");
                }
                '|' => self.anchor("|"),
                '^' => self.anchor("^"),
                '$' => self.anchor("$"),
                '.' => self.item("."),
                '*' | '+' | '?' => self.repeat(&c.to_string())?,
                '{' => self.braces()?,
                c if self.flags.verbose && c.is_ascii_whitespace() => {}
                '#' if self.flags.verbose => while self.rest.next().is_some_and(|c| c != '\n') {},
                c => self.literal(c),
            }
            self.started = true;
        }
        if self.open.is_empty() { Ok(()) } else { Err("a ( without its )".to_owned()) }
    }

    fn item(&mut self, text: &str) {
        self.out.push_str(text);
        self.repeatable = Repeatable::Item;
    }

    fn anchor(&mut self, text: &str) {
        self.out.push_str(text);
        self.repeatable = Repeatable::Nothing;
    }

    fn literal(&mut self, c: char) {
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        self.repeatable = Repeatable::Item;
    }

    fn repeat(&mut self, quantifier: &str) -> Result<(), String> {
        match self.repeatable {
            Repeatable::Nothing => return Err(format!("nothing to repeat before {quantifier}")),
            Repeatable::Repeat => return Err(format!("multiple repeat at {quantifier}")),
            Repeatable::Item => {}
        }
        self.out.push_str(quantifier);
        if let Some(mode) = self.rest.next_if(|c| *c == '?' || *c == '+') {
            self.backtracks |= mode == '+';
            self.out.push(mode);
        }
        self.repeatable = Repeatable::Repeat;
        Ok(())
    }

    /// `{m}`, `{m,}`, `{,n}`, `{m,n}`; every other brace is a literal one.
    fn braces(&mut self) -> Result<(), String> {
        let mut ahead = self.rest.clone();
        let inside: String = ahead.by_ref().take_while(|c| *c != '}').collect();
        let closed = self.rest.clone().any(|c| c == '}');
        let (low, high) = inside.split_once(',').unwrap_or((&inside, &inside));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if !closed || inside.is_empty() || !digits(low) || !digits(high) {
            self.literal('{');
            return Ok(());
        }
        self.rest = ahead;
        let low = if low.is_empty() { "0" } else { low };
        self.repeat(&if inside.contains(',') { format!("{{{low},{high}}}") } else { format!("{{{low}}}") })
    }

    fn open_group(&mut self) -> Result<(), String> {
        let outer = self.flags;
        if self.rest.next_if_eq(&'?').is_none() {
            self.open.push(outer);
            self.anchor("(");
            return Ok(());
        }
        let kind = self.rest.next().ok_or("the pattern ends within (?")?;
        let opening = match kind {
            ':' => "(?:".to_owned(),
            '=' | '!' | '>' => {
                self.backtracks = true;
                format!("(?{kind}")
            }
            '<' => match self.rest.next() {
                Some(side @ ('=' | '!')) => {
                    self.backtracks = true;
                    format!("(?<{side}")
                }
                _ => return Err("(?< is not known; name a group with (?P<name>…)".to_owned()),
            },
            'P' => match self.rest.next() {
                Some('<') => format!("(?P<{}>", self.name('>')?),
                Some('=') => {
                    self.backtracks = true;
                    let name = self.name(')')?;
                    self.item(&format!(r"(?:\k<{name}>)"));
                    return Ok(());
                }
                _ => return Err("(?P must go on with <name> or =name".to_owned()),
            },
            '#' => {
                return if self.rest.any(|c| c == ')') {
                    Ok(())
                } else {
                    Err("a comment without its )".to_owned())
                };
            }
            '(' => {
                self.backtracks = true;
                let group: String = self.rest.by_ref().take_while(|c| *c != ')').collect();
                let number = !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
                if number { format!("(?({group})") } else { format!("(?(<{group}>)") }
            }
            first => return self.flag_group(first),
        };
        self.open.push(outer);
        self.anchor(&opening);
        Ok(())
    }

    /// `(?aimsux)` at the very start, or `(?i-s:…)` anywhere.
    fn flag_group(&mut self, first: char) -> Result<(), String> {
        let (outer, at_start) = (self.flags, !self.started);
        let (mut on, mut kept, mut next) = (true, String::new(), Some(first));
        let end = loop {
            let flag = next.ok_or("the pattern ends within (?")?;
            match flag {
                'x' => self.flags.verbose = on,
                'a' if on => self.flags.ascii = true,
                'u' if on => self.flags.ascii = false,
                'i' | 'm' | 's' => kept.push(flag),
                '-' if on => {
                    on = false;
                    kept.push('-');
                }
                ')' | ':' => break flag,
                other => return Err(format!("(?{other} is not known")),
            }
            next = self.rest.next();
        };
        let kept = kept.trim_end_matches('-');
        if end == ':' {
            self.open.push(outer);
            self.anchor(&format!("(?{kept}:"));
        } else if !at_start || !on {
            return Err("flags for the whole pattern must stand at its start".to_owned());
        } else if !kept.is_empty() {
            self.anchor(&format!("(?{kept})"));
        }
        Ok(())
    }

    fn name(&mut self, end: char) -> Result<String, String> {
        let name: String = self.rest.by_ref().take_while(|c| *c != end).collect();
        let legal = name.chars().all(|c| c == '_' || c.is_alphanumeric())
            && name.chars().next().is_some_and(|c| !c.is_numeric());
        if legal { Ok(name) } else { Err(format!("{name:?} cannot name a group")) }
    }

    fn escape(&mut self) -> Result<(), String> {
        let c = self.rest.next().ok_or("the pattern ends with a backslash")?;
        match c {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => {
                let class = self.shorthand(c);
                self.item(&class);
            }
            'b' | 'B' if self.flags.ascii => self.anchor(&format!(r"(?-u:\{c})")),
            'b' | 'B' | 'A' => self.anchor(&format!(r"\{c}")),
            'Z' | 'z' => self.anchor(r"\z"),
            '1'..='9' => match reference(c, &mut self.rest)? {
                Reference::Group(group) => {
                    self.backtracks = true;
                    self.item(&format!(r"(?:\{group})"));
                }
                Reference::Char(c) => self.literal(c),
            },
            c => {
                let c = character(c, &mut self.rest)?;
                self.literal(c);
            }
        }
        Ok(())
    }

    fn shorthand(&self, c: char) -> String {
        let ascii = match c.to_ascii_lowercase() {
            'd' => "0-9",
            'w' => "0-9A-Za-z_",
            _ => r" \t\n\r\x0b\x0c",
        };
        match (self.flags.ascii, c.is_ascii_uppercase()) {
            (false, _) => format!(r"\{c}"),
            (true, false) => format!("[{ascii}]"),
            (true, true) => format!("[^{ascii}]"),
        }
    }

    /// A set. Everything in it that another dialect could read as an operator is escaped.
    fn class(&mut self) -> Result<(), String> {
        let open = || "a [ without its ]".to_owned();
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let c = self.rest.next().ok_or_else(open)?;
            if c == ']' && !first {
                break;
            }
            first = false;
            let low = self.class_item(c)?;
            if let Some(low) = low {
                self.push_in_class(low);
            }
            let mut ahead = self.rest.clone();
            if ahead.next() != Some('-') || ahead.next().is_none_or(|c| c == ']') {
                continue;
            }
            let low = low.ok_or("a range in [ ] must start with one character")?;
            self.rest.next();
            let c = self.rest.next().ok_or_else(open)?;
            let Some(high) = self.class_item(c)? else {
                return Err("a range in [ ] must end with one character".to_owned());
            };
            if high < low {
                return Err(format!("the range {low}-{high} runs backwards"));
            }
            self.out.push('-');
            self.push_in_class(high);
        }
        self.item("]");
        Ok(())
    }

    /// One character of a set, or `None` for a class such as `\d`, which is written at once.
    fn class_item(&mut self, c: char) -> Result<Option<char>, String> {
        if c != '\\' {
            return Ok(Some(c));
        }
        let c = self.rest.next().ok_or("a [ without its ]")?;
        match c {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => {
                let class = self.shorthand(c);
                self.out.push_str(&class);
                Ok(None)
            }
            'b' => Ok(Some('\u{8}')),
            '0'..='7' => octal(c, &mut self.rest, 3).map(Some),
            c => character(c, &mut self.rest).map(Some),
        }
    }

    fn push_in_class(&mut self, c: char) {
        if c.is_ascii_punctuation() && c != '_' && c != '<' && c != '>' {
            self.out.push('\\');
        }
        self.out.push(c);
    }
}

/// What digits after a backslash mean.
pub(super) enum Reference {
    Group(usize),
    Char(char),
}

/// `\1` to `\99` are groups, three octal digits are a character.
pub(super) fn reference(first: char, rest: &mut Peekable<Chars<'_>>) -> Result<Reference, String> {
    let mut digits = String::from(first);
    if let Some(second) = rest.next_if(char::is_ascii_digit) {
        digits.push(second);
        let octal_so_far = digits.bytes().all(|b| b <= b'7');
        if let Some(third) = rest.next_if(|c| octal_so_far && ('0'..='7').contains(c)) {
            digits.push(third);
            let code = u32::from_str_radix(&digits, 8).unwrap_or(u32::MAX);
            let c = (code <= 0o377).then(|| char::from_u32(code)).flatten();
            return c.map(Reference::Char).ok_or_else(|| format!("\\{digits} is beyond \\377"));
        }
    }
    digits.parse().map(Reference::Group).map_err(|_| format!("\\{digits} is no group"))
}

/// Up to `most` octal digits, the first already taken.
pub(super) fn octal(first: char, rest: &mut Peekable<Chars<'_>>, most: usize) -> Result<char, String> {
    let mut digits = String::from(first);
    while digits.len() < most {
        let Some(digit) = rest.next_if(|c| ('0'..='7').contains(c)) else { break };
        digits.push(digit);
    }
    let code = u32::from_str_radix(&digits, 8).unwrap_or(u32::MAX);
    (code <= 0o377)
        .then(|| char::from_u32(code))
        .flatten()
        .ok_or_else(|| format!("\\{digits} is beyond \\377"))
}

/// The character an escape stands for.
fn character(c: char, rest: &mut Peekable<Chars<'_>>) -> Result<char, String> {
    let hex = |rest: &mut Peekable<Chars<'_>>, count: usize| {
        let digits: String =
            std::iter::from_fn(|| rest.next_if(char::is_ascii_hexdigit)).take(count).collect();
        let code = (digits.len() == count).then(|| u32::from_str_radix(&digits, 16).ok()).flatten();
        code.and_then(char::from_u32)
            .ok_or_else(|| format!("\\{c} needs {count} hexadecimal digits of a character"))
    };
    match c {
        'a' => Ok('\u{7}'),
        'f' => Ok('\u{c}'),
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        'v' => Ok('\u{b}'),
        'x' => hex(rest, 2),
        'u' => hex(rest, 4),
        'U' => hex(rest, 8),
        '0' => octal('0', rest, 3),
        c if c.is_ascii_alphanumeric() => Err(format!("\\{c} is not known")),
        c => Ok(c),
    }
}
