//! Ranges that overlap: each part that two domains claim is told, and what is told is so.
use acpi_tables::builder::TableBuilder;
use acpi_tables::wire::SratMemoryAffinity;
use acpi_tables::{Finding, What, find_srat};
use proptest::prelude::*;
use std::vec::Vec;
use units::FRAME_SIZE;

use super::machine::*;
use crate::{Inputs, MAX_RANGES, NumaTopology};

/// What was found of ranges with these entries: start, end, who has it and who claims it as well.
fn told(entries: &[SratMemoryAffinity]) -> Vec<(u64, u64, u32, u32)> {
    let srat = TableBuilder::srat(3).entries(entries.iter().copied()).build();
    let mut told = Vec::new();
    let mut findings = |finding: Finding| match finding.what {
        What::MemoryOverlap { range, domain } => told.push((range.start.0, range.end.0, domain.0, domain.0)),
        What::MemoryConflict { range, domain, other } => {
            told.push((range.start.0, range.end.0, domain.0, other.0));
        }
        _ => {}
    };
    let inputs = Inputs { srat: find_srat([&srat[..]], &mut findings), ..Inputs::default() };
    let mut topology = std::boxed::Box::new(NumaTopology::EMPTY);
    topology.rebuild(&inputs, &mut findings);
    told
}

#[test]
fn what_a_range_takes_is_told_though_another_of_its_domain_took_some_before() {
    let entries = [memory(0, 100 * MIB, 0), memory(10 * MIB, 10 * MIB, 1), memory(15 * MIB, 35 * MIB, 1)];
    let expected = [(10 * MIB, 20 * MIB, 1, 0), (15 * MIB, 20 * MIB, 1, 1), (20 * MIB, 50 * MIB, 1, 0)];
    assert_eq!(told(&entries), expected);
}

#[test]
fn of_three_domains_each_is_told_what_it_loses_and_to_whom() {
    let entries = [memory(0, 9 * MIB, 0), memory(MIB, 3 * MIB, 1), memory(2 * MIB, 5 * MIB, 2)];
    let expected = [(MIB, 4 * MIB, 1, 0), (2 * MIB, 4 * MIB, 2, 1), (4 * MIB, 7 * MIB, 2, 0)];
    assert_eq!(told(&entries), expected);
    let equal_ends = [memory(0, 4 * MIB, 0), memory(MIB, 3 * MIB, 1), memory(2 * MIB, 2 * MIB, 2)];
    assert_eq!(told(&equal_ends), [(MIB, 4 * MIB, 1, 0), (2 * MIB, 4 * MIB, 2, 1)]);
}

#[test]
fn as_many_ranges_as_there_is_room_for_are_told_of_in_a_few_words_each() {
    let count = MAX_RANGES as u64;
    // Each inside the one before, and then all of them within one that starts last.
    let nested = (0..count).map(|n| memory(n * FRAME_SIZE, (2 * count - 2 * n) * FRAME_SIZE, n as u32 % 2));
    assert_eq!(told(&nested.collect::<Vec<_>>()).len(), MAX_RANGES - 1);
    let stairs = (0..count).map(|n| memory(n * FRAME_SIZE, count * FRAME_SIZE, n as u32 % 2));
    assert_eq!(told(&stairs.collect::<Vec<_>>()).len(), MAX_RANGES - 1);
    let mut last: Vec<_> =
        (1..count).map(|n| memory(n * FRAME_SIZE, (3 * count - 2 * n) * FRAME_SIZE, n as u32 % 2)).collect();
    last.push(memory(count * FRAME_SIZE, 4 * count * FRAME_SIZE, 2));
    assert!(told(&last).len() <= 2 * MAX_RANGES);
}

proptest! {
    #[test]
    fn a_frame_is_in_a_conflict_exactly_where_two_domains_claim_it(
        slabs in prop::collection::vec((0..64_u64, 1..32_u64, 0..4_u32), 0..12),
    ) {
        let entry = |&(start, frames, domain)| memory(start * FRAME_SIZE, frames * FRAME_SIZE, domain);
        let told = told(&slabs.iter().map(entry).collect::<Vec<_>>());
        for frame in 0..96 {
            let claims = || slabs.iter().filter(|slab| (slab.0..slab.0 + slab.1).contains(&frame));
            let first = claims().next().map(|slab| slab.2);
            let contested = claims().any(|slab| Some(slab.2) != first);
            let address = frame * FRAME_SIZE;
            let of_frame = || told.iter().filter(|told| (told.0..told.1).contains(&address));
            prop_assert_eq!(of_frame().any(|told| told.2 != told.3), contested, "frame {}", frame);
            prop_assert!(of_frame().count() < claims().count().max(1), "frame {}", frame);
        }
    }
}
