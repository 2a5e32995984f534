//! Tests of the SLIT's matrix, and of wrong sizes.
use alloc::vec::Vec;
use units::ProximityDomain;

use super::{Reported, with_findings};
use crate::Action::{Refused, Repaired};
use crate::builder::TableBuilder;
use crate::find_slit;

/// Returns the distances between the domains `0..side`, if the table is used, and the findings.
fn read(localities: u64, matrix: &[u8], side: u32) -> (Option<Vec<Option<u8>>>, Vec<Reported>) {
    let table = TableBuilder::slit(localities, matrix).build();
    with_findings(|findings| {
        let slit = find_slit([&table[..]], findings)?;
        assert_eq!(slit.localities(), localities);
        let pairs = (0..side * side).map(|n| (ProximityDomain(n / side), ProximityDomain(n % side)));
        Some(pairs.map(|(from, to)| slit.distance(from, to)).collect())
    })
}

#[test]
fn a_row_is_the_origin_and_a_column_the_target() {
    let distances = [10, 21, 40, 10].map(Some).to_vec();
    assert_eq!(read(2, &[10, 21, 40, 10], 2), (Some(distances), Vec::new()));
}

#[test]
fn domains_beyond_the_matrix_have_no_distance() {
    let (distances, reported) = read(2, &[10, 20, 30, 10], 3);
    let expected = [Some(10), Some(20), None, Some(30), Some(10), None, None, None, None];
    assert_eq!((distances, reported), (Some(expected.to_vec()), Vec::new()));
}

#[test]
fn a_matrix_that_is_cut_short_is_read_up_to_its_end() {
    let distances = [Some(10), Some(20), Some(30), None].to_vec();
    assert_eq!(read(2, &[10, 20, 30], 2), (Some(distances), [(36, "slit.size", Repaired)].to_vec()));
}

#[test]
fn bytes_after_the_matrix_are_ignored() {
    assert_eq!(read(1, &[10, 99], 1), (Some([Some(10)].to_vec()), [(36, "slit.size", Repaired)].to_vec()));
}

#[test]
fn a_number_of_localities_whose_square_overflows_is_a_matrix_cut_short() {
    for localities in [1 << 32, u64::MAX, 1 << 63, (1 << 32) - 1] {
        let distances = [Some(10), Some(20), None, None].to_vec();
        let expected = (Some(distances), [(36, "slit.size", Repaired)].to_vec());
        assert_eq!(read(localities, &[10, 20, 20, 10], 2), expected);
    }
}

#[test]
fn a_slit_without_localities_is_refused() {
    assert_eq!(read(0, &[], 1), (None, [(36, "slit.size", Refused)].to_vec()));
    assert_eq!(read(0, &[10], 1), (None, [(36, "slit.size", Refused)].to_vec()));
}

#[test]
fn an_offset_locates_the_distance() {
    let table = TableBuilder::slit(2, &[10, 21, 40, 10]).build();
    let (slit, _) = with_findings(|findings| find_slit([&table[..]], findings));
    let slit = slit.expect("the table can be read");
    let offset = slit.offset(ProximityDomain(1), ProximityDomain(0));
    assert_eq!((offset, table[offset as usize]), (46, 40));
    assert_eq!(slit.offset(ProximityDomain(2), ProximityDomain(0)), 0);
}
