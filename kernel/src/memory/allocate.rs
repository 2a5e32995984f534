//! Allocating and freeing pages, for the running thread by its policy, and for the kernel itself.
//!
//! This file turns a call into a [`Request`] and counts the outcome. The running CPU's [`CpuCache`](page_alloc::CpuCache) does the
//! rest. Pages that the kernel allocates for itself are kernel-owned, so a driver cannot free them.
use super::memory_context::MemoryContext;
use super::packed_policy::Packed;
use super::page_uses::{self, PageUse};
use super::{cache_drain, cpu_memory, fail_allocation};
use crate::arch;
use crate::cpu::{self, Hook, PreemptionOff};
use core::hint::black_box;
use core::num::NonZero;
use page_alloc::{AllocateError, FreeError, Grant, PageOwner, Policy, Refusal, Request};
use units::{FRAME_SIZE, FrameNumber, NodeId, NodeSet, PhysAddr};

/// Whether pages are filled with zeros before they are handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Zeroed {
    /// The pages contain what their last owner wrote.
    No,
    /// The pages contain zeros.
    Yes,
}

/// A request of the running thread.
#[derive(Clone, Copy, Debug)]
pub struct ThreadRequest<'p> {
    /// The number of contiguous pages.
    pub count: u64,
    /// The alignment of the first frame, in frames: a power of two.
    pub alignment: u64,
    /// The last byte allowed; `None` allows any.
    pub highest: Option<PhysAddr>,
    /// The policy for this call; `None` is the thread's.
    pub policy: Option<Policy<'p>>,
    /// Whether the pages are zeroed.
    pub zeroed: Zeroed,
    /// Whose the pages are.
    pub owner: PageOwner,
}

impl ThreadRequest<'_> {
    /// Returns a request for so many zeroed pages by the thread's policy.
    pub const fn new(count: u64) -> Self {
        Self {
            count,
            alignment: 1,
            highest: None,
            policy: None,
            zeroed: Zeroed::Yes,
            owner: PageOwner::NOBODY,
        }
    }
}

/// Allocates one page for the running thread by its policy, not zeroed. This is the most frequent request.
#[inline]
pub fn allocate_page() -> Option<FrameNumber> {
    page_number().map(|number| FrameNumber(number.get()))
}

/// Allocates one zeroed page for the running thread by its policy.
#[inline]
pub fn allocate_zeroed_page() -> Option<FrameNumber> {
    allocate_page().inspect(|frame| zero(*frame, 1))
}

/// Returns the page's number in one register: frame 0 is never granted.
///
/// The common path makes no call, and every other one ends with a call, so the function needs no stack.
#[inline(never)]
fn page_number() -> Option<NonZero<u64>> {
    if !MemoryContext::current().takes_local_memory() {
        return placed_page();
    }
    let off = PreemptionOff::new();
    let cache = cpu_memory::cache(&off);
    let Some(grant) = cache.take_at_hand(1, cache.node(), PageOwner::NOBODY) else {
        return page_number_beyond_cache(off);
    };
    let number = NonZero::new(grant.frame.0);
    if off.end_is_due() { after_deferred(number) } else { number }
}

#[inline(never)]
fn placed_page() -> Option<NonZero<u64>> {
    placed_page_number(1)
}

#[inline(never)]
fn page_number_beyond_cache(off: PreemptionOff) -> Option<NonZero<u64>> {
    if !fail_allocation::is_on()
        && let Some(grant) = cpu_memory::cache(&off).refill_and_take_page(PageOwner::NOBODY)
    {
        return NonZero::new(grant.frame.0);
    }
    drop(off);
    general_page_number(1)
}

/// Does the work that was deferred while preemption was off, and returns the page's number.
#[cold]
#[inline(never)]
fn after_deferred(number: Option<NonZero<u64>>) -> Option<NonZero<u64>> {
    cpu::do_deferred();
    number
}

/// Allocates `count` contiguous pages for the running thread by its policy, not zeroed.
#[inline]
pub fn allocate_pages(count: u64) -> Option<FrameNumber> {
    pages_number(count).map(|number| FrameNumber(number.get()))
}

#[inline(never)]
fn pages_number(count: u64) -> Option<NonZero<u64>> {
    placed_page_number(count)
}

/// Returns the number of the first page. Pages of a single node that are at hand take no general request.
#[inline(always)]
fn placed_page_number(count: u64) -> Option<NonZero<u64>> {
    let placement = MemoryContext::current().placement();
    {
        let off = PreemptionOff::new();
        let cache = cpu_memory::cache(&off);
        let node = if placement == Packed::LOCAL { Some(cache.node()) } else { placement.named_node() };
        if let Some(node) = node
            && let Some(grant) = cache.take_at_hand(count, node, PageOwner::NOBODY)
        {
            count_grant(&grant, false);
            return NonZero::new(grant.frame.0);
        }
    }
    general_page_number(count)
}

#[cold]
#[inline(never)]
fn general_page_number(count: u64) -> Option<NonZero<u64>> {
    let request = ThreadRequest { zeroed: Zeroed::No, ..ThreadRequest::new(count) };
    NonZero::new(allocate_for_thread(request).ok()?.frame.0)
}

/// Allocates pages for the running thread. The first of these that is set selects the node: the request's policy, the thread's
/// policy, the thread's preferred node. Otherwise it is the CPU's node. If the node has no fit, the nearest node that has one
/// serves the request, unless the policy forbids that.
///
/// # Errors
/// [`AllocateError`]; nothing was allocated.
#[inline(never)]
pub fn allocate_for_thread(request: ThreadRequest<'_>) -> Result<Grant, AllocateError> {
    let ThreadRequest { count, alignment, highest, policy, zeroed, owner } = request;
    let context = MemoryContext::current();
    let mut cursor = context.cursor();
    let mut request = Request { alignment, highest, owner, ..Request::local(count) };
    match policy {
        Some(policy) => policy.apply(&mut request, &mut cursor),
        None => context.effective_policy().apply(&mut request, &mut cursor),
    }
    let granted = allocate(&request, zeroed);
    // A request that is refused does not move the interleaving on.
    if granted.is_ok() {
        context.set_cursor(cursor);
    }
    granted
}

/// Allocates pages for exactly this request, whatever the running thread's policy is.
///
/// # Errors
/// [`AllocateError`]; nothing was allocated.
#[inline]
pub fn allocate(request: &Request, zeroed: Zeroed) -> Result<Grant, AllocateError> {
    let granted = allocate_frames(request);
    if zeroed == Zeroed::Yes
        && let Ok(grant) = &granted
    {
        zero(grant.frame, grant.count);
    }
    granted
}

/// Allocates frames and counts them for the running CPU.
#[inline]
fn allocate_frames(request: &Request) -> Result<Grant, AllocateError> {
    if fail_allocation::is_due(request) {
        return Err(fail_allocation::error(request));
    }
    loop {
        let error = match try_allocate(request, NodeSet::EMPTY) {
            Ok(grant) => return Ok(grant),
            Err(Refusal::Error(error)) => error,
            Err(Refusal::Drain { node, others }) => match allocate_by_draining(request, node, others) {
                Ok(grant) => return Ok(grant),
                Err(error) => error,
            },
        };
        // It ends: each time, the heaps have less that they could return.
        if !has_reclaimed(request) {
            return Err(error);
        }
    }
}

/// Has the heaps return frames after a request has failed. Returns true if there were any.
#[cold]
#[inline(never)]
fn has_reclaimed(request: &Request) -> bool {
    let node = if request.strict { request.preferred } else { None };
    RECLAIM.get().is_some_and(|reclaim| reclaim(node))
}

/// The function that returns frames of one node, or of all, to the allocator, if the running thread may wait. It returns true if there
/// were any.
static RECLAIM: Hook<fn(Option<NodeId>) -> bool> = Hook::new();

/// Registers the function that has the heaps return frames when a request fails.
pub fn reclaim_with(reclaim: fn(Option<NodeId>) -> bool) {
    RECLAIM.set(reclaim);
}

/// Allocates frames and counts them for the running CPU. Has no cache drained.
#[inline(always)]
fn try_allocate(request: &Request, drained: NodeSet) -> Result<Grant, Refusal> {
    let off = PreemptionOff::new();
    let granted = cpu_memory::cache(&off).try_allocate(request, drained);
    if let Ok(grant) = &granted {
        count_grant(grant, request.interleaved);
    }
    granted
}

/// Allocates frames after a refusal: has the caches of `node` drained, with preemption on, and tries again.
#[cold]
#[inline(never)]
fn allocate_by_draining(
    request: &Request,
    mut node: NodeId,
    mut others: bool,
) -> Result<Grant, AllocateError> {
    let mut drained = NodeSet::EMPTY;
    loop {
        cache_drain::drain(node, others);
        drained.insert(node);
        match try_allocate(request, drained) {
            Ok(grant) => return Ok(grant),
            Err(Refusal::Error(error)) => return Err(error),
            Err(Refusal::Drain { node: next, others: of_others }) => (node, others) = (next, of_others),
        }
    }
}

/// Counts a grant for the running CPU. The cache has counted its own. Preemption is off.
#[inline(always)]
fn count_grant(grant: &Grant, interleaved: bool) {
    if grant.cached {
        return;
    }
    let memory = cpu_memory::current();
    memory.page_counts.note(grant.count, grant.node == memory.node);
    if grant.fell_back {
        memory.page_counts.note_miss(grant.count);
    } else if interleaved {
        memory.page_counts.note_interleave_hit(grant.count);
    }
}

/// Fills pages that the caller has just allocated with zeros.
#[inline]
pub(super) fn zero(frame: FrameNumber, count: u64) {
    let start = arch::physical_memory(frame.address());
    // SAFETY: the callers pass frames of a grant that they have not given to other code yet. Granted frames are RAM, which
    // `physical_memory` maps.
    unsafe { start.write_bytes(0, (count * FRAME_SIZE) as usize) };
}

/// Allocates `count` contiguous pages for the kernel itself, from `node` or else from the nearest node that has them. Only
/// [`free_for_kernel`] takes them back.
pub fn allocate_for_kernel(page_use: PageUse, node: NodeId, count: u64, zeroed: Zeroed) -> Option<Grant> {
    allocate_kernel_owned(page_use, &Request::new(count, node), zeroed)
}

/// Allocates pages for exactly this request and for the kernel itself, and counts them.
#[inline]
pub fn allocate_kernel_owned(page_use: PageUse, request: &Request, zeroed: Zeroed) -> Option<Grant> {
    let grant = allocate(&Request { owner: PageOwner::KERNEL, ..*request }, zeroed).ok()?;
    page_uses::note_granted(page_use, grant.count);
    Some(grant)
}

/// Allocates `count` contiguous pages for the kernel itself, from `node` or not at all.
pub fn allocate_for_kernel_on(page_use: PageUse, node: NodeId, count: u64, zeroed: Zeroed) -> Option<Grant> {
    allocate_kernel_owned(page_use, &Request { strict: true, ..Request::new(count, node) }, zeroed)
}

/// Allocates `count` contiguous pages for the kernel itself, as [`allocate_for_kernel`] does. The first frame's number is a multiple
/// of `alignment`, a power of two.
pub fn allocate_aligned_for_kernel(
    page_use: PageUse,
    node: NodeId,
    count: u64,
    alignment: u64,
) -> Option<FrameNumber> {
    let request = Request { alignment, ..Request::new(count, node) };
    Some(allocate_kernel_owned(page_use, &request, Zeroed::No)?.frame)
}

/// Allocates pages as [`allocate_aligned_for_kernel`] does, if `node` has them at hand.
#[inline(always)]
pub fn allocate_at_hand_for_kernel(
    page_use: PageUse,
    node: NodeId,
    count: u64,
    alignment: u64,
) -> Option<FrameNumber> {
    // What is at hand is aligned to its length.
    if alignment > count || fail_allocation::is_on() {
        return None;
    }
    let off = PreemptionOff::new();
    let grant = cpu_memory::cache(&off).take_at_hand_for_kernel(count, node)?;
    count_grant(&grant, false);
    page_uses::note_granted(page_use, count);
    Some(grant.frame)
}

/// Allocates a page for the kernel itself, with its last byte at `highest` or below.
pub fn allocate_below(
    page_use: PageUse,
    node: NodeId,
    highest: PhysAddr,
    zeroed: Zeroed,
) -> Option<FrameNumber> {
    let request = Request { highest: Some(highest), ..Request::new(1, node) };
    Some(allocate_kernel_owned(page_use, &request, zeroed)?.frame)
}

/// Allocates a page for a page table, not zeroed: `arch` empties the table before it uses it.
pub fn allocate_table_frame(node: NodeId) -> Option<FrameNumber> {
    Some(allocate_for_kernel(PageUse::Tables, node, 1, Zeroed::No)?.frame)
}

/// Takes back pages of one allocation that belong to nobody in particular.
///
/// # Errors
/// [`FreeError`]; nothing was changed.
pub fn free(frame: FrameNumber, count: u64) -> Result<(), FreeError> {
    free_of(frame, count, PageOwner::NOBODY)
}

/// Takes back pages of one allocation of this owner.
///
/// # Errors
/// [`FreeError`]; nothing was changed.
fn free_of(frame: FrameNumber, count: u64, owner: PageOwner) -> Result<(), FreeError> {
    let off = PreemptionOff::new();
    cpu_memory::cache(&off).free_of(frame, count, owner).inspect_err(|_| count_refused())
}

/// Takes back a single page that belongs to nobody in particular. Returns false, with nothing changed, if the free is refused, which is reported.
#[inline(never)]
pub fn free_page(frame: FrameNumber) -> bool {
    let off = PreemptionOff::new();
    if !cpu_memory::cache(&off).put_page_in_cache(frame, PageOwner::NOBODY) {
        return free_page_beyond_cache(frame, PageOwner::NOBODY, off);
    }
    if off.end_is_due() { freed_after_deferred() } else { true }
}

/// Takes back a single page of the owner that the cache did not take at once. Reports a refusal.
#[inline(never)]
pub(super) fn free_page_beyond_cache(frame: FrameNumber, owner: PageOwner, off: PreemptionOff) -> bool {
    if cpu_memory::cache(&off).put_page_beyond_cache(frame, owner) {
        return true;
    }
    drop(off);
    free_or_report(frame, 1, owner)
}

/// Does the work that was deferred while preemption was off, after a page was freed.
#[cold]
#[inline(never)]
pub(super) fn freed_after_deferred() -> bool {
    cpu::do_deferred();
    // The caller returns what it gets, so it needs no stack.
    black_box(true)
}

/// Takes back pages of one allocation of this owner. Returns false, with nothing changed, if the free is refused, which is reported.
#[inline(always)]
pub fn free_pages(frame: FrameNumber, count: u64, owner: PageOwner) -> bool {
    {
        let off = PreemptionOff::new();
        if cpu_memory::cache(&off).put_at_hand(frame, count, owner) {
            return true;
        }
    }
    free_or_report(frame, count, owner)
}

#[cold]
#[inline(never)]
fn free_or_report(frame: FrameNumber, count: u64, owner: PageOwner) -> bool {
    free_of(frame, count, owner).map_err(|error| report_refused(frame, count, error)).is_ok()
}

/// Takes back pages that were allocated for the kernel itself, for this use. Logs a refusal.
///
/// # Errors
/// [`FreeError`]; nothing was changed.
#[inline(always)]
pub fn free_for_kernel(page_use: PageUse, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
    {
        let off = PreemptionOff::new();
        if cpu_memory::cache(&off).put_at_hand_of_kernel(frame, count) {
            page_uses::note_freed(page_use, count);
            return Ok(());
        }
    }
    free_for_kernel_beyond_hand(page_use, frame, count)
}

#[inline(never)]
fn free_for_kernel_beyond_hand(page_use: PageUse, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
    let freed = {
        let off = PreemptionOff::new();
        cpu_memory::cache(&off).free_kernel_owned(frame, count).inspect_err(|_| count_refused())
    };
    freed.inspect(|()| page_uses::note_freed(page_use, count)).inspect_err(|error| {
        log::error!(target: "pages", "the kernel freed {count} pages at {:#x}: {error}; refused", frame.address().0);
    })
}

/// Counts a refused free for the running CPU. Preemption is off.
#[cold]
fn count_refused() {
    cpu_memory::current().page_counts.note_refused_free();
}

/// The function that refused frees are reported to.
static REPORT_REFUSED: Hook<fn(FrameNumber, u64, FreeError)> = Hook::new();

/// Registers the function to which refused frees of the running thread are reported.
pub fn report_refused_with(report: fn(FrameNumber, u64, FreeError)) {
    REPORT_REFUSED.set(report);
}

#[cold]
#[inline(never)]
fn report_refused(frame: FrameNumber, count: u64, error: FreeError) {
    if let Some(report) = REPORT_REFUSED.get() {
        report(frame, count, error);
    }
}
