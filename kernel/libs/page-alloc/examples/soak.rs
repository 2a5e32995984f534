//! Two CPUs allocate and free at random, as many times as the argument says. Every frame has one owner at a time and comes from a
//! node that its request allows. In the end all frames are free again, in the same chunks as before.
#[path = "../tests/machine/mod.rs"]
mod machine;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use std::{env, mem, thread};

use machine::{Machine, allocate, cpus, node, span};
use page_alloc::{CACHE_FRAMES, CpuCache, Grant, NodeStats, PageAllocator, Request};
use units::{FrameNumber, FrameRange, NodeSet};

const CPUS: u32 = 2;
const NODES: usize = 4;
const FALLBACK: [&[usize]; NODES] = [&[0, 1, 2, 3], &[1, 0, 3, 2], &[2, 3, 0, 1], &[3, 2, 1, 0]];
/// The first frame behind all memory.
const FRAMES_END: u64 = 40_000;
/// Orders asked for: 0 to 10.
const ORDERS: u32 = 11;
/// The number of operations after which a CPU changes from taking more than it gives to the reverse.
const TIDE: u64 = 4096;

/// The number of grants that the CPUs leave for each other, at most.
const LEFT: usize = 16;

struct Shared<'p> {
    pages: &'p PageAllocator<'p>,
    /// The owner of each frame: 0 for none.
    owners: Vec<AtomicU32>,
    /// Grants that a CPU leaves for either to free.
    left: Mutex<Vec<Grant>>,
}

impl Shared<'_> {
    fn pass(&self, grant: &Grant, from: u32, to: u32) {
        for frame in grant.frame.0..grant.frame.0 + grant.count {
            let before = self.owners[frame as usize].swap(to, Ordering::Relaxed);
            assert!(before == from, "frame {frame} of {grant:?} is {before}'s and not {from}'s");
        }
    }
}

struct Cpu<'s, 'p> {
    shared: &'s Shared<'p>,
    access: CpuCache<'p>,
    me: u32,
    dice: u64,
    held: Vec<Grant>,
    granted: u64,
}

impl<'s, 'p> Cpu<'s, 'p> {
    fn new(shared: &'s Shared<'p>, access: CpuCache<'p>, me: u32) -> Self {
        Self { shared, access, me, dice: 0x9e37_79b9_7f4a_7c15 >> me, held: Vec::new(), granted: 0 }
    }

    /// Returns a number that looks random (xorshift64).
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 16) % sides
    }

    fn work(&mut self, operations: u64) {
        for operation in 0..operations {
            let takes = if (operation / TIDE).is_multiple_of(2) { 5 } else { 3 };
            if self.held.is_empty() || self.roll(8) < takes {
                self.allocate();
            } else {
                self.give_back();
            }
            match self.roll(4096) {
                0 => self.access.drain(),
                1 => self.burst(),
                _ => {}
            }
        }
    }

    fn allocate(&mut self) {
        // Each order half as often as the one before it.
        let order = (self.roll(1 << (ORDERS - 1)) as u32 | 1 << (ORDERS - 1)).trailing_zeros();
        let Some(grant) = (if order == 0 && self.roll(4) != 0 { self.page() } else { self.asked_for(order) })
        else {
            return;
        };
        assert_eq!(self.shared.pages.node_of(grant.frame), Some(grant.node));
        assert_eq!(self.shared.pages.node_of(FrameNumber(grant.frame.0 + grant.count - 1)), Some(grant.node));
        assert_eq!(grant.frame.0 % grant.count, 0);
        self.shared.pass(&grant, 0, self.me);
        self.granted += grant.count;
        self.held.push(grant);
    }

    fn page(&self) -> Option<Grant> {
        allocate(&self.access, &Request { strict: true, ..Request::page() }).ok()
    }

    /// Allocates by one of the policies: strict, preferred, or any of some nodes.
    fn asked_for(&mut self, order: u32) -> Option<Grant> {
        let preferred = self.roll(NODES as u64) as usize;
        let strict = self.roll(4) == 0;
        let nodes = if strict || self.roll(2) == 0 { NodeSet::ALL } else { self.some_nodes() };
        let order_of_nodes = FALLBACK[preferred].iter().copied().map(node);
        let first = order_of_nodes.into_iter().find(|node| nodes.contains(*node));
        let request = Request { strict, nodes, ..Request::new(1 << order, node(preferred)) };
        let grant = allocate(&self.access, &request).ok()?;
        assert!(grant.count == 1 << order && nodes.contains(grant.node), "{grant:?} for {request:?}");
        assert!(grant.fell_back != (Some(grant.node) == first), "{grant:?} for {request:?}");
        assert!(!(strict && grant.fell_back), "{grant:?} for {request:?}");
        Some(grant)
    }

    /// Returns at least one node.
    fn some_nodes(&mut self) -> NodeSet {
        NodeSet::from_words([1 + self.roll((1 << NODES) - 1), 0])
    }

    /// Takes and frees more single frames in a row than the cache has room for, so that it returns most of them.
    fn burst(&mut self) {
        let grants: Vec<_> = (0..CACHE_FRAMES + 100).map_while(|_| self.page()).collect();
        self.granted += grants.len() as u64;
        grants.iter().for_each(|grant| self.shared.pass(grant, 0, self.me));
        grants.into_iter().for_each(|grant| self.free(grant));
    }

    fn give_back(&mut self) {
        let which = self.roll(self.held.len() as u64) as usize;
        let mut grant = self.held.swap_remove(which);
        if self.roll(8) == 0 {
            self.shared.pass(&grant, self.me, u32::MAX);
            let mut left = self.shared.left.lock().unwrap();
            if left.len() < LEFT {
                return left.push(grant);
            }
            grant = mem::replace(&mut left[which % LEFT], grant);
            drop(left);
            self.shared.pass(&grant, u32::MAX, self.me);
        }
        self.free(grant);
    }

    fn free(&mut self, grant: Grant) {
        self.shared.pass(&grant, self.me, 0);
        self.access.free(grant.frame, grant.count).unwrap();
    }

    /// Frees all grants. Returns the number of frames that the CPU was granted.
    fn finish(mut self) -> u64 {
        for grant in mem::take(&mut self.held) {
            self.free(grant);
        }
        self.access.drain();
        self.granted
    }
}

fn main() {
    let operations: u64 =
        env::args().nth(1).and_then(|word| word.parse().ok()).expect("operations, a number");
    let spans = [
        span(0, 0, 9_000),
        span(1, 9_000, 18_000),
        span(0, 18_500, 20_000),
        span(2, 20_480, 30_000),
        span(3, 30_000, FRAMES_END),
    ];
    let mut machine = Machine::new(&spans, &FALLBACK);
    // All of one node, so that caches are filled from the same lists.
    let nodes = [node(0); CPUS as usize];
    let (pages, memory) = machine.pages_and_memory(nodes.len());
    let cpus = cpus(&pages, &nodes, memory);
    spans
        .iter()
        .for_each(|span| _ = pages.add(FrameRange { start: span.frames.start, ..span.frames }).unwrap());
    let report =
        || [0, 1, 2, 3].map(|index| (pages.stats(node(index)).unwrap(), pages.free_by_order(node(index))));
    let before = report();

    let owners = (0..FRAMES_END).map(|_| AtomicU32::new(0)).collect();
    let shared = Shared { pages: &pages, owners, left: Mutex::new(Vec::new()) };
    let start = Instant::now();
    let mut done: Vec<Cpu<'_, '_>> = thread::scope(|scope| {
        let shared = &shared;
        let threads: Vec<_> = (1..)
            .zip(cpus)
            .map(|(me, access)| {
                scope.spawn(move || {
                    let mut cpu = Cpu::new(shared, access, me);
                    cpu.work(operations / u64::from(CPUS));
                    cpu
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let seconds = start.elapsed().as_secs_f64();
    let left = mem::take(&mut *shared.left.lock().unwrap());
    left.iter().for_each(|grant| shared.pass(grant, u32::MAX, 1));
    done[0].held.extend(left);
    let granted: u64 = done.into_iter().map(Cpu::finish).sum();

    let after = report();
    for (index, ((now, by_order), (then, by_order_then))) in after.iter().zip(&before).enumerate() {
        assert_eq!((now.free, by_order), (then.free, by_order_then), "node {index}");
    }
    let sum = |count: fn(&NodeStats) -> u64| after.iter().map(|(stats, _)| count(stats)).sum::<u64>();
    assert_eq!([sum(|stats| stats.hit + stats.miss), sum(|stats| stats.local + stats.other)], [granted; 2]);
    assert_eq!(sum(|stats| stats.miss), sum(|stats| stats.foreign));
    assert!(sum(|stats| stats.miss) > 0, "nothing ever fell back: there is too much memory");
    assert_eq!(sum(|stats| stats.refused_frees), 0);
    println!(
        "soak pages-host: {operations} operations by {CPUS} CPUs in {seconds:.1} s, {granted} frames granted, none lost, none twice"
    );
}
