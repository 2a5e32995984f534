//! Setting up the page allocator: the spans of RAM, each node's metadata in its own memory, the free frames, and the caches of
//! CPUs.
use super::allocate::{Zeroed, allocate_for_kernel};
use super::frames::{self, Pages, node_stats};
use super::page_uses::PageUse;
use super::{cpu_memory, fail_allocation};
use crate::arch;
use crate::cpu::PreemptionOff;
use crate::report::verdict;
use arrayvec::ArrayVec;
use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU64, Ordering};
use memory_map::{MemoryMap, Ranges};
use page_alloc::{CpuCache, NodeFrames, NodeSetup, NodeStats};
use topology::{MAX_RANGES, NumaTopology};
use units::{FRAME_SIZE, FrameNumber, FrameRange, MAX_NODES, NodeId, PhysRange};

static INIT_TICKS: AtomicU64 = AtomicU64::new(0);

/// Runs of RAM, each of one node: the intersections of the nodes' ranges and the memory map's.
type Spans = ArrayVec<NodeFrames, { MAX_RANGES + memory_map::MAX_RANGES }>;

/// Takes each node's metadata from the node's memory and adds all other free memory to the allocator.
///
/// Costs a few steps for each range of memory and each node. Touches only the frames of the metadata. If there is not enough memory
/// for that, the boot ends with the verdict of failure.
pub fn init(map: &MemoryMap, topology: &'static NumaTopology) {
    let start = arch::ticks();
    set_up(map, topology);
    INIT_TICKS.store(arch::ticks() - start, Ordering::Relaxed);
    log_free_pages(topology);
}

/// Returns the ticks that [`init`] took without its log lines, for the benchmarks.
pub fn init_ticks() -> u64 {
    INIT_TICKS.load(Ordering::Relaxed)
}

fn set_up(map: &MemoryMap, topology: &'static NumaTopology) {
    let spans = spans(&map.ram, topology);
    let mut free = map.free.clone();
    let table_layout = Pages::table_layout(&spans).expect("a topology's ranges are in order");
    let table = take(&mut free, table_layout, topology, NodeId::ZERO);
    let setups: ArrayVec<_, MAX_NODES> = topology
        .nodes()
        .iter()
        .map(|node| {
            let layout = Pages::node_layout(&spans, node.id).expect("a topology's ranges are in order");
            NodeSetup {
                metadata: take(&mut free, layout, topology, node.id),
                fallback: topology.fallback(node.id),
            }
        })
        .collect();
    let pages = Pages::new(&spans, table, setups).expect("the metadata is as large as was asked for");
    for range in &free {
        let frames = range.whole_frames();
        if !frames.is_empty()
            && let Err(error) = pages.add(frames)
        {
            log::error!(target: "pages", "memory at {} is not used: {error}", range.start);
            verdict::fail();
        }
    }
    let pages = frames::set(pages);
    // The boot CPU allocates from its first area, before it has an area on its own node.
    cpu_memory::cache(&PreemptionOff::new()).attach(pages, cpu_memory::current().node);
}

/// Returns the spans. A frame belongs to the node of its first byte.
fn spans(ram: &Ranges, topology: &NumaTopology) -> Spans {
    let mut spans = Spans::new();
    let mut ranges = topology.ranges().iter().peekable();
    for memory in ram {
        while let Some(range) = ranges.peek() {
            let owned = FrameRange {
                start: FrameNumber(range.range.start.0.div_ceil(FRAME_SIZE)),
                end: FrameNumber(range.range.end.0.div_ceil(FRAME_SIZE)),
            };
            let frames = memory.whole_frames().intersection(owned);
            if !frames.is_empty() {
                spans.push(NodeFrames { node: range.node, frames });
            }
            if range.range.end > memory.end {
                break;
            }
            ranges.next();
        }
    }
    spans
}

/// Takes memory from the end of the node's largest free range. If that is too small, takes it from the largest free range of all.
fn take(
    free: &mut Ranges,
    layout: Layout,
    topology: &NumaTopology,
    node: NodeId,
) -> &'static mut [MaybeUninit<u8>] {
    let frames = (layout.size() as u64).div_ceil(FRAME_SIZE);
    assert!(layout.align() as u64 <= FRAME_SIZE, "metadata needs no more than a frame's alignment");
    if frames == 0 {
        return &mut [];
    }
    let fits = |range: &PhysRange| range.whole_frames().len_frames() >= frames;
    let of_node =
        topology.ranges_of(node).flat_map(|owned| free.iter().map(|it| it.intersection(owned.range)));
    let range = of_node
        .filter(fits)
        .max_by_key(|range| range.len_bytes())
        .or_else(|| free.iter().copied().filter(fits).max_by_key(|range| range.len_bytes()))
        .unwrap_or_else(|| verdict::stop_without_memory_for("the page allocator's metadata"));
    let end = range.whole_frames().end;
    let taken = FrameRange { start: FrameNumber(end.0 - frames), end }.addresses();
    cut_out(free, taken);
    let bytes = arch::physical_memory(taken.start).cast::<MaybeUninit<u8>>();
    // SAFETY: the memory was free, and `cut_out` has removed it from the free ranges, so nothing else uses it. It is RAM, which
    // `physical_memory` maps.
    unsafe { core::slice::from_raw_parts_mut(bytes, (frames * FRAME_SIZE) as usize) }
}

/// Removes `taken`, which lies in one of the ranges, from the free ranges.
fn cut_out(free: &mut Ranges, taken: PhysRange) {
    let Some(index) = free.iter().position(|range| range.contains(taken.start)) else { return };
    let whole = free[index];
    free[index].end = taken.start;
    let rest = PhysRange { start: taken.end, end: whole.end };
    if !rest.is_empty() && free.try_insert(index + 1, rest).is_err() {
        log::warn!(target: "pages", "{} bytes at {} are not used", rest.len_bytes(), rest.start);
    }
}

fn log_free_pages(topology: &NumaTopology) {
    for node in topology.nodes() {
        let NodeStats { free, total, .. } = node_stats(node.id);
        log::info!(target: "pages", "node {}: {free} of {total} pages free", node.id);
    }
}

/// Builds the cache of a CPU of the node, in pages of the node. Returns `None` if there is no memory, or if fault injection counts
/// all allocations.
pub fn create_cache(node: NodeId) -> Option<CpuCache<'static>> {
    if fail_allocation::is_on() {
        return None;
    }
    const LAYOUT: Layout = Pages::cache_layout();
    const FRAMES: u64 = (LAYOUT.size() as u64).div_ceil(FRAME_SIZE);
    const { assert!(LAYOUT.align() as u64 <= FRAME_SIZE, "a page is aligned as a cache is") };
    let first = allocate_for_kernel(PageUse::Cpus, node, FRAMES, Zeroed::No)?.frame;
    let bytes = arch::physical_memory(first.address()).cast::<MaybeUninit<u8>>();
    // SAFETY: the line above has allocated the pages, so nothing else uses them. They are RAM, which `physical_memory` maps, and
    // nothing frees them.
    let memory = unsafe { core::slice::from_raw_parts_mut(bytes, (FRAMES * FRAME_SIZE) as usize) };
    let _off = PreemptionOff::new();
    frames::pages().cache_for(node, memory).ok()
}
