//! Relevance similarity of terms, and the group of a term at a threshold, exactly and without a matrix.
//!
//! Lin(a,b) = 2·IC(m) / (IC(a) + IC(b)), Rel(a,b) = Lin·(1 − p(m)), m being the common ancestor (terms are
//! their own ancestors) of largest IC; a zero denominator gives 0. Schlicker et al. 2006.

use super::graph::{Closure, Graph, Marks, Rows};
use super::information::Information;

/// Pairs below this do not exist in CV3, whatever threshold is asked (spec §13).
pub const FLOOR: f64 = 0.2;

/// The closure of a graph, arranged so that a group is found by looking at little more than its members.
#[derive(Debug, Clone)]
pub struct Similarity {
    information: Information,
    /// Ancestors of each node with itself, most informative first.
    ancestors: Rows,
    /// Descendants of each node with itself, least informative first.
    descendants: Rows,
    nodes: usize,
}

impl Similarity {
    /// From n(t), the number of genes annotated to each term directly.
    pub fn annotated(graph: &Graph, direct: &[u32]) -> Self {
        Self::arrange(graph, &graph.closure(), Information::annotated(graph, direct))
    }

    /// From the shape of the graph alone.
    pub fn intrinsic(graph: &Graph) -> Self {
        let closure = graph.closure();
        Self::arrange(graph, &closure, Information::intrinsic(graph, &closure))
    }

    fn arrange(graph: &Graph, closure: &Closure, information: Information) -> Self {
        let nodes = graph.nodes();
        let mut rising: Vec<u16> = graph.order().to_vec();
        rising.sort_by(|a, b| information.ic(*a).total_cmp(&information.ic(*b)).then(a.cmp(b)));
        // Dealing terms out in order of IC leaves every list sorted without sorting any.
        let above = |node: &u16| closure.get(*node).iter().zip(std::iter::repeat(*node));
        let descendants =
            Rows::group(nodes, rising.iter().flat_map(above).map(|(above, node)| (*above, node)));
        let below = |node: &u16| descendants.get(*node).iter().zip(std::iter::repeat(*node));
        let ancestors =
            Rows::group(nodes, rising.iter().rev().flat_map(below).map(|(below, node)| (*below, node)));
        Self { information, ancestors, descendants, nodes }
    }

    pub fn information(&self) -> &Information {
        &self.information
    }

    /// Whether `ancestor` is above `node` or the node itself.
    pub fn is_below(&self, node: u16, ancestor: u16) -> bool {
        self.ancestors.get(node).contains(&ancestor)
    }

    fn relevance(&self, common: u16, ic_a: f64, ic_b: f64) -> f64 {
        let sum = ic_a + ic_b;
        if sum > 0.0 {
            2.0 * self.information.ic(common) / sum * (1.0 - self.information.p(common))
        } else {
            0.0
        }
    }

    /// Rel(a, b), between 0 and 1, not rounded.
    pub fn between(&self, a: u16, b: u16) -> f64 {
        let others = self.ancestors.get(b);
        let common = self.ancestors.get(a).iter().find(|ancestor| others.contains(ancestor));
        common.map_or(0.0, |common| self.relevance(*common, self.information.ic(a), self.information.ic(b)))
    }

    /// Every term u with Rel(query, u) ≥ max(threshold, 0.2) with its score, and always the query itself
    /// (first); the rest in no particular order.
    ///
    /// For an ancestor c the value is largest for the least informative term below it, and that is at most
    /// 2·IC(c)/(IC(q)+IC(c))·(1−p(c)), which falls with IC(c): the walk stops at the first ancestor and, in
    /// each ancestor's list, at the first descendant that stays below the threshold. A term met first is met
    /// under its most informative common ancestor; one skipped there would score no better further up.
    pub fn group(&self, query: u16, threshold: f64) -> Vec<(u16, f64)> {
        let mut members = Vec::new();
        self.visit(query, threshold, |term, score| members.push((term, score)));
        members
    }

    /// The same, handing each member over as it is found.
    pub fn visit(&self, query: u16, threshold: f64, mut found: impl FnMut(u16, f64)) {
        let threshold = threshold.max(FLOOR);
        let ic = self.information.ic(query);
        let mut seen = Marks::new(self.nodes);
        seen.add(query);
        found(query, self.between(query, query));
        for ancestor in self.ancestors.get(query) {
            if self.relevance(*ancestor, ic, self.information.ic(*ancestor)) < threshold {
                break;
            }
            for term in self.descendants.get(*ancestor) {
                let score = self.relevance(*ancestor, ic, self.information.ic(*term));
                if score < threshold {
                    break;
                }
                if seen.add(*term) {
                    found(*term, score);
                }
            }
        }
    }
}
