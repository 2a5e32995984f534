//! Tests that stacks are in their node's memory, and that freeing them loses no page.
use super::fallback::Taken;
use super::pages::state;
use super::{Work, ensure};
use crate::memory::allocate::{self, Zeroed};
use crate::memory::frames;
use crate::memory::page_tables;
use crate::memory::stack::{STACK_PAGES, Stack};
use crate::platform::numa_topology;
use alloc::string::String;
use page_alloc::Request;
use units::{FRAME_SIZE, FrameNumber, NodeId, VirtAddr};

/// Bytes under a stack that are not mapped.
const GUARD_BYTES: u64 = 64 << 10;

/// How many stacks are allocated and freed, one after the other.
const ROUNDS: u32 = 100;

/// Checks on each node that every page of a stack is on the node. After the stack is freed, its pages are unmapped, the next stack
/// has its addresses, and no page is lost.
pub fn come_and_go_without_a_trace() -> Result<Work, String> {
    let mut done = false;
    for node in numa_topology::get().nodes() {
        if frames::node_stats(node.id).free < 64 {
            continue;
        }
        // The first stack may need page tables, which are never freed.
        let top = come_and_go(node.id)?;
        let before = state(node.id);
        for _ in 0..ROUNDS {
            let again = come_and_go(node.id)?;
            ensure!(again == top, "a stack was at {top}, and the next one at {again}");
        }
        let after = state(node.id);
        ensure!(after == before, "node {} had {before:?}, and now has {after:?}", node.id);
        done = true;
    }
    Ok(Work::done_if(done, "no node has 64 free pages"))
}

/// Allocates, checks and frees a stack. Returns where its end was.
fn come_and_go(node: NodeId) -> Result<VirtAddr, alloc::string::String> {
    let stack = Stack::allocate(node).ok_or("no stack to be had")?;
    let top = stack.top;
    let foreign = pages(top).filter(|page| node_at(*page) != Some(node)).count();
    let bottom = top.0 - STACK_PAGES * FRAME_SIZE;
    let guard = (1..=GUARD_BYTES / FRAME_SIZE).map(|page| VirtAddr(bottom - page * FRAME_SIZE));
    let below = guard.filter_map(page_tables::translate).next();
    // SAFETY: no thread was given the stack, and the lines above do not read its memory.
    unsafe { stack.free() };
    ensure!(foreign == 0, "{foreign} pages of a stack for node {node} are not on it");
    ensure!(below.is_none(), "in the {GUARD_BYTES} bytes below a stack there is {below:?}");
    let left = pages(top).filter(|page| page_tables::translate(*page).is_some()).count();
    ensure!(left == 0, "{left} pages of a stack are mapped after it was freed");
    Ok(top)
}

/// Returns the pages of a thread's stack that ends at `top`.
fn pages(top: VirtAddr) -> impl Iterator<Item = VirtAddr> {
    (1..=STACK_PAGES).map(move |page| VirtAddr(top.0 - page * FRAME_SIZE))
}

/// Returns the node of the frame that a page is mapped to.
fn node_at(page: VirtAddr) -> Option<NodeId> {
    frames::node_of(FrameNumber::containing(page_tables::translate(page)?))
}

/// Pages of a piece of memory: half of a stack, so that no stack fits.
const PIECE: u64 = STACK_PAGES / 2;
/// How many pieces are allocated. Every second one is freed.
const PIECES: u32 = 16;

/// Checks that a node with free memory in small pieces only can make a stack of single pages, and that all of them are freed.
pub fn are_made_of_small_pieces_where_there_are_no_large_ones() -> Result<Work, String> {
    let mut done = false;
    for node in numa_topology::get().nodes() {
        let before = state(node.id);
        let (mut kept, mut pieces) = (Taken::new(), Taken::new());
        for number in 0..PIECES {
            let request = Request { strict: true, ..Request::new(PIECE, node.id) };
            let Ok(grant) = allocate::allocate(&request, Zeroed::No) else { break };
            if number % 2 == 0 { &mut kept } else { &mut pieces }.keep(grant.frame, PIECE);
        }
        let exhausted = kept.exhaust(node.id);
        pieces.free_all()?;
        let outcome = exhausted.and_then(|()| match frames::node_stats(node.id).free {
            // The node has too little memory for a stack.
            0..64 => Ok(()),
            _ => come_and_go(node.id).map(|_| done = true),
        });
        kept.free_all()?;
        outcome?;
        let after = state(node.id);
        ensure!(after == before, "node {} had {before:?}, and now has {after:?}", node.id);
    }
    Ok(Work::done_if(done, "no node has 64 free pages in small pieces"))
}
