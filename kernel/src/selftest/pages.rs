//! Tests that pages lie in their node's ranges, that wrong frees are refused, and that CPUs and nodes count alike.
use super::{Outcome, Work, ensure};
use crate::cpu;
use crate::memory::allocate::{self, ThreadRequest, Zeroed};
use crate::memory::frames;
use crate::memory::heap;
use crate::memory::page_counts;
use crate::memory::page_report;
use crate::memory::page_uses::{self, PageUse};
use crate::platform::numa_topology;
use crate::threads::scheduler;
use alloc::format;
use alloc::string::String;
use page_alloc::Policy;
use page_alloc::{AllocateError, FreeError, Request};
use units::{FrameNumber, NodeId};

/// Checks that pages of each node, single ones and runs, lie in the node's ranges of the topology, and that the allocator finds
/// their node.
pub fn lie_in_their_nodes_ranges() -> Result<Work, String> {
    let mut done = false;
    let topology = numa_topology::get();
    for node in topology.nodes() {
        for count in [1, 3, 8, 64] {
            let request = Request { strict: true, ..Request::new(count, node.id) };
            let Ok(grant) = allocate::allocate(&request, Zeroed::No) else { continue };
            for frame in (grant.frame.0..grant.frame.0 + count).map(FrameNumber) {
                let address = frame.address();
                let in_range = topology.ranges_of(node.id).any(|range| range.range.contains(address));
                ensure!(in_range, "{address} was granted as node {}'s, but is not in its ranges", node.id);
                let known = frames::node_of(frame);
                ensure!(known == Some(node.id), "{address} is on {known:?} by the allocator's table");
            }
            free_grant(grant.frame, count)?;
            done = true;
        }
    }
    Ok(Work::done_if(done, "no node has a free page"))
}

/// Checks that wrong frees are refused and change nothing: of a free page, of one that was never allocated, of the inside of a
/// grant, and of an address outside memory.
pub fn wrong_frees_are_refused() -> Outcome {
    let node = cpu::current().node;
    let before = frames::node_stats(node).free;
    let grant = allocate::allocate(&Request::new(4, node), Zeroed::No);
    let grant = grant.map_err(|_| "no four pages to be had")?;
    let start = grant.frame;
    let inside = FrameNumber(start.0 + 1);
    ensure!(allocate::free(inside, 1) == Err(FreeError::InsideGrant(inside)), "a part of a grant was freed");
    ensure!(allocate::free(start, 1).is_err(), "a grant of four was freed as one");
    ensure!(allocate::free(start, 5).is_err(), "a grant of four was freed as five");
    free_grant(start, 4)?;
    ensure!(allocate::free(start, 4) == Err(FreeError::AlreadyFree(start)), "four pages were freed twice");
    let outside = FrameNumber(u64::MAX / 8192);
    ensure!(
        allocate::free(outside, 1) == Err(FreeError::NotMemory(outside)),
        "a page outside memory was freed"
    );
    ensure!(allocate::free(FrameNumber(0), 1).is_err(), "frame 0 was freed");
    let after = frames::node_stats(node).free;
    // If this node has no memory, the pages came from another one.
    ensure!(grant.fell_back || after == before, "{before} pages were free, now {after}");
    let nothing = allocate::allocate(&Request::new(0, node), Zeroed::No);
    ensure!(nothing == Err(AllocateError::NoFrames), "a request for 0 pages was granted");
    Ok(())
}

/// Checks that an ordinary free takes back no kernel-owned page, no run of them, and no part of one.
pub fn the_kernels_own_are_refused() -> Result<Work, String> {
    let mut done = false;
    let node = cpu::current().node;
    for count in [1, 16, 512, 700] {
        let before = state(node);
        let Some(grant) = allocate::allocate_for_kernel_on(PageUse::Tests, node, count, Zeroed::No) else {
            continue;
        };
        for tried in [1, count] {
            let freed = allocate::free(grant.frame, tried);
            ensure!(freed.is_err(), "{tried} of {count} pages of the kernel's own were freed");
        }
        let freed = allocate::free_for_kernel(PageUse::Tests, grant.frame, count);
        ensure!(freed.is_ok(), "{count} pages of the kernel's own could not be freed: {freed:?}");
        let after = state(node);
        ensure!(
            after == before,
            "with {count} pages, node {node} had (free pages, largest order) {before:?}, and now has {after:?}"
        );
        done = true;
    }
    Ok(Work::done_if(done, "the boot CPU's node has no free page"))
}

/// How often to look again while another thread may be allocating or freeing.
const LOOKS: u32 = 1000;

/// Checks that the pages that are granted have a known use each: the sum of the uses' counts is that of the nodes', before and after more
/// allocations for a use.
pub fn are_counted_alike_by_uses_and_nodes() -> Outcome {
    uses_agree()?;
    for node in numa_topology::get().nodes() {
        let before = page_uses::count(PageUse::Tests);
        let Some(grant) = allocate::allocate_for_kernel(PageUse::Tests, node.id, 7, Zeroed::No) else {
            continue;
        };
        let counted = page_uses::count(PageUse::Tests);
        ensure!(counted == before + 7, "7 pages were allocated, and {counted} counted after {before}");
        uses_agree()?;
        let freed = allocate::free_for_kernel(PageUse::Tests, grant.frame, 7);
        ensure!(freed.is_ok(), "7 pages could not be freed: {freed:?}");
    }
    uses_agree()
}

fn uses_agree() -> Outcome {
    let mut granted = page_report::granted();
    for _ in 0..LOOKS {
        if granted.by_use == granted.by_node {
            return Ok(());
        }
        scheduler::yield_now();
        granted = page_report::granted();
    }
    Err(format!("the uses have {} pages, and the nodes have granted {}", granted.by_use, granted.by_node))
}

/// Checks that the CPUs' counts and the nodes' counts have the same sums, before and after more allocations.
pub fn are_counted_alike_by_cpus_and_nodes() -> Outcome {
    let nodes = numa_topology::get().nodes();
    for count in [1, 1, 3, 8] {
        let (cpus, of_nodes) = page_counts::sums();
        ensure!(cpus == of_nodes, "the CPUs have counted {cpus:?}, and the nodes {of_nodes:?}");
        for node in nodes {
            let in_turn = Policy::Interleave(frames::nodes_with_memory());
            for policy in [Policy::Local, Policy::Preferred(node.id), in_turn] {
                let request = ThreadRequest { policy: Some(policy), ..ThreadRequest::new(count) };
                let Ok(grant) = allocate::allocate_for_thread(request) else { continue };
                free_grant(grant.frame, count)?;
            }
        }
        ensure!(allocate::free(FrameNumber(0), count).is_err(), "frame 0 was freed");
        let (after, of_nodes) = page_counts::sums();
        ensure!(after == of_nodes, "the CPUs have counted {after:?}, and the nodes {of_nodes:?}");
        ensure!(
            after.refused_frees > cpus.refused_frees,
            "the refused free of {count} pages was not counted"
        );
        ensure!(after.interleave_hit > cpus.interleave_hit, "no page was counted as interleaved");
        let more = after.hit + after.miss - cpus.hit - cpus.miss;
        let expected = 3 * count * nodes.len() as u64;
        ensure!(more == expected, "{expected} pages were allocated, and {more} counted");
        ensure!(after.hit + after.miss == after.local + after.other, "{after:?} do not agree");
    }
    Ok(())
}

/// Frees a grant. A refusal is a failure.
pub fn free_grant(frame: FrameNumber, count: u64) -> Outcome {
    let freed = allocate::free(frame, count);
    ensure!(freed.is_ok(), "{count} pages at {} could not be freed: {freed:?}", frame.address());
    Ok(())
}

/// Returns a node's free pages and the order of its largest free chunk, which a test compares before and after.
pub fn state(node: NodeId) -> (u64, Option<u8>) {
    // What a heap keeps it may return at any time.
    heap::settle();
    let stats = frames::node_stats(node);
    (stats.free, stats.largest_free_order)
}
