//! Tests of HMAT structures: the values of correct ones, and the effect of faulty ones.
use alloc::vec::Vec;
use proptest::prelude::*;
use units::ProximityDomain;

use super::{Reported, with_findings};
use crate::Action::{Dropped, Repaired};
use crate::builder::{TableBuilder, attachment, latency_and_bandwidth, side_cache};
use crate::{Attachment, Direction, HmatEntry, Matrix, MatrixValue, Quantity, find_hmat};

/// The offset of an HMAT's first structure.
pub(super) const FIRST: u32 = 40;

pub(super) const D0: ProximityDomain = ProximityDomain(0);

/// Reads the table and calls `look` with its structures.
fn read<T>(table: &[u8], look: impl FnOnce(&[HmatEntry<'_>]) -> T) -> (T, Vec<Reported>) {
    with_findings(|findings| {
        let hmat = find_hmat([table], findings).expect("the table can be read");
        let entries: Vec<_> = hmat.entries(findings).collect();
        look(&entries)
    })
}

/// Returns how many structures of this table are read, and the findings.
pub(super) fn count(table: &[u8]) -> (usize, Vec<Reported>) {
    read(table, |entries| entries.len())
}

fn matrix<'a>(entries: &[HmatEntry<'a>]) -> Matrix<'a> {
    match entries {
        &[HmatEntry::Matrix(matrix), ..] => matrix,
        _ => panic!("{entries:?} does not start with a matrix"),
    }
}

fn values(matrix: &Matrix<'_>) -> Vec<MatrixValue> {
    let rows = 0..matrix.initiators().len();
    rows.flat_map(|row| (0..matrix.targets().len()).map(move |column| matrix.value(row, column))).collect()
}

#[test]
fn attachments_are_read_in_both_revisions() {
    let (memory, initiator) = (ProximityDomain(7), ProximityDomain(u32::MAX));
    let mut in_first = attachment(memory, Some(initiator));
    in_first.base_address = 0x1000.into();
    in_first.range_length = 0x2000.into();
    let mut no_memory = attachment(memory, None);
    no_memory.flags = 0.into();
    let entries = [in_first, attachment(memory, None), no_memory];
    let expected = |revision: u8| {
        let range = |base, length| (revision == 1).then_some((base, length));
        let last = if revision == 1 { None } else { Some(memory) };
        [
            Attachment {
                memory: Some(memory),
                initiator: Some(initiator),
                range: range(0x1000, 0x2000),
                offset: 40,
            },
            Attachment { memory: Some(memory), initiator: None, range: range(0, 0), offset: 80 },
            Attachment { memory: last, initiator: None, range: range(0, 0), offset: 120 },
        ]
    };
    for revision in [1, 2, 3] {
        let table = TableBuilder::hmat(revision).entries(entries).build();
        let (read, reported) = read(&table, |entries| {
            let attachments = entries.iter().map(|entry| match entry {
                HmatEntry::Attachment(attachment) => *attachment,
                other => panic!("{other:?}"),
            });
            attachments.collect::<Vec<_>>()
        });
        assert_eq!((&read[..], reported), (&expected(revision)[..], Vec::new()), "revision {revision}");
    }
}

#[test]
fn a_matrix_gives_values_in_its_unit_and_distinguishes_unspecified_from_unreachable() {
    let bytes = latency_and_bandwidth(1, 100, &[0, 5], &[1, 2, 3], &[10, 0, 0xffff, 1, 2, 0xfffe]);
    let (_, reported) = read(&TableBuilder::hmat(2).entry(&bytes[..]).build(), |entries| {
        let matrix = matrix(entries);
        assert_eq!(
            (matrix.quantity, matrix.direction, matrix.level),
            (Quantity::Latency, Direction::Read, 0)
        );
        assert_eq!((matrix.minimum_transfer_size, matrix.non_sequential, matrix.unit), (None, false, 100));
        assert!(matrix.initiators().eq([0, 5].map(ProximityDomain)));
        assert!(matrix.targets().eq([1, 2, 3].map(ProximityDomain)));
        let known = MatrixValue::Known;
        let first = [known(1000), MatrixValue::Unspecified, MatrixValue::Unreachable];
        let second = [known(100), known(200), known(6_553_400)];
        assert_eq!(values(&matrix), [first, second].concat());
        for outside in [(0, 3), (2, 0), (usize::MAX, 0), (0, usize::MAX)] {
            assert_eq!(matrix.value(outside.0, outside.1), MatrixValue::Unspecified);
        }
    });
    assert_eq!(reported, []);
}

#[test]
fn the_largest_unit_overflows_nothing() {
    let bytes = latency_and_bandwidth(0, u64::MAX, &[0], &[0], &[0xfffe]);
    let (value, reported) =
        read(&TableBuilder::hmat(2).entry(&bytes[..]).build(), |entries| matrix(entries).value(0, 0));
    assert_eq!((value, reported), (MatrixValue::Known(0xfffe * u128::from(u64::MAX)), Vec::new()));
}

#[test]
fn every_data_type_is_known_and_others_are_reported() {
    let kinds = [
        (Quantity::Latency, Direction::Both),
        (Quantity::Latency, Direction::Read),
        (Quantity::Latency, Direction::Write),
        (Quantity::Bandwidth, Direction::Both),
        (Quantity::Bandwidth, Direction::Read),
        (Quantity::Bandwidth, Direction::Write),
    ];
    for (data_type, expected) in (0..).zip(kinds) {
        let bytes = latency_and_bandwidth(data_type, 5000, &[0], &[0], &[1]);
        let (kind, reported) = read(&TableBuilder::hmat(2).entry(&bytes[..]).build(), |entries| {
            let matrix = matrix(entries);
            (matrix.quantity, matrix.direction)
        });
        assert_eq!((kind, reported), (expected, Vec::new()));
    }
    let bytes = latency_and_bandwidth(6, 1, &[0], &[0], &[1]);
    let table = TableBuilder::hmat(2).entry(&bytes[..]).build();
    assert_eq!(count(&table), (0, [(FIRST, "hmat.matrix.kind", Dropped)].to_vec()));
}

#[test]
fn levels_and_access_attributes_are_read_and_unknown_levels_are_reported() {
    let with_flags = |flags: u8| {
        let mut bytes = latency_and_bandwidth(3, 1, &[0], &[0], &[1]);
        bytes[8] = flags;
        bytes[10] = 6;
        bytes
    };
    let (found, reported) = read(&TableBuilder::hmat(2).entry(&with_flags(0x33)[..]).build(), |entries| {
        let matrix = matrix(entries);
        (matrix.level, matrix.minimum_transfer_size, matrix.non_sequential)
    });
    assert_eq!((found, reported), ((3, Some(6), true), Vec::new()));
    for (revision, level, correct) in [(1, 4, true), (1, 5, false), (2, 3, true), (2, 4, false)] {
        let table = TableBuilder::hmat(revision).entry(&with_flags(level)[..]).build();
        let reported = if correct { Vec::new() } else { [(FIRST, "hmat.matrix.kind", Dropped)].to_vec() };
        assert_eq!(count(&table), (usize::from(correct), reported), "revision {revision}, level {level}");
    }
}

#[test]
fn a_matrix_with_the_unit_0_is_skipped() {
    let bytes = latency_and_bandwidth(0, 0, &[0], &[0], &[1]);
    let table = TableBuilder::hmat(2).entry(&bytes[..]).build();
    assert_eq!(count(&table), (0, [(FIRST, "hmat.unit", Dropped)].to_vec()));
}

#[test]
fn counts_whose_lists_do_not_fit_cost_only_the_matrix() {
    for counts in [[3_u32, 2], [2, 3], [u32::MAX, 0], [u32::MAX, u32::MAX], [0, 6], [1 << 30, 1 << 31]] {
        let mut bytes = latency_and_bandwidth(0, 1, &[0, 1], &[0, 1], &[]);
        bytes[12..16].copy_from_slice(&counts[0].to_le_bytes());
        bytes[16..20].copy_from_slice(&counts[1].to_le_bytes());
        let table = TableBuilder::hmat(2).entry(&bytes[..]).entry(&attachment(D0, None)).build();
        assert_eq!(count(&table), (1, [(FIRST, "hmat.matrix.size", Dropped)].to_vec()), "{counts:?}");
    }
}

#[test]
fn values_that_a_matrix_lacks_are_unspecified() {
    let bytes = latency_and_bandwidth(0, 1000, &[0, 1], &[0, 1], &[7, 8, 9]);
    let table = TableBuilder::hmat(2).entry(&bytes[..]).entry(&attachment(D0, None)).build();
    let (found, reported) = read(&table, |entries| {
        let matrix = matrix(entries);
        let rows = matrix.rows().map(|(from, row)| (from.0, row.map(|(to, value)| (to.0, value)).collect()));
        let known = |nanoseconds: u128| MatrixValue::Known(1000 * nanoseconds);
        let expected = [(0, [(0, known(7)), (1, known(8))].to_vec()), (1, [(0, known(9))].to_vec())];
        assert_eq!(rows.collect::<Vec<(_, Vec<_>)>>(), expected);
        (entries.len(), values(&matrix))
    });
    let known = |nanoseconds: u128| MatrixValue::Known(1000 * nanoseconds);
    assert_eq!(found, (2, [known(7), known(8), known(9), MatrixValue::Unspecified].to_vec()));
    assert_eq!(reported, [(FIRST, "hmat.matrix.size", Repaired)]);
}

#[test]
fn a_side_cache_is_read_with_its_handles() {
    let bytes = side_cache(ProximityDomain(3), 10 << 30, [2, 1, 1, 2], 64, &[0x101, 0x102]);
    let (_, reported) = read(&TableBuilder::hmat(2).entry(&bytes[..]).build(), |entries| {
        let &[HmatEntry::SideCache(cache)] = entries else { panic!("{entries:?}") };
        assert_eq!((cache.memory, cache.size, cache.line_size), (ProximityDomain(3), 10 << 30, 64));
        let attributes = (cache.levels, cache.level, cache.associativity, cache.write_policy);
        assert_eq!(attributes, (2, 1, 1, 2));
        assert!(cache.smbios_handles().eq([0x101, 0x102]));
    });
    assert_eq!(reported, []);
}

#[test]
fn handles_that_a_side_cache_lacks_cost_only_themselves() {
    let mut bytes = side_cache(D0, 1, [1, 1, 1, 1], 64, &[5]);
    bytes[30..32].copy_from_slice(&u16::MAX.to_le_bytes());
    let (handles, reported) =
        read(&TableBuilder::hmat(2).entry(&bytes[..]).build(), |entries| match entries {
            [HmatEntry::SideCache(cache)] => cache.smbios_handles().collect::<Vec<_>>(),
            _ => panic!("{entries:?}"),
        });
    assert_eq!((handles, reported), ([5].to_vec(), [(FIRST, "hmat.entry.length", Repaired)].to_vec()));
}

proptest! {
    #[test]
    fn a_matrix_is_read_as_it_was_built(
        data_type in 0..6_u8,
        unit in 1..=u64::MAX,
        initiators in prop::collection::vec(any::<u32>(), 0..6),
        targets in prop::collection::vec(any::<u32>(), 0..6),
        seed in any::<u16>(),
    ) {
        let cells = initiators.len() * targets.len();
        let written: Vec<u16> = (0..cells as u16).map(|n| n.wrapping_mul(seed)).collect();
        let bytes = latency_and_bandwidth(data_type, unit, &initiators, &targets, &written);
        let expected: Vec<_> = written.iter().map(|&written| match written {
            0 => MatrixValue::Unspecified,
            0xffff => MatrixValue::Unreachable,
            written => MatrixValue::Known(u128::from(written) * u128::from(unit)),
        }).collect();
        let (_, reported) = read(&TableBuilder::hmat(2).entry(&bytes[..]).build(), |entries| {
            let matrix = matrix(entries);
            assert!(matrix.initiators().eq(initiators.iter().copied().map(ProximityDomain)));
            assert!(matrix.targets().eq(targets.iter().copied().map(ProximityDomain)));
            assert_eq!(values(&matrix), expected);
            assert!(matrix.rows().flat_map(|(_, row)| row.map(|(_, value)| value)).eq(expected));
        });
        prop_assert_eq!(reported, []);
    }
}
