//! Building a part from subjects, which may come in any order and repeatedly.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use foldhash::fast::RandomState;

use super::PartError;
use super::file::{PartFile, PartStats, Values};
use super::ids::{IdWriter, Ranking};
use crate::domain::subjects::Subject;
use crate::engine::keys::{self, Cell};

/// Builds one part in memory of about twice the part's own size.
#[derive(Debug)]
pub struct PartBuilder {
    release: String,
    ids: IdWriter,
    tombstones: IdWriter,
    /// Subjects in order of arrival by key.
    keys: Keys,
    columns: HashMap<Box<[u8]>, ColumnBuilder, RandomState>,
}

#[derive(Debug, Default)]
struct ColumnBuilder {
    numbers: HashMap<u64, u32, RandomState>,
    bools: [Option<u32>; 2],
    texts: HashMap<Box<str>, u32, RandomState>,
    /// Codes by first appearance, from 1.
    codes: Vec<u32>,
    /// Arrivals of the codes; empty as long as entry i belongs to arrival i.
    arrivals: Vec<u32>,
    values: u32,
    repeated: bool,
}

/// Arrivals by key. Most keys of most subjects are a field, a trait or the id of a term: they are looked up as a number,
/// without going to where a longer key lies.
#[derive(Debug, Default)]
struct Keys {
    /// Keys of two bytes whose second is below [`FEW`].
    short: BTreeMap<u8, [Vec<u32>; FEW]>,
    /// Other keys of up to 15 bytes, followed by zeros and their length.
    packed: HashMap<u128, Vec<u32>, RandomState>,
    long: HashMap<Box<[u8]>, Vec<u32>, RandomState>,
}

/// No kind of field or trait has more.
const FEW: usize = 16;

/// A key of up to 15 bytes as a number.
fn packed(key: &[u8]) -> Option<u128> {
    let mut bytes = [0; 16];
    let [.., length] = &mut bytes;
    *length = u8::try_from(key.len()).ok().filter(|length| *length < 16)?;
    bytes.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    Some(u128::from_be_bytes(bytes))
}

fn unpacked(number: u128) -> Box<[u8]> {
    let bytes = number.to_be_bytes();
    let [.., length] = bytes;
    bytes.get(..usize::from(length)).unwrap_or_default().into()
}

impl Keys {
    fn add(&mut self, key: &[u8], arrival: u32) {
        let short = match key {
            [kind, which] if usize::from(*which) < FEW => {
                self.short.entry(*kind).or_default().get_mut(usize::from(*which))
            }
            _ => None,
        };
        let arrivals = match (short, packed(key)) {
            (Some(arrivals), _) => arrivals,
            (None, Some(packed)) => self.packed.entry(packed).or_default(),
            (None, None) => match self.long.get_mut(key) {
                Some(arrivals) => arrivals,
                None => self.long.entry(key.into()).or_default(),
            },
        };
        if arrivals.last() != Some(&arrival) {
            arrivals.push(arrival);
        }
    }

    /// In byte order.
    fn sorted(self) -> Vec<(Box<[u8]>, Vec<u32>)> {
        let of_kind = |(kind, all): (u8, [Vec<u32>; FEW])| {
            let numbered = (0u8..).zip(all).filter(|(_, arrivals)| !arrivals.is_empty());
            numbered.map(move |(which, arrivals)| (Box::from([kind, which].as_slice()), arrivals))
        };
        let short = self.short.into_iter().flat_map(of_kind);
        let packed = self.packed.into_iter().map(|(key, arrivals)| (unpacked(key), arrivals));
        let mut all: Vec<_> = short.chain(packed).chain(self.long).collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}

impl ColumnBuilder {
    fn code(&mut self, cell: Cell<'_>) -> u32 {
        let next = self.values + 1;
        let code = match cell {
            // −0 and 0 are one value.
            Cell::Number(number) => *self.numbers.entry((number + 0.0).to_bits()).or_insert(next),
            Cell::Bool(is) => {
                let [no, yes] = &mut self.bools;
                *(if is { yes } else { no }).get_or_insert(next)
            }
            Cell::Text(text) => match self.texts.get(text) {
                Some(code) => *code,
                None => *self.texts.entry(text.into()).or_insert(next),
            },
        };
        self.values = self.values.max(code);
        code
    }

    fn push(&mut self, arrival: u32, code: u32) {
        if self.arrivals.is_empty() && self.codes.len() != arrival as usize {
            self.arrivals = (0..self.codes.len() as u32).collect();
            self.arrivals.push(arrival);
        } else if !self.arrivals.is_empty() {
            self.arrivals.push(arrival);
        }
        self.codes.push(code);
    }

    /// Takes the values one subject has, repeats removed.
    fn add(&mut self, arrival: u32, cells: &mut dyn Iterator<Item = Cell<'_>>) {
        let Some(first) = cells.next().map(|cell| self.code(cell)) else { return };
        let Some(second) = cells.next().map(|cell| self.code(cell)) else {
            return self.push(arrival, first);
        };
        let mut all = vec![first, second];
        all.extend(cells.map(|cell| self.code(cell)));
        all.sort_unstable();
        all.dedup();
        self.repeated |= all.len() > 1;
        all.into_iter().for_each(|code| self.push(arrival, code));
    }

    /// Reorders the entries by place; values whose subjects were all replaced are no values any more.
    fn rank(&mut self, ranking: &Ranking) {
        let arrivals = std::mem::take(&mut self.arrivals);
        let arrival = |index: u32| arrivals.get(index as usize).copied().unwrap_or(index);
        let entries = (0u32..).zip(&self.codes);
        let placed = entries.filter_map(|(index, code)| Some((ranking.place(arrival(index))?, *code)));
        let mut placed: Vec<(u32, u32)> = placed.collect();
        placed.sort_unstable();
        if ranking.drops_some() {
            let mut used = vec![false; self.values as usize + 1];
            for (_, code) in &placed {
                if let Some(used) = used.get_mut(*code as usize) {
                    *used = true;
                }
            }
            let used = |code: u32| used.get(code as usize).copied().unwrap_or(false);
            self.numbers.retain(|_, code| used(*code));
            self.texts.retain(|_, code| used(*code));
            self.bools = self.bools.map(|code| code.filter(|code| used(*code)));
        }
        self.repeated = !placed.is_sorted_by(|(a, _), (b, _)| a < b);
        (self.arrivals, self.codes) = placed.into_iter().unzip();
    }

    /// Gives values their final codes, by which they sort.
    fn finish(self) -> Values<Box<str>> {
        let mut finals = vec![0u32; self.values as usize + 1];
        let mut next = 0u32;
        let mut place = |given: u32| {
            next += 1;
            if let Some(slot) = finals.get_mut(given as usize) {
                *slot = next;
            }
        };
        let numbers = self.numbers.into_iter().map(|(bits, code)| (f64::from_bits(bits), code));
        let mut numbers: Vec<(f64, u32)> = numbers.collect();
        numbers.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
        numbers.iter().for_each(|(_, code)| place(*code));
        self.bools.iter().flatten().for_each(|code| place(*code));
        let mut texts: Vec<(Box<str>, u32)> = self.texts.into_iter().collect();
        texts.sort_unstable();
        texts.iter().for_each(|(_, code)| place(*code));
        let mut codes = self.codes;
        for code in &mut codes {
            *code = finals.get(*code as usize).copied().unwrap_or(0);
        }
        let mut ordinals = self.arrivals;
        if self.repeated {
            // The values of one subject in the order of the dictionary, not in that of appearance.
            let mut entries: Vec<(u32, u32)> = ordinals.into_iter().zip(codes).collect();
            entries.sort_unstable();
            (ordinals, codes) = entries.into_iter().unzip();
        }
        Values {
            numbers: numbers.into_iter().map(|(number, _)| number).collect(),
            bools: self.bools.map(|code| code.is_some()),
            texts: texts.into_iter().map(|(text, _)| text).collect(),
            codes,
            ordinals,
            repeated: self.repeated,
        }
    }
}

impl PartBuilder {
    /// Starts a part; `release` names the biomedical terms in force.
    pub fn new(release: impl Into<String>) -> Self {
        Self {
            release: release.into(),
            ids: IdWriter::default(),
            tombstones: IdWriter::default(),
            keys: Keys::default(),
            columns: HashMap::default(),
        }
    }

    /// Subjects added so far, replaced ones included.
    pub fn added(&self) -> u32 {
        self.ids.count()
    }

    /// Adds a subject; it replaces one of the same id that was added before.
    pub fn add(&mut self, subject: &Subject) -> Result<(), PartError> {
        let arrival = self.ids.count();
        self.ids.push(&subject.subject_id)?;
        let (keys, columns) = (&mut self.keys, &mut self.columns);
        keys::of(
            subject,
            |key| keys.add(key, arrival),
            |name, cells| {
                let mut cells = cells.peekable();
                if cells.peek().is_none() {
                    return;
                }
                match columns.get_mut(name) {
                    Some(column) => column.add(arrival, &mut cells),
                    None => columns.entry(name.into()).or_default().add(arrival, &mut cells),
                }
            },
        );
        Ok(())
    }

    /// Hides a subject of older parts.
    pub fn tombstone(&mut self, subject_id: &str) -> Result<(), PartError> {
        self.tombstones.push(subject_id)
    }

    /// Writes the file.
    pub fn finish(self, out: &mut impl Write) -> Result<PartStats, PartError> {
        let ranking = self.ids.ranking();
        let mut file = PartFile::begin(out, self.ids, ranking.as_ref(), self.tombstones)?;
        for (key, mut ordinals) in self.keys.sorted() {
            if let Some(ranking) = &ranking {
                ordinals = ordinals.into_iter().filter_map(|arrival| ranking.place(arrival)).collect();
                ordinals.sort_unstable();
            }
            if !ordinals.is_empty() {
                file.key(&key, &ordinals)?;
            }
        }
        file.columns();
        let mut columns: Vec<_> = self.columns.into_iter().collect();
        columns.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (name, mut column) in columns {
            if let Some(ranking) = &ranking {
                column.rank(ranking);
            }
            if !column.codes.is_empty() {
                file.column(&name, &column.finish())?;
            }
        }
        file.finish(&self.release)
    }
}
