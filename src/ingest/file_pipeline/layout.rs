//! What each column of a table is for.

use std::collections::HashSet;
use std::sync::Arc;

use super::GROUPS;
use crate::domain::pipelines::{FilePipeline, Grouping, SubjectIdRule};

/// Characters of a column name that are kept.
const MAX_NAME_CHARS: usize = 1_000;

/// What one column is for; numbers are places in lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Only separates groups.
    Separator,
    SubjectId,
    Expanded(usize),
    Column(usize),
    Field {
        group: usize,
        name: usize,
    },
}

#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) places: Vec<Place>,
    pub(super) names: Vec<Arc<str>>,
    pub(super) groups: usize,
    /// Grouping was asked for and no header cell starts a group.
    pub(super) lacks_separator: bool,
}

impl Layout {
    /// A layout that learns its columns row by row; such files have no column order, so nothing is grouped.
    pub(super) fn open(_pipeline: &FilePipeline) -> Self {
        Self::default()
    }

    /// The layout of a header; the error says which columns the pipeline misses.
    pub(super) fn of_header<S: AsRef<str>>(pipeline: &FilePipeline, header: &[S]) -> Result<Self, String> {
        let separator = match pipeline.grouping {
            Grouping::Customized => pipeline.group_columns.as_deref(),
            Grouping::Individual => None,
        };
        let mut layout = Self::default();
        let mut used = HashSet::new();
        if separator.is_some() {
            used.insert(GROUPS.to_owned());
        }
        for (index, cell) in header.iter().enumerate() {
            let cell = cell.as_ref().trim();
            if separator == Some(cell) {
                layout.groups += 1;
                used.clear();
                layout.places.push(Place::Separator);
                continue;
            }
            let name = unique(cell, index, &mut used);
            let place = match layout.groups {
                0 => layout.add(pipeline, &name),
                groups => Place::Field { group: groups - 1, name: layout.name(&name) },
            };
            layout.places.push(place);
        }
        layout.lacks_separator = separator.is_some() && layout.groups == 0;
        layout.check(pipeline).map(|()| layout)
    }

    /// Adds an ungrouped column.
    pub(super) fn add(&mut self, pipeline: &FilePipeline, name: &str) -> Place {
        match &pipeline.subject_id {
            SubjectIdRule::AttributeInFile { attribute } if attribute == name => Place::SubjectId,
            SubjectIdRule::AssignByExpansion { columns, .. } => {
                match columns.iter().position(|c| c == name) {
                    Some(index) => Place::Expanded(index),
                    None => Place::Column(self.name(name)),
                }
            }
            _ => Place::Column(self.name(name)),
        }
    }

    fn name(&mut self, name: &str) -> usize {
        self.names.push(Arc::from(name));
        self.names.len() - 1
    }

    fn check(&self, pipeline: &FilePipeline) -> Result<(), String> {
        let columns = || {
            let some: Vec<String> = self.names.iter().take(20).map(|name| format!("{name:?}")).collect();
            format!(
                "its columns are {}{}",
                some.join(", "),
                if self.names.len() > 20 { " and more" } else { "" }
            )
        };
        match &pipeline.subject_id {
            SubjectIdRule::AttributeInFile { attribute } if !self.places.contains(&Place::SubjectId) => {
                Err(format!("it has no ungrouped column {attribute:?} for the subject id; {}", columns()))
            }
            SubjectIdRule::AssignByExpansion { columns: listed, new_attribute, .. } => {
                let lacking = (0..listed.len()).find(|index| !self.places.contains(&Place::Expanded(*index)));
                if let Some(column) = lacking.and_then(|index| listed.get(index)) {
                    return Err(format!("it has no ungrouped column {column:?} to expand; {}", columns()));
                }
                if self.names.iter().any(|name| **name == **new_attribute) {
                    return Err(format!("newAttribute {new_attribute:?} is already one of its columns"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn unique(cell: &str, index: usize, used: &mut HashSet<String>) -> String {
    let base = match cell {
        "" => format!("column_{}", index + 1),
        text => text.chars().take(MAX_NAME_CHARS).collect(),
    };
    let mut name = base.clone();
    // Every pass takes a name another column has, so the loop ends; names are distinct after their first clash.
    let mut count = 2_u64;
    while !used.insert(name.clone()) {
        name = format!("{base}_{count}");
        count += 1;
    }
    name
}
