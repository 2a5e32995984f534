//! The machine's one page allocator: `page-alloc` over the frames of the topology's nodes, each node's metadata in the node's
//! own memory.
//!
//! No interrupt handler allocates, so the allocator's locks are taken with interrupts as they are, and preemption off. Single
//! pages of a CPU's own node come from its cache and go back there, without a lock.
use crate::arch;
use crate::memory::{cache_recall, fail_allocation, refusals};
use crate::platform::numa_topology;
use crate::sync::PreemptionOff;
use crate::threading::per_cpu;
use crate::threading::policy::Packed;
use crate::threading::thread::Policy;
use crate::verdict;
use arrayvec::ArrayVec;
use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::num::NonZero;
use core::sync::atomic::{AtomicU64, Ordering};
use memory_map::{MemoryMap, Ranges};
use page_alloc::{
    AllocateError, CpuCache, FreeError, Grant, NodeFrames, NodeSetup, NodeStats, PageAllocator, Request,
};
use spin::Once;
use topology::{MAX_RANGES, NumaTopology};
use units::{FRAME_SIZE, FrameNumber, FrameRange, MAX_NODES, NodeId, NodeSet, PhysAddr, PhysRange};

type Pages = PageAllocator<'static>;

/// Pages of 2 MiB.
const BLOCK_PAGES: u64 = 512;

static PAGES: Once<Pages> = Once::new();

static INIT_TICKS: AtomicU64 = AtomicU64::new(0);

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
    let start = arch::ticks();
    set_up(map, topology);
    INIT_TICKS.store(arch::ticks() - start, Ordering::Relaxed);
    log_free_pages(topology);
}

/// What [`init`] took, its log lines left out; for the benchmarks.
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
            && let Err(error) = pages.add_free(frames)
        {
            log::error!(target: "pages", "memory at {} is not used: {error}", range.start);
            verdict::fail();
        }
    }
    PAGES.call_once(|| pages);
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

pub(super) fn pages() -> &'static Pages {
    PAGES.get().expect("the page allocator is up before anything asks for pages")
}

/// Allocates as the request says; for who knows exactly what it wants.
///
/// # Errors
/// [`AllocateError`]; nothing was allocated.
pub fn allocate(request: &Request, zeroed: Zeroed) -> Result<Grant, AllocateError> {
    if fail_allocation::is_on() && fail_allocation::is_due(request) {
        return Err(AllocateError::NoFit { preferred: request.preferred, count: request.count });
    }
    let grant = {
        let _off = PreemptionOff::new();
        let granted = pages().allocate_or(request, |node, _| {
            give_back_caches(node);
            true
        });
        granted.inspect(|grant| count(grant, request))?
    };
    fill(grant, zeroed);
    Ok(grant)
}

/// Counts a grant for the running CPU.
#[inline]
fn count(grant: &Grant, request: &Request) {
    let counts = &per_cpu::current().page_counts;
    counts.note(grant.count, grant.node == request.cpu_node);
    if grant.fell_back {
        counts.note_miss(grant.count);
    } else if request.interleaved {
        counts.note_interleave_hit(grant.count);
    }
}

/// Counts a free that was refused for the running CPU. Preemption is off.
#[cold]
fn count_refused(_: &FreeError) {
    per_cpu::current().page_counts.note_refused_free();
}

/// Zeroes what was just handed out, if that is wanted.
#[inline]
fn fill(grant: Grant, zeroed: Zeroed) {
    if zeroed == Zeroed::Yes {
        zero(grant.frame, grant.count);
    }
}

/// Fills frames with zeros that were just handed out.
#[inline]
fn zero(frame: FrameNumber, count: u64) {
    let start = arch::physical_memory(frame.address());
    // SAFETY: the frames were just handed to the caller, and are memory.
    unsafe { start.write_bytes(0, (count * FRAME_SIZE) as usize) };
}

/// The running CPU's cache. Preemption is off, and nobody calls this again while the cache is in use.
#[inline]
fn own_cache() -> &'static mut CpuCache<'static> {
    // SAFETY: preemption is off and no interrupt handler has to do with pages, so that nobody else comes in between. The
    // functions of this module that call this do not call each other while they use it.
    unsafe { per_cpu::current().page_cache() }
}

/// Has all caches of the node's frames given back, those of other CPUs that run included.
#[cold]
pub(super) fn give_back_caches(node: NodeId) {
    let cache = own_cache();
    if cache.node() == Some(node) {
        pages().drain(cache);
    }
    cache_recall::recall(node);
}

/// Gives the running CPU's cache back to its node: before it halts, or when the node runs dry.
#[inline]
pub fn drain_cache() {
    let _off = PreemptionOff::new();
    let cache = own_cache();
    if !cache.is_empty() {
        pages().drain(cache);
    }
}

/// A cache for a CPU of the node, in a page of the node; `None` when there is no memory, or all allocations are to be counted.
pub fn create_cache(node: NodeId) -> Option<CpuCache<'static>> {
    if fail_allocation::is_on() {
        return None;
    }
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
    if alignment == 1
        && highest.is_none()
        && let Some(node) = policy.map_or_else(thread_node, named_node)
        && let Some(frame) = allocate_quickly(node, count)
    {
        let grant = Grant { frame, count, node, fell_back: false };
        fill(grant, zeroed);
        return Ok(grant);
    }
    let cpu = per_cpu::current();
    let of_one = match &policy {
        Some(policy) => policy.one_node(cpu.preferred_node),
        None => thread_policy().one_node(cpu.preferred_node),
    };
    let Some((preferred, strict)) = of_one else { return allocate_of_several(request) };
    let request =
        Request { alignment, highest, strict, cpu_node: cpu.node, ..Request::new(count, preferred) };
    allocate(&request, zeroed)
}

/// The same by a policy over several nodes.
#[inline(never)]
fn allocate_of_several(request: ThreadRequest<'_>) -> Result<Grant, AllocateError> {
    let ThreadRequest { count, alignment, highest, policy, zeroed } = request;
    let policy = if let Some(policy) = policy { policy } else { thread_policy() };
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
#[inline]
pub fn allocate_page() -> Option<FrameNumber> {
    allocate_page_number().map(|number| FrameNumber(number.get()))
}

/// The same in one register: frame 0 is never handed out.
#[inline(never)]
fn allocate_page_number() -> Option<NonZero<u64>> {
    if per_cpu::takes_local_memory()
        && let Some(frame) = take_from_cache()
    {
        return NonZero::new(frame.0);
    }
    allocate_page_slowly()
}

#[inline]
fn take_from_cache() -> Option<FrameNumber> {
    let _off = PreemptionOff::new();
    own_cache().take()
}

#[inline(never)]
fn allocate_page_slowly() -> Option<NonZero<u64>> {
    if let Some(node) = per_cpu::current_thread().placement().named_node()
        && let Some(frame) = allocate_kept(node, 1)
    {
        return NonZero::new(frame.0);
    }
    allocate_page_by_request()
}

#[cold]
#[inline(never)]
fn allocate_page_by_request() -> Option<NonZero<u64>> {
    NonZero::new(allocate_unzeroed(ThreadRequest::new(1))?.0)
}

fn allocate_unzeroed(request: ThreadRequest<'_>) -> Option<FrameNumber> {
    allocate_for_thread(ThreadRequest { zeroed: Zeroed::No, ..request }).ok().map(|grant| grant.frame)
}

/// `count` contiguous pages for the running thread, as its policy says, which hold what was there before.
#[inline(never)]
pub fn allocate_pages(count: u64) -> Option<FrameNumber> {
    if count == 1 {
        return allocate_page();
    }
    let found = thread_node().and_then(|node| allocate_quickly(node, count));
    if found.is_some() { found } else { allocate_pages_slowly(count, None) }
}

/// The same of this node, else of the nearest to it.
#[inline(never)]
pub fn allocate_pages_from(node: NodeId, count: u64) -> Option<FrameNumber> {
    let found = allocate_quickly(node, count);
    if found.is_some() { found } else { allocate_pages_slowly(count, Some(node)) }
}

#[cold]
#[inline(never)]
fn allocate_pages_slowly(count: u64, node: Option<NodeId>) -> Option<FrameNumber> {
    allocate_unzeroed(ThreadRequest { policy: node.map(Policy::Preferred), ..ThreadRequest::new(count) })
}

/// Pages of this node from where they are at hand: one of the CPU's own node from its cache, any other number that is a power of
/// two from what was freed last.
#[inline(always)]
fn allocate_quickly(node: NodeId, count: u64) -> Option<FrameNumber> {
    match count {
        BLOCK_PAGES => allocate_kept_block(node),
        1 if node == per_cpu::current().node => allocate_cached(),
        _ => allocate_kept(node, count),
    }
}

#[inline(never)]
fn allocate_cached() -> Option<FrameNumber> {
    let _off = PreemptionOff::new();
    pages().allocate_cached(own_cache())
}

/// So many pages that were freed last on the node, if they are kept: but no single page of the CPU's own node.
#[inline(always)]
fn allocate_kept(node: NodeId, count: u64) -> Option<FrameNumber> {
    let _off = PreemptionOff::new();
    let cpu = per_cpu::current();
    let local = node == cpu.node;
    if count == 1 && local {
        return None;
    }
    let frame = pages().allocate_kept(node, count, local)?;
    cpu.page_counts.note(count, local);
    Some(frame)
}

#[inline(never)]
fn allocate_kept_block(node: NodeId) -> Option<FrameNumber> {
    let _off = PreemptionOff::new();
    let cpu = per_cpu::current();
    let local = node == cpu.node;
    let frame = pages().allocate_kept_block(node, local)?;
    cpu.page_counts.note(BLOCK_PAGES, local);
    Some(frame)
}

/// The one node that the running thread's memory comes from, if there is one and as long as it has some.
#[inline]
fn thread_node() -> Option<NodeId> {
    let placement = per_cpu::current_thread().placement();
    if placement == Packed::LOCAL { Some(per_cpu::current().preferred_node) } else { placement.named_node() }
}

/// The same by this policy.
#[inline]
fn named_node(policy: Policy<'_>) -> Option<NodeId> {
    match policy {
        Policy::Local => Some(per_cpu::current().preferred_node),
        Policy::Preferred(node) | Policy::Strict(node) => Some(node),
        _ => None,
    }
}

/// A page for the running thread, as its policy says, filled with zeros.
pub fn allocate_zeroed_page() -> Option<FrameNumber> {
    allocate_page().inspect(|frame| zero(*frame, 1))
}

/// `count` contiguous pages of this node, else of the nearest to it, filled with zeros.
pub fn allocate_zeroed_pages_from(node: NodeId, count: u64) -> Option<FrameNumber> {
    allocate_pages_from(node, count).inspect(|frame| zero(*frame, count))
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

/// `count` contiguous frames for the kernel itself, of `node` or the nearest to it that has them. [`free_for_kernel`] alone takes
/// them back: no driver can, whatever it frees.
pub fn allocate_for_kernel(node: NodeId, count: u64, zeroed: Zeroed) -> Option<Grant> {
    if let Some(frame) = allocate_quickly(node, count) {
        let grant = Grant { frame, count, node, fell_back: false };
        fill(grant, zeroed);
        return seal(grant);
    }
    allocate_sealed(&Request::new(count, node), zeroed)
}

/// The same, of `node` or not at all.
pub fn allocate_for_kernel_on(node: NodeId, count: u64, zeroed: Zeroed) -> Option<Grant> {
    allocate_sealed(&Request { strict: true, ..Request::new(count, node) }, zeroed)
}

fn allocate_sealed(request: &Request, zeroed: Zeroed) -> Option<Grant> {
    let request = Request { cpu_node: per_cpu::current().node, ..*request };
    seal(allocate(&request, zeroed).ok()?)
}

/// Makes a grant the kernel's. `None` where a driver has guessed the address just now and freed it: then it is not.
fn seal(grant: Grant) -> Option<Grant> {
    let _off = PreemptionOff::new();
    pages().seal(grant.frame, grant.count).ok()?;
    Some(grant)
}

/// A frame for the kernel itself, none of whose bytes lies above `highest`.
pub fn allocate_below(node: NodeId, highest: PhysAddr, zeroed: Zeroed) -> Option<FrameNumber> {
    let request = Request { highest: Some(highest), ..Request::new(1, node) };
    allocate_sealed(&request, zeroed).map(|grant| grant.frame)
}

/// A frame for a page table, which whoever maps with it fills.
pub fn allocate_table_frame(node: NodeId) -> Option<FrameNumber> {
    allocate_for_kernel(node, 1, Zeroed::No).map(|grant| grant.frame)
}

/// Takes back what was granted to the kernel itself.
///
/// # Errors
/// [`FreeError`]; nothing was changed.
pub fn free_for_kernel(frame: FrameNumber, count: u64) -> Result<(), FreeError> {
    let freed = {
        let _off = PreemptionOff::new();
        pages().free_sealed(frame, count).inspect_err(count_refused)
    };
    freed.inspect_err(|error| refusals::note_pages(frame, count, *error))
}

/// Takes back what one call granted.
///
/// # Errors
/// [`FreeError`]; nothing was changed.
pub fn free(frame: FrameNumber, count: u64) -> Result<(), FreeError> {
    let _off = PreemptionOff::new();
    pages().free_cached(own_cache(), frame, count).inspect_err(count_refused)
}

/// Takes back a single page, into the CPU's cache if it can be. `false`, with nothing changed and the reason in the log, where it
/// was no page that was granted.
#[inline(never)]
pub fn free_page(frame: FrameNumber) -> bool {
    {
        let _off = PreemptionOff::new();
        if own_cache().put(frame) {
            return true;
        }
    }
    free_page_slowly(frame)
}

#[inline(never)]
fn free_page_slowly(frame: FrameNumber) -> bool {
    // No word can tell of its last frame.
    if frame.0 % 64 != 63 && free_kept(frame, 1) { true } else { free_own_page(frame) }
}

#[inline(never)]
fn free_own_page(frame: FrameNumber) -> bool {
    let freed = {
        let _off = PreemptionOff::new();
        pages().free_own(own_cache(), frame)
    };
    if freed { true } else { free_or_log(frame, 1) }
}

/// Takes back what one call granted. `false`, with nothing changed and the reason in the log, where it was no such thing.
#[inline(never)]
pub fn free_pages(frame: FrameNumber, count: u64) -> bool {
    if count == BLOCK_PAGES {
        return free_block(frame);
    }
    if count == 1 {
        return free_page(frame);
    }
    if free_kept(frame, count) { true } else { free_or_log(frame, count) }
}

#[inline(never)]
fn free_block(frame: FrameNumber) -> bool {
    let kept = {
        let _off = PreemptionOff::new();
        pages().free_kept_block(frame)
    };
    if kept { true } else { free_or_log(frame, BLOCK_PAGES) }
}

/// Takes back pages that are kept from then on, if that is quickly done.
#[inline(always)]
fn free_kept(frame: FrameNumber, count: u64) -> bool {
    let _off = PreemptionOff::new();
    pages().free_kept(own_cache(), frame, count)
}

#[cold]
#[inline(never)]
fn free_or_log(frame: FrameNumber, count: u64) -> bool {
    free(frame, count).map_err(|error| refusals::note_pages(frame, count, error)).is_ok()
}

/// The node of a frame; `None` for one that is not managed.
pub fn node_of(frame: FrameNumber) -> Option<NodeId> {
    pages().node_of(frame)
}

/// The nodes that had memory at boot, which is what the fallback orders name, too: one that gets its first memory later is not
/// among them, and no policy over several nodes reaches it.
pub fn nodes_with_memory() -> NodeSet {
    static NODES: Once<NodeSet> = Once::new();
    // Each node's fallback order lists them all.
    *NODES.call_once(|| numa_topology::get().fallback(NodeId::ZERO).iter().copied().collect())
}

/// Frees that were refused since there is no memory, which no node counts.
pub fn refused_outside() -> u64 {
    pages().refused_outside()
}

/// The node's numbers; zeros for a node that is not there.
pub fn node_stats(node: NodeId) -> NodeStats {
    let _off = PreemptionOff::new();
    pages().node_stats(node).unwrap_or_default()
}
