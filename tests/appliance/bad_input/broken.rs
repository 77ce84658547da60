//! Files that are broken, or too much.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;

/// Part of a name that points out of its folder.
const ESCAPED: &str = "escaped-from-its-archive";

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut packed = liblzma::write::XzEncoder::new(Vec::new(), 6);
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// A zip of named entries, packed as well as can be.
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A zip whose only entry says that it is encrypted (PKWARE APPNOTE 4.4.4, bit 0, local and central header).
pub fn locked_zip() -> Vec<u8> {
    let mut bytes = zip(&[("a.csv", b"pid,a\nK1,2\n")]);
    for (mark, at) in [(&b"PK\x03\x04"[..], 6), (&b"PK\x01\x02"[..], 8)] {
        let start = bytes.windows(4).position(|window| window == mark).unwrap();
        bytes[start + at] |= 1;
    }
    bytes
}

/// A tar of one entry, whose name is written as it stands.
pub fn tar(name: &str, bytes: &[u8], link: bool) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(if link { 0 } else { bytes.len() as u64 });
    header.set_mode(0o644);
    if link {
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append(&header, if link { &[][..] } else { bytes }).unwrap();
    archive.into_inner().unwrap()
}

/// The first `share` hundredths of a file.
pub fn cut(mut bytes: Vec<u8>, share: usize) -> Vec<u8> {
    bytes.truncate(bytes.len() * share / 100);
    bytes
}

/// A byte in the middle turned round.
pub fn damaged(mut bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    bytes
}

/// A table that does not shrink to nothing.
pub fn table() -> Vec<u8> {
    let rows: String = (0..2_000_u32).map(|n| format!("K{n},{}\n", n.wrapping_mul(2_654_435_761))).collect();
    format!("pid,a\n{rows}").into_bytes()
}

pub fn utf16(text: &str, mark: bool) -> Vec<u8> {
    let mark = mark.then_some(0xFEFF);
    mark.into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// Names that point out of the folder they are unpacked in.
pub fn outward(up: &str) -> String {
    format!("{up}{ESCAPED}.csv")
}

/// A file that came to be because of such a name, in the data folder or a few folders around it.
pub fn escaped(data: &Path) -> Option<PathBuf> {
    let above = data.ancestors().take(2).map(Path::to_owned);
    let mut folders: Vec<PathBuf> = above.collect();
    for root in ["/", "/tmp"] {
        let there = Path::new(root).join(format!("{ESCAPED}.csv"));
        if there.exists() {
            return Some(there);
        }
    }
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).ok()?.flatten() {
            if entry.file_name().to_string_lossy().contains(ESCAPED) {
                return Some(entry.path());
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.path() != data {
                folders.push(entry.path());
            }
        }
    }
    None
}
