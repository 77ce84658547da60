//! Enters the states of a change into the index of subjects, which staging leaves alone.
//!
//! Ids come in no order. Entered one by one they would rewrite a page of a large index each; entered in order, once,
//! they rewrite each page once. So a change is staged at the ends of its table and of `subjects_by_change`, and
//! entered when somebody has to find its subjects: before its commit, or when they are asked for meanwhile.
//! `subject_changes` says how far. Everything may be begun again: an entry that is there is left, and of two rows of
//! one subject in one change the newer stays.

use std::cmp::Reverse;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::readers::Readers;
use super::sort::{Entry, Sorter};
use super::subjects::SourceRow;
use super::writer::{Slice, Step, Writer};
use crate::domain::ids::SourceId;
use crate::store::StoreError;

/// Entries read in one snapshot: a longer one would keep the log from starting over.
const PAGE: i64 = 50_000;

/// Entries sorted in memory at a time (some 50 MB of UUIDs).
const RUN: usize = 500_000;

/// A change whose entering has begun. `key` is never used again, so who holds one that is gone knows that the change
/// was discarded, dropped or committed meanwhile.
#[derive(Debug, Clone, Copy)]
struct Begun {
    source: i64,
    key: i64,
    /// The last row that is entered.
    entered: i64,
}

/// Changes after the committed one that have rows, up to `n`.
pub(super) fn changes(connection: &Connection, row: &SourceRow, n: i64) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT change FROM subjects INDEXED BY subjects_by_change \
               WHERE source = ?1 AND change > ?2 AND change <= ?3 ORDER BY change LIMIT 1";
    let mut next = connection.prepare_cached(sql)?;
    let (mut found, mut after) = (Vec::new(), row.data_version);
    while let Some(change) = next.query_row([row.key, after, n], |row| row.get::<_, i64>(0)).optional()? {
        found.push(change);
        after = change;
    }
    Ok(found)
}

/// Whether every row of a change is entered.
pub(super) fn is_entered(connection: &Connection, source: i64, change: i64) -> Result<bool, StoreError> {
    let last = "SELECT id FROM subjects INDEXED BY subjects_by_change WHERE source = ?1 AND change = ?2 \
                ORDER BY id DESC LIMIT 1";
    let last: Option<i64> =
        connection.prepare_cached(last)?.query_row([source, change], |row| row.get(0)).optional()?;
    let entered = "SELECT entered FROM subject_changes WHERE source = ?1 AND change = ?2";
    let entered: Option<i64> =
        connection.prepare_cached(entered)?.query_row([source, change], |row| row.get(0)).optional()?;
    Ok(last.is_none_or(|last| entered.is_some_and(|entered| entered >= last)))
}

/// Forgets how far changes up to `n` of a source are entered; whoever enters them now stops.
pub(super) fn forget(connection: &Connection, source: i64, from: i64, to: i64) -> Result<(), StoreError> {
    let sql = "DELETE FROM subject_changes WHERE source = ?1 AND change BETWEEN ?2 AND ?3";
    connection.prepare_cached(sql)?.execute([source, from, to])?;
    Ok(())
}

/// Enters what is staged as change `n`, unless it is committed.
pub(super) async fn enter(
    writer: &Writer,
    readers: &Readers,
    folder: &Path,
    source: &SourceId,
    n: i64,
) -> Result<(), StoreError> {
    let name = source.clone();
    let complete = move |connection: &Connection| {
        let Some(row) = SourceRow::find(connection, &name)? else { return Ok(true) };
        Ok(n <= row.data_version || is_entered(connection, row.key, n)?)
    };
    if readers.read(complete).await? {
        return Ok(());
    }
    let name = source.clone();
    let Some(begun) = writer.write(false, move |connection| begin(connection, &name, n)).await? else {
        return Ok(());
    };
    let mut sorter = Sorter::new(folder.to_path_buf(), RUN);
    let mut last = begun.entered;
    loop {
        let page = readers.read(move |connection| page(connection, begun.source, n, last)).await?;
        let full = page.len() as i64 >= PAGE;
        last = page.last().map_or(last, |entry| entry.row.0);
        let sort = move || -> Result<Sorter, StoreError> {
            page.into_iter().try_for_each(|entry| sorter.push(entry)).map_err(unsorted)?;
            Ok(sorter)
        };
        sorter = tokio::task::spawn_blocking(sort).await.map_err(StoreError::engine)??;
        if !full {
            break;
        }
    }
    let sorted = tokio::task::spawn_blocking(move || sorter.finish()).await.map_err(StoreError::engine)?;
    let mut sorted = sorted.map_err(unsorted)?;
    let name = source.clone();
    let write = move |connection: &Connection, slice: &mut Slice| {
        if !is_open(connection, begun)? {
            return Err(StoreError::Conflict(format!(
                "change {n} of source {name} was discarded or committed by somebody else"
            )));
        }
        for entry in sorted.by_ref() {
            add(connection, begun.source, &entry.map_err(unsorted)?)?;
            if !slice.row() {
                return Ok(Step::More);
            }
        }
        let done = "UPDATE subject_changes SET entered = max(entered, ?2) WHERE key = ?1";
        connection.prepare_cached(done)?.execute([begun.key, last])?;
        Ok(Step::Done(()))
    };
    writer.bulk(false, write).await
}

/// Whether a change is still the one whose entering was begun.
fn is_open(connection: &Connection, begun: Begun) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("SELECT 1 FROM subject_changes WHERE key = ?1")?.exists([begun.key])?)
}

fn unsorted(error: std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("the subjects of a change cannot be sorted beside store.db: {error}"))
}

fn begin(connection: &Connection, source: &SourceId, n: i64) -> Result<Option<Begun>, StoreError> {
    let Some(row) = SourceRow::find(connection, source)? else { return Ok(None) };
    if n <= row.data_version {
        return Ok(None);
    }
    let add = "INSERT INTO subject_changes (source, change) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    connection.prepare_cached(add)?.execute([row.key, n])?;
    let find = "SELECT key, entered FROM subject_changes WHERE source = ?1 AND change = ?2";
    let found = connection.prepare_cached(find)?.query_row([row.key, n], |found| {
        Ok(Begun { source: row.key, key: found.get(0)?, entered: found.get(1)? })
    })?;
    Ok(Some(found))
}

/// Rows of a change after a row, in the order they were staged.
fn page(connection: &Connection, source: i64, change: i64, after: i64) -> Result<Vec<Entry>, StoreError> {
    let sql = "SELECT subject, id FROM subjects INDEXED BY subjects_by_change \
               WHERE source = ?1 AND change = ?2 AND id > ?3 ORDER BY id LIMIT ?4";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([source, change, after, PAGE], |row| {
        Ok(Entry { subject: row.get(0)?, change: Reverse(change), row: Reverse(row.get(1)?) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds an entry; of two rows for one subject and change the newer one stays, and its entry.
fn add(connection: &Connection, source: i64, entry: &Entry) -> Result<(), StoreError> {
    let (subject, Reverse(change), Reverse(row)) = (entry.subject.as_str(), entry.change, entry.row);
    let add = "INSERT INTO subject_ids (source, subject, change, row) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    if connection.prepare_cached(add)?.execute(params![source, subject, change, row])? == 1 {
        return Ok(());
    }
    let held = "SELECT row FROM subject_ids WHERE source = ?1 AND subject = ?2 AND change = ?3";
    let held: i64 =
        connection.prepare_cached(held)?.query_row(params![source, subject, change], |row| row.get(0))?;
    if held == row {
        return Ok(());
    }
    connection.prepare_cached("DELETE FROM subjects WHERE id = ?1")?.execute([held.min(row)])?;
    if row > held {
        let renew = "UPDATE subject_ids SET row = ?4 WHERE source = ?1 AND subject = ?2 AND change = ?3";
        connection.prepare_cached(renew)?.execute(params![source, subject, change, row])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::connection;
    use super::*;

    /// A store file with a source `s` that has nothing committed.
    fn file(folder: &Path) -> (Connection, SourceId) {
        let connection = connection::prepare(&folder.join("store.db")).unwrap();
        connection.execute("INSERT INTO subject_sources (source) VALUES ('s')", []).unwrap();
        (connection, SourceId::parse("s").unwrap())
    }

    fn stage(connection: &Connection, subjects: &[&str]) {
        for subject in subjects {
            connection
                .execute(
                    "INSERT INTO subjects (source, change, subject, body) VALUES (1, 1, ?1, '{}')",
                    [subject],
                )
                .unwrap();
        }
    }

    fn rows(connection: &Connection, table: &str) -> Vec<(String, i64)> {
        let column = if table == "subjects" { "id" } else { "row" };
        let sql = format!("SELECT subject, {column} FROM {table} ORDER BY 1, 2");
        let mut statement = connection.prepare(&sql).unwrap();
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }

    fn enter_by_hand(connection: &Connection, begun: Begun) {
        let mut entries = page(connection, begun.source, 1, begun.entered).unwrap();
        entries.sort();
        for entry in &entries {
            add(connection, begun.source, entry).unwrap();
        }
    }

    #[test]
    fn of_a_subject_staged_twice_the_newer_row_stays_in_whatever_order_they_are_entered() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, source) = file(folder.path());
        stage(&connection, &["a", "b", "a"]);
        let begun = begin(&connection, &source, 1).unwrap().unwrap();
        enter_by_hand(&connection, begun);
        let once = [("a".to_owned(), 3), ("b".to_owned(), 2)];
        assert_eq!(rows(&connection, "subject_ids"), once);
        assert_eq!(rows(&connection, "subjects"), once);
        stage(&connection, &["b"]);
        // Somebody who looked before the newest row came, and enters after it was entered.
        let mut early = page(&connection, 1, 1, 0).unwrap();
        early.retain(|entry| entry.row.0 < 4);
        enter_by_hand(&connection, begun);
        for entry in &early {
            add(&connection, 1, entry).unwrap();
        }
        let twice = [("a".to_owned(), 3), ("b".to_owned(), 4)];
        assert_eq!(rows(&connection, "subject_ids"), twice);
        assert_eq!(rows(&connection, "subjects"), twice);
    }

    #[test]
    fn what_was_discarded_meanwhile_is_not_entered_even_if_it_was_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, source) = file(folder.path());
        stage(&connection, &["a"]);
        let stale = begin(&connection, &source, 1).unwrap().unwrap();
        assert!(is_open(&connection, stale).unwrap());
        forget(&connection, 1, 1, 1).unwrap();
        assert!(!is_open(&connection, stale).unwrap());
        let fresh = begin(&connection, &source, 1).unwrap().unwrap();
        assert!(is_open(&connection, fresh).unwrap() && !is_open(&connection, stale).unwrap());
    }

    #[test]
    fn a_change_is_entered_once_its_last_row_is() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, source) = file(folder.path());
        assert!(is_entered(&connection, 1, 1).unwrap(), "nothing is staged");
        stage(&connection, &["a"]);
        assert!(!is_entered(&connection, 1, 1).unwrap());
        let begun = begin(&connection, &source, 1).unwrap().unwrap();
        assert!(!is_entered(&connection, 1, 1).unwrap());
        connection.execute("UPDATE subject_changes SET entered = 1 WHERE key = ?1", [begun.key]).unwrap();
        assert!(is_entered(&connection, 1, 1).unwrap());
        stage(&connection, &["b"]);
        assert!(!is_entered(&connection, 1, 1).unwrap());
        let row = SourceRow::find(&connection, &source).unwrap().unwrap();
        assert_eq!(changes(&connection, &row, 7).unwrap(), [1]);
    }
}
