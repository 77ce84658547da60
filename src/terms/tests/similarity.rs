//! Similarity against the published example and against a computation by the book over all pairs.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rstest::rstest;

use super::super::graph::Graph;
use super::super::information::path_counts;
use super::super::similarity::Similarity;
use super::super::{Ontology, TermFile, Terms};
use super::{diamond, sorted};

#[test]
fn counts_add_up_along_paths_so_a_term_with_two_parents_counts_twice() {
    let graph = Graph::new(4, &[(1, 0), (2, 0), (3, 1), (3, 2)]).unwrap();
    assert_eq!(path_counts(&graph, &[10, 5, 7, 4]), [30, 9, 11, 4]);
}

#[rstest]
#[case("0000002", "0000002", 0.700000)]
#[case("0000002", "0000004", 0.523649)]
#[case("0000003", "0000004", 0.421061)]
#[case("0000004", "0000004", 0.866667)]
#[case("0000002", "0000003", 0.0)]
#[case("0000001", "0000002", 0.0)]
#[case("0000001", "0000004", 0.0)]
#[case("0000001", "0000001", 0.0)]
fn the_published_example_comes_out(#[case] a: &str, #[case] b: &str, #[case] expected: f64) {
    let file = diamond().file();
    let found = file.similarity(Ontology::Hpo, a, b);
    assert!((found - expected).abs() < 5e-7, "Rel({a}, {b}) = {found}, expected {expected}");
    assert_eq!(found, file.similarity(Ontology::Hpo, b, a));
}

#[rstest]
#[case(1.0, &["0000004"])]
#[case(f64::NAN, &["0000004"])]
#[case(0.53, &["0000004"])]
#[case(0.5, &["0000002", "0000004"])]
#[case(0.42, &["0000002", "0000003", "0000004"])]
#[case(0.0, &["0000002", "0000003", "0000004"])]
#[case(-1.0, &["0000002", "0000003", "0000004"])]
fn the_group_of_a_term_depends_on_the_threshold(#[case] threshold: f64, #[case] expected: &[&str]) {
    assert_eq!(sorted(diamond().file().expand(Ontology::Hpo, "0000004", threshold)), expected);
}

#[test]
fn a_term_belongs_to_its_own_group_even_where_its_own_similarity_is_below_the_threshold() {
    assert_eq!(diamond().file().expand(Ontology::Hpo, "0000001", 0.5), ["0000001"]);
}

#[test]
fn terms_without_annotation_count_as_one() {
    let file = super::Release::default().term(1, "A", &[], "").term(2, "B", &[1], "").genes(1, 9).file();
    assert!((file.information(Ontology::Hpo, "0000002").unwrap() - 9_f64.ln()).abs() < 1e-12);
}

/// IC and p by definition, ancestors by walking up: nothing in common with the engine but the formulas.
struct Book {
    above: Vec<BTreeSet<u16>>,
    p: Vec<f64>,
}

impl Book {
    fn ancestors(graph: &Graph, node: u16) -> BTreeSet<u16> {
        let mut all = BTreeSet::from([node]);
        for parent in graph.parents(node) {
            all.extend(Self::ancestors(graph, *parent));
        }
        all
    }

    fn total(graph: &Graph, direct: &[u32], node: u16, known: &mut Vec<Option<u64>>) -> u64 {
        if let Some(total) = known[usize::from(node)] {
            return total;
        }
        let own = u64::from(direct.get(usize::from(node)).copied().unwrap_or(0));
        let total =
            own + graph.children(node).iter().map(|c| Self::total(graph, direct, *c, known)).sum::<u64>();
        known[usize::from(node)] = Some(total);
        total
    }

    fn annotated(graph: &Graph, direct: &[u32]) -> Self {
        let mut known = vec![None; graph.nodes()];
        let root = Self::total(graph, direct, graph.root(), &mut known).max(1);
        let p = known.iter().map(|n| n.unwrap().max(1) as f64 / root as f64).collect();
        Self { above: Self::all_ancestors(graph), p }
    }

    fn intrinsic(graph: &Graph) -> Self {
        let above = Self::all_ancestors(graph);
        let mut leaves = vec![0; graph.nodes()];
        for (node, ancestors) in above.iter().enumerate() {
            if graph.children(node as u16).is_empty() {
                ancestors
                    .iter()
                    .filter(|a| usize::from(**a) != node)
                    .for_each(|a| leaves[usize::from(*a)] += 1);
            }
        }
        let most = f64::from(*leaves.iter().max().unwrap());
        let p = leaves.iter().zip(&above);
        let p = p.map(|(l, a)| (f64::from(*l) / a.len() as f64 + 1.0) / (most + 1.0)).collect();
        Self { above, p }
    }

    fn all_ancestors(graph: &Graph) -> Vec<BTreeSet<u16>> {
        (0..graph.nodes()).map(|node| Self::ancestors(graph, node as u16)).collect()
    }

    fn ic(&self, node: u16) -> f64 {
        -self.p[usize::from(node)].ln()
    }

    fn rel(&self, a: u16, b: u16) -> f64 {
        let common = self.above[usize::from(a)].intersection(&self.above[usize::from(b)]).copied();
        let Some(m) = common.max_by(|x, y| self.ic(*x).total_cmp(&self.ic(*y))) else { return 0.0 };
        let sum = self.ic(a) + self.ic(b);
        if sum > 0.0 { 2.0 * self.ic(m) / sum * (1.0 - self.p[usize::from(m)]) } else { 0.0 }
    }

    fn group(&self, query: u16, threshold: f64, terms: usize) -> Vec<(u16, f64)> {
        let all = (0..terms as u16).map(|term| (term, self.rel(query, term)));
        all.filter(|(term, rel)| *term == query || *rel >= threshold.max(0.2)).collect()
    }
}

fn same(engine: &Similarity, book: &Book, query: u16, threshold: f64, terms: usize) {
    let mut found = engine.group(query, threshold);
    found.sort_by_key(|(term, _)| *term);
    assert_eq!(found, book.group(query, threshold, terms), "query {query} at {threshold}");
}

/// Terms with edges to lower numbers only, so there is no cycle; some have no parent at all.
fn graphs() -> impl Strategy<Value = (usize, Vec<(u16, u16)>, Vec<u32>)> {
    (1_usize..40).prop_flat_map(|terms| {
        let edge = (0..terms as u16, 0..terms as u16);
        let edges = proptest::collection::vec(edge, 0..terms * 2).prop_map(|edges| {
            let rising = edges.into_iter().filter(|(a, b)| a != b).map(|(a, b)| (a.max(b), a.min(b)));
            rising.collect::<BTreeSet<_>>().into_iter().collect()
        });
        (Just(terms), edges, proptest::collection::vec(prop_oneof![Just(0_u32), 0..50_u32], terms))
    })
}

proptest! {
    #[test]
    fn groups_agree_with_the_book_on_any_graph((terms, edges, direct) in graphs(), threshold in 0.0..1.0_f64) {
        let graph = Graph::new(terms, &edges).unwrap();
        let pairs = [
            (Similarity::annotated(&graph, &direct), Book::annotated(&graph, &direct)),
            (Similarity::intrinsic(&graph), Book::intrinsic(&graph)),
        ];
        for (engine, book) in &pairs {
            for query in 0..terms as u16 {
                same(engine, book, query, threshold, terms);
                for other in 0..terms as u16 {
                    prop_assert_eq!(engine.between(query, other), book.rel(query, other));
                }
            }
        }
    }
}

proptest! {
    // Each case compares a term with all 19,034.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn groups_of_hpo_agree_with_the_book(
        picks in proptest::collection::vec((0..19_034_u16, 0.2..1.0_f64), 3),
    ) {
        thread_local! {
            static BOOK: Book = {
                let file = TermFile::embedded().unwrap();
                Book::annotated(&file.vocabulary(Ontology::Hpo).unwrap().graph, &direct(&file))
            };
        }
        let file = TermFile::embedded().unwrap();
        BOOK.with(|book| for (query, threshold) in &picks {
            same(&file.vocabulary(Ontology::Hpo).unwrap().similarity, book, *query, *threshold, 19_034);
        });
    }
}

/// Genes annotated to each term directly.
fn direct(file: &TermFile) -> Vec<u32> {
    let starts: Vec<u32> = file.sections().u32s("hpo.genes.of").iter().collect();
    starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn groups_of_ordo_agree_with_the_book() {
    let Some(file) = super::released::with_orphanet() else { return };
    let ordo = file.vocabulary(Ontology::Ordo).unwrap();
    let book = Book::intrinsic(&ordo.graph);
    for query in (0..9960).step_by(331) {
        same(&ordo.similarity, &book, query, 0.3, 9960);
    }
}

#[test]
fn edges_in_a_circle_or_beyond_the_terms_are_refused() {
    use super::super::graph::GraphError;
    assert_eq!(Graph::new(3, &[(1, 2), (2, 1)]).unwrap_err(), GraphError::Cycle);
    assert_eq!(Graph::new(2, &[(1, 0), (1, 1)]).unwrap_err(), GraphError::Cycle);
    assert_eq!(Graph::new(2, &[(0, 2)]).unwrap_err(), GraphError::Beyond);
    assert_eq!(Graph::new(70_000, &[]).unwrap_err(), GraphError::TooMany(70_000));
}
