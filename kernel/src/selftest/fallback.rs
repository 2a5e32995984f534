//! Tests that the nodes of a fallback order are used one after the other, down to the last.
use super::pages::{free_grant, state};
use super::{Outcome, ensure};
use crate::arch;
use crate::memory::allocate::{self, Zeroed};
use crate::memory::frames;
use crate::platform::numa_topology;
use arrayvec::ArrayVec;
use page_alloc::{MAX_ORDER, Request};
use units::{FrameNumber, MAX_NODES, NodeId};

/// Takes, for each node, all of its pages, checks where the next page comes from, takes all of that node's, and so on. When nothing
/// is left, a request must be refused. Then frees everything, and compares each node with its state before.
pub fn goes_in_distance_order() -> Outcome {
    let topology = numa_topology::get();
    for node in topology.nodes() {
        let before: ArrayVec<_, MAX_NODES> = topology.nodes().iter().map(|node| state(node.id)).collect();
        let mut taken = Taken::new();
        let outcome = follow(node.id, topology.fallback(node.id), &mut taken);
        taken.free_all()?;
        outcome?;
        for (other, was) in topology.nodes().iter().zip(before) {
            let is = state(other.id);
            ensure!(
                is == was,
                "node {} had (free pages, largest order) {was:?}, and now has {is:?}",
                other.id
            );
        }
    }
    Ok(())
}

fn follow(node: NodeId, order: &[NodeId], taken: &mut Taken) -> Outcome {
    for (place, &next) in order.iter().enumerate() {
        // A node whose memory is all in use has no page, so a later one may serve the request.
        let expected = order[place..].iter().find(|node| frames::node_stats(**node).free > 0).copied();
        if expected.is_none() {
            break;
        }
        let grant = allocate::allocate(&Request::new(1, node), Zeroed::No);
        let grant = grant.map_err(|error| alloc::format!("asked for node {node}: {error}"))?;
        taken.keep(grant.frame, 1);
        ensure!(
            Some(grant.node) == expected,
            "asked for node {node}, a page came from node {} and not from {expected:?}",
            grant.node
        );
        ensure!(grant.fell_back == (grant.node != node), "`fell_back` is wrong");
        taken.exhaust(next)?;
    }
    let refused = allocate::allocate(&Request::new(1, node), Zeroed::No);
    if let Ok(grant) = refused {
        taken.keep(grant.frame, 1);
        return Err(alloc::format!("all nodes are empty, and still a page came from node {}", grant.node));
    }
    Ok(())
}

/// The runs of pages that the test holds. Their list is stored in the pages themselves, since the heap would allocate pages, too.
pub struct Taken {
    last: FrameNumber,
}

/// The header at the start of each run.
#[repr(C)]
struct Link {
    count: u64,
    before: FrameNumber,
}

/// Ends the list: frame 0 is never granted.
const END: FrameNumber = FrameNumber(0);

impl Taken {
    /// Returns an empty list.
    pub fn new() -> Self {
        Self { last: END }
    }

    /// Adds a run.
    pub fn keep(&mut self, frame: FrameNumber, count: u64) {
        let link = Link { count, before: self.last };
        // SAFETY: every caller passes frames that it has just been granted, and uses them no more. Granted frames are RAM, which
        // `physical_memory` maps.
        unsafe { arch::physical_memory(frame.address()).cast::<Link>().write(link) };
        self.last = frame;
    }

    /// Takes all pages of the node, and checks that none is left.
    pub fn exhaust(&mut self, node: NodeId) -> Outcome {
        self.take_all(node);
        let left = frames::node_stats(node).free;
        ensure!(left == 0, "node {node} refuses single pages, but counts {left} free ones");
        Ok(())
    }

    /// Takes all pages of the node, the largest chunks first. Other CPUs may free some meanwhile.
    pub fn take_all(&mut self, node: NodeId) {
        for order in (0..=MAX_ORDER).rev() {
            let request = Request { strict: true, ..Request::new(1 << order, node) };
            while let Ok(grant) = allocate::allocate(&request, Zeroed::No) {
                self.keep(grant.frame, grant.count);
            }
        }
    }

    /// Frees all runs.
    pub fn free_all(mut self) -> Outcome {
        while self.last != END {
            // SAFETY: `keep` has written the link to this frame. The run is on the list until the next line frees it, and nothing
            // else writes to it.
            let link = unsafe { arch::physical_memory(self.last.address()).cast::<Link>().read() };
            free_grant(self.last, link.count)?;
            self.last = link.before;
        }
        Ok(())
    }
}
