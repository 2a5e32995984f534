//! Tests of the memory map.
extern crate std;
use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

type Region = (PhysRange, Owner);

fn region(start: u64, end: u64, owner: Owner) -> Region {
    (PhysRange::new(start, end), owner)
}

fn map(mut regions: Vec<Region>) -> MemoryMap {
    MemoryMap::new(&mut regions, |region| *region)
}

#[test]
fn adjacent_regions_become_one_range_in_any_order() {
    let map = map(vec![
        region(0x3000, 0x5000, Owner::Nobody),
        region(0x1000, 0x2000, Owner::Nobody),
        region(0x2000, 0x3000, Owner::Kernel),
        region(0x8000, 0x9000, Owner::Firmware),
    ]);
    assert_eq!(map.ram.as_slice(), [PhysRange::new(0x1000, 0x5000)]);
    assert_eq!(map.free.as_slice(), [PhysRange::new(0x1000, 0x2000), PhysRange::new(0x3000, 0x5000)]);
    assert_eq!(map.known.as_slice(), [PhysRange::new(0x1000, 0x5000), PhysRange::new(0x8000, 0x9000)]);
    assert_eq!((map.overlaps, map.lost_bytes), (false, 0));
}

#[test]
fn the_owner_keeps_the_overlap_with_a_free_region() {
    let map = map(vec![
        region(0x0000, 0x9000, Owner::Nobody),
        region(0x1000, 0x2000, Owner::Kernel),
        region(0x4000, 0x5000, Owner::Firmware),
    ]);
    assert!(map.overlaps);
    assert_eq!(map.ram.as_slice(), [PhysRange::new(0, 0x4000), PhysRange::new(0x5000, 0x9000)]);
    let free = [PhysRange::new(0, 0x1000), PhysRange::new(0x2000, 0x4000), PhysRange::new(0x5000, 0x9000)];
    assert_eq!(map.free.as_slice(), free);
}

#[test]
fn more_ranges_than_there_is_room_for_are_counted_as_lost() {
    let regions = (0..MAX_RANGES as u64 + 3).map(|n| region(n * 0x2000, n * 0x2000 + 0x1000, Owner::Nobody));
    let map = map(regions.collect());
    assert_eq!(map.free.len(), MAX_RANGES);
    assert_eq!(map.lost_bytes, 3 * 0x1000);
}

#[test]
fn an_empty_or_backward_region_is_ignored() {
    let map = map(vec![region(0x1000, 0x1000, Owner::Nobody), region(0x3000, 0x2000, Owner::Kernel)]);
    assert!(map.ram.is_empty() && map.free.is_empty());
}

fn any_region() -> impl Strategy<Value = Region> {
    let owner = prop_oneof![Just(Owner::Nobody), Just(Owner::Kernel), Just(Owner::Firmware)];
    (0..64_u64, 0..8_u64, owner).prop_map(|(start, length, owner)| region(start, start + length, owner))
}

proptest! {
    #[test]
    fn a_byte_is_ram_or_free_exactly_if_no_region_has_another_owner(regions in prop::collection::vec(any_region(), 0..24)) {
        let map = map(regions.clone());
        for byte in 0..72 {
            let address = units::PhysAddr(byte);
            let owners: Vec<_> = regions.iter().filter(|(range, _)| range.contains(address)).map(|(_, owner)| *owner).collect();
            let is_ram = !owners.is_empty() && !owners.contains(&Owner::Firmware);
            let is_free = is_ram && !owners.contains(&Owner::Kernel);
            prop_assert_eq!(map.known.iter().any(|range| range.contains(address)), !owners.is_empty());
            prop_assert_eq!(map.ram.iter().any(|range| range.contains(address)), is_ram);
            prop_assert_eq!(map.free.iter().any(|range| range.contains(address)), is_free);
        }
        for list in [&map.ram, &map.free] {
            prop_assert!(list.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert!(list.iter().all(|range| !range.is_empty()));
        }
    }
}
