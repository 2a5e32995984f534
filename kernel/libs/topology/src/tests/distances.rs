//! Tests of distances and of the fallback order.
use acpi_tables::Action::Repaired;
use acpi_tables::builder::TableBuilder;
use std::boxed::Box;
use std::vec::Vec;

use super::machine::*;
use crate::NumaTopology;

/// Builds nodes with memory in these domains, with this SLIT.
fn read(domains: &[u32], slit: Option<(u64, &[u8])>) -> (Box<NumaTopology>, Vec<Reported>) {
    let ranges = domains.iter().zip(0..).map(|(&domain, n)| memory(n * MIB, MIB, domain));
    let srat = TableBuilder::srat(3).entries(ranges).build();
    let slit = slit.map(|(localities, matrix)| TableBuilder::slit(localities, matrix).build());
    let (topology, reported) = Machine { srat: Some(srat), slit, ..Machine::default() }.build();
    check(&topology, &[]);
    (topology, reported)
}

/// Returns the matrix, row by row.
fn distances(topology: &NumaTopology) -> Vec<u8> {
    let nodes = || topology.nodes().iter().map(|node| node.id);
    nodes().flat_map(|from| nodes().map(move |to| topology.distance(from, to).expect("a distance"))).collect()
}

fn order(topology: &NumaTopology, from: usize) -> Vec<usize> {
    topology.fallback(node(from)).iter().map(|node| node.index()).collect()
}

#[test]
fn without_a_slit_distances_are_10_and_20() {
    let (topology, reported) = read(&[0, 1, 2], None);
    assert_eq!(
        (distances(&topology), reported),
        ([10, 20, 20, 20, 10, 20, 20, 20, 10].to_vec(), [].to_vec())
    );
    assert!(!topology.has_distance_matrix());
    assert_eq!(topology.distance(node(0), node(3)), None);
    assert_eq!(topology.distance(node(3), node(0)), None);
}

#[test]
fn an_asymmetric_matrix_is_kept_and_unreachable_is_the_farthest() {
    let matrix = [10, 255, 30, 15, 10, 254, 40, 20, 10];
    let (topology, reported) = read(&[0, 1, 2], Some((3, &matrix)));
    assert_eq!((distances(&topology), reported), (matrix.to_vec(), [].to_vec()));
    assert!(topology.has_distance_matrix());
    assert_eq!([0, 1, 2].map(|from| order(&topology, from)), [[0, 2, 1], [1, 0, 2], [2, 1, 0]]);
}

#[test]
fn localities_are_proximity_domains() {
    let matrix: Vec<u8> = (0..16).map(|n| if n % 5 == 0 { 10 } else { 100 + n }).collect();
    let (topology, reported) = read(&[1, 3], Some((4, &matrix)));
    assert_eq!((distances(&topology), reported), ([10, 107, 113, 10].to_vec(), [].to_vec()));
}

#[test]
fn a_domain_without_a_row_has_10_and_20() {
    let (topology, reported) = read(&[0, 1, 5], Some((2, &[10, 30, 40, 10])));
    assert_eq!(distances(&topology), [10, 30, 20, 40, 10, 20, 20, 20, 10]);
    assert_eq!(reported, [(0, "slit.domain", Repaired)]);
    assert!(topology.has_distance_matrix());
    let (topology, reported) = read(&[7], Some((1, &[10])));
    assert_eq!((topology.has_distance_matrix(), reported), (false, [(0, "slit.domain", Repaired)].to_vec()));
}

#[test]
fn invalid_distances_become_10_and_20() {
    let (topology, reported) = read(&[0, 1], Some((2, &[10, 9, 20, 11])));
    assert_eq!(distances(&topology), [10, 20, 20, 10]);
    assert_eq!(reported, [(45, "slit.distance", Repaired), (47, "slit.diagonal", Repaired)]);
    let (_, reported) = read(&[0, 1, 2], Some((3, &[10, 0, 1, 20, 10, 20, 20, 20, 10])));
    assert_eq!(reported, [(45, "slit.distance", Repaired)], "one finding for each row");
}

#[test]
fn distances_are_from_the_slit_if_one_between_two_nodes_or_the_only_one_is_used() {
    let has_matrix = |domains: &[u32], localities, matrix: &[u8]| {
        read(domains, Some((localities, matrix))).0.has_distance_matrix()
    };
    assert!(has_matrix(&[0, 1], 2, &[10, 9, 21, 10]));
    assert!(has_matrix(&[0, 1], 2, &[0, 20, 0, 0]), "the SLIT gives 20, it is not the default");
    assert!(has_matrix(&[0], 1, &[10]));
    for (domains, localities, matrix) in [
        (&[0, 1][..], 2, &[0, 0, 0, 0][..]),
        (&[0, 1], 2, &[10, 9, 9, 10]),
        (&[0, 1], 2, &[10]),
        (&[0, 1], 1, &[10]),
        (&[7, 8], 2, &[10, 20, 20, 10]),
        (&[0], 1, &[11]),
        (&[0], 1, &[]),
        (&[1], 2, &[10, 20, 20, 0]),
    ] {
        assert!(!has_matrix(domains, localities, matrix), "{domains:?} {matrix:?}");
    }
}

#[test]
fn another_node_may_be_as_near_as_the_own_node_and_comes_after_it() {
    let (topology, reported) = read(&[0, 1], Some((2, &[10, 10, 10, 10])));
    assert_eq!((distances(&topology), reported), ([10; 4].to_vec(), [].to_vec()));
    assert_eq!([0, 1].map(|from| order(&topology, from)), [[0, 1], [1, 0]]);
}

#[test]
fn a_matrix_that_is_cut_short_gets_defaults() {
    let (topology, reported) = read(&[0, 1], Some((2, &[10, 31])));
    assert_eq!(
        (distances(&topology), reported),
        ([10, 31, 20, 10].to_vec(), [(36, "slit.size", Repaired)].to_vec())
    );
}

#[test]
fn equally_distant_nodes_follow_the_own_number_and_wrap_around() {
    let (topology, _) = read(&[0, 1, 2, 3], None);
    let orders = [0, 1, 2, 3].map(|from| order(&topology, from));
    assert_eq!(orders, [[0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 1], [3, 0, 1, 2]]);
}

#[test]
fn nearer_nodes_come_first_and_equally_distant_ones_wrap_around() {
    let matrix = [10, 16, 22, 22, 16, 10, 22, 22, 22, 22, 10, 16, 22, 22, 16, 10];
    let (topology, _) = read(&[0, 1, 2, 3], Some((4, &matrix)));
    let orders = [0, 1, 2, 3].map(|from| order(&topology, from));
    assert_eq!(orders, [[0, 1, 2, 3], [1, 0, 2, 3], [2, 3, 0, 1], [3, 2, 0, 1]]);
}
