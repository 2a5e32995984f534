//! Memory of many GiB, with holes: orders up to 18 and beyond, and what the metadata costs.
mod machine;

use machine::{Machine, allocate, node, span, uncached};
use page_alloc::{AllocateError, FreeError, PageAllocator, Request};
use units::{FrameNumber, FrameRange, PhysAddr};

type Pages = PageAllocator<'static>;

/// Frames in 1 GiB, and the frame number of 1 TiB.
const GIB: u64 = 1 << 18;
const TIB: u64 = 1 << 28;

#[test]
fn metadata_is_at_most_1_3_bytes_a_frame_however_high_the_memory_lies() {
    let sixteen_gib = [span(0, 256, 3 * GIB), span(0, TIB, TIB + 13 * GIB)];
    let bytes = Pages::node_layout(&sixteen_gib, node(0)).unwrap().size() as u64;
    assert!(bytes * 10 <= 16 * GIB * 13, "{bytes} bytes");
    let tib = [span(0, TIB, 2 * TIB)];
    let bytes = Pages::node_layout(&tib, node(0)).unwrap().size() as u64;
    assert!(bytes * 10 <= TIB * 13, "{bytes} bytes");
    assert!(Pages::table_layout(&tib).unwrap().size() <= 4096);
}

#[test]
fn each_order_is_granted_aligned_and_comes_together_again() {
    let spans = [span(0, 300, 2 * GIB + 77), span(0, TIB + 3, TIB + 2 * GIB)];
    let mut machine = Machine::new(&spans, &[&[0]]);
    let pages = machine.pages_all_free();
    let cpu = uncached(&pages, 0);
    let before = pages.free_by_order(node(0)).unwrap();
    let grants: Vec<_> = (0..=18)
        .map(|order| {
            let grant = allocate(&cpu, &Request::new(1 << order, node(0))).unwrap();
            assert_eq!(grant.frame.0 % (1 << order), 0);
            grant
        })
        .collect();
    for grant in grants {
        cpu.free(grant.frame, grant.count).unwrap();
    }
    assert_eq!(pages.free_by_order(node(0)).unwrap(), before);
}

#[test]
fn a_run_of_any_length_is_granted_as_long_as_contiguous_memory_is_there() {
    let mut machine = Machine::new(&[span(0, 300, 4 * GIB)], &[&[0]]);
    let pages = machine.pages_all_free();
    let cpu = uncached(&pages, 0);
    let before = pages.free_by_order(node(0)).unwrap();
    for count in [4 * GIB - 300, 3 * GIB + 1, 2 * GIB, GIB + 700] {
        let grant = allocate(&cpu, &Request::new(count, node(0))).unwrap();
        let stats = pages.stats(node(0)).unwrap();
        assert_eq!(stats.free, 4 * GIB - 300 - count, "the tail is given back at once");
        let inner = FrameNumber(grant.frame.0 + GIB);
        assert_eq!(cpu.free(inner, 1), Err(FreeError::InsideGrant(inner)));
        let wrong = FreeError::WrongCount { frame: grant.frame, count: count - 1, granted: count };
        assert_eq!(cpu.free(grant.frame, count - 1), Err(wrong));
        cpu.free(grant.frame, count).unwrap();
        assert_eq!(pages.free_by_order(node(0)).unwrap(), before);
    }
    let too_long = Request::new(4 * GIB - 299, node(0));
    assert!(matches!(allocate(&cpu, &too_long), Err(AllocateError::NoFit { .. })));
}

#[test]
fn the_longest_run_without_a_larger_chunk_in_it_is_found() {
    // Frames 1 to 6 hold aligned chunks of at most 2: no list knows of more.
    let mut machine = Machine::new(&[span(0, 0, 8)], &[&[0]]);
    let pages = machine.pages();
    let cpu = uncached(&pages, 0);
    pages.add(FrameRange::new(1, 7)).unwrap();
    assert_eq!(pages.stats(node(0)).unwrap().largest_free_order, Some(1));
    assert!(allocate(&cpu, &Request::new(4, node(0))).is_err(), "a power of two is aligned to itself");
    assert_eq!(allocate(&cpu, &Request::new(6, node(0))).unwrap().frame, FrameNumber(1));
}

#[test]
fn exhausted_in_the_largest_blocks_a_node_falls_back_in_order_and_is_whole_again_afterwards() {
    let spans = [span(0, 0, 3 * GIB), span(1, TIB, TIB + GIB), span(2, TIB + GIB, TIB + 2 * GIB)];
    let mut machine = Machine::new(&spans, &[&[0, 2, 1], &[1], &[2], &[1, 0]]);
    let pages = machine.pages_all_free();
    let cpu = uncached(&pages, 0);
    let before = [0, 1, 2].map(|index| pages.free_by_order(node(index)));
    let mut grants = Vec::new();
    for order in (0..=18).rev() {
        let request = Request { strict: true, ..Request::new(1 << order, node(0)) };
        while let Ok(grant) = allocate(&cpu, &request) {
            grants.push(grant);
        }
    }
    assert_eq!(pages.stats(node(0)).unwrap().free, 0);
    for from in [2, 1] {
        let grant = allocate(&cpu, &Request::new(GIB, node(0))).unwrap();
        assert_eq!((grant.node, grant.fell_back), (node(from), true));
        grants.push(grant);
    }
    assert!(allocate(&cpu, &Request::new(1, node(0))).is_err());
    for grant in grants {
        cpu.free(grant.frame, grant.count).unwrap();
    }
    assert_eq!([0, 1, 2].map(|index| pages.free_by_order(node(index))), before);
}

#[test]
fn a_node_without_memory_goes_straight_to_its_fallback() {
    let mut machine = Machine::new(&[span(0, 0, 1024), span(2, 1024, 2048)], &[&[0, 2], &[2, 0], &[2, 0]]);
    let pages = machine.pages_all_free();
    let cpu = uncached(&pages, 0);
    let grant = allocate(&cpu, &Request::new(1, node(1))).unwrap();
    assert_eq!((grant.node, grant.fell_back), (node(2), true));
    let strict = Request { strict: true, ..Request::new(1, node(1)) };
    assert_eq!(allocate(&cpu, &strict), Err(AllocateError::NoFit { preferred: node(1), count: 1 }));
    let stats = [1, 2].map(|index| pages.stats(node(index)).unwrap());
    assert_eq!((stats[0].total, stats[0].foreign, stats[1].miss), (0, 1, 1));
    assert_eq!(stats[0].largest_free_order, None);
}

#[test]
fn a_limit_is_kept_in_a_node_that_reaches_above_it() {
    let mut machine = Machine::new(&[span(0, 0, 8 * GIB)], &[&[0]]);
    let pages = machine.pages_all_free();
    let cpu = uncached(&pages, 0);
    let below = |highest, count| {
        let request = Request { highest: Some(PhysAddr(highest)), ..Request::new(count, node(0)) };
        allocate(&cpu, &request).map(|grant| grant.frame.0 + grant.count)
    };
    assert!(below(0xff_ffff, 16).unwrap() <= 0x1000);
    assert!(below(0xffff_ffff, GIB).unwrap() <= 4 * GIB);
    assert_eq!(below(0x1fff, 1), Ok(2));
    assert!(below(0x1fff, 1).is_err(), "frame 1 is the only one below, and frame 0 is nobody's");
}

#[test]
fn what_was_kept_back_at_boot_can_be_added_once_later() {
    let mut machine = Machine::new(&[span(0, 0, 4096)], &[&[0]]);
    let pages = machine.pages();
    assert_eq!(pages.add(FrameRange::new(1024, 4096)), Ok(3072));
    assert_eq!(pages.add(FrameRange::new(0, 700)), Ok(699));
    assert!(pages.add(FrameRange::new(699, 800)).is_err());
    assert!(pages.add(FrameRange::new(2000, 2001)).is_err());
    assert_eq!(pages.add(FrameRange::new(700, 1024)), Ok(324));
    assert!(pages.add(FrameRange::new(4095, 4097)).is_err());
    let stats = pages.stats(node(0)).unwrap();
    assert_eq!((stats.free, stats.largest_free_order), (4095, Some(11)));
}
