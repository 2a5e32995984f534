//! What a CPU's cache does, and what must not be seen of it.
mod machine;

use std::cell::Cell;
use std::collections::BTreeSet;

use machine::{Machine, allocate, cpus, node, span, take, uncached};
use page_alloc::{AllocateError, CACHE_FRAMES, CpuCache, FreeError, Request};
use units::{FrameNumber, FrameRange, NodeId};

const STRICT: Request = Request { strict: true, ..Request::page() };

fn empty(cpu: &CpuCache<'_>) {
    while !cpu.is_empty() {
        take(cpu).unwrap();
    }
}

#[test]
fn a_free_that_is_refused_leaves_a_full_cache_as_it_was() {
    let mut machine = Machine::new(&[span(0, 0, 4096)], &[&[0]]);
    let (pages, memory) = machine.pages_and_memory(1);
    pages.add(FrameRange::new(512, 4096)).unwrap();
    let cpu = &cpus(&pages, &[node(0)], memory)[0];
    let frames: Vec<_> = (0..=CACHE_FRAMES).map(|_| take(cpu).unwrap()).collect();
    cpu.drain();
    let (last, others) = frames.split_last().unwrap();
    others.iter().for_each(|frame| cpu.free(*frame, 1).unwrap());
    assert_eq!(cpu.len(), CACHE_FRAMES);
    let before = pages.free_by_order(node(0));

    assert_eq!(cpu.free(others[0], 1), Err(FreeError::AlreadyFree(others[0])));
    assert_eq!((cpu.len(), pages.free_by_order(node(0))), (CACHE_FRAMES, before));

    cpu.free(*last, 1).unwrap();
    assert_eq!(cpu.len(), CACHE_FRAMES - 64 + 1);
}

#[test]
fn a_cpu_without_a_cache_leaves_all_to_the_nodes() {
    let mut machine = Machine::new(&[span(0, 0, 1024)], &[&[0]]);
    let pages = machine.pages_all_free();
    let cpu = uncached(&pages, 0);
    let grant = allocate(&cpu, &Request::page()).unwrap();
    assert!(!grant.cached);
    cpu.free(grant.frame, 1).unwrap();
    assert_eq!(cpu.free(grant.frame, 1), Err(FreeError::AlreadyFree(grant.frame)));
    cpu.drain();
    assert_eq!((cpu.view().node(), cpu.len()), (None, 0));
    assert_eq!(pages.stats(node(0)).unwrap().free, 1023);
}

#[test]
fn a_detached_cache_refuses_every_call_and_an_attached_one_stays_with_its_allocator() {
    let cpu = CpuCache::<spin::Mutex<()>>::detached();
    let no_fit = AllocateError::NoFit { preferred: NodeId::ZERO, count: 1 };
    assert_eq!(cpu.allocate(&Request::page(), |_| ()), Err(no_fit));
    assert_eq!(cpu.free(FrameNumber(7), 1), Err(FreeError::NotMemory(FrameNumber(7))));
    assert_eq!(cpu.free_kernel_owned(FrameNumber(7), 1), Err(FreeError::NotMemory(FrameNumber(7))));
    cpu.drain();

    let (mut first, mut second) = (
        Machine::new(&[span(0, 0, 8)], &[&[0]]),
        Machine::new(&[span(0, 0, 8), span(1, 8, 16)], &[&[0], &[1]]),
    );
    let (first, second) = (first.pages_all_free(), second.pages_all_free());
    let cpu = uncached(&first, 0);
    cpu.attach(&second, node(1));
    assert_eq!(cpu.node(), node(0));
    allocate(&cpu, &Request::page()).unwrap();
    assert_eq!((first.stats(node(0)).unwrap().free, second.stats(node(0)).unwrap().free), (6, 7));
}

#[test]
fn what_was_freed_last_is_handed_out_first_wherever_the_ring_begins() {
    let mut machine = Machine::new(&[span(0, 0, 4096)], &[&[0]]);
    let (pages, memory) = machine.pages_and_memory(1);
    pages.add(FrameRange::new(512, 4096)).unwrap();
    let cpu = &cpus(&pages, &[node(0)], memory)[0];
    let frames: Vec<_> = (0..5 * CACHE_FRAMES).map(|_| take(cpu).unwrap()).collect();
    cpu.drain();
    for frame in &frames {
        cpu.free(*frame, 1).unwrap();
        assert_eq!(take(cpu), Some(*frame));
        cpu.free(*frame, 1).unwrap();
    }
    let cached = cpu.len();
    let again: Vec<_> = (0..cached).map(|_| take(cpu).unwrap()).collect();
    assert!(again.iter().eq(frames.iter().rev().take(cached)), "{again:?}");
    assert!(cpu.is_empty());
}

#[test]
fn each_cache_of_a_node_has_a_block_of_its_own_to_be_filled_from_until_it_is_drained() {
    let mut machine = Machine::new(&[span(0, 0, 6144)], &[&[0]]);
    let (pages, memory) = machine.pages_and_memory(8);
    pages.add(FrameRange::new(512, 6144)).unwrap();
    let cpus = cpus(&pages, &[node(0); 8], memory);
    let (last, others) = cpus.split_last().unwrap();
    let block_of_next = |cpu: &CpuCache<'_>| take(cpu).unwrap().0 / 512;
    let own: Vec<_> = others.iter().map(block_of_next).collect();
    assert_eq!(own.iter().collect::<BTreeSet<_>>().len(), others.len());
    // A block has 512 frames.
    for _ in 1..512 {
        assert!(others.iter().map(block_of_next).eq(own.iter().copied()));
    }
    let next = block_of_next(&others[0]);
    assert!(!own.contains(&next));
    others[0].drain();
    assert_eq!(block_of_next(last), next);
}

#[test]
fn a_cache_is_filled_with_more_words_each_time_until_it_is_drained_but_with_at_most_64_frames() {
    let mut machine = Machine::new(&[span(0, 0, 4096)], &[&[0]]);
    let (pages, memory) = machine.pages_and_memory(1);
    // 24 frames of each word of a block, and then whole words.
    (0..8).for_each(|word| _ = pages.add(FrameRange::new(512 + word * 64, 536 + word * 64)).unwrap());
    pages.add(FrameRange::new(1024, 4096)).unwrap();
    let cpu = &cpus(&pages, &[node(0)], memory)[0];
    for at_once in [24, 48, 48, 48, 24, 64, 64] {
        assert!(take(cpu).is_some());
        assert_eq!(cpu.len() + 1, at_once);
        empty(cpu);
    }
    cpu.drain();
    assert!(take(cpu).is_some());
    assert_eq!(cpu.len() + 1, 64);
}

#[test]
fn a_full_cache_returns_frames_of_at_most_six_words_at_once() {
    let mut machine = Machine::new(&[span(0, 0, 512 * 600)], &[&[0]]);
    let (pages, memory) = machine.pages_and_memory(1);
    pages.add(FrameRange::new(512, 512 * 600)).unwrap();
    let cpu = &cpus(&pages, &[node(0)], memory)[0];
    let blocks: Vec<_> = (0..=CACHE_FRAMES).map(|_| allocate(cpu, &Request::local(511)).unwrap()).collect();
    // Now each block has one free frame.
    let frames: Vec<_> =
        blocks.iter().map(|_| allocate(&uncached(&pages, 0), &Request::page()).unwrap()).collect();
    let (last, others) = frames.split_last().unwrap();
    others.iter().for_each(|grant| cpu.free(grant.frame, 1).unwrap());
    assert_eq!(cpu.len(), CACHE_FRAMES);
    cpu.free(last.frame, 1).unwrap();
    assert_eq!(cpu.len(), CACHE_FRAMES - 6 + 1);
    assert!(cpu.drain_some());
    assert_eq!(cpu.len(), CACHE_FRAMES - 12 + 1);
    cpu.drain();
    assert!(cpu.is_empty() && !cpu.drain_some());
}

#[test]
fn a_word_s_last_frame_is_put_by_its_block_and_a_grant_s_first_is_not() {
    let mut machine = Machine::new(&[span(0, 0, 4096)], &[&[0]]);
    let (pages, memory) = machine.pages_and_memory(1);
    pages.add(FrameRange::new(512, 1024)).unwrap();
    let cpu = &cpus(&pages, &[node(0)], memory)[0];
    // As many as a cache is filled with at once.
    let first = take(cpu).unwrap();
    let frames: Vec<_> = (0..cpu.len()).map(|_| take(cpu).unwrap()).collect();
    let (last, two) = (frames[frames.len() - 1], allocate(cpu, &Request::local(2)).unwrap());
    assert_eq!((first, last.0 % 64, two.frame.0), (FrameNumber(512), 63, last.0 + 1));
    assert_eq!(cpu.free(two.frame, 1), Err(FreeError::WrongCount { frame: two.frame, count: 1, granted: 2 }));
    cpu.free(last, 1).unwrap();
    assert_eq!(cpu.len(), 1);
    assert_eq!(cpu.free(last, 1), Err(FreeError::AlreadyFree(last)));
}

#[test]
fn other_caches_are_drained_only_if_they_hold_frames_of_the_node_that_has_none() {
    let mut machine = Machine::new(&[span(0, 0, 1024), span(1, 1024, 2048)], &[&[0, 1], &[1, 0]]);
    let (pages, memory) = machine.pages_and_memory(2);
    pages.add(FrameRange::new(512, 514)).unwrap();
    let cpus = cpus(&pages, &[node(0); 2], memory);
    let [first, second] = &cpus[..] else { unreachable!() };
    let asked = Cell::new(0);
    let allocate = |cpu: &CpuCache<'_>| {
        cpu.allocate(&STRICT, |dry| {
            assert_eq!(dry, node(0));
            asked.set(asked.get() + 1);
        })
    };
    let taken = allocate(first).unwrap();
    assert_eq!(asked.get(), 0);
    assert!(allocate(second).is_err());
    assert_eq!(asked.get(), 1, "the first CPU has a frame in its cache");
    let last = allocate(first).unwrap();
    assert!(taken.cached && last.cached);
    assert!(allocate(second).is_err() && allocate(&uncached(&pages, 0)).is_err());
    assert_eq!(asked.get(), 1, "no cache has a frame");
    for grant in [taken, last] {
        second.free(grant.frame, 1).unwrap();
    }
    assert!(allocate(second).is_ok());
    let drained = first.allocate(&STRICT, |_| second.drain()).unwrap();
    assert_eq!((drained.node, second.len()), (node(0), 0));
}

#[test]
fn a_node_is_asked_once_before_its_fallback_though_other_caches_keep_their_frames() {
    let mut machine = Machine::new(&[span(0, 0, 1024), span(1, 1024, 2048)], &[&[0, 1], &[1, 0]]);
    let (pages, memory) = machine.pages_and_memory(2);
    pages.add(FrameRange::new(512, 514)).unwrap();
    pages.add(FrameRange::new(1024, 2048)).unwrap();
    let cpus = cpus(&pages, &[node(0); 2], memory);
    take(&cpus[0]).unwrap();
    for request in [Request::page(), Request { interleaved: true, ..Request::page() }] {
        let asked = Cell::new(0);
        let grant = cpus[1].allocate(&request, |_| asked.set(asked.get() + 1)).unwrap();
        assert_eq!((grant.node, grant.fell_back, asked.get()), (node(1), true, 1), "{request:?}");
    }
}

#[test]
fn a_cpu_may_drain_its_own_cache_while_it_waits_for_others() {
    let mut machine = Machine::new(&[span(0, 0, 1024), span(1, 1024, 2048)], &[&[0, 1], &[1, 0]]);
    let (pages, memory) = machine.pages_and_memory(2);
    pages.add(FrameRange::new(512, 640)).unwrap();
    pages.add(FrameRange::new(1024, 1026)).unwrap();
    let cpus = cpus(&pages, &[node(0), node(1)], memory);
    let [here, there] = &cpus[..] else { unreachable!() };
    take(here).unwrap();
    take(there).unwrap();
    assert!(!here.is_empty() && !there.is_empty());
    let both = || {
        here.drain();
        there.drain();
    };
    let grant = here.allocate(&Request { strict: true, ..Request::new(1, node(1)) }, |_| both()).unwrap();
    assert_eq!((grant.node, here.len(), there.len()), (node(1), 0, 0));
    here.free(grant.frame, 1).unwrap();
    assert_eq!(pages.stats(node(0)).unwrap().free + pages.stats(node(1)).unwrap().free, 128);
}

#[test]
fn a_chunk_that_was_just_freed_is_granted_again_also_at_the_end_of_its_word_or_block() {
    let mut machine = Machine::new(&[span(0, 0, 4096)], &[&[0]]);
    let (pages, memory) = machine.pages_and_memory(1);
    pages.add(FrameRange::new(512, 2048)).unwrap();
    let cpu = &cpus(&pages, &[node(0)], memory)[0];
    for order in 0..6 {
        let count = 1 << order;
        let request = Request::local(count);
        let grants: Vec<_> = (0..512 / count).map(|_| allocate(cpu, &request).unwrap().frame).collect();
        let mut held = Vec::new();
        for frame in grants.into_iter().rev() {
            cpu.free(frame, count).unwrap();
            assert_eq!(cpu.free(frame, count), Err(FreeError::AlreadyFree(frame)), "{count} frames");
            let again = allocate(cpu, &request).unwrap().frame;
            assert_eq!(again, frame, "{count} frames");
            // The chunk behind must not be taken for a part of it, nor it for a part of a longer grant.
            assert!(cpu.free(frame, 2 * count).is_err());
            held.push(frame);
        }
        for frame in held {
            cpu.free(frame, count).unwrap();
        }
        cpu.drain();
    }
}
