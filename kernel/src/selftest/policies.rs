//! Tests of policies over several nodes: nodes take turns exactly, a set is never left, and threads inherit the policy.
use super::fallback::Taken;
use super::pages::free_grant;
use super::{Outcome, Work, ensure};
use crate::cpu;
use crate::memory::allocate::{self, ThreadRequest, Zeroed};
use crate::memory::frames;
use crate::memory::memory_context::MemoryContext;
use crate::memory::policy_guard::PolicyGuard;
use crate::platform::numa_topology;
use crate::threads::join;
use crate::threads::lifecycle;
use crate::threads::thread::Start;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::c_void;
use page_alloc::Policy;
use page_alloc::{Grant, NodeWeights};
use units::{NodeId, NodeSet};

/// Sets the running thread's policy until the guard is dropped.
fn with_policy(policy: Option<Policy<'_>>) -> PolicyGuard<'static> {
    PolicyGuard::new(MemoryContext::current(), policy)
}

/// The number of pages in each test of turns.
const PAGES: usize = 400;

const NO_ROOM: &str = "no node has 800 free pages";

/// Returns the nodes with enough free pages.
fn nodes_with_room() -> NodeSet {
    let nodes = numa_topology::get().nodes().iter().map(|node| node.id);
    nodes.filter(|node| frames::node_stats(*node).free > 2 * PAGES as u64).collect()
}

/// Allocates by the running thread's policy.
fn allocate(count: u64) -> Result<Grant, String> {
    let request = ThreadRequest { zeroed: Zeroed::No, ..ThreadRequest::new(count) };
    allocate::allocate_for_thread(request).map_err(|error| alloc::format!("{count} pages: {error}"))
}

/// Allocates so many single pages in a row, frees them, and returns their nodes.
fn nodes_of_pages(count: usize) -> Result<Vec<NodeId>, String> {
    let grants: Result<Vec<Grant>, String> = (0..count).map(|_| allocate(1)).collect();
    let grants = grants?;
    grants.iter().try_for_each(|grant| free_grant(grant.frame, 1))?;
    Ok(grants.iter().map(|grant| grant.node).collect())
}

/// Checks that interleaved pages come from each node in turn, ascending, for one page and for several, and that each is counted.
pub fn interleave_exactly() -> Result<Work, String> {
    let nodes = nodes_with_room();
    if nodes.is_empty() {
        return Ok(Work::Skipped(NO_ROOM));
    }
    let hits = || nodes.iter().map(|node| frames::node_stats(node).interleave_hit).sum::<u64>();
    let before = hits();
    let turns = {
        let _interleaved = with_policy(Some(Policy::Interleave(nodes)));
        nodes_of_pages(PAGES)?
    };
    let expected = repeated(nodes.iter(), PAGES);
    ensure!(turns == expected, "pages came from {turns:?}");
    ensure!(hits() - before == PAGES as u64, "of {PAGES} interleaved pages {} were counted", hits() - before);

    let _interleaved = with_policy(Some(Policy::Interleave(nodes)));
    for node in nodes.iter() {
        let grant = allocate(8)?;
        free_grant(grant.frame, 8)?;
        ensure!(grant.node == node, "it was node {node}'s turn, and eight pages came from {}", grant.node);
    }
    Ok(Work::Done)
}

/// Returns the nodes repeated, `count` in total.
fn repeated(nodes: impl Iterator<Item = NodeId>, count: usize) -> Vec<NodeId> {
    let once: Vec<NodeId> = nodes.collect();
    once.iter().copied().cycle().take(count).collect()
}

/// Checks that weights of 3 for one node and 1 for each other node are met to the page.
pub fn weigh_exactly() -> Result<Work, String> {
    let nodes = nodes_with_room();
    let Some(heavy) = nodes.first() else { return Ok(Work::Skipped(NO_ROOM)) };
    let weights: NodeWeights =
        numa_topology::get().nodes().iter().map(|node| weight(node.id, heavy)).collect();
    let row = nodes.iter().flat_map(|node| (0..weight(node, heavy)).map(move |_| node));
    let expected = repeated(row, PAGES);
    let _weighted = with_policy(Some(Policy::Weighted(nodes, &weights)));
    let turns = nodes_of_pages(PAGES)?;
    ensure!(turns == expected, "pages came from {turns:?}");
    Ok(Work::Done)
}

fn weight(node: NodeId, heavy: NodeId) -> u8 {
    if node == heavy { 3 } else { 1 }
}

/// Checks that pages of a set come from its nearest node, then from its others, and from no node outside the set when all are empty.
pub fn keep_to_their_set() -> Outcome {
    let here = cpu::current().node;
    // All nodes but the nearest, if there are others.
    let order = numa_topology::get().fallback(here);
    let order = order.get(1..).filter(|rest| !rest.is_empty()).unwrap_or(order);
    let nodes: NodeSet = order.iter().copied().collect();
    let mut taken = Taken::new();
    let outcome = empty(nodes, order, &mut taken);
    taken.free_all()?;
    outcome
}

fn empty(nodes: NodeSet, order: &[NodeId], taken: &mut Taken) -> Outcome {
    let _set = with_policy(Some(Policy::Set(nodes)));
    for (place, node) in order.iter().enumerate() {
        if frames::node_stats(*node).free > 0 {
            let grant = allocate(1)?;
            taken.keep(grant.frame, 1);
            ensure!(
                grant.node == *node,
                "the nearest of the set is {node}, and a page came from {}",
                grant.node
            );
            ensure!(grant.fell_back == (place > 0), "`fell_back` is wrong");
        }
        taken.exhaust(*node)?;
    }
    let refused = allocate::allocate_for_thread(ThreadRequest::new(1));
    if let Ok(grant) = refused {
        taken.keep(grant.frame, 1);
        return Err(alloc::format!("the set is empty, and a page came from node {}", grant.node));
    }
    Ok(())
}

/// Allocates a page by the inherited policy, and returns its node's index.
unsafe extern "C" fn first_node(_: *mut c_void) -> i32 {
    nodes_of_pages(1).map_or(-1, |nodes| nodes[0].index() as i32)
}

/// Checks that a thread starts with its creator's policy and the first turn, and that the guard restores the policy before it.
pub fn are_inherited_and_restored() -> Result<Work, String> {
    let nodes = nodes_with_room();
    let (Some(lowest), Some(other)) = (nodes.first(), nodes.iter().last()) else {
        return Ok(Work::Skipped(NO_ROOM));
    };
    let child = || {
        // SAFETY: `first_node` does not follow its argument.
        let start = unsafe { Start::new(first_node, core::ptr::null_mut()) };
        let thread = lifecycle::create("policy", start, None).map_err(|_| "no thread could be created")?;
        join::join(thread).map_err(|_| "the thread could not be joined")
    };
    let _turns = with_policy(Some(Policy::Interleave(nodes)));
    nodes_of_pages(1)?;
    let next = nodes.next_after(lowest);
    {
        let only_other: NodeSet = [other].into_iter().collect();
        let weights = NodeWeights::new();
        weights.set(other, 7);
        for policy in [Policy::Strict(other), Policy::Set(only_other), Policy::Weighted(nodes, &weights)] {
            let _inner = with_policy(Some(policy));
            let found = child()?;
            ensure!(
                found == other.index() as i32,
                "a thread of policy {policy:?} had a page of node {found}"
            );
        }
    }
    ensure!(child()? == lowest.index() as i32, "a thread did not start with the first turn");
    let found = nodes_of_pages(1)?;
    ensure!(found.first().copied() == next, "after the guards it was {next:?}'s turn, not that of {found:?}");
    Ok(Work::Done)
}
