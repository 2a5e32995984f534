//! Only the kernel frees a kernel-owned grant.
mod machine;

use machine::{Machine, allocate, cpus, node, span, take, uncached};
use page_alloc::{CpuCache, FreeError, Grant, PageAllocator, PageOwner, Request};
use proptest::prelude::*;
use units::{FrameNumber, FrameRange};

/// One node, of 8192 frames.
fn machine() -> Machine {
    Machine::new(&[span(0, 0, 8192)], &[&[0]])
}

/// What can be granted: starts with a block, and ends inside one.
const FREE: FrameRange = FrameRange::new(512, 8000);

fn kernel_owned(count: u64) -> Request {
    Request { owner: PageOwner::KERNEL, ..Request::local(count) }
}

/// Tries every free of a grant or a part of it that others may try.
fn assert_not_freed(pages: &PageAllocator<'_>, cpu: &CpuCache<'_>, grant: Grant) {
    let Grant { frame, count, .. } = grant;
    let before = (pages.free_by_order(node(0)), pages.stats(node(0)).unwrap().free);
    for wrong in [1, count, count - 1, count + 1, 512] {
        assert_eq!(cpu.free(frame, wrong), Err(FreeError::NeverAdded(frame)), "{wrong} of {grant:?}");
    }
    for inside in [1, count / 2, count - 1].into_iter().filter(|offset| (1..count).contains(offset)) {
        let inside = FrameNumber(frame.0 + inside);
        assert_eq!(cpu.free(inside, 1), Err(FreeError::InsideGrant(inside)), "of {grant:?}");
    }
    assert_eq!((pages.free_by_order(node(0)), pages.stats(node(0)).unwrap().free), before);
}

proptest! {
    #[test]
    fn only_the_kernel_frees_a_kernel_owned_grant(
        counts in proptest::collection::vec(prop_oneof![1..70u64, Just(512), Just(1024), 500..1100u64], 1..8),
        owned in any::<u8>(),
    ) {
        let mut machine = machine();
        let pages = machine.pages();
        pages.add(FREE).unwrap();
        let cpu = uncached(&pages, 0);
        let whole = pages.free_by_order(node(0));
        let grants: Vec<_> = counts
            .iter()
            .enumerate()
            .filter_map(|(index, &count)| {
                let kernel_owned = owned & 1 << index != 0;
                let owner = if kernel_owned { PageOwner::KERNEL } else { PageOwner::NOBODY };
                let request = Request { owner, ..Request::local(count) };
                Some((kernel_owned, allocate(&cpu, &request).ok()?))
            })
            .collect();
        // Whatever becomes of a grant's neighbours.
        for (_, grant) in grants.iter().filter(|(owned, _)| !owned) {
            let refused = cpu.free_kernel_owned(grant.frame, grant.count);
            prop_assert_eq!(refused, Err(FreeError::NotKernelOwned(grant.frame)));
            cpu.free(grant.frame, grant.count).unwrap();
        }
        for &(_, grant) in grants.iter().filter(|(owned, _)| *owned) {
            assert_not_freed(&pages, &cpu, grant);
            let Grant { frame, count, .. } = grant;
            let wrong = FreeError::WrongCount { frame, count: count + 1, granted: count };
            prop_assert_eq!(cpu.free_kernel_owned(frame, count + 1), Err(wrong));
            assert_not_freed(&pages, &cpu, grant);
            prop_assert_eq!(cpu.free_kernel_owned(frame, count), Ok(()));
            prop_assert_eq!(cpu.free_kernel_owned(frame, count), Err(FreeError::AlreadyFree(frame)));
        }
        prop_assert_eq!(pages.free_by_order(node(0)), whole);
    }
}

#[test]
fn a_cache_neither_takes_a_kernel_owned_frame_nor_stands_in_the_way_of_its_owner() {
    let mut machine = machine();
    let (pages, memory) = machine.pages_and_memory(1);
    pages.add(FREE).unwrap();
    let cpu = &cpus(&pages, &[node(0)], memory)[0];
    for _ in 0..3 {
        let grant = allocate(cpu, &kernel_owned(1)).unwrap();
        assert!(grant.cached);
        let before = cpu.len();
        assert!(cpu.free(grant.frame, 1).is_err());
        assert_eq!(cpu.len(), before);
        assert_eq!(cpu.free_kernel_owned(grant.frame, 1), Ok(()));
    }
    cpu.drain();
    assert_eq!(pages.stats(node(0)).unwrap().free, FREE.len_frames());
}

#[test]
fn what_a_cache_or_a_hot_chunk_holds_is_not_freed_as_kernel_owned() {
    let mut machine = machine();
    let (pages, memory) = machine.pages_and_memory(1);
    pages.add(FREE).unwrap();
    let cpu = &cpus(&pages, &[node(0)], memory)[0];
    let frame = take(cpu).unwrap();
    cpu.free(frame, 1).unwrap();
    assert_eq!(cpu.free_kernel_owned(frame, 1), Err(FreeError::AlreadyFree(frame)));
    let hot = allocate(cpu, &Request::local(8)).unwrap();
    cpu.free(hot.frame, 8).unwrap();
    assert_eq!(cpu.free_kernel_owned(hot.frame, 8), Err(FreeError::AlreadyFree(hot.frame)));
}

#[test]
fn what_is_outside_memory_is_freed_by_nobody() {
    let mut machine = machine();
    let pages = machine.pages();
    let cpu = uncached(&pages, 0);
    let outside = FrameNumber(8192);
    assert_eq!(cpu.free(outside, 1), Err(FreeError::NotMemory(outside)));
    assert_eq!(cpu.free_kernel_owned(outside, 1), Err(FreeError::NotMemory(outside)));
    assert_eq!(pages.refused_outside(), 2, "each refused free is counted");
}

#[test]
fn what_a_cache_has_held_before_it_was_emptied_is_freed_as_kernel_owned() {
    let mut machine = machine();
    let (pages, memory) = machine.pages_and_memory(1);
    pages.add(FREE).unwrap();
    let cpu = &cpus(&pages, &[node(0)], memory)[0];
    for _ in 0..3 {
        let frame = allocate(cpu, &kernel_owned(1)).unwrap().frame;
        assert_eq!(cpu.free_kernel_owned(frame, 1), Ok(()));
        let cached = take(cpu).unwrap();
        cpu.free(cached, 1).unwrap();
        assert_eq!(cpu.free_kernel_owned(cached, 1), Err(FreeError::AlreadyFree(cached)));
        cpu.drain();
    }
}

#[test]
fn a_kernel_owned_grant_is_counted_once_wherever_it_comes_from() {
    let mut machine = machine();
    let (pages, memory) = machine.pages_and_memory(1);
    pages.add(FREE).unwrap();
    let cpu = &cpus(&pages, &[node(0)], memory)[0];
    let mut expected = 0;
    for count in [1, 1, 8, 8, 512, 700] {
        let frame = allocate(cpu, &kernel_owned(count)).unwrap().frame;
        cpu.free_kernel_owned(frame, count).unwrap();
        expected += count;
        let stats = pages.stats(node(0)).unwrap();
        assert_eq!((stats.hit, stats.local, stats.free), (expected, expected, FREE.len_frames()));
    }
}

#[test]
fn a_chunk_that_the_kernel_has_freed_is_at_hand_for_both_owners_and_is_freed_by_its_own_alone() {
    let mut machine = machine();
    let (pages, memory) = machine.pages_and_memory(1);
    pages.add(FREE).unwrap();
    let cpu = &cpus(&pages, &[node(0)], memory)[0];
    for count in [2, 4, 8, 16, 32] {
        let Grant { frame, .. } = allocate(cpu, &kernel_owned(count)).unwrap();
        assert_eq!(cpu.free_kernel_owned(frame, count), Ok(()));
        assert_eq!(cpu.free_kernel_owned(frame, count), Err(FreeError::AlreadyFree(frame)));
        for _ in 0..3 {
            let grant = cpu.take_at_hand_for_kernel(count, node(0)).expect("the chunk is hot");
            assert_eq!((grant.frame, grant.cached), (frame, false));
            assert_eq!(cpu.take_at_hand_for_kernel(count, node(0)), None);
            assert_not_freed(&pages, cpu, grant);
            assert!(
                !cpu.put_at_hand(frame, count, PageOwner::NOBODY)
                    && !cpu.put_at_hand_of_kernel(frame, count / 2)
            );
            assert!(!cpu.put_at_hand_of_kernel(FrameNumber(frame.0 + count / 2), count / 2));
            assert!(cpu.put_at_hand_of_kernel(frame, count) && !cpu.put_at_hand_of_kernel(frame, count));
            assert_eq!(cpu.take_at_hand(count, node(0), PageOwner::NOBODY).unwrap().frame, frame);
            assert!(!cpu.put_at_hand_of_kernel(frame, count));
            assert_eq!(cpu.free_kernel_owned(frame, count), Err(FreeError::NotKernelOwned(frame)));
            assert!(cpu.put_at_hand(frame, count, PageOwner::NOBODY));
        }
    }
    assert_eq!(cpu.take_at_hand_for_kernel(1, node(0)), None);
    assert_eq!(cpu.take_at_hand_for_kernel(64, node(0)), None);
    let stats = pages.stats(node(0)).unwrap();
    // One grant of each count by a request, three of the kernel and three of others at hand.
    let granted = 7 * (2 + 4 + 8 + 16 + 32);
    assert_eq!((stats.hit, stats.local, stats.free), (granted, granted, FREE.len_frames()));
}

#[test]
fn kernel_owned_chunks_side_by_side_are_each_taken_back_wherever_their_word_and_block_end() {
    let mut machine = machine();
    let (pages, memory) = machine.pages_and_memory(1);
    pages.add(FREE).unwrap();
    let cpu = &cpus(&pages, &[node(0)], memory)[0];
    let whole = pages.free_by_order(node(0));
    for count in [2, 4, 8, 16, 32] {
        let grants: Vec<_> =
            (0..1100 / count).map(|_| allocate(cpu, &kernel_owned(count)).unwrap()).collect();
        let ends = |unit| grants.iter().any(|grant| (grant.frame.0 + count) % unit == 0);
        assert!(ends(64) && ends(512));
        for (index, &Grant { frame, .. }) in grants.iter().enumerate() {
            assert!(!cpu.put_at_hand_of_kernel(frame, 2 * count));
            assert!(cpu.free_kernel_owned(frame, 2 * count).is_err());
            assert_eq!(cpu.free_kernel_owned(frame, count), Ok(()), "{index} of {count}");
            assert_eq!(cpu.free_kernel_owned(frame, count), Err(FreeError::AlreadyFree(frame)));
            // Every second chunk finds no hot one.
            if index % 2 == 0 {
                pages.free_by_order(node(0));
            }
        }
        assert_eq!(pages.free_by_order(node(0)), whole);
    }
}

#[test]
fn a_part_of_a_kernel_owned_grant_that_ends_with_a_word_is_not_taken_back() {
    let mut machine = machine();
    let (pages, memory) = machine.pages_and_memory(1);
    pages.add(FREE).unwrap();
    let cpu = &cpus(&pages, &[node(0)], memory)[0];
    let mut chunks = Vec::new();
    while let Ok(grant) = allocate(cpu, &Request::local(32)) {
        chunks.push(grant.frame);
    }
    // The only run of 40 frames begins in the middle of a word.
    for frame in [512 + 32, 512 + 64] {
        assert!(chunks.contains(&FrameNumber(frame)));
        cpu.free(FrameNumber(frame), 32).unwrap();
    }
    let frame = allocate(cpu, &kernel_owned(40)).unwrap().frame;
    assert_eq!(frame.0 % 64, 32);
    let wrong = FreeError::WrongCount { frame, count: 32, granted: 40 };
    for _ in 0..2 {
        assert_eq!(cpu.free_kernel_owned(frame, 32), Err(wrong));
        assert!(!cpu.put_at_hand_of_kernel(frame, 32));
    }
    assert_eq!(cpu.free_kernel_owned(frame, 40), Ok(()));
}
