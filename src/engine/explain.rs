//! What executing a plan costs: for benchmarks, and for whoever wonders why a query is slow.

use super::part::Part;
use super::plan::{Plan, Predicate};
use super::view::SourceView;

/// What a plan reads of a view, summed over its parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Keys with at least one subject.
    pub keys: u64,
    /// Bytes of their postings, each read once from its beginning to its end.
    pub posting_bytes: u64,
    /// Bytes of column codes, if every column asked is read whole.
    pub column_bytes: u64,
}

impl Work {
    /// Bytes read at most.
    pub fn bytes(&self) -> u64 {
        self.posting_bytes + self.column_bytes
    }
}

impl Plan {
    /// What [`super::execute()`] reads at most: it stops earlier where a condition leaves nobody.
    pub fn work(&self, view: &SourceView) -> Work {
        let mut work = Work::default();
        for visible in view.parts() {
            self.add_work(&visible.part, &mut work);
        }
        work
    }

    fn add_work(&self, part: &Part, work: &mut Work) {
        for located in part.postings(&self.keys).flatten() {
            work.keys += 1;
            work.posting_bytes += located.posting.bytes() as u64;
        }
        let columns = self.predicates.iter().flat_map(|predicate| match predicate {
            Predicate::Within { groups, .. } => {
                groups.iter().flat_map(|group| &group.tests).map(|(column, _)| column).collect()
            }
            Predicate::Without { column, .. } => vec![column],
        });
        work.column_bytes +=
            columns.filter_map(|column| part.column(column)).map(|c| c.bytes() as u64).sum::<u64>();
    }
}
