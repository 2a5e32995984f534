//! Tests of the memory map.
extern crate std;
use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

type Region = (PhysRange, Owner);

/// Far above the regions of most tests.
const LIMIT: PhysAddr = PhysAddr(1 << 46);

/// A range above the memory that the kernel leaves alone. Both numbers count from there.
fn range(start: u64, end: u64) -> PhysRange {
    PhysRange::new(LOW_END.0 + start, LOW_END.0 + end)
}

/// A region of the same place.
fn region(start: u64, end: u64, owner: Owner) -> Region {
    (range(start, end), owner)
}

fn map(mut regions: Vec<Region>) -> MemoryMap {
    MemoryMap::new(&mut regions, LIMIT, |region| *region)
}

#[test]
fn adjacent_regions_become_one_range_in_any_order() {
    let map = map(vec![
        region(0x3000, 0x5000, Owner::Nobody),
        region(0x1000, 0x2000, Owner::Nobody),
        region(0x2000, 0x3000, Owner::Kernel),
        region(0x8000, 0x9000, Owner::Firmware),
    ]);
    assert_eq!(map.ram.as_slice(), [range(0x1000, 0x5000)]);
    assert_eq!(map.free.as_slice(), [range(0x1000, 0x2000), range(0x3000, 0x5000)]);
    assert_eq!(map.known.as_slice(), [range(0x1000, 0x5000), range(0x8000, 0x9000)]);
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
    assert_eq!(map.ram.as_slice(), [range(0, 0x4000), range(0x5000, 0x9000)]);
    let free = [range(0, 0x1000), range(0x2000, 0x4000), range(0x5000, 0x9000)];
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

#[test]
fn below_1_mib_only_one_frame_is_for_the_kernel() {
    let map = map(vec![
        (PhysRange::new(0, 0x2000), Owner::Nobody),
        (PhysRange::new(0x2000, 0x3800), Owner::Kernel),
        (PhysRange::new(0x3800, 0x9_f000), Owner::Nobody),
        (PhysRange::new(0xf_0000, 0x10_0000), Owner::Nobody),
        region(0, 0x4000, Owner::Nobody),
    ]);
    assert_eq!(map.real_mode_frame, Some(FrameNumber(1)));
    assert_eq!(map.free.as_slice(), [range(0, 0x4000)]);
    assert_eq!(map.ram.len(), 2);
}

#[test]
fn the_frame_for_real_mode_is_whole_and_neither_the_first_nor_above_640_kib() {
    let frame = |start, end| map(vec![(PhysRange::new(start, end), Owner::Nobody)]).real_mode_frame;
    assert_eq!(frame(0, 0x1000), None);
    assert_eq!(frame(0x1800, 0x2800), None);
    assert_eq!(frame(0x1800, 0x3000), Some(FrameNumber(2)));
    assert_eq!(frame(0xa_0000, 0x10_0000), None);
}

#[test]
fn ram_above_the_limit_is_counted_and_left_out() {
    let above = |start: u64, end: u64| PhysRange::new(LIMIT.0 + start, LIMIT.0 + end);
    let map = map(vec![
        region(0, 0x1000, Owner::Nobody),
        (PhysRange { start: PhysAddr(LIMIT.0 - 0x2000), end: PhysAddr(LIMIT.0 + 0x3000) }, Owner::Nobody),
        (above(0x8000, 0x9000), Owner::Kernel),
        (above(0x9000, 0xf000), Owner::Firmware),
    ]);
    assert_eq!(map.bytes_above, 0x4000);
    let last = PhysRange { start: PhysAddr(LIMIT.0 - 0x2000), end: LIMIT };
    for list in [&map.ram, &map.free, &map.known] {
        assert_eq!(list.as_slice(), [range(0, 0x1000), last]);
    }
}

#[test]
fn overlapping_regions_above_the_limit_do_not_overflow_their_sum() {
    let all = PhysRange { start: PhysAddr(0), end: PhysAddr(u64::MAX) };
    assert_eq!(map(vec![(all, Owner::Nobody), (all, Owner::Kernel)]).bytes_above, u64::MAX);
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
            let address = PhysAddr(LOW_END.0 + byte);
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
