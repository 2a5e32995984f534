//! Circles in a graph of arrows between names.
use std::collections::{BTreeMap, BTreeSet};

/// For each name, the names that it points at.
pub type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Returns the sets of names in which each reaches each other: the strongly connected components of two or more.
///
/// A folder has a dozen files, so looking at each pair of them is fast enough.
pub fn circles<'a>(graph: &Graph<'a>) -> Vec<BTreeSet<&'a str>> {
    let reached: BTreeMap<_, _> = graph.keys().map(|from| (*from, reached_from(graph, from))).collect();
    let mut circles = BTreeSet::new();
    for (from, reach) in &reached {
        let circle: BTreeSet<_> = reach
            .iter()
            .copied()
            .filter(|to| reached.get(to).is_some_and(|back| back.contains(from)))
            .collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

/// Returns the names that one or more arrows lead to.
fn reached_from<'a>(graph: &Graph<'a>, from: &str) -> BTreeSet<&'a str> {
    let (mut reached, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(name) = left.pop() {
        for to in graph.get(name).into_iter().flatten() {
            if reached.insert(*to) {
                left.push(to);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_of(arrows: &[(&'static str, &'static str)]) -> Vec<Vec<&'static str>> {
        let mut graph = Graph::new();
        for (from, to) in arrows {
            graph.entry(from).or_default().insert(*to);
        }
        circles(&graph).into_iter().map(|circle| circle.into_iter().collect()).collect()
    }

    #[test]
    fn arrows_that_come_back_make_a_circle() {
        assert_eq!(circles_of(&[("a", "b"), ("b", "a")]), [["a", "b"]]);
        assert_eq!(circles_of(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]), [["a", "b", "c"]]);
    }

    #[test]
    fn two_circles_apart_are_two() {
        let arrows = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "c")];
        assert_eq!(circles_of(&arrows), [["a", "b"], ["c", "d"]]);
    }

    #[test]
    fn ways_that_meet_again_are_no_circle() {
        assert!(circles_of(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]).is_empty());
        assert!(circles_of(&[("a", "a")]).is_empty(), "a file may name itself");
    }
}
