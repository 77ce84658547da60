//! Information content: how special a term is, as a probability p (rarer is smaller) and IC = −ln p.
//!
//! HPO counts annotated genes along paths; ontologies without annotation use their own shape.

use super::graph::{Closure, Graph};

/// p and IC of every node of a graph.
#[derive(Debug, Clone)]
pub struct Information {
    p: Vec<f64>,
    ic: Vec<f64>,
}

impl Information {
    fn from_p(p: Vec<f64>) -> Self {
        // `+ 0.0` turns the root's −0 into 0.
        let ic = p.iter().map(|p| -p.ln() + 0.0).collect();
        Self { p, ic }
    }

    /// From `direct[t]`, the number of genes annotated to each term itself: N(t) = n(t) + Σ N(child), so a
    /// term with two parents counts in both (Cafe Variome's reading of Schlicker et al. 2006, not the union
    /// of genes). An unannotated term takes N := max(N, 1).
    pub fn annotated(graph: &Graph, direct: &[u32]) -> Self {
        let totals = path_counts(graph, direct);
        let root = totals.get(usize::from(graph.root())).copied().unwrap_or(0).max(1);
        Self::from_p(totals.iter().map(|total| count(*total.max(&1)) / count(root)).collect())
    }

    /// Intrinsic information content of Sánchez et al. 2011:
    /// p(t) = (leaves(t) / |A(t)| + 1) / (maxLeaves + 1), leaves without and ancestors with t itself.
    pub fn intrinsic(graph: &Graph, closure: &Closure) -> Self {
        let mut leaves = vec![0_u64; graph.nodes()];
        for leaf in graph.order().iter().filter(|node| graph.children(**node).is_empty()) {
            for ancestor in closure.get(*leaf).iter().filter(|ancestor| *ancestor != leaf) {
                if let Some(n) = leaves.get_mut(usize::from(*ancestor)) {
                    *n += 1;
                }
            }
        }
        let most = leaves.get(usize::from(graph.root())).copied().unwrap_or(0);
        let above = |node| u64::try_from(closure.get(node).len()).unwrap_or(1).max(1);
        let p = leaves.iter().zip(0_u16..);
        Self::from_p(
            p.map(|(l, node)| (count(*l) / count(above(node)) + 1.0) / (count(most) + 1.0)).collect(),
        )
    }

    pub fn p(&self, node: u16) -> f64 {
        self.p.get(usize::from(node)).copied().unwrap_or(1.0)
    }

    pub fn ic(&self, node: u16) -> f64 {
        self.ic.get(usize::from(node)).copied().unwrap_or(0.0)
    }
}

/// N(t) for every node, children first.
pub fn path_counts(graph: &Graph, direct: &[u32]) -> Vec<u64> {
    let mut totals: Vec<u64> =
        (0..graph.nodes()).map(|node| direct.get(node).copied().unwrap_or(0).into()).collect();
    for node in graph.order().iter().rev() {
        let total = totals.get(usize::from(*node)).copied().unwrap_or(0);
        for parent in graph.parents(*node) {
            if let Some(above) = totals.get_mut(usize::from(*parent)) {
                *above = above.saturating_add(total);
            }
        }
    }
    totals
}

/// Exact below 2^53, which gene counts along paths stay far below.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts stay below 2^53")]
fn count(number: u64) -> f64 {
    number as f64
}
