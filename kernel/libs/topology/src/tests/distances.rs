//! Distances and the fallback order that follows from them.
use acpi_tables::Action::Mended;
use acpi_tables::builder::TableBuilder;
use std::boxed::Box;
use std::vec::Vec;

use super::machine::*;
use crate::NumaTopology;

/// Nodes with memory in these domains, with this SLIT.
fn read(domains: &[u32], slit: Option<(u64, &[u8])>) -> (Box<NumaTopology>, Vec<Told>) {
    let ranges = domains.iter().zip(0..).map(|(&domain, n)| memory(n * MIB, MIB, domain));
    let srat = TableBuilder::srat(3).entries(ranges).build();
    let slit = slit.map(|(localities, matrix)| TableBuilder::slit(localities, matrix).build());
    let (topology, told) = Machine { srat: Some(srat), slit, ..Machine::default() }.build();
    check(&topology, &[]);
    (topology, told)
}

/// The matrix, row by row.
fn distances(topology: &NumaTopology) -> Vec<u8> {
    let nodes = || topology.nodes().iter().map(|node| node.id);
    nodes().flat_map(|from| nodes().map(move |to| topology.distance(from, to).expect("a distance"))).collect()
}

fn order(topology: &NumaTopology, from: usize) -> Vec<usize> {
    topology.fallback(node(from)).iter().map(|node| node.index()).collect()
}

#[test]
fn without_a_slit_distances_are_10_and_20() {
    let (topology, told) = read(&[0, 1, 2], None);
    assert_eq!((distances(&topology), told), ([10, 20, 20, 20, 10, 20, 20, 20, 10].to_vec(), [].to_vec()));
    assert!(!topology.has_distance_matrix());
    assert_eq!(topology.distance(node(0), node(3)), None);
    assert_eq!(topology.distance(node(3), node(0)), None);
}

#[test]
fn an_asymmetric_matrix_is_kept_and_unreachable_is_the_farthest() {
    let matrix = [10, 255, 30, 15, 10, 254, 40, 20, 10];
    let (topology, told) = read(&[0, 1, 2], Some((3, &matrix)));
    assert_eq!((distances(&topology), told), (matrix.to_vec(), [].to_vec()));
    assert!(topology.has_distance_matrix());
    assert_eq!([0, 1, 2].map(|from| order(&topology, from)), [[0, 2, 1], [1, 0, 2], [2, 1, 0]]);
}

#[test]
fn localities_are_proximity_domains() {
    let matrix: Vec<u8> = (0..16).map(|n| if n % 5 == 0 { 10 } else { 100 + n }).collect();
    let (topology, told) = read(&[1, 3], Some((4, &matrix)));
    assert_eq!((distances(&topology), told), ([10, 107, 113, 10].to_vec(), [].to_vec()));
}

#[test]
fn a_domain_without_a_row_has_10_and_20() {
    let (topology, told) = read(&[0, 1, 5], Some((2, &[10, 30, 40, 10])));
    assert_eq!(distances(&topology), [10, 30, 20, 40, 10, 20, 20, 20, 10]);
    assert_eq!(told, [(0, "slit.domain", Mended)]);
    assert!(topology.has_distance_matrix());
    let (topology, told) = read(&[7], Some((1, &[10])));
    assert_eq!((topology.has_distance_matrix(), told), (false, [(0, "slit.domain", Mended)].to_vec()));
}

#[test]
fn values_that_mean_nothing_are_10_and_20() {
    let (topology, told) = read(&[0, 1], Some((2, &[10, 9, 20, 11])));
    assert_eq!(distances(&topology), [10, 20, 20, 10]);
    assert_eq!(told, [(45, "slit.distance", Mended), (47, "slit.diagonal", Mended)]);
    let (_, told) = read(&[0, 1, 2], Some((3, &[10, 0, 1, 20, 10, 20, 20, 20, 10])));
    assert_eq!(told, [(45, "slit.distance", Mended)], "one finding a row");
}

#[test]
fn a_matrix_counts_where_a_value_between_two_nodes_is_used_or_that_of_a_single_node() {
    let has_matrix = |domains: &[u32], localities, matrix: &[u8]| {
        read(domains, Some((localities, matrix))).0.has_distance_matrix()
    };
    assert!(has_matrix(&[0, 1], 2, &[10, 9, 21, 10]));
    assert!(has_matrix(&[0, 1], 2, &[0, 20, 0, 0]), "20 is what it says, and not presumed");
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
fn another_node_may_be_as_near_as_ones_own_and_is_asked_after_it() {
    let (topology, told) = read(&[0, 1], Some((2, &[10, 10, 10, 10])));
    assert_eq!((distances(&topology), told), ([10; 4].to_vec(), [].to_vec()));
    assert_eq!([0, 1].map(|from| order(&topology, from)), [[0, 1], [1, 0]]);
}

#[test]
fn a_matrix_cut_short_is_filled_up() {
    let (topology, told) = read(&[0, 1], Some((2, &[10, 31])));
    assert_eq!(
        (distances(&topology), told),
        ([10, 31, 20, 10].to_vec(), [(36, "slit.size", Mended)].to_vec())
    );
}

#[test]
fn equal_distances_go_round_so_that_neighbours_do_not_meet() {
    let (topology, _) = read(&[0, 1, 2, 3], None);
    let orders = [0, 1, 2, 3].map(|from| order(&topology, from));
    assert_eq!(orders, [[0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 1], [3, 0, 1, 2]]);
}

#[test]
fn nearer_nodes_come_first_and_equal_ones_behind_them_go_round() {
    let matrix = [10, 16, 22, 22, 16, 10, 22, 22, 22, 22, 10, 16, 22, 22, 16, 10];
    let (topology, _) = read(&[0, 1, 2, 3], Some((4, &matrix)));
    let orders = [0, 1, 2, 3].map(|from| order(&topology, from));
    assert_eq!(orders, [[0, 1, 2, 3], [1, 0, 2, 3], [2, 3, 0, 1], [3, 2, 0, 1]]);
}
