//! The subject id of each row for the strategies in which a row is one subject (specification §7.3).

use crate::domain::pipelines::SubjectIdRule;
use crate::ingest::Entry;

/// Endings of packed files, and of the archives tables come in.
const PACKED: [&str; 5] = ["gz", "xz", "bz2", "zst", "zip"];

/// Gives the id of each row in turn.
#[derive(Debug)]
pub(super) enum Ids {
    FromColumn,
    Whole(String),
    Batches { prefix: String, size: u64, left: u64, current: String },
}

impl Ids {
    pub(super) fn new(entry: &Entry<'_>) -> Self {
        match &entry.input.pipeline.subject_id {
            SubjectIdRule::AttributeInName => Self::Whole(stem(entry.name)),
            SubjectIdRule::AssignPerBatch { prefix, batch_size } => Self::Batches {
                prefix: prefix.clone(),
                size: (*batch_size).max(1),
                left: 0,
                current: String::new(),
            },
            // Expansion makes its own ids; it never asks here.
            SubjectIdRule::AttributeInFile { .. } | SubjectIdRule::AssignByExpansion { .. } => {
                Self::FromColumn
            }
        }
    }

    /// The next row's id; `own` is what the id column holds, `fresh` counts ids that had to be made up.
    pub(super) fn next(&mut self, entry: &Entry<'_>, own: Option<String>, fresh: &mut u64) -> String {
        match self {
            Self::FromColumn => own.unwrap_or_else(|| {
                *fresh += 1;
                entry.input.random.uuid().to_string()
            }),
            Self::Whole(id) => id.clone(),
            Self::Batches { prefix, size, left, current } => {
                if *left == 0 {
                    // The numbering goes on over the entries of an archive.
                    let last = entry.last_number.get().unwrap_or_else(|| (entry.input.next_number)(prefix));
                    let number = last.saturating_add(1);
                    entry.last_number.set(Some(number));
                    *current = format!("{prefix}{number}");
                    *left = *size;
                }
                *left -= 1;
                current.clone()
            }
        }
    }
}

/// The name without its extension; folders inside an archive stay, so that two files never are one subject. Bounded
/// to the length of a subject id by its end, which tells names apart.
pub(super) fn stem(name: &str) -> String {
    let mut stem = name.trim_matches('/');
    for _ in 0..2 {
        let Some((rest, extension)) = stem.rsplit_once('.').filter(|(rest, _)| !rest.is_empty()) else {
            break;
        };
        let plain = !extension.contains('/') && !rest.ends_with('/');
        if !plain {
            break;
        }
        stem = rest;
        if !PACKED.iter().any(|packed| packed.eq_ignore_ascii_case(extension)) {
            break;
        }
    }
    let start = (0..stem.len())
        .find(|at| stem.len() - at <= super::MAX_SUBJECT_ID_BYTES && stem.is_char_boundary(*at));
    stem.get(start.unwrap_or(0)..).unwrap_or(stem).to_owned()
}

#[cfg(test)]
mod tests {
    #[rstest::rstest]
    #[case("K7.csv", "K7")]
    #[case("K7.tsv.gz", "K7")]
    #[case("K7.v2.csv", "K7.v2")]
    #[case("site/K7.csv", "site/K7")]
    #[case("si.te/K7", "si.te/K7")]
    #[case(".hidden", ".hidden")]
    #[case("site/.hidden", "site/.hidden")]
    #[case("K7", "K7")]
    fn a_file_s_id_is_its_name_without_extension(#[case] name: &str, #[case] id: &str) {
        assert_eq!(super::stem(name), id);
    }
}
