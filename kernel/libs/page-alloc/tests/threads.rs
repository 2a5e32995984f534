//! Several CPUs at once: every frame has one owner at a time, and nothing is lost.
mod machine;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use machine::{Machine, node, span};
use page_alloc::{CACHE_FRAMES, CpuCache, FreeError, Grant, NodeStats, PageAllocator, Request};
use units::FrameNumber;

const THREADS: u32 = 4;
const ROUNDS: u32 = 20_000;
const FRAMES: u64 = 12_000;
/// Single frames that a CPU takes from its cache and gives back in a row, each so many rounds.
const BURST: usize = CACHE_FRAMES + 100;
const BURST_EVERY: u32 = 100;

/// Who has each frame: 0 for nobody.
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

struct Shared<'p> {
    pages: &'p PageAllocator<'p>,
    owners: Owners,
    /// Grants that one thread leaves for another to free, with whose they are.
    left: Mutex<Vec<(u32, Grant)>>,
}

/// Allocates, frees and leaves grants for the others, through a CPU's cache; frees all that it has left, and drains the
/// cache. The frames it was granted.
fn work<'p>(shared: &Shared<'p>, me: u32, cache: &mut CpuCache<'p>) -> u64 {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 >> me);
    let mut mine: Vec<(u32, Grant)> = Vec::new();
    let mut granted = 0;
    for round in 0..ROUNDS {
        if round % BURST_EVERY == 0 {
            // More than the cache has room for, so that it gives back most of them.
            let node = cache.node().unwrap();
            let frames: Vec<_> = (0..BURST).map_while(|_| shared.pages.allocate_cached(cache)).collect();
            let grants = frames.into_iter().map(|frame| Grant { frame, count: 1, node, fell_back: false });
            let grants: Vec<_> = grants.inspect(|grant| shared.owners.pass(grant, 0, me)).collect();
            granted += grants.len() as u64;
            grants.into_iter().for_each(|grant| free(shared, (me, grant), cache));
        }
        if dice.roll(2) == 0 {
            let count = [1, 1, 1, 2, 8, 512, 1 + dice.roll(20), 1 + dice.roll(1200)][dice.roll(8) as usize];
            let cpu_node = cache.node().unwrap();
            let request = Request { cpu_node, ..Request::new(count, node(dice.roll(2) as usize)) };
            if let Some(grant) = allocate(shared, &request, cache) {
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
                free(shared, taken, cache);
            }
        }
        // The frame is taken at boot: no other thread makes a difference.
        let refused = shared.pages.free_cached(cache, FrameNumber(5), 1);
        assert_eq!(refused, Err(FreeError::NeverAdded(FrameNumber(5))));
    }
    mine.into_iter().for_each(|taken| free(shared, taken, cache));
    shared.pages.drain(cache);
    granted
}

/// From the cache if it is asked for a single frame of its node, else from the lists; what other threads have in their
/// caches stays there.
fn allocate<'p>(shared: &Shared<'p>, request: &Request, cache: &mut CpuCache<'p>) -> Option<Grant> {
    let node = cache.node().unwrap();
    if request.count == 1
        && request.preferred == node
        && let Some(frame) = shared.pages.allocate_cached(cache)
    {
        return Some(Grant { frame, count: 1, node, fell_back: false });
    }
    let give_back = |dry, _| {
        let helps = dry == node && !cache.is_empty();
        if helps {
            shared.pages.drain(cache);
        }
        helps
    };
    shared.pages.allocate_or(request, give_back).ok()
}

fn free<'p>(shared: &Shared<'p>, (owner, grant): (u32, Grant), cache: &mut CpuCache<'p>) {
    shared.owners.pass(&grant, owner, 0);
    shared.pages.free_cached(cache, grant.frame, grant.count).unwrap();
}

#[test]
fn no_frame_has_two_owners_and_none_is_lost() {
    let spans = [span(0, 0, 5000), span(1, 5000, 9000), span(0, 9500, FRAMES)];
    let mut machine = Machine::new(&spans, &[&[0, 1], &[1, 0]]);
    let cpus: Vec<_> = (1..=THREADS as usize + 1).map(|me| node(me % 2)).collect();
    let (pages, mut caches) = machine.pages_and_caches(&cpus);
    let mut last_cache = caches.pop().unwrap();
    pages.add_free(units::FrameRange::new(10, 9000)).unwrap();
    pages.add_free(spans[2].frames).unwrap();
    let report =
        || [0, 1].map(|index| (pages.node_stats(node(index)).unwrap(), pages.free_by_order(node(index))));
    let before = report();

    let owners = Owners((0..FRAMES).map(|_| AtomicU32::new(0)).collect());
    let shared = Shared { pages: &pages, owners, left: Mutex::new(Vec::new()) };
    let granted: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (1..)
            .zip(caches)
            .map(|(me, mut cache)| {
                scope.spawn({
                    let shared = &shared;
                    move || work(shared, me, &mut cache)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let left = std::mem::take(&mut *shared.left.lock().unwrap());
    left.into_iter().for_each(|taken| free(&shared, taken, &mut last_cache));
    pages.drain(&mut last_cache);

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
    let (pages, mut caches) = machine.pages_and_caches(&[node(0), node(0)]);
    pages.add_free(units::FrameRange::new(1, 2048)).unwrap();
    let (mut first, mut second) = (caches.pop().unwrap(), caches.pop().unwrap());
    for round in 0..ROUNDS / 4 {
        let frame = pages.allocate_cached(&mut first).unwrap();
        let both = Barrier::new(2);
        let freed = thread::scope(|scope| {
            let other = scope.spawn(|| {
                both.wait();
                if round % 2 == 0 { pages.free(frame, 1) } else { pages.free_cached(&mut second, frame, 1) }
            });
            both.wait();
            [pages.free_cached(&mut first, frame, 1).is_ok(), other.join().unwrap().is_ok()]
        });
        assert_eq!(freed.iter().filter(|freed| **freed).count(), 1, "{freed:?} in round {round}");
        assert_eq!(pages.node_stats(node(0)).unwrap().free, 2047);
    }
    pages.drain(&mut first);
    pages.drain(&mut second);
    assert_eq!(pages.allocate(&Request::new(1024, node(0))).unwrap().frame, FrameNumber(1024));
}
