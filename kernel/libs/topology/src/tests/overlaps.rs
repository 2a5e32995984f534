//! Tests of overlapping ranges: every part that two domains cover is reported, and nothing else.
use acpi_tables::builder::TableBuilder;
use acpi_tables::wire::SratMemoryAffinity;
use acpi_tables::{Fault, Finding, MemoryFault, find_srat};
use proptest::prelude::*;
use std::vec::Vec;
use units::FRAME_SIZE;

use super::machine::*;
use crate::{Inputs, MAX_RANGES, NumaTopology};

/// Returns the reported overlaps of these entries: start, end, the domain that gets the part, and the other domain.
fn reported(entries: &[SratMemoryAffinity]) -> Vec<(u64, u64, u32, u32)> {
    let srat = TableBuilder::srat(3).entries(entries.iter().copied()).build();
    let mut reported = Vec::new();
    let mut findings = |finding: Finding| match finding.fault {
        Fault::Memory(MemoryFault::Overlap { range, domain }) => {
            reported.push((range.start.0, range.end.0, domain.0, domain.0))
        }
        Fault::Memory(MemoryFault::Conflict { range, domain, other }) => {
            reported.push((range.start.0, range.end.0, domain.0, other.0));
        }
        _ => {}
    };
    let inputs = Inputs { srat: find_srat([&srat[..]], &mut findings), ..Inputs::default() };
    let mut topology = std::boxed::Box::new(NumaTopology::EMPTY);
    topology.rebuild(&inputs, &mut findings);
    reported
}

#[test]
fn each_part_is_reported_even_if_a_range_of_the_same_domain_took_another_part() {
    let entries = [memory(0, 100 * MIB, 0), memory(10 * MIB, 10 * MIB, 1), memory(15 * MIB, 35 * MIB, 1)];
    let expected = [(10 * MIB, 20 * MIB, 1, 0), (15 * MIB, 20 * MIB, 1, 1), (20 * MIB, 50 * MIB, 1, 0)];
    assert_eq!(reported(&entries), expected);
}

#[test]
fn of_three_domains_each_loss_is_reported_with_both_domains() {
    let entries = [memory(0, 9 * MIB, 0), memory(MIB, 3 * MIB, 1), memory(2 * MIB, 5 * MIB, 2)];
    let expected = [(MIB, 4 * MIB, 1, 0), (2 * MIB, 4 * MIB, 2, 1), (4 * MIB, 7 * MIB, 2, 0)];
    assert_eq!(reported(&entries), expected);
    let equal_ends = [memory(0, 4 * MIB, 0), memory(MIB, 3 * MIB, 1), memory(2 * MIB, 2 * MIB, 2)];
    assert_eq!(reported(&equal_ends), [(MIB, 4 * MIB, 1, 0), (2 * MIB, 4 * MIB, 2, 1)]);
}

#[test]
fn the_highest_number_of_ranges_has_at_most_two_findings_for_each() {
    let count = MAX_RANGES as u64;
    // First, each range lies inside the previous one. Last, one more range starts after all others.
    let nested = (0..count).map(|n| memory(n * FRAME_SIZE, (2 * count - 2 * n) * FRAME_SIZE, n as u32 % 2));
    assert_eq!(reported(&nested.collect::<Vec<_>>()).len(), MAX_RANGES - 1);
    let stairs = (0..count).map(|n| memory(n * FRAME_SIZE, count * FRAME_SIZE, n as u32 % 2));
    assert_eq!(reported(&stairs.collect::<Vec<_>>()).len(), MAX_RANGES - 1);
    let mut last: Vec<_> =
        (1..count).map(|n| memory(n * FRAME_SIZE, (3 * count - 2 * n) * FRAME_SIZE, n as u32 % 2)).collect();
    last.push(memory(count * FRAME_SIZE, 4 * count * FRAME_SIZE, 2));
    assert!(reported(&last).len() <= 2 * MAX_RANGES);
}

proptest! {
    #[test]
    fn a_frame_is_in_a_conflict_exactly_if_two_domains_cover_it(
        slabs in prop::collection::vec((0..64_u64, 1..32_u64, 0..4_u32), 0..12),
    ) {
        let entry = |&(start, frames, domain)| memory(start * FRAME_SIZE, frames * FRAME_SIZE, domain);
        let reported = reported(&slabs.iter().map(entry).collect::<Vec<_>>());
        for frame in 0..96 {
            let covering = || slabs.iter().filter(|slab| (slab.0..slab.0 + slab.1).contains(&frame));
            let first = covering().next().map(|slab| slab.2);
            let contested = covering().any(|slab| Some(slab.2) != first);
            let address = frame * FRAME_SIZE;
            let of_frame = || reported.iter().filter(|reported| (reported.0..reported.1).contains(&address));
            prop_assert_eq!(of_frame().any(|reported| reported.2 != reported.3), contested, "frame {}", frame);
            prop_assert!(of_frame().count() < covering().count().max(1), "frame {}", frame);
        }
    }
}
