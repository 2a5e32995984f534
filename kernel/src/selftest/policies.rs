//! Policies over several nodes: turns come exactly as they should, a set is never left, and threads hand their policy down.
use super::fallback::Taken;
use super::pages::give_back;
use super::{Outcome, ensure};
use crate::cpu;
use crate::memory::allocate::{self, ThreadRequest, Zeroed};
use crate::memory::frames;
use crate::memory::memory_context::MemoryContext;
use crate::memory::policy_guard::PolicyGuard;
use crate::platform::numa_topology;
use crate::threads::lifecycle;
use crate::threads::thread::{Policy, Start};
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::c_void;
use page_alloc::{Grant, NodeWeights};
use units::{NodeId, NodeSet};

/// Sets the running thread's policy until the guard is dropped.
fn with_policy(policy: Option<Policy<'_>>) -> PolicyGuard<'static> {
    PolicyGuard::new(MemoryContext::current(), policy)
}

/// Pages of each test of turns.
const PAGES: usize = 400;

/// Nodes that have so many pages to give.
fn nodes_with_room() -> NodeSet {
    let nodes = numa_topology::get().nodes().iter().map(|node| node.id);
    nodes.filter(|node| frames::node_stats(*node).free > 2 * PAGES as u64).collect()
}

/// By the running thread's policy.
fn allocate(count: u64) -> Result<Grant, String> {
    let request = ThreadRequest { zeroed: Zeroed::No, ..ThreadRequest::new(count) };
    allocate::allocate_for_thread(request).map_err(|error| alloc::format!("{count} pages: {error}"))
}

/// The nodes of so many single pages in a row, which are given back at the end.
fn nodes_of_pages(count: usize) -> Result<Vec<NodeId>, String> {
    let grants: Result<Vec<Grant>, String> = (0..count).map(|_| allocate(1)).collect();
    let grants = grants?;
    grants.iter().try_for_each(|grant| give_back(grant.frame, 1))?;
    Ok(grants.iter().map(|grant| grant.node).collect())
}

/// Interleaved pages come from each node in turn, ascending, whether one page or several are asked for; each is counted.
pub fn interleave_exactly() -> Outcome {
    let nodes = nodes_with_room();
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
        give_back(grant.frame, 8)?;
        ensure!(grant.node == node, "it was node {node}'s turn, and eight pages came from {}", grant.node);
    }
    Ok(())
}

/// The nodes again and again, so many in all.
fn repeated(nodes: impl Iterator<Item = NodeId>, count: usize) -> Vec<NodeId> {
    let once: Vec<NodeId> = nodes.collect();
    once.iter().copied().cycle().take(count).collect()
}

/// Weights of 3 for one node and 1 for each other are met to the page.
pub fn weigh_exactly() -> Outcome {
    let nodes = nodes_with_room();
    let Some(heavy) = nodes.first() else { return Ok(()) };
    let weights: NodeWeights =
        numa_topology::get().nodes().iter().map(|node| weight(node.id, heavy)).collect();
    let row = nodes.iter().flat_map(|node| (0..weight(node, heavy)).map(move |_| node));
    let expected = repeated(row, PAGES);
    let _weighted = with_policy(Some(Policy::Weighted(nodes, &weights)));
    let turns = nodes_of_pages(PAGES)?;
    ensure!(turns == expected, "pages came from {turns:?}");
    Ok(())
}

fn weight(node: NodeId, heavy: NodeId) -> u8 {
    if node == heavy { 3 } else { 1 }
}

/// A set gives pages of the nearest of its nodes, then of the others, and when all are empty none, though other nodes have some.
pub fn keep_to_their_set() -> Outcome {
    let here = cpu::current().node;
    // All but the nearest, where there are others.
    let order = numa_topology::get().fallback(here);
    let order = order.get(1..).filter(|rest| !rest.is_empty()).unwrap_or(order);
    let nodes: NodeSet = order.iter().copied().collect();
    let mut taken = Taken::new();
    let outcome = empty(nodes, order, &mut taken);
    taken.give_back()?;
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
            ensure!(grant.fell_back == (place > 0), "whether it fell back is told wrong");
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

/// A page of what the policy names first, by a thread that has set none itself: its node's index.
unsafe extern "C" fn first_node(_: *mut c_void) -> i32 {
    nodes_of_pages(1).map_or(-1, |nodes| nodes[0].index() as i32)
}

/// A thread begins with its creator's policy, and with the first turn; the guard gives back the policy that was there before.
pub fn are_inherited_and_given_back() -> Outcome {
    let nodes = nodes_with_room();
    let (Some(lowest), Some(other)) = (nodes.first(), nodes.iter().last()) else { return Ok(()) };
    let child = || {
        let start = Start { entry: first_node, argument: core::ptr::null_mut() };
        let thread = lifecycle::create("policy", start, None).map_err(|_| "no thread could be created")?;
        lifecycle::join(thread).map_err(|_| "the thread could not be joined")
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
    ensure!(child()? == lowest.index() as i32, "a thread did not begin with the first turn");
    let found = nodes_of_pages(1)?;
    ensure!(found.first().copied() == next, "after the guards it was {next:?}'s turn, not that of {found:?}");
    Ok(())
}
