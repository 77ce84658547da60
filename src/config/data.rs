//! `Data`: uploaded files, spec §3.1 and §7.

use std::path::PathBuf;

use super::{findings::Findings, tree::section};

section! {
    /// Uploaded files (spec §3.1).
    pub struct Data {
        /// Folder of the original for uploads; relative to the working directory, created if missing.
        "UploadPath" upload_path: PathBuf = PathBuf::from("data_source/"), restart;
        /// Formats that may be uploaded; absent means every one that is read. `vcf` admits `vcf.gz`, `csv` admits `tsv`.
        "ValidFileFormats" valid_file_formats: Option<Vec<String>> = None;
        /// KiB read per step while a file is streamed.
        "ChunkSize" chunk_size: u32 = 1024;
    }
}

impl Data {
    /// Tells whether a file of this extension (`csv`, `.VCF.gz`) may be uploaded; true for all when none are listed.
    pub fn admits(&self, extension: &str) -> bool {
        let Some(listed) = &self.valid_file_formats else { return true };
        let wanted = extension.trim_start_matches('.').to_ascii_lowercase();
        listed.iter().any(|format| {
            let format = format.trim().trim_start_matches('.').to_ascii_lowercase();
            wanted == format
                || (format == "vcf" && wanted == "vcf.gz")
                || (format == "csv" && wanted == "tsv")
        })
    }

    /// Gives the bytes read per step.
    pub fn chunk_bytes(&self) -> usize {
        self.chunk_size as usize * 1024
    }

    pub(super) fn validate(&self, findings: &mut Findings) {
        let placed = !self.upload_path.as_os_str().is_empty();
        findings.need("Data.UploadPath", placed, "expected a folder");
        // One step is held in memory for each running upload.
        let sane = (1..=65_536).contains(&self.chunk_size);
        findings.need("Data.ChunkSize", sane, "expected a number of KiB from 1 to 65536");
        if self.valid_file_formats.as_ref().is_some_and(Vec::is_empty) {
            findings.warn("Data.ValidFileFormats", "the list is empty, so every upload is refused");
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("vcf", true)]
    #[case("VCF.gz", true)]
    #[case(".csv", true)]
    #[case("tsv", true)]
    #[case("xlsx", false)]
    #[case("csv.gz", false)]
    fn a_list_admits_what_it_names(#[case] extension: &str, #[case] admitted: bool) {
        let listed = Some(vec!["vcf".to_owned(), "CSV".to_owned()]);
        let data = Data { valid_file_formats: listed, ..Data::default() };
        assert_eq!(data.admits(extension), admitted);
    }

    #[test]
    fn no_list_admits_everything() {
        assert!(Data::default().admits("xlsx"));
    }
}
