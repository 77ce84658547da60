//! Tables of subject ids in byte order: 16 bytes each when all are UUIDs as we write them, else the text itself.

use std::cmp::Ordering;

use super::PartError;

const UUIDS: u8 = 1;
const TEXTS: u8 = 2;

/// Collects ids in the order they arrive.
#[derive(Debug, Default)]
pub(crate) struct IdWriter {
    uuids: Vec<[u8; 16]>,
    /// Empty while every id is a UUID.
    ends: Vec<u32>,
    texts: Vec<u8>,
    /// Something arrived that is not after what came before it.
    unsorted: bool,
    count: u32,
}

/// From places of arrival to places in byte order, where that differs.
#[derive(Debug)]
pub(crate) struct Ranking {
    /// Places of arrival in byte order of the ids; of equal ids only the last arrival.
    order: Vec<u32>,
    /// Place in byte order by place of arrival; [`Ranking::GONE`] for an arrival that a later one replaced.
    place: Vec<u32>,
}

impl Ranking {
    const GONE: u32 = u32::MAX;

    fn new(order: Vec<u32>, arrivals: u32) -> Self {
        let mut place = vec![Self::GONE; arrivals as usize];
        for (at, arrival) in (0u32..).zip(&order) {
            if let Some(place) = place.get_mut(*arrival as usize) {
                *place = at;
            }
        }
        Self { order, place }
    }

    /// The place in byte order of an arrival; `None` when a later one replaced it.
    pub(super) fn place(&self, arrival: u32) -> Option<u32> {
        self.place.get(arrival as usize).copied().filter(|place| *place != Self::GONE)
    }

    /// Whether an arrival was replaced by a later one.
    pub(super) fn drops_some(&self) -> bool {
        self.order.len() < self.place.len()
    }
}

/// The bytes of a UUID spelled in lower case with hyphens: such texts sort as their bytes do.
fn compact(id: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = id.as_bytes().try_into().ok()?;
    let digits = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 16];
    let mut rest = text.iter();
    for (index, byte) in bytes.iter_mut().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) && rest.next() != Some(&b'-') {
            return None;
        }
        *byte = digits(*rest.next()?)? << 4 | digits(*rest.next()?)?;
    }
    Some(bytes)
}

fn spelled(bytes: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(bytes).to_string()
}

impl IdWriter {
    pub(crate) fn push(&mut self, id: &str) -> Result<(), PartError> {
        self.count = self.count.checked_add(1).ok_or(PartError::TooLarge("subjects"))?;
        match compact(id).filter(|_| self.ends.is_empty()) {
            Some(bytes) => {
                self.unsorted |= self.uuids.last().is_some_and(|last| *last >= bytes);
                self.uuids.push(bytes);
            }
            None => {
                for bytes in std::mem::take(&mut self.uuids) {
                    self.text(&spelled(bytes))?;
                }
                self.unsorted |= self.last_text().is_some_and(|last| last >= id.as_bytes());
                self.text(id)?;
            }
        }
        Ok(())
    }

    fn text(&mut self, id: &str) -> Result<(), PartError> {
        self.texts.extend_from_slice(id.as_bytes());
        self.ends.push(u32::try_from(self.texts.len()).map_err(|_| PartError::TooLarge("subject ids"))?);
        Ok(())
    }

    fn last_text(&self) -> Option<&[u8]> {
        self.stored_text(self.ends.len().checked_sub(1)?)
    }

    fn stored_text(&self, index: usize) -> Option<&[u8]> {
        let start = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.texts.get(start as usize..*self.ends.get(index)? as usize)
    }

    /// How many arrived.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// How they must be reordered; `None` when they arrived in strictly ascending byte order.
    pub(super) fn ranking(&self) -> Option<Ranking> {
        if !self.unsorted {
            return None;
        }
        let order = if self.ends.is_empty() {
            let uuids = self.uuids.iter().map(|bytes| u128::from_be_bytes(*bytes));
            sorted(uuids.zip(0u32..).collect())
        } else {
            let texts = (0..self.ends.len()).map(|index| self.stored_text(index).unwrap_or_default());
            sorted(texts.zip(0u32..).collect())
        };
        Some(Ranking::new(order, self.count))
    }

    /// Hands the table over in pieces, in byte order; answers how many ids it has.
    pub(super) fn finish(
        self,
        ranking: Option<&Ranking>,
        mut out: impl FnMut(&[u8]) -> Result<(), PartError>,
    ) -> Result<u32, PartError> {
        let places: Box<dyn Iterator<Item = u32>> = match ranking {
            Some(ranking) => Box::new(ranking.order.iter().copied()),
            None => Box::new(0..self.count),
        };
        if self.ends.is_empty() {
            out(&[UUIDS])?;
            let uuids = places.filter_map(|place| self.uuids.get(place as usize));
            let mut written = 0;
            for uuid in uuids {
                out(uuid)?;
                written += 1;
            }
            return Ok(written);
        }
        out(&[TEXTS])?;
        let (mut end, mut texts) = (0, Vec::with_capacity(self.texts.len()));
        let mut written = 0;
        for text in places.filter_map(|place| self.stored_text(place as usize)) {
            texts.extend_from_slice(text);
            end += text.len() as u32;
            out(&end.to_le_bytes())?;
            written += 1;
        }
        out(&texts)?;
        Ok(written)
    }
}

/// Arrivals by id; of equal ids the last.
fn sorted<T: Ord + Copy>(mut arrivals: Vec<(T, u32)>) -> Vec<u32> {
    arrivals.sort_unstable();
    let last = |at: usize, id: T| arrivals.get(at + 1).is_none_or(|(next, _)| *next != id);
    arrivals
        .iter()
        .enumerate()
        .filter(|(at, (id, _))| last(*at, *id))
        .map(|(_, (_, arrival))| *arrival)
        .collect()
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

    /// Calls `see` with the place of every id that another table has too: by a look-up each where the other is
    /// small, else by walking both.
    pub(super) fn shared(&self, other: &Self, see: &mut impl FnMut(usize)) {
        let look_up = self.len().checked_ilog2().map_or(1, |log| log as usize + 1);
        if other.len().saturating_mul(look_up) < self.len() {
            let ids = (0..other.len()).filter_map(|index| other.get(index));
            ids.filter_map(|id| self.find(&id)).for_each(see);
            return;
        }
        let (mut mine, mut theirs) = (0, 0);
        while let Some(order) = self.order(mine, other, theirs) {
            if order == Ordering::Equal {
                see(mine);
            }
            mine += usize::from(order != Ordering::Greater);
            theirs += usize::from(order != Ordering::Less);
        }
    }

    /// How an id of this table stands to one of another; `None` beyond the end of either.
    fn order(&self, index: usize, other: &Self, theirs: usize) -> Option<Ordering> {
        Some(match (self, other) {
            (Self::Uuids(mine), Self::Uuids(uuids)) => mine.get(index)?.cmp(uuids.get(theirs)?),
            (Self::Texts { .. }, Self::Texts { .. }) => self.text(index)?.cmp(other.text(theirs)?),
            _ => self.get(index)?.cmp(&other.get(theirs)?),
        })
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
        let ranking = writer.ranking();
        let mut bytes = Vec::new();
        writer
            .finish(ranking.as_ref(), |piece| {
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

    #[rstest::rstest]
    #[case::uuids(&[B, A, B, A, B])]
    #[case::texts(&["b", "a", "b", "", "a"])]
    fn ids_in_any_order_are_sorted_and_the_last_of_equals_is_kept(#[case] ids: &[&str]) {
        let mut writer = IdWriter::default();
        ids.iter().for_each(|id| writer.push(id).unwrap());
        let ranking = writer.ranking().unwrap();
        let mut kept: Vec<&str> = ids.to_vec();
        kept.sort_unstable();
        kept.dedup();
        for (arrival, id) in ids.iter().enumerate() {
            let last = !ids[arrival + 1..].contains(id);
            let place = last.then(|| kept.iter().position(|other| other == id).unwrap() as u32);
            assert_eq!(ranking.place(arrival as u32), place);
        }
        assert_eq!(table(ids), table(&kept));
    }
}
