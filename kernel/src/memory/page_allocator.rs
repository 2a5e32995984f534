//! The machine's one page allocator: `page-alloc` over the frames of the topology's nodes, each node's metadata in the node's
//! own memory.
//!
//! No interrupt handler allocates, so the allocator's locks are taken with interrupts as they are, and preemption off. Single
//! pages of a CPU's own node come from its cache and go back there, without a lock.
use crate::arch;
use crate::memory::cache_recall;
use crate::platform::numa_topology;
use crate::sync::PreemptionOff;
use crate::threading::per_cpu;
use crate::threading::thread::Policy;
use crate::verdict;
use arrayvec::ArrayVec;
use core::alloc::Layout;
use core::mem::MaybeUninit;
use memory_map::{MemoryMap, Ranges};
use page_alloc::{
    AllocateError, CpuCache, FreeError, Grant, NodeFrames, NodeSetup, NodeStats, PageAllocator, Request,
};
use spin::Once;
use topology::{MAX_RANGES, NumaTopology};
use units::{FRAME_SIZE, FrameNumber, FrameRange, MAX_NODES, NodeId, NodeSet, PhysAddr, PhysRange};

type Pages = PageAllocator<'static>;

static PAGES: Once<Pages> = Once::new();

/// Whether frames are filled with zeros before they are handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Zeroed {
    /// They hold what was there before.
    No,
    /// They are.
    Yes,
}

/// Runs of RAM, each of one node: a node's range cut where memory's map has a hole, and the reverse.
type Spans = ArrayVec<NodeFrames, { MAX_RANGES + memory_map::MAX_RANGES }>;

/// Takes each node's metadata from its own memory and hands all the rest that is free to the allocator.
///
/// Costs a few steps for each range of memory and node; no frame is touched but those of the metadata.
///
/// # Panics
/// When there is not enough memory for the metadata.
pub fn init(map: &MemoryMap, topology: &'static NumaTopology) {
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
            && let Err(error) = pages.add_free(frames)
        {
            log::error!(target: "pages", "memory at {} is not used: {error}", range.start);
            verdict::fail();
        }
    }
    PAGES.call_once(|| pages);
    log_free_pages(topology);
}

/// A frame belongs to the node of its first byte.
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

/// Takes memory off the end of the largest free range of the node, or of any node where that is too small.
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
    let place = of_node
        .filter(fits)
        .max_by_key(|range| range.len_bytes())
        .or_else(|| free.iter().copied().filter(fits).max_by_key(|range| range.len_bytes()))
        .expect("there is memory for the page allocator's metadata");
    let end = place.whole_frames().end;
    let taken = FrameRange { start: FrameNumber(end.0 - frames), end }.addresses();
    cut_out(free, taken);
    let bytes = arch::physical_memory(taken.start).cast::<MaybeUninit<u8>>();
    // SAFETY: the memory was free and is no longer in the list of what is; it is mapped, and stays taken for good.
    unsafe { core::slice::from_raw_parts_mut(bytes, (frames * FRAME_SIZE) as usize) }
}

/// Takes `taken`, which lies in one of the ranges, out of them.
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

fn pages() -> &'static Pages {
    PAGES.get().expect("the page allocator is up before anything asks for pages")
}

/// Allocates as the request says; for who knows exactly what it wants.
///
/// # Errors
/// [`AllocateError`]; nothing was allocated.
pub fn allocate(request: &Request, zeroed: Zeroed) -> Result<Grant, AllocateError> {
    let grant = {
        let _off = PreemptionOff::new();
        pages().allocate_or(request, |node, _| {
            give_back_caches(node);
            true
        })?
    };
    fill(grant, zeroed);
    Ok(grant)
}

/// Zeroes what was just handed out, if that is wanted.
#[inline]
fn fill(grant: Grant, zeroed: Zeroed) {
    if zeroed == Zeroed::Yes {
        let start = arch::physical_memory(grant.frame.address());
        // SAFETY: the frames were just handed to this call, and are memory.
        unsafe { start.write_bytes(0, (grant.count * FRAME_SIZE) as usize) };
    }
}

/// A page from the running CPU's cache; `None` when its node has none left.
#[inline]
fn allocate_from_cache() -> Option<Grant> {
    let _off = PreemptionOff::new();
    let cache = own_cache()?;
    let frame = pages().allocate_cached(cache)?;
    Some(Grant { frame, count: 1, node: cache.node(), fell_back: false })
}

/// The running CPU's cache. Preemption is off, and nobody calls this again while the cache is in use.
#[inline]
fn own_cache() -> Option<&'static mut CpuCache<'static>> {
    // SAFETY: preemption is off and no interrupt handler has to do with pages, so that nobody else comes in between. The
    // functions of this module that call this do not call each other while they use it.
    unsafe { per_cpu::current().page_cache() }
}

/// Has all caches of the node's frames given back, those of other CPUs that run included.
#[cold]
fn give_back_caches(node: NodeId) {
    if let Some(cache) = own_cache().filter(|cache| cache.node() == node) {
        pages().drain(cache);
    }
    cache_recall::recall(node);
}

/// Gives the running CPU's cache back to its node: before it halts, or when the node runs dry.
#[inline]
pub fn drain_cache() {
    let _off = PreemptionOff::new();
    if let Some(cache) = own_cache()
        && !cache.is_empty()
    {
        pages().drain(cache);
    }
}

/// A cache for a CPU of the node, in a page of the node; `None` when there is no memory.
pub fn create_cache(node: NodeId) -> Option<CpuCache<'static>> {
    let layout = Pages::cache_layout();
    assert!(layout.size() as u64 <= FRAME_SIZE && layout.align() as u64 <= FRAME_SIZE, "a cache fits a page");
    let frame = allocate_for_kernel(node, 1, Zeroed::No)?.frame;
    let bytes = arch::physical_memory(frame.address()).cast::<MaybeUninit<u8>>();
    // SAFETY: the page was just allocated, and stays the cache's for good.
    let memory = unsafe { core::slice::from_raw_parts_mut(bytes, FRAME_SIZE as usize) };
    let _off = PreemptionOff::new();
    pages().add_cache(node, memory).ok()
}

/// `count` contiguous frames for the running thread: by `policy` if given, else by the thread's policy, else from its
/// preferred node, else from this CPU's; from the nearest where that has none, unless the policy forbids it.
///
/// # Errors
/// [`AllocateError`]; nothing was allocated.
#[inline(never)]
pub fn allocate_for_thread(request: ThreadRequest<'_>) -> Result<Grant, AllocateError> {
    let ThreadRequest { count, alignment, highest, policy, zeroed } = request;
    if count == 1
        && alignment == 1
        && highest.is_none()
        && policy.is_none()
        && per_cpu::current_thread().takes_local_memory()
        && let Some(grant) = allocate_from_cache()
    {
        fill(grant, zeroed);
        return Ok(grant);
    }
    let cpu = per_cpu::current();
    let (preferred, strict) = match if let Some(policy) = policy { policy } else { thread_policy() } {
        Policy::Local => (cpu.preferred_node, false),
        Policy::Preferred(node) => (node, false),
        Policy::Strict(node) => (node, true),
        policy => return allocate_of_several(request, policy),
    };
    let request =
        Request { alignment, highest, strict, cpu_node: cpu.node, ..Request::new(count, preferred) };
    allocate(&request, zeroed)
}

/// The same by a policy over several nodes.
#[inline(never)]
fn allocate_of_several(request: ThreadRequest<'_>, policy: Policy<'_>) -> Result<Grant, AllocateError> {
    let ThreadRequest { count, alignment, highest, zeroed, .. } = request;
    let (cpu, thread) = (per_cpu::current(), per_cpu::current_thread());
    let mut cursor = thread.cursor();
    let by_policy = policy.request(count, cpu.preferred_node, &mut cursor);
    let grant = allocate(&Request { alignment, highest, cpu_node: cpu.node, ..by_policy }, zeroed)?;
    // A turn in which nothing was granted is not over.
    thread.set_cursor(cursor);
    Ok(grant)
}

/// A page for the running thread, as its policy says, which holds what was there before: the commonest request, answered from
/// the CPU's cache if it can be.
#[inline(never)]
pub fn allocate_page() -> Option<FrameNumber> {
    if per_cpu::current_thread().takes_local_memory()
        && let Some(frame) = take_from_cache()
    {
        return Some(frame);
    }
    allocate_page_slowly()
}

#[inline]
fn take_from_cache() -> Option<FrameNumber> {
    let _off = PreemptionOff::new();
    own_cache()?.take()
}

#[cold]
#[inline(never)]
fn allocate_page_slowly() -> Option<FrameNumber> {
    let request = ThreadRequest { zeroed: Zeroed::No, ..ThreadRequest::new(1) };
    allocate_for_thread(request).ok().map(|grant| grant.frame)
}

/// The same, filled with zeros.
pub fn allocate_zeroed_page() -> Option<FrameNumber> {
    let frame = allocate_page()?;
    // SAFETY: the frame was just handed to this call, and is memory.
    unsafe { arch::physical_memory(frame.address()).write_bytes(0, FRAME_SIZE as usize) };
    Some(frame)
}

/// The node whose memory the running thread wants where a call says nothing else.
pub fn home_node() -> NodeId {
    per_cpu::current_thread().home().unwrap_or(per_cpu::current().preferred_node)
}

/// What the running thread gets where a call says nothing else.
pub fn thread_policy() -> Policy<'static> {
    let thread = per_cpu::current_thread();
    thread.policy().or_else(|| thread.preferred_node().map(Policy::Preferred)).unwrap_or(Policy::Local)
}

/// A request of the running thread.
#[derive(Clone, Copy, Debug)]
pub struct ThreadRequest<'p> {
    /// Frames, contiguous.
    pub count: u64,
    /// The first frame's number is a multiple of this power of two.
    pub alignment: u64,
    /// The last address allowed.
    pub highest: Option<PhysAddr>,
    /// For this call; `None`: the thread's.
    pub policy: Option<Policy<'p>>,
    /// Whether they are zeroed.
    pub zeroed: Zeroed,
}

impl ThreadRequest<'_> {
    /// So many zeroed frames, as the thread's policy says.
    pub const fn new(count: u64) -> Self {
        Self { count, alignment: 1, highest: None, policy: None, zeroed: Zeroed::Yes }
    }
}

/// `count` contiguous frames for the kernel itself, of `node` or the nearest to it that has them.
pub fn allocate_for_kernel(node: NodeId, count: u64, zeroed: Zeroed) -> Option<Grant> {
    let request = Request { cpu_node: per_cpu::current().node, ..Request::new(count, node) };
    allocate(&request, zeroed).ok()
}

/// A frame for the kernel itself, none of whose bytes lies above `highest`.
pub fn allocate_below(node: NodeId, highest: PhysAddr, zeroed: Zeroed) -> Option<FrameNumber> {
    let cpu_node = per_cpu::current().node;
    let request = Request { cpu_node, highest: Some(highest), ..Request::new(1, node) };
    allocate(&request, zeroed).ok().map(|grant| grant.frame)
}

/// A frame for a page table, which whoever maps with it fills.
pub fn allocate_table_frame(node: NodeId) -> Option<FrameNumber> {
    allocate_for_kernel(node, 1, Zeroed::No).map(|grant| grant.frame)
}

/// Takes back what one call granted.
///
/// # Errors
/// [`FreeError`]; nothing was changed.
pub fn free(frame: FrameNumber, count: u64) -> Result<(), FreeError> {
    let _off = PreemptionOff::new();
    match own_cache() {
        Some(cache) => pages().free_cached(cache, frame, count),
        None => pages().free(frame, count),
    }
}

/// Takes back a single page; into the CPU's cache if it can be.
///
/// # Errors
/// [`FreeError`]; nothing was changed.
#[inline(never)]
pub fn free_page(frame: FrameNumber) -> Result<(), FreeError> {
    if put_in_cache(frame) { Ok(()) } else { free_page_slowly(frame) }
}

#[inline]
fn put_in_cache(frame: FrameNumber) -> bool {
    let _off = PreemptionOff::new();
    own_cache().is_some_and(|cache| cache.put(frame))
}

#[cold]
#[inline(never)]
fn free_page_slowly(frame: FrameNumber) -> Result<(), FreeError> {
    free(frame, 1)
}

/// The node of a frame; `None` for one that is not managed.
pub fn node_of(frame: FrameNumber) -> Option<NodeId> {
    pages().node_of(frame)
}

/// The nodes that have memory.
pub fn nodes_with_memory() -> NodeSet {
    static NODES: Once<NodeSet> = Once::new();
    // Each node's fallback order lists them all.
    *NODES.call_once(|| numa_topology::get().fallback(NodeId::ZERO).iter().copied().collect())
}

/// The node's numbers; zeros for a node that is not there.
pub fn node_stats(node: NodeId) -> NodeStats {
    let _off = PreemptionOff::new();
    pages().node_stats(node).unwrap_or_default()
}
