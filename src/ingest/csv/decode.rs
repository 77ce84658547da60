//! Bytes of a file as UTF-8 text, with guards: what one record may take, and where the table ends.

use std::io::{self, Chain, Cursor, Read};

use encoding_rs::{CoderResult, Decoder, UTF_16BE, UTF_16LE};

/// Follows the last line, so that a quote left open at the end of a file can be told from one that was closed.
pub(super) const END_OF_TABLE: &[u8] = b"\0end of table\0";
/// Bytes one record may take whatever the limits say: its cells are indexed in memory.
pub(super) const MAX_RECORD_BYTES: usize = 16 << 20;
/// Bytes looked at for the separator.
const MAX_SAMPLE: usize = 4 << 20;
/// Line breaks after which the sample certainly suffices in files without quoted ones.
const SAMPLE_LINES: usize = 200;

/// The text of a file without its byte order mark: UTF-16 is converted, everything else left as it is.
pub(super) fn text<'r>(bytes: &'r mut dyn Read) -> io::Result<Box<dyn Read + 'r>> {
    let mut start = Vec::new();
    bytes.take(3).read_to_end(&mut start)?;
    let (encoding, mark) = match start.as_slice() {
        [0xEF, 0xBB, 0xBF] => (None, 3),
        [0xFF, 0xFE, ..] => (Some(UTF_16LE), 2),
        [0xFE, 0xFF, ..] => (Some(UTF_16BE), 2),
        _ => (None, 0),
    };
    let rest = Cursor::new(start.split_off(mark)).chain(bytes);
    Ok(match encoding {
        Some(encoding) => Box::new(Utf16 {
            inner: rest,
            decoder: encoding.new_decoder_without_bom_handling(),
            raw: Vec::new(),
            text: Cursor::new(Vec::new()),
            ended: false,
        }),
        None => Box::new(rest),
    })
}

/// Converts UTF-16 as it is read; what is not UTF-16 becomes the replacement character.
struct Utf16<R> {
    inner: R,
    decoder: Decoder,
    raw: Vec<u8>,
    text: Cursor<Vec<u8>>,
    ended: bool,
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.text.read(out)?;
            if count > 0 || self.ended || out.is_empty() {
                return Ok(count);
            }
            if self.raw.is_empty() {
                self.inner.by_ref().take(16 << 10).read_to_end(&mut self.raw)?;
                self.ended = self.raw.is_empty();
            }
            // Three bytes for each unit, and some for the replacement of a unit left over from the last piece.
            let mut text = vec![0; self.raw.len() * 3 + 16];
            let (result, taken, written, _) = self.decoder.decode_to_utf8(&self.raw, &mut text, self.ended);
            self.raw.drain(..taken);
            self.ended &= result == CoderResult::InputEmpty;
            text.truncate(written);
            self.text = Cursor::new(text);
        }
    }
}

/// The first lines of a file, kept for reading them again.
pub(super) struct Sample {
    pub(super) bytes: Vec<u8>,
    /// The sample is the whole file.
    pub(super) whole: bool,
}

impl Sample {
    /// The file from its start.
    pub(super) fn into_reader<R: Read>(self, rest: R) -> Chain<Cursor<Vec<u8>>, R> {
        Cursor::new(self.bytes).chain(rest)
    }
}

/// Takes enough lines to see how records are separated.
pub(super) fn sample<R: Read>(mut text: R) -> io::Result<(Sample, R)> {
    let mut bytes = Vec::new();
    loop {
        let before = bytes.len();
        text.by_ref().take(64 << 10).read_to_end(&mut bytes)?;
        let whole = bytes.len() == before;
        let ends = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
        if whole || ends >= SAMPLE_LINES || bytes.len() >= MAX_SAMPLE {
            return Ok((Sample { bytes, whole }, text));
        }
    }
}

/// Stops a record that grows without end and marks the end of the table.
pub(super) struct Guard<R> {
    inner: R,
    limit: usize,
    left: usize,
    overran: bool,
    ending: Option<Cursor<Vec<u8>>>,
}

impl<R> Guard<R> {
    pub(super) fn new(inner: R, limit: usize) -> Self {
        Self { inner, limit, left: limit, overran: false, ending: None }
    }

    /// A record begins: it may take the limit again.
    pub(super) fn begin_record(&mut self) {
        self.left = self.limit;
    }

    /// A record took more than the limit.
    pub(super) fn overran(&self) -> bool {
        self.overran
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(ending) = &mut self.ending {
            return ending.read(out);
        }
        if self.left == 0 {
            self.overran = true;
            return Err(io::Error::other("one record is longer than the limit"));
        }
        let most = out.len().min(self.left);
        let count = self.inner.read(out.get_mut(..most).unwrap_or_default())?;
        self.left -= count;
        if count > 0 || out.is_empty() {
            return Ok(count);
        }
        let mut ending = Cursor::new([b"\n", END_OF_TABLE].concat());
        let count = ending.read(out)?;
        self.ending = Some(ending);
        Ok(count)
    }
}
