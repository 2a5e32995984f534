//! A machine for the models: an allocator in memory that each run of a model uses anew, and CPUs that loom runs as threads.
use std::alloc::{Layout, alloc};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loom::model::Builder;
use loom::thread;
use page_alloc::{CpuCache, FreeError, ModelLock, NodeFrames, NodeSetup, PageAllocator, Request};
use units::{FrameNumber, FrameRange, NodeId};

pub type Pages = PageAllocator<'static, ModelLock>;
pub type Cpu = CpuCache<'static, ModelLock>;

pub const NODE: NodeId = NodeId::ZERO;
/// The node's memory: one block, little of which is ever free.
const SPANS: [NodeFrames; 1] = [NodeFrames { node: NODE, frames: FrameRange::new(0, 512) }];
/// The first free frame, which is also the first of its word in the block's map.
pub const FIRST: u64 = 64;

/// The number of preemptions in a run with three CPUs or many steps, unless `LOOM_MAX_PREEMPTIONS` says otherwise.
pub const FEW_PREEMPTIONS: usize = 2;

/// Bytes for one run of a model, which the next run uses again.
#[derive(Clone, Copy)]
struct Memory(usize, usize);

impl Memory {
    fn new(layout: Layout) -> Self {
        // SAFETY: no layout here is empty.
        Self(unsafe { alloc(layout) }.expose_provenance(), layout.size())
    }

    /// Moves a value into the memory. It is never dropped.
    fn put<T>(self, value: T) -> &'static T {
        assert!(size_of::<T>() <= self.1);
        let memory: *mut T = std::ptr::with_exposed_provenance_mut(self.0);
        // SAFETY: the memory was allocated with the layout of `T`. As in `bytes`, each run asks once.
        unsafe {
            memory.write(value);
            &*memory
        }
    }

    fn bytes(self) -> &'static mut [MaybeUninit<u8>] {
        // SAFETY: a model asks once in a run, whose threads and values all end before the next run starts. The memory stays.
        unsafe { std::slice::from_raw_parts_mut(std::ptr::with_exposed_provenance_mut(self.0), self.1) }
    }
}

/// An allocator some of whose frames are free, and CPUs whose caches know the frames' block already.
pub struct Machine {
    pub pages: &'static Pages,
    pub cpus: Vec<Cpu>,
    free: [u64; page_alloc::ORDERS],
}

/// Runs `model` on a machine of so many CPUs, with this many frames free, in every interleaving. With three threads only those
/// with few preemptions are run, as there are too many others.
pub fn explore(cpus: usize, frames: u64, model: fn(&mut Machine)) {
    explore_within(if cpus > 2 { Some(FEW_PREEMPTIONS) } else { None }, cpus, frames, model);
}

/// Runs `model` as [`explore`] does, with at most so many preemptions.
pub fn explore_within(preemptions: Option<usize>, cpus: usize, frames: u64, model: fn(&mut Machine)) {
    let mut builder = Builder::new();
    builder.max_branches = 100_000;
    builder.preemption_bound = builder.preemption_bound.or(preemptions);
    let table = Memory::new(Pages::table_layout(&SPANS).unwrap());
    let metadata = Memory::new(Pages::node_layout(&SPANS, NODE).unwrap());
    let allocator = Memory::new(Layout::new::<Pages>());
    let caches: Vec<_> = (0..cpus).map(|_| Memory::new(Pages::cache_layout())).collect();
    let runs = Arc::new(AtomicU64::new(0));
    let count = runs.clone();
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        let nodes = [NodeSetup { metadata: metadata.bytes(), fallback: &[NODE] }];
        let pages = allocator.put(Pages::new(&SPANS, table.bytes(), nodes).unwrap());
        pages.add(FrameRange::new(FIRST, FIRST + frames)).unwrap();
        touch_each(pages, frames);
        let cpus = caches.iter().map(|memory| warm(pages, memory.bytes())).collect();
        let free = pages.free_by_order(NODE).unwrap();
        // Reads all entries of the caches, so that loom knows them before there are threads.
        assert!(uncached(pages).free(FrameNumber(1), 1).is_err());
        let mut machine = Machine { pages, cpus, free };
        model(&mut machine);
    });
    println!("loom: {} ways", runs.load(Ordering::Relaxed));
}

/// Grants each frame on its own, and takes it back: loom knows the byte of each before there are threads.
fn touch_each(pages: &'static Pages, frames: u64) {
    let cpu = uncached(pages);
    let granted: Vec<_> = (0..frames).map(|_| grant(&cpu, 1)).collect();
    granted.into_iter().for_each(|frame| cpu.free(frame, 1).unwrap());
}

/// Returns a CPU whose cache is empty and remembers the block. The cache has held only the first frame.
fn warm(pages: &'static Pages, memory: &'static mut [MaybeUninit<u8>]) -> Cpu {
    let cpu = pages.cache_for(NODE, memory).unwrap();
    let frame = uncached(pages).allocate(&Request::page(), |_| ()).unwrap().frame;
    assert_eq!(frame.0, FIRST);
    cpu.free(frame, 1).unwrap();
    cpu.drain();
    cpu
}

/// Returns a CPU without a cache.
pub fn uncached(pages: &'static Pages) -> Cpu {
    let cpu = Cpu::detached();
    cpu.attach(pages, NODE);
    cpu
}

impl Machine {
    /// Runs what each CPU does. Once all that the CPUs hold is freed, the machine is as before.
    pub fn run<R: 'static>(&mut self, work: Vec<Work<R>>) -> Vec<R> {
        let pages = self.pages;
        let threads: Vec<_> = self
            .cpus
            .drain(..)
            .zip(work)
            .map(|(cpu, work)| {
                thread::spawn(move || {
                    let mut held = Vec::new();
                    let result = work(&cpu, &mut held);
                    (cpu, held, result)
                })
            })
            .collect();
        let done: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let mut all_held = Vec::new();
        let mut results = Vec::new();
        for (cpu, held, result) in done {
            all_held.extend(held);
            cpu.drain();
            results.push(result);
        }
        let mut frames: Vec<u64> = all_held
            .iter()
            .flat_map(|&(frame, count): &(FrameNumber, u64)| frame.0..frame.0 + count)
            .collect();
        frames.sort_unstable();
        assert!(frames.windows(2).all(|two| two[0] != two[1]), "a frame has two owners: {all_held:?}");
        for (frame, count) in all_held {
            uncached(pages).free(frame, count).unwrap();
        }
        assert_eq!(pages.free_by_order(NODE).unwrap(), self.free, "frames were lost or made");
        results
    }
}

/// The work of a CPU. In the end it leaves its grants in the list.
pub type Work<R> = Box<dyn FnOnce(&Cpu, &mut Held) -> R>;
pub type Held = Vec<(FrameNumber, u64)>;

pub fn work<R>(work: impl FnOnce(&Cpu, &mut Held) -> R + 'static) -> Work<R> {
    Box::new(work)
}

/// Returns the first frame of a grant that cannot fail.
pub fn grant(cpu: &Cpu, count: u64) -> FrameNumber {
    cpu.allocate(&Request::local(count), |_| ()).unwrap().frame
}

/// Takes a frame from the cache, which is refilled if it is empty.
pub fn take(cpu: &Cpu, held: &mut Held) {
    allocate_on(cpu, 1, held);
}

/// Allocates from the node's lists.
pub fn allocate(pages: &'static Pages, count: u64, held: &mut Held) {
    allocate_on(&uncached(pages), count, held);
}

pub fn allocate_on(cpu: &Cpu, count: u64, held: &mut Held) {
    let grant = cpu.allocate(&Request::local(count), |_| ());
    held.extend(grant.ok().map(|grant| (grant.frame, grant.count)));
}

/// Allocates a frame that no cache has held, so that none of them lists it.
pub fn frame_new_to_caches(pages: &'static Pages) -> FrameNumber {
    let cpu = uncached(pages);
    let [first, frame] = [0, 1].map(|_| grant(&cpu, 1));
    cpu.free(first, 1).unwrap();
    assert_ne!(frame.0, FIRST);
    frame
}

/// Asserts that of two frees of the same frame one succeeds, and the other finds the frame free.
#[track_caller]
pub fn assert_one_refused(freed: &[Result<(), FreeError>], frame: FrameNumber) {
    let refused: Vec<_> = freed.iter().filter_map(|freed| freed.err()).collect();
    assert_eq!(refused, [FreeError::AlreadyFree(frame)], "{freed:?}");
}
