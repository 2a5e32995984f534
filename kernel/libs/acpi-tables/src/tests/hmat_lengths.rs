//! Tests of HMAT structures with wrong lengths.
use alloc::vec::Vec;
use zerocopy::IntoBytes;

use super::hmat::{D0, FIRST, count};
use crate::Action::{Dropped, Repaired};
use crate::builder::{TableBuilder, attachment, latency_and_bandwidth, side_cache};

/// Returns one correct structure of each type.
fn each_type() -> [Vec<u8>; 3] {
    [
        attachment(D0, Some(D0)).as_bytes().to_vec(),
        latency_and_bandwidth(0, 5000, &[0], &[0], &[1]),
        side_cache(D0, 1, [1, 1, 1, 1], 64, &[5]),
    ]
}

#[test]
fn a_length_under_8_ends_the_table_after_the_structures_before_it() {
    for length in 0..8_u8 {
        let table = TableBuilder::hmat(2)
            .entry(&attachment(D0, None))
            .entry(&[0, 0, 0, 0, length, 0, 0, 0])
            .entry(&attachment(D0, None))
            .build();
        assert_eq!(count(&table), (1, [(80, "hmat.entry.length", Dropped)].to_vec()));
    }
}

#[test]
fn a_structure_shorter_than_its_fixed_part_costs_only_itself() {
    for correct in each_type() {
        let fixed = if correct[0] == 0 { 40 } else { 32 };
        for length in 8..fixed {
            let mut short = correct[..length].to_vec();
            short[4] = length as u8;
            let table = TableBuilder::hmat(2).entry(&short[..]).entry(&attachment(D0, None)).build();
            assert_eq!(count(&table), (1, [(FIRST, "hmat.entry.length", Dropped)].to_vec()));
        }
    }
}

#[test]
fn a_structure_longer_than_its_content_is_read_without_its_tail() {
    for mut long in each_type() {
        long.extend_from_slice(&[0xff; 3]);
        long[4] += 3;
        let table = TableBuilder::hmat(2).entry(&long[..]).entry(&attachment(D0, None)).build();
        assert_eq!(count(&table), (2, [(FIRST, "hmat.entry.length", Repaired)].to_vec()));
    }
}

#[test]
fn a_structure_past_the_end_and_a_partial_header_are_dropped() {
    for mut past in each_type() {
        past[4] += 1;
        let table = TableBuilder::hmat(2).entry(&past[..]).build();
        assert_eq!(count(&table), (0, [(FIRST, "hmat.entry.length", Dropped)].to_vec()));
    }
    let table = TableBuilder::hmat(2).entry(&[0_u8; 7]).build();
    assert_eq!(count(&table), (0, [(FIRST, "hmat.entry.length", Dropped)].to_vec()));
}

#[test]
fn past_the_end_an_attachment_costs_itself_and_a_structure_with_lists_also_what_follows() {
    for mut past in each_type() {
        past[4] = 0xff;
        let table = TableBuilder::hmat(2).entry(&past[..]).entry(&attachment(D0, None)).build();
        let left = usize::from(past[0] == 0);
        assert_eq!(count(&table), (left, [(FIRST, "hmat.entry.length", Dropped)].to_vec()));
    }
}

#[test]
fn an_unknown_type_is_skipped_by_its_length() {
    let unknown = [3, 0, 0, 0, 12, 0, 0, 0, 1, 2, 3, 4_u8];
    let table = TableBuilder::hmat(2).entry(&unknown).entry(&attachment(D0, None)).build();
    assert_eq!(count(&table), (1, [(FIRST, "hmat.entry.type", Dropped)].to_vec()));
}
