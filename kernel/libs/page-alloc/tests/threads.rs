//! Several CPUs at once: every frame has one owner at a time, and nothing is lost.
mod machine;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use machine::{Machine, cpus, node, span, take, uncached};
use page_alloc::{CACHE_FRAMES, CpuCache, FreeError, Grant, NodeStats, Request};
use units::FrameNumber;

const THREADS: u32 = 4;
const ROUNDS: u32 = 20_000;
const FRAMES: u64 = 12_000;
/// The number of single frames that a CPU takes and frees in a row, once in `BURST_EVERY` rounds.
const BURST: usize = CACHE_FRAMES + 100;
const BURST_EVERY: u32 = 100;

/// The owner of each frame: 0 for none.
struct Owners(Vec<AtomicU32>);

impl Owners {
    fn pass(&self, grant: &Grant, from: u32, to: u32) {
        for frame in grant.frame.0..grant.frame.0 + grant.count {
            let before = self.0[frame as usize].swap(to, Ordering::Relaxed);
            assert_eq!(before, from, "frame {frame} of {grant:?}");
        }
    }
}

/// Numbers that look random (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % sides
    }
}

struct Shared {
    owners: Owners,
    /// Grants that one thread leaves for another to free, each with its owner.
    left: Mutex<Vec<(u32, Grant)>>,
}

/// Allocates, frees and leaves grants for the others on a CPU; then frees all its own, and drains the cache. Returns the number
/// of frames that it was granted.
fn work(shared: &Shared, me: u32, cpu: &CpuCache<'_>) -> u64 {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 >> me);
    let mut mine: Vec<(u32, Grant)> = Vec::new();
    let mut granted = 0;
    for round in 0..ROUNDS {
        if round % BURST_EVERY == 0 {
            // More than the cache has room for, so that it returns most of them.
            let strict = Request { strict: true, ..Request::page() };
            let grants = (0..BURST).map_while(|_| allocate(&strict, cpu));
            let grants: Vec<_> = grants.inspect(|grant| shared.owners.pass(grant, 0, me)).collect();
            granted += grants.len() as u64;
            grants.into_iter().for_each(|grant| free(shared, (me, grant), cpu));
        }
        if dice.roll(2) == 0 {
            let count = [1, 1, 1, 2, 8, 512, 1 + dice.roll(20), 1 + dice.roll(1200)][dice.roll(8) as usize];
            let preferred = Some(node(dice.roll(2) as usize)).filter(|preferred| *preferred != cpu.node());
            if let Some(grant) = allocate(&Request { preferred, ..Request::local(count) }, cpu) {
                shared.owners.pass(&grant, 0, me);
                granted += grant.count;
                mine.push((me, grant));
            }
        } else if !mine.is_empty() {
            let taken = mine.swap_remove(dice.roll(mine.len() as u64) as usize);
            if dice.roll(4) == 0 {
                shared.left.lock().unwrap().push(taken);
                mine.extend(shared.left.lock().unwrap().pop());
            } else {
                free(shared, taken, cpu);
            }
        }
        // The frame is in use since boot: no other thread makes a difference.
        let refused = cpu.free(FrameNumber(5), 1);
        assert_eq!(refused, Err(FreeError::NeverAdded(FrameNumber(5))));
    }
    mine.into_iter().for_each(|taken| free(shared, taken, cpu));
    cpu.drain();
    granted
}

/// Allocates; frames in the other threads' caches stay there.
fn allocate(request: &Request, cpu: &CpuCache<'_>) -> Option<Grant> {
    machine::allocate(cpu, request).ok()
}

fn free(shared: &Shared, (owner, grant): (u32, Grant), cpu: &CpuCache<'_>) {
    shared.owners.pass(&grant, owner, 0);
    cpu.free(grant.frame, grant.count).unwrap();
}

#[test]
fn no_frame_has_two_owners_and_none_is_lost() {
    let spans = [span(0, 0, 5000), span(1, 5000, 9000), span(0, 9500, FRAMES)];
    let mut machine = Machine::new(&spans, &[&[0, 1], &[1, 0]]);
    let nodes: Vec<_> = (1..=THREADS as usize + 1).map(|me| node(me % 2)).collect();
    let (pages, memory) = machine.pages_and_memory(nodes.len());
    let mut cpus = cpus(&pages, &nodes, memory);
    let last = cpus.pop().unwrap();
    pages.add(units::FrameRange::new(10, 9000)).unwrap();
    pages.add(spans[2].frames).unwrap();
    let report = || [0, 1].map(|index| (pages.stats(node(index)).unwrap(), pages.free_by_order(node(index))));
    let before = report();

    let owners = Owners((0..FRAMES).map(|_| AtomicU32::new(0)).collect());
    let shared = Shared { owners, left: Mutex::new(Vec::new()) };
    let granted: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (1..)
            .zip(cpus)
            .map(|(me, cpu)| {
                scope.spawn({
                    let shared = &shared;
                    move || work(shared, me, &cpu)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let left = std::mem::take(&mut *shared.left.lock().unwrap());
    left.into_iter().for_each(|taken| free(&shared, taken, &last));
    last.drain();

    let after = report();
    for ((stats, by_order), (stats_before, by_order_before)) in after.iter().zip(&before) {
        assert_eq!((stats.free, by_order), (stats_before.free, by_order_before));
    }
    let sum = |count: fn(&NodeStats) -> u64| after.iter().map(|(stats, _)| count(stats)).sum::<u64>();
    assert_eq!(sum(|stats| stats.hit + stats.miss), granted);
    assert_eq!(sum(|stats| stats.local + stats.other), granted);
    assert_eq!(sum(|stats| stats.miss), sum(|stats| stats.foreign));
    assert_eq!(sum(|stats| stats.refused_frees), u64::from(THREADS * ROUNDS));
    assert!(sum(|stats| stats.miss) > 0, "no thread ever fell back: the memory is too large for this test");
}

#[test]
fn of_two_that_free_a_frame_at_once_one_is_refused() {
    let mut machine = Machine::new(&[span(0, 0, 2048)], &[&[0]]);
    let (pages, memory) = machine.pages_and_memory(2);
    pages.add(units::FrameRange::new(1, 2048)).unwrap();
    let mut cpus = cpus(&pages, &[node(0), node(0)], memory);
    let (first, mut second) = (cpus.pop().unwrap(), cpus.pop().unwrap());
    let mut without_cache = uncached(&pages, 0);
    for round in 0..ROUNDS / 4 {
        let frame = take(&first).unwrap();
        let both = Barrier::new(2);
        let freed = thread::scope(|scope| {
            let other = if round % 2 == 0 { &mut without_cache } else { &mut second };
            let both = &both;
            let other = scope.spawn(move || {
                both.wait();
                other.free(frame, 1)
            });
            both.wait();
            [first.free(frame, 1).is_ok(), other.join().unwrap().is_ok()]
        });
        assert_eq!(freed.iter().filter(|freed| **freed).count(), 1, "{freed:?} in round {round}");
        assert_eq!(pages.stats(node(0)).unwrap().free, 2047);
    }
    first.drain();
    second.drain();
    assert_eq!(allocate(&Request::local(1024), &first).unwrap().frame, FrameNumber(1024));
}
