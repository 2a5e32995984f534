//! Memory that is added and taken offline after boot.
mod machine;

use std::alloc::Layout;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use machine::{Machine, allocate, cpus, leak, node, span, take, uncached};
use page_alloc::{
    AddError, CACHE_FRAMES, FreeError, GrowError, IsolateError, NodeFrames, PageOwner, Request,
};
use units::{FrameNumber, FrameRange};

#[test]
fn removed_frames_are_granted_to_nobody_until_they_are_added_again() {
    let mut machine = Machine::new(&[span(0, 0, 8192)], &[&[0]]);
    let pages = machine.pages();
    let cpu = uncached(&pages, 0);
    pages.add(FrameRange::new(1024, 8192)).unwrap();
    let whole = pages.free_by_order(node(0));
    let removed = FrameRange::new(1500, 6700);

    assert_eq!(pages.isolate(removed), Ok(5200));
    let stats = pages.stats(node(0)).unwrap();
    assert_eq!((stats.total, stats.managed, stats.free), (8192, 7168 - 5200, 7168 - 5200));
    while let Ok(grant) = allocate(&cpu, &Request::new(1, node(0))) {
        assert!(!removed.contains(grant.frame));
    }
    assert_eq!(cpu.free(FrameNumber(1500), 1), Err(FreeError::NeverAdded(FrameNumber(1500))));
    assert_eq!(pages.node_of(FrameNumber(1500)), Some(node(0)));

    assert_eq!(pages.add(removed), Ok(5200));
    assert_eq!(pages.add(removed), Err(AddError::AlreadyAdded(removed.start)));
    for frame in (1024..8192).map(FrameNumber).filter(|frame| !removed.contains(*frame)) {
        cpu.free(frame, 1).unwrap();
    }
    assert_eq!(pages.free_by_order(node(0)), whole);
}

#[test]
fn blocks_that_were_removed_piece_by_piece_can_be_added_whole_and_not_twice() {
    let mut machine = Machine::new(&[span(0, 0, 4096)], &[&[0]]);
    let pages = machine.pages_all_free();
    let whole = pages.free_by_order(node(0));
    for piece in [FrameRange::new(1024, 1600), FrameRange::new(1600, 2100), FrameRange::new(2100, 2560)] {
        pages.isolate(piece).unwrap();
    }

    assert_eq!(pages.add(FrameRange::new(1024, 2560)), Ok(1536));

    for piece in [FrameRange::new(1100, 1200), FrameRange::new(1600, 1700), FrameRange::new(2048, 2560)] {
        assert_eq!(pages.add(piece), Err(AddError::AlreadyAdded(piece.start)));
    }
    assert_eq!(pages.free_by_order(node(0)), whole);
}

#[test]
fn a_frame_in_use_refuses_all_of_a_range_over_two_nodes() {
    let mut machine = Machine::new(&[span(0, 0, 2048), span(1, 2048, 4096)], &[&[0], &[1]]);
    let pages = machine.pages_all_free();
    let cpu = uncached(&pages, 0);
    let grant = allocate(&cpu, &Request::new(8, node(1))).unwrap();
    let before = (pages.stats(node(0)), pages.free_by_order(node(0)), pages.free_by_order(node(1)));

    assert_eq!(pages.isolate(FrameRange::new(1000, 4096)), Err(IsolateError::InUse(grant.frame)));
    assert_eq!(pages.isolate(FrameRange::new(0, 5000)), Err(IsolateError::InUse(grant.frame)));
    cpu.free(grant.frame, 8).unwrap();
    assert_eq!(pages.isolate(FrameRange::new(0, 5000)), Err(IsolateError::NotMemory(FrameNumber(4096))));
    let grant = allocate(&cpu, &Request::new(8, node(1))).unwrap();
    assert_eq!(before, (pages.stats(node(0)), pages.free_by_order(node(0)), pages.free_by_order(node(1))));

    cpu.free(grant.frame, 8).unwrap();
    assert_eq!(pages.isolate(FrameRange::new(0, 4096)), Ok(4095));
    assert_eq!(
        pages.isolate(FrameRange::new(0, 1)),
        Ok(0),
        "frame 0 is never the allocator's, and passed over"
    );
    assert_eq!(
        pages.isolate(FrameRange::new(7, 9)),
        Err(IsolateError::NeverAdded(FrameNumber(7))),
        "they are gone already"
    );
}

#[test]
fn new_memory_is_granted_freed_and_removed_like_any_other() {
    let mut machine = Machine::new(&[span(0, 0, 1024), span(1, 4096, 5120)], &[&[0, 1], &[1, 0]]);
    let pages = machine.pages_all_free();
    let cpu = uncached(&pages, 0);
    for (index, memory) in
        [span(1, 9000, 13000), span(1, 1024, 4096), span(1, 1 << 30, (1 << 30) + 512)].into_iter().enumerate()
    {
        let metadata = leak(pages.growth_layout(memory).unwrap());
        let before = pages.stats(node(1)).unwrap();
        let frames = memory.frames.len_frames();
        assert_eq!(pages.add_memory(memory, memory.frames, metadata), Ok(frames));
        let after = pages.stats(node(1)).unwrap();
        assert_eq!((after.total, after.free), (before.total + frames, before.free + frames), "{index}");
        assert_eq!(pages.node_of(memory.frames.start), Some(node(1)));
    }
    let whole = pages.free_by_order(node(1));
    let strict = Request { strict: true, ..Request::new(1, node(1)) };
    let mut grants = Vec::new();
    while let Ok(grant) = allocate(&cpu, &strict) {
        grants.push(grant.frame);
    }
    assert_eq!(grants.len(), 1024 + 4000 + 3072 + 512);
    grants.iter().for_each(|frame| cpu.free(*frame, 1).unwrap());
    assert_eq!(cpu.free(grants[0], 1), Err(FreeError::AlreadyFree(grants[0])));
    assert_eq!(pages.free_by_order(node(1)), whole);

    assert_eq!(pages.isolate(FrameRange::new(9000, 13000)), Ok(4000));
    assert_eq!(pages.growth_layout(span(1, 8999, 13000)), Err(GrowError::Known(FrameNumber(9000))));
    assert_eq!(pages.add(FrameRange::new(9000, 13000)), Ok(4000));
    assert_eq!(pages.free_by_order(node(1)), whole);
}

#[test]
fn a_node_without_memory_gets_some_and_is_then_asked_in_its_place() {
    let mut machine = Machine::new(&[span(0, 0, 1024)], &[&[0, 1], &[1, 0]]);
    let (pages, bytes) = machine.pages_and_memory(1);
    pages.add(FrameRange::new(512, 1024)).unwrap();
    let (cpu, cached) = (uncached(&pages, 0), &cpus(&pages, &[node(1)], bytes)[0]);
    assert_eq!(allocate(&cpu, &Request::new(1, node(1))).unwrap().node, node(0));
    assert!(take(cached).is_none());

    let memory = span(1, 2000, 3000);
    let metadata = leak(pages.growth_layout(memory).unwrap());
    // As if the first ten frames contained the metadata.
    assert_eq!(pages.add_memory(memory, FrameRange::new(2010, 3000), metadata), Ok(990));
    assert_eq!(pages.isolate(memory.frames), Err(IsolateError::NeverAdded(FrameNumber(2000))));
    assert_eq!(allocate(&cpu, &Request::new(1, node(1))).unwrap().node, node(1));
    let frame = take(cached).unwrap();
    assert_eq!(pages.node_of(frame), Some(node(1)));
    cached.free(frame, 1).unwrap();
    cached.drain();
    assert_eq!(pages.stats(node(1)).unwrap().free, 989);
}

#[test]
fn memory_that_cannot_be_added_is_named() {
    let mut machine = Machine::new(&[span(0, 100, 1024)], &[&[0]]);
    let pages = machine.pages_all_free();
    let add = |memory: NodeFrames, free, bytes: usize| {
        let layout = Layout::from_size_align(bytes, 128).unwrap();
        pages.add_memory(memory, free, leak(layout))
    };
    let new = span(0, 1024, 3000);
    let enough = pages.growth_layout(new).unwrap().size();
    let before = (pages.stats(node(0)), pages.free_by_order(node(0)));
    assert_eq!(add(span(0, 7, 7), new.frames, enough), Err(GrowError::Empty));
    assert_eq!(add(span(0, 0, 3000), new.frames, enough), Err(GrowError::Known(FrameNumber(100))));
    assert_eq!(add(span(0, 1000, 3000), new.frames, enough), Err(GrowError::Known(FrameNumber(1000))));
    assert_eq!(add(span(1, 1024, 3000), new.frames, enough), Err(GrowError::NoSuchNode(node(1))));
    assert_eq!(add(span(0, 1024, u64::MAX), new.frames, enough), Err(GrowError::TooHigh(FrameNumber(1024))));
    let free = |start, end| add(new, FrameRange::new(start, end), enough);
    assert_eq!(free(1000, 2000), Err(GrowError::NotInMemory(FrameNumber(1000))));
    assert_eq!(free(2000, 3001), Err(GrowError::NotInMemory(FrameNumber(3000))));
    assert_eq!(add(new, new.frames, enough - 1), Err(GrowError::MetadataTooSmall(node(0))));
    assert_eq!(before, (pages.stats(node(0)), pages.free_by_order(node(0))));
    assert_eq!(pages.node_of(FrameNumber(1024)), None);
    assert_eq!(add(new, FrameRange::new(1500, 1500), enough), Ok(0));
    assert_eq!(pages.add(new.frames), Ok(1976));
}

#[test]
fn cached_frames_are_in_the_way_until_drained_and_then_forgotten() {
    let mut machine = Machine::new(&[span(0, 0, 1024)], &[&[0]]);
    let (pages, bytes) = machine.pages_and_memory(1);
    let all = FrameRange::new(512, 1024);
    pages.add(all).unwrap();
    let cpu = &cpus(&pages, &[node(0)], bytes)[0];
    let frames: Vec<_> = (0..CACHE_FRAMES).map(|_| take(cpu).unwrap()).collect();
    frames.iter().for_each(|frame| cpu.free(*frame, 1).unwrap());
    let lowest = *frames.iter().min().unwrap();

    assert_eq!(pages.isolate(all), Err(IsolateError::Cached(lowest)));
    cpu.drain();
    assert_eq!(pages.isolate(all), Ok(512));
    assert_eq!(cpu.free(lowest, 1), Err(FreeError::NeverAdded(lowest)));
    assert_eq!(pages.add(all), Ok(512));
    assert_eq!(cpu.free(lowest, 1), Err(FreeError::AlreadyFree(lowest)));
}

#[test]
fn frames_of_memory_that_is_just_being_added_are_known_to_whoever_gets_them() {
    const ADDED: u64 = 200;
    let mut machine = Machine::new(&[span(0, 1, 65)], &[&[0]]);
    let pages = machine.pages_all_free();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let cpu = uncached(&pages, 0);
                while !done.load(Ordering::Relaxed) {
                    let grants: Vec<_> =
                        (0..100).map_while(|_| allocate(&cpu, &Request::new(1, node(0))).ok()).collect();
                    for grant in grants {
                        assert_eq!(pages.node_of(grant.frame), Some(node(0)));
                        cpu.free(grant.frame, 1).unwrap();
                    }
                }
            });
        }
        for step in 0..ADDED {
            // From both ends, so that new spans come in the middle of the table.
            let start = 1000 * if step % 2 == 0 { step + 1 } else { 2 * ADDED - step };
            let memory = span(0, start, start + 40);
            let metadata = leak(pages.growth_layout(memory).unwrap());
            assert_eq!(pages.add_memory(memory, memory.frames, metadata), Ok(40));
        }
        done.store(true, Ordering::Relaxed);
    });
    let stats = pages.stats(node(0)).unwrap();
    assert_eq!((stats.total, stats.free), (64 + 40 * ADDED, 64 + 40 * ADDED));
}

#[test]
fn what_is_removed_while_others_allocate_and_free_is_nobody_s() {
    const FRAMES: u64 = 4096;
    let mut machine = Machine::new(&[span(0, 0, FRAMES)], &[&[0]]);
    let (pages, bytes) = machine.pages_and_memory(2);
    let cpus = cpus(&pages, &[node(0), node(0)], bytes);
    pages.add(FrameRange::new(0, FRAMES)).unwrap();
    let taken: Vec<_> = (0..FRAMES).map(|_| AtomicBool::new(false)).collect();
    let mark = |frame: u64, is_taken| {
        assert_eq!(taken[frame as usize].swap(is_taken, Ordering::Relaxed), !is_taken, "frame {frame}");
    };
    let done = AtomicBool::new(false);
    let removed = thread::scope(|scope| {
        for cpu in cpus {
            scope.spawn({
                let done = &done;
                move || {
                    while !done.load(Ordering::Relaxed) {
                        let frames: Vec<_> = (0..150).map_while(|_| take(&cpu)).collect();
                        frames.iter().for_each(|frame| mark(frame.0, true));
                        for frame in frames {
                            mark(frame.0, false);
                            cpu.free(frame, 1).unwrap();
                        }
                    }
                    cpu.drain();
                }
            });
        }
        let mut removed = 0;
        for step in 0..20_000u64 {
            let start = step * 1237 % (FRAMES - 700);
            let range = FrameRange::new(start, start + 1 + step % 700);
            if let Ok(frames) = pages.isolate(range) {
                removed += u64::from(frames > 0);
                (start.max(1)..range.end.0).for_each(|frame| mark(frame, true));
                (start.max(1)..range.end.0).for_each(|frame| mark(frame, false));
                assert_eq!(pages.add(range), Ok(frames));
            }
        }
        done.store(true, Ordering::Relaxed);
        removed
    });
    assert!(removed > 0);
    assert_eq!(pages.stats(node(0)).unwrap().free, FRAMES - 1);
    assert_eq!(pages.free_by_order(node(0)).unwrap()[11], 2048);
}

#[test]
fn a_kernel_owned_frame_that_came_from_a_cache_is_refused_as_others_are_however_often_the_cache_is_drained() {
    let mut machine = Machine::new(&[span(0, 0, 1024)], &[&[0]]);
    let (pages, bytes) = machine.pages_and_memory(1);
    pages.add(FrameRange::new(512, 1024)).unwrap();
    let cpu = &cpus(&pages, &[node(0)], bytes)[0];
    let frame = allocate(cpu, &Request { owner: PageOwner::KERNEL, ..Request::page() }).unwrap().frame;
    let range = FrameRange { start: frame, end: FrameNumber(1024) };
    assert_eq!(pages.isolate(range), Err(IsolateError::NeverAdded(frame)));

    cpu.drain();

    assert_eq!(pages.isolate(range), Err(IsolateError::NeverAdded(frame)));
    // The same as of a frame that no cache had.
    let other = uncached(&pages, 0)
        .allocate(&Request { owner: PageOwner::KERNEL, ..Request::page() }, |_| ())
        .unwrap()
        .frame;
    let range = FrameRange { start: other, end: FrameNumber(1024) };
    assert_eq!(pages.isolate(range), Err(IsolateError::NeverAdded(other)));
}
