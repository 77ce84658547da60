//! Opening inputs: plain, gzip or xz, whole, within a size limit, with line numbers for errors.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::BuildError;

/// Largest input once decompressed; the largest official one has some 70 MB.
const MAX_INPUT: u64 = 1 << 30;

/// One input as text, with the SHA-256 of its decompressed bytes.
pub struct Input {
    /// File name without folder and compression suffix, for messages and provenance.
    pub name: String,
    pub text: String,
    sha256: String,
}

impl Input {
    pub fn read(path: &Path) -> Result<Self, BuildError> {
        Self::from_bytes(file_name(path), bytes(path)?)
    }

    pub fn from_bytes(name: String, bytes: Vec<u8>) -> Result<Self, BuildError> {
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text, sha256 }),
            Err(error) => {
                let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
                let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                Err(BuildError::Line { file: name, line, what: "it holds bytes that are not UTF-8".into() })
            }
        }
    }

    /// Lines with their number, from 1, without line ends.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// Name and digest for the provenance.
    pub fn line(&self) -> String {
        format!("{} sha256:{}", self.name, self.sha256)
    }

    pub fn wrong(&self, line: usize, what: impl Into<String>) -> BuildError {
        BuildError::Line { file: self.name.clone(), line, what: what.into() }
    }

    pub fn unusable(&self, what: impl Into<String>) -> BuildError {
        BuildError::Content { file: self.name.clone(), what: what.into() }
    }

    /// The release: as given, else a date in the file name, else the start of the digest.
    pub fn version(&self, given: Option<&str>) -> String {
        let found = given.map(str::to_owned).or_else(|| date_in(&self.name));
        found.unwrap_or_else(|| self.sha256.get(..12).unwrap_or_default().to_owned())
    }
}

/// Name of a file without folder and without `.gz` or `.xz`.
pub fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    name.strip_suffix(".gz").or(name.strip_suffix(".xz")).unwrap_or(&name).to_owned()
}

/// The decompressed bytes of a file.
pub fn bytes(path: &Path) -> Result<Vec<u8>, BuildError> {
    let shown = || path.display().to_string();
    let unreadable = |source| BuildError::Unreadable { file: shown(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut reader: Box<dyn Read> = match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Some("xz") => Box::new(liblzma::read::XzDecoder::new_multi_decoder(file)),
        _ => Box::new(file),
    };
    let mut bytes = Vec::new();
    let read = reader.by_ref().take(MAX_INPUT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_INPUT {
        return Err(BuildError::TooLarge { file: shown(), limit: MAX_INPUT });
    }
    Ok(bytes)
}

/// `2024-09-18` or `2025-12` in a file name.
pub fn date_in(name: &str) -> Option<String> {
    let runs = name.split(|c: char| !c.is_ascii_digit() && c != '-').map(|run| run.trim_matches('-'));
    let is_date = |run: &&str| {
        let parts: Vec<usize> = run.split('-').map(str::len).collect();
        parts == [4, 2, 2] || parts == [4, 2]
    };
    runs.filter(|run| run.len() >= 7).find(is_date).map(str::to_owned)
}

/// A table with a header line: finds columns by name and splits rows at tabs.
pub struct Table<'a> {
    pub input: &'a Input,
    columns: Vec<usize>,
}

impl<'a> Table<'a> {
    /// Finds the wanted columns in the header `line`; the error names the one that is missing.
    pub fn new(input: &'a Input, header: (usize, &str), wanted: &[&str]) -> Result<Self, BuildError> {
        let names: Vec<&str> = header.1.split('\t').collect();
        let find = |name: &&str| {
            names
                .iter()
                .position(|known| known == name)
                .ok_or_else(|| input.wrong(header.0, format!("the header has no column {name}")))
        };
        Ok(Self { input, columns: wanted.iter().map(find).collect::<Result<_, _>>()? })
    }

    /// The wanted columns of a row, in the order they were asked for.
    pub fn row<'b, const N: usize>(&self, number: usize, line: &'b str) -> Result<[&'b str; N], BuildError> {
        let cells: Vec<&str> = line.split('\t').collect();
        let mut row = [""; N];
        for (slot, column) in row.iter_mut().zip(&self.columns) {
            *slot = cells.get(*column).ok_or_else(|| {
                self.input
                    .wrong(number, format!("{} columns instead of at least {}", cells.len(), column + 1))
            })?;
        }
        Ok(row)
    }
}
