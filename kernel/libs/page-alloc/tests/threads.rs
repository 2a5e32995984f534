//! Several CPUs at once: every frame has one owner at a time, and nothing is lost.
mod machine;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use machine::{Machine, node, span};
use page_alloc::{FreeError, Grant, NodeStats, PageAllocator, Request};
use units::FrameNumber;

const THREADS: u32 = 4;
const ROUNDS: u32 = 20_000;
const FRAMES: u64 = 12_000;

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

/// Allocates, frees and leaves grants for the others; frees all that it has left. The frames it was granted.
fn work(shared: &Shared<'_>, me: u32) -> u64 {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 >> me);
    let mut mine: Vec<(u32, Grant)> = Vec::new();
    let mut granted = 0;
    for _ in 0..ROUNDS {
        if dice.roll(2) == 0 {
            let count = [1, 1, 1, 2, 8, 512, 1 + dice.roll(20), 1 + dice.roll(1200)][dice.roll(8) as usize];
            let cpu_node = node(me as usize % 2);
            let request = Request { cpu_node, ..Request::new(count, node(dice.roll(2) as usize)) };
            if let Ok(grant) = shared.pages.allocate(&request) {
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
                free(shared, taken);
            }
        }
        // The frame is taken at boot: no other thread makes a difference.
        assert_eq!(shared.pages.free(FrameNumber(5), 1), Err(FreeError::NeverAdded(FrameNumber(5))));
    }
    mine.into_iter().for_each(|taken| free(shared, taken));
    granted
}

fn free(shared: &Shared<'_>, (owner, grant): (u32, Grant)) {
    shared.owners.pass(&grant, owner, 0);
    shared.pages.free(grant.frame, grant.count).unwrap();
}

#[test]
fn no_frame_has_two_owners_and_none_is_lost() {
    let spans = [span(0, 0, 5000), span(1, 5000, 9000), span(0, 9500, FRAMES)];
    let mut machine = Machine::new(&spans, &[&[0, 1], &[1, 0]]);
    let pages = machine.pages();
    pages.add_free(units::FrameRange::new(10, 9000)).unwrap();
    pages.add_free(spans[2].frames).unwrap();
    let report =
        || [0, 1].map(|index| (pages.node_stats(node(index)).unwrap(), pages.free_by_order(node(index))));
    let before = report();

    let owners = Owners((0..FRAMES).map(|_| AtomicU32::new(0)).collect());
    let shared = Shared { pages: &pages, owners, left: Mutex::new(Vec::new()) };
    let granted: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (1..=THREADS)
            .map(|me| {
                scope.spawn({
                    let shared = &shared;
                    move || work(shared, me)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let left = std::mem::take(&mut *shared.left.lock().unwrap());
    left.into_iter().for_each(|taken| free(&shared, taken));

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
