//! Cuts a JSON file into records without holding more than one of them.

use std::io::Read;

use super::super::{Entry, IngestError};

/// Bytes asked for at a time.
const CHUNK: usize = 256 << 10;

/// The objects of an array, or the values that stand one after the other.
pub(super) struct Records<'r> {
    entry: &'r Entry<'r>,
    bytes: &'r mut dyn Read,
    buffer: Vec<u8>,
    /// Where the unread part of the buffer begins.
    at: usize,
    /// Lines before `at`.
    lines: u64,
    ended: bool,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first value.
    Start,
    /// In an array: before its first element, or after `,`.
    Element,
    /// In an array, after an element.
    AfterElement,
    /// Values one after the other.
    Lines,
    /// After the array.
    Done,
}

/// How far a value has been looked through.
#[derive(Debug, Clone, Copy, Default)]
struct Scan {
    /// Bytes of the value looked at.
    seen: usize,
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl<'r> Records<'r> {
    pub(super) fn new(entry: &'r Entry<'r>, bytes: &'r mut dyn Read) -> Self {
        Self { entry, bytes, buffer: Vec::new(), at: 0, lines: 1, ended: false, place: Place::Start }
    }

    /// The next record's bytes and the line it begins in; brackets in it are balanced, the rest is unchecked.
    pub(super) fn next(&mut self) -> Result<Option<(&[u8], u64)>, IngestError> {
        if self.place == Place::Start {
            self.start()?;
        }
        loop {
            let next = self.peek()?;
            match (self.place, next) {
                (Place::Lines | Place::Done, None) => return Ok(None),
                (_, None) => return Err(self.broken("the file ends inside the array")),
                (Place::Done, Some(_)) => return Err(self.broken("there is more after the end of the array")),
                (Place::Element | Place::AfterElement, Some(b']')) => {
                    self.at += 1;
                    self.place = Place::Done;
                }
                (Place::AfterElement, Some(b',')) => {
                    self.at += 1;
                    self.place = Place::Element;
                }
                (Place::AfterElement, Some(_)) => {
                    return Err(self.broken("a comma is missing between elements"));
                }
                (_, Some(b',' | b']' | b'}' | b':')) => return Err(self.broken("a value is missing")),
                (_, Some(_)) => break,
            }
        }
        let line = self.lines;
        let length = self.value()?;
        if self.place == Place::Element {
            self.place = Place::AfterElement;
        }
        let record = self.buffer.get(self.at..self.at + length).unwrap_or_default();
        self.lines += count_lines(record);
        self.at += length;
        Ok(Some((record, line)))
    }

    fn start(&mut self) -> Result<(), IngestError> {
        while self.buffer.len() < 4 && self.fill()? {}
        if self.buffer.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        } else if self.buffer.starts_with(b"\xff\xfe") || self.buffer.starts_with(b"\xfe\xff") {
            return Err(self.broken("the text is UTF-16; save it as UTF-8"));
        }
        match self.peek()? {
            None => Err(IngestError::Empty { file: self.entry.name.into() }),
            Some(b'[') => {
                self.at += 1;
                self.place = Place::Element;
                Ok(())
            }
            Some(_) => {
                self.place = Place::Lines;
                Ok(())
            }
        }
    }

    /// The next byte that is not white space, unread.
    fn peek(&mut self) -> Result<Option<u8>, IngestError> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
            self.lines += count_lines(rest.get(..blank).unwrap_or_default());
            self.at += blank;
            if let Some(byte) = self.buffer.get(self.at) {
                return Ok(Some(*byte));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// The length of the value at `at`, all of which is in the buffer afterwards.
    fn value(&mut self) -> Result<usize, IngestError> {
        let mut scan = Scan::default();
        let limits = self.entry.input.limits;
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            if scan.run(rest, limits.max_json_depth).map_err(|Deep| {
                self.broken(&format!("brackets are nested deeper than {}", limits.max_json_depth))
            })? {
                return Ok(scan.seen);
            }
            if scan.seen > limits.max_record_bytes {
                return Err(IngestError::TooLarge {
                    file: self.entry.name.into(),
                    what: "bytes in one JSON record",
                    limit: u64::try_from(limits.max_record_bytes).unwrap_or(u64::MAX),
                });
            }
            if !self.fill()? {
                // A number or word needs no bracket to end.
                if scan.depth == 0 && !scan.in_text && scan.seen > 0 {
                    return Ok(scan.seen);
                }
                return Err(self.broken("the file ends inside the record that begins here"));
            }
        }
    }

    /// Reads more; `false` at the end.
    fn fill(&mut self) -> Result<bool, IngestError> {
        if self.ended {
            return Ok(false);
        }
        if self.at > 0 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        let held = self.buffer.len();
        self.buffer.resize(held + CHUNK, 0);
        let space = self.buffer.get_mut(held..).unwrap_or_default();
        let read = self.bytes.read(space).map_err(|error| self.entry.unreadable(error));
        self.buffer.truncate(held + read.as_ref().copied().unwrap_or(0));
        self.ended = read? == 0;
        Ok(!self.ended)
    }

    fn broken(&self, reason: &str) -> IngestError {
        IngestError::Malformed {
            file: self.entry.name.into(),
            format: "JSON",
            line: self.lines,
            reason: reason.into(),
        }
    }
}

/// Too many brackets within brackets.
struct Deep;

impl Scan {
    /// Goes on to the end of the value; `true` when it was found, with its length in `seen`.
    fn run(&mut self, value: &[u8], max_depth: usize) -> Result<bool, Deep> {
        let mut rest = value.get(self.seen..).unwrap_or_default().iter();
        while let Some(&byte) = rest.next() {
            if self.in_text {
                if self.escaped {
                    self.escaped = false;
                } else if byte == b'\\' {
                    self.escaped = true;
                } else if byte == b'"' {
                    self.in_text = false;
                    if self.depth == 0 {
                        self.seen = value.len() - rest.len();
                        return Ok(true);
                    }
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth > max_depth {
                        return Err(Deep);
                    }
                }
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.seen = value.len() - rest.len();
                        return Ok(true);
                    }
                }
                b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => {
                    self.seen = value.len() - rest.len() - 1;
                    return Ok(true);
                }
                _ => {}
            }
        }
        self.seen = value.len();
        Ok(false)
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u64::MAX)
}
