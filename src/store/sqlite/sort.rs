//! Puts any number of index entries in order within bounded memory: sorted runs in files, merged as they are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// A state of a subject as the index of subjects has it; ordered as that index is, the newest row of equals first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub subject: String,
    pub change: Reverse<i64>,
    pub row: Reverse<i64>,
}

/// Takes entries in any order.
#[derive(Debug)]
pub(super) struct Sorter {
    folder: PathBuf,
    most: usize,
    held: Vec<Entry>,
    runs: Vec<File>,
}

impl Sorter {
    /// Keeps at most so many entries in memory, the rest in nameless files of the folder.
    pub fn new(folder: PathBuf, most: usize) -> Self {
        Self { folder, most, held: Vec::new(), runs: Vec::new() }
    }

    /// Adds an entry.
    pub fn push(&mut self, entry: Entry) -> io::Result<()> {
        self.held.push(entry);
        if self.held.len() >= self.most { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        let mut out = BufWriter::with_capacity(1 << 18, nameless(&self.folder)?);
        for entry in self.held.drain(..) {
            let length = u32::try_from(entry.subject.len()).map_err(io::Error::other)?;
            out.write_all(&length.to_le_bytes())?;
            out.write_all(entry.subject.as_bytes())?;
            out.write_all(&entry.change.0.to_le_bytes())?;
            out.write_all(&entry.row.0.to_le_bytes())?;
        }
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }

    /// Gives the entries in order.
    pub fn finish(mut self) -> io::Result<Sorted> {
        self.held.sort_unstable();
        let mut runs: Vec<Run> = self.runs.into_iter().map(Run::file).collect();
        runs.push(Run::Held(self.held.into_iter()));
        let mut next = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            next.extend(run.next().transpose()?.map(|entry| Reverse((entry, number))));
        }
        Ok(Sorted { runs, next })
    }
}

/// A file that nobody finds and that is gone with its handle, whatever becomes of the process.
fn nameless(folder: &std::path::Path) -> io::Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!(".store.db-sort-{}-{number}", std::process::id()));
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// One sorted run.
#[derive(Debug)]
enum Run {
    Held(std::vec::IntoIter<Entry>),
    File(BufReader<File>),
}

impl Run {
    fn file(file: File) -> Self {
        Self::File(BufReader::with_capacity(1 << 16, file))
    }
}

impl Iterator for Run {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Held(entries) => entries.next().map(Ok),
            Self::File(file) => read(file).transpose(),
        }
    }
}

fn read(file: &mut BufReader<File>) -> io::Result<Option<Entry>> {
    let mut length = [0; 4];
    match file.read_exact(&mut length) {
        // Written by this process, so the end is the end of the last entry.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut subject = vec![0; u32::from_le_bytes(length) as usize];
    file.read_exact(&mut subject)?;
    let mut number = || {
        let mut bytes = [0; 8];
        file.read_exact(&mut bytes).map(|()| Reverse(i64::from_le_bytes(bytes)))
    };
    let (change, row) = (number()?, number()?);
    Ok(Some(Entry { subject: String::from_utf8(subject).map_err(io::Error::other)?, change, row }))
}

/// Entries in order.
#[derive(Debug)]
pub(super) struct Sorted {
    runs: Vec<Run>,
    /// The next entry of each run that has one.
    next: BinaryHeap<Reverse<(Entry, usize)>>,
}

impl Iterator for Sorted {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((entry, number)) = self.next.pop()?;
        match self.runs.get_mut(number).and_then(Iterator::next) {
            Some(Ok(follower)) => self.next.push(Reverse((follower, number))),
            Some(Err(error)) => return Some(Err(error)),
            None => {}
        }
        Some(Ok(entry))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_come_in_order_however_many_are_kept_in_memory(
            entries in proptest::collection::vec(("[a-cé]{0,3}", 1..4_i64, 0..1_000_i64), 0..200),
            most in 1..50_usize,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::new(folder.path().to_path_buf(), most);
            let mut expected: Vec<Entry> = entries
                .into_iter()
                .map(|(subject, change, row)| Entry { subject, change: Reverse(change), row: Reverse(row) })
                .collect();
            for entry in &expected {
                sorter.push(entry.clone()).unwrap();
            }
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a run has a name");
            expected.sort();
            let sorted: Vec<Entry> = sorter.finish().unwrap().collect::<io::Result<_>>().unwrap();
            prop_assert_eq!(sorted, expected);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let mut sorter = Sorter::new("/nowhere/at/all".into(), 1);
        let entry = Entry { subject: "a".into(), change: Reverse(1), row: Reverse(1) };
        assert!(sorter.push(entry).is_err());
    }
}
