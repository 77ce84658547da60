//! Tables of subject ids in byte order: 16 bytes each when all are UUIDs as we write them, else the text itself.

use std::cmp::Ordering;

use super::PartError;

const UUIDS: u8 = 1;
const TEXTS: u8 = 2;

/// Collects ids that must arrive in strictly ascending byte order.
#[derive(Debug, Default)]
pub(super) struct IdWriter {
    uuids: Vec<u8>,
    /// Empty while every id is a UUID.
    ends: Vec<u32>,
    texts: Vec<u8>,
    last: Option<String>,
    count: u32,
}

/// The bytes of a UUID spelled in lower case with hyphens: such texts sort as their bytes do.
fn compact(id: &str) -> Option<[u8; 16]> {
    let uuid = (id.len() == 36).then(|| uuid::Uuid::try_parse(id).ok()).flatten()?;
    let mut buffer = uuid::Uuid::encode_buffer();
    (uuid.hyphenated().encode_lower(&mut buffer) == id).then(|| *uuid.as_bytes())
}

fn spelled(bytes: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(bytes).to_string()
}

impl IdWriter {
    pub(super) fn push(&mut self, id: &str) -> Result<(), PartError> {
        if let Some(before) = self.last.as_ref().filter(|before| before.as_bytes() >= id.as_bytes()) {
            return Err(PartError::Unsorted { before: before.clone(), after: id.to_owned() });
        }
        self.count = self.count.checked_add(1).ok_or(PartError::TooLarge("subjects"))?;
        match compact(id).filter(|_| self.ends.is_empty()) {
            Some(bytes) => self.uuids.extend_from_slice(&bytes),
            None => {
                let uuids = std::mem::take(&mut self.uuids);
                for bytes in uuids.as_chunks::<16>().0 {
                    self.text(&spelled(*bytes))?;
                }
                self.text(id)?;
            }
        }
        let last = self.last.get_or_insert_default();
        last.clear();
        last.push_str(id);
        Ok(())
    }

    fn text(&mut self, id: &str) -> Result<(), PartError> {
        self.texts.extend_from_slice(id.as_bytes());
        self.ends.push(u32::try_from(self.texts.len()).map_err(|_| PartError::TooLarge("subject ids"))?);
        Ok(())
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Hands the table over in pieces.
    pub(super) fn finish(self, mut out: impl FnMut(&[u8]) -> Result<(), PartError>) -> Result<(), PartError> {
        if self.ends.is_empty() {
            out(&[UUIDS])?;
            return out(&self.uuids);
        }
        out(&[TEXTS])?;
        self.ends.iter().try_for_each(|end| out(&end.to_le_bytes()))?;
        out(&self.texts)
    }
}

/// A table in a mapped part.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ids<'a> {
    Uuids(&'a [[u8; 16]]),
    Texts { ends: &'a [[u8; 4]], texts: &'a [u8] },
}

impl<'a> Ids<'a> {
    /// Reads a table of `count` ids; `None` when its size does not fit.
    pub(super) fn new(bytes: &'a [u8], count: usize) -> Option<Self> {
        let (kind, body) = bytes.split_first()?;
        match *kind {
            UUIDS => {
                let (uuids, rest) = body.as_chunks::<16>();
                (uuids.len() == count && rest.is_empty()).then_some(Self::Uuids(uuids))
            }
            TEXTS => {
                let (ends, texts) = body.split_at_checked(count.checked_mul(4)?)?;
                Some(Self::Texts { ends: ends.as_chunks::<4>().0, texts })
            }
            _ => None,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Uuids(uuids) => uuids.len(),
            Self::Texts { ends, .. } => ends.len(),
        }
    }

    /// Whether every id can be read and the order is strictly ascending.
    pub(super) fn is_sound(&self) -> bool {
        match self {
            Self::Uuids(uuids) => uuids.is_sorted_by(|a, b| a < b),
            Self::Texts { ends, texts } => {
                let all = (0..ends.len()).map(|index| self.text(index));
                let end = ends.last().map_or(0, |end| u32::from_le_bytes(*end) as usize);
                end == texts.len() && all.clone().all(|id| id.is_some()) && all.is_sorted_by(|a, b| a < b)
            }
        }
    }

    fn text(&self, index: usize) -> Option<&'a str> {
        let Self::Texts { ends, texts } = self else { return None };
        let end = |index: usize| ends.get(index).map(|end| u32::from_le_bytes(*end) as usize);
        let start = index.checked_sub(1).map_or(Some(0), end)?;
        std::str::from_utf8(texts.get(start..end(index)?)?).ok()
    }

    /// The id at a place, as stored.
    pub(super) fn get(&self, index: usize) -> Option<String> {
        match self {
            Self::Uuids(uuids) => uuids.get(index).map(|bytes| spelled(*bytes)),
            Self::Texts { .. } => self.text(index).map(str::to_owned),
        }
    }

    fn compare(&self, index: usize, id: &str, bytes: Option<[u8; 16]>) -> Option<Ordering> {
        match (self, bytes) {
            (Self::Uuids(uuids), Some(bytes)) => uuids.get(index).map(|held| held.cmp(&bytes)),
            _ => self.get(index).map(|held| held.as_str().cmp(id)),
        }
    }

    /// The place of an id.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let bytes = compact(id);
        if bytes.is_none() && matches!(self, Self::Uuids(_)) {
            return None;
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.compare(middle, id, bytes)? {
                Ordering::Equal => return Some(middle),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(ids: &[&str]) -> Vec<u8> {
        let mut writer = IdWriter::default();
        ids.iter().for_each(|id| writer.push(id).unwrap());
        let mut bytes = Vec::new();
        writer
            .finish(|piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
        bytes
    }

    const A: &str = "0a65179a-d608-4aba-8728-2f131ec68127";
    const B: &str = "5065179a-d608-4aba-8728-2f131ec68127";

    #[rstest::rstest]
    #[case::none(&[])]
    #[case::uuids(&[A, B])]
    #[case::texts(&["", "Patient 1", "Ä"])]
    #[case::a_text_after_a_uuid(&[A, B, "patient"])]
    #[case::an_upper_case_uuid_stays_text(&["0A65179A-d608-4aba-8728-2f131ec68127", A])]
    fn ids_are_found_where_they_are(#[case] ids: &[&str]) {
        let bytes = table(ids);
        let read = Ids::new(&bytes, ids.len()).unwrap();
        assert!(read.is_sound());
        for (index, id) in ids.iter().enumerate() {
            assert_eq!(read.get(index).as_deref(), Some(*id));
            assert_eq!(read.find(id), Some(index));
        }
        assert_eq!(read.find("nobody"), None);
        assert_eq!(read.get(ids.len()), None);
    }

    #[test]
    fn uuids_take_16_bytes() {
        assert_eq!(table(&[A, B]).len(), 1 + 2 * 16);
    }

    #[test]
    fn ids_out_of_order_or_twice_are_refused() {
        let mut writer = IdWriter::default();
        writer.push("b").unwrap();
        assert!(matches!(writer.push("b"), Err(PartError::Unsorted { .. })));
        assert!(matches!(writer.push("a"), Err(PartError::Unsorted { .. })));
    }
}
