//! Where the loaded data comes from: one entry per official release, with licence text and attribution.

use super::form::{FormError, Sections};

pub(super) const SECTION: &str = "provenance";
/// Texts per entry in the section, in the order of the fields below.
pub(super) const FIELDS: usize = 7;

/// One official release inside a term file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Short key, as in the term service: `hpo`, `ordo`, `reactome`, `hgnc`.
    pub key: String,
    pub name: String,
    pub version: String,
    /// Where the release is published.
    pub address: String,
    pub licence: String,
    /// The acknowledgement to show wherever the data is shown.
    pub attribution: String,
    /// One line per input file: its name and SHA-256.
    pub files: String,
}

impl Source {
    pub(super) fn fields(&self) -> [&str; FIELDS] {
        [&self.key, &self.name, &self.version, &self.address, &self.licence, &self.attribution, &self.files]
    }

    pub(super) fn read(sections: &Sections) -> Result<Vec<Self>, FormError> {
        let texts = sections.strings(SECTION);
        texts.check(SECTION, texts.len())?;
        if texts.len() == 0 || !texts.len().is_multiple_of(FIELDS) {
            return Err(FormError::damaged("its provenance section is incomplete"));
        }
        let text = |entry: usize, field: usize| texts.get(entry * FIELDS + field).to_owned();
        let source = |entry| Self {
            key: text(entry, 0),
            name: text(entry, 1),
            version: text(entry, 2),
            address: text(entry, 3),
            licence: text(entry, 4),
            attribution: text(entry, 5),
            files: text(entry, 6),
        };
        Ok((0..texts.len() / FIELDS).map(source).collect())
    }
}
