//! Pages of drivers: each belongs to the driver that it was granted to, which alone frees it, and is counted. What is left is taken back
//! at the driver's end.
use super::allocate::{self, ThreadRequest, Zeroed};
use super::memory_context::MemoryContext;
use super::{cpu_memory, frames};
use crate::arch::add_to_cpu_local_element;
use crate::cpu::{self, PreemptionOff, cpu_local};
use core::sync::atomic::{AtomicU64, Ordering};
use page_alloc::{AllocateError, Grant, PageOwner, Request};
use units::{FrameNumber, NodeId};

cpu_local! {
    /// For each owner, the pages that were granted on this CPU less those that were freed on it. Only the sum over all CPUs has a meaning.
    static PAGES: [AtomicU64; PageOwner::COUNT] = [const { AtomicU64::new(0) }; PageOwner::COUNT];
}

/// Counts pages that the owner has got on the running CPU.
#[inline(always)]
fn note_granted(owner: PageOwner, pages: u64) {
    add_to_cpu_local_element!(PAGES, owner.number(), pages);
}

/// Counts pages that the owner has lost on the running CPU.
#[inline(always)]
fn note_freed(owner: PageOwner, pages: u64) {
    add_to_cpu_local_element!(PAGES, owner.number(), pages.wrapping_neg());
}

/// Returns how many pages the owner has. While it allocates or frees, this may be a little more or less.
pub fn count(owner: PageOwner) -> u64 {
    let of_cpu = |cpu| PAGES.of(cpu)[owner.number()].load(Ordering::Relaxed);
    let sum = cpu::all().map(of_cpu).fold(0, u64::wrapping_add);
    if sum.cast_signed() < 0 { 0 } else { sum }
}

/// Calls `each` with a node and a number of pages that the owner has there, for all of its pages in some parts. Looks at as many frames as
/// [`take_back`] does.
pub fn for_each_part(owner: PageOwner, each: &mut dyn FnMut(NodeId, u64)) {
    let mut counting = frames::pages().count_grants(owner);
    loop {
        let off = PreemptionOff::new();
        let Some((node, pages)) = counting.next() else { break };
        drop(off);
        if pages > 0 {
            each(node, pages);
        }
    }
}

/// Returns how many pages all drivers have.
pub fn count_all() -> u64 {
    (1..PageOwner::COUNT).filter_map(PageOwner::new).map(count).sum()
}

/// A page that was at hand.
#[derive(Clone, Copy)]
pub struct PageAtHand {
    /// Its number.
    pub frame: FrameNumber,
    /// Its node, which is the running CPU's.
    pub node: NodeId,
    /// The distance from the node to itself.
    pub distance: u32,
}

/// Allocates one page for the owner, not zeroed, if the policy of the running thread, whose context this is, is the local one, and if the
/// CPU has a page of its node at hand.
#[inline(always)]
pub fn take_at_hand(owner: PageOwner, context: &MemoryContext, off: &PreemptionOff) -> Option<PageAtHand> {
    if !context.takes_local_memory() {
        return None;
    }
    let (memory, cache) = cpu_memory::with_cache(off);
    let frame = cache.take_at_hand(1, cache.node(), owner)?.frame;
    add_to_cpu_local_element!(PAGES, owner.number(), const 1);
    Some(PageAtHand { frame, node: memory.node, distance: memory.distance })
}

/// Allocates one zeroed page for the owner by the running thread's policy.
pub fn allocate_zeroed_page(owner: PageOwner) -> Option<FrameNumber> {
    let at_hand = take_at_hand(owner, MemoryContext::current(), &PreemptionOff::new());
    match at_hand {
        Some(page) => {
            allocate::zero(page.frame, 1);
            Some(page.frame)
        }
        None => {
            let request = ThreadRequest { owner, ..ThreadRequest::new(1) };
            Some(allocate_for_thread(request).ok()?.frame)
        }
    }
}

/// Allocates pages for the request's owner, as [`allocate::allocate_for_thread`] does.
///
/// # Errors
/// [`AllocateError`]; nothing was allocated.
pub fn allocate_for_thread(request: ThreadRequest<'_>) -> Result<Grant, AllocateError> {
    let granted = allocate::allocate_for_thread(request);
    granted.inspect(|grant| note_granted(request.owner, grant.count))
}

/// Allocates zeroed pages for the request's owner, whatever the running thread's policy is.
pub fn allocate_zeroed(request: &Request) -> Option<FrameNumber> {
    let grant = allocate::allocate(request, Zeroed::Yes).ok()?;
    note_granted(request.owner, grant.count);
    Some(grant.frame)
}

/// Takes back a single page of the owner. Returns false, with nothing changed, if the free is refused, which is reported.
#[inline(always)]
pub fn free_page(frame: FrameNumber, owner: PageOwner) -> bool {
    let off = PreemptionOff::new();
    if !cpu_memory::cache(&off).put_page_in_cache(frame, owner) {
        return free_page_beyond_cache(frame, owner, off);
    }
    add_to_cpu_local_element!(PAGES, owner.number(), const -1);
    if off.end_is_due() { allocate::freed_after_deferred() } else { true }
}

#[inline(never)]
fn free_page_beyond_cache(frame: FrameNumber, owner: PageOwner, off: PreemptionOff) -> bool {
    let freed = allocate::free_page_beyond_cache(frame, owner, off);
    if freed {
        note_freed(owner, 1);
    }
    freed
}

/// Takes back pages of one allocation of the owner. Returns false, with nothing changed, if the free is refused, which is reported.
pub fn free_pages(frame: FrameNumber, count: u64, owner: PageOwner) -> bool {
    let freed = allocate::free_pages(frame, count, owner);
    if freed {
        note_freed(owner, count);
    }
    freed
}

/// Takes back all pages of an owner of which nothing runs any more, and returns how many there were.
///
/// An owner without pages costs a look at each CPU's count. Otherwise this looks at the frames of all split blocks, and at all other
/// blocks but those of free runs, until as many pages are found as were counted. Preemption is on after each 64 frames or blocks.
pub fn take_back(owner: PageOwner) -> u64 {
    let counted = count(owner);
    if counted == 0 {
        return 0;
    }
    let mut taking = frames::pages().take_back(owner);
    let mut taken = 0;
    while taken < counted {
        let off = PreemptionOff::new();
        let Some(pages) = taking.next() else { break };
        drop(off);
        taken += pages;
    }
    // Nothing of the owner runs, so this is the whole count.
    note_freed(owner, counted);
    taken
}
