//! Conditions for listing resources; record queries are `engine::plan`, not this.

use serde_json::Value;

/// A condition on one top-level field of a stored document.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// The field equals the value.
    Equals(&'static str, Value),
    /// The field is an array that contains the value.
    Contains(&'static str, Value),
    /// The field (string or number) is smaller than the value.
    Below(&'static str, Value),
    /// The field (string or number) is at least the value.
    AtLeast(&'static str, Value),
}

/// Which documents of a room, in which order, how many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// Sort by one top-level field (then by id); `true` means descending. Default: by id.
    pub order: Option<(&'static str, bool)>,
    /// Documents to pass over.
    pub skip: usize,
    /// At most this many; `None` means all.
    pub limit: Option<usize>,
}

impl Filter {
    /// Every document of the room.
    pub fn all() -> Self {
        Self::default()
    }

    /// Documents whose field equals the value.
    pub fn equals(field: &'static str, value: impl Into<Value>) -> Self {
        Self::all().and(Condition::Equals(field, value.into()))
    }

    /// Documents whose array field contains the value.
    pub fn contains(field: &'static str, value: impl Into<Value>) -> Self {
        Self::all().and(Condition::Contains(field, value.into()))
    }

    /// Adds a condition.
    #[must_use]
    pub fn and(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Sorts by a field, newest (largest) first.
    #[must_use]
    pub fn newest_first(mut self, field: &'static str) -> Self {
        self.order = Some((field, true));
        self
    }

    /// Sorts by a field, smallest first.
    #[must_use]
    pub fn sorted(mut self, field: &'static str) -> Self {
        self.order = Some((field, false));
        self
    }

    /// Takes one page.
    #[must_use]
    pub fn page(mut self, skip: usize, limit: usize) -> Self {
        self.skip = skip;
        self.limit = Some(limit);
        self
    }
}
