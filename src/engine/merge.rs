//! Several parts made one: what they show together, from the parts alone, a key and a column at a time.
//!
//! Needs some 30 bytes of memory a subject whatever the subjects hold, and no document of the store.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use super::keys::Cell;
use super::part::{ColumnReader, IdWriter, Part, PartError, PartFile, PartStats, Posting, Values};
use super::view::{SourceView, Visible};
use super::words::CHUNK;

/// Where the subjects of a part go; [`GONE`] for those a later part hides.
type Places = Vec<u32>;

const GONE: u32 = u32::MAX;

/// Writes one part that shows what `parts`, oldest first, show together. Where parts older than all of them remain
/// beside it (`older`), it hides in them what these hid.
pub fn merge(parts: Vec<Arc<Part>>, older: bool, out: &mut impl Write) -> Result<PartStats, PartError> {
    // Where they differ that of an older one, so that the whole still counts as built with other terms.
    let newest = parts.last().map(|part| part.release()).unwrap_or_default();
    let other = parts.iter().map(|part| part.release()).find(|release| *release != newest);
    let release = other.unwrap_or(newest).to_owned();
    let view = SourceView::open(parts);
    let parts = view.parts();
    let (ids, places) = order(parts)?;
    let mut tombstones = IdWriter::default();
    if older {
        let buried: BTreeSet<String> = parts.iter().flat_map(|part| part.part.tombstones()).collect();
        buried.iter().try_for_each(|id| tombstones.push(id))?;
    }
    let mut file = PartFile::begin(out, ids, None, tombstones)?;

    let mut ordinals = Vec::new();
    let keys = parts.iter().map(|part| part.part.keys_with(&[])).collect();
    each_name(keys, |name, held: Vec<(usize, Posting<'_>)>| {
        ordinals.clear();
        for (part, posting) in held {
            let places = places.get(part).map(Vec::as_slice).unwrap_or_default();
            posting.each(|ordinal| match places.get(ordinal as usize) {
                Some(&GONE) | None => {}
                Some(place) => ordinals.push(*place),
            });
        }
        // A few ascending runs, which this sort finds and merges.
        ordinals.sort();
        if ordinals.is_empty() { Ok(()) } else { file.key(name, &ordinals) }
    })?;

    file.columns();
    let columns = parts.iter().map(|part| part.part.columns()).collect();
    each_name(columns, |name, held: Vec<(usize, ColumnReader<'_>)>| {
        let held =
            held.into_iter().filter_map(|(part, column)| Some((column, parts.get(part)?, places.get(part)?)));
        let values = join(&held.collect::<Vec<_>>());
        if values.codes.is_empty() { Ok(()) } else { file.column(name, &values) }
    })?;
    file.finish(&release)
}

/// All visible subjects in byte order of their ids, and where each goes.
fn order(parts: &[Visible]) -> Result<(IdWriter, Vec<Places>), PartError> {
    let mut places: Vec<Places> = parts.iter().map(|part| vec![GONE; part.part.subjects()]).collect();
    let mut walks: Vec<_> = parts
        .iter()
        .map(|part| part.ordinals().filter_map(|at| Some((part.part.subject_id(at)?, at))).peekable())
        .collect();
    let mut ids = IdWriter::default();
    loop {
        let heads = walks.iter_mut().enumerate().filter_map(|(index, walk)| Some((&walk.peek()?.0, index)));
        let Some((_, index)) = heads.min() else { return Ok((ids, places)) };
        let Some((id, at)) = walks.get_mut(index).and_then(Iterator::next) else { return Ok((ids, places)) };
        if let Some(place) = places.get_mut(index).and_then(|places| places.get_mut(at)) {
            *place = ids.count();
        }
        ids.push(&id)?;
    }
}

/// Walks lists in ascending order of names side by side; calls `each` with every name and who has it.
fn each_name<'a, T>(
    lists: Vec<impl Iterator<Item = (&'a [u8], T)>>,
    mut each: impl FnMut(&[u8], Vec<(usize, T)>) -> Result<(), PartError>,
) -> Result<(), PartError> {
    let mut walks: Vec<_> = lists.into_iter().map(Iterator::peekable).collect();
    loop {
        let heads = walks.iter_mut().filter_map(|walk| walk.peek().map(|(name, _)| *name));
        let Some(name) = heads.min() else { return Ok(()) };
        let mut held = Vec::new();
        for (index, walk) in walks.iter_mut().enumerate() {
            held.extend(walk.next_if(|(other, _)| *other == name).map(|(_, value)| (index, value)));
        }
        each(name, held)?;
    }
}

/// One column of what several have of it.
fn join<'a>(held: &[(ColumnReader<'a>, &Visible, &Places)]) -> Values<&'a str> {
    let (mut numbers, mut bools, mut texts) = (Vec::new(), [false; 2], Vec::new());
    let mut rows: Vec<(u32, u32, u32)> = Vec::new();
    for ((column, part, places), from) in held.iter().zip(0u32..) {
        let mut used = vec![false; column.values() as usize + 1];
        for chunk in 0..part.part.chunks() {
            column.each(chunk, |position, code| {
                let place = places.get(chunk * CHUNK + position).copied().unwrap_or(GONE);
                if code != 0 && place != GONE {
                    rows.push((place, code, from));
                    if let Some(used) = used.get_mut(code as usize) {
                        *used = true;
                    }
                }
            });
        }
        for (code, _) in (0u32..).zip(used).filter(|(_, used)| *used) {
            match column.value(code) {
                Some(Cell::Number(number)) => numbers.push(number),
                Some(Cell::Bool(false)) => bools[0] = true,
                Some(Cell::Bool(true)) => bools[1] = true,
                Some(Cell::Text(text)) => texts.push(text),
                None => {}
            }
        }
    }
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    texts.sort_unstable();
    texts.dedup();
    let first_bool = numbers.len() as u32 + 1;
    let first_text = first_bool + bools.iter().filter(|occurs| **occurs).count() as u32;
    let place = |cell: Cell<'_>| match cell {
        Cell::Number(number) => {
            numbers.binary_search_by(|held: &f64| held.total_cmp(&number)).ok().map(|at| at as u32 + 1)
        }
        Cell::Bool(is) => Some(first_bool + u32::from(is && bools[0])),
        Cell::Text(text) => texts.binary_search(&text).ok().map(|at| at as u32 + first_text),
    };
    let finals: Vec<Vec<u32>> = held
        .iter()
        .map(|(column, _, _)| {
            (0..=column.values()).map(|code| column.value(code).and_then(place).unwrap_or(0)).collect()
        })
        .collect();
    rows.sort();
    let (mut codes, mut ordinals) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    let mut repeated = false;
    for (place, code, from) in rows {
        repeated |= ordinals.last() == Some(&place);
        ordinals.push(place);
        codes.push(
            finals.get(from as usize).and_then(|finals| finals.get(code as usize)).copied().unwrap_or(0),
        );
    }
    Values { numbers, bools, texts, codes, ordinals, repeated }
}
