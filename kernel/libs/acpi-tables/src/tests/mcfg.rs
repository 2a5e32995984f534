//! Tests of the MCFG: the ranges of buses, and those that are dropped.
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{Reported, with_findings};
use crate::Action::{Dropped, Repaired};
use crate::builder::{TableBuilder, mcfg_entry, seal};
use crate::wire::McfgEntry;
use crate::{Mcfg, McfgRange, find_mcfg};
use units::PhysRange;

fn table(entries: &[McfgEntry]) -> Vec<u8> {
    entries.iter().fold(TableBuilder::mcfg(), |table, entry| table.entry(entry)).build()
}

fn ranges(table: &[u8]) -> (Vec<McfgRange>, Vec<Reported>) {
    with_findings(|findings| {
        let mcfg = find_mcfg([table], findings);
        mcfg.map_or(Vec::new(), |mcfg| mcfg.ranges(findings).collect())
    })
}

fn range(base: u64, segment: u16, first_bus: u8, last_bus: u8) -> McfgRange {
    let bus = |bus: u64| base + (bus << 20);
    let memory = PhysRange::new(bus(first_bus.into()), bus(u64::from(last_bus) + 1));
    McfgRange { segment, first_bus, last_bus, memory }
}

#[test]
fn an_entrys_address_is_that_of_bus_0() {
    let table = table(&[mcfg_entry(0xb000_0000, 0, 0, 0x7f), mcfg_entry(0xb000_0000, 0, 0x80, 0xff)]);
    let (found, reported) = ranges(&table);
    assert_eq!(found, [range(0xb000_0000, 0, 0, 0x7f), range(0xb000_0000, 0, 0x80, 0xff)]);
    assert_eq!(found[1].memory, PhysRange::new(0xb800_0000, 0xc000_0000));
    assert_eq!(reported, []);
}

#[test]
fn a_table_without_entries_has_no_ranges() {
    assert_eq!(ranges(&table(&[])), (Vec::new(), Vec::new()));
    assert_eq!(ranges(&[]), (Vec::new(), Vec::new()));
}

#[test]
fn an_entry_of_no_bus_or_at_an_impossible_address_is_dropped() {
    let bad = [
        mcfg_entry(0xb000_0000, 0, 1, 0),
        mcfg_entry(0, 0, 0, 255),
        mcfg_entry(0xb008_0000, 0, 0, 255),
        mcfg_entry(u64::MAX - 0xf_ffff, 0, 0, 0),
        mcfg_entry(u64::MAX - 0xff_ffff, 0, 0, 255),
    ];
    for entry in bad {
        let good = mcfg_entry(0xc000_0000, 1, 0, 1);
        let (found, reported) = ranges(&table(&[entry, good]));
        assert_eq!(found, [range(0xc000_0000, 1, 0, 1)], "{entry:?}");
        assert_eq!(reported, [(44, "mcfg.range", Dropped)], "{entry:?}");
    }
}

#[test]
fn the_first_of_two_entries_for_a_bus_is_used() {
    let entries = [
        mcfg_entry(0xb000_0000, 0, 0, 15),
        mcfg_entry(0xc000_0000, 0, 15, 31),
        mcfg_entry(0xc000_0000, 1, 15, 31),
    ];
    let (found, reported) = ranges(&table(&entries));
    assert_eq!(found, [range(0xb000_0000, 0, 0, 15), range(0xc000_0000, 1, 15, 31)]);
    assert_eq!(reported, [(60, "mcfg.overlap", Dropped)]);
}

#[test]
fn bytes_after_the_last_whole_entry_are_reported() {
    let mut table = table(&[mcfg_entry(0xb000_0000, 0, 0, 255)]);
    table.extend([0; 5]);
    let length = table.len() as u32;
    table[4..8].copy_from_slice(&length.to_le_bytes());
    seal(&mut table);
    let (found, reported) = ranges(&table);
    assert_eq!(found.len(), 1);
    assert_eq!(reported, [(60, "mcfg.size", Repaired)]);
}

#[test]
fn there_is_an_end_to_the_entries() {
    let entries: Vec<_> = (0..300).map(|segment| mcfg_entry(0xb000_0000, segment, 0, 0)).collect();
    let (found, reported) = ranges(&table(&entries));
    assert_eq!(found.len(), Mcfg::MAX_ENTRIES);
    assert_eq!(reported, [(44 + 256 * 16, "mcfg.full", Dropped)]);
}

proptest! {
    #[test]
    fn no_bus_is_in_two_ranges_and_no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut table = TableBuilder::mcfg().build();
        table.extend(bytes);
        let length = table.len() as u32;
        table[4..8].copy_from_slice(&length.to_le_bytes());
        seal(&mut table);
        let (found, reported) = ranges(&table);
        for (index, range) in found.iter().enumerate() {
            let buses = u64::from(range.last_bus - range.first_bus) + 1;
            prop_assert_eq!(range.memory.end.0 - range.memory.start.0, buses << 20);
            prop_assert!(found[..index].iter().all(|other| other.segment != range.segment
                || other.last_bus < range.first_bus || range.last_bus < other.first_bus));
        }
        prop_assert!(found.len() + reported.len() <= table.len() / 16);
    }
}
