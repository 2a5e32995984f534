//! Tests with generated HMATs and with flipped bits.
use acpi_tables::builder::{latency_and_bandwidth, seal};
use proptest::prelude::*;
use std::vec::Vec;

use super::hmat::{READ_LATENCY, build, machine, single};
use super::hmat_structures::{attach, cache};
use super::machine::*;

/// Generates structures of all types, with domains of nodes, slots and a device, unknown domains, and few values.
fn structures() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let domain = || prop::sample::select(&[0_u32, 0, 1, 8, 5, 9, 77][..]);
    let value = prop::sample::select(&[0_u16, 1, 2, 0xfffe, 0xffff][..]);
    let lists = (prop::collection::vec(domain(), 1..4), prop::collection::vec(domain(), 1..4));
    let data_type = prop::sample::select(&[0_u8, 0, 1, 1, 4, 4, 5, 6][..]);
    let flags = prop::sample::select(&[0_u8, 0, 0, 0x10, 0x20, 1][..]);
    let matrix = (data_type, flags, 0..4_u64, lists, prop::collection::vec(value, 9));
    let matrix = matrix.prop_map(|(data_type, flags, unit, (from, to), values)| {
        let mut bytes = latency_and_bandwidth(data_type, unit, &from, &to, &values[..from.len() * to.len()]);
        bytes[8] = flags;
        bytes
    });
    let attached = (domain(), domain()).prop_map(|(memory, initiator)| attach(memory, initiator));
    let cached = (domain(), 1..4_u64, 0..3_u8, 0..3_u8)
        .prop_map(|(domain, size, levels, level)| cache(domain, size, levels, level));
    prop::collection::vec(prop_oneof![3 => matrix, 1 => attached, 1 => cached], 0..16)
}

proptest! {
    #[test]
    fn the_order_of_structures_changes_nothing(structures in structures(), turn in 0..10_usize) {
        let (topology, _) = build(&structures);
        let mut permuted = structures;
        permuted.reverse();
        let turn = turn % permuted.len().max(1);
        permuted.rotate_left(turn);
        prop_assert_eq!(topology, build(&permuted).0);
    }

    #[test]
    fn any_bytes_after_an_hmats_header_give_a_valid_topology(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        length in 0..100_u8,
        kind in 0..4_u8,
    ) {
        let mut bytes = bytes;
        bytes.splice(0..0, [kind, 0, 0, 0, length, 0, 0, 0]);
        let (topology, reported) = build(&[bytes]);
        prop_assert_eq!(topology.node_count(), 3);
        prop_assert!(reported.len() <= 300);
    }
}

#[test]
fn any_flipped_bit_of_an_hmat_leaves_nodes_and_ranges_unchanged() {
    let structures = [attach(8, 1), single(READ_LATENCY, 50), cache(0, 5, 1, 1)];
    let correct = machine(&structures);
    let (expected, _) = correct.build();
    let bytes = correct.hmat.as_ref().map_or(0, Vec::len);
    let flipped = |bit: usize, is_sealed| {
        let mut machine = correct.clone();
        if let Some(hmat) = &mut machine.hmat {
            hmat[bit / 8] ^= 1 << (bit % 8);
            if is_sealed {
                seal(hmat);
            }
        }
        let (topology, reported) = machine.build();
        check(&topology, &[]);
        assert_eq!((topology.nodes(), topology.ranges()), (expected.nodes(), expected.ranges()), "bit {bit}");
        (topology, reported)
    };
    for bit in 32..bytes * 8 {
        assert!(!flipped(bit, false).1.is_empty(), "bit {bit}");
        let (topology, reported) = flipped(bit, true);
        match bit / 8 {
            // The checksum, names and reserved bytes.
            9..40 => assert!(topology == expected && reported.is_empty(), "bit {bit}: {reported:?}"),
            // Types and lengths of the structures.
            40..42 | 44..48 | 80..82 | 84..88 | 122..124 | 126..130 => {
                assert!(
                    reported.iter().any(|reported| reported.1 != "table.checksum"),
                    "bit {bit}: {reported:?}"
                );
            }
            _ => {}
        }
    }
}
