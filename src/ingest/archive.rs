//! Unpacks compressed files and archives as streams, within bounds. Names in archives are only shown, never opened.

use std::cell::Cell;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use tar::EntryType;
use zip::ZipArchive;
use zip::result::ZipError;

use super::error::Bound;
use super::format::{LOOK, Packing, inner_name};
use super::{IngestError, Input, Limits};

/// Memory an xz stream may ask for its dictionary; `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 128 << 20;
/// Unpacked bytes below which the ratio is not looked at.
const RATIO_FROM: u64 = 16 << 20;
/// Bytes of a long name in a tar (GNU `L`, POSIX `x`); longer ones are not read.
const MAX_NAME: u64 = 64 << 10;
/// Compressed layers around one file: `tar.gz` in `tar.gz` has two.
const MAX_LAYERS: u32 = 4;

/// What unpacking one upload has cost so far.
#[derive(Debug)]
pub(super) struct Meter<'a> {
    limits: &'a Limits,
    /// Bytes of the upload.
    pub size: u64,
    /// Bytes of the upload read.
    pub packed: Cell<u64>,
    /// Bytes handed to readers of formats.
    pub unpacked: Cell<u64>,
    entries: Cell<u64>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(limits: &'a Limits, size: u64) -> Self {
        Self { limits, size, packed: Cell::new(0), unpacked: Cell::new(0), entries: Cell::new(0) }
    }

    fn count_entry(&self, name: &str) -> Result<(), IngestError> {
        self.entries.set(self.entries.get() + 1);
        if self.entries.get() > self.limits.max_entries {
            let limit = self.limits.max_entries;
            return Err(IngestError::TooLarge { file: name.into(), what: "entries in archives", limit });
        }
        Ok(())
    }
}

/// Counts what is read of the upload itself.
pub(super) struct Metered<'m, R> {
    inner: R,
    meter: &'m Meter<'m>,
}

impl<'m, R> Metered<'m, R> {
    pub(super) fn new(inner: R, meter: &'m Meter<'m>) -> Self {
        Self { inner, meter }
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        // A zip may be read here and there; more than the whole file never counts.
        let packed = self.meter.packed.get().saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        self.meter.packed.set(packed.min(self.meter.size));
        Ok(read)
    }
}

impl<R: Seek> Seek for Metered<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// Holds one layer to the bounds: of an entry, of all entries together, of the ratio to the upload.
struct Bounded<'m, R> {
    inner: R,
    meter: &'m Meter<'m>,
    entry: u64,
    /// Whether these bytes go to the reader of a format, or to the next layer of unpacking.
    last: bool,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        let limits = self.meter.limits;
        self.entry = self.entry.saturating_add(bytes);
        let total = self.meter.unpacked.get().saturating_add(if self.last { bytes } else { 0 });
        self.meter.unpacked.set(total);
        if self.entry > limits.max_entry_bytes {
            return Err(Bound { what: "unpacked bytes in one file", limit: limits.max_entry_bytes }.into());
        }
        let most = total.max(self.entry);
        if most > limits.max_total_bytes {
            return Err(Bound { what: "unpacked bytes", limit: limits.max_total_bytes }.into());
        }
        if most > RATIO_FROM && most / self.meter.packed.get().max(1) > limits.max_ratio {
            return Err(Bound { what: "unpacked bytes for each packed one", limit: limits.max_ratio }.into());
        }
        Ok(read)
    }
}

/// Takes each unpacked file: its name, its first bytes (they come again in the stream), the stream.
pub(super) type Take<'t> = dyn FnMut(&str, &[u8], &mut dyn Read) -> Result<(), IngestError> + 't;

/// Layers around what is being read.
#[derive(Debug, Clone, Copy, Default)]
struct Depth {
    archives: u32,
    layers: u32,
}

/// A file that can be read and, for a zip, searched.
pub(super) trait Searchable: Read + Seek {}
impl<T: Read + Seek> Searchable for T {}

/// Unpacks one upload and hands every file in it to `take`.
pub(super) struct Unpacker<'u> {
    pub input: &'u Input<'u>,
    pub meter: &'u Meter<'u>,
    /// Whether the file is a spreadsheet, which is a zip inside but is read as it stands.
    pub is_sheet: &'u dyn Fn(&str) -> bool,
}

impl Unpacker<'_> {
    /// Unpacks the upload itself.
    pub(super) fn upload(&self, file: &mut dyn Searchable, take: &mut Take<'_>) -> Result<(), IngestError> {
        let name = self.input.filename;
        let first = peek(file).map_err(|error| self.failed(name, error))?;
        file.seek(SeekFrom::Start(0)).map_err(|error| self.failed(name, error))?;
        match Packing::of_content(&first) {
            Some(Packing::Zip) if !(self.is_sheet)(name) => {
                self.zip(name, file, Depth { archives: 1, layers: 0 }, take)
            }
            _ => self.stream(name, file, Depth::default(), take),
        }
    }

    fn stream(
        &self,
        name: &str,
        bytes: &mut dyn Read,
        depth: Depth,
        take: &mut Take<'_>,
    ) -> Result<(), IngestError> {
        let first = peek(bytes).map_err(|error| self.failed(name, error))?;
        let mut all = Cursor::new(first.as_slice()).chain(bytes);
        let packing =
            Packing::of_content(&first).filter(|packing| *packing != Packing::Zip || !(self.is_sheet)(name));
        match packing {
            None => {
                // A name that promises packing over content that has none is told by the content's reader.
                let mut bounded = self.bounded(&mut all, true);
                take(name, &first, &mut bounded)
            }
            Some(Packing::Gzip) => {
                let mut inner = MultiGzDecoder::new(BufReader::new(&mut all));
                self.layer(name, &mut inner, depth, take)
            }
            Some(Packing::Xz) => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)
                    .map_err(|error| self.failed(name, error.into()))?;
                let mut inner = XzDecoder::new_stream(&mut all, stream);
                self.layer(name, &mut inner, depth, take)
            }
            Some(Packing::Tar) => self.tar(name, &mut all, self.deeper(name, depth)?, take),
            Some(Packing::Zip) => {
                let depth = self.deeper(name, depth)?;
                let held = self.whole(name, &mut all)?;
                self.zip(name, &mut Cursor::new(held), depth, take)
            }
        }
    }

    fn layer(
        &self,
        name: &str,
        inner: &mut dyn Read,
        depth: Depth,
        take: &mut Take<'_>,
    ) -> Result<(), IngestError> {
        if depth.layers >= MAX_LAYERS {
            let limit = u64::from(MAX_LAYERS);
            return Err(IngestError::TooLarge { file: name.into(), what: "layers of compression", limit });
        }
        let depth = Depth { layers: depth.layers + 1, ..depth };
        let mut bounded = self.bounded(inner, false);
        self.stream(&inner_name(name), &mut bounded, depth, take)
    }

    fn deeper(&self, name: &str, depth: Depth) -> Result<Depth, IngestError> {
        if depth.archives >= self.input.limits.max_depth {
            let limit = u64::from(self.input.limits.max_depth);
            return Err(IngestError::TooLarge {
                file: name.into(),
                what: "archives inside one another",
                limit,
            });
        }
        Ok(Depth { archives: depth.archives + 1, ..depth })
    }

    /// Walks a tar by its raw headers: the library would read long names of any length into memory.
    fn tar(
        &self,
        name: &str,
        bytes: &mut dyn Read,
        depth: Depth,
        take: &mut Take<'_>,
    ) -> Result<(), IngestError> {
        let mut archive = tar::Archive::new(bytes);
        let mut last = String::from("its beginning");
        let mut long_name: Option<String> = None;
        let damaged = |last: &str, error: io::Error| self.failed(&format!("{name}, after {last}"), error);
        for entry in archive.entries().map_err(|error| damaged(&last, error))?.raw(true) {
            let mut entry = entry.map_err(|error| damaged(&last, error))?;
            let kind = entry.header().entry_type();
            match kind {
                EntryType::GNULongName | EntryType::XHeader => {
                    let mut text = Vec::new();
                    entry
                        .by_ref()
                        .take(MAX_NAME)
                        .read_to_end(&mut text)
                        .map_err(|error| damaged(&last, error))?;
                    long_name = match kind {
                        EntryType::XHeader => posix_path(&text).or(long_name),
                        _ => Some(shown(text.split(|byte| *byte == 0).next().unwrap_or_default())),
                    };
                }
                EntryType::Regular | EntryType::Continuous => {
                    let shown = long_name.take().unwrap_or_else(|| shown(&entry.path_bytes()));
                    self.meter.count_entry(&shown)?;
                    if !is_clutter(&shown) {
                        let mut bounded = self.bounded(&mut entry, false);
                        self.stream(&shown, &mut bounded, depth, take)?;
                    }
                    last = shown;
                }
                // Folders, links, devices, global headers: nothing to read, and never made.
                _ => {
                    long_name = None;
                    self.meter.count_entry(name)?;
                }
            }
        }
        Ok(())
    }

    fn zip(
        &self,
        name: &str,
        file: &mut dyn Searchable,
        depth: Depth,
        take: &mut Take<'_>,
    ) -> Result<(), IngestError> {
        let mut archive = ZipArchive::new(file).map_err(|error| self.zip_failed(name, name, error))?;
        for index in 0..archive.len() {
            self.meter.count_entry(name)?;
            let mut entry = match archive.by_index(index) {
                Ok(entry) => entry,
                Err(error) => {
                    return Err(self.zip_failed(name, &format!("entry {} of {name}", index + 1), error));
                }
            };
            let entry_name = shown(entry.name_raw());
            if entry.is_dir() || entry.is_symlink() || is_clutter(&entry_name) {
                continue;
            }
            let mut bounded = self.bounded(&mut entry, false);
            self.stream(&entry_name, &mut bounded, depth, take)?;
        }
        Ok(())
    }

    /// Reads a stream to its end into memory, as far as the bound for that goes.
    fn whole(&self, name: &str, bytes: &mut dyn Read) -> Result<Vec<u8>, IngestError> {
        let limit = self.input.limits.max_buffered_bytes;
        let mut held = Vec::new();
        bytes
            .take(limit.saturating_add(1))
            .read_to_end(&mut held)
            .map_err(|error| self.failed(name, error))?;
        if u64::try_from(held.len()).unwrap_or(u64::MAX) > limit {
            return Err(IngestError::TooLarge {
                file: name.into(),
                what: "bytes in a file that is read as a whole",
                limit,
            });
        }
        Ok(held)
    }

    fn bounded<'b>(&'b self, inner: &'b mut dyn Read, last: bool) -> Bounded<'b, &'b mut dyn Read> {
        Bounded { inner, meter: self.meter, entry: 0, last }
    }

    fn failed(&self, entry: &str, error: io::Error) -> IngestError {
        IngestError::of_io(self.input.filename, entry, error)
    }

    fn zip_failed(&self, file: &str, entry: &str, error: ZipError) -> IngestError {
        match error {
            ZipError::Io(error) => self.failed(entry, error),
            other => {
                IngestError::Archive { file: file.into(), entry: entry.into(), reason: other.to_string() }
            }
        }
    }
}

/// The first bytes of a stream, fewer only at its end.
fn peek(bytes: &mut (impl Read + ?Sized)) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(LOOK);
    bytes.take(u64::try_from(LOOK).unwrap_or(0)).read_to_end(&mut first)?;
    Ok(first)
}

/// A name as it can be shown: UTF-8, no control characters, 255 characters.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).take(255).collect()
}

/// The `path` record of a POSIX extended header (`<length> path=<value>\n`).
fn posix_path(records: &[u8]) -> Option<String> {
    records.split(|byte| *byte == b'\n').find_map(|record| {
        let at = record.iter().position(|byte| *byte == b' ')?;
        record.get(at + 1..)?.strip_prefix(b"path=").map(shown)
    })
}

/// What desktop systems add to archives.
fn is_clutter(name: &str) -> bool {
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
    name.starts_with("__MACOSX/")
        || base.starts_with("._")
        || matches!(base, ".DS_Store" | "Thumbs.db" | "desktop.ini")
}
