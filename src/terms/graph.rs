//! The `is_a` graph of one ontology: parents, children, order from root to leaf, breadth-first walks.
//!
//! Terms are numbered 0..n in the order of their ids. An ontology with several parentless terms gets a
//! virtual root, numbered n, that never leaves this module's callers as a term.

/// Lists of term numbers, one after another in one block (compressed sparse rows).
#[derive(Debug, Default, Clone)]
pub struct Rows {
    starts: Vec<u32>,
    items: Vec<u16>,
}

impl Rows {
    /// Groups `(row, item)` pairs by row, keeping the order of the pairs within a row.
    pub fn group(rows: usize, pairs: impl Iterator<Item = (u16, u16)> + Clone) -> Self {
        let mut starts = vec![0_u32; rows + 1];
        for (row, _) in pairs.clone() {
            if let Some(count) = starts.get_mut(usize::from(row) + 1) {
                *count += 1;
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        let mut next = starts.clone();
        let mut items = vec![0; usize::try_from(total).unwrap_or(0)];
        for (row, item) in pairs {
            if let Some(at) = next.get_mut(usize::from(row)) {
                if let Some(slot) = items.get_mut(usize::try_from(*at).unwrap_or(usize::MAX)) {
                    *slot = item;
                }
                *at += 1;
            }
        }
        Self { starts, items }
    }

    pub fn get(&self, row: u16) -> &[u16] {
        let bound = |at: usize| self.starts.get(at).and_then(|start| usize::try_from(*start).ok());
        match (bound(usize::from(row)), bound(usize::from(row) + 1)) {
            (Some(start), Some(end)) => self.items.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }

    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Every `(row, item)` pair, rows rising.
    pub fn pairs(&self) -> impl Iterator<Item = (u16, u16)> + Clone + '_ {
        (0..self.len())
            .filter_map(|row| u16::try_from(row).ok())
            .flat_map(move |row| self.get(row).iter().map(move |item| (row, *item)))
    }
}

/// Why edges do not form a graph.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    #[error("an edge names a term beyond the last one")]
    Beyond,
    #[error("the edges form a cycle")]
    Cycle,
    #[error("there are {0} terms, more than the 65,534 that fit")]
    TooMany(usize),
}

/// A directed acyclic graph with exactly one root (added when the data has none or several).
#[derive(Debug, Clone)]
pub struct Graph {
    terms: usize,
    nodes: usize,
    parents: Rows,
    children: Rows,
    /// Every node after all its parents.
    order: Vec<u16>,
    root: u16,
}

impl Graph {
    /// Builds the graph of `terms` terms from `(child, parent)` edges.
    pub fn new(terms: usize, edges: &[(u16, u16)]) -> Result<Self, GraphError> {
        let virtual_root = u16::try_from(terms).map_err(|_| GraphError::TooMany(terms))?;
        if virtual_root == u16::MAX {
            return Err(GraphError::TooMany(terms));
        }
        if edges.iter().any(|(child, parent)| *child >= virtual_root || *parent >= virtual_root) {
            return Err(GraphError::Beyond);
        }
        let given = Rows::group(terms, edges.iter().copied());
        let parentless: Vec<u16> = (0..virtual_root).filter(|term| given.get(*term).is_empty()).collect();
        let (nodes, root, parents) = match parentless.as_slice() {
            [only] => (terms, *only, given),
            several => {
                let added = several.iter().map(|term| (*term, virtual_root));
                (terms + 1, virtual_root, Rows::group(terms + 1, edges.iter().copied().chain(added)))
            }
        };
        let children = Rows::group(nodes, parents.pairs().map(|(child, parent)| (parent, child)));
        let order = root_first(nodes, root, &parents, &children).ok_or(GraphError::Cycle)?;
        Ok(Self { terms, nodes, parents, children, order, root })
    }

    /// Number of terms, without a virtual root.
    pub fn terms(&self) -> usize {
        self.terms
    }

    /// Number of nodes, with a virtual root if there is one.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    pub fn root(&self) -> u16 {
        self.root
    }

    pub fn is_term(&self, node: u16) -> bool {
        usize::from(node) < self.terms
    }

    pub fn parents(&self, node: u16) -> &[u16] {
        self.parents.get(node)
    }

    pub fn children(&self, node: u16) -> &[u16] {
        self.children.get(node)
    }

    /// Nodes such that parents come before children; reverse it for children first.
    pub fn order(&self) -> &[u16] {
        &self.order
    }

    /// Descendants breadth first, each once, without the term itself; `depth` 0 means all.
    pub fn descendants(&self, node: u16, depth: usize) -> Vec<u16> {
        let mut seen = Marks::new(self.nodes);
        seen.add(node);
        let mut found: Vec<u16> = Vec::new();
        let mut level = vec![node];
        let mut level_number = 0;
        while !level.is_empty() && (depth == 0 || level_number < depth) {
            let mut next = Vec::new();
            for parent in &level {
                next.extend(self.children(*parent).iter().copied().filter(|child| seen.add(*child)));
            }
            found.extend(&next);
            level = next;
            level_number += 1;
        }
        found
    }

    /// The longest of the shortest distances from a term to the root (the root being at 0).
    pub fn max_depth(&self) -> usize {
        let mut depth = vec![usize::MAX; self.nodes];
        let mut deepest = 0;
        for node in &self.order {
            let above =
                self.parents(*node).iter().filter_map(|parent| depth.get(usize::from(*parent)).copied());
            let here = above.min().map_or(0, |least| least.saturating_add(1));
            deepest = deepest.max(here);
            if let Some(slot) = depth.get_mut(usize::from(*node)) {
                *slot = here;
            }
        }
        // A virtual root is no level of its own.
        if self.nodes > self.terms { deepest.saturating_sub(1) } else { deepest }
    }

    /// Ancestors of every node, itself included and first, otherwise in no particular order.
    pub fn closure(&self) -> Closure {
        let mut closure =
            Closure { spans: vec![(0, 0); self.nodes], items: Vec::with_capacity(self.nodes * 16) };
        let mut last_seen = vec![u16::MAX; self.nodes];
        for node in &self.order {
            let start = closure.items.len();
            closure.items.push(*node);
            for parent in self.parents(*node) {
                for at in closure.span(*parent) {
                    let Some(ancestor) = closure.items.get(at).copied() else { continue };
                    if let Some(seen) =
                        last_seen.get_mut(usize::from(ancestor)).filter(|seen| **seen != *node)
                    {
                        *seen = *node;
                        closure.items.push(ancestor);
                    }
                }
            }
            let end = closure.items.len();
            if let Some(span) = closure.spans.get_mut(usize::from(*node)) {
                *span = (start, end);
            }
        }
        closure
    }
}

/// The ancestors of every node.
pub struct Closure {
    spans: Vec<(usize, usize)>,
    items: Vec<u16>,
}

impl Closure {
    fn span(&self, node: u16) -> std::ops::Range<usize> {
        self.spans.get(usize::from(node)).map_or(0..0, |(start, end)| *start..*end)
    }

    pub fn get(&self, node: u16) -> &[u16] {
        self.items.get(self.span(node)).unwrap_or_default()
    }
}

/// Kahn's algorithm from the root; `None` when some node is never free of unvisited parents.
fn root_first(nodes: usize, root: u16, parents: &Rows, children: &Rows) -> Option<Vec<u16>> {
    let mut waiting: Vec<usize> =
        (0..nodes).map(|node| u16::try_from(node).map_or(0, |node| parents.get(node).len())).collect();
    let mut order = Vec::with_capacity(nodes);
    order.push(root);
    let mut at = 0;
    while let Some(node) = order.get(at).copied() {
        at += 1;
        for child in children.get(node) {
            let left = waiting.get_mut(usize::from(*child))?;
            *left = left.checked_sub(1)?;
            if *left == 0 {
                order.push(*child);
            }
        }
    }
    (order.len() == nodes).then_some(order)
}

/// A set of node numbers: a bitmap small enough (2.4 KB for HPO) to be made anew for each call.
pub struct Marks {
    words: Vec<u64>,
}

impl Marks {
    pub fn new(nodes: usize) -> Self {
        Self { words: vec![0; nodes.div_ceil(64)] }
    }

    /// Adds `node`; false when it was there already or is out of range.
    pub fn add(&mut self, node: u16) -> bool {
        let Some(word) = self.words.get_mut(usize::from(node) / 64) else { return false };
        let bit = 1 << (node % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}
