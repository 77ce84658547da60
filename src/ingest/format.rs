//! Which format a file has: by its name first, by its first bytes where the name is silent or wrong.

/// What a file is once unpacked; decides its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text table with a separator.
    Csv,
    /// Excel workbook, old or new.
    Sheet,
    /// JSON of any shape: subjects, phenopackets, other records.
    Json,
    /// Variant Call Format.
    Vcf,
    /// Several files in one.
    Archive,
}

/// One layer of packing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Xz,
    Zip,
    Tar,
}

/// How many first bytes [`Packing::of_content`] and [`Format::of_content`] look at: up to the mark of a tar header.
pub(super) const LOOK: usize = 512;

const FORMATS: [(&str, Format); 15] = [
    ("csv", Format::Csv),
    ("tsv", Format::Csv),
    ("tab", Format::Csv),
    ("txt", Format::Csv),
    ("xls", Format::Sheet),
    ("xlsx", Format::Sheet),
    ("xlsm", Format::Sheet),
    ("json", Format::Json),
    ("jsonl", Format::Json),
    ("ndjson", Format::Json),
    ("phenopacket", Format::Json),
    ("vcf", Format::Vcf),
    ("zip", Format::Archive),
    ("tar", Format::Archive),
    ("tgz", Format::Archive),
];

/// The format a file name promises, packing looked through: `a.vcf.gz` is [`Format::Vcf`], `a.tar.xz` an archive.
pub fn format_of(filename: &str) -> Option<Format> {
    let lower = filename.to_ascii_lowercase();
    if lower.ends_with(".txz") {
        return Some(Format::Archive);
    }
    let (_, extension) = unpacked(&lower).rsplit_once('.')?;
    FORMATS.iter().find(|(known, _)| *known == extension).map(|(_, format)| *format)
}

/// The extension as shown to users, packing included and in lower case: `vcf.gz`, `tar.xz`, `csv`.
pub fn extension_of(filename: &str) -> String {
    let lower = filename.rsplit(['/', '\\']).next().unwrap_or(filename).to_ascii_lowercase();
    let inner = unpacked(&lower);
    let start = inner.rfind('.').map_or(inner.len(), |dot| dot + 1);
    lower.get(start..).unwrap_or_default().trim_start_matches('.').to_owned()
}

/// The file name without extension, packing included: `a/b.vcf.gz` is `a/b`. Folders inside an archive stay, so that
/// two files never are one.
pub(super) fn stem(name: &str) -> &str {
    let inner = unpacked(name);
    match inner.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && !extension.contains(['/', '\\']) => stem,
        _ => inner,
    }
}

/// The name without a compression suffix.
fn unpacked(name: &str) -> &str {
    let suffix = [".gz", ".bgz", ".xz"].into_iter().find(|suffix| {
        name.len() > suffix.len()
            && name.get(name.len() - suffix.len()..).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    });
    suffix.and_then(|suffix| name.get(..name.len() - suffix.len())).unwrap_or(name)
}

/// The name of what is inside one compressed file.
pub(super) fn inner_name(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, end)) if end.eq_ignore_ascii_case("tgz") || end.eq_ignore_ascii_case("txz") => {
            format!("{stem}.tar")
        }
        _ => unpacked(name).to_owned(),
    }
}

impl Packing {
    /// By the magic numbers of RFC 1952, the xz format, PKWARE APPNOTE 4.3.7 and POSIX ustar.
    pub(super) fn of_content(first: &[u8]) -> Option<Self> {
        if first.starts_with(&[0x1f, 0x8b]) {
            Some(Self::Gzip)
        } else if first.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
            Some(Self::Xz)
        } else if first.starts_with(b"PK\x03\x04") || first.starts_with(b"PK\x05\x06") {
            Some(Self::Zip)
        } else if first.get(257..262) == Some(b"ustar") {
            Some(Self::Tar)
        } else {
            None
        }
    }
}

impl Format {
    /// The extension that stands for the format; of what was really uploaded see [`extension_of`].
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Sheet => "xlsx",
            Self::Json => "json",
            Self::Vcf => "vcf",
            Self::Archive => "zip",
        }
    }

    /// By the first bytes of an unpacked file: the mark of old Excel files, a VCF header line, a JSON bracket.
    pub(super) fn of_content(first: &[u8]) -> Option<Self> {
        let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
        if first.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            Some(Self::Sheet)
        } else if text.starts_with(b"##fileformat=VCF") {
            Some(Self::Vcf)
        } else if text.starts_with(b"{") || text.starts_with(b"[") {
            Some(Self::Json)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("a.csv", Some(Format::Csv), "csv", "a")]
    #[case("A.TSV", Some(Format::Csv), "tsv", "A")]
    #[case("x/cohort.v2.VCF.gz", Some(Format::Vcf), "vcf.gz", "x/cohort.v2")]
    #[case("x.vcf.bgz", Some(Format::Vcf), "vcf.bgz", "x")]
    #[case("packets.tar.xz", Some(Format::Archive), "tar.xz", "packets")]
    #[case("packets.tgz", Some(Format::Archive), "tgz", "packets")]
    #[case("a.b/p", None, "", "a.b/p")]
    #[case("sheet.xlsx", Some(Format::Sheet), "xlsx", "sheet")]
    #[case("archive.gz", None, "gz", "archive")]
    #[case("picture.png", None, "png", "picture")]
    #[case("noextension", None, "", "noextension")]
    #[case(".json", Some(Format::Json), "json", ".json")]
    fn a_name_tells_format_extension_and_stem(
        #[case] name: &str,
        #[case] format: Option<Format>,
        #[case] extension: &str,
        #[case] bare: &str,
    ) {
        assert_eq!((format_of(name), extension_of(name).as_str(), stem(name)), (format, extension, bare));
    }

    #[test]
    fn a_name_with_letters_of_several_bytes_is_cut_at_letters() {
        assert_eq!(stem("é.gz"), "é");
        assert_eq!(format_of("ℵz"), None);
    }
}
