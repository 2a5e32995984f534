//! Pages for the running thread, as its policy or the call's says: quick paths to what is at hand, then the general request.
use super::{Zeroed, allocate, fill, free, own_cache, pages, zero};
use crate::cpu::PreemptionOff;
use crate::memory::cpu_memory;
use crate::memory::policy::{MemoryContext, Packed, Policy};
use core::num::NonZero;
use core::sync::atomic::{AtomicPtr, Ordering};
use page_alloc::{AllocateError, FreeError, Grant, NotCached, Request};
use units::{FrameNumber, NodeId, PhysAddr};

/// Pages of 2 MiB.
const BLOCK_PAGES: u64 = 512;

/// `count` contiguous frames for the running thread: by `policy` if given, else by the thread's policy, else from its
/// preferred node, else from this CPU's; from the nearest where that has none, unless the policy forbids it.
///
/// # Errors
/// [`AllocateError`]; nothing was allocated.
#[inline(never)]
pub fn allocate_for_thread(request: ThreadRequest<'_>) -> Result<Grant, AllocateError> {
    let ThreadRequest { count, alignment, highest, policy, zeroed } = request;
    let cpu = cpu_memory::current();
    let mut is_empty = false;
    if alignment == 1
        && highest.is_none()
        && let Some(node) = policy.map_or_else(thread_node, named_node)
    {
        let found = if count == 1 && node == cpu.node {
            allocate_cached(node).inspect_err(|why| is_empty = *why == NotCached::NodeIsEmpty).ok()
        } else {
            allocate_quickly(node, count)
        };
        if let Some(frame) = found {
            let grant = Grant { frame, count, node, fell_back: false };
            fill(grant, zeroed);
            return Ok(grant);
        }
    }
    let of_one = match &policy {
        Some(policy) => policy.one_node(cpu.node),
        None => thread_policy().one_node(cpu.node),
    };
    let Some((preferred, strict)) = of_one else { return allocate_of_several(request) };
    if is_empty && strict {
        return Err(AllocateError::NoFit { preferred, count });
    }
    let request =
        Request { alignment, highest, strict, cpu_node: cpu.node, ..Request::new(count, preferred) };
    allocate(&request, zeroed)
}

/// The same by a policy over several nodes.
#[inline(never)]
fn allocate_of_several(request: ThreadRequest<'_>) -> Result<Grant, AllocateError> {
    let ThreadRequest { count, alignment, highest, policy, zeroed } = request;
    let policy = if let Some(policy) = policy { policy } else { thread_policy() };
    let (cpu, thread) = (cpu_memory::current(), MemoryContext::current());
    let mut cursor = thread.cursor();
    let by_policy = policy.request(count, cpu.node, &mut cursor);
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
    if takes_local_memory()
        && let Some(frame) = take_from_cache()
    {
        return NonZero::new(frame.0);
    }
    allocate_page_slowly()
}

#[inline]
fn takes_local_memory() -> bool {
    // SAFETY: it is the running thread's.
    unsafe { MemoryContext::current().takes_local_memory() }
}

#[inline]
fn take_from_cache() -> Option<FrameNumber> {
    let _off = PreemptionOff::new();
    own_cache().take()
}

#[inline(never)]
fn allocate_page_slowly() -> Option<NonZero<u64>> {
    if let Some(node) = MemoryContext::current().placement().named_node()
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
fn allocate_pages_from(node: NodeId, count: u64) -> Option<FrameNumber> {
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
pub(super) fn allocate_quickly(node: NodeId, count: u64) -> Option<FrameNumber> {
    match count {
        BLOCK_PAGES => allocate_kept_block(node),
        1 if node == cpu_memory::current().node => allocate_cached(node).ok(),
        _ => allocate_kept(node, count),
    }
}

/// A page of the node from the CPU's cache, which may be another node's: the thread was perhaps moved since it looked.
#[inline(never)]
fn allocate_cached(node: NodeId) -> Result<FrameNumber, NotCached> {
    let _off = PreemptionOff::new();
    let cache = own_cache();
    if cache.node() != Some(node) {
        return Err(NotCached::AskNode);
    }
    pages().allocate_cached_or_tell(cache)
}

/// So many pages that were freed last on the node, if they are kept: but no single page of the CPU's own node.
#[inline(always)]
fn allocate_kept(node: NodeId, count: u64) -> Option<FrameNumber> {
    let _off = PreemptionOff::new();
    let cpu = cpu_memory::current();
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
    let cpu = cpu_memory::current();
    let local = node == cpu.node;
    let frame = pages().allocate_kept_block(node, local)?;
    cpu.page_counts.note(BLOCK_PAGES, local);
    Some(frame)
}

/// The one node that the running thread's memory comes from, if there is one and as long as it has some.
#[inline]
fn thread_node() -> Option<NodeId> {
    let placement = MemoryContext::current().placement();
    if placement == Packed::LOCAL { Some(cpu_memory::current().node) } else { placement.named_node() }
}

/// The same by this policy.
#[inline]
fn named_node(policy: Policy<'_>) -> Option<NodeId> {
    match policy {
        Policy::Local => Some(cpu_memory::current().node),
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
    MemoryContext::current().home().unwrap_or(cpu_memory::current().node)
}

/// What the running thread gets where a call says nothing else.
pub fn thread_policy() -> Policy<'static> {
    let thread = MemoryContext::current();
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
    if free_kept(frame, 1) { true } else { free_own_page(frame) }
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

/// Who is told of frees that are refused.
static REFUSED: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Has `report` called for each free of the running thread's that is refused.
pub fn report_refused_with(report: fn(FrameNumber, u64, FreeError)) {
    REFUSED.store(report as *mut (), Ordering::Release);
}

#[cold]
fn refused(frame: FrameNumber, count: u64, error: FreeError) {
    let report = REFUSED.load(Ordering::Acquire);
    if !report.is_null() {
        // SAFETY: only `report_refused_with` stores here.
        unsafe {
            core::mem::transmute::<*mut (), fn(FrameNumber, u64, FreeError)>(report)(frame, count, error)
        };
    }
}

#[cold]
#[inline(never)]
fn free_or_log(frame: FrameNumber, count: u64) -> bool {
    free(frame, count).map_err(|error| refused(frame, count, error)).is_ok()
}
